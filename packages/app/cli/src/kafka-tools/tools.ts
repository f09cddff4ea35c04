import type { Tool } from "./runner/jopt-tool.ts";

/** Kafka's tools, by the names of their scripts; each is loaded when it runs. */
const TOOLS: Readonly<Record<string, () => Promise<Tool>>> = {
  "kafka-topics": async () => (await import("./tools/topics/topics.ts")).kafkaTopics,
  "kafka-console-producer": async () => (await import("./tools/records/console-producer.ts")).kafkaConsoleProducer,
  "kafka-console-consumer": async () => (await import("./tools/records/console-consumer.ts")).kafkaConsoleConsumer,
  "kafka-consumer-groups": async () => (await import("./tools/groups/consumer-groups.ts")).kafkaConsumerGroups,
  "kafka-configs": async () => (await import("./tools/topics/configs.ts")).kafkaConfigs,
  "kafka-get-offsets": async () => (await import("./tools/topics/get-offsets.ts")).kafkaGetOffsets,
  "kafka-delete-records": async () => (await import("./tools/topics/delete-records.ts")).kafkaDeleteRecords,
  "kafka-leader-election": async () => (await import("./tools/topics/leader-election.ts")).kafkaLeaderElection,
  "kafka-reassign-partitions": async () =>
    (await import("./tools/cluster/reassign-partitions.ts")).kafkaReassignPartitions,
  "kafka-log-dirs": async () => (await import("./tools/topics/log-dirs.ts")).kafkaLogDirs,
  "kafka-features": async () => (await import("./tools/cluster/features.ts")).kafkaFeatures,
  "kafka-metadata-quorum": async () => (await import("./tools/cluster/metadata-quorum.ts")).kafkaMetadataQuorum,
  "kafka-cluster": async () => (await import("./tools/cluster/cluster.ts")).kafkaCluster,
  "kafka-acls": async () => (await import("./tools/cluster/acls.ts")).kafkaAcls,
  "kafka-delegation-tokens": async () => (await import("./tools/cluster/delegation-tokens.ts")).kafkaDelegationTokens,
  "kafka-transactions": async () => (await import("./tools/cluster/transactions.ts")).kafkaTransactions,
  "kafka-broker-api-versions": async () =>
    (await import("./tools/cluster/broker-api-versions.ts")).kafkaBrokerApiVersions,
  "kafka-storage": async () => (await import("./tools/cluster/storage.ts")).kafkaStorage,
  "kafka-verifiable-producer": async () =>
    (await import("./tools/records/verifiable-producer.ts")).kafkaVerifiableProducer,
  "kafka-verifiable-consumer": async () =>
    (await import("./tools/records/verifiable-consumer.ts")).kafkaVerifiableConsumer,
  "kafka-producer-perf-test": async () => (await import("./tools/records/producer-perf-test.ts")).kafkaProducerPerfTest,
  "kafka-consumer-perf-test": async () => (await import("./tools/records/consumer-perf-test.ts")).kafkaConsumerPerfTest,
  "kafka-share-groups": async () => (await import("./tools/groups/share-groups.ts")).kafkaShareGroups,
  "kafka-groups": async () => (await import("./tools/groups/groups.ts")).kafkaGroups,
};

/** Names of the scripts of Kafka that this command takes the place of. */
export const TOOL_NAMES: readonly string[] = Object.keys(TOOLS);

/** Name of the tool that a word or the path of a link names; undefined: none. */
export function toolNamed(text: string | undefined): string | undefined {
  const name = /(?<name>[^/\\]+?)(?:\.sh)?$/.exec(text ?? "")?.groups?.name ?? "";
  return Object.hasOwn(TOOLS, name) ? name : undefined;
}

/** Runs a tool of Kafka, and resolves to its exit code. */
export async function runTool(name: string, args: readonly string[]): Promise<number> {
  const load = TOOLS[name];
  if (load === undefined) throw new Error(`${name} is not in the table of tools`);
  return (await load()).run(args);
}

/** Options and commands of all tools. */
export function toolOptions(): Promise<(Pick<Tool, "options" | "commands"> & { readonly name: string })[]> {
  return Promise.all(
    Object.entries(TOOLS).map(async ([name, load]) => {
      const { options, commands } = await load();
      return { name, options, commands };
    }),
  );
}
