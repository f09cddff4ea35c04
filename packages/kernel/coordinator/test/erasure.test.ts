import type { Uuid } from "@samsa/base";
import { expect, test } from "vitest";
import { type ShareStateEffect, type ShareStateRequest, ShareStateShard } from "../src/index.ts";
import { OffsetTable } from "../src/group/offset-table.ts";
import { Timeline } from "../src/shard/timeline.ts";

const TOPIC = "AAAAAAAAAAAAAAAAAAAAZA" as Uuid;

test("the log of share state is not cut off below a tombstone that is not committed", () => {
  const pruneIntervalMs = 1000;
  const shard = new ShareStateShard({
    updatesPerSnapshot: 2,
    pruneIntervalMs,
    coldSnapshotIntervalMs: 1_000_000,
    partitionCount: () => 1,
  });
  let now = 0;
  let end = 0;
  const prunes: number[] = [];
  const act = (action: (out: ShareStateEffect[]) => void): void => {
    const out: ShareStateEffect[] = [];
    action(out);
    for (const effect of out) {
      if (effect.type === "prune") prunes.push(effect.offset);
      if (effect.type !== "append") continue;
      shard.timeline.begin();
      for (const record of effect.records) shard.replay(now, record, end++);
      shard.timeline.written(end);
    }
  };
  const key = { groupId: "g", topicId: TOPIC, partition: 0 };
  const ask = (request: ShareStateRequest): void => act(out => shard.request(now, 1, { key, request }, out));
  const pass = (): void => act(out => shard.tick((now += pruneIntervalMs), out));
  act(out => shard.loaded(now, out));
  ask({ type: "initialize", body: { partition: 0, stateEpoch: 1, startOffset: 0 } });
  ask({ type: "delete", body: { partition: 0 } });
  ask({ type: "initialize", body: { partition: 0, stateEpoch: 2, startOffset: 0 } });
  ask({ type: "delete", body: { partition: 0 } });
  shard.timeline.committed(2);
  pass();
  expect(prunes).toEqual([1]);
  shard.timeline.committed(4);
  pass();
  expect(prunes).toEqual([1, 3]);
});

test("a group whose offsets are all erased is forgotten", () => {
  const table = new OffsetTable(new Timeline());
  const offset = { offset: 1, leaderEpoch: -1, metadata: "", commitTimestamp: 0, expireTimestamp: -1, topicId: TOPIC };
  const places = ["t", "u"].map(topic => ({ groupId: "g", topic, partition: 0 }));
  for (const place of places) table.set(place, offset);
  for (const place of places) {
    expect(table.of("g")).not.toBe(table.of("unknown"));
    table.drop(place);
  }
  expect(table.of("g")).toBe(table.of("unknown"));
});
