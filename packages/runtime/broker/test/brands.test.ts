import { join } from "node:path";
import { expect, test } from "vitest";
import { refused } from "../../../base/test/refused.ts";

const HEAD = `
import type { BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionIndex } from "@samsa/base";
import type { ProducerEpoch, ProducerId, Uuid } from "@samsa/base";
import type { EpochCache, LogState, Segment } from "@samsa/log";
import type { MetadataImage, PartitionImage } from "@samsa/metadata";
import { Apis, metadataRecord } from "@samsa/protocol";
import { checkpointName } from "@samsa/quorum";
import { BatchCursor, buildBatch, type Tools } from "@samsa/records";
import type { Replica } from "@samsa/replica";
import type { PartitionLog } from "@samsa/storage";
import type { PartitionState } from "../src/api/topics/partition-state.ts";
import type { OpenWrites } from "../src/coordinator/open-writes.ts";
import type { ElectedShard, Shards } from "../src/coordinator/shards.ts";
import type { Admission } from "../src/coordinator/admission.ts";
import type { MarkerWrite } from "../src/coordinator/transactions.ts";
import type { ShareGroups } from "../src/share/share-groups.ts";
import type { ShareStateAnswer } from "../src/share/share-state-answer.ts";
import type { RaftClient } from "@samsa/raft";
import type { RequestTopics } from "../src/request/request-topics.ts";
import type { Partition } from "../src/replica/partition.ts";
import type { Topics } from "../src/replica/topics.ts";
declare const brokerEpoch: BrokerEpoch, brokerId: BrokerId, leaderEpoch: LeaderEpoch, offset: Offset;
declare const index: PartitionIndex, producerId: ProducerId, producerEpoch: ProducerEpoch;
declare const batch: BatchCursor, tools: Tools, epochs: EpochCache, state: LogState, segment: Segment;
declare const image: MetadataImage, partition: PartitionImage, log: PartitionLog, replica: Replica<string>;
declare const topicId: Uuid, open: OpenWrites, shards: Shards<ElectedShard>, shares: ShareGroups;
declare let admission: Partial<Admission>, answer: Partial<ShareStateAnswer>, described: Partial<PartitionState>;
declare let write: Partial<MarkerWrite>;
declare const metadata: RaftClient, known: RequestTopics, led: Partition, topics: Topics;
`;

/** Calls and fields, each with a swapped twin. */
const TWINS: Readonly<Record<string, readonly [right: string, swapped: string]>> = {
  batch: [
    "buildBatch([], { leaderEpoch: batch.leaderEpoch }, tools);",
    "buildBatch([], { leaderEpoch: batch.baseOffset }, tools);",
  ],
  producer: [
    "buildBatch([], { producerEpoch: batch.producerEpoch }, tools);",
    "buildBatch([], { producerEpoch: batch.leaderEpoch }, tools);",
  ],
  epochs: ["epochs.assign(leaderEpoch, offset);", "epochs.assign(offset, leaderEpoch);"],
  state: ["state.extendTo(segment.base, 0, []);", "state.extendTo(state.epochs.latest, 0, []);"],
  log: ["log.truncateTo(log.highWatermark);", "log.truncateTo(log.latestEpoch);"],
  end: [
    "log.truncateTo(log.endOffsetForEpoch(leaderEpoch).endOffset);",
    "log.truncateTo(log.endOffsetForEpoch(leaderEpoch).epoch);",
  ],
  replica: ["replica.becomeFollower(partition.leaderEpoch);", "replica.becomeFollower(partition.partitionEpoch);"],
  isr: ["partition.isr.includes(brokerId);", "partition.isr.includes(index);"],
  brokers: ["image.brokers.get(partition.leader);", "image.brokers.get(partition.leaderEpoch);"],
  snapshot: [
    "checkpointName({ offset, epoch: leaderEpoch });",
    "checkpointName({ offset: leaderEpoch, epoch: offset });",
  ],
  metadata: [
    "checkpointName({ offset: metadata.endOffset, epoch: 0 });",
    "checkpointName({ offset: metadata.epoch, epoch: 0 });",
  ],
  topics: ['topics.leader("t", index, leaderEpoch);', 'topics.leader("t", leaderEpoch, index);'],
  known: ['known.leader("t", index, leaderEpoch);', 'known.leader("t", leaderEpoch, index);'],
  led: ["led.deleteRecords(offset);", "led.deleteRecords(led.leaderEpoch);"],
  open: ["open.await(led.highWatermark, 0, () => {});", "open.await(led.leaderEpoch, 0, () => {});"],
  elected: ["shards.elect(led, led.leaderEpoch);", "shards.elect(led, led.highWatermark);"],
  shards: ["shards.at(index);", "shards.at(leaderEpoch);"],
  shares: ['shares.find("g", { topicId, index });', 'shares.find("g", { topicId, index: brokerId });'],
  answer: ["answer = { startOffset: offset, leaderEpoch };", "answer = { startOffset: leaderEpoch, leaderEpoch };"],
  admission: [
    "admission = { producer: { id: producerId, epoch: producerEpoch } };",
    "admission = { producer: { id: producerId, epoch: leaderEpoch } };",
  ],
  marker: ["write = { index };", "write = { index: producerEpoch };"],
  described: [
    "described = { leaderId: partition.leader, leaderEpoch: partition.leaderEpoch };",
    "described = { leaderId: partition.leader, leaderEpoch: partition.partitionEpoch };",
  ],
  heartbeat: [
    "Apis.BrokerHeartbeat.request.defaults({ brokerId, brokerEpoch, currentMetadataOffset: offset });",
    "Apis.BrokerHeartbeat.request.defaults({ brokerId, brokerEpoch: offset, currentMetadataOffset: offset });",
  ],
  registration: [
    'metadataRecord("UnregisterBrokerRecord", 0, { brokerId, brokerEpoch });',
    'metadataRecord("UnregisterBrokerRecord", 0, { brokerId: index, brokerEpoch });',
  ],
  ended: [
    "Apis.InitProducerId.response.defaults({ errorCode: 0, producerEpoch });",
    "Apis.InitProducerId.response.defaults({ errorCode: 0, producerEpoch: leaderEpoch });",
  ],
};

// Runs the compiler, because the promise is that a swap does not compile.
test("what one part passes to another cannot be swapped", () => {
  const folder = join(import.meta.dirname, "..");
  const twins = Object.values(TWINS);
  const swapped = twins.map(([, wrong]) => wrong);
  expect(refused(folder, HEAD, twins.flat())).toEqual(swapped);
});
