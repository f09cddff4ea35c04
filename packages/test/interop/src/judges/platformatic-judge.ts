import { ignored } from "@samsa/base";
import {
  Admin,
  type BaseOptions,
  Consumer,
  type Message,
  type MessageToProduce,
  Producer,
  type ProduceResult,
  stringDeserializers,
  stringSerializers,
} from "@platformatic/kafka";
import type { ClientSecurity } from "../cluster/cluster-security.ts";
import { CODECS, type Codec } from "./codecs.ts";
import { type Acknowledged, type Draft, type Judge, type Load, loadValue, type Read } from "./judge.ts";
import { nextOffsets } from "./kafkajs-judge.ts";

type Text = Message<string, string, string, string>;
type Texts = MessageToProduce<string, string, string, string>;

const BATCH = 12;
const PACE_MS = 5;
const CONSUME_MS = 60_000;
/** Time after which a load fails. */
const GIVE_UP_MS = 40_000;

function toRead(message: Text): Read {
  return {
    partition: message.partition,
    offset: Number(message.offset),
    key: message.key ?? null,
    value: message.value ?? null,
    headers: Object.fromEntries(message.headers),
  };
}

function toMessage(topic: string, draft: Draft): Texts {
  return {
    topic,
    ...(draft.partition === undefined ? {} : { partition: draft.partition }),
    ...(draft.key === null ? {} : { key: draft.key }),
    ...(draft.value === null ? {} : { value: draft.value }),
    headers: { ...draft.headers },
  };
}

/**
 * Sends again what fails. The client repeats a request to the broker that it has chosen, and asks for other leaders only
 * after the last repetition. undefined: it is stopped before.
 */
async function sendUntilTaken(
  producer: Producer<string, string, string, string>,
  messages: Texts[],
  isStopped: () => boolean,
): Promise<ProduceResult | undefined> {
  for (const began = performance.now(); ; ) {
    try {
      return await producer.send({ messages, acks: -1 });
    } catch (error) {
      if (performance.now() - began > GIVE_UP_MS) throw error;
      if (isStopped()) return undefined;
      producer.clearMetadata();
      await new Promise(resolve => setTimeout(resolve, PACE_MS));
    }
  }
}

/** Security as @platformatic/kafka takes it. */
function securityOf({ ca, mechanism, username, password }: ClientSecurity): Pick<BaseOptions, "tls" | "sasl"> {
  return { tls: { ca }, sasl: { mechanism, username, password } };
}

/** Judge that uses @platformatic/kafka. */
export class PlatformaticJudge implements Judge {
  readonly codecs = CODECS;
  readonly places = true;
  readonly idempotent = false;
  readonly #base: BaseOptions & { readonly bootstrapBrokers: string[] };

  /** `servers`: addresses, separated by commas. */
  constructor(servers: string, retries = 200, security?: ClientSecurity) {
    this.#base = {
      clientId: "platformatic-judge",
      bootstrapBrokers: servers.split(","),
      retries,
      retryDelay: 100,
      ...(security === undefined ? {} : securityOf(security)),
    };
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    const admin = new Admin(this.#base);
    try {
      await admin.createTopics({ topics: [topic], partitions, replicas: 1 });
    } finally {
      await admin.close();
    }
  }

  #producer(): Producer<string, string, string, string> {
    return new Producer({ ...this.#base, serializers: stringSerializers, autocreateTopics: false });
  }

  async produce(topic: string, codec: Codec, records: readonly Draft[]): Promise<void> {
    const producer = this.#producer();
    try {
      const messages = records.map(record => toMessage(topic, record));
      await producer.send({ messages, acks: -1, compression: codec });
    } finally {
      await producer.close();
    }
  }

  async consume(topic: string, group: string, count: number): Promise<Read[]> {
    const consumer = new Consumer({ ...this.#base, groupId: group, deserializers: stringDeserializers });
    try {
      const reads: Read[] = [];
      const epochs = new Map<number, number>();
      const stream = await consumer.consume({
        topics: [topic],
        mode: "committed",
        fallbackMode: "earliest",
        autocommit: false,
        maxWaitTime: 500,
      });
      const timer = setTimeout(() => stream.destroy(new Error(`${reads.length} of ${count} records came`)), CONSUME_MS);
      try {
        for await (const message of stream as AsyncIterable<Text>) {
          reads.push(toRead(message));
          epochs.set(message.partition, message.leaderEpoch);
          if (reads.length === count) break;
        }
      } finally {
        clearTimeout(timer);
      }
      const offsets = [...nextOffsets(reads)].map(([partition, offset]) => ({
        topic,
        partition,
        offset: BigInt(offset),
        leaderEpoch: epochs.get(partition) ?? -1,
      }));
      await consumer.commit({ offsets });
      return reads;
    } finally {
      await consumer.close(true);
    }
  }

  async load(topic: string, onAck: (acknowledged: Acknowledged) => void): Promise<Load> {
    const producer = this.#producer();
    let stopped = false;
    const work = async (): Promise<void> => {
      for (let sequence = 0; !stopped; sequence += BATCH) {
        const messages = Array.from({ length: BATCH }, (_, index) => ({
          topic,
          partition: index % 3,
          value: loadValue(sequence + index),
        }));
        const result = await sendUntilTaken(producer, messages, () => stopped);
        if (result === undefined) return;
        for (const { partition, offset } of result.offsets ?? []) {
          let at = Number(offset);
          for (const message of messages) {
            if (message.partition === partition) onAck({ partition, offset: at++, value: message.value });
          }
        }
        await new Promise(resolve => setTimeout(resolve, PACE_MS));
      }
    };
    const done = work();
    done.catch(ignored("`stop` reports the failure"));
    return {
      stop: async () => {
        stopped = true;
        try {
          await done;
        } finally {
          await producer.close();
        }
      },
    };
  }
}
