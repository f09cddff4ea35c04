// Asks for prices through topics: one program serves, another one asks.
import { json, type KafkaClient, replyTo, Requester, string } from "@samsa/client";
import { ensureTopics, withClient } from "../cluster.ts";

const PRICES: Readonly<Record<string, number>> = { tea: 3, cake: 5 };

async function serve(client: KafkaClient): Promise<void> {
  const consumer = client.consumer({ group: `prices-${process.pid}`, value: string, reset: "earliest" });
  const producer = client.producer({ value: json<number | null>() });
  await consumer.subscribe(["price.requests"]);
  await consumer.run(async request => {
    const reply = replyTo(request, PRICES[request.value ?? ""] ?? null);
    if (reply !== undefined) await producer.send(reply);
  });
}

await withClient(async client => {
  await ensureTopics(client, { "price.requests": 3, "price.replies": 1 });
  const serving = serve(client);
  const options = { replyTopic: "price.replies", request: string, reply: json<number | null>() };
  const requester = await Requester.start(client, options);
  const items = ["tea", "cake", "gold"];
  const prices = await Promise.all(items.map(item => requester.request("price.requests", item)));
  for (const [i, { value }] of prices.entries()) console.log(items[i], value);
  await requester.close();
  await client.close();
  await serving;
});
