import { expect, test } from "vitest";
import fc from "fast-check";
import { OptionError, UsageError } from "../src/kafka-tools/java/exits.ts";
import { option, toggle } from "../src/kafka-tools/flags/flag.ts";
import { parseFlags } from "../src/kafka-tools/flags/jopt.ts";
import { capacityFor, hashOfPartition, hashOfText, hashOrderOfTexts } from "../src/kafka-tools/java/hash-order.ts";
import { doubleText, parseInteger, parseLong } from "../src/kafka-tools/java/text.ts";
import { dateTime, durationOf } from "../src/kafka-tools/runner/offset-plans.ts";

const FLAGS = {
  help: toggle(""),
  version: toggle(""),
  list: toggle(""),
  topic: option("topic", ""),
  count: option("", "", { type: "int", preset: "7" }),
  state: option("", "", { isOptional: true, onlyWith: ["list"] }),
  period: option("", "", { type: "long", isOptional: true }),
  keys: option("", "", { separator: "," }),
  a: toggle(""),
  b: option("", ""),
  server: option("", "", { isRequired: true }),
};
const parse = (...args: string[]) => parseFlags(FLAGS, ["--server", "s", ...args]);
const message = (...args: string[]): string => {
  try {
    parse(...args);
    return "";
  } catch (error) {
    return error instanceof OptionError ? `${error.javaClass}: ${error.message}` : String(error);
  }
};

test("a number that may be left out may be negative; another text after it is the next argument", () => {
  expect(parse("--period", "-1").number("period")).toBe(-1);
  expect(parse("--period", "7", "--list").number("period")).toBe(7);
  const left = parse("--period", "--list");
  expect([left.has("period"), left.number("period"), left.has("list")]).toEqual([true, undefined, true]);
  expect(parse("--period", "soon").rest).toEqual(["soon"]);
  expect(message("--list", "--state", "-1")).toMatch(/1 is not a recognized option/);
});

test("arguments follow their option, an equals sign or, for one letter, the letter", () => {
  expect(parse("--topic", "x", "--count=3").text("topic")).toBe("x");
  expect(parse("--count=3").number("count")).toBe(3);
  expect(parse("-topic", "x").text("topic")).toBe("x");
  expect(parse("--topic=", "x").text("topic")).toBe("x");
  expect(parse("--topic", "--list").text("topic")).toBe("--list");
  expect(parse("-abx").text("b")).toBe("x");
  expect(parse("-abx").has("a")).toBe(true);
  expect(parse().number("count")).toBe(7);
  expect(parse().has("count")).toBe(false);
  expect(parse("--keys", "a,b", "--keys=c").texts("keys")).toEqual(["a", "b", "c"]);
  expect(parse("x", "--list", "--", "--topic").rest).toEqual(["x", "--topic"]);
});

test("an argument that may be left out is not the next option", () => {
  expect(parse("--list", "--state").text("state")).toBeUndefined();
  expect(parse("--list", "--state", "empty").text("state")).toBe("empty");
  expect(parse("--state", "--list").has("state", "list")).toBe(true);
});

test("mistakes are those of joptsimple", () => {
  expect(message("--nope")).toBe("UnrecognizedOptionException: nope is not a recognized option");
  expect(message("--lis")).toBe("UnrecognizedOptionException: lis is not a recognized option");
  expect(message("-xa")).toBe("UnrecognizedOptionException: x is not a recognized option");
  expect(message("--topic")).toBe("OptionMissingRequiredArgumentException: Option topic requires an argument");
  expect(message("--state")).toBe(
    "UnavailableOptionException: Option(s) [state] are unavailable given other options on the command line",
  );
  expect(() => parseFlags(FLAGS, ["--list"])).toThrow("Missing required option(s) [server]");
  expect(parseFlags(FLAGS, ["--help"]).has("help")).toBe(true);
  expect(() => parse("--topic", "a", "--topic", "b").text("topic")).toThrow(
    "Found multiple arguments for option topic, but you asked for only one",
  );
  expect(() => parse("--count", "many").number("count")).toThrow("Cannot parse argument 'many' of option count");
});

test("checks of options name them in brackets", () => {
  const chosen = parse("--list", "--topic", "x");
  expect(() => chosen.require("list", "keys")).toThrow('Missing required argument "[keys]"');
  expect(() => chosen.exclude("topic", ["list"])).toThrow('Option "[topic]" can\'t be used with option "[list]"');
  expect(() => chosen.exactlyOne("list", "topic")).toThrow(UsageError);
  expect(chosen.exclude("keys", ["list"])).toBeUndefined();
});

test("values with an equals sign come back as they are", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (topic, key) => {
      const chosen = parse(`--topic=${topic}`, "--b", key);
      expect([chosen.text("topic"), chosen.text("b")]).toEqual([topic, key]);
    }),
  );
});

test("lists come in the order of Java's hash maps", () => {
  // Printed by Java: "abc".hashCode(), new TopicPartition("t", 3).hashCode(), keys of maps.
  expect(hashOfText("abc")).toBe(96_354);
  expect(hashOfText("retention.ms")).toBe(hashOfText("retention.ms") | 0);
  expect(hashOfPartition({ topic: "t", partition: 3 })).toBe(31 * 34 + 116);
  expect(hashOrderOfTexts(["version", "brokers"])).toEqual(["brokers", "version"]);
  expect([0, 1, 2, 3, 4, 5, 1000].map(capacityFor)).toEqual([1, 1, 2, 4, 4, 8, 1024]);
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { maxLength: 60 }), texts => {
      const sorted = hashOrderOfTexts(texts);
      expect(sorted.toSorted()).toEqual(texts.toSorted());
      let size = 16;
      while (texts.length > size * 0.75) size *= 2;
      const buckets = sorted.map(text => (hashOfText(text) ^ (hashOfText(text) >>> 16)) & (size - 1));
      expect(buckets).toEqual(buckets.toSorted((a, b) => a - b));
    }),
  );
});

test("numbers are read and printed as in Java", () => {
  expect([parseInteger("12"), parseInteger("+3"), parseInteger("2147483648"), parseInteger("1.5")]).toEqual([
    12,
    3,
    undefined,
    undefined,
  ]);
  expect([parseLong("-9223372036854775808"), parseLong("9223372036854775808")]).toEqual([-(2 ** 63), undefined]);
  expect([0, 1000, 12_345_678.5, 0.5, 0.0001, 1e7, -2.5e10].map(doubleText)).toEqual([
    ...["0.0", "1000.0", "1.23456785E7", "0.5", "1.0E-4", "1.0E7", "-2.5E10"],
  ]);
});

test("times and durations are read as in Java", () => {
  expect(dateTime("2023-11-14T22:13:20.005")).toBe(1_700_000_000_005);
  expect(dateTime("2023-11-14T22:13:20.005+01:00")).toBe(1_700_000_000_005 - 3_600_000);
  expect(() => dateTime("2023-11-14")).toThrow("It does not contain a 'T'");
  expect(() => dateTime("2023-11-14T22")).toThrow("Unparseable date");
  expect(() => dateTime("2023-13-14T22:13:20.005")).toThrow("Unparseable date");
  expect([durationOf("PT1H"), durationOf("P1DT2M3.5S"), durationOf("-PT1S")]).toEqual([3_600_000, 86_523_500, -1000]);
  for (const text of ["1h", "P", "PT", "P1H"]) expect(() => durationOf(text)).toThrow("cannot be parsed");
});
