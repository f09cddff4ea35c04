import { KafkaClient } from "@samsa/client";
import { connect, costOf, createTopic, type Measured, repeated, spans, type Target } from "./target.ts";

const PRODUCERS = 16;
const PARTITIONS = 6;
const TOPIC = "transacted";
const VALUE = Buffer.alloc(100, "x");

/** Measures transactions of one record each, of several producers that wait for the end of one before the next. */
export async function transactions(target: Target): Promise<Measured> {
  const connection = await connect(target);
  await createTopic(connection, TOPIC, PARTITIONS);
  connection.close();
  const client = new KafkaClient(`127.0.0.1:${target.port}`);
  const producers = Array.from({ length: PRODUCERS }, (_, i) =>
    client.producer({ transactionalId: `transactor-${i}` }),
  );
  const lanes = producers.map(
    (producer, i) => () =>
      producer.transaction(async () => {
        await producer.send({ topic: TOPIC, partition: i % PARTITIONS, value: VALUE });
      }),
  );
  const { warmMs, measuredMs } = spans(target.quick);
  await repeated(warmMs, lanes);
  const { result, seconds, cpu } = await costOf(target, () => repeated(measuredMs, lanes));
  await client.close();
  return { "transactions.rate": result / seconds, "transactions.cpu": (cpu / result) * 1e6 };
}
