import { SimCluster } from "@samsa/sim";
import { afterEach, beforeEach, expect, test } from "vitest";

const LIMIT_MS = 5000;
/** Time of a stop without a controller, which would have the leaders moved away. */
const STOP_MS = 6000;
const settings = {
  "log.dirs": "/data,/data2",
  "metadata.log.dir": "/data",
  "log.dir.failure.timeout.ms": `${LIMIT_MS}`,
};
const topics = ["a", "b", "c", "d"];
let cluster: SimCluster;

beforeEach(async () => {
  cluster = new SimCluster({ settings });
  await cluster.startAll();
  for (const topic of topics) expect(await cluster.createTopic(topic, [2], [])).toBe(0);
  await cluster.world.runFor(1000);
});

afterEach(() => cluster.close());

const broker = () => cluster.nodes.get(2)?.broker;

/** Has the second directory of broker 2 fail, at a write. */
async function fails(): Promise<void> {
  cluster.world.node("n2").disk.fault = (_operation, path) => (path.startsWith("/data2") ? "EIO" : undefined);
  // The directory has some of the topics, and none is led here once the controller has heard.
  for (const topic of topics) if (broker()?.dirs.anyOffline === false) await cluster.produce(topic, "v");
  expect(broker()?.dirs.anyOffline).toBe(true);
  expect(broker()?.dirs.live).toHaveLength(1);
}

test("a broker goes on without a directory of whose failure the controller has heard", async () => {
  await fails();
  await cluster.world.runFor(3 * LIMIT_MS);
  expect(cluster.halted.size).toBe(0);
  expect(cluster.nodes.get(2)?.healthy).toBe(true);
});

test("a broker ends if the controller does not hear of a failed directory in time", async () => {
  cluster.world.network.cut("n2", "n9");
  await fails();
  await cluster.world.runFor(LIMIT_MS - 500);
  expect(cluster.nodes.get(2)?.healthy).toBe(true);
  await cluster.world.runFor(500 + STOP_MS);
  const [id] = broker()?.dirs.offlineIds ?? [];
  const why = `no controller has heard within ${LIMIT_MS} ms that the log directory ${id} has failed`;
  expect([...cluster.halted]).toEqual([[2, `the broker has ended: ${why}`]]);
});

test("a controller that is back in time hears of it, and the broker goes on", async () => {
  cluster.world.network.cut("n2", "n9");
  await fails();
  await cluster.world.runFor(LIMIT_MS - 2000);
  cluster.world.network.heal("n2", "n9");
  await cluster.world.runFor(3 * LIMIT_MS);
  expect(cluster.halted.size).toBe(0);
  expect(broker()?.topics.image.brokers.get(2)?.logDirs).toHaveLength(1);
});
