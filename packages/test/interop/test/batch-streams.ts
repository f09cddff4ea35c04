/** Random record batches, intact and damaged, compressed in every way that the formats allow. */
import * as zlib from "node:zlib";
import { concat, type Int64, toInt64, viewOf } from "@samsa/base";
import { nodeCodecs, nodeCrc32c } from "@samsa/node";
import { buildBatch, FIELD, HEADER_SIZE, LENGTH_OVERHEAD, type NewRecord } from "@samsa/records";
import fc from "fast-check";
import { xxHash32 } from "../../../format/records/src/xxhash.ts";

export const NOW = 1_800_000_000_000;
export const tools = { crc32c: nodeCrc32c(), codecs: nodeCodecs() };

/** Random input for a shape besides the records: a cut and meaningless bytes. */
interface Draw {
  readonly cut: number;
  readonly noise: Uint8Array;
  /** Bits that enable options. */
  readonly bits: number;
}

interface Shape {
  readonly name: string;
  readonly codec: number;
  pack(payload: Uint8Array, draw: Draw): Uint8Array;
}

const bytesOf = (...values: number[]): Uint8Array => Uint8Array.from(values);
const has = (draw: Draw, bit: number): boolean => (draw.bits & (1 << bit)) !== 0;
const big32 = (value: number): Uint8Array => bytesOf(value >>> 24, value >>> 16, value >>> 8, value);
const little32 = (value: number): Uint8Array => bytesOf(value, value >>> 8, value >>> 16, value >>> 24);

function halves(payload: Uint8Array, { cut }: Draw): [Uint8Array, Uint8Array] {
  const at = Math.floor(payload.length * cut);
  return [payload.subarray(0, at), payload.subarray(at)];
}

/** Builds a gzip member with the optional header fields that `draw` selects. */
function member(payload: Uint8Array, draw: Draw): Uint8Array {
  const flags = draw.bits & 0x1e;
  const parts = [bytesOf(0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 255)];
  if ((flags & 4) !== 0) parts.push(bytesOf(draw.noise.length, 0), draw.noise);
  if ((flags & 8) !== 0)
    parts.push(
      draw.noise.filter(byte => byte !== 0),
      bytesOf(0),
    );
  if ((flags & 16) !== 0) parts.push(bytesOf(65, 0));
  if ((flags & 2) !== 0) {
    const sum = zlib.crc32(concat(parts));
    parts.push(bytesOf(sum, sum >>> 8));
  }
  return concat([...parts, zlib.deflateRawSync(payload), little32(zlib.crc32(payload)), little32(payload.length)]);
}

const XERIAL = bytesOf(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0);

function xerial(blocks: readonly Uint8Array[], version = 1): Uint8Array {
  const parts = blocks.map(block => {
    const packed = tools.codecs.snappy(block);
    return concat([big32(packed.length), packed]);
  });
  return concat([XERIAL, big32(version), big32(1), ...parts]);
}

interface Lz4Options {
  readonly flags: number;
  readonly size?: number;
  readonly sizeCode?: number;
  readonly wrongChecksum?: boolean;
}

function lz4(blocks: readonly Uint8Array[], { flags, size, sizeCode = 4, wrongChecksum = false }: Lz4Options) {
  const sized = size === undefined ? [] : [little32(size), little32(0)];
  const descriptor = concat([bytesOf(flags | (size === undefined ? 0 : 8), sizeCode << 4), ...sized]);
  const parts = blocks.map((block, i) => {
    const packed = i % 2 === 0 ? tools.codecs.lz4(block) : block;
    const mark = i % 2 === 0 ? packed.length : (packed.length | 0x80000000) >>> 0;
    const sum = (flags & 0x10) === 0 ? [] : [little32(xxHash32(packed))];
    return concat([little32(mark), packed, ...sum]);
  });
  const sum = xxHash32(concat(blocks)) ^ (wrongChecksum ? 1 : 0);
  const end = (flags & 4) === 0 ? [] : [little32(sum)];
  const header = concat([little32(0x184d2204), descriptor, bytesOf(xxHash32(descriptor) >>> 8)]);
  return concat([header, ...parts, little32(0), ...end]);
}

function zstd(payload: Uint8Array, draw: Draw): Uint8Array {
  const params = { [zlib.constants.ZSTD_c_checksumFlag]: has(draw, 0) ? 1 : 0 };
  const size = has(draw, 1) ? { pledgedSrcSize: payload.length } : {};
  return zlib.zstdCompressSync(payload, { params, ...size });
}

const skippable = ({ noise, bits }: Draw): Uint8Array =>
  concat([little32(0x184d2a50 + (bits & 15)), little32(noise.length), noise]);

export const SHAPES: readonly Shape[] = [
  { name: "plain", codec: 0, pack: p => p },
  { name: "gzip", codec: 1, pack: p => zlib.gzipSync(p) },
  { name: "gzip with a full header", codec: 1, pack: member },
  { name: "gzip, two members", codec: 1, pack: (p, d) => concat(halves(p, d).map(part => member(part, d))) },
  { name: "gzip, then noise", codec: 1, pack: (p, d) => concat([member(p, d), d.noise]) },
  { name: "gzip, then zeros", codec: 1, pack: (p, d) => concat([zlib.gzipSync(p), new Uint8Array(d.noise.length)]) },
  {
    name: "gzip, then the beginning of a member",
    codec: 1,
    pack: (p, d) => concat([zlib.gzipSync(p), member(p, d).subarray(0, Math.floor(d.cut * 18))]),
  },
  { name: "snappy, a raw block", codec: 2, pack: p => tools.codecs.snappy(p) },
  { name: "snappy", codec: 2, pack: p => xerial([p]) },
  { name: "snappy, blocks, some empty", codec: 2, pack: (p, d) => xerial([bytesOf(), ...halves(p, d), bytesOf()]) },
  { name: "snappy, two streams", codec: 2, pack: (p, d) => concat(halves(p, d).map(part => xerial([part]))) },
  { name: "snappy, then noise", codec: 2, pack: (p, d) => concat([xerial([p]), d.noise]) },
  { name: "snappy, another version", codec: 2, pack: (p, d) => xerial([p], d.bits - 3) },
  {
    name: "snappy, then a magic that is none",
    codec: 2,
    pack: (p, d) => concat([xerial([p]), XERIAL.subarray(0, 4), new Uint8Array(12), d.noise]),
  },
  { name: "lz4", codec: 3, pack: p => lz4([p], { flags: 0x60 }) },
  {
    name: "lz4, blocks",
    codec: 3,
    pack: (p, d) =>
      lz4(
        halves(p, d).filter(part => part.length > 0),
        { flags: 0x60 | (d.bits & 0x14) },
      ),
  },
  {
    name: "lz4, an empty block",
    codec: 3,
    pack: (p, d) => lz4([p, bytesOf(), bytesOf()], { flags: 0x60 | (d.bits & 0x10) }),
  },
  { name: "lz4, any flags", codec: 3, pack: (p, d) => lz4([p], { flags: 0x40 | d.bits, sizeCode: d.bits & 7 }) },
  { name: "lz4, a size", codec: 3, pack: (p, d) => lz4([p], { flags: 0x60, size: p.length + (has(d, 0) ? 3 : 0) }) },
  { name: "lz4, a wrong checksum", codec: 3, pack: p => lz4([p], { flags: 0x64, wrongChecksum: true }) },
  { name: "lz4, two frames", codec: 3, pack: (p, d) => concat(halves(p, d).map(part => lz4([part], { flags: 0x60 }))) },
  { name: "lz4, then noise", codec: 3, pack: (p, d) => concat([lz4([p], { flags: 0x60 }), d.noise]) },
  { name: "zstd", codec: 4, pack: zstd },
  { name: "zstd, two frames", codec: 4, pack: (p, d) => concat(halves(p, d).map(part => zstd(part, d))) },
  { name: "zstd, skippable first", codec: 4, pack: (p, d) => concat([skippable(d), zstd(p, d)]) },
  { name: "zstd, skippable last", codec: 4, pack: (p, d) => concat([zstd(p, d), skippable(d)]) },
  { name: "zstd, then noise", codec: 4, pack: (p, d) => concat([zstd(p, d), d.noise]) },
  { name: "an unknown codec", codec: 5, pack: p => p },
];

const int64 = fc.oneof(
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n), -1n, 0n, 2n ** 53n, 1_700_000_000_000_000_000n),
);
const near = fc.integer({ min: NOW - 5_000_000, max: NOW + 5_000_000 });
const timestamp: fc.Arbitrary<Int64> = fc.oneof({ weight: 8, arbitrary: near }, fc.constant(-1), int64.map(toInt64));
const content = fc.option(fc.uint8Array({ maxLength: 40 }), { freq: 6 });
const header = fc.record({ key: fc.string({ maxLength: 5 }), value: content });
const record: fc.Arbitrary<NewRecord> = fc.record({
  timestamp,
  key: content,
  value: fc.oneof(
    content,
    fc.integer({ min: 0, max: 3000 }).map(length => new Uint8Array(length).fill(length)),
  ),
  headers: fc.array(header, { maxLength: 3 }),
});

const draw: fc.Arbitrary<Draw> = fc.record({
  cut: fc.double({ min: 0, max: 1, noNaN: true }),
  noise: fc.uint8Array({ minLength: 1, maxLength: 30 }),
  bits: fc.nat(31),
});

/** Damage to the compressed records. */
const damage = fc.oneof(
  { weight: 6, arbitrary: fc.constant((bytes: Uint8Array) => bytes) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 255 }))
      .map(([where, flip]) => (bytes: Uint8Array) => {
        const at = Math.min(bytes.length - 1, Math.floor(where * bytes.length));
        return bytes.map((byte, i) => (i === at ? byte ^ flip : byte));
      }),
  },
  fc.nat(12).map(count => (bytes: Uint8Array) => bytes.subarray(0, Math.max(0, bytes.length - count))),
  fc.uint8Array({ maxLength: 5 }).map(more => (bytes: Uint8Array) => concat([bytes, more])),
);

/** Changes of header fields; the CRC is computed afterwards. */
const oddity = fc.oneof(
  { weight: 8, arbitrary: fc.constant((_: DataView) => {}) },
  fc.integer({ min: -2, max: 8 }).map(count => (view: DataView) => view.setInt32(FIELD.count, count)),
  fc.integer({ min: -2, max: 8 }).map(delta => (view: DataView) => view.setInt32(FIELD.lastOffsetDelta, delta)),
  int64.map(time => (view: DataView) => view.setBigInt64(FIELD.baseTimestamp, time)),
  int64.map(time => (view: DataView) => view.setBigInt64(FIELD.maxTimestamp, time)),
  int64.map(time => (view: DataView) => {
    view.setBigInt64(FIELD.maxTimestamp, time);
    view.setInt16(FIELD.attributes, view.getInt16(FIELD.attributes) | 8);
  }),
  near.map(time => (view: DataView) => {
    view.setBigInt64(FIELD.maxTimestamp, BigInt(time));
    view.setInt16(FIELD.attributes, view.getInt16(FIELD.attributes) | 8);
  }),
  fc.constantFrom(8, 16, 32, 64, 128, 256, 0x7f00).map(bits => (view: DataView) => {
    view.setInt16(FIELD.attributes, view.getInt16(FIELD.attributes) | bits);
  }),
  fc.tuple(int64, fc.integer({ min: -2, max: 5 })).map(([id, sequence]) => (view: DataView) => {
    view.setBigInt64(FIELD.producerId, id);
    view.setInt16(FIELD.producerEpoch, sequence);
    view.setInt32(FIELD.baseSequence, sequence);
  }),
);

export interface BatchCase {
  readonly shape: string;
  readonly bytes: Uint8Array;
}

/** Complete batch with a valid CRC. */
export const batchCase: fc.Arbitrary<BatchCase> = fc
  .record({
    records: fc.array(record, { minLength: 1, maxLength: 5 }),
    shape: fc.constantFrom(...SHAPES),
    draw,
    damage,
    oddity,
  })
  .map(({ records, shape, draw: drawn, damage: harm, oddity: odd }) => {
    const plain = buildBatch(records, {}, tools);
    const packed = harm(shape.pack(plain.subarray(HEADER_SIZE), drawn));
    const bytes = concat([plain.subarray(0, HEADER_SIZE), packed]);
    const view = viewOf(bytes);
    view.setInt32(FIELD.length, bytes.length - LENGTH_OVERHEAD);
    view.setInt16(FIELD.attributes, shape.codec);
    odd(view);
    view.setUint32(FIELD.crc, tools.crc32c(bytes, FIELD.attributes, bytes.length));
    return { shape: shape.name, bytes };
  });

/** Faults in the bytes of a produced batch, outside its records. */
export const frame: fc.Arbitrary<(bytes: Uint8Array) => Uint8Array> = fc.oneof(
  { weight: 12, arbitrary: fc.constant((bytes: Uint8Array) => bytes) },
  fc.uint8Array({ maxLength: 70 }).map(tail => (bytes: Uint8Array) => concat([bytes, tail])),
  fc.nat(70).map(count => (bytes: Uint8Array) => concat([bytes, bytes.subarray(0, count)])),
  fc.constant((bytes: Uint8Array) => concat([bytes, bytes])),
  fc.nat(70).map(count => (bytes: Uint8Array) => bytes.subarray(0, Math.max(0, bytes.length - count))),
  fc
    .integer({ min: -1, max: 4 })
    .map(magic => (bytes: Uint8Array) => bent(bytes, view => view.setInt8(FIELD.magic, magic))),
  fc
    .integer({ min: -2, max: 90 })
    .map(length => (bytes: Uint8Array) => bent(bytes, view => view.setInt32(FIELD.length, length))),
  fc
    .constantFrom(1n, -1n, 2n ** 62n)
    .map(base => (bytes: Uint8Array) => bent(bytes, view => view.setBigInt64(0, base))),
  fc.constant((bytes: Uint8Array) => bent(bytes, view => view.setInt32(FIELD.crc, 7))),
);

function bent(bytes: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const copy = bytes.slice();
  change(viewOf(copy));
  return copy;
}
