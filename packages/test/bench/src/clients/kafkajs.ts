import { randomUUID } from "node:crypto";
import kafkajs from "kafkajs";
import { type ClientContender, pipelined, valueOf, waits } from "./contender.ts";

const { Kafka, logLevel } = kafkajs;

/** KafkaJS. */
export async function kafkajsClient(bootstrapServers: string): Promise<ClientContender> {
  const kafka = new Kafka({ brokers: bootstrapServers.split(","), logLevel: logLevel.ERROR });
  const producer = kafka.producer();
  await producer.connect();
  return {
    async produce(load) {
      const value = valueOf(load.size);
      const messages = Array.from({ length: load.batch }, () => ({ value }));
      await pipelined(load, () => producer.send({ topic: load.topic, messages, acks: -1 }));
    },
    async consume(topic, records) {
      const consumer = kafka.consumer({ groupId: randomUUID() });
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      let bytes = 0;
      let read = 0;
      await new Promise<void>((resolve, reject) => {
        const eachBatch = async ({ batch }: { batch: { messages: { value: Buffer | null }[] } }): Promise<void> => {
          for (const { value } of batch.messages) bytes += value?.length ?? 0;
          read += batch.messages.length;
          if (read >= records) resolve();
        };
        consumer.run({ eachBatch }).catch(reject);
      });
      await consumer.disconnect();
      return bytes;
    },
    lone: (topic, records) =>
      waits(records, () => producer.send({ topic, messages: [{ value: valueOf(100) }], acks: -1 })),
    close: () => producer.disconnect(),
  };
}
