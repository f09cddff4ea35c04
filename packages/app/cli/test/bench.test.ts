import { clusterFixture } from "@samsa/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { samsa as samsaOf } from "./client-bench.ts";

const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { tea: 2, slow: 1, empty: 1 } });
const bench = (...args: string[]) => samsaOf(cluster(), "bench", ...args);

interface Result {
  readonly records: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly recordsPerSecond: number;
  readonly failed?: number;
  readonly latencyMs: Readonly<Record<string, number>> | null;
}

const json = async (...args: string[]): Promise<Result> => JSON.parse((await bench(...args, "--json")).out) as Result;

describe("samsa bench", () => {
  test("produce writes as many records as it is told, and consume reads them all", async () => {
    const written = await json("produce", "tea", "--records", "5000", "--size", "20", "--compression", "lz4");
    expect(written).toMatchObject({ records: 5000, bytes: 100_000, failed: 0 });
    const { p50, p90, p99, p999, max } = written.latencyMs ?? {};
    expect([p50, p90, p99, p999, max]).toEqual([p50, p90, p99, p999, max].toSorted((a, b) => a - b));
    const read = await json("consume", "tea");
    expect(read).toMatchObject({ records: 5000, bytes: 100_000, latencyMs: null });
    expect((await json("consume", "tea", "--records", "100")).records).toBe(100);
    expect((await json("consume", "empty")).records).toBe(0);
  });

  test("a rate and a time bound the run", async () => {
    const { records, seconds } = await json("produce", "slow", "--rate", "200", "--seconds", "1");
    expect(records).toBeLessThanOrEqual(202);
    expect(records).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(5);
  });

  test("prints a table without a terminal, and no line of progress", async () => {
    const { out, err, code } = await bench("produce", "tea", "--records", "10");
    expect([code, err]).toEqual([0, ""]);
    expect(out.split("\n").map(line => line.split(/ {2,}/).length)).toEqual([9, 9, 1]);
    expect(out).toMatch(/^RECORDS +SECONDS +RECORDS\/S +MB\/S +P50 MS +P90 MS +P99 MS +P99\.9 MS +MAX MS\n10 /);
  });

  test("--follow measures how old new records are", async () => {
    const following = json("consume", "slow", "--follow", "--seconds", "3");
    await json("produce", "slow", "--rate", "100", "--seconds", "4");
    const { records, latencyMs } = await following;
    expect(records).toBeGreaterThan(0);
    expect(latencyMs?.max).toBeLessThan(3000);
  });

  test.each([
    [["produce", "nowhere"], "nowhere"],
    [["produce", "tea", "--size", "0"], '--size wants a whole number from 1 to 16777216, not "0"'],
    [["produce", "tea", "--rate", "fast"], "--rate wants a whole number"],
    [["produce", "tea", "--compression", "zip"], "--compression wants one of none, gzip, snappy, lz4, zstd"],
    [["produce", "tea", "--partition", "x"], "--partition wants a number"],
    [["consume", "tea", "--seconds", "0"], "--seconds wants a whole number from 1 to 86400"],
  ])("%j is refused in one sentence", async (args, sentence) => {
    const { err, code } = await bench(...args);
    expect([code, err]).toEqual([1, expect.stringContaining(sentence)]);
    expect(err.trimEnd().split("\n")).toHaveLength(1);
  });
});
