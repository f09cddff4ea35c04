import { KafkaError, type TopicPartition } from "@samsa/client-kernel";
import type { Admin } from "@samsa/client-runtime";
import { OptionError, ToolError } from "../../java/exits.ts";
import { COMMON_FLAGS, type Flag, option, toggle } from "../../flags/flag.ts";
import type { Chosen } from "../../flags/jopt.ts";
import { javaText } from "../../java/errors.ts";
import { hashOfPartition, hashOrder } from "../../java/hash-order.ts";
import { arrayOf, objectOf, parseJson, readText, textIn, wholeIn } from "../../java/json.ts";
import { partitionText } from "../../java/text.ts";
import { loadProperties, withAdmin } from "../../runner/client.ts";
import { wrapping } from "../../runner/java-failures.ts";
import { joptTool, printJavaMessage } from "../../runner/jopt-tool.ts";

const FLAGS = {
  ...COMMON_FLAGS,
  "bootstrap-server": option("host:port", "REQUIRED: brokers, as host:port."),
  "admin.config": option("config file", "(DEPRECATED) The same as --command-config."),
  "command-config": option("Config file", "File with settings of the client."),
  "path-to-json-file": option(
    "Path to JSON file",
    'File with partitions: {"partitions": [{"topic": "foo", "partition": 1}]}',
  ),
  topic: option("topic name", "Topic of the partition."),
  partition: option("partition id", "Partition; REQUIRED with --topic.", { type: "int" }),
  "all-topic-partitions": toggle("All partitions that need an election."),
  "election-type": option("election type", "REQUIRED: preferred or unclean."),
} as const satisfies Readonly<Record<string, Flag>>;

type Name = keyof typeof FLAGS;
const SCOPES = ["topic", "all-topic-partitions", "path-to-json-file"] as const;
const TYPES = ["preferred", "unclean"] as const;
const FAILED = "org.apache.kafka.tools.AdminCommandFailedException";
const OPERATION = "org.apache.kafka.server.common.AdminOperationException";
const TIMEOUT_MS = "30000";
const REQUEST_TIMEOUT_MS = "15000";

function refuse(message: string): never {
  throw new ToolError(message, FAILED);
}

function check(chosen: Chosen<Name>): void {
  const missing = (["bootstrap-server", "election-type"] as const).filter(name => !chosen.has(name));
  if (missing.length > 0) refuse(`Missing required option(s): ${missing.join(", ")}`);
  chosen.exclude("admin.config", ["command-config"]);
  if (SCOPES.filter(name => chosen.has(name)).length !== 1) {
    refuse(`One and only one of the following options is required: ${SCOPES.join(", ")}`);
  }
  if (chosen.has("topic") && !chosen.has("partition")) refuse("Missing required option(s): partition");
  if (!chosen.has("topic") && chosen.has("partition")) refuse("Option partition is only allowed if topic is used");
}

function typeOf(chosen: Chosen<Name>): (typeof TYPES)[number] {
  const text = chosen.text("election-type") ?? "";
  const type = TYPES.find(each => each === text.toLowerCase());
  if (type !== undefined) return type;
  throw new OptionError("OptionArgumentConversionException", `Cannot parse argument '${text}' of option election-type`);
}

function partitionsInFile(file: string): TopicPartition[] {
  const parsed = parseJson(readText(file, true));
  if (parsed === undefined) throw new ToolError("Replica election data is empty", OPERATION);
  const { partitions } = objectOf(parsed);
  if (partitions === undefined) {
    throw new ToolError('Replica election data is missing "partitions" field', OPERATION);
  }
  const all = arrayOf(partitions).map(item => {
    const entry = objectOf(item);
    return { topic: textIn(entry, "topic"), partition: wholeIn(entry, "partition") };
  });
  const names = all.map(partitionText);
  const twice = new Map(
    all.filter((_, i) => names.indexOf(names[i] ?? "") !== i).map(one => [partitionText(one), one]),
  );
  if (twice.size > 0) {
    const list = hashOrder(twice.values(), hashOfPartition).map(partitionText).join(", ");
    throw new ToolError(`Replica election data contains duplicate partitions: [${list}]`, OPERATION);
  }
  return all;
}

function partitionsOf(chosen: Chosen<Name>): TopicPartition[] | "all" {
  const file = chosen.text("path-to-json-file");
  if (file !== undefined) return partitionsInFile(file);
  const [topic, partition] = [chosen.text("topic"), chosen.number("partition")];
  return topic === undefined || partition === undefined ? "all" : [{ topic, partition }];
}

async function elect(admin: Admin, type: (typeof TYPES)[number], partitions: TopicPartition[] | "all") {
  try {
    return await admin.replicas.electLeaders(type, partitions);
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    const why =
      error.name === "CLUSTER_AUTHORIZATION_FAILED"
        ? "Not authorized to perform leader election"
        : ["TIMED_OUT", "REQUEST_TIMED_OUT"].includes(error.name)
          ? "Timeout waiting for election results"
          : undefined;
    if (why === undefined) return wrapping(() => Promise.reject(error));
    console.log(why);
    return refuse(why);
  }
}

/** Partition of a key of `PartitionOutcomes`. */
function partitionOf(key: string): TopicPartition {
  const at = key.lastIndexOf("/");
  return { topic: key.slice(0, at), partition: Number(key.slice(at + 1)) };
}

async function run(admin: Admin, type: (typeof TYPES)[number], partitions: TopicPartition[] | "all"): Promise<void> {
  const outcomes = [...(await elect(admin, type, partitions))].map(([key, outcome]) => ({
    ...partitionOf(key),
    error: outcome instanceof KafkaError ? outcome : undefined,
  }));
  const sorted = hashOrder(outcomes, hashOfPartition);
  const list = (some: typeof sorted): string => some.map(partitionText).join(", ");
  const elected = sorted.filter(({ error }) => error === undefined);
  const same = sorted.filter(({ error }) => error?.name === "ELECTION_NOT_NEEDED");
  const failed = sorted.filter(one => one.error !== undefined && !same.includes(one));
  const name = type.toUpperCase();
  if (elected.length > 0) {
    console.log(`Successfully completed leader election (${name}) for partitions ${list(elected)}`);
  }
  if (same.length > 0) console.log(`Valid replica already elected for partitions ${list(same)}`);
  for (const one of failed) {
    const why = javaText(one.error);
    console.log(`Error completing leader election (${name}) for partition: ${partitionText(one)}: ${why}`);
  }
  if (failed.length > 0) refuse(`${failed.length} replica(s) could not be elected`);
}

/** kafka-leader-election (`LeaderElectionCommand`). */
export const kafkaLeaderElection = joptTool<Name>({
  about: "Elects leaders of partitions: preferred ones, or any replica that is left.",
  flags: FLAGS,
  mistakes: "failed",
  run: async chosen => {
    check(chosen);
    const type = typeOf(chosen);
    const partitions = partitionsOf(chosen);
    if (chosen.has("admin.config")) {
      console.log(
        "Option --admin.config has been deprecated and will be removed in a future version. Use --command-config instead.",
      );
    }
    const properties = loadProperties(chosen.text(chosen.has("admin.config") ? "admin.config" : "command-config"));
    if (!properties.has("default.api.timeout.ms")) properties.set("default.api.timeout.ms", TIMEOUT_MS);
    if (!properties.has("request.timeout.ms")) properties.set("request.timeout.ms", REQUEST_TIMEOUT_MS);
    await withAdmin(chosen.text("bootstrap-server"), properties, admin => run(admin, type, partitions));
    return 0;
  },
  failed: printJavaMessage,
});
