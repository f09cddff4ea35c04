// A web server that streams new records to browsers, as server-sent events. Every browser reads the topic on its own.
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type KafkaClient, string } from "@samsa/client";
import { ensureTopics, withClient } from "../cluster.ts";

async function stream(client: KafkaClient, response: ServerResponse): Promise<void> {
  const consumer = client.consumer({ value: string });
  response.on("close", () => void consumer.close());
  consumer.assign([{ topic: "news", partition: 0, offset: "end" }]);
  await consumer.position("news", 0);
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" }).flushHeaders();
  for await (const { offset, value } of consumer.records()) response.write(`id: ${offset}\ndata: ${value}\n\n`);
}

await withClient(async client => {
  await ensureTopics(client, { news: 1 });
  const server = createServer((_request, response) => {
    stream(client, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  // A browser, and somebody who writes news.
  const page = await fetch(`http://127.0.0.1:${port}/`);
  const producer = client.producer({ value: string });
  await producer.sendBatch(["tea is ready", "cake is gone"].map(value => ({ topic: "news", value })));
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of page.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.includes("gone\n\n")) break;
  }
  console.log(text.trimEnd());
  server.close();
  server.closeAllConnections();
});
