import type { Env, Logger, Uuid } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { ApiKey, Errors } from "@samsa/protocol";
import { BatchCursor, buildBatch, endTxnBatch } from "@samsa/records";
import type { RawConnection, ResponseOf } from "@samsa/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestBroker } from "./wire.ts";
import { logOf } from "./logs.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const GROUP = 32;
const [ACCEPT, RELEASE, REJECT, RENEW] = [1, 2, 3, 4];
const LOCK_MS = 30_000;

/** Clock that a test advances to end long waits. */
class Clock {
  ahead = 0;
  readonly #real = nodeEnv({ logger: SILENT });
  readonly #waiting = new Set<{ readonly at: number; readonly run: () => void }>();

  get world(): Pick<Env, "clock" | "timers"> {
    const { clock, timers } = this.#real;
    return {
      clock: { now: () => clock.now() + this.ahead, monotonic: () => clock.monotonic() + this.ahead },
      timers: {
        soon: run => timers.soon(run),
        after: (ms, run) => {
          if (ms < 10_000) return timers.after(ms, run);
          const entry = { at: clock.monotonic() + this.ahead + ms, run };
          this.#waiting.add(entry);
          return { cancel: () => void this.#waiting.delete(entry) };
        },
      },
    };
  }

  pass(ms: number): void {
    this.ahead += ms;
    const now = this.#real.clock.monotonic() + this.ahead;
    for (const entry of [...this.#waiting]) {
      if (entry.at > now || !this.#waiting.delete(entry)) continue;
      entry.run();
    }
  }
}

const clock = new Clock();
let broker: TestBroker;
let admin: RawConnection;

const settings = { "share.coordinator.state.topic.num.partitions": "3" };

beforeAll(async () => {
  broker = await TestBroker.start(settings, undefined, clock.world);
  admin = await broker.connect();
});

afterAll(async () => {
  admin.close();
  await broker.stop();
});

let topics = 0;

interface Topic {
  readonly name: string;
  readonly id: Uuid;
}

async function newTopic(numPartitions = 1): Promise<Topic> {
  const name = `t${topics++}`;
  const asked = { name, numPartitions, replicationFactor: 1, assignments: [], configs: [] };
  const { topics: made } = await admin.ask("CreateTopics", 7, {
    topics: [asked],
    timeoutMs: 1000,
  });
  return { name, id: made[0].topicId };
}

/** Produces a batch of records of one byte each. */
async function produce({ name }: Topic, count: number, { index = 0 } = {}): Promise<void> {
  const rows = Array.from({ length: count }, () => ({
    timestamp: clock.world.clock.now(),
    key: null,
    value: new Uint8Array(1),
  }));
  const bytes = buildBatch(rows, {}, broker.broker.tools);
  const topicData = [{ name, partitionData: [{ index, records: [bytes] }] }];
  const body = { transactionalId: null, acks: -1, timeoutMs: 1000, topicData };
  const { responses } = await admin.ask("Produce", 9, body);
  expect(responses[0].partitionResponses[0].errorCode).toBe(0);
}

/** Appends a batch that no client may send. */
async function append({ name }: Topic, bytes: Uint8Array): Promise<void> {
  const partition = broker.broker.topics.partition(name, 0);
  const now = clock.world.clock.now();
  await new Promise<void>(resolve => {
    const added = partition?.appendAsLeader(bytes, { origin: "coordinator", now }, () => resolve());
    expect(added?.error).toBe(0);
  });
}

async function alter(resourceType: number, resourceName: string, values: Record<string, string | null>) {
  const configs = Object.entries(values).map(([name, value]) => ({
    name,
    configOperation: value === null ? 1 : 0,
    value,
  }));
  const { responses } = await admin.ask("IncrementalAlterConfigs", 1, {
    resources: [{ resourceType, resourceName, configs }],
    validateOnly: false,
  });
  expect(responses[0].errorMessage).toBeNull();
}

type StateApi = `${"Initialize" | "Write" | "Delete" | "Read"}ShareGroupState` | "ReadShareGroupStateSummary";

/** Sends a request about one partition to the share coordinator. */
async function state(api: StateApi, groupId: string, topicId: Uuid, body: object) {
  const topics = [{ topicId, partitions: [{ partition: 0, ...body }] }];
  const { results } = await admin.ask(api, 0, { groupId, topics });
  return results[0].partitions[0];
}

let groups = 0;

/** Creates a group that begins at `startOffset` in every partition of a topic; -1: where its settings say. */
async function newGroup(topic: Topic, { startOffset = 0, partitions = 1, configs = {} } = {}): Promise<string> {
  const groupId = `g${groups++}`;
  await alter(GROUP, groupId, { "share.auto.offset.reset": "earliest", ...configs });
  for (let partition = 0; partition < partitions; partition++) {
    const body = { partition, stateEpoch: 1, startOffset };
    expect(await state("InitializeShareGroupState", groupId, topic.id, body)).toMatchObject({ errorCode: 0 });
  }
  return groupId;
}

type Said = readonly [type: number | readonly number[], first: number, last: number];

interface Ask {
  readonly epoch?: number;
  readonly partitions?: readonly number[];
  readonly forget?: readonly number[];
  readonly said?: readonly Said[];
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxRecords?: number;
  readonly maxBytes?: number;
  readonly mode?: number;
  readonly isRenewAck?: boolean;
}

/** A member of a share group, with its own connection and session. */
class Member {
  readonly wire: RawConnection;
  readonly groupId: string;
  readonly memberId: string;
  readonly topic: Topic;
  epoch = 0;

  constructor(wire: RawConnection, groupId: string, topic: Topic) {
    this.wire = wire;
    this.groupId = groupId;
    this.topic = topic;
    this.memberId = `m${groups++}`;
  }

  static async join(groupId: string, topic: Topic): Promise<Member> {
    return new Member(await broker.connect(), groupId, topic);
  }

  #batches(said: readonly Said[]) {
    return said.map(([type, firstOffset, lastOffset]) => ({
      firstOffset,
      lastOffset,
      acknowledgeTypes: typeof type === "number" ? [type] : type,
    }));
  }

  body({ epoch = this.epoch, partitions, forget = [], said = [], ...asked }: Ask = {}) {
    const wanted = partitions ?? (epoch === 0 || said.length > 0 ? [0] : []);
    const { mode = 0, maxWaitMs = 0, minBytes = 1, maxRecords = 500, maxBytes = 1 << 20, isRenewAck = false } = asked;
    const named = wanted.map(partitionIndex => ({
      partitionIndex,
      acknowledgementBatches: partitionIndex === wanted[0] ? this.#batches(said) : [],
    }));
    return {
      groupId: this.groupId,
      memberId: this.memberId,
      shareSessionEpoch: epoch,
      maxWaitMs,
      minBytes,
      maxBytes,
      maxRecords,
      batchSize: 500,
      shareAcquireMode: mode,
      isRenewAck,
      topics: named.length === 0 ? [] : [{ topicId: this.topic.id, partitions: named }],
      forgottenTopicsData: forget.length === 0 ? [] : [{ topicId: this.topic.id, partitions: forget }],
    };
  }

  send(ask: Ask = {}): void {
    this.wire.send("ShareFetch", 2, this.body(ask));
    if (ask.epoch === undefined) this.epoch++;
  }

  receive(): Promise<ResponseOf<"ShareFetch">> {
    return this.wire.receive("ShareFetch", 2);
  }

  fetch(ask: Ask = {}): Promise<ResponseOf<"ShareFetch">> {
    this.send(ask);
    return this.receive();
  }

  /** Acquired runs of a fetch as texts: "0-9×1" are ten records delivered for the first time. */
  async acquired(ask: Ask = {}): Promise<string[]> {
    const answer = await this.fetch(ask);
    expect(answer.errorCode).toBe(0);
    return runs(answer);
  }

  async acknowledge(
    said: readonly Said[],
    { epoch = this.epoch, isRenewAck = false } = {},
  ): Promise<ResponseOf<"ShareAcknowledge">> {
    if (epoch === this.epoch) this.epoch++;
    const partitions = [{ partitionIndex: 0, acknowledgementBatches: this.#batches(said) }];
    return this.wire.ask("ShareAcknowledge", 2, {
      groupId: this.groupId,
      memberId: this.memberId,
      shareSessionEpoch: epoch,
      isRenewAck,
      topics: said.length === 0 ? [] : [{ topicId: this.topic.id, partitions }],
    });
  }

  /** Acknowledges records of one partition, and returns its error. */
  async says(...said: Said): Promise<number> {
    const answer = await this.acknowledge([said]);
    expect(answer.errorCode).toBe(0);
    return answer.responses[0].partitions[0].errorCode;
  }

  close(): void {
    this.wire.close();
  }
}

function runs({ responses }: ResponseOf<"ShareFetch">): string[] {
  const all = responses.flatMap(({ partitions }) => partitions.flatMap(({ acquiredRecords }) => acquiredRecords));
  return all.map(run => `${run.firstOffset}-${run.lastOffset}×${run.deliveryCount}`);
}

/** Offsets of the first and last record of a response. */
function span({ responses }: ResponseOf<"ShareFetch">): number[] {
  const cursor = new BatchCursor(Buffer.concat(responses[0].partitions[0].records ?? []));
  const offsets: number[] = [];
  while (cursor.next()) offsets.push(cursor.baseOffset, cursor.lastOffset);
  return [Math.min(...offsets), Math.max(...offsets)];
}

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
    await expect.poll(() => broker.broker.shares.size).toBe(0);
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
    await expect.poll(() => broker.broker.pendingFetches.size).toBe(1);
    await produce(topic, 4);
    expect(runs(await a.receive())).toEqual(["0-3×1"]);
    b.send({ maxWaitMs: 60_000 });
    await expect.poll(() => broker.broker.pendingFetches.size).toBe(1);
    expect(await a.says(RELEASE, 2, 3)).toBe(0);
    expect(runs(await b.receive())).toEqual(["2-3×2"]);
    b.send({ maxWaitMs: 60_000 });
    await expect.poll(() => broker.broker.pendingFetches.size).toBe(1);
    clock.pass(LOCK_MS);
    expect(runs(await b.receive())).toEqual(["0-1×2", "2-3×3"]);
    b.send({ maxWaitMs: 60_000, minBytes: 1 << 20 });
    await expect.poll(() => broker.broker.pendingFetches.size).toBe(1);
    clock.pass(60_000);
    expect((await b.receive()).errorCode, "when its time is up it gets what there is").toBe(0);
    expect(broker.broker.pendingFetches.size).toBe(0);
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
    await expect.poll(() => broker.broker.pendingFetches.size).toBe(1);
    const before = broker.broker.shares.sessions.size;
    a.close();
    await expect.poll(() => broker.broker.shares.sessions.size).toBe(before - 1);
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
    await expect.poll(() => broker.broker.pendingFetches.size).toBe(1);
    await admin.ask("DeleteTopics", 6, { topics: [{ name: null, topicId: topic.id }], timeoutMs: 1000 });
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
    await admin.ask("DeleteRecords", 2, { topics: [{ name: topic.name, partitions }], timeoutMs: 1000 });
    expect(await a.acquired()).toEqual([]);
    expect(await a.acquired()).toEqual(["4-7×1"]);
    a.close();
  });

  test("what was in flight is free again after a restart, and what is done with stays so", async () => {
    let own = await TestBroker.start(settings);
    const before = [broker, admin] as const;
    [broker, admin] = [own, await own.connect()];
    const topic = await newTopic();
    await produce(topic, 6);
    const groupId = await newGroup(topic);
    const a = await Member.join(groupId, topic);
    expect(await a.acquired()).toEqual(["0-5×1"]);
    expect(await a.says(ACCEPT, 0, 1)).toBe(0);
    expect(await a.says(RELEASE, 3, 3)).toBe(0);
    a.close();
    admin.close();
    await own.node.close();
    own = await TestBroker.start(settings, own.directory);
    [broker, admin] = [own, await own.connect()];
    const b = await Member.join(groupId, topic);
    // Records without an acknowledgement count as never delivered.
    expect(await b.acquired({ maxWaitMs: 5000 })).toEqual(["2-2×1", "3-3×2", "4-5×1"]);
    b.close();
    admin.close();
    await own.stop();
    [broker, admin] = before;
  });
});

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
    const { tools } = broker.broker;
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
    const before = [broker, admin] as const;
    [broker, admin] = [own, await own.connect()];
    const topic = await newTopic();
    const groupId = await newGroup(topic, { configs: { [lock]: "2000" } });
    const a = await Member.join(groupId, topic);
    expect((await a.fetch()).acquisitionLockTimeoutMs).toBe(2000);
    a.close();
    admin.close();
    await own.node.close();
    own = await TestBroker.start(settings, own.directory);
    [broker, admin] = [own, await own.connect()];
    const b = await Member.join(groupId, topic);
    expect((await b.fetch()).acquisitionLockTimeoutMs).toBe(15_000);
    b.close();
    admin.close();
    await own.stop();
    [broker, admin] = before;
  });

  test("group.share.max.share.sessions", async () => {
    const own = await TestBroker.start({
      ...settings,
      "group.share.max.share.sessions": "1",
      "group.share.max.size": "1",
    });
    const before = [broker, admin] as const;
    [broker, admin] = [own, await own.connect()];
    const topic = await newTopic();
    const groupId = await newGroup(topic);
    const [a, b] = [await Member.join(groupId, topic), await Member.join(groupId, topic)];
    expect((await a.fetch()).errorCode).toBe(0);
    expect((await b.fetch({ epoch: 0, maxWaitMs: 10 })).errorCode).toBe(Errors.SHARE_SESSION_LIMIT_REACHED.code);
    for (const wire of [a, b, admin]) wire.close();
    await own.stop();
    [broker, admin] = before;
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
    const before = [broker, admin] as const;
    [broker, admin] = [own, await own.connect()];
    const topic = await newTopic();
    await newGroup(topic);
    const made = own.broker.topics.partitionsOf("__share_group_state");
    expect(made).toHaveLength(2);
    expect(logOf(made[0]).config.segmentBytes).toBe(2097152);
    expect(logOf(made[0]).config.retentionMs).toBe(-1);
    admin.close();
    await own.stop();
    [broker, admin] = before;
  });
});

test("states are written and their log is pruned at the intervals of the settings", async () => {
  const own = await TestBroker.start({
    ...settings,
    "share.coordinator.cold.partition.snapshot.interval.ms": "20",
    "share.coordinator.state.topic.prune.interval.ms": "10",
  });
  const before = [broker, admin] as const;
  [broker, admin] = [own, await own.connect()];
  await newGroup(await newTopic());
  const partitions = own.broker.topics.partitionsOf("__share_group_state");
  await expect.poll(() => partitions.some(partition => (partition?.startOffset ?? 0) > 0)).toBe(true);
  admin.close();
  await own.stop();
  [broker, admin] = before;
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
    const wire = await broker.connect();
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
    return (await admin.ask("DescribeShareGroupOffsets", 1, asked)).groups[0];
  };
  const alterOffsets = (groupId: string, topicName: string, partitionIndex: number, startOffset: number) =>
    admin.ask("AlterShareGroupOffsets", 0, {
      groupId,
      topics: [{ topicName, partitions: [{ partitionIndex, startOffset }] }],
    });

  test("offsets of a group are shown, set and deleted, and the group is", async () => {
    const topic = await newTopic(2);
    const groupId = "administered";
    await admin.ask("FindCoordinator", 4, { keyType: 0, coordinatorKeys: [groupId] });
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
    expect(await admin.ask("DeleteShareGroupOffsets", 0, deletion)).toMatchObject({
      errorCode: 0,
      responses: [{ errorCode: 0 }, { errorCode: unknown }],
    });
    expect((await describeOffsets(groupId, null)).topics).toEqual([]);
    expect(await admin.ask("DeleteShareGroupOffsets", 0, deletion)).toMatchObject({
      responses: [{ errorMessage: "There is no offset information to delete." }, { errorCode: unknown }],
    });
    const gone = { results: [{ groupId, errorCode: 0 }] };
    expect(await admin.ask("DeleteGroups", 2, { groupsNames: [groupId] })).toMatchObject(gone);
    expect(await admin.ask("DeleteShareGroupOffsets", 0, deletion)).toMatchObject({
      errorCode: Errors.GROUP_ID_NOT_FOUND.code,
    });
  });

  test("a group with members is left alone", async () => {
    const topic = await newTopic();
    const groupId = "inhabited";
    await admin.ask("FindCoordinator", 4, { keyType: 0, coordinatorKeys: [groupId] });
    const body = { groupId, memberId: "m", memberEpoch: 0, rackId: null, subscribedTopicNames: [topic.name] };
    expect(await admin.ask("ShareGroupHeartbeat", 1, body)).toMatchObject({ errorCode: 0 });
    const nonEmpty = { errorCode: Errors.NON_EMPTY_GROUP.code };
    expect(await alterOffsets(groupId, topic.name, 0, 0)).toMatchObject(nonEmpty);
    const deletion = { groupId, topics: [{ topicName: topic.name }] };
    expect(await admin.ask("DeleteShareGroupOffsets", 0, deletion)).toMatchObject(nonEmpty);
    const results = [{ groupId, ...nonEmpty }];
    expect(await admin.ask("DeleteGroups", 2, { groupsNames: [groupId] })).toMatchObject({ results });
  });
});

test("without share.version there are no share groups", async () => {
  const own = await TestBroker.start(settings);
  const before = [broker, admin] as const;
  [broker, admin] = [own, await own.connect()];
  const topic = await newTopic();
  const a = await Member.join(await newGroup(topic), topic);
  expect((await a.fetch()).errorCode).toBe(0);
  expect(own.broker.shares.size).toBe(1);
  const featureUpdates = [{ feature: "share.version", maxVersionLevel: 0, upgradeType: 2 }];
  const downgrade = { timeoutMs: 1000, featureUpdates, validateOnly: false };
  expect(await admin.ask("UpdateFeatures", 1, downgrade)).toMatchObject({ errorCode: 0 });
  await expect.poll(() => own.broker.shares.size).toBe(0);
  const unsupported = Errors.UNSUPPORTED_VERSION.code;
  expect((await a.fetch()).errorCode).toBe(unsupported);
  expect((await a.acknowledge([[ACCEPT, 0, 0]])).errorCode).toBe(unsupported);
  const body = { groupId: "g", memberId: "m", memberEpoch: 0, rackId: null, subscribedTopicNames: ["t"] };
  expect(await admin.ask("ShareGroupHeartbeat", 1, body)).toMatchObject({ errorCode: unsupported });
  const asked = { groupIds: ["g"], includeAuthorizedOperations: false };
  const described = await admin.ask("ShareGroupDescribe", 1, asked);
  expect(described.groups).toMatchObject([{ errorCode: unsupported }]);
  const offsets = { groups: [{ groupId: "g", topics: null }] };
  const shown = await admin.ask("DescribeShareGroupOffsets", 1, offsets);
  expect(shown.groups).toMatchObject([{ errorCode: unsupported }]);
  for (const key of [ApiKey.AlterShareGroupOffsets, ApiKey.DeleteShareGroupOffsets]) {
    expect(await admin.ask(key, 0, { groupId: "g", topics: [] })).toMatchObject({ errorCode: unsupported });
  }
  for (const wire of [a, admin]) wire.close();
  await own.stop();
  [broker, admin] = before;
});

test("share state: what is empty is answered with nothing", async () => {
  const partition = { partition: 0, leaderEpoch: 0 };
  for (const body of [
    { groupId: "g", topics: [] },
    { groupId: "g", topics: [{ topicId: "AAAAAAAAAAAAAAAAAAAAZQ", partitions: [] }] },
    { groupId: "", topics: [{ topicId: "AAAAAAAAAAAAAAAAAAAAZQ", partitions: [partition] }] },
  ]) {
    expect(await admin.ask("ReadShareGroupState", 0, body)).toMatchObject({ results: [] });
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
