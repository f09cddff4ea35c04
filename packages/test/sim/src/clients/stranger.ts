import { fromUtf8, toHex, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { BatchCursor, RecordCursor, type Tools } from "@samsa/records";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import { type OddRecord, oddBatch } from "./odd-batch.ts";
import type { Prng } from "../world/prng.ts";
import { Violation } from "../ledgers/rules.ts";
import { type Actor, EXCUSED, type Stage } from "../stage/stage.ts";
import { ODD_TOPIC } from "../ledgers/topic-names.ts";

const LATEST = "9223372036854775807";

function hex(bytes: Uint8Array | null): string {
  return bytes === null ? "null" : toHex(bytes);
}

interface Read {
  /** Undefined if any timestamp is right. */
  readonly timestamp: bigint | undefined;
  readonly text: string;
}

function textOf({ key, value, headers }: Omit<OddRecord, "timestamp">): string {
  const pairs = headers.map(header => `${fromUtf8(header.key)}=${hex(header.value)}`);
  return `${hex(key)} ${hex(value)} ${pairs.join()}`;
}

/** Sends valid but unusual batches. Acknowledged records must be read back unchanged, whatever happens to the log. */
export class Stranger implements Actor {
  readonly client: Client;
  readonly #stage: Stage;
  readonly #rng: Prng;
  readonly #tools: Tools;
  readonly #stamped: boolean;
  readonly #known = new Map<number, Read>();
  /** Records without an answer: each may be at any offset, or nowhere. */
  #doubtful: Read[] = [];
  #isThere = false;
  #end = 0;

  constructor(stage: Stage, client: Client, rng: Prng) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    this.#tools = { crc32c: client.env.crypto.crc32c, codecs: client.env.codecs };
    this.#stamped = rng.chance(0.3);
  }

  async step(): Promise<void> {
    if (!this.#isThere) return this.#create();
    const draw = this.#rng.next();
    if (draw < 0.6) await this.#send();
    else if (draw < 0.8) await this.#lookUp();
    else await this.audit(this.client, this.#rng.int(0, this.#end));
  }

  async #create(): Promise<void> {
    const configs = [
      { name: "message.timestamp.after.max.ms", value: LATEST },
      { name: "message.timestamp.type", value: this.#stamped ? "LogAppendTime" : "CreateTime" },
      { name: "flush.messages", value: "1" },
      // Keep records of any age.
      { name: "retention.ms", value: "-1" },
      { name: "index.interval.bytes", value: "150" },
      { name: "internal.segment.bytes", value: String(this.#rng.int(1500, 5000)) },
    ];
    const topic = { name: ODD_TOPIC, numPartitions: 1, replicationFactor: 1, assignments: [], configs };
    await this.client.ask(CALLS.createTopics, { topics: [topic], timeoutMs: 300 });
    const answer = await this.client.ask(CALLS.metadata, {
      topics: [{ name: ODD_TOPIC }],
      allowAutoTopicCreation: false,
    });
    this.#isThere = answer?.topics[0]?.errorCode === 0;
  }

  async #send(): Promise<void> {
    const { bytes, records, claims } = oddBatch(this.#rng, this.client.env.clock.now(), this.#tools);
    const sent = records.map(
      (record): Read => ({ timestamp: claims ? undefined : record.timestamp, text: textOf(record) }),
    );
    this.#doubtful.push(...sent);
    const partitionData = [{ index: 0, records: [bytes] }];
    const topicData = [{ name: ODD_TOPIC, topicId: ZERO_UUID, partitionData }];
    const body = { transactionalId: null, acks: -1, timeoutMs: 300, topicData };
    const answer = await this.client.ask(CALLS.produceByName, body);
    const result = answer?.responses[0]?.partitionResponses[0];
    if (result === undefined || EXCUSED.has(result.errorCode)) return;
    if (claims && result.errorCode === Errors.INVALID_TIMESTAMP.code) return;
    if (result.errorCode !== 0) {
      const detail = `error ${result.errorCode} (${result.errorMessage}) to an odd batch: ${hex(bytes)}`;
      throw new Violation("a good request was refused", detail);
    }
    this.#doubtful = this.#doubtful.filter(record => !sent.includes(record));
    const offset = Number(result.baseOffset);
    sent.forEach((record, i) => this.#known.set(offset + i, record));
    this.#end = Math.max(this.#end, offset + sent.length);
    this.#stage.note(`odd records at ${offset}`);
  }

  /** Looks up an offset by timestamp. */
  async #lookUp(): Promise<void> {
    const known = [...this.#known].flatMap(([offset, { timestamp }]) =>
      timestamp === undefined ? [] : [{ offset, timestamp }],
    );
    if (known.length === 0 || this.#stamped) return;
    const { timestamp } = this.#rng.oneOf(known);
    const first = Math.min(...known.flatMap(record => (record.timestamp >= timestamp ? [record.offset] : [])));
    const partitions = [{ partitionIndex: 0, timestamp }];
    const topics = [{ name: ODD_TOPIC, partitions }];
    const answer = await this.client.ask(CALLS.listOffsets, { replicaId: -1, isolationLevel: 0, topics });
    const found = answer?.topics[0]?.partitions[0];
    if (found?.errorCode !== 0) return;
    const offset = Number(found.offset);
    const there = known.find(record => record.offset === offset);
    const isRight = offset >= 0 && offset <= first && BigInt(found.timestamp) >= timestamp;
    if (isRight && (there === undefined || there.timestamp === BigInt(found.timestamp))) return;
    const detail = `${timestamp} is found at ${offset} with ${found.timestamp}; ${first} is as late`;
    throw new Violation("a time was looked up wrongly", `${ODD_TOPIC}: ${detail}`);
  }

  /** Reads all records from `from` on and checks them; false when an answer is missing. */
  async audit(client: Client, from: number): Promise<boolean> {
    if (!this.#isThere) return true;
    const wanted = this.#end;
    for (let fetchOffset = from; ; ) {
      const topics = [{ topic: ODD_TOPIC, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 4000 }] }];
      const answer = await client.ask(CALLS.fetchByName, { maxWaitMs: 0, minBytes: 0, topics });
      const found = answer?.responses[0]?.partitions[0];
      if (found === undefined || EXCUSED.has(found.errorCode)) return false;
      if (found.errorCode !== 0) {
        throw new Violation("a good request was refused", `${found.errorCode} reading ${ODD_TOPIC} at ${fetchOffset}`);
      }
      const next = this.#take(found.records ?? [], fetchOffset);
      if (next >= found.highWatermark) {
        if (next >= wanted) return true;
        throw new Violation("an acknowledged record is lost", `${ODD_TOPIC} ends at ${next}, not at ${wanted}`);
      }
      if (next === fetchOffset) throw new Violation("offsets have a gap", `${ODD_TOPIC}: nothing at ${next}`);
      fetchOffset = next;
    }
  }

  #take(chunks: readonly Uint8Array[], from: number): number {
    const record = new RecordCursor();
    let next = from;
    for (const chunk of chunks) {
      for (const batch = new BatchCursor(chunk); batch.next(); ) {
        const at = `${ODD_TOPIC} at ${batch.baseOffset}`;
        if (!batch.intact(this.#tools.crc32c)) throw new Violation("a damaged batch was served", at);
        const stamped = batch.timestampType === "LogAppendTime";
        if (stamped !== this.#stamped) throw new Violation("a setting is not obeyed", `${at}: ${batch.timestampType}`);
        let expected = batch.baseOffset;
        for (record.open(batch, this.#tools.codecs); record.next(); ) {
          if (record.offset !== expected++) throw new Violation("offsets have a gap", `${at}: ${record.offset}`);
          this.#judge(record);
        }
        if (batch.lastOffset < next) throw new Violation("offsets have a gap", `${at} comes at ${next}`);
        next = batch.lastOffset + 1;
      }
    }
    return next;
  }

  #judge(record: RecordCursor): void {
    const headers = record.headers().map(({ key, value }) => ({ key: new TextEncoder().encode(key), value }));
    const text = textOf({ key: record.key(), value: record.value(), headers });
    const timestamp = BigInt(record.timestamp);
    const isSame = (other: Read): boolean =>
      other.text === text && (this.#stamped || (other.timestamp ?? timestamp) === timestamp);
    const known = this.#known.get(record.offset);
    if (known !== undefined && isSame(known)) return;
    if (known !== undefined) {
      const detail = `${ODD_TOPIC} at ${record.offset}: was ${known.timestamp} ${known.text}, is ${timestamp} ${text}`;
      throw new Violation("an offset changed its content", detail);
    }
    const sent = this.#doubtful.find(isSame);
    if (sent === undefined) throw new Violation("a record was made up", `${ODD_TOPIC} at ${record.offset}: ${text}`);
    // The record may not have been flushed, so it does not count as known.
  }
}
