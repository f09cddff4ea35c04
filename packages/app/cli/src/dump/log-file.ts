import type { DiskFile, Env, Offset, ProducerId } from "@samsa/base";
import {
  addSequence,
  type BatchCursor,
  CODEC_NAMES,
  CONTROL_TYPE,
  controlTypeOf,
  readControlRecord,
  RecordCursor,
} from "@samsa/records";
import { textOrBase64 } from "../terminal/json.ts";
import { batchesOf } from "./batches.ts";
import type { Decoder } from "./decode.ts";
import { type Entry, problem, reasonOf } from "./entry.ts";

/** Options of reading a log. */
export interface LogOptions {
  readonly records: boolean;
  readonly decoder: Decoder | undefined;
  /** Maximum number of bytes to read of each log. */
  readonly maxBytes: number;
  /** Base offset in the file's name; -1 without one. */
  readonly base: Offset;
}

/** Yields the batches of a log, and their records if requested. */
export function* logEntries(file: DiskFile, env: Env, options: LogOptions): Generator<Entry> {
  const size = file.size();
  const end = Math.min(size, options.maxBytes);
  let expected = Math.max(0, options.base);
  for (const step of batchesOf(file, end, env.crypto.crc32c)) {
    if (step.kind === "gap") {
      // The byte limit cuts this batch off, so it is not torn.
      if (end < size && step.position + step.size === end && !step.damage) return;
      const { position, damage, reason } = step;
      const bytes = `${step.size} ${step.size === 1 ? "byte" : "bytes"}`;
      const where = position + step.size < end ? "" : " at the end";
      yield problem(`${bytes}${where} that are no whole batch: ${reason}`, { position, damage });
      continue;
    }
    const { batch, position, intact } = step;
    yield { kind: "batch", facts: batchFacts(batch, position, intact) };
    if (!intact) {
      yield problem("the checksum is wrong", { position });
      continue;
    }
    if (batch.baseOffset < expected) {
      yield problem(`offset ${batch.baseOffset} where ${expected} or more must follow`, { position });
    }
    expected = batch.lastOffset + 1;
    if (options.records) yield* recordEntries(batch, env, { ...options, position });
  }
}

function batchFacts(batch: BatchCursor, position: number, intact: boolean): Entry["facts"] {
  return {
    position,
    size: batch.size,
    baseOffset: batch.baseOffset,
    lastOffset: batch.lastOffset,
    count: batch.count,
    magic: batch.magic,
    codec: CODEC_NAMES[batch.codec] ?? `unknown (${batch.codec})`,
    crc: batch.crc,
    crcOk: intact,
    leaderEpoch: batch.leaderEpoch,
    producerId: batch.producerId,
    producerEpoch: batch.producerEpoch,
    baseSequence: batch.baseSequence,
    lastSequence: batch.lastSequence,
    transactional: batch.isTransactional,
    control: batch.isControl,
    timestampType: batch.timestampType,
    baseTimestamp: batch.baseTimestamp,
    maxTimestamp: batch.maxTimestamp,
    ...(batch.hasDeleteHorizon ? { deleteHorizon: batch.baseTimestamp } : {}),
  };
}

function* recordEntries(batch: BatchCursor, env: Env, options: LogOptions & { position: number }): Generator<Entry> {
  const { position, decoder } = options;
  try {
    const record = new RecordCursor().open(batch, env.codecs);
    while (record.next()) {
      const { offset, timestamp, offsetDelta } = record;
      const sequence = batch.baseSequence < 0 ? -1 : addSequence(batch.baseSequence, offsetDelta);
      const headers = record.headers().map(({ key, value }) => ({ key, value: textOrBase64(value) }));
      const [key, value] = [record.key(), record.value()];
      const facts = { offset, timestamp, sequence, keySize: record.keyLength, valueSize: record.valueLength, headers };
      if (batch.isControl) yield { kind: "record", facts: { ...facts, control: control(key, value) } };
      else if (decoder === undefined) {
        yield { kind: "record", facts: { ...facts, key: textOrBase64(key), value: textOrBase64(value) } };
      } else yield decoded(facts, decoder, key, value);
    }
    if (record.trailing() > 0) yield problem(`${record.trailing()} bytes after the last record`, { position });
  } catch (error) {
    yield problem(`the records cannot be read: ${reasonOf(error)}`, { position });
  }
}

function decoded(facts: Entry["facts"], decoder: Decoder, key: Uint8Array | null, value: Uint8Array | null): Entry {
  try {
    return { kind: "record", facts: { ...facts, data: decoder(key, value) } };
  } catch (error) {
    const raw = { key: textOrBase64(key), value: textOrBase64(value) };
    return { kind: "record", facts: { ...facts, ...raw, undecoded: reasonOf(error) } };
  }
}

function control(key: Uint8Array | null, value: Uint8Array | null): object {
  if (key === null || value === null) return { type: "unknown" };
  return readControlRecord(key, value) ?? { type: "unknown", number: controlTypeOf(key) };
}

/** True if `batch` is an abort marker of `producerId`. */
export function abortsFor(batch: BatchCursor, producerId: ProducerId, env: Env): boolean {
  if (!batch.isControl || batch.producerId !== producerId) return false;
  const record = new RecordCursor().open(batch, env.codecs);
  if (!record.next()) return false;
  const key = record.key();
  return key !== null && controlTypeOf(key) === CONTROL_TYPE.abort;
}
