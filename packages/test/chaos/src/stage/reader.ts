import type { KafkajsJudge } from "@samsa/interop";
import { Gaps } from "../check/gaps.ts";
import type { Logged } from "../check/history.ts";

const SESSION_MS = 10_000;
const COMMIT_MS = 500;
const AGAIN_MS = 500;

/** Consumer in a group that reads a topic from the start of a scenario to its end, and commits what it has read. */
export class Reader {
  readonly topic: string;
  readonly group: string;
  readonly reads: Logged[] = [];
  readonly gaps = new Gaps(() => performance.now());
  /** Largest offset that a coordinator has told to be committed, by partition. */
  readonly committed = new Map<number, number>();
  readonly #judge: KafkajsJudge;
  #disconnect: (() => Promise<void>) | undefined;
  #isStopped = false;

  constructor(judge: KafkajsJudge, topic: string) {
    this.#judge = judge;
    this.topic = topic;
    this.group = `${topic}-readers`;
  }

  async start(): Promise<void> {
    const consumer = this.#judge.kafka.consumer({
      groupId: this.group,
      maxWaitTimeInMs: 100,
      sessionTimeout: SESSION_MS,
      heartbeatInterval: 1000,
    });
    await consumer.connect();
    this.#disconnect = () => consumer.disconnect();
    // KafkaJS ends a consumer for good if a broker does not answer while it connects.
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) this.#startAgain();
    });
    consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) => {
      for (const { partition, offset } of payload.topics.flatMap(({ partitions }) => partitions)) {
        const index = Number(partition);
        this.committed.set(index, Math.max(this.committed.get(index) ?? 0, Number(offset)));
      }
    });
    await consumer.subscribe({ topics: [this.topic], fromBeginning: true });
    await consumer.run({
      autoCommitInterval: COMMIT_MS,
      eachMessage: async ({ partition, message: { offset, value } }) => {
        this.reads.push({ partition, offset: Number(offset), value: String(value) });
        this.gaps.event();
      },
    });
  }

  #startAgain(): void {
    if (this.#isStopped) return;
    this.start().catch(() => setTimeout(() => this.#startAgain(), AGAIN_MS));
  }

  /** Leaves the group, after a last commit. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#disconnect?.();
    this.#disconnect = undefined;
  }

  /** Offsets that the coordinator tells a client now, by partition. */
  async offsets({ kafka }: KafkajsJudge): Promise<Map<number, number>> {
    const admin = kafka.admin();
    await admin.connect();
    try {
      const [answer] = await admin.fetchOffsets({ groupId: this.group, topics: [this.topic] });
      return new Map((answer?.partitions ?? []).map(({ partition, offset }) => [partition, Number(offset)]));
    } finally {
      await admin.disconnect();
    }
  }
}
