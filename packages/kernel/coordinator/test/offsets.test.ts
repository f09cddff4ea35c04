import { type Uuid, ZERO_UUID } from "@samsa/base";
import { describe, expect, test } from "vitest";
import type { GroupEffect } from "../src/index.ts";
import { Bench, config } from "./bench.ts";

interface Commit {
  readonly topic?: string;
  readonly topicId?: Uuid;
  readonly offset?: number;
  readonly partition?: number;
  readonly metadata?: string;
}

function topicsOf({ topic = "t", topicId = ZERO_UUID, offset = 5, partition = 0, metadata = "" }: Commit) {
  const partitions = [
    { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: metadata },
  ];
  return [{ name: topic, topicId, partitions }];
}

function commit(bench: Bench, what: Commit = {}): number {
  const body = {
    groupId: "g",
    generationIdOrMemberEpoch: -1,
    memberId: "",
    groupInstanceId: null,
    retentionTimeMs: -1,
  };
  const reply = bench.ask({ type: "commit", version: 9, body: { ...body, topics: topicsOf(what) } });
  return (reply.topics as { partitions: { errorCode: number }[] }[])[0].partitions[0].errorCode;
}

function fetch(bench: Bench, topicId: Uuid = ZERO_UUID, topic = "t"): number {
  const topics = [{ name: topic, topicId, partitionIndexes: [0] }];
  return Number(bench.shard.committed.fetch("g", topics, false)[0].partitions[0].committedOffset);
}

function fetchAll(bench: Bench): string[] {
  return bench.shard.committed
    .fetch("g", null, false)
    .flatMap(({ name, partitions }) => partitions.map(p => `${name}-${p.partitionIndex}`));
}

function run(bench: Bench, action: (out: GroupEffect[]) => void): void {
  const out: GroupEffect[] = [];
  action(out);
  bench.settle(out);
}

const cleanUp = (bench: Bench): void => run(bench, out => bench.shard.cleanUp(bench.now, out));
const topicDeleted = (bench: Bench, name: string): void =>
  run(bench, out => bench.shard.topicsDeleted(bench.now, new Set([name]), out));

describe("offsets of a topic that was made again under its name", () => {
  test("are none, by name and by id, whether or not they have been erased", () => {
    const bench = new Bench();
    const old = bench.topic("t", 1);
    expect(commit(bench, { topicId: old })).toBe(0);
    expect([fetch(bench), fetch(bench, old), fetchAll(bench)]).toEqual([5, 5, ["t-0"]]);
    bench.topic("t", 0);
    const current = bench.topic("t", 1);
    expect(current).not.toBe(old);
    expect([fetch(bench), fetch(bench, current), fetchAll(bench)]).toEqual([-1, -1, []]);
    topicDeleted(bench, "t");
    expect(commit(bench, { topicId: current, offset: 7 })).toBe(0);
    topicDeleted(bench, "t");
    expect([fetch(bench), fetch(bench, current)]).toEqual([7, 7]);
  });

  test("are erased though there is a topic of that name again", () => {
    const bench = new Bench();
    commit(bench, { topicId: bench.topic("t", 1) });
    bench.topic("t", 0);
    bench.topic("t", 1);
    const { length } = bench.log;
    topicDeleted(bench, "t");
    expect(bench.log.slice(length).map(({ value }) => value)).toEqual([null]);
  });

  test("of clients and logs without ids count for the topic of the name", () => {
    const bench = new Bench();
    const id = bench.topic("t", 1);
    commit(bench);
    expect([fetch(bench), fetch(bench, id)]).toEqual([5, 5]);
    topicDeleted(bench, "t");
    expect(fetch(bench)).toBe(5);
    bench.topic("t", 0);
    topicDeleted(bench, "t");
    expect(fetch(bench)).toBe(-1);
  });
});

describe("offsets of a deleted topic", () => {
  test("that could not be erased are erased by the next clean-up", () => {
    const bench = new Bench();
    commit(bench, { topicId: bench.topic("t", 1) });
    bench.topic("t", 0);
    bench.failing = 15;
    topicDeleted(bench, "t");
    expect(bench.warnings).toHaveLength(1);
    expect(fetchAll(bench)).toEqual(["t-0"]);
    bench.failing = 0;
    cleanUp(bench);
    expect(fetchAll(bench)).toEqual([]);
  });

  test("are erased at a start, if the broker stopped before it did so", () => {
    const bench = new Bench();
    commit(bench, { topicId: bench.topic("t", 1) });
    commit(bench, { topic: "u", topicId: bench.topic("u", 1) });
    commit(bench, { topic: "v" });
    bench.topic("t", 0);
    const before = bench.log.length;
    bench.reload();
    expect(fetchAll(bench)).toEqual(["u-0"]);
    expect(bench.log.length).toBe(before + 2);
    bench.reload();
    expect(bench.log.length).toBe(before + 2);
  });

  test("stay while it is not known which topics there are", () => {
    const bench = new Bench();
    commit(bench);
    bench.reload();
    cleanUp(bench);
    expect(fetch(bench)).toBe(5);
  });
});

test("metadata is measured in UTF-16 code units", () => {
  const bench = new Bench();
  const longest = config.offsetMetadataMaxLength;
  expect(commit(bench, { metadata: "\u20ac".repeat(longest) })).toBe(0);
  expect(commit(bench, { metadata: "\u20ac".repeat(longest + 1) })).toBe(12);
  expect(commit(bench, { metadata: "\u{1f600}".repeat(longest / 2) })).toBe(0);
  expect(commit(bench, { metadata: "\u{1f600}".repeat(longest / 2 + 1) })).toBe(12);
});

test("a group whose last offset was deleted is there until it is cleaned up", () => {
  const bench = new Bench();
  commit(bench, { topicId: bench.topic("t", 1) });
  const codes: number[] = [];
  const topics = [{ name: "t", partitions: [{ partitionIndex: 0 }] }];
  run(bench, out => bench.shard.deleteOffsets(bench.now, { groupId: "g", topics }, out, code => codes.push(code)));
  expect(codes).toEqual([0]);
  expect(bench.shard.list()).toMatchObject([{ groupId: "g", groupState: "Empty", protocolType: "" }]);
  cleanUp(bench);
  expect(bench.shard.list()).toEqual([]);
});

test("a commit that fails leaves no group", () => {
  const bench = new Bench();
  bench.failing = 15;
  expect(commit(bench)).toBe(15);
  expect(bench.shard.list()).toEqual([]);
});

test("a commit makes its group even if it is refused; the next clean-up erases the group", () => {
  const bench = new Bench();
  bench.topic("t", 1);
  expect(commit(bench, { metadata: "x".repeat(config.offsetMetadataMaxLength + 1) })).toBe(12);
  expect(bench.shard.typeOf("g")).toBe("classic");
  // No record was written, so that the committed state has no such group.
  expect(bench.shard.list()).toEqual([]);
  cleanUp(bench);
  expect(bench.shard.typeOf("g")).toBeUndefined();
});
