import type { ConsumedRecord } from "@samsa/client-runtime";
import type { RecordHeader } from "@samsa/records";
import type { IHeaders } from "../producer/message.ts";
import type { Batch, BatchProcessPayload, KafkaMessage } from "./types.ts";

function bufferOf(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function headersOf(headers: readonly RecordHeader[]): IHeaders {
  const all: IHeaders = {};
  for (const { key, value } of headers) {
    const one = bufferOf(value) ?? Buffer.alloc(0);
    const found = all[key];
    if (found === undefined) all[key] = one;
    else if (Array.isArray(found)) found.push(one);
    else all[key] = [found, one];
  }
  return all;
}

/** Message of a record. */
export function messageOf({ key, value, timestamp, offset, headers }: ConsumedRecord): KafkaMessage {
  return {
    ...{ key: bufferOf(key), value: bufferOf(value), timestamp: String(timestamp), attributes: 0 },
    ...{ offset: String(offset), headers: headersOf(headers) },
  };
}

/** Facts of fetched messages. */
export interface BatchFacts {
  readonly topic: string;
  readonly partition: number;
  readonly messages: KafkaMessage[];
  /** Offset after the batch, with what the log has behind its messages for itself. */
  readonly next: number;
  readonly highWatermark: number;
}

/** Messages of one partition, in order: one at the least. */
export class FetchedBatch implements Batch {
  readonly topic: string;
  readonly partition: number;
  readonly highWatermark: string;
  readonly messages: KafkaMessage[];
  readonly #next: number;

  constructor({ topic, partition, messages, next, highWatermark }: BatchFacts) {
    this.topic = topic;
    this.partition = partition;
    this.messages = messages;
    this.highWatermark = String(highWatermark);
    this.#next = next;
  }

  isEmpty(): boolean {
    return this.messages.length === 0;
  }

  firstOffset(): string | null {
    return this.messages[0]?.offset ?? null;
  }

  lastOffset(): string {
    return String(this.#next - 1);
  }

  offsetLag(): string {
    return String(Math.max(0, Number(this.highWatermark) - this.#next));
  }

  offsetLagLow(): string {
    const first = this.firstOffset();
    return first === null ? "0" : String(Math.max(0, Number(this.highWatermark) - 1 - Number(first)));
  }

  /** Batch as the events of its processing tell it. */
  get facts(): BatchProcessPayload {
    const { topic, partition, highWatermark, messages } = this;
    return {
      ...{ topic, partition, highWatermark, offsetLag: this.offsetLag(), offsetLagLow: this.offsetLagLow() },
      ...{ batchSize: messages.length, firstOffset: this.firstOffset(), lastOffset: this.lastOffset() },
    };
  }
}
