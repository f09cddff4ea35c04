import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterFixture } from "@samsa/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { feed, samsa } from "./client-bench.ts";

const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { three: 3 } });
const folder = mkdtempSync(join(tmpdir(), "samsa-produce-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const produce = (...args: string[]) => samsa(cluster(), "produce", ...args);
const consumed = async (topic: string, ...args: string[]): Promise<string[]> =>
  (await samsa(cluster(), "consume", topic, ...args)).out.split("\n").slice(0, -1);

/** Runs `samsa produce` with an input. */
const piped = (input: string, ...args: string[]) =>
  feed(input, "produce", ...args, "--bootstrap-server", cluster().bootstrapServers);

describe("samsa produce", () => {
  test("writes values that are given, to a topic that is created", async () => {
    expect(await produce("given", "one", "two", "--key", "k", "--header", "a=b")).toEqual({
      code: 0,
      out: "",
      err: "",
    });
    expect(await consumed("given", "--keys", "--headers")).toEqual(["a:b\tk\tone", "a:b\tk\ttwo"]);
    expect((await produce("given", "three", "--json")).out).toBe('{"topic":"given","records":1}\n');
  });

  test("writes each line of its input, in order", async () => {
    const lines = Array.from({ length: 50_000 }, (_, i) => `line ${i} ${"x".repeat(i % 100)}`);
    for (const compression of ["none", "zstd"]) {
      const topic = `lines-${compression}`;
      expect(await piped(lines.join("\n"), topic, "--compression", compression, "-p", "0")).toEqual({
        code: 0,
        out: "",
        err: "",
      });
      expect(await consumed(topic)).toEqual(lines);
    }
  });

  test("writes the lines of files, with keys before a separator; the key decides about the partition", async () => {
    const file = join(folder, "keyed");
    writeFileSync(file, "a:1\r\nb:2\na:3\n:4\n");
    expect((await produce("three", "--file", file, "--key-separator", ":")).err).toBe("");
    const told = await consumed("three", "--format", String.raw`%k=%v %p\n`);
    const places = new Map(told.map(line => line.split(" ") as [string, string]));
    expect([...places.keys()].toSorted()).toEqual(["=4", "a=1", "a=3", "b=2"]);
    expect(places.get("a=1")).toBe(places.get("a=3"));
  });

  test("writes again what consume prints as JSON", async () => {
    await produce("source", "text", '{"n":1}', "--key", "k", "--header", "h=v");
    const { out } = await samsa(cluster(), "consume", "source", "--json");
    expect(
      (await piped(`${out}{"value":{"n":2}}\n{"value":null,"key":{"base64":"AP8="}}\n`, "copy", "--json-lines")).err,
    ).toBe("");
    const copy = (await samsa(cluster(), "consume", "copy", "--json")).out.split("\n").slice(0, -1);
    const plain = (line: string): unknown => ({ ...(JSON.parse(line) as object), topic: "", offset: 0 });
    expect(copy.slice(0, 2).map(plain)).toEqual(out.split("\n").slice(0, -1).map(plain));
    expect(copy.slice(2).map(line => JSON.parse(line) as unknown)).toMatchObject([
      { value: '{"n":2}', key: null },
      { value: null, key: { base64: "AP8=" } },
    ]);
  });

  test("says what is wrong, and how many records were not written", async () => {
    const long = join(folder, "long");
    writeFileSync(long, "x".repeat(17 * 1024 * 1024));
    const cases: [string, string[], string][] = [
      ["", ["t", "x", "--acks", "2"], 'samsa: --acks wants all, 1 or 0, not "2"\n'],
      [
        "",
        ["t", "x", "--compression", "rar"],
        'samsa: --compression wants one of none, gzip, snappy, lz4, zstd, not "rar"\n',
      ],
      ["ab\n", ["t", "--key-separator", ":"], 'samsa: a line has no ":" between its key and its value: ab\n'],
      ["a:1\nb\n", ["t", "--key-separator", ":"], "its key and its value: b (records written before it: 1)\n"],
      ["", ["t", "--file", long], "samsa: a line is longer than 16777216 bytes"],
      ["{\n", ["t", "--json-lines"], "samsa: a line is no JSON: "],
      ["5\n", ["t", "--json-lines"], "samsa: a line of --json-lines is an object with a value"],
      ["", ["t", "--file", join(folder, "missing")], "cannot be read: "],
      ["", ["not/valid", "x"], "not/valid"],
    ];
    for (const [input, args, why] of cases) {
      const { code, err } = await piped(input, ...args);
      expect([code, err.includes(why) ? why : err]).toEqual([1, why]);
    }
    await cluster().createTopics({ small: 1 });
    await samsa(cluster(), "config", "alter", "--topic", "small", "--set", "max.message.bytes=100");
    const { code, err } = await produce("small", "x".repeat(200), "fits");
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/^samsa: [12] of 2 records were not written: .*MESSAGE_TOO_LARGE/),
    ]);
  });
});
