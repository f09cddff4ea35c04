import { Errors } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { KafkaError, type LookupEffect, OFFSET_TIMESTAMPS, OffsetLookup } from "../../src/index.ts";
import { StageView } from "../fetch/fetch-stage.ts";

const OPTIONS = {
  isolation: "read_committed",
  requestTimeoutMs: 30_000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1000,
} as const;
type Ask = Extract<LookupEffect, { type: "listOffsets" }>;

function begun(): { view: StageView; lookup: OffsetLookup; poll: (now?: number) => Ask[] } {
  const view = new StageView(3);
  view.lead(2, 1, 6);
  const wishes = [0, 1, 2].map(partition => ({ topic: "t", partition, timestamp: OFFSET_TIMESTAMPS.latest }));
  const lookup = new OffsetLookup(wishes, OPTIONS, view);
  const poll = (now = 0) =>
    lookup.poll({ now, wall: 0, chance: 0.5 }).filter((effect): effect is Ask => effect.type === "listOffsets");
  return { view, lookup, poll };
}

function answer(partitions: { partitionIndex: number; offset?: number; errorCode?: number }[]) {
  const full = partitions.map(one => ({ errorCode: 0, timestamp: -1, offset: -1, leaderEpoch: 5, ...one }));
  return { throttleTimeMs: 0, topics: [{ name: "t", partitions: full }] };
}

const at = (now: number) => ({ now, wall: 0, chance: 0.5 });

describe("a lookup of offsets", () => {
  test("asks each leader once, and is over when all have answered", () => {
    const { lookup, poll } = begun();
    const asked = poll();
    expect(asked).toMatchObject([
      { brokerId: 0, request: { isolationLevel: 1, replicaId: -1, timeoutMs: 30_000 } },
      { brokerId: 1, request: { topics: [{ name: "t", partitions: [{ partitionIndex: 2, currentLeaderEpoch: 6 }] }] } },
    ]);
    expect(poll()).toEqual([]);
    const many = [
      { partitionIndex: 0, offset: 10 },
      { partitionIndex: 1, offset: 11 },
    ];
    lookup.listed(asked[0].ticket, answer(many), at(0));
    expect(lookup.found).toBeUndefined();
    expect(lookup.missing).toEqual(["t-2"]);
    lookup.listed(asked[1].ticket, answer([{ partitionIndex: 2, offset: -1 }]), at(0));
    expect(lookup.found?.map(({ partition, offset }) => [partition, offset])).toEqual([
      [0, 10],
      [1, 11],
      [2, -1],
    ]);
  });

  test("asks again after errors that may pass, and where the leader is now", () => {
    const { view, lookup, poll } = begun();
    const [first, second] = poll();
    const errorCode = Errors.NOT_LEADER_OR_FOLLOWER.code;
    lookup.listed(first.ticket, answer([{ partitionIndex: 0, errorCode }]), at(0));
    lookup.failed(second.ticket, new KafkaError("DISCONNECTED", "lost"), at(0));
    expect(poll(50)).toEqual([]);
    expect(lookup.nextDeadline()).toBe(100);
    view.lead(0, 2, 7);
    expect(poll(100).map(({ brokerId }) => brokerId)).toEqual([2, 0, 1]);
  });

  test("ends with errors that stay", () => {
    const { lookup, poll } = begun();
    const [first, second] = poll();
    const errorCode = Errors.TOPIC_AUTHORIZATION_FAILED.code;
    lookup.listed(first.ticket, answer([{ partitionIndex: 0, errorCode }]), at(0));
    lookup.failed(second.ticket, new KafkaError("PROTOCOL_VIOLATION", "not Kafka"), at(0));
    expect(lookup.failure).toMatchObject({ name: "TOPIC_AUTHORIZATION_FAILED" });
    expect(poll(1000)).toEqual([]);
  });

  test("finds nothing where timestamps are not supported", () => {
    const view = new StageView(1);
    const lookup = new OffsetLookup([{ topic: "t", partition: 0, timestamp: 5 }], OPTIONS, view);
    const [ask] = lookup.poll(at(0));
    if (ask.type !== "listOffsets") throw new Error("it asks");
    const errorCode = Errors.UNSUPPORTED_FOR_MESSAGE_FORMAT.code;
    lookup.listed(ask.ticket, answer([{ partitionIndex: 0, errorCode }]), at(0));
    expect(lookup.found).toMatchObject([{ offset: -1 }]);
  });

  test("waits for the metadata of topics that are not known", () => {
    const view = new StageView(1);
    const lookup = new OffsetLookup([{ topic: "u", partition: 0, timestamp: 5 }], OPTIONS, view);
    expect(lookup.poll(at(0))).toEqual([{ type: "refreshMetadata" }]);
    expect(lookup.nextDeadline()).toBe(100);
    expect(lookup.found).toBeUndefined();
  });
});
