// Charges orders. A charge that fails is tried three times, then the order goes to a topic of its own.
import { json } from "@samsa/client";
import { ensureTopics, withClient } from "../cluster.ts";

interface Order {
  readonly id: number;
  readonly total: number;
}

function charge({ id, total }: Order, attempt: number): void {
  if (total < 0) throw new RangeError(`order ${id} has a total of ${total}`);
  // The payment service answers the second time.
  if (id === 2 && attempt === 1) throw new Error("the payment service is busy");
  console.log(`charged order ${id}, attempt ${attempt}`);
}

await withClient(async client => {
  await ensureTopics(client, { orders: 1, "orders.dead": 1 });
  const producer = client.producer({ value: json<Order>() });
  const orders = [
    { id: 1, total: 5 },
    { id: 2, total: 10 },
    { id: 3, total: -1 },
    { id: 4, total: 20 },
  ];
  await producer.sendBatch(orders.map(value => ({ topic: "orders", value })));

  const consumer = client.consumer({ group: `charge-${process.pid}`, value: json<Order>(), reset: "earliest" });
  await consumer.subscribe(["orders"]);
  const stop = new AbortController();
  await consumer.run(
    ({ value }, { attempt }) => {
      if (value !== null) charge(value, attempt);
      if (value?.id === 4) stop.abort();
    },
    {
      attempts: 3,
      backoffMs: 20,
      failed: async ({ value }, error) => {
        await producer.send({ topic: "orders.dead", value, headers: { error: String(error) } });
        console.log(`put aside order ${value?.id}`);
      },
      signal: stop.signal,
    },
  );
});
