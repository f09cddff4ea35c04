import { KafkaClient } from "@samsa/client";
import { type ClientContender, pipelined, valueOf, waits } from "./contender.ts";

/** `@samsa/client`. */
export function samsaClient(bootstrapServers: string): ClientContender {
  const client = new KafkaClient(bootstrapServers);
  const producer = client.producer();
  return {
    async produce(load) {
      const value = valueOf(load.size);
      const records = Array.from({ length: load.batch }, () => ({ topic: load.topic, value }));
      await pipelined(load, async () => {
        const { failures } = await producer.sendBatch(records);
        for (const error of failures.values()) throw error;
      });
    },
    async offer(topic, records, size) {
      const record = { topic, value: valueOf(size) };
      for (let i = 0; i < records; i++) while (!producer.offer(record)) await producer.drained();
      await producer.flush();
    },
    async consume(topic, records) {
      const consumer = client.consumer();
      const { partitions } = await client.admin().topics.describeOne(topic);
      consumer.assign(partitions.map(({ partition }) => ({ topic, partition, offset: "beginning" as const })));
      let bytes = 0;
      let read = 0;
      for await (const batch of consumer.batches()) {
        for (const record of batch.records) bytes += record.value?.length ?? 0;
        read += batch.records.length;
        if (read >= records) break;
      }
      await consumer.close();
      return bytes;
    },
    lone: (topic, records) => waits(records, () => producer.send({ topic, value: valueOf(100) })),
    close: () => client.close(),
  };
}
