import { type Env, ZERO_UUID } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { Errors } from "@samsa/protocol";
import type { RawConnection } from "@samsa/wire";
import { expect, test, vi } from "vitest";
import { Partition } from "../src/replica/partition.ts";
import { TestBroker } from "./wire.ts";

const { code: LOADING } = Errors.COORDINATOR_LOAD_IN_PROGRESS;
const COMMITS = 20;

/** Timers that wait until `release`, if they are due at once: a load stops after its first slice. */
function heldTimers(): { world: Partial<Env>; release: () => void } {
  const { timers } = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } });
  let isHeld = true;
  const held: (() => void)[] = [];
  const after: typeof timers.after = (ms, run) => {
    if (ms > 0 || !isHeld) return timers.after(ms, run);
    held.push(run);
    return { cancel: () => void held.splice(held.indexOf(run), 1) };
  };
  const release = (): void => {
    isHeld = false;
    for (const run of held.splice(0)) run();
  };
  return { world: { timers: { ...timers, after } }, release };
}

/** Error codes of one request to each kind of coordinator API. */
async function codesOf(wire: RawConnection): Promise<Record<string, number>> {
  const topics = [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: 99, committedMetadata: "" }] }];
  const commit = await wire.ask("OffsetCommit", 2, {
    groupId: "g",
    topics,
  });
  const fetched = [{ groupId: "g", topics: [{ name: "t", partitionIndexes: [0] }] }];
  const fetch = await wire.ask("OffsetFetch", 8, { groups: fetched });
  const described = await wire.ask("DescribeGroups", 5, { groups: ["g"] });
  const deleted = await wire.ask("DeleteGroups", 2, { groupsNames: ["other"] });
  const heartbeat = { groupId: "g", generationId: 1, memberId: "m" };
  return {
    commit: commit.topics[0].partitions[0].errorCode,
    fetch: fetch.groups[0].errorCode,
    describe: described.groups[0].errorCode,
    delete: deleted.results[0].errorCode,
    heartbeat: (await wire.ask("Heartbeat", 4, heartbeat)).errorCode,
    list: (await wire.ask("ListGroups", 4, {})).errorCode,
    find: (await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 })).errorCode,
  };
}

test("a coordinator that loads its log says so, and then has what was committed", async () => {
  const settings = { "offsets.topic.num.partitions": "1" };
  let broker = await TestBroker.start(settings);
  let wire = await broker.connect();
  const topic = { name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  await wire.ask("CreateTopics", 7, { topics: [topic], timeoutMs: 1000 });
  await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
  for (let offset = 1; offset <= COMMITS; offset++) {
    const topics = [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: "" }] }];
    await wire.ask("OffsetCommit", 2, { groupId: "g", topics });
  }
  wire.close();
  await broker.node.close();
  const { world, release } = heldTimers();
  broker = await TestBroker.start(settings, broker.directory, world, { loadBytes: 1 });
  wire = await broker.connect();
  expect(await codesOf(wire)).toEqual({
    commit: LOADING,
    fetch: LOADING,
    describe: LOADING,
    delete: LOADING,
    heartbeat: LOADING,
    list: LOADING,
    find: 0,
  });
  release();
  await expect.poll(async () => (await wire.ask("ListGroups", 4, {})).errorCode).toBe(0);
  const groups = [{ groupId: "g", topics: [{ name: "t", partitionIndexes: [0] }] }];
  const fetched = await wire.ask("OffsetFetch", 8, { groups });
  expect(fetched).toMatchObject({ groups: [{ topics: [{ partitions: [{ committedOffset: COMMITS }] }] }] });
  wire.close();
  await broker.stop();
});

test("a coordinator learns of topics that come and go while it loads its log", async () => {
  const settings = { "offsets.topic.num.partitions": "1", "group.consumer.assignment.interval.ms": "0" };
  let broker = await TestBroker.start(settings);
  let wire = await broker.connect();
  const create = (name: string) => {
    const topic = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
    return wire.ask("CreateTopics", 7, { topics: [topic], timeoutMs: 1000 });
  };
  for (const name of ["gone", "kept"]) await create(name);
  await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
  const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: "" }];
  const topics = ["gone", "kept"].map(name => ({ name, partitions }));
  await wire.ask("OffsetCommit", 2, { groupId: "g", topics });
  const beat = (memberEpoch: number) => {
    const joins = { rebalanceTimeoutMs: 10_000, subscribedTopicNames: ["new"], topicPartitions: [] };
    const member = { groupId: "c", memberId: "m", memberEpoch, ...(memberEpoch === 0 ? joins : {}) };
    return wire.ask("ConsumerGroupHeartbeat", 1, member);
  };
  const { memberEpoch } = await beat(0);
  wire.close();
  await broker.node.close();
  const { world, release } = heldTimers();
  broker = await TestBroker.start(settings, broker.directory, world, { loadBytes: 1 });
  wire = await broker.connect();
  expect((await beat(memberEpoch)).errorCode).toBe(LOADING);
  await wire.ask("DeleteTopics", 5, { topicNames: ["gone"], timeoutMs: 1000 });
  await create("new");
  release();
  await expect.poll(async () => (await wire.ask("ListGroups", 4, {})).errorCode).toBe(0);
  const fetched = await wire.ask("OffsetFetch", 8, { groups: [{ groupId: "g", topics: null }] });
  expect(fetched).toMatchObject({ groups: [{ topics: [{ name: "kept" }] }] });
  expect(broker.broker.groups.all()[0].shard.committed.fetch("g", null, false)).toHaveLength(1);
  expect((await beat(memberEpoch)).assignment?.topicPartitions).toHaveLength(1);
  wire.close();
  await broker.stop();
});

test("a coordinator acts on what it has loaded once that is flushed, if the settings ask for a flush", async () => {
  const settings = { "offsets.topic.num.partitions": "1", "log.flush.interval.messages": "1" };
  let broker = await TestBroker.start(settings);
  let wire = await broker.connect();
  await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
  await wire.ask("OffsetCommit", 2, { groupId: "g", topics: [] });
  const protocols = [{ name: "range", metadata: Buffer.alloc(0) }];
  const join = { groupId: "g", sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000, memberId: "", protocolType: "c" };
  expect(await wire.ask("JoinGroup", 3, { ...join, protocols })).toMatchObject({ errorCode: 0 });
  wire.close();
  // As after a kill: what the log has may be in the page cache only.
  const due = vi.spyOn(Partition.prototype, "isFlushDue", "get").mockReturnValue(true);
  let flushed = (): void => {};
  const flush = vi.spyOn(Partition.prototype, "flush").mockReturnValue(
    new Promise<void>(resolve => {
      flushed = resolve;
    }),
  );
  await broker.node.close();
  broker = await TestBroker.start(settings, broker.directory);
  wire = await broker.connect();
  expect((await wire.ask("ListGroups", 4, {})).errorCode).toBe(LOADING);
  expect(flush).toHaveBeenCalled();
  flushed();
  await expect.poll(async () => (await wire.ask("ListGroups", 4, {})).errorCode).toBe(0);
  due.mockRestore();
  flush.mockRestore();
  wire.close();
  await broker.stop();
});

test("a load reads no more at once than the settings allow", async () => {
  const topics = { "offsets.topic.num.partitions": "1", "transaction.state.log.num.partitions": "1" };
  let broker = await TestBroker.start(topics);
  let wire = await broker.connect();
  await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
  await wire.ask("FindCoordinator", 3, { key: "x", keyType: 1 });
  const topic = { name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  await wire.ask("CreateTopics", 7, { topics: [topic], timeoutMs: 1000 });
  const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: "" }];
  await wire.ask("OffsetCommit", 2, {
    groupId: "g",
    generationIdOrMemberEpoch: -1,
    memberId: "",
    retentionTimeMs: -1n,
    topics: [{ name: "t", partitions }],
  });
  const initialized = await wire.ask("InitProducerId", 4, { transactionalId: "x", transactionTimeoutMs: 60_000 });
  expect(initialized.errorCode).toBe(0);
  wire.close();
  await broker.node.close();
  const read = vi.spyOn(Partition.prototype, "read");
  const sizes = { "offsets.load.buffer.size": "700", "transaction.state.log.load.buffer.size": "800" };
  broker = await TestBroker.start({ ...topics, ...sizes }, broker.directory);
  wire = await broker.connect();
  const most = read.mock.calls.map(([{ maxBytes }], i) => [(read.mock.contexts[i] as Partition).topic, maxBytes]);
  read.mockRestore();
  expect(most).toEqual([
    ["__consumer_offsets", 700],
    ["__transaction_state", 800],
  ]);
  wire.close();
  await broker.stop();
});

test("a topic of a coordinator that is made anew has its own number of partitions", async () => {
  const broker = await TestBroker.start({ "offsets.topic.num.partitions": "5" });
  const wire = await broker.connect();
  await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
  const name = "__consumer_offsets";
  const topic = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  // Both requests are decided before the first is committed, so that one publication has both changes.
  const { channel } = broker.broker;
  const deleted = channel.call("DeleteTopics", {
    topics: [{ name, topicId: ZERO_UUID }],
    topicNames: [],
    timeoutMs: 1000,
  });
  const created = channel.call("CreateTopics", { topics: [topic], timeoutMs: 1000, validateOnly: false });
  expect((await deleted).responses).toMatchObject([{ errorCode: 0 }]);
  expect((await created).topics).toMatchObject([{ errorCode: 0 }]);
  for (const groupId of ["a", "b", "c", "d", "e", "f"]) expect(broker.broker.groups.indexOf(groupId)).toBe(0);
  expect(await wire.ask("ListGroups", 4, { statesFilter: [] })).toMatchObject({ errorCode: 0 });
  wire.close();
  await broker.stop();
});

test("groups stay where they are when partitions are added to their topic", async () => {
  const broker = await TestBroker.start({ "offsets.topic.num.partitions": "1" });
  const wire = await broker.connect();
  await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
  const join = {
    groupId: "g",
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    memberId: "",
    protocolType: "consumer",
  };
  const protocols = [{ name: "range", metadata: Buffer.alloc(0) }];
  expect(await wire.ask("JoinGroup", 3, { ...join, protocols })).toMatchObject({ errorCode: 0 });
  const request = {
    topics: [{ name: "__consumer_offsets", count: 7, assignments: null }],
    timeoutMs: 1000,
    validateOnly: false,
  };
  expect(await wire.ask("CreatePartitions", 2, request)).toMatchObject({ results: [{ errorCode: 0 }] });
  expect(broker.broker.groups.indexOf("g")).toBe(0);
  // The group is shown once its record is committed, for which the member has not waited.
  const described = () => wire.ask("DescribeGroups", 5, { groups: ["g"] });
  await expect.poll(described).toMatchObject({ groups: [{ protocolType: "consumer", members: [{}] }] });
  wire.close();
  await broker.stop();
});
