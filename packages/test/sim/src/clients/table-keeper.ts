import { utf8, type Uuid, ZERO_UUID } from "@samsa/base";
import { buildBatch, type Codec } from "@samsa/records";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import { takeOver } from "./copier.ts";
import type { Prng } from "../world/prng.ts";
import { Violation } from "../ledgers/rules.ts";
import { type Actor, MOVING, OUT_OF_RANGE } from "../stage/stage.ts";
import { auditTable, KEYS, type Row, type Table, type TableStage } from "./table.ts";

const SETTINGS = [
  ["flush.messages", "1"],
  ["segment.ms", "100"],
  ["index.interval.bytes", "150"],
  ["min.cleanable.dirty.ratio", "0.01"],
] as const;

interface Session {
  producerId: bigint;
  producerEpoch: number;
  sequence: number;
}

/** Writes a compacted topic, with or without transactions, and reads it back as a table. */
export class TableKeeper implements Actor {
  readonly client: Client;
  readonly table: Table;
  readonly #stage: TableStage;
  readonly #rng: Prng;
  #session: Session | undefined;
  #count = 0;

  constructor(stage: TableStage, client: Client, rng: Prng, table: Table) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    this.table = table;
  }

  async step(): Promise<void> {
    const { table } = this;
    if (table.id === undefined) return this.#create();
    const draw = this.#rng.next();
    if (draw < 0.12) await auditTable(this.#stage, table, this.client);
    else if (draw < 0.17 && table.trimmed) await this.#trim();
    else if (table.transactional) await this.#transact();
    else await this.#write(table.id);
  }

  async #create(): Promise<void> {
    const { name, trimmed, retentionMs, replicas } = this.table;
    const settings = new Map<string, string>(SETTINGS);
    settings.set("delete.retention.ms", String(retentionMs));
    settings.set("cleanup.policy", trimmed ? "compact,delete" : "compact");
    if (replicas > 2) settings.set("min.insync.replicas", "2");
    if (this.#rng.chance(0.5)) settings.set("internal.segment.bytes", String(this.#rng.int(300, 1200)));
    const configs = [...settings].map(([setting, value]) => ({ name: setting, value }));
    const topic = { name, numPartitions: 1, replicationFactor: replicas, assignments: [], configs };
    await this.client.ask(CALLS.createTopics, { topics: [topic], timeoutMs: 300 });
    // An earlier attempt without an answer may have created the topic.
    const topics = [{ name }];
    const answer = await this.client.ask(CALLS.metadata, { topics, allowAutoTopicCreation: false });
    if (answer?.topics[0]?.errorCode === 0) this.table.id = answer.topics[0].topicId;
  }

  #rows(): Row[] {
    const rng = this.#rng;
    return Array.from({ length: rng.int(1, 4) }, () => ({
      key: rng.oneOf(KEYS),
      value: rng.chance(0.2) ? 0 : ++this.#count,
    }));
  }

  #batch(rows: readonly Row[], session?: Session): Uint8Array {
    const { env } = this.client;
    const codec: Codec = this.#rng.chance(0.3) ? 1 : 0;
    const records = rows.map(({ key, value }) => ({
      timestamp: env.clock.now(),
      key: utf8(key),
      value: value === 0 ? null : utf8(String(value)),
    }));
    const identity =
      session === undefined
        ? {}
        : {
            producerId: session.producerId,
            producerEpoch: session.producerEpoch,
            baseSequence: session.sequence,
            transactional: true,
          };
    const tools = { crc32c: env.crypto.crc32c, codecs: env.codecs };
    return buildBatch(records, { compression: { codec, level: -1 }, ...identity }, tools);
  }

  async #write(topicId: Uuid): Promise<void> {
    const rows = this.#rows();
    this.table.attempted(rows);
    const topicData = [{ topicId, partitionData: [{ index: 0, records: [this.#batch(rows)] }] }];
    const answer = await this.client.ask(CALLS.produce, { acks: -1, timeoutMs: 300, topicData });
    const result = answer?.responses[0]?.partitionResponses[0];
    if (result === undefined) return;
    if (result.errorCode === 0) this.table.wrote(rows, Number(result.baseOffset), false);
    else if (!MOVING.has(result.errorCode)) {
      throw new Violation("a good request was refused", `error ${result.errorCode} to a write to ${this.table.name}`);
    }
  }

  /** Runs a transaction of some batches. After an error or a missing answer, the next one gets a new epoch first. */
  async #transact(): Promise<void> {
    const session = this.#session ?? (await this.#begin());
    if (session === undefined) return;
    this.#session = undefined;
    const written: { readonly rows: readonly Row[]; readonly offset: number }[] = [];
    for (let left = this.#rng.int(1, 3); left > 0; left--) {
      const rows = this.#rows();
      this.table.attempted(rows);
      const offset = await this.#append(rows, session);
      if (offset === undefined) return;
      written.push({ rows, offset });
    }
    // An open transaction holds compaction back.
    if (this.#rng.chance(0.15)) await this.#pause(this.#rng.int(150, 500));
    // Leave it open: the next transaction fences this one.
    if (this.#rng.chance(0.08)) return this.#pause(this.#rng.int(0, 500));
    const committed = this.#rng.chance(0.7);
    const { producerId, producerEpoch } = session;
    const body = { transactionalId: this.table.name, producerId, producerEpoch, committed };
    const answer = await this.client.ask(CALLS.endTxn, body);
    if (answer?.errorCode !== 0) return;
    this.#session = { producerId: answer.producerId, producerEpoch: answer.producerEpoch, sequence: 0 };
    for (const { rows, offset } of written) {
      if (committed) this.table.wrote(rows, offset, true);
      else this.table.dropped(rows);
    }
    this.#stage.note(`${this.table.name} ${committed ? "committed" : "aborted"} to ${written.at(-1)?.offset}`);
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => void this.client.env.timers.after(ms, resolve));
  }

  async #begin(): Promise<Session | undefined> {
    const answer = await takeOver(this.client, this.table.name);
    return answer && { producerId: answer.producerId, producerEpoch: answer.producerEpoch, sequence: 0 };
  }

  async #append(rows: readonly Row[], session: Session): Promise<number | undefined> {
    const { name } = this.table;
    const partitionData = [{ index: 0, records: [this.#batch(rows, session)] }];
    const topicData = [{ name, topicId: ZERO_UUID, partitionData }];
    const body = { transactionalId: name, acks: -1, timeoutMs: 300, topicData };
    const answer = await this.client.ask(CALLS.produceByName, body);
    const result = answer?.responses[0]?.partitionResponses[0];
    if (result?.errorCode !== 0) return undefined;
    session.sequence += rows.length;
    return Number(result.baseOffset);
  }

  /** Deletes records from the beginning of the log. */
  async #trim(): Promise<void> {
    const offset = this.#rng.int(0, this.table.end);
    this.table.trimmedTo = Math.max(this.table.trimmedTo, offset);
    const topics = [{ name: this.table.name, partitions: [{ partitionIndex: 0, offset }] }];
    const answer = await this.client.ask(CALLS.deleteRecords, { topics, timeoutMs: 300 });
    const code = answer?.topics[0]?.partitions[0]?.errorCode ?? 0;
    if (code === 0 || MOVING.has(code)) return;
    // A new leader may not know yet how much is committed.
    if (code === OUT_OF_RANGE && this.table.replicas > 1) return;
    throw new Violation("a good request was refused", `error ${code} to a deletion in ${this.table.name} to ${offset}`);
  }
}
