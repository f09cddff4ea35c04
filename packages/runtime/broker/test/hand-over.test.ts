import { expect, test } from "vitest";
import { SimCluster } from "@samsa/sim";

test("all brokers of a cluster hand over while its controller is there, and end clean without it", async () => {
  const cluster = new SimCluster();
  await cluster.startAll();
  expect(await cluster.createTopic("t", [1, 2, 3], [])).toBe(0);
  await cluster.untilPartition("t", { leader: 1, isr: [1, 2, 3] });
  const nodes = [1, 2, 3].map(id => cluster.nodes.get(id)!);
  await cluster.settle(nodes[0].handOver());
  cluster.nodes.delete(1);
  await cluster.untilPartition("t", { leader: 2, isr: [2, 3] });
  await cluster.settle(Promise.all(nodes.map(node => node.handOver())));
  cluster.end(9, "kill");
  const before = cluster.world.now();
  await cluster.settle(Promise.all(nodes.map(node => node.close())));
  // No broker has waited for the controller.
  expect(cluster.world.now() - before).toBeLessThan(1000);
  for (const id of [1, 2, 3]) {
    expect(cluster.world.node(`n${id}`).env.disk.stat("/data/.kafka_cleanshutdown")).toBeDefined();
  }
});
