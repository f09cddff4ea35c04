import type { Env, Logger, Uuid } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { BatchCursor, buildBatch } from "@samsa/records";
import type { RawConnection, ResponseOf } from "@samsa/wire";
import { afterAll, beforeAll, expect } from "vitest";
import { alterConfigs, TestBroker } from "./wire.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
export const GROUP = 32;
export const [ACCEPT, RELEASE, REJECT, RENEW] = [1, 2, 3, 4];
export const LOCK_MS = 30_000;

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
        hold: () => timers.hold(),
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

export const clock = new Clock();
export const settings = { "share.coordinator.state.topic.num.partitions": "3" };

/** The broker of the tests, and a connection to it. */
interface Place {
  readonly broker: TestBroker;
  readonly admin: RawConnection;
}

let shared: Place;
/** Broker that gets the requests of the functions here. */
export let at: Place;

/** Call it in each test file: starts a broker for all of its tests. */
export function useShareBroker(): void {
  beforeAll(async () => {
    const broker = await TestBroker.start(settings, undefined, clock.world);
    shared = { broker, admin: await broker.connect() };
    at = shared;
  });

  afterAll(async () => {
    shared.admin.close();
    await shared.broker.stop();
  });
}

/** Sends further requests to a broker of a test's own, until `back`. */
export async function use(broker: TestBroker): Promise<void> {
  at = { broker, admin: await broker.connect() };
}

/** Sends further requests to the broker of all tests. */
export function back(): void {
  at = shared;
}

let topics = 0;

export interface Topic {
  readonly name: string;
  readonly id: Uuid;
}

export async function newTopic(numPartitions = 1): Promise<Topic> {
  const name = `t${topics++}`;
  const asked = { name, numPartitions, replicationFactor: 1, assignments: [], configs: [] };
  const { topics: made } = await at.admin.ask("CreateTopics", 7, {
    topics: [asked],
    timeoutMs: 1000,
  });
  return { name, id: made[0].topicId };
}

/** Produces a batch of records of one byte each. */
export async function produce({ name }: Topic, count: number, { index = 0 } = {}): Promise<void> {
  const rows = Array.from({ length: count }, () => ({
    timestamp: at.broker.env.clock.now(),
    key: null,
    value: new Uint8Array(1),
  }));
  const bytes = buildBatch(rows, {}, at.broker.broker.tools);
  const topicData = [{ name, partitionData: [{ index, records: [bytes] }] }];
  const body = { transactionalId: null, acks: -1, timeoutMs: 1000, topicData };
  const { responses } = await at.admin.ask("Produce", 9, body);
  expect(responses[0].partitionResponses[0].errorCode).toBe(0);
}

/** Appends a batch that no client may send. */
export async function append({ name }: Topic, bytes: Uint8Array): Promise<void> {
  const partition = at.broker.broker.topics.partition(name, 0);
  const now = at.broker.env.clock.now();
  await new Promise<void>(resolve => {
    const added = partition?.appendAsLeader(
      bytes,
      { origin: "coordinator", now },
      { acks: "LEADER", done: () => resolve() },
    );
    expect(added?.error).toBe(0);
  });
}

export async function alter(resourceType: number, resourceName: string, values: Record<string, string | null>) {
  expect((await alterConfigs(at.admin, resourceType, resourceName, values)).errorMessage).toBeNull();
}

export type StateApi = `${"Initialize" | "Write" | "Delete" | "Read"}ShareGroupState` | "ReadShareGroupStateSummary";

/** Sends a request about one partition to the share coordinator. */
export async function state(api: StateApi, groupId: string, topicId: Uuid, body: object) {
  const topics = [{ topicId, partitions: [{ partition: 0, ...body }] }];
  const { results } = await at.admin.ask(api, 0, { groupId, topics });
  return results[0].partitions[0];
}

let groups = 0;

/** Creates a group that begins at `startOffset` in every partition of a topic; -1: where its settings say. */
export async function newGroup(topic: Topic, { startOffset = 0, partitions = 1, configs = {} } = {}): Promise<string> {
  const groupId = `g${groups++}`;
  await alter(GROUP, groupId, { "share.auto.offset.reset": "earliest", ...configs });
  for (let partition = 0; partition < partitions; partition++) {
    const body = { partition, stateEpoch: 1, startOffset };
    expect(await state("InitializeShareGroupState", groupId, topic.id, body)).toMatchObject({ errorCode: 0 });
  }
  return groupId;
}

export type Said = readonly [type: number | readonly number[], first: number, last: number];

export interface Ask {
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
export class Member {
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
    return new Member(await at.broker.connect(), groupId, topic);
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

export function runs({ responses }: ResponseOf<"ShareFetch">): string[] {
  const all = responses.flatMap(({ partitions }) => partitions.flatMap(({ acquiredRecords }) => acquiredRecords));
  return all.map(run => `${run.firstOffset}-${run.lastOffset}×${run.deliveryCount}`);
}

/** Offsets of the first and last record of a response. */
export function span({ responses }: ResponseOf<"ShareFetch">): number[] {
  const cursor = new BatchCursor(Buffer.concat(responses[0].partitions[0].records ?? []));
  const offsets: number[] = [];
  while (cursor.next()) offsets.push(cursor.baseOffset, cursor.lastOffset);
  return [Math.min(...offsets), Math.max(...offsets)];
}
