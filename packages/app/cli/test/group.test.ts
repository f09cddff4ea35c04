import { Admin, type ClusterClient } from "@samsa/client-runtime";
import { clusterFixture } from "@samsa/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientOf, put, run, samsa as samsaOf } from "./client-bench.ts";

const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { orders: 2, other: 1 } });
const samsa = (...args: string[]) => samsaOf(cluster(), ...args);
let client: ClusterClient;

beforeAll(async () => {
  client = clientOf(cluster());
  for (const index of [0, 1]) {
    const first = 1_700_000_000_000;
    const records = Array.from({ length: 10 * (index + 1) }, (_, i) => ({
      timestamp: first + i,
      key: null,
      value: null,
    }));
    await put(client, "orders", index, records);
  }
  const offsets = [
    { topic: "orders", partition: 0, offset: 4 },
    { topic: "orders", partition: 1, offset: 5 },
  ];
  (await new Admin(client).groups.alterOffsets("g", offsets)).orThrow();
});

afterAll(() => client.close());

test("groups are listed and described, with their lag", async () => {
  const { out } = await samsa("group", "list");
  expect(out).toBe("GROUP  TYPE     PROTOCOL  STATE\ng      Classic            Empty\n");
  expect((await samsa("group", "describe", "g")).out.split("\n")).toEqual([
    "g: Classic, Empty, 0 members, lag 21",
    "TOPIC   PARTITION  COMMITTED  END  LAG  MEMBER  HOST",
    "orders  0          4          10   6    -       -",
    "orders  1          5          20   15   -       -",
    "",
  ]);
  const [told] = JSON.parse((await samsa("group", "describe", "--json")).out) as { offsets: unknown[] }[];
  expect(told.offsets[1]).toEqual({
    topic: "orders",
    partition: 1,
    committed: 5,
    end: 20,
    lag: 15,
    member: null,
    host: null,
  });
  const missing = await samsa("group", "describe", "missing");
  expect([missing.code, missing.err]).toEqual([1, expect.stringContaining("group missing: ")]);
  const lines = (await samsa("group", "watch", "g", "--interval", "0.01", "--count", "2")).out.split("\n");
  expect(lines).toEqual(["Empty, 0 members, lag 21", "Empty, 0 members, lag 21, 0 records/s", ""]);
});

test("offsets are reset, by place, time and number, within the log", async () => {
  const after = async (...args: string[]): Promise<number[]> => {
    const { out, err } = await samsa("group", "reset", "g", "--json", ...args);
    if (err !== "") throw new Error(err);
    const { changes } = JSON.parse(out) as { changes: { offset: number }[] };
    return changes.map(({ offset }) => offset);
  };
  expect(await after("--all-topics", "--to", "latest", "--dry-run")).toEqual([10, 20]);
  expect(await after("--all-topics", "--by", "2")).toEqual([6, 7]);
  expect(await after("--topic", "orders:1", "--by", "-100")).toEqual([0]);
  expect(await after("--topic", "orders", "--to", "15")).toEqual([10, 15]);
  expect(await after("--topic", "orders", "--to", new Date(1_700_000_000_003).toISOString())).toEqual([3, 3]);
  expect(await after("--topic", "orders", "--to", "1ms")).toEqual([10, 20]);
  const shown = await samsa("group", "reset", "g", "--all-topics", "--to", "earliest");
  expect(shown.out.split("\n").slice(0, 3)).toEqual([
    "TOPIC   PARTITION  BEFORE  AFTER",
    "orders  0          10      0",
    "orders  1          20      0",
  ]);
  for (const [args, why] of [
    [["--all-topics"], "give --to or --by"],
    [["--to", "latest"], "give --topic or --all-topics"],
    [
      ["--all-topics", "--to", "soon"],
      '--to wants earliest, latest, an offset, a time or an age such as 90m, not "soon"',
    ],
    [["--topic", "none", "--to", "latest"], "topic none: "],
  ] as const) {
    const { code, err } = await samsa("group", "reset", "g", ...args);
    expect([code, err.startsWith(`samsa: ${why}`)]).toEqual([1, true]);
  }
});

test("a group is deleted", async () => {
  expect((await samsa("group", "delete", "g")).out).toBe("Deleted group g.\n");
  expect((await samsa("group", "list", "--json")).out).toBe("[]\n");
  expect((await samsa("group", "delete", "g")).err).toContain("group g: ");
});

test("a cluster that cannot be reached is named at once", async () => {
  const { err } = await run("group", "list", "--bootstrap-server", "127.0.0.1:1");
  expect(err).toMatch(/^samsa: .*127\.0\.0\.1:1.* Is it running\? Try: samsa start\n$/);
});
