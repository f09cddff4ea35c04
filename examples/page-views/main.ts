// Counts views of pages. Two members of a group share the partitions; each page is counted by one of them.
import { type KafkaClient, json, string } from "@samsa/client";
import { ensureTopics, withClient } from "../cluster.ts";

interface View {
  readonly page: string;
  readonly user: string;
}

const PAGES = ["/", "/tea", "/cake"];
const VIEWS = 300;

async function produce(client: KafkaClient): Promise<void> {
  const producer = client.producer({ key: string, value: json<View>() });
  const views = Array.from({ length: VIEWS }, (_, i) => ({
    page: PAGES[i % PAGES.length] ?? "/",
    user: `user ${i % 7}`,
  }));
  const { failures } = await producer.sendBatch(views.map(view => ({ topic: "views", key: view.page, value: view })));
  for (const error of failures.values()) throw error;
}

async function count(client: KafkaClient, counts: Map<string, number>): Promise<void> {
  const consumer = client.consumer({ group: `counters-${process.pid}`, value: json<View>(), reset: "earliest" });
  await consumer.subscribe(["views"]);
  for await (const { records } of consumer.batches()) {
    for (const { value } of records) if (value !== null) counts.set(value.page, (counts.get(value.page) ?? 0) + 1);
  }
}

await withClient(async client => {
  await ensureTopics(client, { views: 6 });
  await produce(client);
  const counts = new Map<string, number>();
  const members = [count(client, counts), count(client, counts)];
  while ([...counts.values()].reduce((sum, views) => sum + views, 0) < VIEWS) {
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  await client.close();
  await Promise.all(members);
  for (const page of PAGES) console.log(page, counts.get(page));
});
