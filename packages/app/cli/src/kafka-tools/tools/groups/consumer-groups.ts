import { MalformedError } from "@samsa/base";
import { KafkaError, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { Admin, ClusterClient, ListedGroup } from "@samsa/client-runtime";
import { nodePattern } from "@samsa/node";
import { ILLEGAL_ARGUMENT, OptionError, ToolError, UsageError } from "../../java/exits.ts";
import { type Chosen, shown } from "../../flags/jopt.ts";
import { javaText } from "../../java/errors.ts";
import { hashOfText, hashOrder, hashOrderOfTexts } from "../../java/hash-order.ts";
import { columns, splitJava } from "../../java/text.ts";
import { loadProperties, withAdmin } from "../../runner/client.ts";
import { joptTool, printUncaught } from "../../runner/jopt-tool.ts";
import { partitionsInArgument, printError } from "../../runner/offset-plans.ts";
import { describeMembers, describeOffsets, describeStates, nameForOrder } from "./consumer-groups-describe.ts";
import { CONSUMER_GROUPS_FLAGS, type ConsumerGroupsFlag } from "./consumer-groups-flags.ts";
import { deletionHeadline, RESET_SCENARIOS, resetOffsets } from "./consumer-groups-reset.ts";

type Options = Chosen<ConsumerGroupsFlag>;

const ACTIONS = ["list", "describe", "delete", "reset-offsets", "delete-offsets", "validate-regex"] as const;
const STATES = ["PreparingRebalance", "Stable", "CompletingRebalance", "Assigning", "Reconciling", "Empty", "Dead"];
const TYPES = ["Classic", "Consumer"] as const;

function checkDescribe(chosen: Options): void {
  if (!chosen.has("group", "all-groups")) {
    throw new UsageError(`Option ${shown("describe")} takes one of these options: [group], [all-groups]`);
  }
  if ((["members", "offsets", "state"] as const).filter(name => chosen.has(name)).length > 1) {
    const list = "[members], [offsets], [state]";
    throw new UsageError(`Option ${shown("describe")} takes at most one of these options: ${list}`);
  }
  if (chosen.has("state") && chosen.text("state") !== undefined) {
    throw new UsageError(`Option ${shown("describe")} does not take a value for ${shown("state")}`);
  }
}

function checkReset(chosen: Options): void {
  if (chosen.has("dry-run") && chosen.has("execute")) {
    throw new UsageError(`Option ${shown("reset-offsets")} only accepts one of [execute] and [dry-run]`);
  }
  if (!chosen.has("dry-run", "execute")) {
    console.error(
      "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will require either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if you are scripting this command and want to keep the current default behavior without prompting.",
    );
  }
  if (!chosen.has("group", "all-groups")) {
    throw new UsageError(`Option ${shown("reset-offsets")} takes one of these options: [group], [all-groups]`);
  }
  for (const scenario of RESET_SCENARIOS) chosen.exclude(scenario, RESET_SCENARIOS);
}

function check(chosen: Options): void {
  if (!chosen.has("validate-regex")) chosen.require("bootstrap-server");
  if (chosen.has("describe")) checkDescribe(chosen);
  if (chosen.has("delete")) {
    if (!chosen.has("group", "all-groups")) {
      throw new UsageError(`Option ${shown("delete")} takes one of these options: [group], [all-groups]`);
    }
    if (chosen.has("topic")) {
      throw new UsageError("The consumer does not support topic-specific offset deletion from a consumer group.");
    }
  }
  if (chosen.has("delete-offsets") && !(chosen.has("group") && chosen.has("topic"))) {
    throw new UsageError(`Option ${shown("delete-offsets")} takes the following options: [group], [topic]`);
  }
  if (chosen.has("reset-offsets")) checkReset(chosen);
  chosen.exclude("group", ["all-groups", "list"]);
  chosen.exclude("topic", ["list", "describe"]);
  if (ACTIONS.filter(action => chosen.has(action)).length !== 1) {
    const list = ACTIONS.map(action => `--${action}`).join(", ");
    throw new UsageError(`Command must include exactly one action: ${list}`);
  }
}

function validateRegex(expression: string): void {
  try {
    nodePattern(expression);
    console.log(`The regular expression \`${expression}\` is valid.`);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    console.log(`The regular expression \`${expression}\` is invalid: ${error.message}.`);
  }
}

/** Names of a list, without regard to case. Throws `UsageError`. */
function namesIn(text: string, known: readonly string[], refuse: (valid: string) => string): string[] {
  return splitJava(text, ",").map(part => {
    const found = known.find(name => name.toLowerCase() === part.trim().toLowerCase());
    if (found === undefined) throw new UsageError(refuse(hashOrderOfTexts(known).join(", ")));
    return found;
  });
}

/** Groups of consumers in the order of the map in which Java's client collects them. */
async function consumerGroups(admin: Admin, states: string[] = [], types: string[] = []): Promise<ListedGroup[]> {
  const all = await admin.groups.list({ states, types: types.map(type => type.toLowerCase()) });
  const ofConsumers = all.filter(({ protocolType, type }) => {
    const isWanted = types.length > 0 || states.length > 0 || type === "" || TYPES.some(known => known === type);
    return isWanted && (protocolType === "" || protocolType === "consumer");
  });
  return hashOrder(ofConsumers, ({ groupId }) => hashOfText(groupId));
}

async function list(admin: Admin, chosen: Options): Promise<void> {
  if (!chosen.has("type", "state")) {
    for (const { groupId } of await consumerGroups(admin)) console.log(groupId);
    return;
  }
  const [typeText = "", stateText = ""] = [chosen.text("type"), chosen.text("state")];
  const types =
    typeText === ""
      ? []
      : namesIn(typeText, TYPES, valid => `Invalid types list '${typeText}'. Valid types are: ${valid}`);
  const states =
    stateText === ""
      ? []
      : namesIn(stateText, STATES, valid => `Invalid state list '${stateText}'. Valid states are: ${valid}`);
  const groups = await consumerGroups(admin, states, types);
  const width = Math.max(15, ...groups.map(({ groupId }) => groupId.length)) + 10;
  const pick = (group: string, type: string, state: string): string[] => [
    group,
    ...(chosen.has("type") ? [type] : []),
    ...(chosen.has("state") ? [state] : []),
  ];
  const widths = [width, 20, 20];
  console.log(columns(widths, pick("GROUP", "TYPE", "STATE")));
  for (const { groupId, type, state } of groups) {
    console.log(columns(widths, pick(groupId, type === "" ? "Unknown" : type, state === "" ? "Unknown" : state)));
  }
}

async function remove(admin: Admin, groups: readonly string[]): Promise<void> {
  const outcomes = await admin.groups.delete(groups);
  const failed = outcomes.errors;
  const deleted = groups.filter(group => !failed.has(group));
  const quoted = hashOrderOfTexts(new Set(deleted))
    .map(group => `'${group}'`)
    .join(", ");
  if (failed.size === 0) {
    console.log(`Deletion of requested consumer groups (${quoted}) was successful.`);
    return;
  }
  printError("Deletion of some consumer groups failed:");
  for (const [group, error] of hashOrder(failed, ([name]) => hashOfText(name))) {
    console.log(`* Group '${group}' could not be deleted due to: ${javaText(error)}`);
  }
  if (deleted.length > 0) console.log(`\nThese consumer groups were deleted successfully: ${quoted}`);
}

async function deleteOffsets(admin: Admin, chosen: Options): Promise<void> {
  const group = chosen.text("group") ?? "";
  const args = [...new Set(chosen.texts("topic"))];
  const partitions: TopicPartition[] = args.filter(arg => arg.includes(":")).flatMap(partitionsInArgument);
  const results: [TopicPartition, KafkaError | undefined][] = [];
  const topics = args.filter(arg => !arg.includes(":"));
  for (const [topic, outcome] of topics.length === 0 ? [] : await admin.topics.describe(topics)) {
    if (outcome instanceof KafkaError) results.push([{ topic, partition: -1 }, outcome]);
    else partitions.push(...outcome.partitions.map(({ partition }) => ({ topic, partition })));
  }
  let failure: KafkaError | undefined;
  try {
    const outcomes = partitions.length === 0 ? undefined : await admin.groups.deleteOffsets(group, partitions);
    for (const entry of partitions) {
      const outcome = outcomes?.get(partitionKey(entry.topic, entry.partition));
      const error = outcome instanceof KafkaError ? outcome : undefined;
      failure ??= error;
      results.push([entry, error]);
    }
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    failure = error;
    for (const entry of partitions) results.push([entry, error]);
  }
  deletionHeadline(group, failure);
  const width = Math.max(15, ...results.map(([{ topic }]) => topic.length));
  const line = (cells: readonly string[]): string => `\n${columns([width, 10, 15], cells)}`;
  const rows = results
    .toSorted(([a], [b]) => (nameForOrder(a) < nameForOrder(b) ? -1 : 1))
    .map(([{ topic, partition }, error]) =>
      line([
        topic,
        partition < 0 ? "-" : String(partition),
        error === undefined ? "Successful" : `Error: ${javaText(error)}`,
      ]),
    );
  console.log(`${line(["TOPIC", "PARTITION", "STATUS"])}${rows.join("")}`);
}

async function act(admin: Admin, client: ClusterClient, chosen: Options): Promise<void> {
  if (chosen.has("list")) return list(admin, chosen);
  if (chosen.has("delete-offsets")) return deleteOffsets(admin, chosen);
  const groups = chosen.has("all-groups")
    ? (await consumerGroups(admin)).map(({ groupId }) => groupId)
    : [...chosen.texts("group")];
  if (chosen.has("delete")) return remove(admin, groups);
  if (chosen.has("reset-offsets")) return resetOffsets(admin, chosen, groups);
  const verbose = chosen.has("verbose");
  if (chosen.has("members")) return describeMembers(admin, groups, verbose);
  if (chosen.has("state")) return describeStates(admin, client, { groups, verbose });
  return describeOffsets(admin, groups, verbose);
}

/** kafka-consumer-groups (`ConsumerGroupCommand`). */
export const kafkaConsumerGroups = joptTool<ConsumerGroupsFlag>({
  about: "Lists, describes and deletes groups of consumers, and sets their offsets.",
  flags: CONSUMER_GROUPS_FLAGS,
  mistakes: "failed",
  run: async chosen => {
    check(chosen);
    if (chosen.has("validate-regex")) {
      validateRegex(chosen.text("validate-regex") ?? "");
      return 0;
    }
    const properties = loadProperties(chosen.text("command-config"));
    try {
      const own = { apiTimeoutMs: chosen.number("timeout") ?? 0 };
      const servers = chosen.text("bootstrap-server");
      await withAdmin(servers, properties, (admin, client) => act(admin, client, chosen), own);
    } catch (error) {
      if (error instanceof OptionError) failed(error.message);
      else if (error instanceof ToolError) {
        if (error.javaClass === ILLEGAL_ARGUMENT) throw new UsageError(error.message);
        failed(error.message);
      } else if (error instanceof KafkaError) failed(javaText(error));
      else throw error;
    }
    // Failures do not change the exit code of Kafka's tool.
    return 0;
  },
  failed: printUncaught,
});

function failed(message: string): void {
  printError(`Executing consumer group command failed due to ${message}`);
}
