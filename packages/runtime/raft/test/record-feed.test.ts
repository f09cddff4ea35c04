import type { MetadataBatch } from "@samsa/quorum";
import { expect, test } from "vitest";
import type { RaftStorage } from "../src/raft-storage.ts";
import { RecordFeed } from "../src/record-feed.ts";
import { numbered } from "./cluster.ts";

const MIB = 1024 * 1024;

/** Batch of two records. */
function batch(baseOffset: number, size: number): MetadataBatch {
  const records = [numbered(baseOffset), numbered(baseOffset + 1)];
  return { baseOffset, lastOffset: baseOffset + 1, epoch: 1, timestamp: 1, size, records, control: [] };
}

/** A feed over a log of batches of this size, and what its listener has got and what was read. */
function feedOf(count: number, size: number) {
  const log = Array.from({ length: count }, (_, index) => batch(index * 2, size));
  const read: number[] = [];
  const got: number[] = [];
  const storage = {
    *batches(from: number, to: number) {
      for (const one of log) {
        if (one.baseOffset < from || one.baseOffset >= to) continue;
        read.push(one.baseOffset);
        yield one;
      }
    },
  };
  const listener = {
    loadSnapshot: () => void got.push(-1),
    replay: (_: unknown, last: { readonly offset: number }) => void got.push(last.offset),
    committed: () => {},
    leaderChanged: () => {},
    failed: () => {},
  };
  return { feed: new RecordFeed(listener, storage as unknown as RaftStorage), log, read, got };
}

test("much is replayed in slices, and no batch that is not committed as a whole", () => {
  const { feed, got } = feedOf(5, 3 * MIB);
  expect(feed.replayTo(10)).toBe(false);
  expect(got).toEqual([1, 3]);
  expect(feed.replayTo(7)).toBe(true);
  expect([got, feed.next]).toEqual([[1, 3, 5], 6]);
  expect(feed.replayTo(10)).toBe(true);
  expect([got, feed.bytesSinceSnapshot]).toEqual([[1, 3, 5, 7, 9], 15 * MIB]);
});

test("kept batches are not read again, others are, in order", () => {
  const { feed, log, read, got } = feedOf(6, 1);
  for (const at of [1, 2, 4, 5]) feed.keep(log[at] as MetadataBatch);
  expect(feed.replayTo(7)).toBe(true);
  expect([got, read]).toEqual([
    [1, 3, 5],
    [0, 6],
  ]);
  feed.truncate(10);
  expect(feed.replayTo(12)).toBe(true);
  expect([got, read]).toEqual([
    [1, 3, 5, 7, 9, 11],
    [0, 6, 6, 10],
  ]);
});

test("only so much is kept, and a snapshot replaces it", () => {
  const { feed, log, read, got } = feedOf(6, 20 * MIB);
  for (const one of log) feed.keep(one);
  expect([feed.replayTo(4), feed.replayTo(4)]).toEqual([false, true]);
  expect(read).toEqual([2]);
  feed.load({ offset: 8, epoch: 1 }, { lastContainedLogTimestamp: 0, kraftVersion: 0, voters: undefined, records: [] });
  expect([feed.isLoading, feed.loadSlice(), feed.isLoading]).toEqual([true, true, false]);
  expect([feed.next, feed.bytesSinceSnapshot]).toEqual([8, 0]);
  expect(feed.replayTo(10)).toBe(true);
  expect(got).toEqual([1, 3, -1, 9]);
});

test("a large snapshot is replayed in slices, before the log", () => {
  const got: [call: string, count: number, offset: number][] = [];
  const listener = {
    loadSnapshot: (records: readonly unknown[], last: { readonly offset: number }) =>
      got.push(["load", records.length, last.offset]),
    replay: (records: readonly unknown[], last: { readonly offset: number }) =>
      got.push(["replay", records.length, last.offset]),
    committed: () => {},
    leaderChanged: () => {},
    failed: () => {},
  };
  const feed = new RecordFeed(listener, undefined as never);
  const snapshot = { lastContainedLogTimestamp: 0, kraftVersion: 0, voters: undefined };
  const records = Array.from({ length: 2500 }, (_, i) => numbered(i));
  feed.load({ offset: 70, epoch: 1 }, { ...snapshot, records });
  expect([feed.loadSlice(), feed.isLoading]).toEqual([false, true]);
  // A newer snapshot of the leader takes its place.
  feed.load({ offset: 80, epoch: 1 }, { ...snapshot, records });
  expect([feed.loadSlice(), feed.loadSlice(), feed.loadSlice(), feed.isLoading]).toEqual([false, false, true, false]);
  expect(got).toEqual([
    ["load", 1000, 69],
    ["load", 1000, 79],
    ["replay", 1000, 79],
    ["replay", 500, 79],
  ]);
});
