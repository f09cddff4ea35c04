import { expect, test } from "vitest";
import { SimCluster } from "@samsa/sim";

test("a broker that has started leads what it may lead, and says so", async () => {
  const cluster = new SimCluster();
  await cluster.startAll();
  expect(await cluster.createTopic("t", [1], [])).toBe(0);
  for (let i = 0; i < 10; i++) {
    await cluster.stop(1);
    await cluster.start(1);
    const { topics, brokers } = cluster.nodes.get(1)!.shared.loader.image;
    const leader = [...topics.values()].find(({ name }) => name === "t")?.partitions.get(0)?.leader;
    expect([brokers.get(1)?.fenced, leader], `start ${i}`).toEqual([false, 1]);
  }
  await cluster.close();
});
