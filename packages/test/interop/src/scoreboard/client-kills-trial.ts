/** Trials of our own client: a million records, while the nodes of a cluster are killed and stopped, of either vendor. */
import { setTimeout } from "node:timers/promises";
import { KafkaClient, string, type TypedConsumer, type TypedProducer } from "@samsa/client";
import type { MixedCluster } from "../cluster/mixed-cluster.ts";
import type { Vendor } from "../cluster/mixed-node.ts";
import { fromBeginning, SILENT } from "../samsa-client/stage.ts";
import { oneVendor } from "./cluster-kinds.ts";
import { createTopic, type Stage, trial } from "./cluster-trials.ts";
import type { Trial } from "./scoreboard.ts";

const TOPIC = "million";
const RECORDS = 1_000_000;
const PARTITIONS = 3;
/** Records of a call, and calls in a second: the load lasts for 80 s at the least, in which nodes of Kafka can restart. */
const EACH = 400;
const CALLS_PER_SECOND = 31;
/** Records that wait for their outcome at most. */
const UNSENT = 50_000;
/** Time that a node is away, in ms. */
const AWAY_MS = 1000;
/** Nodes that must have been away before the load ends. */
const FAULTS = 4;
const READ_MS = 60_000;

/** Value of a record: its number within its partition, in 100 characters. */
const valueOf = (index: number): string => String(Math.floor(index / PARTITIONS)).padStart(100, "0");

/** Sends all records in order, those of a partition by their number. Rejects if one is given up. */
async function load(producer: TypedProducer<string, string>): Promise<void> {
  const calls = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const began = performance.now();
  for (let next = 0, call = 0; next < RECORDS && failures.length === 0; next += EACH, call++) {
    const records = Array.from({ length: EACH }, (_, i) => ({
      ...{ topic: TOPIC, partition: (next + i) % PARTITIONS, value: valueOf(next + i) },
    }));
    const sent = producer
      .sendBatch(records)
      .then(result => void failures.push(...result.failures.values()))
      .catch((error: unknown) => void failures.push(error))
      .finally(() => calls.delete(sent));
    calls.add(sent);
    await setTimeout(Math.max(0, began + (1000 * call) / CALLS_PER_SECOND - performance.now()));
    while (producer.unsent > UNSENT && calls.size > 0) await Promise.race(calls);
  }
  await Promise.all(calls);
  if (failures.length > 0) throw new Error(`${failures.length} records failed: ${String(failures[0])}`);
}

/** Kills and stops the nodes by turns until the load is over. Returns how many times. */
async function faults(cluster: MixedCluster, isOver: () => boolean): Promise<number> {
  let count = 0;
  for (; !isOver(); count++) {
    const ids = cluster.nodes.map(({ id }) => id);
    const id = ids[count % ids.length] ?? 0;
    const node = cluster.node(id);
    if (count % 4 === 3) await node.stop();
    else await node.kill();
    await setTimeout(AWAY_MS);
    await node.start();
    await cluster.inSync(id, TOPIC, ids.length);
  }
  return count;
}

/** Compares what a partition holds with what was sent to it. */
async function expectEachOnce(consumer: TypedConsumer<string, string>): Promise<void> {
  const expected = Array.from({ length: PARTITIONS }, () => 0);
  let found = 0;
  for await (const batch of consumer.batches({ signal: AbortSignal.timeout(READ_MS) })) {
    for (const { partition, offset, value } of batch.records) {
      const wanted = expected[partition] ?? 0;
      if (offset !== wanted || Number(value) !== wanted) {
        throw new Error(`partition ${partition} has record ${Number(value)} at offset ${offset}`);
      }
      expected[partition] = wanted + 1;
    }
    found += batch.records.length;
    if (found >= RECORDS) return;
  }
  throw new Error(`${found} of ${RECORDS} records came in ${READ_MS} ms`);
}

async function body({ cluster, step }: Stage): Promise<void> {
  await step("create a topic", () => createTopic(cluster, TOPIC, cluster.nodes.length));
  await using client = new KafkaClient({ bootstrapServers: cluster.brokers, logger: SILENT });
  const producer = client.producer({ key: string, value: string });
  let isOver = false;
  const loaded = load(producer).finally(() => {
    isOver = true;
  });
  const away = step("nodes are killed and stopped meanwhile", async () => {
    const count = await faults(cluster, () => isOver);
    if (count < FAULTS) throw new Error(`the load ended after ${count} of ${FAULTS} faults`);
    return count;
  });
  const [count] = await Promise.all([away, step("a million records are acknowledged", () => loaded)]);
  console.error(`${count} times a node was away under the load`);
  await producer.close();
  await step("each is there once, in the order of the sends", async () => {
    await using consumer = client.consumer({ key: string, value: string });
    consumer.assign(fromBeginning(TOPIC, PARTITIONS));
    await expectEachOnce(consumer);
  });
  await step("the log holds nothing else", async () => {
    const places = fromBeginning(TOPIC, PARTITIONS).map(({ partition }) => ({ topic: TOPIC, partition }));
    const ends = await client.admin().offsets(places.map(place => ({ ...place, at: "latest" as const })));
    const total = [...ends.orThrow().values()].reduce((sum, { offset }) => sum + offset, 0);
    if (total !== RECORDS) throw new Error(`the log holds ${total} records`);
  });
}

function million(vendor: Vendor, name: string): Trial {
  return trial(`samsa-client: a million records under kills of ${name}`, oneVendor(vendor).plan, body);
}

/** Trials of the client's producer on clusters whose nodes end. */
export const CLIENT_KILLS_TRIALS: readonly Trial[] = [million("samsa", "Samsa"), million("kafka", "Apache Kafka")];
