import { type LogFields, type Logger, parseUuid, type Uuid } from "@samsa/base";
import { EMPTY_IMAGE, MetadataDelta, type MetadataImage } from "@samsa/metadata";
import { metadataRecord } from "@samsa/protocol";
import { expect, test } from "vitest";
import { ChangeLog } from "../src/metadata/change-log.ts";

const ID = parseUuid("AAAAAAAAAAAAAAAAAAAAZA") as Uuid;
const DIRECTORY = parseUuid("AAAAAAAAAAAAAAAAAAAAZQ") as Uuid;

/** Log of node 1, and the cluster that it is told of. */
class Bench {
  isActive = true;
  readonly #lines: string[] = [];
  readonly #log: ChangeLog;
  #image: MetadataImage = EMPTY_IMAGE;
  #offset = 0;

  constructor() {
    const at =
      (level: string) =>
      (message: string, { logger: _logger, offset: _offset, ...fields }: LogFields = {}): void =>
        void this.#lines.push([level, message, ...Object.entries(fields).map(pair => pair.join("="))].join(" "));
    const logger: Logger = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
    this.#log = new ChangeLog({ logger, nodeId: 1, isActive: () => this.isActive });
    this.apply(delta => delta.replay(registration));
    this.#log.leaderChanged(1, 1);
    this.#lines.length = 0;
  }

  /** Lines about the changes that `edit` makes. */
  apply(edit: (delta: MetadataDelta) => void): string[] {
    const delta = new MetadataDelta(this.#image);
    edit(delta);
    this.#image = delta.apply({ offset: ++this.#offset, epoch: 1, timestamp: 0 });
    this.#log.publish(delta, this.#image);
    return this.#lines.splice(0);
  }
}

const registration = metadataRecord("RegisterBrokerRecord", 3, {
  ...{ brokerId: 1, incarnationId: ID, brokerEpoch: 1, endPoints: [], features: [], rack: null },
  ...{ fenced: false, inControlledShutdown: false, logDirs: [DIRECTORY] },
});

function partition(partitionId: number, replicas: readonly number[], leader: number, leaderEpoch = 0) {
  const all = { replicas: [...replicas], isr: [...replicas], removingReplicas: [], addingReplicas: [] };
  const place = { topicId: ID, partitionId, leader, leaderEpoch, partitionEpoch: 0 };
  return metadataRecord("PartitionRecord", 1, { ...place, ...all, directories: replicas.map(() => DIRECTORY) });
}

test("topics that come, grow and go, and who leads", () => {
  const bench = new Bench();
  const created = bench.apply(delta => {
    delta.replay(metadataRecord("TopicRecord", 0, { name: "orders", topicId: ID }));
    delta.replay(partition(0, [1, 2], 1));
    delta.replay(partition(1, [2, 1], 2));
    delta.replay(partition(2, [2, 3], 2));
  });
  expect(created).toEqual([
    "info topics were created topics=orders count=1",
    "info this broker leads more partitions partitions=orders-0 count=1",
    "info this broker follows other leaders partitions=orders-1 count=1",
  ]);
  expect(bench.apply(delta => delta.replay(partition(3, [2, 3], 2)))).toEqual([
    "info partitions were added to a topic topic=orders added=1",
  ]);
  const moved = bench.apply(delta =>
    delta.replay(metadataRecord("PartitionChangeRecord", 1, { topicId: ID, partitionId: 0, leader: -1, isr: [2] })),
  );
  expect(moved).toEqual(["warn partitions of this broker have no leader count=1"]);
  const isrOnly = bench.apply(delta =>
    delta.replay(metadataRecord("PartitionChangeRecord", 1, { topicId: ID, partitionId: 1, isr: [2] })),
  );
  expect(isrOnly).toEqual([]);
  bench.isActive = false;
  expect(bench.apply(delta => delta.replay(metadataRecord("RemoveTopicRecord", 0, { topicId: ID })))).toEqual([]);
});

test("one line for many", () => {
  const bench = new Bench();
  const lines = bench.apply(delta => {
    delta.replay(metadataRecord("TopicRecord", 0, { name: "wide", topicId: ID }));
    for (let i = 0; i < 100; i++) delta.replay(partition(i, [1], 1));
  });
  expect(lines).toEqual([
    "info topics were created topics=wide count=1",
    "info this broker leads more partitions partitions=wide-0,wide-1,wide-2 count=100",
  ]);
});
