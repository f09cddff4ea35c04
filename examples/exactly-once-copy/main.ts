// Copies a topic in transactions. A copier that dies within a transaction leaves nothing behind; the next one takes over.
import { type KafkaClient, int32 } from "@samsa/client";
import { ensureTopics, withClient } from "../cluster.ts";

const COUNT = 200;

/** Copies until everything is copied, or dies within its `dies`-th transaction. */
async function copy(client: KafkaClient, dies: number): Promise<void> {
  const consumer = client.consumer({
    value: int32,
    reset: "earliest",
    isolation: "read_committed",
    group: { groupId: "copiers", autoCommit: false },
  });
  await consumer.subscribe(["numbers"]);
  const producer = client.producer({ value: int32, transactionalId: "copier" });
  let transactions = 0;
  for await (const { topic, partition, records } of consumer.batches({ max: 20 })) {
    const isLast = records.some(({ value }) => value === COUNT - 1);
    try {
      await producer.transaction(async () => {
        await producer.sendBatch(records.map(({ value }) => ({ topic: "copies", value })));
        const offset = (records.at(-1)?.offset ?? -1) + 1;
        await producer.sendOffsets([{ topic, partition, offset, leaderEpoch: -1 }], consumer.groupMembership);
        if (++transactions === dies) throw new Error("the copier has died");
      });
    } catch (error) {
      console.log(String(error));
      break;
    }
    if (isLast) break;
  }
  await consumer.close();
  await producer.close();
}

await withClient(async client => {
  await ensureTopics(client, { numbers: 1, copies: 1 });
  const source = client.producer({ value: int32 });
  await source.sendBatch(Array.from({ length: COUNT }, (_, value) => ({ topic: "numbers", value })));
  await copy(client, 3);
  await copy(client, Infinity);

  const reader = client.consumer({ value: int32, isolation: "read_committed" });
  reader.assign([{ topic: "copies", partition: 0, offset: "beginning" }]);
  const copies: (number | null)[] = [];
  for await (const { records } of reader.batches()) {
    copies.push(...records.map(({ value }) => value));
    if (copies.at(-1) === COUNT - 1) break;
  }
  console.log(`${copies.length} copies, in order: ${copies.every((value, i) => value === i)}`);
});
