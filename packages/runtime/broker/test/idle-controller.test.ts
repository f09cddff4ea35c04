import { expect, test } from "vitest";
import { SimCluster } from "@samsa/sim";

const BOTH = 2;
const NAME = "metadata.max.idle.interval.ms";

/** Metadata records that an idle cluster writes in ten seconds. */
async function recordsWhileIdle(interval: string): Promise<number> {
  const cluster = new SimCluster({ settings: { [NAME]: interval } });
  await cluster.startAll();
  const end = async (): Promise<number> => {
    const topics = [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }];
    const answer = await cluster.ask(9, "DescribeQuorum", { topics }, BOTH);
    return Number(answer.topics[0].partitions[0].highWatermark);
  };
  await cluster.world.runFor(5000);
  const before = await end();
  await cluster.world.runFor(10_000);
  const written = (await end()) - before;
  await cluster.close();
  return written;
}

test.each([
  ["500", 19, 20],
  ["2500", 3, 4],
  ["0", 0, 0],
])(`${NAME} of %s lets an idle controller write %i to %i records in ten seconds`, async (interval, least, most) => {
  const written = await recordsWhileIdle(interval);
  expect(written).toBeGreaterThanOrEqual(least);
  expect(written).toBeLessThanOrEqual(most);
});
