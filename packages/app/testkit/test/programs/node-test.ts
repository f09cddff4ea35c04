/** Tests of node:test with a cluster around them. `FAIL` makes the last one fail. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { KafkaClient, string } from "@samsa/client";
import { clusterFixture } from "@samsa/testkit";

const outer = clusterFixture({ beforeAll: before, afterAll: after }, { topics: { orders: 1 } });

async function send(servers: string, value: string): Promise<number> {
  await using client = new KafkaClient(servers);
  return (await client.producer({ value: string }).send({ topic: "orders", value })).offset;
}

void test("a record is written", async () => {
  assert.equal(await send(outer().bootstrapServers, "tea"), 0);
});

void suite("a suite", () => {
  const inner = clusterFixture({ beforeAll: before, afterAll: after }, { nodes: 3 });

  void test("has the cluster of the file, and one of its own", async () => {
    assert.equal(await send(outer().bootstrapServers, "milk"), 1);
    assert.equal(inner().bootstrapServers.split(",").length, 3);
    await inner().createTopics({ orders: 1 });
    assert.equal(await send(inner().bootstrapServers, "bread"), 0);
  });
});

void test("a test that fails leaves nothing running", { skip: process.env["FAIL"] === undefined }, async () => {
  assert.equal(await send(outer().bootstrapServers, "more"), -1);
});
