import { ByteWriter, concat, entryAt, type Int64 } from "@samsa/base";
import { type Codec, compress, FIELD, HEADER_SIZE, LENGTH_OVERHEAD, type Tools } from "@samsa/records";
import type { Prng } from "../world/prng.ts";

/** Record as it was sent. Consumers must read it unchanged. */
export interface OddRecord {
  readonly timestamp: bigint;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly { readonly key: Uint8Array; readonly value: Uint8Array | null }[];
}

/** Encoded batch and its records. */
export interface OddBatch {
  readonly bytes: Uint8Array;
  readonly records: readonly OddRecord[];
  /** The batch claims LogAppendTime: the broker may refuse it, and its record timestamps are unknown. */
  readonly claims: boolean;
}

/** Timestamps at the limits of 53 and 63 bits, and one in nanoseconds. */
const TIMES: readonly bigint[] = [
  0n,
  1n,
  2n ** 53n - 1n,
  2n ** 53n,
  1_767_225_600_123_456_789n,
  2n ** 62n,
  2n ** 63n - 2n,
  2n ** 63n - 1n,
];
const EPOCHS: readonly number[] = [-2147483648, -1, 0, 7, 2147483647];
const LOG_APPEND_TIME = 0x08;
const UNUSED = [0x80, 0x100, 0x4000] as const;

/** Random bytes, at most `most`; null at times. */
function blob(rng: Prng, most: number): Uint8Array | null {
  return rng.chance(0.15) ? null : rng.bytes(rng.int(0, most));
}

function odd(rng: Prng, now: number): OddRecord {
  const timestamp = rng.chance(0.5) ? BigInt(now - rng.int(0, 5000)) : rng.oneOf(TIMES);
  const headers = Array.from({ length: rng.chance(0.4) ? rng.int(1, 4) : 0 }, () => ({
    key: new TextEncoder().encode("hé".repeat(rng.int(0, 2))),
    value: blob(rng, 8),
  }));
  return { timestamp, key: blob(rng, 12), value: blob(rng, 200), headers };
}

function field(body: ByteWriter, bytes: Uint8Array | null): void {
  body.varint(bytes?.length ?? -1);
  if (bytes !== null) body.raw(bytes);
}

function coded(
  record: OddRecord,
  delta: number,
  { base, attributes }: { base: bigint; attributes: number },
): Uint8Array {
  const body = new ByteWriter();
  body.i8(attributes);
  body.varlong(BigInt.asIntN(64, record.timestamp - base));
  body.varint(delta);
  field(body, record.key);
  field(body, record.value);
  body.varint(record.headers.length);
  for (const { key, value } of record.headers) {
    field(body, key);
    field(body, value);
  }
  const bytes = body.finish();
  const framed = new ByteWriter();
  framed.varint(bytes.length);
  framed.raw(bytes);
  return framed.finish();
}

/**
 * Builds a valid batch that no ordinary producer would send: timestamps at the edges of 64 bits, offset deltas with
 * gaps, arbitrary values in fields that the leader overwrites, and unused attribute bits.
 */
export function oddBatch(rng: Prng, now: number, tools: Tools): OddBatch {
  const records = Array.from({ length: rng.int(1, 5) }, () => odd(rng, now));
  const base: Int64 = rng.chance(0.7) ? entryAt(records, 0).timestamp : rng.oneOf(TIMES);
  let number = -1;
  const sparse = rng.chance(0.2);
  const body = concat(
    records.map(record => {
      number += sparse ? rng.int(1, 3) : 1;
      return coded(record, number, { base, attributes: rng.chance(0.1) ? rng.int(-128, 127) : 0 });
    }),
  );
  const codec = rng.oneOf<Codec>([0, 0, 1, 2, 3]);
  const packed = compress(body, { codec, level: -1 }, tools.codecs);
  const bytes = new Uint8Array(HEADER_SIZE + packed.length);
  bytes.set(packed, HEADER_SIZE);
  const view = new DataView(bytes.buffer);
  view.setInt32(FIELD.length, bytes.length - LENGTH_OVERHEAD);
  view.setInt32(FIELD.leaderEpoch, rng.oneOf(EPOCHS));
  view.setInt8(FIELD.magic, 2);
  const claims = rng.chance(0.05);
  const flags = (claims ? LOG_APPEND_TIME : 0) | (rng.chance(0.1) ? rng.oneOf(UNUSED) : 0);
  view.setInt16(FIELD.attributes, codec | flags);
  view.setInt32(FIELD.lastOffsetDelta, records.length - 1);
  view.setBigInt64(FIELD.baseTimestamp, base);
  view.setBigInt64(FIELD.maxTimestamp, rng.chance(0.7) ? -1n : rng.oneOf(TIMES));
  view.setBigInt64(FIELD.producerId, -1n);
  view.setInt16(FIELD.producerEpoch, rng.chance(0.9) ? -1 : 5);
  view.setInt32(FIELD.baseSequence, rng.chance(0.9) ? -1 : 3);
  view.setInt32(FIELD.count, records.length);
  view.setUint32(FIELD.crc, tools.crc32c(bytes, FIELD.attributes, bytes.length));
  return { bytes, records, claims };
}
