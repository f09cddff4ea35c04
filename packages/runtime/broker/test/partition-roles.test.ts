import type { Offset } from "@samsa/base";
import { buildBatch } from "@samsa/records";
import { expect, test } from "vitest";
import { Fixture } from "../../storage/test/fixture.ts";
import { Deadlines } from "../src/replica/deadlines.ts";
import { fetchedBatches } from "../src/replica/fetched-batches.ts";
import { Partition, type PartitionOptions } from "../src/replica/partition.ts";
import { Turn } from "../src/turn/turn.ts";
import { ALONE, leading } from "./alone.ts";

/** A partition of broker 1, which follows broker 2 in epoch 1. */
class Following {
  readonly fixture: Fixture;
  readonly partition: Partition;

  constructor(config: Partial<Fixture["config"]> = {}) {
    this.fixture = new Fixture(1, config);
    const { env } = this.fixture.node;
    const turn = new Turn(env.timers, error => {
      throw error;
    });
    const rules = {} as PartitionOptions["settings"]["rules"];
    const settings = { log: this.fixture.config, rules, minInSync: 1 };
    const { log } = this.fixture;
    const { topicId = "" } = log;
    const parts = { env, turn, log, deadlines: new Deadlines(env), cluster: ALONE, topicId, settings };
    this.partition = new Partition(parts as PartitionOptions);
    this.partition.becomeFollower({ leaderEpoch: 1, replicas: [1, 2] });
  }

  batch(baseOffset: Offset, leaderEpoch = 1): Uint8Array {
    const records = [{ timestamp: 0, key: null, value: null }];
    return buildBatch(records, { baseOffset, leaderEpoch }, this.fixture.tools);
  }

  /** Appends one record of the leader, whose high watermark is 0. */
  append(offset: Offset, leaderWatermark = 0): number {
    return this.partition.appendAsFollower([this.batch(offset)], leaderWatermark, 0);
  }

  run(ms: number): Promise<void> {
    return this.fixture.world.runFor(ms);
  }
}

test("a follower takes batches as they are, and the high watermark as far as it has the records", async () => {
  const follower = new Following();
  expect([follower.append(0, 9), follower.append(1, 1)]).toEqual([0, 0]);
  expect([follower.partition.highWatermark, follower.partition.endOffset]).toEqual([1, 2]);
  expect(follower.append(1), "an offset that it has").not.toBe(0);
  await follower.run(50);
  expect(follower.partition.isSafe).toBe(true);
});

test("a replica that was cut and leads does not count records that it has lost", async () => {
  const follower = new Following();
  const { partition } = follower;
  for (let offset = 0; offset < 5; offset++) follower.append(offset);
  await follower.run(50);
  partition.truncateTo(2);
  expect(partition.isSafe, "the cut is written at the end of the turn").toBe(false);
  await follower.run(50);
  partition.becomeLeader(leading(2));
  await follower.run(50);
  expect([partition.endOffset, partition.highWatermark]).toEqual([2, 2]);
});

test("a log that begins anew has its high watermark at its start, never before", async () => {
  const follower = new Following();
  follower.append(0, 1);
  follower.partition.restartAt(9);
  const { startOffset, endOffset, highWatermark } = follower.partition;
  expect([startOffset, endOffset, highWatermark]).toEqual([9, 9, 9]);
  await follower.run(50);
  expect(follower.append(9)).toBe(0);
});

test("a flush that a cut has overtaken makes no lost record safe", async () => {
  const follower = new Following({ flushMessages: 1 });
  const { partition } = follower;
  for (let offset = 0; offset < 5; offset++) follower.append(offset);
  // The turn has begun the flush.
  await follower.run(0);
  expect(partition.isSafe).toBe(false);
  partition.truncateTo(2);
  await follower.run(200);
  expect(partition.isSafe).toBe(true);
  partition.becomeLeader(leading(2));
  await follower.run(200);
  expect([partition.endOffset, partition.highWatermark]).toEqual([2, 2]);
});

test("batches of a later epoch than the fetch, and what is cut off, are not appended", () => {
  const follower = new Following();
  const [one, two, later] = [follower.batch(4), follower.batch(5), follower.batch(6, 2)];
  const all = Buffer.concat([one, two, later]);
  expect(fetchedBatches([all], 1)).toMatchObject({ baseOffset: 4, size: one.length + two.length });
  expect(fetchedBatches([all], 2).size).toBe(all.length);
  expect(fetchedBatches([all.subarray(0, -1)], 2).size).toBe(one.length + two.length);
  expect(fetchedBatches([later, one], 1), "nor what follows").toEqual({ chunks: [], baseOffset: -1, size: 0 });
  expect(fetchedBatches(null, 1).size).toBe(0);
});

test.each([
  ["without new records", 0, false],
  ["with a new record", 1, true],
])("a follower %s that leads has the names of its log made durable only if it must", async (_how, records, named) => {
  const follower = new Following();
  const { partition } = follower;
  for (let offset = 0; offset < records; offset++) follower.append(offset);
  partition.becomeLeader(leading(2));
  await follower.run(50);
  expect(partition.highWatermark).toBe(records);
  expect(follower.fixture.log.isNamed).toBe(named);
  partition.becomeFollower({ leaderEpoch: 3, replicas: [1] });
  partition.becomeLeader(leading(4));
  await follower.run(50);
  expect([partition.highWatermark, partition.isSafe]).toEqual([records, true]);
  expect(follower.fixture.log.isNamed).toBe(named);
});
