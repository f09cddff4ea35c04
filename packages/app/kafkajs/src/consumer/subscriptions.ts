import type { ClusterClient } from "@samsa/client-runtime";
import { KafkaJSNonRetriableError } from "../error/errors.ts";
import type { ConsumerSubscribeTopic, ConsumerSubscribeTopics } from "./types.ts";

interface Rule {
  readonly wanted: string | RegExp;
  readonly fromBeginning: boolean;
}

/** Topics and patterns that a consumer subscribes to. Patterns are matched here, so they are JavaScript's. */
export class Subscriptions {
  #rules: Rule[] = [];
  /** Topics with what they say about their beginning. */
  readonly #topics = new Map<string, boolean>();

  /** Adds topics. Returns those that are named. Throws KafkaJSNonRetriableError for what is no topic. */
  add(subscription: ConsumerSubscribeTopics | ConsumerSubscribeTopic): string[] {
    const { topic, topics, fromBeginning = false } = { topic: undefined, topics: undefined, ...subscription };
    if (!topic && topics === undefined) throw new KafkaJSNonRetriableError('Missing required argument "topics"');
    if (topics !== undefined && !Array.isArray(topics)) {
      throw new KafkaJSNonRetriableError('Argument "topics" must be an array');
    }
    const all: readonly unknown[] = topics ?? [topic];
    const rules = all.map(wanted => {
      if ((typeof wanted === "string" && wanted !== "") || wanted instanceof RegExp) return { wanted, fromBeginning };
      throw new KafkaJSNonRetriableError(
        `Invalid topic ${String(wanted)} (${typeof wanted}), the topic name has to be a String or a RegExp`,
      );
    });
    const named = rules.flatMap(({ wanted }) => (typeof wanted === "string" ? [wanted] : []));
    // A topic that is subscribed to again has its last word about the beginning.
    this.#rules = [...this.#rules.filter(({ wanted }) => !all.includes(wanted)), ...rules];
    for (const name of named) this.#topics.set(name, fromBeginning);
    return named;
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  get hasPatterns(): boolean {
    return this.#rules.some(({ wanted }) => wanted instanceof RegExp);
  }

  /** Topics that are named, and those that patterns have matched. */
  get topics(): string[] {
    return [...this.#topics.keys()].sort();
  }

  /** True if partitions of the topic without a committed offset begin at the beginning. */
  fromBeginning(topic: string): boolean {
    return this.#topics.get(topic) === true;
  }

  /** Beginning that all rules name; undefined: they differ. */
  get commonBeginning(): boolean | undefined {
    const [first] = this.#rules;
    return this.#rules.every(rule => rule.fromBeginning === first?.fromBeginning) ? first?.fromBeginning : undefined;
  }

  /** Matches the patterns against the topics that the cluster has. True if there are new ones. */
  async match(client: ClusterClient): Promise<boolean> {
    const { topics } = await client.retrying(client.patience(), () =>
      client.callAny("Metadata", { topics: null, allowAutoTopicCreation: false }),
    );
    const before = this.#topics.size;
    for (const { name, isInternal, errorCode } of topics) {
      if (name === null || errorCode !== 0 || isInternal || this.#topics.has(name)) continue;
      const rule = this.#rules.find(({ wanted }) => wanted instanceof RegExp && matches(wanted, name));
      if (rule !== undefined) this.#topics.set(name, rule.fromBeginning);
    }
    return this.#topics.size > before;
  }
}

/** `test`, without the position that a pattern with the flags g or y keeps. */
function matches(pattern: RegExp, name: string): boolean {
  pattern.lastIndex = 0;
  return pattern.test(name);
}
