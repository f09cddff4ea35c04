import { Child } from "../processes/child.ts";
import type { Java } from "../processes/runtimes.ts";

/** Partition of the topic `in` that is copied to `out`. */
export interface Copy {
  readonly brokers: string;
  readonly partition: number;
  /** Records to copy before the program ends. */
  readonly count: number;
}

/**
 * Starts Kafka's copier (TransactionalMessageCopier) of one partition in transactions of 100 records, some of which it
 * aborts. It prints its progress, continues where the one before it with the same partition was killed, and exits with 0.
 */
export function startCopier(java: Java, { brokers, partition, count }: Copy): Child {
  const topics = ["--input-topic", "in", "--input-partition", String(partition), "--output-topic", "out"];
  const ids = ["--consumer-group", `copier-${partition}`, "--transactional-id", `copier-${partition}`];
  const sizes = ["--transaction-size", "100", "--transaction-timeout", "10000", "--max-messages", String(count)];
  const flags = ["--enable-random-aborts", "--use-group-metadata"];
  const all = ["--broker-list", brokers, ...topics, ...ids, ...sizes, ...flags];
  const { command, args } = java("org.apache.kafka.tools.TransactionalMessageCopier", ...all);
  return new Child(command, args);
}
