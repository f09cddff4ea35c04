import { randomUUID } from "node:crypto";
import { Consumer, Producer } from "@platformatic/kafka";
import { type ClientContender, pipelined, valueOf, waits } from "./contender.ts";

/** `@platformatic/kafka`. */
export function platformaticClient(bootstrapServers: string): ClientContender {
  const base = { clientId: "bench", bootstrapBrokers: bootstrapServers.split(",") };
  const producer = new Producer(base);
  return {
    async produce(load) {
      const value = valueOf(load.size);
      const messages = Array.from({ length: load.batch }, () => ({ topic: load.topic, value }));
      await pipelined(load, () => producer.send({ messages, acks: -1 }));
    },
    async consume(topic, records) {
      const consumer = new Consumer({ ...base, groupId: randomUUID() });
      const stream = await consumer.consume({ topics: [topic], mode: "earliest", autocommit: true });
      let bytes = 0;
      let read = 0;
      for await (const { value } of stream) {
        bytes += value.length;
        if (++read >= records) break;
      }
      await consumer.close(true);
      return bytes;
    },
    lone: (topic, records) =>
      waits(records, () => producer.send({ messages: [{ topic, value: valueOf(100) }], acks: -1 })),
    close: () => producer.close(),
  };
}
