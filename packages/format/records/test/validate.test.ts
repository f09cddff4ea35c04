import { type BlockCodecs, type DecompressionBuffer, utf8, viewOf } from "@samsa/base";
import { describe, expect, test } from "vitest";
import {
  BatchCursor,
  BatchJudge,
  type BatchOptions,
  BatchValidator,
  buildBatch,
  type NewRecord,
  readRecords,
  type ValidationRules,
} from "../src/index.ts";
import { tools } from "./tools.ts";

const NOW = 1_700_000_000_000;
const RULES: ValidationRules = {
  origin: "client",
  maxMessageBytes: 1_048_588,
  segmentBytes: 1_073_741_824,
  timestampType: "CreateTime",
  beforeMaxMs: Infinity,
  afterMaxMs: 3_600_000,
  compacted: false,
  allowZstd: true,
  codec: "producer",
};
const validator = new BatchValidator(tools);
const one = (over: Partial<NewRecord> = {}): NewRecord => ({
  timestamp: NOW,
  key: utf8("k"),
  value: utf8("v"),
  ...over,
});
const batch = (options: BatchOptions = {}, records = [one(), one({ timestamp: NOW + 5 }), one()]) =>
  buildBatch(records, options, tools);
/** Changes bytes and repairs the checksum. */
function bend(bytes: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const view = viewOf(bytes);
  change(view);
  view.setUint32(17, tools.crc32c(bytes, 21, bytes.length));
  return bytes;
}

interface Case {
  readonly why: string;
  readonly bytes: Uint8Array;
  readonly rules?: Partial<ValidationRules>;
  readonly error: number;
  readonly faults?: readonly number[];
}

const NANOSECONDS = 1_700_000_000_000_000_001n;
const tailed = (tail: Uint8Array): Uint8Array => Uint8Array.from([...batch(), ...tail]);
const noise = Uint8Array.from({ length: 61 }, () => 7);
const CASES: readonly Case[] = [
  { why: "nothing", bytes: new Uint8Array(0), error: 87 },
  { why: "shorter than a header", bytes: batch().subarray(0, 40), error: 87 },
  { why: "too small to be a batch", bytes: bend(batch().slice(0, 40), v => v.setInt32(8, 28)), error: 2 },
  { why: "a length that no batch has", bytes: bend(batch(), v => v.setInt32(8, 13)), error: 2 },
  { why: "a magic of the future", bytes: bend(batch(), v => v.setInt8(16, 3)), error: 2 },
  { why: "old magic", bytes: bend(batch(), v => v.setInt8(16, 1)), error: 87 },
  { why: "no batch at all", bytes: noise.subarray(0, 11), error: 87 },
  { why: "a length that is too long", bytes: bend(batch(), v => v.setInt32(8, 100_000)), error: 87 },
  { why: "two batches", bytes: Uint8Array.from([...batch(), ...batch()]), error: 87 },
  {
    why: "zstd too early",
    bytes: batch({ compression: { codec: 4, level: 3 } }),
    rules: { allowZstd: false },
    error: 76,
  },
  { why: "unknown codec", bytes: bend(batch(), v => v.setInt16(21, 5)), error: 87 },
  { why: "base offset", bytes: batch({ baseOffset: 1 }), error: 87 },
  { why: "too large", bytes: batch(), rules: { maxMessageBytes: 70 }, error: 10 },
  { why: "a flipped bit", bytes: batch().map((b, i) => (i === 64 ? b ^ 1 : b)), error: 2 },
  { why: "a negative last offset delta", bytes: bend(batch(), v => v.setInt32(23, -1)), error: 87 },
  { why: "no records", bytes: bend(batch(), v => v.setInt32(57, 0)), error: 87 },
  { why: "a count that is not the span", bytes: bend(batch(), v => v.setInt32(57, 2)), error: 87 },
  {
    why: "fewer records than declared",
    bytes: bend(batch(), v => {
      v.setInt32(57, 4);
      v.setInt32(23, 3);
    }),
    error: 87,
  },
  {
    why: "more records than declared",
    bytes: bend(batch(), v => {
      v.setInt32(57, 2);
      v.setInt32(23, 1);
    }),
    error: 87,
  },
  { why: "control bit", bytes: batch({ control: true }), error: 87 },
  { why: "producer without sequence", bytes: batch({ producerId: 1n, producerEpoch: 0 }), error: 87 },
  { why: "a record's length", bytes: bend(batch(), v => v.setUint8(61, 200)), error: 87 },
  { why: "a negative header count", bytes: bend(batch({}, [one()]), v => v.setUint8(v.byteLength - 1, 1)), error: 87 },
  {
    why: "what cannot be decompressed",
    bytes: bend(batch({ compression: { codec: 1, level: 6 } }), v => v.setUint8(v.byteLength - 6, 0xff)),
    error: 87,
  },
  {
    why: "a decompression bomb",
    bytes: batch({ compression: { codec: 1, level: 6 } }, [one({ value: new Uint8Array(500_000) })]),
    rules: { decompressedLimit: 100_000 },
    error: 87,
  },
  {
    why: "null key",
    bytes: batch({}, [one(), one({ key: null })]),
    rules: { compacted: true },
    error: 87,
    faults: [1],
  },
  { why: "late", bytes: batch({}, [one({ timestamp: NOW + 3_600_001 }), one()]), error: 32, faults: [0] },
  {
    why: "early",
    bytes: batch({}, [one(), one({ timestamp: 5 })]),
    rules: { beforeMaxMs: 10 },
    error: 32,
    faults: [1],
  },
  {
    why: "append time set by a client where the log sets it",
    bytes: batch({ timestampType: "LogAppendTime", logAppendTime: NOW }, [one()]),
    rules: { timestampType: "LogAppendTime" },
    error: 32,
    faults: [0],
  },
  {
    why: "append time set by a client that gives none",
    bytes: batch({ timestampType: "LogAppendTime", logAppendTime: -1 }, [one()]),
    error: 32,
    faults: [0],
  },
  {
    why: "append time set by a client, too late",
    bytes: batch({ timestampType: "LogAppendTime", logAppendTime: NOW + 3_600_001 }, [one()]),
    error: 32,
    faults: [0],
  },
  { why: "nanoseconds", bytes: batch({}, [one(), one({ timestamp: NANOSECONDS })]), error: 32, faults: [1] },
  {
    why: "the first of all times",
    bytes: batch({}, [one({ timestamp: -(2n ** 63n) })]),
    error: 32,
    faults: [0],
  },
  { why: "a tail with a length that no batch has", bytes: tailed(new Uint8Array(12)), error: 2 },
  { why: "a tail with a magic of the future", bytes: tailed(bend(batch(), v => v.setInt8(16, 3))), error: 2 },
];

describe("validation", () => {
  test.each(CASES)("$why gives $error", ({ bytes, rules, error, faults }) => {
    const result = validator.validate(bytes, { ...RULES, ...rules }, NOW);
    expect([result.error, result.faults.map(f => f.index)]).toEqual([error, faults ?? []]);
    expect(result.message).not.toBe("");
  });

  test.each([0, 1, 2, 3, 4] as const)("a good batch with codec %i", codec => {
    const bytes = batch({ compression: { codec, level: 1 }, producerId: 9n, producerEpoch: 1, baseSequence: 6 });
    expect(validator.validate(bytes, RULES, NOW)).toEqual({
      error: 0,
      message: "",
      early: false,
      faults: [],
      maxTimestamp: NOW + 5,
      offsetDeltaOfMax: 1,
      count: 3,
      size: bytes.length,
      producerId: 9n,
      producerEpoch: 1,
      baseSequence: 6,
      transactional: false,
      rebuild: false,
    });
  });

  test("append time, absent timestamps, another codec", () => {
    const late = batch({}, [one({ timestamp: 1 }), one({ timestamp: -1 })]);
    const stamped = validator.validate(late, { ...RULES, timestampType: "LogAppendTime", beforeMaxMs: 0 }, NOW);
    expect([stamped.error, stamped.maxTimestamp, stamped.offsetDeltaOfMax]).toEqual([0, NOW, 1]);
    const absent = validator.validate(batch({}, [one({ timestamp: -1 })]), { ...RULES, beforeMaxMs: 0 }, NOW);
    expect([absent.error, absent.maxTimestamp]).toEqual([0, -1]);
    expect(validator.validate(batch(), { ...RULES, codec: 4 }, NOW).rebuild).toBe(true);
    expect(validator.validate(batch(), { ...RULES, codec: 0 }, NOW).rebuild).toBe(false);
  });

  test("times beyond 2^53 are kept to the last bit", () => {
    const bytes = batch({}, [one({ timestamp: NANOSECONDS }), one({ timestamp: NANOSECONDS + 5n }), one()]);
    const taken = validator.validate(bytes, { ...RULES, afterMaxMs: 2 ** 63 }, NOW);
    expect([taken.error, taken.maxTimestamp, taken.offsetDeltaOfMax]).toEqual([0, NANOSECONDS + 5n, 1]);
    const stamped = validator.validate(bytes, { ...RULES, timestampType: "LogAppendTime" }, NOW);
    expect([stamped.error, stamped.maxTimestamp]).toEqual([0, NOW]);
    // The header's maximum timestamp comes from the client and is not trusted.
    const boasting = bend(batch(), v => v.setBigInt64(35, 2n ** 63n - 1n));
    expect(validator.validate(boasting, RULES, NOW)).toMatchObject({ error: 0, maxTimestamp: NOW + 5 });
  });

  test("a client's append time is taken for the records' time where the log sets none", () => {
    const bytes = batch({ timestampType: "LogAppendTime", logAppendTime: NOW + 7 });
    expect(validator.validate(bytes, RULES, NOW)).toMatchObject({
      error: 0,
      maxTimestamp: NOW + 7,
      offsetDeltaOfMax: 0,
    });
  });
});

describe("judgement", () => {
  const judge = new BatchJudge(tools);
  const rules = (over: Partial<ValidationRules>) => ({
    validation: { ...RULES, ...over },
    compression: "producer" as const,
  });

  test("a beginning of another batch is cut off", () => {
    for (const tail of [Uint8Array.of(0), batch().subarray(0, 16), batch().subarray(0, 50)]) {
      const { validation, bytes } = judge.judge(tailed(tail), rules({}), NOW);
      expect([validation.error, bytes]).toEqual([0, batch()]);
    }
  });

  test("limits hold for the batch that is kept, in whatever codec", () => {
    const large = batch({ compression: { codec: 1, level: 9 } }, [one({ value: new Uint8Array(5000) })]);
    const plain = { codec: 0, level: 0 } as const;
    const kept = { validation: { ...RULES, codec: 0 as const, maxMessageBytes: 1000 }, compression: plain };
    expect(large.length).toBeLessThan(1000);
    expect(judge.judge(large, kept, NOW).validation.error).toBe(10);
    expect(judge.judge(large, rules({ segmentBytes: 70 }), NOW).validation.error).toBe(18);
    const roomy = { ...kept, validation: { ...kept.validation, maxMessageBytes: 6000 } };
    expect(judge.judge(large, roomy, NOW).validation.error).toBe(0);
  });

  test("another codec keeps times to the last bit", () => {
    const records = [NANOSECONDS, NANOSECONDS - 9n, NOW, -1].map(timestamp => one({ timestamp }));
    const validation = { ...RULES, afterMaxMs: 2 ** 63, codec: 4 as const };
    const { bytes } = judge.judge(batch({}, records), { validation, compression: { codec: 4, level: 3 } }, NOW);
    expect(new BatchCursor(bytes).next()).toBe(true);
    expect(readRecords(bytes, tools).map(({ timestamp }) => timestamp)).toEqual(records.map(r => r.timestamp));
  });
});

describe("a batch that the log keeps without compression", () => {
  const most = 100_000;
  const rules = { ...RULES, codec: 0 as const, maxMessageBytes: most };
  /** Output sizes of the codecs below, in bytes. */
  const given: number[] = [];
  const noting =
    (decompress: BlockCodecs["unlz4"]) =>
    (input: Uint8Array, output: DecompressionBuffer, most = 0): void => {
      const before = output.length;
      decompress(input, output, most);
      given.push(output.length - before);
    };
  const real = tools.codecs;
  const codecs = {
    ...tools.codecs,
    gunzip: noting((input, output) => real.gunzip(input, output)),
    unsnappy: noting((input, output) => real.unsnappy(input, output)),
    unlz4: noting((input, output, most) => real.unlz4(input, output, most)),
    unzstd: noting((input, output) => real.unzstd(input, output)),
  };
  const judge = new BatchJudge({ ...tools, codecs });
  const judged = (codec: 1 | 2 | 3 | 4, size: number) => {
    given.length = 0;
    // Snappy compresses to a twentieth at most, so the compressed batch is within the limit.
    const bytes = batch({ compression: { codec, level: 1 } }, [one({ value: new Uint8Array(size) })]);
    return {
      sent: bytes.length,
      ...judge.judge(bytes, { validation: rules, compression: { codec: 0, level: 0 } }, NOW),
    };
  };

  test.each([1, 2, 3, 4] as const)("is too large when its records are: codec %s", codec => {
    const { sent, validation } = judged(codec, 1_500_000);
    expect([sent < most, validation.error]).toEqual([true, 10]);
    expect(given.reduce((sum, size) => sum + size, 0)).toBeLessThan(5 * most);
    const fits = judged(codec, most - 200);
    expect([fits.validation.error, fits.bytes.length > most - 200]).toEqual([0, true]);
    expect(judged(codec, most + 1).validation.error).toBe(10);
  });
});
