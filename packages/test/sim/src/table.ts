import { fromUtf8, type Uuid, utf8 } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { BatchCursor, buildBatch, RecordCursor, type Tools } from "@samsa/records";
import { CALLS } from "./calls.ts";
import type { Client } from "./client.ts";
import type { Prng } from "./prng.ts";
import { Violation } from "./rules.ts";
import { type Actor, EXCUSED, type Stage } from "./stage.ts";

export const TABLE = "table";
const KEYS = ["a", "b", "c", "d", "e", "f"] as const;
const SETTINGS = [
  ["cleanup.policy", "compact"],
  ["flush.messages", "1"],
  ["segment.ms", "100"],
  ["index.interval.bytes", "150"],
  ["min.cleanable.dirty.ratio", "0.01"],
  ["delete.retention.ms", "400"],
] as const;

/** What has been written under a key; values are numbers that grow, 0 is a tombstone. */
interface Cell {
  /** The last one that was acknowledged; undefined while none was. */
  sure: number | undefined;
  /** Of those whose answer never came, each may come last, even long after. */
  readonly doubtful: Set<number>;
}

/** Keeps a compacted topic up to date, and reads it as a table: of each key the last value must be there. */
export class TableKeeper implements Actor {
  readonly client: Client;
  readonly #stage: Stage;
  readonly #rng: Prng;
  readonly #tools: Tools;
  readonly #cells = new Map<string, Cell>(KEYS.map(key => [key, { sure: undefined, doubtful: new Set() }]));
  #id: Uuid | undefined;
  #count = 0;
  /** Records that were written and not found any more when the table was read. */
  compacted = 0;

  constructor(stage: Stage, client: Client, rng: Prng) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    const { crypto, codecs } = client.env;
    this.#tools = { crc32c: crypto.crc32c, codecs };
  }

  async step(): Promise<void> {
    if (this.#id === undefined) return this.#create();
    if (this.#rng.chance(0.15)) await this.audit(this.client);
    else await this.#write();
  }

  async #create(): Promise<void> {
    const configs = SETTINGS.map(([name, value]) => ({ name, value }));
    const topic = { name: TABLE, numPartitions: 1, replicationFactor: 1, assignments: [], configs };
    await this.client.ask(CALLS.createTopics, { topics: [topic], timeoutMs: 300 });
    // Whether or not the answer came: it may be there from an attempt before.
    const topics = [{ name: TABLE }];
    const answer = await this.client.ask(CALLS.metadata, { topics, allowAutoTopicCreation: false });
    if (answer?.topics[0]?.errorCode === 0) this.#id = answer.topics[0].topicId;
  }

  async #write(): Promise<void> {
    const rng = this.#rng;
    const rows = Array.from({ length: rng.int(1, 4) }, () => ({
      key: KEYS[rng.int(0, KEYS.length - 1)],
      value: rng.chance(0.2) ? 0 : ++this.#count,
    }));
    const records = rows.map(({ key, value }) => ({
      timestamp: this.client.env.clock.now(),
      key: utf8(key),
      value: value === 0 ? null : utf8(String(value)),
    }));
    const compression = { codec: rng.chance(0.3) ? (1 as const) : (0 as const), level: -1 };
    const topicId = this.#id as Uuid;
    const topicData = [
      { topicId, partitionData: [{ index: 0, records: [buildBatch(records, { compression }, this.#tools)] }] },
    ];
    for (const { key, value } of rows) this.#cells.get(key)?.doubtful.add(value);
    const answer = await this.client.ask(CALLS.produce, { acks: -1, timeoutMs: 300, topicData });
    const code = answer?.responses[0]?.partitionResponses[0]?.errorCode;
    if (code === undefined) return;
    if (code !== 0) {
      if (!EXCUSED.has(code))
        throw new Violation("a good request was refused", `error ${code} to a write to the table`);
      return;
    }
    this.#count++;
    for (const { key, value } of rows) {
      const cell = this.#cells.get(key) as Cell;
      cell.doubtful.delete(value);
      cell.sure = value;
    }
  }

  /** Reads all of it; false when the broker could not be asked to the last. */
  async audit(client: Client): Promise<boolean> {
    const topicId = this.#id;
    if (topicId === undefined) return true;
    const before = new Map([...this.#cells].map(([key, cell]) => [key, cell.sure]));
    const found = new Map<string, number>();
    let read = 0;
    for (let fetchOffset = 0; ; ) {
      const topics = [{ topicId, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 5000 }] }];
      const answer = await client.ask(CALLS.fetch, { maxWaitMs: 0, minBytes: 0, topics });
      const part = answer?.responses[0]?.partitions[0];
      if (part === undefined || EXCUSED.has(part.errorCode)) return false;
      if (part.errorCode === Errors.NOT_LEADER_OR_FOLLOWER.code) return false;
      if (part.errorCode !== 0)
        throw new Violation("a good request was refused", `${part.errorCode} reading the table`);
      const next = this.#take(part.records ?? [], found, fetchOffset);
      read += next.count;
      if (next.offset >= part.highWatermark) {
        this.compacted += Math.max(0, next.offset - read);
        break;
      }
      if (next.offset === fetchOffset) throw new Violation("offsets have a gap", `${TABLE}: nothing at ${fetchOffset}`);
      fetchOffset = next.offset;
    }
    for (const [key, sure] of before) this.#judge(key, sure, found.get(key));
    this.#stage.note(`read the table, ${read} records`);
    return true;
  }

  #take(chunks: readonly Uint8Array[], found: Map<string, number>, from: number): { offset: number; count: number } {
    const record = new RecordCursor();
    let offset = from;
    let count = 0;
    for (const chunk of chunks) {
      for (const batch = new BatchCursor(chunk); batch.next(); ) {
        if (!batch.intact(this.#tools.crc32c))
          throw new Violation("a damaged batch was served", `${TABLE} at ${offset}`);
        record.open(batch, this.#tools.codecs);
        while (record.next()) {
          count++;
          const value = record.value();
          found.set(fromUtf8(record.key() as Uint8Array), value === null ? 0 : Number(fromUtf8(value)));
        }
        offset = batch.lastOffset + 1;
      }
    }
    return { offset, count };
  }

  /** `sure` is what was acknowledged last when the reading began. */
  #judge(key: string, sure: number | undefined, found: number | undefined): void {
    const cell = this.#cells.get(key) as Cell;
    const value = found ?? 0;
    if (value === (sure ?? 0) || value === (cell.sure ?? 0) || cell.doubtful.has(value)) return;
    const detail = `the table says ${found ?? "nothing"} of ${key}, and last acknowledged was ${sure ?? "nothing"}`;
    throw new Violation("compaction took a key's last record", detail);
  }
}
