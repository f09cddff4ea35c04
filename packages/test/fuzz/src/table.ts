import { concat } from "@samsa/base";
import type { ApiName } from "@samsa/protocol";
import { buildBatch, readRecords, type Tools } from "@samsa/records";
import type { RawConnection, ResponseOf } from "@samsa/wire";
import { connect } from "./peer.ts";

export const TABLE_TOPIC = "table";

const KEYS = 20;
/** Topic settings with small segments and a low ratio, so that the cleaner is always busy. */
const CONFIGS = {
  "cleanup.policy": "compact",
  "internal.segment.bytes": "20000",
  "min.cleanable.dirty.ratio": "0.01",
  "delete.retention.ms": "0",
};

/** Table in a compacted topic: the last value of each key must be kept, and deleted keys must be gone. */
export class Table {
  readonly #tools: Tools;
  readonly #port: number;
  readonly #limitMs: number;
  #peer: RawConnection | undefined;
  #next = 0;
  /** Possible values of each key: the last acknowledged one, then unanswered ones; null if deleted. */
  readonly #values = new Map<string, (string | null)[]>();

  constructor(port: number, tools: Tools, limitMs: number) {
    this.#port = port;
    this.#tools = tools;
    this.#limitMs = limitMs;
  }

  get written(): number {
    return this.#next;
  }

  async #ask<N extends ApiName>(api: N, version: number, body: object): Promise<ResponseOf<N>> {
    this.#peer ??= await connect(this.#port);
    return this.#peer.ask(api, version, body, this.#limitMs);
  }

  async create(): Promise<void> {
    const configs = Object.entries(CONFIGS).map(([name, value]) => ({ name, value }));
    const topic = { name: TABLE_TOPIC, numPartitions: 1, replicationFactor: 1, assignments: [], configs };
    const request = { topics: [topic], timeoutMs: 5000, validateOnly: false };
    const { topics } = await this.#ask("CreateTopics", 7, request);
    const made = topics[0];
    if (made?.errorCode !== 0) throw new Error(`the table cannot be made: ${made?.errorMessage}`);
  }

  /** Sets or deletes a key. Rejects without an acknowledgement. */
  async put(): Promise<void> {
    const number = this.#next++;
    const key = `k${number % KEYS}`;
    const value = number % 7 === 3 ? null : `${number} ${"x".repeat(200)}`;
    // Both values are possible until the answer arrives.
    this.#values.set(key, [...(this.#values.get(key) ?? [null]), value]);
    const bytes = (text: string | null): Uint8Array | null => (text === null ? null : new TextEncoder().encode(text));
    const record = { timestamp: Date.now(), key: bytes(key), value: bytes(value) };
    const topicData = [
      { name: TABLE_TOPIC, partitionData: [{ index: 0, records: [buildBatch([record], {}, this.#tools)] }] },
    ];
    const body = { transactionalId: null, acks: -1, timeoutMs: 5000, topicData };
    const { responses } = await this.#ask("Produce", 9, body);
    const errorCode = responses[0]?.partitionResponses[0]?.errorCode;
    if (errorCode !== 0) throw new Error(`a row of the table was refused with error ${errorCode}`);
    this.#values.set(key, [value]);
  }

  /** Reads the whole topic from a broker on `port`. Throws unless each key has a possible value. */
  async checkAll(port: number): Promise<void> {
    const found = new Map<string, string | null>();
    const peer = await connect(port);
    try {
      for (let offset = 0; ; ) {
        const partitions = [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 1 << 20 }];
        const { responses } = await peer.ask(
          "Fetch",
          12,
          {
            ...{ maxWaitMs: 0, minBytes: 0, maxBytes: 1 << 20, sessionId: 0, sessionEpoch: -1 },
            ...{ topics: [{ topic: TABLE_TOPIC, partitions }], forgottenTopicsData: [], rackId: "" },
          },
          this.#limitMs,
        );
        const read = responses[0]?.partitions[0];
        if (read?.errorCode !== 0) throw new Error(`the table cannot be read: error ${read?.errorCode}`);
        const rows = readRecords(concat(read.records ?? []), this.#tools).filter(row => row.offset >= offset);
        if (rows.length === 0) break;
        const text = (bytes: Uint8Array | null): string | null =>
          bytes === null ? null : new TextDecoder().decode(bytes);
        for (const row of rows) found.set(text(row.key) ?? "", text(row.value));
        offset = (rows.at(-1)?.offset ?? offset) + 1;
      }
    } finally {
      peer.close();
    }
    for (const [key, allowed] of this.#values) {
      const value = found.get(key) ?? null;
      if (!allowed.includes(value))
        throw new Error(`the table has ${String(value)} for ${key} instead of ${String(allowed.at(-1))}`);
    }
  }

  /** Closes the connection; the next request opens another one. */
  close(): void {
    this.#peer?.close();
    this.#peer = undefined;
  }
}
