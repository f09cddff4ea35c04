import { join } from "node:path";
import { expect, test } from "vitest";
import { refused } from "../../../base/test/refused.ts";

const HEAD = `
import type { LeaderEpoch, Offset, PartitionIndex, Uuid } from "@samsa/base";
import { add } from "../src/assign/assignor.ts";
import type { ConsumerGroup } from "../src/consumer/group.ts";
import type { CommittedOffset } from "../src/group/offset-table.ts";
import type { PendingOffsets } from "../src/group/pending-offsets.ts";
import type { Initialization, LoggedRecord, MarkerRequest, Producer, Shard } from "../src/index.ts";
import type { SharePartition, SharePartitionKey, ShareStateRequest, TransactionShard } from "../src/index.ts";
import type { Timeline } from "../src/shard/timeline.ts";
declare const index: PartitionIndex, leaderEpoch: LeaderEpoch, offset: Offset, topic: Uuid;
declare const committed: CommittedOffset, consumers: ConsumerGroup, pending: PendingOffsets;
declare const producer: Producer, shard: Shard, records: SharePartition, timeline: Timeline, txns: TransactionShard;
declare const read: Extract<ShareStateRequest, { type: "read" }>, record: LoggedRecord;
`;

/** Calls and fields, each with a swapped twin. */
const TWINS: Readonly<Record<string, readonly [right: string, swapped: string]>> = {
  assignment: ["add(new Map(), topic, index);", "add(new Map(), topic, leaderEpoch);"],
  owned: ["consumers.isOwned(topic, index);", "consumers.isOwned(topic, offset);"],
  committed: [
    "const it: CommittedOffset = { ...committed, leaderEpoch };",
    "const it: CommittedOffset = { ...committed, leaderEpoch: offset };",
  ],
  pending: ['pending.overtake("g", "t", index);', 'pending.overtake("g", "t", committed.leaderEpoch);'],
  replay: ["shard.replay(0, record, offset);", "shard.replay(0, record, leaderEpoch);"],
  timeline: ["timeline.written(offset);", "timeline.written(leaderEpoch);"],
  initialization: [
    'const it: Initialization["topics"][number] = { topicId: topic, partitions: [index], startOffset: offset };',
    'const it: Initialization["topics"][number] = { topicId: topic, partitions: [index], startOffset: index };',
  ],
  key: [
    'const it: SharePartitionKey = { groupId: "g", topicId: topic, partition: index };',
    'const it: SharePartitionKey = { groupId: "g", topicId: topic, partition: read.body.leaderEpoch };',
  ],
  records: ["records.logStartMoved(offset);", "records.logStartMoved(read.body.leaderEpoch);"],
  verified: ['txns.verify("x", producer, "t", index);', 'txns.verify("x", producer, "t", producer.epoch);'],
  marker: [
    "const it: Partial<MarkerRequest> = { producerEpoch: producer.epoch };",
    "const it: Partial<MarkerRequest> = { producerEpoch: leaderEpoch };",
  ],
};

// Runs the compiler, because the promise is that a swap does not compile.
test("offsets, epochs and partitions cannot be swapped", () => {
  const folder = join(import.meta.dirname, "..");
  const twins = Object.values(TWINS);
  const swapped = twins.map(([, wrong]) => wrong);
  expect(refused(folder, HEAD, twins.flat())).toEqual(swapped);
});
