import { ByteReader, ByteWriter, type Crc32c, MalformedError } from "@samsa/base";
import type { ProducerEntry } from "./producers.ts";

const VERSION = 1;
/** Position of the first byte that the checksum covers. */
const CHECKED_FROM = 6;

/** Encodes `<offset>.snapshot` (`ProducerSnapshot.json`): the last batch of each producer. */
export function writeSnapshot(entries: Iterable<ProducerEntry>, crc32c: Crc32c): Uint8Array {
  const writer = new ByteWriter(256);
  writer.i16(VERSION);
  writer.u32(0);
  writer.i32(0);
  let count = 0;
  for (const entry of entries) {
    const last = entry.batches.at(-1);
    writer.big64(entry.producerId);
    writer.i16(entry.epoch);
    writer.i32(last?.lastSequence ?? -1);
    writer.i64(last?.lastOffset ?? -1);
    writer.i32(last?.offsetDelta ?? 0);
    writer.i64(entry.lastTimestamp);
    writer.i32(entry.coordinatorEpoch);
    writer.i64(entry.txnFirstOffset);
    count++;
  }
  const bytes = writer.finish();
  writer.view.setInt32(CHECKED_FROM, count);
  writer.view.setUint32(2, crc32c(bytes, CHECKED_FROM, bytes.length));
  return bytes;
}

/** Decodes a producer snapshot. Throws `MalformedError` if it is incomplete or damaged. */
export function readSnapshot(bytes: Uint8Array, crc32c: Crc32c): ProducerEntry[] {
  const reader = new ByteReader(bytes);
  const version = reader.i16();
  if (version !== VERSION) throw new MalformedError(`unknown producer snapshot version ${version}`);
  if (reader.u32() !== crc32c(bytes, CHECKED_FROM, bytes.length)) {
    throw new MalformedError("a producer snapshot's checksum is wrong");
  }
  const entries: ProducerEntry[] = [];
  for (let count = reader.i32(); count > 0; count--) {
    const producerId = reader.big64();
    const epoch = reader.i16();
    const lastSequence = reader.i32();
    const lastOffset = reader.offset();
    const offsetDelta = reader.i32();
    const timestamp = reader.i64();
    const coordinatorEpoch = reader.i32();
    const txnFirstOffset = reader.offset();
    const batches = lastOffset >= 0 ? [{ lastSequence, lastOffset, offsetDelta, timestamp }] : [];
    entries.push({ producerId, epoch, coordinatorEpoch, lastTimestamp: timestamp, txnFirstOffset, batches });
  }
  return entries;
}
