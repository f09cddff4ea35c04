import { KafkaClient } from "@samsa/client";
import { startCluster } from "@samsa/testkit";

/** Runs an example with a client of the cluster that the command line names, or of one in memory. */
export async function withClient(work: (client: KafkaClient) => Promise<void>): Promise<void> {
  const [address] = process.argv.slice(2);
  const cluster = address === undefined ? await startCluster() : undefined;
  const client = new KafkaClient(address ?? cluster?.bootstrapServers ?? "");
  try {
    await work(client);
  } finally {
    await client.close();
    await cluster?.close();
  }
}

/** Creates topics, unless they exist. */
export async function ensureTopics(client: KafkaClient, topics: Readonly<Record<string, number>>): Promise<void> {
  const wanted = Object.entries(topics).map(([name, partitions]) => ({ name, partitions }));
  const made = await client.admin().topics.create(wanted);
  for (const error of made.errors.values()) if (error.name !== "TOPIC_ALREADY_EXISTS") throw error;
}
