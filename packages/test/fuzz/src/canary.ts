import { concat } from "@samsa/base";
import type { ApiName } from "@samsa/protocol";
import { buildBatch, readRecords, type Tools } from "@samsa/records";
import type { RawConnection, ResponseOf } from "@samsa/wire";
import { connect } from "./peer.ts";

export const CANARY_TOPIC = "canary";

/** Ordinary client that writes and reads during the attacks. Throws if a record is late, missing or wrong. */
export class Canary {
  readonly #tools: Tools;
  readonly #port: number;
  readonly #limitMs: number;
  #peer: RawConnection | undefined;
  written = 0;
  slowestMs = 0;

  constructor(port: number, tools: Tools, limitMs: number) {
    this.#port = port;
    this.#tools = tools;
    this.#limitMs = limitMs;
  }

  async #ask<N extends ApiName>(api: N, version: number, body: object): Promise<ResponseOf<N>> {
    this.#peer ??= await connect(this.#port);
    const began = performance.now();
    const answer = await this.#peer.ask(api, version, body, this.#limitMs);
    this.slowestMs = Math.max(this.slowestMs, performance.now() - began);
    return answer;
  }

  async create(): Promise<void> {
    const topic = { name: CANARY_TOPIC, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
    await this.#ask("CreateTopics", 7, { topics: [topic], timeoutMs: 5000, validateOnly: false });
  }

  static #value(offset: number): string {
    return `canary ${offset}`;
  }

  /** Writes a record and reads it back. */
  async sing(): Promise<void> {
    const value = new TextEncoder().encode(Canary.#value(this.written));
    const bytes = buildBatch([{ timestamp: Date.now(), key: null, value }], {}, this.#tools);
    const topicData = [{ name: CANARY_TOPIC, partitionData: [{ index: 0, records: [bytes] }] }];
    const body = { transactionalId: null, acks: -1, timeoutMs: 5000, topicData };
    const { responses } = await this.#ask("Produce", 9, body);
    const written = responses[0]?.partitionResponses[0];
    if (written?.errorCode !== 0) throw new Error(`the canary's record was refused with error ${written?.errorCode}`);
    const { baseOffset } = written;
    if (baseOffset !== this.written) throw new Error(`the canary's record ${this.written} is at offset ${baseOffset}`);
    this.written++;
    await this.#check(this.written - 1);
  }

  /** Reads from `offset` on, checks the records, and returns their number. */
  async #check(offset: number): Promise<number> {
    const partitions = [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 1 << 20 }];
    const { responses } = await this.#ask("Fetch", 12, {
      ...{ maxWaitMs: 1000, minBytes: 1, maxBytes: 1 << 20, sessionId: 0, sessionEpoch: -1 },
      ...{ topics: [{ topic: CANARY_TOPIC, partitions }], forgottenTopicsData: [], rackId: "" },
    });
    const read = responses[0]?.partitions[0];
    if (read?.errorCode !== 0) throw new Error(`the canary's read was refused with error ${read?.errorCode}`);
    const found = readRecords(concat(read.records ?? []), this.#tools).filter(record => record.offset >= offset);
    found.forEach((record, i) => {
      const said = record.value === null ? null : new TextDecoder().decode(record.value);
      if (record.offset !== offset + i || said !== Canary.#value(offset + i)) {
        throw new Error(`the canary reads "${said}" at offset ${record.offset} instead of its record ${offset + i}`);
      }
    });
    return found.length;
  }

  /** Reads all records again from a broker on `port`, and checks them. */
  async checkAll(port: number): Promise<void> {
    const other = new Canary(port, this.#tools, this.#limitMs);
    try {
      let next = 0;
      while (next < this.written) {
        const found = await other.#check(next);
        if (found === 0) throw new Error(`the canary's records end at ${next} instead of ${this.written}`);
        next += found;
      }
    } finally {
      other.close();
    }
  }

  /** Reconnects after the broker was killed. Counts the record without an answer if it was written. */
  async resume(): Promise<void> {
    this.close();
    this.written += await this.#check(this.written);
  }

  close(): void {
    this.#peer?.close();
    this.#peer = undefined;
  }
}
