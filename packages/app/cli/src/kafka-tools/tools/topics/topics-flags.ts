import { COMMON_FLAGS, type Flag, option, toggle } from "../../flags/flag.ts";

/** Options of kafka-topics. */
export const TOPICS_FLAGS = {
  ...COMMON_FLAGS,
  "bootstrap-server": option("server to connect to", "REQUIRED: brokers, as host:port."),
  "command-config": option("command config property file", "File with settings of the client."),
  list: toggle("List the topics."),
  create: toggle("Create a topic."),
  delete: toggle("Delete topics."),
  alter: toggle("Add partitions. Settings are for kafka-configs."),
  describe: toggle("Describe topics."),
  topic: option("topic", "Name of the topic, or a pattern of names; only a name with --create."),
  "topic-id": option("topic-id", "Id of the topic to describe."),
  config: option("name=value", "Setting of the topic to create; may be repeated."),
  "delete-config": option("name", "No longer supported."),
  partitions: option("# of partitions", "Number of partitions; the cluster's default with --create.", { type: "int" }),
  "replication-factor": option("replication factor", "Number of replicas; by default the cluster's.", { type: "int" }),
  "replica-assignment": option(
    "broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , …",
    "Brokers of the replicas of each partition.",
  ),
  "under-replicated-partitions": toggle("Describe only partitions with replicas that are not in sync."),
  "unavailable-partitions": toggle("Describe only partitions without a leader."),
  "under-min-isr-partitions": toggle("Describe only partitions with fewer replicas in sync than min.insync.replicas."),
  "at-min-isr-partitions": toggle("Describe only partitions with as many replicas in sync as min.insync.replicas."),
  "topics-with-overrides": toggle("Describe only topics with settings of their own."),
  "if-exists": toggle("Do nothing if the topic does not exist."),
  "if-not-exists": toggle("Do not fail if the topic exists."),
  "exclude-internal": toggle("Leave out internal topics."),
  "partition-size-limit-per-response": option(
    "maximum number of partitions per response",
    "Most partitions in one answer of the broker.",
    { type: "int" },
  ),
} as const satisfies Readonly<Record<string, Flag>>;

/** Name of an option of kafka-topics. */
export type TopicsFlag = keyof typeof TOPICS_FLAGS;
