import { KafkaClient } from "@samsa/client";
import { alter, connect, costOf, createTopic, type Measured, RESOURCE, type Target, until } from "./target.ts";

const MEMBERS = 4;
const PARTITIONS = 6;
const LIMIT_MS = 20_000;
const VALUE = Buffer.alloc(100, "x");

/** Sends `records` values of 100 bytes. */
async function fill(client: KafkaClient, topic: string, records: number): Promise<void> {
  const producer = client.producer();
  const record = { topic, value: VALUE };
  for (let i = 0; i < records; i++) while (!producer.offer(record)) await producer.drained();
  await producer.flush();
  await producer.close();
}

/** Consumes up to `records` records of a full topic with several members. Returns the records and the cost. */
async function consume(target: Target, topic: string, records: number) {
  const client = new KafkaClient(`127.0.0.1:${target.port}`);
  const members = Array.from({ length: MEMBERS }, () => client.shareConsumer({ groupId: topic }));
  await Promise.all(members.map(member => member.subscribe([topic])));
  await until("an assignment of each member", () => members.every(member => member.assignment().length > 0));
  const stop = new AbortController();
  const limit = setTimeout(() => stop.abort(), LIMIT_MS);
  let count = 0;
  const read = async (member: (typeof members)[number]): Promise<void> => {
    try {
      for await (const record of member.records({ signal: stop.signal })) {
        if (record.value?.length === VALUE.length && ++count >= records) stop.abort();
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
  };
  const cost = await costOf(target, () => Promise.all(members.map(read)));
  clearTimeout(limit);
  await client.close();
  return { count, ...cost };
}

/** Measures one share group with several members, and implicit acknowledgement. */
export async function share(target: Target): Promise<Measured> {
  const records = target.quick ? 300_000 : 1_000_000;
  const connection = await connect(target);
  const client = new KafkaClient(`127.0.0.1:${target.port}`);
  for (const [topic, count] of [
    ["share-warm", records / 3],
    ["shared", records],
  ] as const) {
    await createTopic(connection, topic, PARTITIONS);
    await alter(connection, RESOURCE.group, topic, { "share.auto.offset.reset": "earliest" });
    await fill(client, topic, count);
  }
  await client.close();
  connection.close();
  await consume(target, "share-warm", records / 3);
  const { count, seconds, cpu } = await consume(target, "shared", records);
  return { "share.rate": count / seconds, "share.cpu": (cpu / count) * 1e6 };
}
