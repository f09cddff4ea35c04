import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytes, float64, int32, int64, json, type Serde, string, type StandardSchema } from "../src/index.ts";

const context = () => ({ topic: "t", part: "value" as const, headers: [] });
const encoded = <T>(serde: Serde<T>, value: T): Uint8Array => {
  const written = serde.serialize(value, context());
  if (written === null) throw new Error("nothing was written");
  return typeof written === "string" ? Buffer.from(written) : written;
};
const there = <T>(serde: Serde<T>, value: T): T => serde.deserialize(encoded(serde, value), context());

test("what is written is read", () => {
  const check = <T>(values: fc.Arbitrary<T>, serde: Serde<T>): void => {
    fc.assert(
      fc.property(values, value => {
        expect(there(serde, value)).toEqual(value);
      }),
    );
  };
  check(fc.string({ unit: "grapheme" }), string);
  check(fc.integer(), int32);
  check(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), int64);
  check(fc.double(), float64);
  const plain = fc.jsonValue().map(value => JSON.parse(JSON.stringify(value)) as unknown);
  check(plain, json());
  const value = Uint8Array.of(0, 255);
  expect(there(bytes, value)).toBe(value);
});

test("numbers have the bytes of Java's serializers", () => {
  expect([...encoded(int32, -2)]).toEqual([255, 255, 255, 254]);
  expect([...encoded(int64, 258n)]).toEqual([0, 0, 0, 0, 0, 0, 1, 2]);
  expect([...encoded(float64, 1)]).toEqual([0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
});

describe("a serde refuses", () => {
  const any = (value: unknown): never => value as never;
  test.each([
    ["a number as a text", () => string.serialize(any(5), context()), "a string is wanted, not number"],
    ["a text as bytes", () => bytes.serialize(any("x"), context()), "a Uint8Array is wanted, not string"],
    ["a fraction as an int32", () => int32.serialize(1.5, context()), "1.5 is not a 32-bit integer"],
    ["an int32 that is too large", () => int32.serialize(2 ** 31, context()), "2147483648 is not a 32-bit integer"],
    ["an int64 that is too large", () => int64.serialize(2n ** 63n, context()), "9223372036854775808 is not a 64-bit"],
    ["a text as a double", () => float64.serialize(any("1"), context()), "a number is wanted, not string"],
    ["bytes of another size", () => int32.deserialize(new Uint8Array(8), context()), "an int32 takes 4 bytes, not 8"],
    ["bytes that are no UTF-8", () => string.deserialize(Uint8Array.of(255), context()), ""],
    ["a function as JSON", () => json().serialize(() => {}, context()), "a function has no JSON"],
    ["bytes that are no JSON", () => json().deserialize(Buffer.from("{"), context()), "JSON"],
  ])("%s", (_what, work, why) => {
    expect(work).toThrow(why);
  });
});

describe("a schema", () => {
  const named: StandardSchema<{ name: string }> = {
    "~standard": {
      validate: value => {
        if (typeof value === "object" && value !== null && "name" in value && typeof value.name === "string") {
          return { value: { name: value.name } };
        }
        return {
          issues: [{ message: "a string is wanted", path: ["user", { key: "name" }] }, { message: "all wrong" }],
        };
      },
    },
  };

  test("checks both what is written and what is read", () => {
    const serde = json(named);
    expect(there(serde, { name: "x", more: 1 } as { name: string })).toEqual({ name: "x" });
    const why = "user.name: a string is wanted; all wrong";
    expect(() => serde.serialize({} as { name: string }, context())).toThrow(why);
    expect(() => serde.deserialize(Buffer.from("{}"), context())).toThrow(why);
  });

  test("that is asynchronous is refused", () => {
    const later: StandardSchema<string> = { "~standard": { validate: async () => ({ value: "x" }) } };
    expect(() => json(later).serialize("x", context())).toThrow("the schema validates asynchronously");
  });
});
