import { Child } from "../processes/child.ts";
import type { Java } from "../processes/runtimes.ts";

/** Records of the topic `in` that are copied to `out`. */
export interface Copy {
  readonly brokers: string;
  /** Partition that is copied, or the number of a member of a group, which gets its partitions from the coordinator. */
  readonly partition: number;
  readonly isMember?: boolean;
  /** Has commits fenced by the member and generation, too (KIP-447). True by default. */
  readonly withMetadata?: boolean;
  /** Records to copy before the program ends. */
  readonly count: number;
}

/**
 * Starts our copier of Java (`java/Copier.java`), whose clients have the settings of a file. Otherwise it does what Kafka's
 * does.
 */
export function startOurCopier(
  java: Java,
  file: string,
  { partition, count }: Pick<Copy, "partition" | "count">,
): Child {
  const { command, args } = java("Copier", file, String(partition), String(count));
  return new Child(command, args);
}

/**
 * Starts Kafka's copier (TransactionalMessageCopier) of one partition in transactions of 100 records, some of which it
 * aborts. It prints its progress, continues where the one before it with the same partition was killed, and exits with 0.
 */
export function startCopier(java: Java, copy: Copy): Child {
  const { brokers, partition, isMember = false, withMetadata = true, count } = copy;
  const topics = ["--input-topic", "in", "--input-partition", String(partition), "--output-topic", "out"];
  const group = isMember ? "copiers" : `copier-${partition}`;
  const ids = ["--consumer-group", group, "--transactional-id", `copier-${partition}`];
  const sizes = ["--transaction-size", "100", "--transaction-timeout", "10000", "--max-messages", String(count)];
  const flags = [
    "--enable-random-aborts",
    ...(withMetadata ? ["--use-group-metadata"] : []),
    ...(isMember ? ["--group-mode"] : []),
  ];
  const all = ["--broker-list", brokers, ...topics, ...ids, ...sizes, ...flags];
  const { command, args } = java("org.apache.kafka.tools.TransactionalMessageCopier", ...all);
  return new Child(command, args);
}
