// Publishes rows of an outbox table, which a program writes in the same transaction as its data. A row is deleted once its
// record is acknowledged: a crash in between repeats a record, and loses none.
import { DatabaseSync } from "node:sqlite";
import { type KafkaClient, string } from "@samsa/client";
import { ensureTopics, withClient } from "../cluster.ts";

const database = new DatabaseSync(":memory:");
database.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)");
database.exec("CREATE TABLE outbox (id INTEGER PRIMARY KEY, key TEXT, value TEXT)");

function order(item: string): void {
  database.exec("BEGIN");
  const { lastInsertRowid: id } = database.prepare("INSERT INTO orders (item) VALUES (?)").run(item);
  database
    .prepare("INSERT INTO outbox (key, value) VALUES (?, ?)")
    .run(String(id), JSON.stringify({ id: Number(id), item }));
  database.exec("COMMIT");
}

async function publish(client: KafkaClient): Promise<number> {
  const producer = client.producer({ key: string, value: string });
  let count = 0;
  for (;;) {
    const rows = database.prepare("SELECT id, key, value FROM outbox ORDER BY id LIMIT 100").all();
    if (rows.length === 0) return count;
    const records = rows.map(({ key, value }) => ({ topic: "orders", key: String(key), value: String(value) }));
    const { failures } = await producer.sendBatch(records);
    for (const error of failures.values()) throw error;
    for (const { id } of rows) database.prepare("DELETE FROM outbox WHERE id = ?").run(Number(id));
    count += rows.length;
  }
}

await withClient(async client => {
  await ensureTopics(client, { orders: 1 });
  for (const item of ["tea", "cake", "coffee"]) order(item);
  console.log(`published ${await publish(client)} orders`);
  const consumer = client.consumer({ value: string });
  consumer.assign([{ topic: "orders", partition: 0, offset: "beginning" }]);
  let left = 3;
  for await (const { value } of consumer.records()) {
    console.log(value);
    if (--left === 0) break;
  }
});
