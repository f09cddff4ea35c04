import { KafkaError, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { Admin, OffsetSpec } from "@samsa/client-runtime";
import { OptionError, ToolError } from "../../java/exits.ts";
import { COMMON_FLAGS, type Flag, option, toggle } from "../../flags/flag.ts";
import type { Chosen } from "../../flags/jopt.ts";
import { javaMessage, javaText } from "../../java/errors.ts";
import { hashOfPartition, hashOrder } from "../../java/hash-order.ts";
import { parseInteger, parseLong, partitionText, splitJava } from "../../java/text.ts";
import { includeList } from "../../java/topic-filter.ts";
import { checkServers, loadProperties, withAdmin } from "../../runner/client.ts";
import { joptTool } from "../../runner/jopt-tool.ts";

const FLAGS = {
  ...COMMON_FLAGS,
  "bootstrap-server": option("HOST1:PORT1,...,HOST3:PORT3", "REQUIRED: brokers, as host:port."),
  "topic-partitions": option(
    "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3",
    "Patterns of topics, each with a partition or a range of partitions (without its upper end).",
  ),
  topic: option("topic", "Name of a topic, or a pattern of names; all topics by default."),
  partitions: option("partition ids", "Partitions, separated by commas; all by default."),
  time: option(
    "<timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload",
    "Time of the offsets.",
    { preset: "latest" },
  ),
  "command-config": option("config file", "File with settings of the client."),
  "exclude-internal-topics": toggle("Leave out internal topics."),
} as const satisfies Readonly<Record<string, Flag>>;

type Name = keyof typeof FLAGS;

/** Names of places in a log, in the order of their timestamps from −1 down. */
const PLACES = [
  ...(["latest", "earliest", "max-timestamp", "earliest-local", "latest-tiered", "earliest-pending-upload"] as const),
] as const;
const TERSE = "org.apache.kafka.tools.TerseException";

function refuse(message: string): never {
  throw new ToolError(message, TERSE);
}

function placeOf(text: string): OffsetSpec {
  const named = PLACES.find(place => place === text);
  if (named !== undefined) return named;
  const timestamp = parseLong(text);
  if (timestamp === undefined) {
    refuse(
      `Malformed time argument ${text}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format timestamp`,
    );
  }
  return PLACES[-timestamp - 1] ?? { timestamp };
}

type Filter = (topic: string, partition: number | undefined) => boolean;

/** Filter of `pattern:2`, `pattern:0-3`, `pattern:5-`, `pattern:-3` or `pattern`. */
function ruleOf(text: string): Filter {
  const found = /^([^:,]*)(?::(?:([0-9]*)|(?:([0-9]*)-([0-9]*))))?$/.exec(text);
  if (found === null) {
    throw new ToolError(
      `org.apache.kafka.tools.TerseException: Invalid rule specification: ${text}`,
      "java.lang.RuntimeException",
    );
  }
  const [, pattern = "", only = "", from = "", to = ""] = found;
  const isWanted = includeList(pattern === "" ? ".*" : pattern);
  const [low, high] = only === "" ? [from, to] : [only, String(Number(only) + 1)];
  return (topic, partition) => {
    if (!isWanted(topic)) return false;
    return partition === undefined || (partition >= Number(low) && (high === "" || partition < Number(high)));
  };
}

function filterOf(chosen: Chosen<Name>): Filter {
  const list = chosen.text("topic-partitions");
  if (list !== undefined) {
    const rules = splitJava(list, ",").map(ruleOf);
    return (topic, partition) => rules.some(rule => rule(topic, partition));
  }
  const isWanted = includeList(chosen.text("topic") ?? ".*");
  const text = chosen.text("partitions") ?? "";
  const wanted = (text === "" ? [] : splitJava(text, ",")).map(part => {
    return (
      parseInteger(part) ??
      refuse(`--partitions expects a comma separated list of numeric partition ids, but received: ${text}`)
    );
  });
  return (topic, partition) =>
    isWanted(topic) && (partition === undefined || wanted.length === 0 || wanted.includes(partition));
}

async function partitionsOf(admin: Admin, filter: Filter, internal: boolean): Promise<TopicPartition[]> {
  const topics = (await admin.topics.list({ internal })).flatMap(({ name }) => (filter(name, undefined) ? [name] : []));
  if (topics.length === 0) return [];
  const described = (await admin.topics.describe(topics)).orThrow();
  const all = [...described].flatMap(([topic, { partitions }]) =>
    partitions.map(({ partition }) => ({ topic, partition })),
  );
  return all.filter(({ topic, partition }) => filter(topic, partition));
}

async function printOffsets(admin: Admin, partitions: readonly TopicPartition[], at: OffsetSpec): Promise<void> {
  const found = await admin.offsets(partitions.map(entry => ({ ...entry, at })));
  const offsets = new Map<string, string>();
  for (const entry of hashOrder(partitions, hashOfPartition)) {
    const outcome = found.get(partitionKey(entry.topic, entry.partition));
    if (outcome instanceof KafkaError) {
      console.error(
        `Skip getting offsets for topic-partition ${partitionText(entry)} due to error: ${javaText(outcome)}`,
      );
    } else if (outcome !== undefined && outcome.offset !== -1) {
      offsets.set(partitionText(entry), `${entry.topic}:${entry.partition}:${outcome.offset}`);
    }
  }
  for (const name of [...offsets.keys()].sort()) console.log(offsets.get(name));
}

/** kafka-get-offsets (`GetOffsetShell`). */
export const kafkaGetOffsets = joptTool<Name>({
  about: "Prints offsets of partitions: the ends of their logs, or those of a time.",
  flags: FLAGS,
  mistakes: "failed",
  run: async chosen => {
    chosen.require("bootstrap-server");
    const servers = checkServers(chosen.text("bootstrap-server"));
    if (chosen.has("topic-partitions") && chosen.has("topic", "partitions")) {
      refuse("--topic-partitions cannot be used with --topic or --partitions");
    }
    const at = placeOf(chosen.text("time") ?? "");
    const filter = filterOf(chosen);
    const properties = new Map([...loadProperties(chosen.text("command-config")), ["client.id", "GetOffsetShell"]]);
    return withAdmin(servers, properties, async admin => {
      const partitions = await partitionsOf(admin, filter, !chosen.has("exclude-internal-topics"));
      if (partitions.length === 0) refuse("Could not match any topic-partitions with the specified filters");
      await printOffsets(admin, partitions, at);
      return 0;
    });
  },
  failed: error => {
    const isPlain = error instanceof ToolError || error instanceof OptionError;
    console.error(`Error occurred: ${isPlain ? javaMessage(error) : javaText(error)}`);
    return 1;
  },
});
