import { isDeepStrictEqual } from "node:util";
import { ByteReader, ByteWriter, concat, MalformedError } from "@samsa/base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compile } from "../src/codec/compile.ts";
import { GatherWriter } from "../src/codec/gather.ts";
import { MESSAGES } from "../src/declared.ts";
import { METADATA_RECORDS, UnsupportedVersionError } from "../src/index.ts";
import { consumerGroupMemberMetadataValue } from "../src/internal-records/index.ts";
import { interpretDecode, interpretEncode } from "../src/codec/interpret.ts";
import type { AnyMessage } from "../src/codec/message.ts";
import { fetchResponse } from "../src/messages/fetch.ts";
import { everyVersion, type MessageAt, valueOf } from "./values.ts";

const SEED = 20260821;

function encoded(message: AnyMessage, value: object, version: number): Uint8Array {
  const writer = new GatherWriter();
  message.encode(writer, value, version);
  return writer.finish();
}

/** Describes a mistake of the codec with this value; "" if there is none. */
function judge({ message, version }: MessageAt, value: object): string {
  const bytes = encoded(message, value, version);
  if (!isDeepStrictEqual(bytes, Uint8Array.from(interpretEncode(message, value, version)))) return "bytes differ";
  const reader = new ByteReader(bytes);
  if (!isDeepStrictEqual(message.decode(reader, version), value)) return "the value came back changed";
  if (reader.remaining() !== 0) return "bytes left over";
  if (!isDeepStrictEqual(interpretDecode(message, bytes, version), value)) return "the interpreter reads otherwise";
  return "";
}

function judgeAll(pairs: readonly MessageAt[], numRuns: number): void {
  for (const pair of pairs) {
    const property = fc.property(valueOf(pair), value => {
      const fault = judge(pair, value);
      if (fault !== "") throw new Error(`${pair.message.name} version ${pair.version}: ${fault}`);
    });
    fc.assert(property, { numRuns, seed: SEED });
  }
}

/** True if decoding gives a value or throws `MalformedError`, and nothing else. */
function survives({ message, version }: MessageAt, bytes: Uint8Array): boolean {
  try {
    message.decode(new ByteReader(bytes), version);
    return true;
  } catch (error) {
    if (error instanceof MalformedError) return false;
    throw error;
  }
}

describe("every message at every version", () => {
  const pairs = everyVersion();

  it("covers the whole protocol", () => {
    expect(MESSAGES.length).toBe(278);
  });

  it("is written alike by compiler and interpreter, and read back unchanged", () => {
    judgeAll(pairs, 12);
  });

  it("is refused when cut short anywhere", () => {
    for (const pair of pairs) {
      const [value] = fc.sample(valueOf(pair), { numRuns: 1, seed: SEED });
      const bytes = encoded(pair.message, value, pair.version);
      for (let length = 0; length < bytes.length; length++) {
        if (survives(pair, bytes.subarray(0, length))) {
          expect.fail(`${pair.message.name} version ${pair.version} was read from ${length} of ${bytes.length} bytes`);
        }
      }
    }
  });

  it("survives noise", () => {
    const noise = fc.sample(fc.uint8Array({ maxLength: 200, size: "max" }), { numRuns: 20, seed: SEED });
    const lengths = [0xff, 0xff, 0xff, 0xff, 0x07, 0x7f, 0xff, 0xff, 0xff];
    noise.push(new Uint8Array(100).fill(0xff), new Uint8Array(100).fill(0x7f), Uint8Array.from(lengths));
    for (const pair of pairs) for (const bytes of noise) survives(pair, bytes);
  });
});

describe("the judge", () => {
  it("catches a codec that was compiled for the wrong version", () => {
    const wrong = (version: number) =>
      compile({ name: "wrong", fields: fetchResponse.fields, version, flexible: version >= 12 });
    const broken: AnyMessage = {
      ...fetchResponse,
      decode: (reader, version) => wrong(version - 1).decode(reader),
      encode: (writer, value, version) => wrong(version - 1).encode(writer, value),
    };
    for (const version of [5, 7, 11, 12, 13]) {
      expect(() => judgeAll([{ message: broken, version }], 50)).toThrow();
    }
  });

  it("catches a codec that changes one byte", () => {
    const broken: AnyMessage = {
      ...fetchResponse,
      encode: (writer: ByteWriter, value: object, version: number) => {
        fetchResponse.encode(writer, value as ReturnType<typeof fetchResponse.defaults>, version);
        writer.bytes[3] ^= 1;
      },
    };
    expect(judge({ message: broken, version: 4 }, fetchResponse.defaults({ responses: [] }))).toBe("bytes differ");
  });
});

describe("versions", () => {
  it("refuse a value they cannot carry, and drop what is ignorable", () => {
    const { message } = METADATA_RECORDS.BrokerRegistrationChangeRecord;
    const draft = { brokerId: 1, brokerEpoch: 2, inControlledShutdown: 1 };
    expect(() => message.encode(new ByteWriter(), draft, 0)).toThrow(UnsupportedVersionError);
    expect(() => interpretEncode(message, draft, 0)).toThrow(UnsupportedVersionError);
    message.encode(new ByteWriter(), draft, 1);
    expect(() => message.encode(new ByteWriter(), draft, 99)).toThrow(UnsupportedVersionError);
    fetchResponse.encode(new ByteWriter(), { responses: [], throttleTimeMs: 1, sessionId: 0, errorCode: 3 }, 4);
  });
});

describe("a tagged struct", () => {
  it("is null by the byte 0 where a struct outside of tags has the byte -1", () => {
    const writer = new ByteWriter();
    const draft = { ...consumerGroupMemberMetadataValue.defaults(), classicMemberMetadata: null };
    consumerGroupMemberMetadataValue.encode(writer, draft, 0);
    // Kafka's ConsumerGroupMemberMetadataValue writes the same: one tag, number 0, of one byte.
    expect(Buffer.from(writer.finish()).toString("hex")).toMatch(/01000100$/);
    const read = consumerGroupMemberMetadataValue.decode(new ByteReader(writer.finish()), 0);
    expect(read.classicMemberMetadata).toBe(null);
  });
});

describe("records", () => {
  it("of a Fetch response are referenced, not copied", () => {
    const batch = new Uint8Array(1 << 20);
    const writer = new GatherWriter();
    const partition = {
      partitionIndex: 0,
      errorCode: 0,
      highWatermark: 9,
      abortedTransactions: null,
      records: [batch],
    };
    fetchResponse.encode(writer, { throttleTimeMs: 0, responses: [{ topic: "t", partitions: [partition] }] }, 12);
    expect(writer.chunks().some(chunk => chunk === batch)).toBe(true);
    expect(writer.bytes.length).toBeLessThan(1024);
    expect(writer.length()).toBe(writer.finish().length);
  });

  it("and other contents that were taken from a writer stay as they are when it is used again", () => {
    const writer = new GatherWriter();
    const payload = new Uint8Array(1000).fill(7);
    const write = (small: number, fill: number): Uint8Array => {
      writer.clear();
      writer.raw(new Uint8Array(small).fill(fill));
      writer.splice(payload);
      writer.raw(new Uint8Array(small).fill(fill));
      return concat([new Uint8Array(small).fill(fill), payload, new Uint8Array(small).fill(fill)]);
    };
    const taken: Uint8Array[][] = [];
    const wanted: Uint8Array[] = [];
    for (const [small, fill] of [
      [0, 1],
      [10, 2],
      [100_000, 3],
      [10, 4],
      [300, 5],
    ] as const) {
      wanted.push(write(small, fill));
      const chunks = writer.takeChunks();
      expect(chunks).toContain(payload);
      taken.push(chunks);
      // Memory of a large message is not kept.
      expect(writer.bytes.length).toBeLessThan(70_000);
    }
    expect(taken.map(chunks => concat(chunks))).toEqual(wanted);
    // A message that could not be encoded to its end leaves nothing.
    writer.raw(payload);
    write(3, 6);
    expect(writer.length()).toBe(1006);
    writer.clear();
    expect(writer.takeChunks()).toEqual([]);
  });
});
