import { clusterFixture } from "@samsa/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { samsa as samsaOf } from "./client-bench.ts";

const cluster = clusterFixture({ beforeAll, afterAll });
const samsa = (...args: string[]) => samsaOf(cluster(), ...args);
const json = async (...args: string[]) => JSON.parse((await samsa("quota", ...args, "--json")).out);

test("quotas are set, listed by their entity, and deleted", async () => {
  const set = await samsa("quota", "set", "user=ann", "producer_byte_rate=2048", "request_percentage=12.5");
  expect(set.out).toBe("Set producer_byte_rate, request_percentage of user=ann.\n");
  await samsa("quota", "set", "user=ann,client-id", "consumer_byte_rate=9");
  expect(await json("set", "ip=10.0.0.1", "connection_creation_rate=3")).toEqual({
    entity: { ip: "10.0.0.1" },
    quotas: { connection_creation_rate: 3 },
  });
  expect((await samsa("quota", "list", "ip=10.0.0.1")).out.split("\n")).toEqual([
    "ENTITY       NAME                      VALUE",
    "ip=10.0.0.1  connection_creation_rate  3",
    "",
  ]);
  expect(await json("list")).toHaveLength(3);
  expect(await json("list", "user=ann")).toHaveLength(2);
  const ann = { entity: { user: "ann" }, quotas: { producer_byte_rate: 2048, request_percentage: 12.5 } };
  expect(await json("list", "user=ann", "--exact")).toEqual([ann]);
  expect((await samsa("quota", "delete", "user=ann", "request_percentage")).out).toBe(
    "Deleted request_percentage of user=ann.\n",
  );
  // The quotas of another entity that has this part stay.
  expect(await json("delete", "user=ann")).toEqual({ entity: { user: "ann" }, deleted: ["producer_byte_rate"] });
  expect(await json("list", "user=ann")).toEqual([
    { entity: { user: "ann", "client-id": null }, quotas: { consumer_byte_rate: 9 } },
  ]);
});

test.each([
  [["set", "colour=red", "a=1"], 'quota set takes user, client-id, ip, not "colour"'],
  [["set", "user=u", "speed=1"], "(INVALID_REQUEST)"],
  [["set", "user=u", "producer_byte_rate=fast"], 'quota producer_byte_rate wants a number, not "fast"'],
  [["set", "user=u", "producer_byte_rate"], "key=value"],
  [["delete", "user=u"], "user=u has no quota\n"],
  [["delete", "user=ann,client-id", "request_percentage"], "has no quota request_percentage\n"],
  [["list", "--exact"], "--exact wants an entity"],
])("quota %j is refused in one sentence", async (args, why) => {
  const { code, err } = await samsa("quota", ...args);
  expect([code, err]).toEqual([1, expect.stringMatching(/^samsa: [^\n]+\n$/)]);
  expect(err).toContain(why);
});
