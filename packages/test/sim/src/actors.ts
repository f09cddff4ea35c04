import { utf8, type Uuid, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import { CALLS } from "./calls.ts";
import type { Client } from "./client.ts";
import type { Prng } from "./prng.ts";
import { type LogLedger, type OffsetLedger, type TopicEntry, type TopicLedger, Violation } from "./rules.ts";

/** What the parties of a scenario share: what was promised, and whether the power has gone yet. */
export interface Stage {
  readonly logs: LogLedger;
  readonly topics: TopicLedger;
  readonly offsets: OffsetLedger;
  /** The log directories. */
  readonly dirs: readonly string[];
  /** Power cuts so far: only they may make a position or a sequence unknown. */
  powerCuts: number;
  note(line: string): void;
}

/** Somebody who does one thing at a time, for as long as the scenario lasts. */
export interface Actor {
  readonly client: Client;
  step(): Promise<void>;
}

interface Place {
  readonly id: Uuid;
  readonly partition: number;
  readonly flushed: boolean;
}

interface Attempt extends Place {
  readonly values: readonly string[];
  readonly bytes: Uint8Array;
}

const { code: UNKNOWN_TOPIC_ID } = Errors.UNKNOWN_TOPIC_ID;
const { code: UNKNOWN_TOPIC } = Errors.UNKNOWN_TOPIC_OR_PARTITION;
const { code: STORAGE } = Errors.KAFKA_STORAGE_ERROR;
const { code: OUT_OF_ORDER } = Errors.OUT_OF_ORDER_SEQUENCE_NUMBER;
const { code: UNKNOWN_PRODUCER } = Errors.UNKNOWN_PRODUCER_ID;
const { code: OUT_OF_RANGE } = Errors.OFFSET_OUT_OF_RANGE;
/** A failing disk or a topic that is being deleted: part of the play. */
const EXCUSED: ReadonlySet<number> = new Set([UNKNOWN_TOPIC, UNKNOWN_TOPIC_ID, STORAGE]);
const TOPIC = 2;

function pick<T>(rng: Prng, from: readonly T[]): T | undefined {
  return from.length === 0 ? undefined : from[rng.int(0, from.length - 1)];
}

function placeIn(rng: Prng, entry: TopicEntry | undefined): Place | undefined {
  if (entry?.id === undefined) return undefined;
  return { id: entry.id, partition: rng.int(0, entry.partitions - 1), flushed: entry.flushed };
}

/** Produces values that exist once in the world. An idempotent one repeats what was not answered. */
export class Producer implements Actor {
  readonly client: Client;
  readonly #stage: Stage;
  readonly #rng: Prng;
  readonly #acks: number;
  readonly #idempotent: boolean;
  readonly #sequences = new Map<string, number>();
  #producerId = -1n;
  #count = 0;
  #retry: Attempt | undefined;
  acknowledged = 0;

  constructor(
    stage: Stage,
    client: Client,
    rng: Prng,
    options: { readonly acks: number; readonly idempotent: boolean },
  ) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    this.#acks = options.acks;
    this.#idempotent = options.idempotent;
  }

  async step(): Promise<void> {
    if (this.#idempotent && this.#producerId < 0n && !(await this.#init())) return;
    const attempt = this.#retry ?? this.#next();
    if (attempt === undefined) return;
    const { id, partition, bytes } = attempt;
    const body = {
      acks: this.#acks,
      timeoutMs: 300,
      topicData: [{ topicId: id, partitionData: [{ index: partition, records: [bytes.slice()] }] }],
    };
    if (this.#acks === 0) {
      await this.client.tell(CALLS.produce, body);
      return;
    }
    const answer = await this.client.ask(CALLS.produce, body);
    this.#settle(attempt, answer?.responses[0]?.partitionResponses[0]);
  }

  async #init(): Promise<boolean> {
    const answer = await this.client.ask(CALLS.initProducerId, { transactionalId: null, transactionTimeoutMs: 0 });
    if (answer?.errorCode !== 0) return false;
    this.#producerId = answer.producerId;
    this.#sequences.clear();
    return true;
  }

  #next(): Attempt | undefined {
    const place = placeIn(this.#rng, pick(this.#rng, this.#stage.topics.usable()));
    if (place === undefined) return undefined;
    const { env } = this.client;
    const values = Array.from({ length: this.#rng.int(1, 4) }, () => {
      const name = `${this.client.name}.${++this.#count}`;
      return name.padEnd(this.#rng.chance(0.2) ? 600 : 20, "~");
    });
    const timestamp = env.clock.now();
    const sequence = this.#sequences.get(`${place.id}/${place.partition}`) ?? 0;
    const bytes = buildBatch(
      values.map(value => ({ timestamp, key: null, value: utf8(value) })),
      {
        compression: { codec: this.#rng.chance(0.1) ? 1 : 0, level: -1 },
        ...(this.#idempotent ? { producerId: this.#producerId, producerEpoch: 0, baseSequence: sequence } : {}),
      },
      { crc32c: env.crypto.crc32c, codecs: env.codecs },
    );
    this.#stage.logs.sent(place.id, place.partition, values);
    return { ...place, values, bytes };
  }

  #settle(attempt: Attempt, result: { readonly errorCode: number; readonly baseOffset: number } | undefined): void {
    const { id, partition, values, flushed } = attempt;
    this.#retry = undefined;
    if (result?.errorCode === 0) {
      this.#stage.note(`acked ${partition} ${result.baseOffset} ${values.join()}`);
      this.#stage.logs.acked(id, partition, result.baseOffset, values);
      this.acknowledged++;
      const key = `${id}/${partition}`;
      this.#sequences.set(key, (this.#sequences.get(key) ?? 0) + values.length);
      return;
    }
    const code = result?.errorCode ?? STORAGE;
    if (this.#idempotent) {
      const lost = code === OUT_OF_ORDER || code === UNKNOWN_PRODUCER;
      // Earlier records of this producer went with the power: it must begin again.
      if (lost && this.#stage.powerCuts > 0 && !flushed) this.#producerId = -1n;
      else if (code === STORAGE) this.#retry = attempt;
      else if (EXCUSED.has(code)) return;
      else throw new Violation("a good request was refused", `error ${code} to ${this.client.name} on ${partition}`);
    } else if (!EXCUSED.has(code)) {
      throw new Violation("a good request was refused", `error ${code} to a produce request`);
    }
  }
}

/** Reads every topic, now and then from the beginning again. */
export class Consumer implements Actor {
  readonly client: Client;
  readonly #stage: Stage;
  readonly #rng: Prng;
  readonly #positions = new Map<string, number>();

  constructor(stage: Stage, client: Client, rng: Prng) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
  }

  async step(): Promise<void> {
    const rng = this.#rng;
    const entries = this.#stage.topics.usable().filter(() => rng.chance(0.7));
    if (rng.chance(0.1)) this.#positions.clear();
    const topics = entries.flatMap(({ id, partitions }) =>
      id === undefined
        ? []
        : [
            {
              topicId: id,
              partitions: Array.from({ length: partitions }, (_, partition) => ({
                partition,
                fetchOffset: this.#positions.get(`${id}/${partition}`) ?? 0,
                partitionMaxBytes: rng.int(100, 4000),
              })),
            },
          ],
    );
    if (topics.length === 0) return;
    const asked = new Map(
      topics.flatMap(({ topicId, partitions }) =>
        partitions.map(({ partition, fetchOffset }) => [`${topicId}/${partition}`, fetchOffset] as const),
      ),
    );
    const wait = { maxWaitMs: rng.int(0, 200), minBytes: rng.int(0, 2) * 50 };
    const answer = await this.client.ask(CALLS.fetch, { ...wait, maxBytes: rng.int(500, 20_000), topics });
    for (const { topicId, partitions } of answer?.responses ?? []) {
      for (const found of partitions) this.#take(topicId, found, asked.get(`${topicId}/${found.partitionIndex}`) ?? 0);
    }
  }

  #take(
    topicId: Uuid,
    found: {
      readonly partitionIndex: number;
      readonly errorCode: number;
      readonly highWatermark: number;
      readonly records: readonly Uint8Array[] | null;
    },
    fetchOffset: number,
  ): void {
    const { partitionIndex: partition, errorCode, highWatermark } = found;
    const key = `${topicId}/${partition}`;
    if (errorCode === OUT_OF_RANGE && this.#stage.powerCuts > 0) {
      this.#positions.delete(key);
      return;
    }
    if (EXCUSED.has(errorCode)) return;
    if (errorCode !== 0) {
      throw new Violation("a good request was refused", `error ${errorCode} to a fetch of ${key} at ${fetchOffset}`);
    }
    const records = found.records ?? [];
    const next = this.#stage.logs.fetched({ topicId, partition, fetchOffset, highWatermark, records });
    if (next > fetchOffset) this.#stage.note(`read ${partition} ${fetchOffset} to ${next}`);
    this.#positions.set(key, next);
  }
}

const SETTING = "max.message.bytes";

/** Creates and deletes topics of a few names, changes a setting, and moves partitions between directories. */
export class Admin implements Actor {
  readonly client: Client;
  readonly #stage: Stage;
  readonly #rng: Prng;
  #count = 0;

  constructor(stage: Stage, client: Client, rng: Prng) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
  }

  async step(): Promise<void> {
    const { topics } = this.#stage;
    const rng = this.#rng;
    const draw = rng.next();
    if (this.#stage.dirs.length > 1 && rng.chance(0.3)) return this.#move();
    const name = `temp-${rng.int(0, 2)}`;
    const entry = topics.entries.findLast(known => known.name === name);
    if (draw < 0.35) {
      if (entry === undefined || entry.state === "gone") {
        await this.create({ name, partitions: rng.int(1, 2), flushed: rng.chance(0.5) });
      }
    } else if (draw < 0.6) {
      if (entry?.state === "there") await this.#delete(entry);
    } else {
      const changed = pick(rng, topics.usable());
      if (changed !== undefined) await this.#alter(changed);
    }
  }

  async create(wanted: Pick<TopicEntry, "name" | "partitions" | "flushed">): Promise<void> {
    const entry = this.#stage.topics.add(wanted);
    const configs = [{ name: "segment.ms", value: "250" }];
    if (wanted.flushed) configs.push({ name: "flush.messages", value: "1" });
    const topic = {
      name: wanted.name,
      numPartitions: wanted.partitions,
      replicationFactor: 1,
      assignments: [],
      configs,
    };
    const answer = await this.client.ask(CALLS.createTopics, { topics: [topic], timeoutMs: 300 });
    const result = answer?.topics[0];
    if (result?.errorCode === Errors.TOPIC_ALREADY_EXISTS.code) {
      throw new Violation("a deleted topic came back", `${wanted.name} cannot be created: it exists`);
    }
    if (result?.errorCode !== 0) return;
    this.#stage.note(`created ${wanted.name}`);
    entry.id = result.topicId;
    entry.state = "there";
    this.#stage.logs.opened(result.topicId, wanted.partitions, wanted.flushed);
  }

  /** Moves are promised nothing: an audit will tell whether they have harmed anything. */
  async #move(): Promise<void> {
    const entry = pick(this.#rng, this.#stage.topics.usable());
    const path = pick(this.#rng, this.#stage.dirs);
    if (entry === undefined || path === undefined) return;
    const topics = [{ name: entry.name, partitions: [this.#rng.int(0, entry.partitions - 1)] }];
    const answer = await this.client.ask(CALLS.alterReplicaLogDirs, { dirs: [{ path, topics }] });
    const code = answer?.results[0]?.partitions[0]?.errorCode ?? STORAGE;
    if (code !== 0 && !EXCUSED.has(code)) {
      throw new Violation("a good request was refused", `error ${code} to a move of ${entry.name}`);
    }
  }

  async #delete(entry: TopicEntry): Promise<void> {
    entry.state = "maybe deleted";
    const answer = await this.client.ask(CALLS.deleteTopics, { topicNames: [entry.name], timeoutMs: 300 });
    const code = answer?.responses[0]?.errorCode;
    if (code === UNKNOWN_TOPIC) throw new Violation("a topic is lost", `${entry.name} cannot be deleted: unknown`);
    if (code !== 0) return;
    this.#stage.note(`deleted ${entry.name}`);
    entry.state = "gone";
  }

  async #alter(entry: TopicEntry): Promise<void> {
    const value = String(1_000_000 + ++this.#count);
    entry.settings.push(value);
    const configs = [{ name: SETTING, configOperation: 0, value }];
    const resources = [{ resourceType: TOPIC, resourceName: entry.name, configs }];
    const answer = await this.client.ask(CALLS.alterConfigs, { resources, validateOnly: false });
    if (answer?.responses[0]?.errorCode === 0) entry.settings = [value];
  }
}

const GROUP = "readers";
/** The topic whose offsets the group commits; never deleted. */
export const GROUP_TOPIC = "plain";
const REJOIN: ReadonlySet<number> = new Set([
  Errors.ILLEGAL_GENERATION.code,
  Errors.UNKNOWN_MEMBER_ID.code,
  Errors.REBALANCE_IN_PROGRESS.code,
]);
const SOON: ReadonlySet<number> = new Set([
  Errors.COORDINATOR_LOAD_IN_PROGRESS.code,
  Errors.COORDINATOR_NOT_AVAILABLE.code,
  Errors.NOT_COORDINATOR.code,
]);

/** The one member of a group: joins, commits a number that grows, joins again when it must. */
export class Member implements Actor {
  readonly client: Client;
  readonly #stage: Stage;
  #memberId = "";
  #generation = -1;
  #offset = 0;

  constructor(stage: Stage, client: Client) {
    this.#stage = stage;
    this.client = client;
  }

  async step(): Promise<void> {
    if (this.#generation < 0) await this.#join();
    else await this.#commit();
  }

  async #join(): Promise<void> {
    const coordinator = await this.client.ask(CALLS.findCoordinator, { key: GROUP });
    if (coordinator?.errorCode !== 0) return;
    const joined = await this.client.ask(CALLS.joinGroup, {
      groupId: GROUP,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 300,
      memberId: this.#memberId,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: new Uint8Array(8) }],
    });
    if (joined === undefined) return;
    const { errorCode, memberId, generationId } = joined;
    if (errorCode === Errors.MEMBER_ID_REQUIRED.code) this.#memberId = memberId;
    else if (errorCode === Errors.UNKNOWN_MEMBER_ID.code) this.#memberId = "";
    if (errorCode !== 0) return;
    this.#memberId = memberId;
    const assignments = [{ memberId, assignment: new Uint8Array(4) }];
    const synced = await this.client.ask(CALLS.syncGroup, { groupId: GROUP, generationId, memberId, assignments });
    if (synced?.errorCode === 0) this.#generation = generationId;
  }

  async #commit(): Promise<void> {
    const committedOffset = ++this.#offset;
    this.#stage.offsets.attempted(committedOffset);
    const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: "" }];
    const answer = await this.client.ask(CALLS.offsetCommit, {
      groupId: GROUP,
      generationIdOrMemberEpoch: this.#generation,
      memberId: this.#memberId,
      topics: [{ name: GROUP_TOPIC, partitions }],
    });
    const code = answer?.topics[0]?.partitions[0]?.errorCode;
    if (code === undefined || SOON.has(code)) return;
    if (code === 0) {
      this.#stage.note(`committed ${committedOffset}`);
      this.#stage.offsets.acked(committedOffset);
    } else if (REJOIN.has(code)) this.#generation = -1;
    else if (!EXCUSED.has(code)) throw new Violation("a good request was refused", `error ${code} to a commit`);
  }
}

/** Reads a partition to its end; undefined when the broker could not be asked to the last. */
export async function readThrough(
  stage: Stage,
  client: Client,
  place: { readonly topicId: Uuid; readonly partition: number },
): Promise<number | undefined> {
  const { topicId, partition } = place;
  for (let fetchOffset = 0; ; ) {
    const topics = [{ topicId, partitions: [{ partition, fetchOffset, partitionMaxBytes: 100_000 }] }];
    const answer = await client.ask(CALLS.fetch, { maxWaitMs: 0, minBytes: 0, topics });
    const found = answer?.responses[0]?.partitions[0];
    if (found === undefined || found.errorCode !== 0) return undefined;
    const { highWatermark, records } = found;
    const next = stage.logs.fetched({ ...place, fetchOffset, highWatermark, records: records ?? [] });
    if (next >= highWatermark) return next;
    if (next === fetchOffset) throw new Violation("offsets have a gap", `nothing at ${next}, below ${highWatermark}`);
    fetchOffset = next;
  }
}

/** All topics there are; undefined without an answer. */
export async function listTopics(
  client: Client,
): Promise<Map<string, { readonly id: Uuid; readonly partitions: number }> | undefined> {
  const answer = await client.ask(CALLS.metadata, { topics: null, allowAutoTopicCreation: false });
  if (answer === undefined) return undefined;
  return new Map(
    answer.topics.map(({ name, topicId, partitions }) => [
      name ?? "",
      { id: topicId ?? ZERO_UUID, partitions: partitions.length },
    ]),
  );
}

/** The topic's own value of the setting, "" when it has none; undefined without an answer. */
export async function settingOf(client: Client, entry: TopicEntry): Promise<string | undefined> {
  const resources = [{ resourceType: TOPIC, resourceName: entry.name, configurationKeys: [SETTING] }];
  const answer = await client.ask(CALLS.describeConfigs, { resources });
  const result = answer?.results[0];
  if (result?.errorCode !== 0) return undefined;
  const [found] = result.configs;
  return found.configSource === 1 ? (found.value ?? "") : "";
}

/** -1 when none is committed; undefined without an answer. */
export async function committedOffset(client: Client): Promise<number | undefined> {
  const topics = [{ name: GROUP_TOPIC, partitionIndexes: [0] }];
  const answer = await client.ask(CALLS.offsetFetch, { groupId: GROUP, topics });
  const found = answer?.topics[0]?.partitions[0];
  return answer?.errorCode === 0 && found?.errorCode === 0 ? found.committedOffset : undefined;
}
