import { Errors } from "@samsa/protocol";
import { describe, expect, test, vi } from "vitest";
import {
  ACCEPT,
  alter,
  at,
  back,
  clock,
  GROUP,
  LOCK_MS,
  Member,
  newGroup,
  newTopic,
  produce,
  REJECT,
  RELEASE,
  RENEW,
  runs,
  type Said,
  settings,
  span,
  state,
  use,
  useShareBroker,
} from "./share-bench.ts";
import { TestBroker } from "./wire.ts";

useShareBroker();

describe("a share group", () => {
  test("shares a partition's records out among its members, and remembers what they did", async () => {
    const topic = await newTopic();
    for (const size of [10, 5, 5]) await produce(topic, size);
    const groupId = await newGroup(topic);
    const [a, b] = [await Member.join(groupId, topic), await Member.join(groupId, topic)];
    const first = await a.fetch({ maxRecords: 10 });
    expect(runs(first)).toEqual(["0-9×1"]);
    expect(span(first)).toEqual([0, 9]);
    expect(first.acquisitionLockTimeoutMs).toBe(LOCK_MS);
    expect(await b.acquired()).toEqual(["10-19×1"]);
    expect(await a.says(ACCEPT, 0, 4)).toBe(0);
    expect(await a.says(RELEASE, 5, 6)).toBe(0);
    expect(await a.says([ACCEPT, REJECT, ACCEPT], 7, 9)).toBe(0);
    expect(await b.says(ACCEPT, 5, 6), "not its own").toBe(Errors.INVALID_RECORD_STATE.code);
    const again = await b.fetch({ said: [[ACCEPT, 10, 19]] });
    expect(runs(again)).toEqual(["5-6×2"]);
    expect(again.responses[0].partitions[0].acknowledgeErrorCode).toBe(0);
    const read = await state("ReadShareGroupState", groupId, topic.id, { leaderEpoch: 0 });
    expect(read).toMatchObject({ errorCode: 0, startOffset: 5 });
    expect(await b.says(ACCEPT, 5, 6)).toBe(0);
    const summary = await state("ReadShareGroupStateSummary", groupId, topic.id, { leaderEpoch: 0 });
    expect(summary).toMatchObject({ errorCode: 0, stateEpoch: 1 });
    a.close();
    b.close();
    // After all members have left, a new one continues at the group's offsets.
    await expect.poll(() => at.broker.broker.shares.size).toBe(0);
    const c = await Member.join(groupId, topic);
    expect(await c.acquired()).toEqual([]);
    await produce(topic, 3);
    expect(await c.acquired()).toEqual(["20-22×1"]);
    c.close();
  });

  test("waits for records, and is woken by those that are new and those that are free again", async () => {
    const topic = await newTopic();
    const groupId = await newGroup(topic);
    const [a, b] = [await Member.join(groupId, topic), await Member.join(groupId, topic)];
    a.send({ maxWaitMs: 60_000 });
    await expect.poll(() => at.broker.broker.pendingFetches.size).toBe(1);
    await produce(topic, 4);
    expect(runs(await a.receive())).toEqual(["0-3×1"]);
    b.send({ maxWaitMs: 60_000 });
    await expect.poll(() => at.broker.broker.pendingFetches.size).toBe(1);
    expect(await a.says(RELEASE, 2, 3)).toBe(0);
    expect(runs(await b.receive())).toEqual(["2-3×2"]);
    b.send({ maxWaitMs: 60_000 });
    await expect.poll(() => at.broker.broker.pendingFetches.size).toBe(1);
    clock.pass(LOCK_MS);
    expect(runs(await b.receive())).toEqual(["0-1×2", "2-3×3"]);
    b.send({ maxWaitMs: 60_000, minBytes: 1 << 20 });
    await expect.poll(() => at.broker.broker.pendingFetches.size).toBe(1);
    clock.pass(60_000);
    expect((await b.receive()).errorCode, "when its time is up it gets what there is").toBe(0);
    expect(at.broker.broker.pendingFetches.size).toBe(0);
    a.close();
    b.close();
  });

  test("a member that is gone leaves its records to the others", async () => {
    const topic = await newTopic();
    await produce(topic, 4);
    const groupId = await newGroup(topic);
    const [a, b, c] = [
      await Member.join(groupId, topic),
      await Member.join(groupId, topic),
      await Member.join(groupId, topic),
    ];
    expect(await a.acquired()).toEqual(["0-3×1"]);
    expect(await b.acquired()).toEqual([]);
    b.send({ maxWaitMs: 60_000 });
    a.close();
    expect(runs(await b.receive())).toEqual(["0-3×2"]);
    // A final request with epoch -1 releases the records of its member too.
    expect(await c.acquired()).toEqual([]);
    expect((await b.fetch({ epoch: -1, said: [[ACCEPT, 0, 1]] })).errorCode).toBe(0);
    expect(await c.acquired()).toEqual(["2-3×3"]);
    expect((await c.acknowledge([[ACCEPT, 2, 3]], { epoch: -1 })).errorCode).toBe(0);
    expect((await c.fetch({ epoch: 2 })).errorCode).toBe(Errors.SHARE_SESSION_NOT_FOUND.code);
    b.close();
    c.close();
  });

  test("a member that is gone while it waits is given nothing", async () => {
    const topic = await newTopic();
    const groupId = await newGroup(topic);
    const [a, b] = [await Member.join(groupId, topic), await Member.join(groupId, topic)];
    expect(await b.acquired()).toEqual([]);
    a.send({ maxWaitMs: 60_000 });
    await expect.poll(() => at.broker.broker.pendingFetches.size).toBe(1);
    const before = at.broker.broker.shares.sessions.size;
    a.close();
    await expect.poll(() => at.broker.broker.shares.sessions.size).toBe(before - 1);
    await produce(topic, 2);
    expect(await b.acquired({ maxWaitMs: 5000 })).toEqual(["0-1×1"]);
    b.close();
  });

  test("locks are renewed, by a request that fetches nothing", async () => {
    const topic = await newTopic();
    await produce(topic, 4);
    const groupId = await newGroup(topic);
    const [a, b] = [await Member.join(groupId, topic), await Member.join(groupId, topic)];
    expect(await a.acquired()).toEqual(["0-3×1"]);
    clock.pass(LOCK_MS - 5000);
    const wrong = await a.fetch({ said: [[RENEW, 0, 1]], isRenewAck: true, epoch: 1 });
    expect(wrong).toMatchObject({ errorCode: Errors.INVALID_REQUEST.code, errorMessage: null });
    const none = { maxBytes: 0, minBytes: 0, maxRecords: 0, maxWaitMs: 0 };
    const renewed = await a.fetch({ said: [[RENEW, 0, 1]], isRenewAck: true, ...none });
    expect(renewed.responses[0].partitions[0].acknowledgeErrorCode).toBe(0);
    expect(await a.says(RENEW, 0, 1), "only where it is said").toBe(Errors.INVALID_REQUEST.code);
    clock.pass(5000);
    expect(await b.acquired()).toEqual(["2-3×2"]);
    await alter(GROUP, groupId, { "share.renew.acknowledge.enable": "false" });
    const off = await a.acknowledge([[RENEW, 0, 1]], { isRenewAck: true });
    expect(off.responses[0].partitions[0].errorCode).toBe(Errors.INVALID_RECORD_STATE.code);
    a.close();
    b.close();
  });

  test("its session has epochs, and is where its partitions are", async () => {
    const topic = await newTopic(2);
    await produce(topic, 1, { index: 1 });
    const groupId = await newGroup(topic, { partitions: 2 });
    const a = await Member.join(groupId, topic);
    const begun = await a.fetch();
    expect(begun.responses[0].partitions.map(({ partitionIndex }) => partitionIndex)).toEqual([0]);
    expect((await a.fetch({ epoch: 7 })).errorCode).toBe(Errors.INVALID_SHARE_SESSION_EPOCH.code);
    expect((await a.acknowledge([], { epoch: 0 })).errorCode).toBe(Errors.INVALID_SHARE_SESSION_EPOCH.code);
    expect((await a.fetch()).responses, "nothing new").toEqual([]);
    const added = await a.fetch({ partitions: [1, 5] });
    const codes = added.responses[0].partitions.map(one => [one.partitionIndex, one.errorCode]);
    expect(codes.sort(([a], [b]) => a - b)).toEqual([
      [1, 0],
      [5, Errors.UNKNOWN_TOPIC_OR_PARTITION.code],
    ]);
    expect(runs(added)).toEqual(["0-0×1"]);
    expect((await a.fetch({ forget: [5] })).responses).toEqual([]);
    const stranger = await Member.join(groupId, topic);
    expect((await stranger.fetch({ epoch: 3 })).errorCode).toBe(Errors.SHARE_SESSION_NOT_FOUND.code);
    expect((await stranger.fetch({ epoch: -1 })).errorCode).toBe(Errors.SHARE_SESSION_NOT_FOUND.code);
    expect((await stranger.fetch({ epoch: 0, said: [[ACCEPT, 0, 0]] })).errorCode).toBe(Errors.INVALID_REQUEST.code);
    stranger.close();
    a.close();
  });

  test.each([{ memberId: "" }, { memberId: null }, { memberId: "x".repeat(37) }, { groupId: null }])(
    "who asks as %j is refused",
    async who => {
      const topic = await newTopic();
      const a = await Member.join("g", topic);
      const refused = { errorCode: Errors.INVALID_REQUEST.code, errorMessage: null };
      expect(await a.wire.ask("ShareFetch", 2, { ...a.body(), ...who })).toMatchObject(refused);
      const body = { groupId: "g", memberId: "m", shareSessionEpoch: 1, isRenewAck: false, topics: [], ...who };
      expect(await a.wire.ask("ShareAcknowledge", 2, body)).toMatchObject(refused);
      a.close();
    },
  );

  test.each([
    ["backwards", [[ACCEPT, 3, 2]]],
    [
      "out of order",
      [
        [ACCEPT, 2, 3],
        [ACCEPT, 0, 1],
      ],
    ],
    ["of no type", [[[], 0, 1]]],
    ["of too many types", [[[1, 1, 1], 0, 1]]],
    ["of an unknown type", [[9, 0, 1]]],
  ] as const)("acknowledgements %s are refused", async (_how, said) => {
    const topic = await newTopic();
    await produce(topic, 4);
    const a = await Member.join(await newGroup(topic), topic);
    expect(await a.acquired()).toEqual(["0-3×1"]);
    const answer = await a.acknowledge(said as readonly Said[]);
    expect(answer.responses[0].partitions[0].errorCode).toBe(Errors.INVALID_REQUEST.code);
    a.close();
  });

  test("a first fetch of several partitions is complete with the first that has records", async () => {
    const topic = await newTopic(3);
    await produce(topic, 2, { index: 1 });
    await produce(topic, 2, { index: 2 });
    const groupId = await newGroup(topic);
    for (const partition of [1, 2]) {
      const body = { partition, stateEpoch: 1, startOffset: 0 };
      await state("InitializeShareGroupState", groupId, topic.id, body);
    }
    const a = await Member.join(groupId, topic);
    expect(await a.acquired({ partitions: [0, 1, 2], maxWaitMs: 5000 })).toEqual(["0-1×1"]);
    expect(await a.acquired({ partitions: [0, 1, 2], maxWaitMs: 5000 }), "the other one").toEqual(["0-1×1"]);
    a.close();
  });

  test("reads about as much as its member may have, unless more is wanted", async () => {
    const topic = await newTopic(2);
    const batches = Array.from({ length: 40 }, () => 1000);
    for (const index of [0, 1]) for (const count of batches) await produce(topic, count, { index });
    const groupId = await newGroup(topic, { partitions: 2, configs: { "share.partition.max.record.locks": "4000" } });
    const reads = [0, 1].map(index => {
      const partition = at.broker.broker.topics.partition(topic.name, index);
      if (partition === undefined) throw new Error("the partition is here");
      return vi.spyOn(partition, "read");
    });
    const bytes = (index: number): number =>
      reads[index].mock.results.reduce((sum, { value }) => sum + (value as { size: number }).size, 0);
    const member = await Member.join(groupId, topic);
    expect(await member.acquired({ partitions: [0, 1], maxRecords: 1500 })).toEqual(["0-999×1", "1000-1999×1"]);
    // About 8 kB for each batch of a thousand records.
    expect(bytes(0)).toBeGreaterThan(16_000);
    expect(bytes(0)).toBeLessThanOrEqual(128 * 1024);
    expect(reads[1], "the first partition had enough").not.toHaveBeenCalled();
    // Each partition is the first in turn.
    expect(await member.acquired({ maxRecords: 500, minBytes: 300_000 })).toEqual(["0-999×1"]);
    expect(bytes(1)).toBeGreaterThan(300_000);
    for (const read of reads) read.mockRestore();
    member.close();
  });

  test("a request that makes no sense is refused as a whole", async () => {
    const topic = await newTopic();
    const a = await Member.join(await newGroup(topic), topic);
    const refused = { errorCode: Errors.UNKNOWN_SERVER_ERROR.code, errorMessage: null, responses: [] };
    const body = a.body();
    expect(await a.wire.ask("ShareFetch", 2, { ...body, shareAcquireMode: 2 })).toMatchObject(refused);
    const twice = { ...body, topics: [...body.topics, ...body.topics] };
    expect(await a.wire.ask("ShareFetch", 2, twice)).toMatchObject(refused);
    a.close();
  });

  test("a topic that is deleted ends it there", async () => {
    const topic = await newTopic();
    await produce(topic, 1);
    const groupId = await newGroup(topic);
    const a = await Member.join(groupId, topic);
    expect(await a.acquired()).toEqual(["0-0×1"]);
    a.send({ maxWaitMs: 60_000 });
    await expect.poll(() => at.broker.broker.pendingFetches.size).toBe(1);
    await at.admin.ask("DeleteTopics", 6, { topics: [{ name: null, topicId: topic.id }], timeoutMs: 1000 });
    const gone = Errors.UNKNOWN_TOPIC_OR_PARTITION.code;
    expect((await a.receive()).responses[0].partitions[0].errorCode).toBe(gone);
    const later = await a.fetch({ said: [[ACCEPT, 0, 0]] });
    const unknown = Errors.UNKNOWN_TOPIC_ID.code;
    expect(later.responses[0].partitions[0]).toMatchObject({ errorCode: gone, acknowledgeErrorCode: unknown });
    expect(await state("ReadShareGroupState", groupId, topic.id, { leaderEpoch: 0 })).toMatchObject({
      errorCode: Errors.INVALID_REQUEST.code,
    });
    a.close();
  });

  test("goes on with what the log has left", async () => {
    const topic = await newTopic();
    for (const size of [4, 4]) await produce(topic, size);
    const a = await Member.join(await newGroup(topic), topic);
    const partitions = [{ partitionIndex: 0, offset: 4 }];
    await at.admin.ask("DeleteRecords", 2, { topics: [{ name: topic.name, partitions }], timeoutMs: 1000 });
    expect(await a.acquired()).toEqual([]);
    expect(await a.acquired()).toEqual(["4-7×1"]);
    a.close();
  });

  test("what was in flight is free again after a restart, and what is done with stays so", async () => {
    let own = await TestBroker.start(settings);
    await use(own);
    const topic = await newTopic();
    await produce(topic, 6);
    const groupId = await newGroup(topic);
    const a = await Member.join(groupId, topic);
    expect(await a.acquired()).toEqual(["0-5×1"]);
    expect(await a.says(ACCEPT, 0, 1)).toBe(0);
    expect(await a.says(RELEASE, 3, 3)).toBe(0);
    a.close();
    at.admin.close();
    await own.node.close();
    own = await TestBroker.start(settings, own.directory);
    await use(own);
    const b = await Member.join(groupId, topic);
    // Records without an acknowledgement count as never delivered.
    expect(await b.acquired({ maxWaitMs: 5000 })).toEqual(["2-2×1", "3-3×2", "4-5×1"]);
    b.close();
    at.admin.close();
    await own.stop();
    back();
  });
});
