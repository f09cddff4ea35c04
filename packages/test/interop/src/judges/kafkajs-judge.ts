import { ignored } from "@samsa/base";
import kafkajs, { type Consumer, type Kafka, type KafkaConfig, type KafkaMessage, type Producer } from "kafkajs";
import type { ClientSecurity } from "../cluster/cluster-security.ts";
import { until } from "../processes/until.ts";
import { CODECS, type Codec, registerCodecs } from "./codecs.ts";
import { type Acknowledged, type Draft, type Judge, type Load, loadValue, type Read } from "./judge.ts";

const BATCH = 10;
const LOAD_PARTITIONS = 3;
/** Pause between two batches of a load, which bounds it to thousands of records. */
const PACE_MS = 5;
const CONSUME_MS = 60_000;
const LEADERS_MS = 10_000;

function toRead(partition: number, message: KafkaMessage): Read {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers ?? {})) headers[name] = String(value);
  return {
    partition,
    offset: Number(message.offset),
    key: message.key?.toString() ?? null,
    value: message.value?.toString() ?? null,
    headers,
  };
}

/** Offsets to commit after `reads`, by partition. */
export function nextOffsets(reads: readonly Read[]): Map<number, number> {
  const next = new Map<number, number>();
  for (const { partition, offset } of reads) next.set(partition, Math.max(next.get(partition) ?? 0, offset + 1));
  return next;
}

/** Times of a client, in ms. */
export interface Times {
  /** First and longest pause between two attempts. */
  readonly firstMs: number;
  readonly mostMs: number;
  /** Longest wait for an answer. */
  readonly requestMs: number;
}

const TIMES: Times = { firstMs: 50, mostMs: 500, requestMs: 30_000 };
/** Time after which a client gives up, at the least. */
const GIVE_UP_MS = 50_000;

/** Security as KafkaJS takes it. */
function securityOf({ ca, mechanism, username, password }: ClientSecurity): Pick<KafkaConfig, "ssl" | "sasl"> {
  const name = mechanism === "SCRAM-SHA-256" ? "scram-sha-256" : "scram-sha-512";
  return { ssl: { ca }, sasl: { mechanism: name as "scram-sha-512", username, password } };
}

/** Judge that uses KafkaJS. */
export class KafkajsJudge implements Judge {
  readonly codecs = CODECS;
  readonly places = true;
  readonly idempotent = true;
  readonly kafka: Kafka;

  /** `servers`: addresses, separated by commas. */
  constructor(servers: string, { firstMs, mostMs, requestMs }: Times = TIMES, security?: ClientSecurity) {
    registerCodecs();
    this.kafka = new kafkajs.Kafka({
      brokers: servers.split(","),
      clientId: "kafkajs-judge",
      logLevel: kafkajs.logLevel.NOTHING,
      ...(security === undefined ? {} : securityOf(security)),
      requestTimeout: requestMs,
      retry: { initialRetryTime: firstMs, maxRetryTime: mostMs, retries: Math.ceil(GIVE_UP_MS / mostMs) },
    });
  }

  /** Number of records of a topic that has lost none to retention. */
  async total(topic: string): Promise<number> {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      const offsets = await admin.fetchTopicOffsets(topic);
      return offsets.reduce((sum, { high }) => sum + Number(high), 0);
    } finally {
      await admin.disconnect();
    }
  }

  async createTopic(topic: string, partitions: number, configs: Readonly<Record<string, string>> = {}): Promise<void> {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
      const topics = [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }];
      if (!(await admin.createTopics({ topics }))) throw new Error(`${topic} is there already`);
    } finally {
      await admin.disconnect();
    }
    // A broker tells of partitions before it leads them, and KafkaJS, refused by one of them, sends to all once more.
    await until(`${topic} is led`, async () => (await this.total(topic)) === 0, LEADERS_MS);
  }

  async produce(topic: string, codec: Codec, records: readonly Draft[]): Promise<void> {
    const producer = this.kafka.producer();
    await producer.connect();
    try {
      const messages = records.map(record => ({ ...record, headers: { ...record.headers } }));
      await producer.send({ topic, acks: -1, compression: CODECS.indexOf(codec), messages });
    } finally {
      await producer.disconnect();
    }
  }

  async consume(topic: string, group: string, count: number): Promise<Read[]> {
    const consumer = this.kafka.consumer({ groupId: group, maxWaitTimeInMs: 200 });
    await consumer.connect();
    try {
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      const reads = await this.#take(consumer, count);
      const offsets = [...nextOffsets(reads)];
      await consumer.commitOffsets(
        offsets.map(([partition, offset]) => ({ topic, partition, offset: String(offset) })),
      );
      return reads;
    } finally {
      await consumer.disconnect();
    }
  }

  async #take(consumer: Consumer, count: number): Promise<Read[]> {
    const reads: Read[] = [];
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${reads.length} of ${count} records came`)), CONSUME_MS);
      const settle = (end: () => void): void => {
        clearTimeout(timer);
        end();
      };
      consumer.on(consumer.events.CRASH, ({ payload }) => settle(() => reject(payload.error)));
      const eachMessage = async ({
        partition,
        message,
      }: {
        partition: number;
        message: KafkaMessage;
      }): Promise<void> => {
        if (reads.length >= count) return;
        reads.push(toRead(partition, message));
        if (reads.length === count) settle(resolve);
      };
      consumer.run({ autoCommit: false, eachMessage }).catch(error => settle(() => reject(error)));
    });
    return reads;
  }

  async load(topic: string, onAck: (acknowledged: Acknowledged) => void): Promise<Load> {
    const producer = this.kafka.producer({ idempotent: true });
    await producer.connect();
    let stopped = false;
    const done = this.#produceUntil(producer, topic, { onAck, stopped: () => stopped });
    done.catch(ignored("`stop` reports the failure"));
    return {
      stop: async () => {
        stopped = true;
        try {
          await done;
        } finally {
          await producer.disconnect();
        }
      },
    };
  }

  async #produceUntil(
    producer: Producer,
    topic: string,
    options: { onAck(acknowledged: Acknowledged): void; stopped(): boolean },
  ): Promise<void> {
    for (let sequence = 0; !options.stopped(); sequence += BATCH) {
      const byPartition = Array.from({ length: LOAD_PARTITIONS }, (_, partition) =>
        Array.from({ length: BATCH }, (_, index) => index)
          .filter(index => Math.floor(index / 4) === partition)
          .map(index => ({ partition, value: loadValue(sequence + index) })),
      );
      // Each send names one partition. A send to several leaves out those whose leader moves to a broker that has
      // answered already, and gives their sequence numbers to the next records, which are then taken for duplicates.
      await Promise.all(
        byPartition.map(async messages => {
          for (const { partition, baseOffset } of await producer.send({ topic, acks: -1, messages })) {
            let offset = Number(baseOffset);
            for (const { value } of messages) options.onAck({ partition, offset: offset++, value });
          }
        }),
      );
      await new Promise(resolve => setTimeout(resolve, PACE_MS));
    }
  }
}
