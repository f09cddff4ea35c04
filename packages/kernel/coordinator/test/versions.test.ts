import { type Uuid, ZERO_UUID } from "@samsa/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type GroupEffect, type GroupRequest, GroupShard, type LoggedRecord, type ShardRecord } from "../src/index.ts";
import { append } from "./append.ts";
import { config as shared, noShares, topicId } from "./bench.ts";

const NOW = 1_000_000;
const GROUPS = ["a", "b"];
const PARTITIONS = 3;
const TOPICS: ReadonlyMap<string, Uuid> = new Map(["t", "u"].map(name => [name, topicId(name)]));
const CLIENT = { id: "c", host: "/h" };

/** A reassignment at every change, whatever the shard remembers of the last one. */
const intervals = { sessionTimeoutMs: 45_000, heartbeatIntervalMs: 5000, assignmentIntervalMs: 0 };
const config = { ...shared, consumer: { ...shared.consumer, intervals: () => intervals } };

const directory = {
  version: 1,
  idOf: (name: string) => TOPICS.get(name),
  nameOf: (id: Uuid) => [...TOPICS].find(([, known]) => known === id)?.[0],
  partitions: (id: Uuid) => ([...TOPICS.values()].includes(id) ? PARTITIONS : 0),
  racks: () => [],
  names: () => TOPICS.keys(),
};

type Ended = { readonly ended: bigint; readonly committed: boolean };

type Step =
  | { readonly do: "commit"; readonly groupId: string; readonly partition: number; readonly offset: number }
  | {
      readonly do: "txnCommit";
      readonly groupId: string;
      readonly partition: number;
      readonly offset: number;
      readonly producer: bigint;
    }
  | { readonly do: "end"; readonly producer: bigint; readonly committed: boolean }
  | {
      readonly do: "consumer" | "share";
      readonly groupId: string;
      readonly memberId: string;
      readonly epoch: 0 | -1;
      readonly topics: string[];
    }
  | { readonly do: "deleteOffsets" | "delete"; readonly groupId: string };

interface Turn {
  readonly step: Step;
  /** False: the log does not take the records. */
  readonly isWritten: boolean;
  /** Number of appends that are committed after it. */
  readonly commits: number;
}

const groupId = fc.constantFrom(...GROUPS);
const partition = fc.nat({ max: 1 });
const offset = fc.nat({ max: 99 });
const producer = fc.constantFrom(1n, 2n);
const member = {
  groupId,
  memberId: fc.constantFrom("m", "n"),
  epoch: fc.constantFrom(0, 0, -1),
  topics: fc.constantFrom(["t"], ["t", "u"]),
};
const step = fc.oneof(
  fc.record({ do: fc.constant("commit"), groupId, partition, offset }),
  fc.record({ do: fc.constant("txnCommit"), groupId, partition, offset, producer }),
  fc.record({ do: fc.constant("end"), producer, committed: fc.boolean() }),
  fc.record({ do: fc.constant("consumer"), ...member }),
  fc.record({ do: fc.constant("share"), ...member }),
  fc.record({ do: fc.constantFrom("deleteOffsets", "delete"), groupId }),
) as fc.Arbitrary<Step>;
const turn: fc.Arbitrary<Turn> = fc.record({
  step,
  isWritten: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  commits: fc.nat({ max: 3 }),
});

function load(log: readonly (LoggedRecord | Ended)[]): GroupShard {
  const shard = new GroupShard(config, () => "id", { ...noShares, assignmentIntervalMs: () => 0 });
  shard.topicsChanged(directory, new Set(), true);
  for (const entry of log) {
    if ("ended" in entry) shard.ended(NOW, { producer: { id: entry.ended, epoch: 0 }, committed: entry.committed });
    else shard.replay(NOW, entry);
  }
  const out: GroupEffect[] = [];
  shard.loaded(NOW, out);
  expect(out).toEqual([]);
  return shard;
}

function sorted<T>(items: readonly T[]): string[] {
  return items.map(item => JSON.stringify(item, (_key, value) => (value instanceof Map ? [...value] : value))).sort();
}

/** State that a shard shows: the committed one. */
function shown(shard: GroupShard) {
  return {
    groups: sorted(shard.list()),
    offsets: GROUPS.map(id => sorted(shard.committed.fetch(id, null, false).flatMap(({ partitions }) => partitions))),
    consumers: GROUPS.map(id => {
      const { members, ...group } = shard.consumerView(id);
      return [group, sorted(members)];
    }),
    shares: GROUPS.map(id => {
      const view = shard.shares.view(id);
      return view && [view.epoch, view.assignmentEpoch, view.state, sorted(view.members)];
    }),
    faults: GROUPS.map(id =>
      [1, 2, 3, 4].map(memberEpoch => shard.committed.fetchFault(id, "m", { memberEpoch, stable: false })),
    ),
  };
}

function commitBody({ groupId: id, partition: partitionIndex, offset: committedOffset }: Step & { do: "commit" }) {
  const partitions = [{ partitionIndex, committedOffset, committedLeaderEpoch: -1, committedMetadata: "" }];
  const topics = [{ name: "t", topicId: ZERO_UUID, partitions }];
  return { groupId: id, generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null, topics };
}

function requestOf(next: Step): GroupRequest | undefined {
  switch (next.do) {
    case "commit":
      return { type: "commit", version: 8, body: { ...commitBody(next), retentionTimeMs: -1 } };
    case "txnCommit": {
      const of = { transactionalId: "x", producerId: next.producer, producerEpoch: 0 };
      return { type: "txnCommit", version: 5, body: { ...commitBody({ ...next, do: "commit" }), ...of } };
    }
    case "consumer":
      return {
        type: "consumerHeartbeat",
        version: 1,
        client: CLIENT,
        body: {
          groupId: next.groupId,
          memberId: next.memberId,
          memberEpoch: next.epoch,
          instanceId: null,
          rackId: null,
          rebalanceTimeoutMs: 10_000,
          subscribedTopicNames: next.topics,
          subscribedTopicRegex: null,
          serverAssignor: null,
          topicPartitions: [],
        },
      };
    case "share": {
      const { memberId, epoch: memberEpoch, topics: subscribedTopicNames } = next;
      const body = { groupId: next.groupId, memberId, memberEpoch, rackId: null, subscribedTopicNames };
      return { type: "share", client: CLIENT, body };
    }
    default:
      return undefined;
  }
}

/** Puts a step before a shard; returns the effects. */
function ask(shard: GroupShard, next: Step): GroupEffect[] {
  const out: GroupEffect[] = [];
  const request = requestOf(next);
  if (request !== undefined) shard.request(NOW, 1, request, out);
  else if (next.do === "delete") shard.delete(NOW, next.groupId, out, () => undefined);
  else if (next.do === "deleteOffsets") {
    const topics = [{ name: "t", partitions: [{ partitionIndex: 0 }] }];
    shard.deleteOffsets(NOW, { groupId: next.groupId, topics }, out, () => undefined);
  }
  return out;
}

/** Records that a step decides, and replies; in any order of members. */
function decided(shard: GroupShard, next: Step) {
  return ask(shard, next).map(effect => {
    if (effect.type !== "append") return effect;
    return sorted(effect.records.map(({ key, value }) => [[...key], value && [...value]]));
  });
}

/** A shard, with its log and the ends of its appends that are not committed. */
class Run {
  readonly shard = load([]);
  readonly log: (LoggedRecord | Ended)[] = [];
  readonly ends: number[] = [];
  committed = 0;

  play({ step: next, isWritten, commits }: Turn): void {
    if (next.do === "end") this.#end(next, isWritten);
    else this.#settle(ask(this.shard, next), isWritten);
    for (let i = 0; i < commits; i++) this.committed = this.ends.shift() ?? this.committed;
    this.shard.timeline.committed(this.committed);
  }

  #end({ producer: id, committed }: Step & { do: "end" }, isWritten: boolean): void {
    const { timeline } = this.shard;
    timeline.begin();
    this.shard.ended(NOW, { producer: { id, epoch: 0 }, committed });
    if (!isWritten) return timeline.revert();
    this.log.push({ ended: id, committed });
    timeline.written(this.log.length);
    this.ends.push(this.log.length);
  }

  #settle(effects: GroupEffect[], isWritten: boolean): void {
    for (let next = effects.shift(); next !== undefined; next = effects.shift()) {
      if (next.type === "initialize") {
        const { initialization } = next;
        this.shard.forShares(NOW, effects, shares => shares.initialized(initialization, true));
      }
      if (next.type !== "append") continue;
      const { producer: of } = next;
      const records = next.records.map((one: ShardRecord) => (of === undefined ? one : { ...one, producer: of }));
      append(this.shard, NOW, { records, log: this.log, isWritten, isCommitted: false });
      if (isWritten) this.ends.push(this.log.length);
      this.shard.appended(NOW, next.token, isWritten ? 0 : 15, effects);
    }
  }
}

describe("a shard of groups", () => {
  test("shows what is committed, and is what its log says, whatever is written or taken back", () => {
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 40 }), turns => {
        const run = new Run();
        for (const next of turns) {
          run.play(next);
          expect(shown(run.shard), "what is committed").toEqual(shown(load(run.log.slice(0, run.committed))));
        }
        const loaded = load(run.log);
        for (const id of GROUPS) {
          for (const type of ["consumer", "share"] as const) {
            const next = { do: type, groupId: id, memberId: "m", epoch: 0 as const, topics: ["u"] };
            expect(decided(run.shard, next)).toEqual(decided(loaded, next));
          }
        }
        run.shard.timeline.written(run.log.length);
        run.shard.timeline.committed(run.log.length);
        expect(shown(run.shard), "the whole log").toEqual(shown(loaded));
        expect(run.shard.timeline.size).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
