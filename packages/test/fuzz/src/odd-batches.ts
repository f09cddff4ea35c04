/** Batches that our own builder would never make, with a valid CRC. */
import { ByteWriter, concat, type Int64 } from "@samsa/base";
import { compress, FIELD, HEADER_SIZE, LENGTH_OVERHEAD, type Tools } from "@samsa/records";
import type { Prng } from "@samsa/sim";

type Codec = 0 | 1 | 2 | 3 | 4;

const TIMES: readonly Int64[] = [
  -(2n ** 63n),
  -(2n ** 53n),
  -2,
  -1,
  0,
  1,
  2n ** 53n,
  2n ** 63n - 1n,
  1_700_000_000_000_000_000n,
];
const SIZES: readonly number[] = [-2147483648, -2, -1, 0, 1, 5, 100, 2147483647];

function time(rng: Prng): Int64 {
  return rng.chance(0.6) ? Date.now() + rng.int(-5000, 5000) : rng.oneOf(TIMES);
}

/** Encodes a record; each field may have an odd value. */
function record(rng: Prng, index: number): Uint8Array {
  const odd = (probability: number): boolean => rng.chance(probability);
  const body = new ByteWriter();
  body.i8(odd(0.05) ? rng.int(-128, 127) : 0);
  body.varlong(odd(0.15) ? rng.oneOf(TIMES) : rng.int(0, 100));
  body.varint(odd(0.1) ? rng.oneOf(SIZES) : index);
  const key = odd(0.5) ? undefined : rng.bytes(rng.int(0, 12));
  body.varint(odd(0.03) ? rng.oneOf(SIZES) : (key?.length ?? -1));
  if (key !== undefined) body.raw(key);
  const value = odd(0.2) ? undefined : rng.bytes(rng.oneOf([0, 1, 30, 500]));
  body.varint(odd(0.03) ? rng.oneOf(SIZES) : (value?.length ?? -1));
  if (value !== undefined) body.raw(value);
  const headers = odd(0.2) ? rng.int(1, 3) : 0;
  body.varint(odd(0.03) ? rng.oneOf(SIZES) : headers);
  for (let i = 0; i < headers; i++) {
    const name = rng.bytes(rng.int(0, 4));
    body.varint(odd(0.05) ? -1 : name.length);
    body.raw(name);
    body.varint(-1);
  }
  if (odd(0.03)) body.raw(rng.bytes(rng.int(1, 5)));
  const bytes = body.finish();
  const framed = new ByteWriter();
  framed.varint(odd(0.03) ? rng.oneOf(SIZES) : bytes.length);
  framed.raw(bytes);
  return framed.finish();
}

/** Compresses records: correctly, twice, in two streams, truncated, with trailing bytes, or not at all. */
function packed(rng: Prng, codec: Codec, records: Uint8Array, tools: Tools): Uint8Array {
  if (codec === 0) return records;
  const pack = (bytes: Uint8Array): Uint8Array => compress(bytes, { codec, level: -1 }, tools.codecs);
  switch (rng.int(0, 9)) {
    case 0:
      return pack(pack(records));
    case 1: {
      const half = records.length >> 1;
      return concat([pack(records.subarray(0, half)), pack(records.subarray(half))]);
    }
    case 2:
      return pack(records).subarray(0, rng.int(0, 20));
    case 3:
      return concat([pack(records), rng.bytes(rng.int(1, 8))]);
    case 4:
      return records;
    default:
      return pack(records);
  }
}

/** Builds a batch of magic 2 with a valid length and CRC; other fields may have edge values. */
export function oddBatch(rng: Prng, tools: Tools): Uint8Array {
  const count = rng.int(0, 5);
  const records = concat(Array.from({ length: count }, (_, i) => record(rng, i)));
  const codec = rng.oneOf([0, 0, 1, 2, 3, 4] as const);
  const body = packed(rng, codec, records, tools);
  const bytes = new Uint8Array(HEADER_SIZE + body.length);
  bytes.set(body, HEADER_SIZE);
  const view = new DataView(bytes.buffer);
  const odd = (probability: number): boolean => rng.chance(probability);
  view.setBigInt64(FIELD.baseOffset, BigInt(odd(0.2) ? rng.oneOf(TIMES) : 0));
  view.setInt32(FIELD.length, bytes.length - LENGTH_OVERHEAD);
  view.setInt32(FIELD.leaderEpoch, odd(0.2) ? rng.oneOf(SIZES) : -1);
  view.setInt8(FIELD.magic, 2);
  const flags = [0x08, 0x10, 0x20, 0x40, 0x80, 0x4000].reduce((all, flag) => (odd(0.08) ? all | flag : all), 0);
  view.setInt16(FIELD.attributes, (odd(0.05) ? rng.int(0, 7) : codec) | flags);
  view.setInt32(FIELD.lastOffsetDelta, odd(0.1) ? rng.oneOf(SIZES) : count - 1);
  view.setBigInt64(FIELD.baseTimestamp, BigInt(time(rng)));
  view.setBigInt64(FIELD.maxTimestamp, BigInt(time(rng)));
  const produces = odd(0.3);
  view.setBigInt64(FIELD.producerId, produces ? BigInt(odd(0.3) ? rng.oneOf(TIMES) : rng.int(0, 5)) : -1n);
  view.setInt16(FIELD.producerEpoch, produces ? rng.oneOf([-1, 0, 0, 1, 32767, -32768]) : -1);
  view.setInt32(FIELD.baseSequence, produces ? rng.oneOf([0, 0, 1, 2, ...SIZES]) : -1);
  view.setInt32(FIELD.count, odd(0.08) ? rng.oneOf(SIZES) : count);
  view.setUint32(FIELD.crc, tools.crc32c(bytes, FIELD.attributes, bytes.length));
  return bytes;
}
