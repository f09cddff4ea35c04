import { groupBy } from "@samsa/base";
import type { RecordCursor, RecordHeader } from "@samsa/records";
import type { IHeaders } from "../producer/message.ts";
import { bufferOf } from "../values/buffer.ts";
import type { Batch, BatchProcessPayload, KafkaMessage } from "./types.ts";

/** Buffer over a part of a record, without a copy; null if its length is negative. */
function partOf({ bytes }: RecordCursor, at: number, length: number): Buffer | null {
  return length < 0 ? null : Buffer.from(bytes.buffer, bytes.byteOffset + at, length);
}

/** Headers by name. A name may be one that objects have already, as "constructor". */
function headersOf(headers: readonly RecordHeader[]): IHeaders {
  const byName = [...groupBy(headers, ({ key }) => key)];
  return Object.fromEntries(
    byName.map(([key, [first, ...more]]) => {
      const one = bufferOf(first?.value ?? null);
      return [key, more.length === 0 ? one : [one, ...more.map(({ value }) => bufferOf(value))]];
    }),
  );
}

/** Message of the record that a cursor is at. */
export function messageOf(record: RecordCursor): KafkaMessage {
  return {
    key: partOf(record, record.keyAt, record.keyLength),
    value: partOf(record, record.valueAt, record.valueLength),
    timestamp: String(record.timestamp),
    attributes: 0,
    offset: String(record.offset),
    headers: record.headerCount === 0 ? {} : headersOf(record.headers()),
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
