import { ApiKey, Errors } from "@samsa/protocol";
import { buildBatch, endTxnBatch } from "@samsa/records";
import { describe, expect, test } from "vitest";
import {
  ACCEPT,
  alter,
  append,
  at,
  back,
  clock,
  GROUP,
  Member,
  newGroup,
  newTopic,
  produce,
  REJECT,
  RELEASE,
  settings,
  state,
  use,
  useShareBroker,
} from "./share-bench.ts";
import { logOf } from "./logs.ts";
import { TestBroker } from "./wire.ts";

useShareBroker();

describe("settings of share groups", () => {
  test("share.auto.offset.reset", async () => {
    const topic = await newTopic();
    await produce(topic, 2);
    clock.ahead += 7_200_000;
    await produce(topic, 3);
    const begins = async (reset: string) => {
      const groupId = await newGroup(topic, { startOffset: -1, configs: { "share.auto.offset.reset": reset } });
      const a = await Member.join(groupId, topic);
      const found = await a.acquired();
      a.close();
      return found;
    };
    expect(await begins("earliest")).toEqual(["0-4×1"]);
    expect(await begins("latest")).toEqual([]);
    expect(await begins("by_duration:PT1H")).toEqual(["2-4×1"]);
    expect(await begins("by_duration:P1DT1H1M1.5S")).toEqual(["0-4×1"]);
  });

  test("share.delivery.count.limit, of the group and of the broker", async () => {
    const topic = await newTopic();
    await produce(topic, 1);
    const a = await Member.join(await newGroup(topic, { configs: { "share.delivery.count.limit": "2" } }), topic);
    expect(await a.acquired()).toEqual(["0-0×1"]);
    expect(await a.acquired({ said: [[RELEASE, 0, 0]], maxWaitMs: 5000 })).toEqual(["0-0×2"]);
    expect(await a.says(RELEASE, 0, 0)).toBe(0);
    expect(await a.acquired()).toEqual([]);
    a.close();
    const own = await TestBroker.start({ ...settings, "group.share.delivery.count.limit": "2" });
    expect(own.broker.shares.configs("g")["share.delivery.count.limit"]).toBe(2);
    await own.stop();
  });

  test("share.partition.max.record.locks", async () => {
    const topic = await newTopic();
    for (const size of [60, 60, 60]) await produce(topic, size);
    const configs = { "share.partition.max.record.locks": "100" };
    const a = await Member.join(await newGroup(topic, { configs }), topic);
    expect(await a.acquired()).toEqual(["0-119×1"]);
    expect(await a.acquired()).toEqual([]);
    expect(await a.says(ACCEPT, 0, 119)).toBe(0);
    expect(await a.acquired()).toEqual(["120-179×1"]);
    a.close();
  });

  test("share.record.lock.duration.ms", async () => {
    const topic = await newTopic();
    await produce(topic, 1);
    const a = await Member.join(
      await newGroup(topic, { configs: { "share.record.lock.duration.ms": "20000" } }),
      topic,
    );
    expect(await a.acquired()).toEqual(["0-0×1"]);
    clock.pass(20_000);
    expect(await a.acquired()).toEqual(["0-0×2"]);
    a.close();
  });

  test("share.isolation.level", async () => {
    const topic = await newTopic();
    const { tools } = at.broker.broker;
    const producer = { producerId: 5n, producerEpoch: 0, baseSequence: 0, transactional: true };
    const rows = [1, 2].map(() => ({ timestamp: Date.now(), key: null, value: new Uint8Array(1) }));
    await produce(topic, 1);
    await append(topic, buildBatch(rows, producer, tools));
    const groupId = await newGroup(topic, { configs: { "share.isolation.level": "read_committed" } });
    const a = await Member.join(groupId, topic);
    expect(await a.acquired()).toEqual(["0-0×1"]);
    const marker = { producerId: 5n, producerEpoch: 0, commit: false, coordinatorEpoch: 0, timestamp: Date.now() };
    await append(topic, endTxnBatch(marker, tools));
    await produce(topic, 1);
    expect(await a.acquired()).toEqual(["3-4×1"]);
    const b = await Member.join(await newGroup(topic), topic);
    expect(await b.acquired()).toEqual(["0-4×1"]);
    a.close();
    b.close();
  });

  test("the most that a request may take is meant when it says so", async () => {
    const topic = await newTopic();
    await produce(topic, 10);
    const a = await Member.join(await newGroup(topic), topic);
    expect(await a.acquired({ mode: 1, maxRecords: 3 })).toEqual(["0-2×1"]);
    expect(await a.acquired({ maxRecords: 3 })).toEqual(["3-9×1"]);
    a.close();
  });

  test("bounds are the broker's, and what a group has set is kept within those of now", async () => {
    const lock = "share.record.lock.duration.ms";
    let own = await TestBroker.start({ ...settings, "group.share.min.record.lock.duration.ms": "1000" });
    await use(own);
    const topic = await newTopic();
    const groupId = await newGroup(topic, { configs: { [lock]: "2000" } });
    const a = await Member.join(groupId, topic);
    expect((await a.fetch()).acquisitionLockTimeoutMs).toBe(2000);
    a.close();
    at.admin.close();
    await own.node.close();
    own = await TestBroker.start(settings, own.directory);
    await use(own);
    const b = await Member.join(groupId, topic);
    expect((await b.fetch()).acquisitionLockTimeoutMs).toBe(15_000);
    b.close();
    at.admin.close();
    await own.stop();
    back();
  });

  test("group.share.max.share.sessions", async () => {
    const own = await TestBroker.start({
      ...settings,
      "group.share.max.share.sessions": "1",
      "group.share.max.size": "1",
    });
    await use(own);
    const topic = await newTopic();
    const groupId = await newGroup(topic);
    const [a, b] = [await Member.join(groupId, topic), await Member.join(groupId, topic)];
    expect((await a.fetch()).errorCode).toBe(0);
    expect((await b.fetch({ epoch: 0, maxWaitMs: 10 })).errorCode).toBe(Errors.SHARE_SESSION_LIMIT_REACHED.code);
    for (const wire of [a, b, at.admin]) wire.close();
    await own.stop();
    back();
  });

  test("group.share.initialize.retry.interval.ms, which is not shorter than offsets.commit.timeout.ms", async () => {
    const retryMs = async (values: Record<string, string>): Promise<number> => {
      const own = await TestBroker.start({ ...settings, ...values });
      const ms = own.broker.shares.membership.initializeRetryMs;
      await own.stop();
      return ms;
    };
    expect(await retryMs({ "group.share.initialize.retry.interval.ms": "7000" })).toBe(7000);
    expect(await retryMs({ "group.share.initialize.retry.interval.ms": "10" })).toBe(5000);
  });

  test.each(["", "org.example.Assignor"])("group.share.assignors: %j is refused", async value => {
    await expect(TestBroker.start({ "group.share.assignors": value })).rejects.toThrow(/group\.share\.assignors/);
  });

  test("share.coordinator.*: the topic of the states", async () => {
    const values = {
      "share.coordinator.state.topic.num.partitions": "2",
      "share.coordinator.state.topic.segment.bytes": "2097152",
      "share.coordinator.state.topic.min.isr": "1",
      "share.coordinator.state.topic.replication.factor": "1",
      "share.coordinator.snapshot.update.records.per.snapshot": "0",
    };
    const own = await TestBroker.start(values);
    await use(own);
    const topic = await newTopic();
    await newGroup(topic);
    const made = own.broker.topics.partitionsOf("__share_group_state");
    expect(made).toHaveLength(2);
    expect(logOf(made[0]).config.segmentBytes).toBe(2097152);
    expect(logOf(made[0]).config.retentionMs).toBe(-1);
    at.admin.close();
    await own.stop();
    back();
  });
});

test("states are written and their log is pruned at the intervals of the settings", async () => {
  const own = await TestBroker.start({
    ...settings,
    "share.coordinator.cold.partition.snapshot.interval.ms": "20",
    "share.coordinator.state.topic.prune.interval.ms": "10",
  });
  await use(own);
  await newGroup(await newTopic());
  const partitions = own.broker.topics.partitionsOf("__share_group_state");
  await expect.poll(() => partitions.some(partition => (partition?.startOffset ?? 0) > 0)).toBe(true);
  at.admin.close();
  await own.stop();
  back();
});

describe("membership", () => {
  test("a member is given partitions, whose states begin with it", async () => {
    const topic = await newTopic(2);
    const groupId = "members";
    await alter(GROUP, groupId, {
      "share.assignment.interval.ms": "0",
      "share.auto.offset.reset": "earliest",
      "share.heartbeat.interval.ms": "6000",
    });
    const wire = await at.broker.connect();
    await wire.ask("FindCoordinator", 4, { keyType: 0, coordinatorKeys: [groupId] });
    let epoch = 0;
    const beat = async () => {
      const subscribedTopicNames = epoch === 0 ? [topic.name] : null;
      const body = { groupId, memberId: "m", memberEpoch: epoch, rackId: null, subscribedTopicNames };
      const answer = await wire.ask("ShareGroupHeartbeat", 1, body);
      expect(answer).toMatchObject({ errorCode: 0, heartbeatIntervalMs: 6000 });
      epoch = answer.memberEpoch;
      return answer.assignment?.topicPartitions;
    };
    await expect.poll(beat).toEqual([{ topicId: topic.id, partitions: [0, 1] }]);
    await produce(topic, 3, { index: 1 });
    const a = await Member.join(groupId, topic);
    expect(await a.acquired({ partitions: [0, 1] })).toEqual(["0-2×1"]);
    a.close();
    const { groups: described } = await wire.ask("ShareGroupDescribe", 1, {
      groupIds: [groupId, "nobody", ""],
      includeAuthorizedOperations: false,
    });
    const { id: topicId, name: topicName } = topic;
    const assignment = { topicPartitions: [{ topicId, topicName, partitions: [0, 1] }] };
    expect(described).toMatchObject([
      { errorCode: 0, groupState: "Stable", assignorName: "simple", members: [{ memberId: "m", assignment }] },
      { errorCode: Errors.GROUP_ID_NOT_FOUND.code, groupState: "", errorMessage: "Group nobody not found." },
      { errorCode: Errors.INVALID_GROUP_ID.code, errorMessage: null },
    ]);
    const { groups: listed } = await wire.ask("ListGroups", 5, {
      statesFilter: [],
      typesFilter: ["share"],
    });
    const shown = { groupId, protocolType: "share", groupState: "Stable", groupType: "share" };
    expect(listed.filter(one => one.groupId === groupId)).toEqual([shown]);
    clock.pass(45_000);
    const body = { groupId, memberId: "m", memberEpoch: epoch, rackId: null, subscribedTopicNames: null };
    expect(await wire.ask("ShareGroupHeartbeat", 1, body)).toMatchObject({
      errorCode: Errors.UNKNOWN_MEMBER_ID.code,
    });
    wire.close();
  });
});

describe("administration", () => {
  const describeOffsets = async (groupId: string, topics: object[] | null) => {
    const asked = { groups: [{ groupId, topics }] };
    return (await at.admin.ask("DescribeShareGroupOffsets", 1, asked)).groups[0];
  };
  const alterOffsets = (groupId: string, topicName: string, partitionIndex: number, startOffset: number) =>
    at.admin.ask("AlterShareGroupOffsets", 0, {
      groupId,
      topics: [{ topicName, partitions: [{ partitionIndex, startOffset }] }],
    });

  test("offsets of a group are shown, set and deleted, and the group is", async () => {
    const topic = await newTopic(2);
    const groupId = "administered";
    await at.admin.ask("FindCoordinator", 4, { keyType: 0, coordinatorKeys: [groupId] });
    await produce(topic, 6);
    expect(await alterOffsets(groupId, topic.name, 0, 2)).toMatchObject({ errorCode: 0 });
    const partitions = [{ partitionIndex: 0, startOffset: 2, leaderEpoch: 0, lag: 4, errorCode: 0 }];
    expect(await describeOffsets(groupId, null)).toMatchObject({ errorCode: 0, topics: [{ partitions }] });
    const a = await Member.join(groupId, topic);
    expect(await a.acquired({ maxWaitMs: 5000 })).toEqual(["2-5×1"]);
    expect(await a.says(ACCEPT, 2, 3)).toBe(0);
    expect(await a.says(REJECT, 5, 5)).toBe(0);
    const asked = [
      { topicName: topic.name, partitions: [0, 1] },
      { topicName: "nowhere", partitions: [0] },
    ];
    const shown = await describeOffsets(groupId, asked);
    // The start offset is written with the next state; until then completed records count towards it.
    expect(shown.topics[0].partitions).toMatchObject([
      { partitionIndex: 0, startOffset: 4, lag: 1 },
      { partitionIndex: 1, startOffset: -1, lag: -1 },
    ]);
    expect(shown.topics[1].partitions).toMatchObject([{ startOffset: -1, errorCode: 0 }]);
    a.close();
    const unknown = Errors.UNKNOWN_TOPIC_OR_PARTITION.code;
    const refused = { responses: [{ partitions: [{ errorCode: unknown }] }] };
    expect(await alterOffsets(groupId, topic.name, 7, 0)).toMatchObject(refused);
    expect(await alterOffsets(groupId, "nowhere", 0, 0)).toMatchObject(refused);
    expect(await alterOffsets("", topic.name, 0, 0)).toMatchObject({ errorCode: Errors.INVALID_GROUP_ID.code });
    expect(await alterOffsets(groupId, topic.name, 0, 0)).toMatchObject({ errorCode: 0 });
    const b = await Member.join(groupId, topic);
    expect(await b.acquired({ maxWaitMs: 5000 })).toEqual(["0-5×1"]);
    b.close();
    const deletion = { groupId, topics: [{ topicName: topic.name }, { topicName: "nowhere" }] };
    expect(await at.admin.ask("DeleteShareGroupOffsets", 0, deletion)).toMatchObject({
      errorCode: 0,
      responses: [{ errorCode: 0 }, { errorCode: unknown }],
    });
    expect((await describeOffsets(groupId, null)).topics).toEqual([]);
    expect(await at.admin.ask("DeleteShareGroupOffsets", 0, deletion)).toMatchObject({
      responses: [{ errorMessage: "There is no offset information to delete." }, { errorCode: unknown }],
    });
    const gone = { results: [{ groupId, errorCode: 0 }] };
    expect(await at.admin.ask("DeleteGroups", 2, { groupsNames: [groupId] })).toMatchObject(gone);
    expect(await at.admin.ask("DeleteShareGroupOffsets", 0, deletion)).toMatchObject({
      errorCode: Errors.GROUP_ID_NOT_FOUND.code,
    });
  });

  test("a group with members is left alone", async () => {
    const topic = await newTopic();
    const groupId = "inhabited";
    await at.admin.ask("FindCoordinator", 4, { keyType: 0, coordinatorKeys: [groupId] });
    const body = { groupId, memberId: "m", memberEpoch: 0, rackId: null, subscribedTopicNames: [topic.name] };
    expect(await at.admin.ask("ShareGroupHeartbeat", 1, body)).toMatchObject({ errorCode: 0 });
    const nonEmpty = { errorCode: Errors.NON_EMPTY_GROUP.code };
    expect(await alterOffsets(groupId, topic.name, 0, 0)).toMatchObject(nonEmpty);
    const deletion = { groupId, topics: [{ topicName: topic.name }] };
    expect(await at.admin.ask("DeleteShareGroupOffsets", 0, deletion)).toMatchObject(nonEmpty);
    const results = [{ groupId, ...nonEmpty }];
    expect(await at.admin.ask("DeleteGroups", 2, { groupsNames: [groupId] })).toMatchObject({ results });
  });
});

test("without share.version there are no share groups", async () => {
  const own = await TestBroker.start(settings);
  await use(own);
  const topic = await newTopic();
  const a = await Member.join(await newGroup(topic), topic);
  expect((await a.fetch()).errorCode).toBe(0);
  expect(own.broker.shares.size).toBe(1);
  const featureUpdates = [{ feature: "share.version", maxVersionLevel: 0, upgradeType: 2 }];
  const downgrade = { timeoutMs: 1000, featureUpdates, validateOnly: false };
  expect(await at.admin.ask("UpdateFeatures", 1, downgrade)).toMatchObject({ errorCode: 0 });
  await expect.poll(() => own.broker.shares.size).toBe(0);
  const unsupported = Errors.UNSUPPORTED_VERSION.code;
  expect((await a.fetch()).errorCode).toBe(unsupported);
  expect((await a.acknowledge([[ACCEPT, 0, 0]])).errorCode).toBe(unsupported);
  const body = { groupId: "g", memberId: "m", memberEpoch: 0, rackId: null, subscribedTopicNames: ["t"] };
  expect(await at.admin.ask("ShareGroupHeartbeat", 1, body)).toMatchObject({ errorCode: unsupported });
  const asked = { groupIds: ["g"], includeAuthorizedOperations: false };
  const described = await at.admin.ask("ShareGroupDescribe", 1, asked);
  expect(described.groups).toMatchObject([{ errorCode: unsupported }]);
  const offsets = { groups: [{ groupId: "g", topics: null }] };
  const shown = await at.admin.ask("DescribeShareGroupOffsets", 1, offsets);
  expect(shown.groups).toMatchObject([{ errorCode: unsupported }]);
  for (const key of [ApiKey.AlterShareGroupOffsets, ApiKey.DeleteShareGroupOffsets]) {
    expect(await at.admin.ask(key, 0, { groupId: "g", topics: [] })).toMatchObject({ errorCode: unsupported });
  }
  for (const wire of [a, at.admin]) wire.close();
  await own.stop();
  back();
});

test("share state: what is empty is answered with nothing", async () => {
  const partition = { partition: 0, leaderEpoch: 0 };
  for (const body of [
    { groupId: "g", topics: [] },
    { groupId: "g", topics: [{ topicId: "AAAAAAAAAAAAAAAAAAAAZQ", partitions: [] }] },
    { groupId: "", topics: [{ topicId: "AAAAAAAAAAAAAAAAAAAAZQ", partitions: [partition] }] },
  ]) {
    expect(await at.admin.ask("ReadShareGroupState", 0, body)).toMatchObject({ results: [] });
  }
  const topic = await newTopic();
  const groupId = await newGroup(topic);
  expect(await state("DeleteShareGroupState", groupId, topic.id, {})).toMatchObject({ errorCode: 0 });
  expect(await state("ReadShareGroupState", groupId, topic.id, { leaderEpoch: 0 })).toMatchObject({
    errorCode: Errors.INVALID_REQUEST.code,
    errorMessage: "Read operation on uninitialized share partition not allowed.",
  });
  const write = { stateEpoch: 1, leaderEpoch: 0, startOffset: 0, stateBatches: [] };
  expect(await state("WriteShareGroupState", groupId, topic.id, write)).toMatchObject({
    errorCode: Errors.INVALID_REQUEST.code,
  });
});
