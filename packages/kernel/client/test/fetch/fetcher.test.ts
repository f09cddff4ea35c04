import { Errors } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { FETCH_STATES } from "../../src/fetch/fetch-state.ts";
import { DEFAULT_FETCH_OPTIONS, KafkaError, type RecordReader } from "../../src/index.ts";
import { batch, named, partition, Stage } from "./fetch-stage.ts";

const NONE = { reset: "none" } as const;

describe("positions", () => {
  test("the states are those of Kafka", () => {
    // Next states of `SubscriptionState.FetchStates`, the other way round.
    expect(FETCH_STATES).toEqual({
      INITIALIZING: [],
      FETCHING: ["INITIALIZING", "FETCHING", "AWAIT_RESET", "AWAIT_VALIDATION"],
      AWAIT_RESET: ["INITIALIZING", "FETCHING", "AWAIT_RESET", "AWAIT_VALIDATION"],
      AWAIT_VALIDATION: ["INITIALIZING", "FETCHING", "AWAIT_VALIDATION"],
    });
  });

  test.each([
    ["earliest", -2],
    ["latest", -1],
    [{ byDurationMs: 1000 }, 999_000],
  ] as const)("a partition without an offset begins at %o", (reset, timestamp) => {
    const stage = new Stage({ reset });
    const { brokerId, ticket, request } = stage.one("listOffsets");
    expect(brokerId).toBe(0);
    expect(request.topics).toEqual([
      { name: "t", partitions: [{ partitionIndex: 0, currentLeaderEpoch: 5, timestamp }] },
    ]);
    stage.list(ticket, [{ partitionIndex: 0, offset: 7 }]);
    expect(named(stage.one("fetch").request)).toEqual(["0@7"]);
    expect(stage.fetcher.status("t", 0)).toMatchObject({ state: "FETCHING", position: 7, processed: 7 });
  });

  test("the end follows if no record is as young as the duration", () => {
    const stage = new Stage({ reset: { byDurationMs: 1000 } });
    stage.list(stage.one("listOffsets").ticket, [{ partitionIndex: 0, offset: -1 }]);
    expect(stage.one("listOffsets").request.topics[0].partitions[0].timestamp).toBe(-1);
  });

  test("a committed offset comes before the reset policy", () => {
    const stage = new Stage({ hasGroup: true }, 2);
    const { ticket, partitions } = stage.one("committedOffsets");
    expect(partitions).toEqual([
      { topic: "t", partition: 0 },
      { topic: "t", partition: 1 },
    ]);
    stage.fetcher.committed(ticket, [{ topic: "t", partition: 1, offset: 9, leaderEpoch: -1 }], stage.moment);
    expect(named(stage.one("fetch").request)).toEqual(["1@9"]);
    expect(stage.one("listOffsets").request.topics[0].partitions).toHaveLength(1);
  });

  test("without an offset and a policy, the application is told, again and again, and may seek", () => {
    const stage = new Stage(NONE);
    expect(stage.take("listOffsets")).toEqual([]);
    expect(() => stage.read()).toThrow("no offset is committed for t-0, and auto.offset.reset is none");
    expect(stage.fetcher.take()).toBeUndefined();
    stage.now = stage.fetcher.nextDeadline();
    stage.take("fetch");
    expect(() => stage.read()).toThrow("no offset is committed");
    stage.fetcher.seek("t", 0, 3);
    expect(named(stage.one("fetch").request)).toEqual(["0@3"]);
    expect(stage.fetcher.take()).toBeUndefined();
  });

  test("out of range leads to the reset policy, once what is fetched is read", () => {
    const stage = new Stage();
    stage.begin();
    stage.answer(stage.one("fetch"), [partition(0, { records: [batch(0, ["a", "b"])] })]);
    stage.answer(stage.one("fetch"), [partition(0, { errorCode: Errors.OFFSET_OUT_OF_RANGE.code })]);
    expect(stage.take("moved")).toEqual([]);
    expect(stage.read()).toEqual(["a", "b"]);
    stage.now = stage.fetcher.nextDeadline();
    stage.answer(stage.one("fetch"), [partition(0, { errorCode: Errors.OFFSET_OUT_OF_RANGE.code })]);
    expect(stage.one("moved")).toEqual({
      ...{ type: "moved", topic: "t", partition: 0, from: 2, to: undefined },
      loss: "OUT_OF_RANGE",
    });
    expect(stage.take("listOffsets")).toHaveLength(1);
  });

  test("out of range without a policy is an error", () => {
    const stage = new Stage(NONE);
    stage.fetcher.seek("t", 0, 99);
    stage.answer(stage.one("fetch"), [partition(0, { errorCode: Errors.OFFSET_OUT_OF_RANGE.code })]);
    const error = stage.fetcher.take();
    expect(error).toMatchObject({
      name: "OFFSET_OUT_OF_RANGE",
      code: 1,
      message: expect.stringMatching(/no offset 99/),
    });
    expect(stage.fetcher.status("t", 0).position).toBe(99);
  });

  test("a seek drops what is fetched and ignores answers that are late", () => {
    const stage = new Stage();
    stage.begin();
    stage.answer(stage.one("fetch"), [partition(0, { records: [batch(0, ["a"])] })]);
    const late = stage.one("fetch");
    stage.fetcher.seek("t", 0, 1);
    stage.answer(late, [partition(0, { records: [batch(1, ["late"])] })]);
    expect(stage.read()).toEqual([]);
    const next = stage.one("fetch");
    stage.fetcher.seekTo("t", 0, "latest");
    stage.answer(next, [partition(0, { records: [batch(1, ["late"])] })]);
    expect(stage.read()).toEqual([]);
    expect(stage.one("listOffsets").request.topics[0].partitions[0].timestamp).toBe(-1);
    expect(() => stage.fetcher.seek("t", 0, -1)).toThrow("offset -1 cannot be sought");
    expect(() => stage.fetcher.seek("t", 1, 0)).toThrow("t-1 is not assigned to this consumer");
  });

  test("a partition that is assigned later begins at once", () => {
    const stage = new Stage({}, 2);
    stage.fetcher.assign([{ topic: "t", partition: 0 }]);
    stage.begin();
    stage.take("fetch");
    stage.fetcher.assign([
      { topic: "t", partition: 0 },
      { topic: "t", partition: 1 },
    ]);
    expect(stage.one("listOffsets").request.topics[0].partitions).toMatchObject([{ partitionIndex: 1 }]);
    expect(stage.fetcher.status("t", 0).position).toBe(0);
  });

  test("processed offsets follow what the application has settled", () => {
    const stage = new Stage();
    stage.begin();
    stage.answer(stage.one("fetch"), [partition(0, { records: [batch(0, ["a", "b"], 4)] })]);
    const reader = stage.fetcher.take() as RecordReader;
    expect(reader.next() && reader.next()).toBe(true);
    expect(stage.fetcher.status("t", 0)).toMatchObject({ position: 2, processed: 0 });
    reader.settle();
    expect(stage.fetcher.processed()).toEqual([{ topic: "t", partition: 0, offset: 2, leaderEpoch: 4 }]);
  });

  test("lag is the distance to what the isolation level lets be read", () => {
    const ends = { highWatermark: 12, lastStableOffset: 9, logStartOffset: 2 };
    for (const [isolation, lag] of [["read_uncommitted", 10] as const, ["read_committed", 7] as const]) {
      const stage = new Stage({ isolation });
      expect(stage.fetcher.status("t", 0).lag).toBeUndefined();
      stage.begin(2);
      stage.answer(stage.one("fetch"), [partition(0, ends)]);
      expect(stage.fetcher.status("t", 0)).toMatchObject({ ...ends, lag });
    }
  });
});

describe("validation", () => {
  function consumed(options = {}): Stage {
    const stage = new Stage(options);
    if (options === NONE) stage.fetcher.seek("t", 0, 0);
    else stage.begin();
    stage.answer(stage.one("fetch"), [partition(0, { records: [batch(0, ["a", "b"], 4)] })]);
    stage.read();
    stage.take("fetch");
    stage.view.lead(0, 1, 6);
    return stage;
  }

  test("a new leader is asked about the epoch of the last record", () => {
    const stage = consumed();
    const { brokerId, request, ticket } = stage.one("offsetForLeaderEpoch");
    expect(brokerId).toBe(1);
    expect(request.topics).toEqual([
      { topic: "t", partitions: [{ partition: 0, currentLeaderEpoch: 6, leaderEpoch: 4 }] },
    ]);
    expect(stage.fetcher.status("t", 0).state).toBe("AWAIT_VALIDATION");
    stage.validate(ticket, { endOffset: 2, leaderEpoch: 4 });
    expect(stage.one("fetch")).toMatchObject({ brokerId: 1 });
  });

  test("a truncation is told, and the position goes back to where the logs part", () => {
    const stage = consumed();
    stage.validate(stage.one("offsetForLeaderEpoch").ticket, { endOffset: 1, leaderEpoch: 4 });
    expect(stage.one("moved")).toMatchObject({ from: 2, to: 1, loss: "TRUNCATED" });
    expect(named(stage.one("fetch").request)).toEqual(["0@1"]);
  });

  test("a truncation of unknown extent leads to the reset policy", () => {
    const stage = consumed();
    stage.validate(stage.one("offsetForLeaderEpoch").ticket, {});
    expect(stage.one("moved")).toMatchObject({ from: 2, to: undefined, loss: "TRUNCATED" });
    expect(stage.take("listOffsets")).toHaveLength(1);
  });

  test("a truncation without a policy is an error", () => {
    const stage = consumed(NONE);
    stage.validate(stage.one("offsetForLeaderEpoch").ticket, { endOffset: 1, leaderEpoch: 4 });
    expect(stage.fetcher.take()).toMatchObject({
      name: "LOG_TRUNCATED",
      message: "the log of t-0 was truncated below offset 2, from offset 1 on",
    });
    expect(stage.fetcher.status("t", 0)).toMatchObject({ state: "AWAIT_VALIDATION", position: 2 });
  });

  test("records that were truncated before they were read are dropped without a word", () => {
    const stage = new Stage();
    stage.begin();
    stage.answer(stage.one("fetch"), [partition(0, { records: [batch(0, ["a"], 4)] })]);
    expect(stage.read()).toEqual(["a"]);
    stage.answer(stage.one("fetch"), [partition(0, { records: [batch(1, ["b"], 5)] })]);
    stage.view.lead(0, 1, 6);
    const first = stage.one("offsetForLeaderEpoch");
    expect(first.request.topics[0].partitions[0].leaderEpoch).toBe(5);
    expect(stage.read()).toEqual([]);
    stage.validate(first.ticket, { endOffset: 1, leaderEpoch: 4 });
    const second = stage.one("offsetForLeaderEpoch");
    expect(second.request.topics[0].partitions[0].leaderEpoch).toBe(4);
    stage.validate(second.ticket, { endOffset: 1, leaderEpoch: 4 });
    expect(stage.take("moved")).toEqual([]);
    expect(named(stage.one("fetch").request)).toEqual(["0@1"]);
    expect(stage.read()).toEqual([]);
  });

  test("errors of a validation are asked again, after a back-off that grows", () => {
    const stage = consumed();
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      stage.validate(stage.one("offsetForLeaderEpoch").ticket, { errorCode: Errors.NOT_LEADER_OR_FOLLOWER.code });
      expect(stage.take("offsetForLeaderEpoch")).toEqual([]);
      waits.push(stage.fetcher.nextDeadline() - stage.now);
      stage.now = stage.fetcher.nextDeadline();
    }
    expect(waits).toEqual([100, 200, 400, 800, 1000, 1000]);
  });

  test("a seek with an epoch is validated, and asks for newer metadata if it is ahead", () => {
    const stage = new Stage();
    stage.fetcher.seek("t", 0, 5, 4);
    expect(stage.take("offsetForLeaderEpoch")).toHaveLength(1);
    const group = new Stage({ hasGroup: true });
    const { ticket } = group.one("committedOffsets");
    group.fetcher.committed(ticket, [{ topic: "t", partition: 0, offset: 5, leaderEpoch: 8 }], group.moment);
    expect(group.take("refreshMetadata")).toHaveLength(1);
  });

  test("a topic that was created again is read by the reset policy", () => {
    const stage = consumed();
    stage.view.topicId = stage.view.topicId.replace(/./, "B") as typeof stage.view.topicId;
    stage.view.lead(0, 1, 0);
    expect(stage.one("moved")).toMatchObject({ from: 2, loss: "RECREATED" });
    expect(stage.one("listOffsets").request.topics[0].partitions[0]).toMatchObject({ currentLeaderEpoch: 0 });
  });

  test("a late answer of an old leader is ignored", () => {
    const stage = new Stage();
    stage.begin();
    const late = stage.one("fetch");
    stage.view.lead(0, 1, 6);
    expect(stage.one("fetch").brokerId).toBe(1);
    stage.answer(late, [partition(0, { records: [batch(0, ["late"])] })]);
    expect(stage.read()).toEqual([]);
  });

  test("an older leader in the metadata is ignored", () => {
    const stage = new Stage();
    stage.begin();
    stage.lose(stage.one("fetch"));
    stage.view.lead(0, 2, 4);
    stage.now += 1000;
    expect(stage.one("fetch").brokerId).toBe(0);
  });
});

describe("brokers", () => {
  test("one fetch is in flight for each", () => {
    const stage = new Stage({}, 2);
    stage.view.lead(1, 1, 5);
    for (const { ticket, request } of stage.take("listOffsets")) {
      stage.list(
        ticket,
        request.topics[0].partitions.map(({ partitionIndex }) => ({ partitionIndex, offset: 0 })),
      );
      expect(stage.take("fetch")).toHaveLength(1);
    }
    stage.fetcher.seek("t", 0, 1);
    expect(stage.take("fetch")).toEqual([]);
  });

  test("request fields come from the options", () => {
    const stage = new Stage({ ...DEFAULT_FETCH_OPTIONS, reset: "latest", rackId: "r1", isolation: "read_committed" });
    stage.begin();
    const { request, maxVersion } = stage.one("fetch");
    expect(request).toMatchObject({
      ...{ maxWaitMs: 500, minBytes: 1, maxBytes: 52428800, isolationLevel: 1, rackId: "r1" },
      ...{ sessionId: 0, sessionEpoch: 0 },
    });
    expect(request.topics[0].partitions[0]).toEqual({
      ...{ partition: 0, currentLeaderEpoch: 5, fetchOffset: 0, partitionMaxBytes: 1048576 },
    });
    expect(maxVersion).toBeUndefined();
  });

  test("errors of a partition delay it and ask for the metadata", () => {
    const stage = new Stage({}, 2);
    stage.begin();
    const errorCode = Errors.NOT_LEADER_OR_FOLLOWER.code;
    stage.answer(stage.one("fetch"), [partition(0, { errorCode }), partition(1)]);
    expect(named(stage.one("fetch").request)).toEqual([]);
    expect(stage.take("refreshMetadata")).toHaveLength(1);
    stage.view.lead(0, 1, 6);
    expect(stage.one("fetch")).toMatchObject({ brokerId: 1 });
  });

  test("leaders that a broker names are passed on", () => {
    const stage = new Stage();
    stage.begin();
    const node = { nodeId: 2, host: "two", port: 9, rack: null };
    const errorCode = Errors.FENCED_LEADER_EPOCH.code;
    const answer = partition(0, { errorCode, currentLeader: { leaderId: 2, leaderEpoch: 9 } });
    stage.answer(stage.one("fetch"), [answer], { nodeEndpoints: [node] });
    expect(stage.one("leaders")).toEqual({
      type: "leaders",
      leaders: [{ topic: "t", partition: 0, leaderId: 2, leaderEpoch: 9 }],
      nodes: [node],
    });
  });

  test("a refusal is told to the application and tried again later", () => {
    const stage = new Stage();
    stage.begin();
    stage.answer(stage.one("fetch"), [partition(0, { errorCode: Errors.TOPIC_AUTHORIZATION_FAILED.code })]);
    expect(stage.fetcher.take()).toMatchObject({
      name: "TOPIC_AUTHORIZATION_FAILED",
      message: expect.stringMatching(/^fetching t-0 from offset 0: /),
    });
    expect(stage.take("fetch")).toEqual([]);
    stage.now = stage.fetcher.nextDeadline();
    expect(stage.take("fetch")).toHaveLength(1);
  });

  test("an error comes after the records before it", () => {
    const stage = new Stage();
    stage.begin();
    stage.answer(stage.one("fetch"), [partition(0, { records: [batch(0, ["a"])] })]);
    stage.answer(stage.one("fetch"), [partition(0, { errorCode: Errors.TOPIC_AUTHORIZATION_FAILED.code })]);
    const values: string[] = [];
    const taken = stage.fetcher.take();
    expect(taken).not.toBeInstanceOf(KafkaError);
    expect(() => values.push(...stage.read())).toThrow("fetching t-0 from offset 1");
  });

  test("a lost connection delays the broker, with a back-off that grows", () => {
    const stage = new Stage();
    stage.begin();
    const waits: number[] = [];
    for (let i = 0; i < 5; i++) {
      stage.lose(stage.one("fetch"));
      expect(stage.take("fetch")).toEqual([]);
      waits.push(stage.fetcher.nextDeadline() - stage.now);
      stage.now = stage.fetcher.nextDeadline();
    }
    expect(waits).toEqual([100, 200, 400, 800, 1000]);
    expect(stage.fetcher.take()).toBeUndefined();
  });

  test("a final error of a request is told to the application", () => {
    const stage = new Stage();
    stage.begin();
    const error = new KafkaError("PROTOCOL_VIOLATION", "not Kafka");
    stage.fetcher.failed(stage.one("fetch").ticket, error, stage.moment);
    expect(stage.fetcher.take()).toBe(error);
  });

  test("a throttled client waits as long as the broker says", () => {
    const stage = new Stage();
    stage.begin();
    stage.answer(stage.one("fetch"), [], { throttleTimeMs: 700 });
    expect(stage.take("fetch")).toEqual([]);
    expect(stage.fetcher.nextDeadline()).toBe(700);
    stage.now = 700;
    expect(stage.one("fetch").request.sessionEpoch).toBe(0);
  });

  test("without a known leader the metadata is asked for, not more often than the back-off allows", () => {
    const stage = new Stage();
    stage.view.brokers.clear();
    stage.view.version++;
    expect(stage.take("refreshMetadata")).toHaveLength(1);
    stage.now += 50;
    expect(stage.take("refreshMetadata")).toHaveLength(0);
    expect(stage.fetcher.nextDeadline()).toBe(100);
    stage.now = 100;
    expect(stage.take("refreshMetadata")).toHaveLength(1);
  });

  test("a close ends the sessions that brokers know of", () => {
    const stage = new Stage();
    stage.begin();
    stage.answer(stage.one("fetch"), [partition(0)], { sessionId: 77 });
    stage.take("fetch");
    const effects = stage.fetcher.close();
    expect(effects).toMatchObject([{ type: "fetch", brokerId: 0, request: { sessionId: 77, sessionEpoch: -1 } }]);
    expect(stage.fetcher.close()).toEqual([]);
    expect(stage.fetcher.poll(stage.moment)).toEqual([]);
  });

  test("a session that no partition needs any more is closed", () => {
    const stage = new Stage();
    stage.begin();
    stage.answer(stage.one("fetch"), [partition(0)], { sessionId: 77 });
    const fetch = stage.one("fetch");
    stage.view.lead(0, 1, 6);
    expect(stage.one("fetch").brokerId).toBe(1);
    // The request that is in flight comes first.
    expect(stage.closings).toEqual([]);
    stage.answer(fetch, [], { sessionId: 77 });
    expect(stage.take("fetch")).toEqual([]);
    expect(stage.closings).toMatchObject([{ brokerId: 0, request: { sessionId: 77, sessionEpoch: -1 } }]);
  });
});

describe("nearer replicas", () => {
  const redirect = partition(0, { preferredReadReplica: 2 });

  test("are read until the metadata would be too old", () => {
    const stage = new Stage({ metadataMaxAgeMs: 5000 });
    stage.begin();
    stage.answer(stage.one("fetch"), [redirect]);
    const fetch = stage.one("fetch");
    expect(fetch.brokerId).toBe(2);
    stage.answer(fetch, [partition(0, { records: [batch(0, ["a"])] })]);
    expect(stage.read()).toEqual(["a"]);
    const last = stage.one("fetch");
    expect(last.brokerId).toBe(2);
    stage.now = 5000;
    stage.answer(last, []);
    expect(stage.take("fetch").map(({ brokerId }) => brokerId)).toContain(0);
  });

  test.each([Errors.OFFSET_OUT_OF_RANGE, Errors.NOT_LEADER_OR_FOLLOWER, Errors.UNKNOWN_LEADER_EPOCH])(
    "are left for the leader after $name",
    ({ code }) => {
      const stage = new Stage(NONE);
      stage.fetcher.seek("t", 0, 3);
      stage.answer(stage.one("fetch"), [redirect]);
      stage.answer(stage.one("fetch"), [partition(0, { errorCode: code })]);
      expect(stage.fetcher.take()).toBeUndefined();
      stage.now += 200;
      expect(stage.one("fetch")).toMatchObject({ brokerId: 0 });
      expect(stage.fetcher.status("t", 0).position).toBe(3);
    },
  );

  test("are left if they cannot be reached, or are not known", () => {
    const stage = new Stage();
    stage.begin();
    stage.answer(stage.one("fetch"), [redirect]);
    stage.lose(stage.one("fetch"));
    expect(stage.one("fetch").brokerId).toBe(0);
    const unknown = new Stage();
    unknown.view.brokers.delete(2);
    unknown.begin();
    unknown.answer(unknown.one("fetch"), [redirect]);
    expect(unknown.take("fetch")).toEqual([]);
    expect(unknown.take("refreshMetadata")).toHaveLength(1);
    unknown.now += 100;
    expect(unknown.one("fetch").brokerId).toBe(0);
  });

  test("are left with their leader", () => {
    const stage = new Stage();
    stage.begin();
    stage.answer(stage.one("fetch"), [redirect]);
    stage.answer(stage.one("fetch"), [partition(0)]);
    stage.take("fetch");
    stage.view.lead(0, 1, 6);
    expect(stage.one("fetch").brokerId).toBe(1);
  });
});
