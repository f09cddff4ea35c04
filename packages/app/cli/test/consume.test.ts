import { spawn } from "node:child_process";
import { once } from "node:events";
import type { ClusterClient } from "@samsa/client-runtime";
import { clusterFixture } from "@samsa/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MAIN } from "./bundle.ts";
import { clientOf, put, samsa } from "./client-bench.ts";

const cluster = clusterFixture(
  { beforeAll, afterAll },
  { topics: { orders: 2, many: 1, empty: 1, tail: 1, binary: 1 } },
);
const NOW = 1_700_000_000_000;
const consume = (...args: string[]) => samsa(cluster(), "consume", ...args);
let client: ClusterClient;

beforeAll(async () => {
  client = clientOf(cluster());
  await put(client, "orders", 0, [
    {
      timestamp: NOW,
      key: Buffer.from("k1"),
      value: Buffer.from('{"total":5}'),
      headers: [{ key: "h", value: Buffer.from("x") }],
    },
    { timestamp: NOW + 1, key: null, value: Buffer.from('{"total":50}') },
  ]);
  await put(client, "orders", 1, [{ timestamp: NOW + 2, key: Buffer.from("k2"), value: null }]);
  for (let i = 0; i < 20; i++) {
    const values = Array.from({ length: 1000 }, (_, j) => Buffer.from(String(i * 1000 + j)));
    await put(
      client,
      "many",
      0,
      values.map(value => ({ timestamp: NOW, key: null, value })),
    );
  }
  await put(client, "binary", 0, [{ timestamp: NOW, key: null, value: Uint8Array.of(0, 255, 10) }]);
});

afterAll(() => client.close());

const linesOf = (text: string): string[] => text.split("\n").slice(0, -1);

describe("samsa consume", () => {
  test("prints values, one in each line, and ends where the topic ends", async () => {
    const { out, err, code } = await consume("orders");
    expect([linesOf(out).toSorted(), err, code]).toEqual([["null", '{"total":50}', '{"total":5}'].toSorted(), "", 0]);
    expect(await consume("empty")).toEqual({ out: "", err: "", code: 0 });
  });

  test("prints every record of a partition in order", async () => {
    const { out } = await consume("many");
    expect(linesOf(out)).toEqual(Array.from({ length: 20_000 }, (_, i) => String(i)));
  });

  test("prints keys, headers, JSON, or what a format wants", async () => {
    const both = await consume("orders", "--partition", "0", "--keys", "--headers");
    expect(linesOf(both.out)).toEqual(['h:x\tk1\t{"total":5}', '\tnull\t{"total":50}']);
    const json = await consume("orders", "--partition", "0", "--max", "1", "--json");
    expect(JSON.parse(json.out)).toEqual({
      ...{ topic: "orders", partition: 0, offset: 0, timestamp: NOW, key: "k1", value: '{"total":5}' },
      headers: [{ key: "h", value: "x" }],
    });
    const format = String.raw`%t-%p@%o %T %k=%v (%s) %h 100%%\n`;
    const told = await consume("orders", "-p", "0", "-n", "1", "--format", format);
    expect(told.out).toBe(`orders-0@0 ${NOW} k1={"total":5} (11) h:x 100%\n`);
  });

  test("prints bytes as they are, and as base64 in JSON", async () => {
    const { out } = await consume("binary", "--json");
    expect(JSON.parse(out)).toMatchObject({ value: { base64: "AP8K" } });
  });

  test("begins at a place: an offset, an age or a time", async () => {
    expect(linesOf((await consume("many", "--from", "19998")).out)).toEqual(["19998", "19999"]);
    const since = new Date(NOW + 1).toISOString();
    expect(linesOf((await consume("orders", "--from", since)).out).toSorted()).toEqual(
      ["null", '{"total":50}'].toSorted(),
    );
    expect((await consume("orders", "--from", "1m")).out).toBe("");
  });

  test("filters by an expression; records that lack what it looks at do not match", async () => {
    expect((await consume("orders", "--filter", "value.total > 10")).out).toBe('{"total":50}\n');
    expect((await consume("orders", "--filter", "key === 'k1' && headers.h === 'x'")).out).toBe('{"total":5}\n');
    expect(linesOf((await consume("many", "--filter", "value % 1000 === 7", "--max", "2")).out)).toEqual(["7", "1007"]);
  });

  test("follows a topic until it is told to end", async () => {
    const args = [MAIN, "consume", "tail", "--follow", "--bootstrap-server", cluster().bootstrapServers];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    await put(client, "tail", 0, [{ timestamp: NOW, key: null, value: Buffer.from("one") }]);
    expect(String((await once(child.stdout, "data"))[0])).toBe("one\n");
    await put(client, "tail", 0, [{ timestamp: NOW, key: null, value: Buffer.from("two") }]);
    expect(String((await once(child.stdout, "data"))[0])).toBe("two\n");
    child.kill("SIGINT");
    expect(await once(child, "exit")).toEqual([0, null]);
  });

  test("says what is wrong", async () => {
    const cases = [
      [["missing"], "samsa: topic missing: no such topic or partition here (UNKNOWN_TOPIC_OR_PARTITION)\n"],
      [["orders", "-p", "7"], "samsa: orders has no partition 7, only 2 of them\n"],
      [["orders", "-p", "x"], 'samsa: --partition wants a number, not "x"\n'],
      [["orders", "-n", "few"], 'samsa: --max wants a number of records, not "few"\n'],
      [["orders", "--format", "%y"], "samsa: --format has no %y: there are %t %p %o %T %k %v %h %s %%\n"],
    ] as const;
    for (const [args, why] of cases) expect(await consume(...args)).toEqual({ out: "", err: why, code: 1 });
    expect((await consume("orders", "--filter", "value.")).err).toContain("--filter is no JavaScript expression: ");
  });
});
