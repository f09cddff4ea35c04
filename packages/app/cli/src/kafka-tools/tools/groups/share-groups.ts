import { KafkaError, type TopicPartition } from "@samsa/client-kernel";
import type { Admin, ClusterClient, DescribedGroup, ListedGroup, ShareOffset } from "@samsa/client-runtime";
import { Exit, ILLEGAL_ARGUMENT, OptionError, ToolError, UsageError } from "../../java/exits.ts";
import type { Chosen } from "../../flags/jopt.ts";
import { javaMessage, javaText } from "../../java/errors.ts";
import { hashOfText, hashOrder, hashOrderOfTexts } from "../../java/hash-order.ts";
import { columns, splitJava } from "../../java/text.ts";
import { loadProperties, withAdmin } from "../../runner/client.ts";
import { joptTool, printUncaught } from "../../runner/jopt-tool.ts";
import {
  checkPartitions,
  dateTime,
  offsetsAtTime,
  partitionsInArguments,
  planInFile,
  plansOfPlace,
  type PlannedOffset,
  printError,
  printPlans,
  withinLogs,
} from "../../runner/offset-plans.ts";
import { assignmentText } from "./consumer-groups-describe.ts";
import { csvOf, currentOffsets } from "./consumer-groups-reset.ts";
import { checkShareGroups, SHARE_GROUPS_FLAGS, type ShareGroupsFlag } from "./share-groups-options.ts";

type Options = Chosen<ShareGroupsFlag>;

const STATES = ["Stable", "Empty", "Dead"];
const NONE = "-";
const widthOf = (least: number, texts: readonly string[]): number => Math.max(least, ...texts.map(text => text.length));

async function shareGroups(admin: Admin, states: string[] = []): Promise<ListedGroup[]> {
  const all = await admin.groups.list({ types: ["share"], states });
  return hashOrder(
    all.filter(({ type }) => type === "Share"),
    ({ groupId }) => hashOfText(groupId),
  );
}

async function list(admin: Admin, chosen: Options): Promise<void> {
  if (!chosen.has("state")) {
    for (const { groupId } of await shareGroups(admin)) console.log(groupId);
    return;
  }
  const text = chosen.text("state") ?? "";
  const states = (text === "" ? [] : splitJava(text, ",")).map(part => {
    const found = STATES.find(state => state.toLowerCase() === part.trim().toLowerCase());
    if (found === undefined)
      throw new UsageError(`Invalid state list '${text}'. Valid states are: ${STATES.join(", ")}`);
    return found;
  });
  const groups = await shareGroups(admin, states);
  const widths = [
    widthOf(
      15,
      groups.map(({ groupId }) => groupId),
    ),
  ];
  console.log(columns(widths, ["GROUP", "STATE"]));
  for (const { groupId, state } of groups) console.log(columns(widths, [groupId, state]));
}

async function described(admin: Admin, groups: readonly string[]): Promise<DescribedGroup[]> {
  const found = [...(await admin.groups.describe(groups)).orThrow().values()];
  const other = found.find(({ type }) => type !== "Share");
  if (other !== undefined) {
    const detail = `Group ${other.groupId} is not a share group.`;
    throw new KafkaError("GROUP_ID_NOT_FOUND", detail, { detail });
  }
  return found.sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
}

function tellState({ groupId, state }: DescribedGroup): void {
  if (state === "Dead") printError(`Share group '${groupId}' does not exist.`);
  else if (state === "Empty") console.error(`\nShare group '${groupId}' has no active members.`);
}

function showMembers(group: DescribedGroup, verbose: boolean): void {
  tellState(group);
  if (group.state === "Dead" || group.members.length === 0) return;
  const members = group.members.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1));
  const widths = [
    widthOf(15, [group.groupId]),
    widthOf(
      15,
      members.map(({ memberId }) => memberId),
    ),
    widthOf(
      15,
      members.map(({ host }) => host),
    ),
    widthOf(
      15,
      members.map(({ clientId }) => clientId),
    ),
    ...(verbose ? [12, 13] : [12]),
  ];
  const head = ["GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS", ...(verbose ? ["MEMBER-EPOCH"] : [])];
  const rows = members.map(({ memberId, host, clientId, assignment, memberEpoch }) => {
    const epoch = verbose ? [String(memberEpoch ?? NONE)] : [];
    const place = assignment.length === 0 ? "" : assignmentText(assignment);
    return [group.groupId, memberId, host, clientId, String(assignment.length), ...epoch, place];
  });
  const lines = [[...head, "ASSIGNMENT"], ...rows].map(cells => `\n${columns(widths, cells)}`);
  console.log(lines.join(""));
}

async function showState(client: ClusterClient, group: DescribedGroup, verbose: boolean): Promise<void> {
  tellState(group);
  const { id, host, port } = await client.coordinator("group", group.groupId);
  const coordinator = `${host}:${port}  (${id})`;
  const widths = [widthOf(15, [group.groupId]), widthOf(25, [coordinator]), 15, ...(verbose ? [12, 17] : [])];
  const heads = verbose ? ["GROUP-EPOCH", "ASSIGNMENT-EPOCH"] : [];
  const epochs = verbose ? [String(group.groupEpoch), String(group.assignmentEpoch)] : [];
  const head = columns(widths, ["GROUP", "COORDINATOR (ID)", "STATE", ...heads, "#MEMBERS"]);
  const row = columns(widths, [group.groupId, coordinator, group.state, ...epochs, String(group.members.length)]);
  console.log(`\n${head}\n${row}`);
}

async function offsetsOf(admin: Admin, group: string): Promise<ShareOffset[]> {
  return (await admin.shareGroups.offsets([group])).value(group);
}

function showOffsets(groupId: string, offsets: readonly ShareOffset[], verbose: boolean): void {
  if (offsets.length === 0) return console.log(`\nShare group '${groupId}' has no offset information.`);
  const sorted = offsets.toSorted((a, b) =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
  );
  const widths = [
    widthOf(15, [groupId]),
    widthOf(
      15,
      sorted.map(({ topic }) => topic),
    ),
    ...(verbose ? [10, 13, 13] : [10, 13]),
  ];
  const heads = verbose ? ["LEADER-EPOCH"] : [];
  const rows = sorted.map(({ topic, partition, startOffset, leaderEpoch, lag }) => {
    const isKnown = startOffset >= 0;
    const epoch = verbose ? [isKnown && leaderEpoch >= 0 ? String(leaderEpoch) : NONE] : [];
    const place = [groupId, topic, String(partition), ...epoch, isKnown ? String(startOffset) : NONE];
    return [...place, isKnown && lag >= 0 ? String(lag) : NONE];
  });
  const lines = [["GROUP", "TOPIC", "PARTITION", ...heads, "START-OFFSET", "LAG"], ...rows];
  console.log(lines.map(cells => `\n${columns(widths, cells)}`).join(""));
}

async function describe(admin: Admin, client: ClusterClient, chosen: Options): Promise<void> {
  const groups = chosen.has("all-groups")
    ? (await shareGroups(admin)).map(({ groupId }) => groupId)
    : chosen.texts("group");
  const verbose = chosen.has("verbose");
  for (const group of await described(admin, groups)) {
    if (chosen.has("members")) showMembers(group, verbose);
    else if (chosen.has("state")) await showState(client, group, verbose);
    else showOffsets(group.groupId, await offsetsOf(admin, group.groupId), verbose);
  }
}

/** Errors of groups that cannot be deleted, found before they are asked about. */
function refusals(groups: readonly string[], listed: readonly ListedGroup[]): Map<string, string> {
  const errors = new Map<string, string>();
  const exception = (name: string, message: string): string => `org.apache.kafka.common.errors.${name}: ${message}`;
  for (const group of groups) {
    const found = listed.find(({ groupId }) => groupId === group);
    if (found === undefined) {
      errors.set(group, exception("GroupIdNotFoundException", `Group '${group}' is not a share group.`));
    } else if (found.state === "Dead") {
      errors.set(group, `java.lang.IllegalStateException: Share group '${group}' group state is DEAD.`);
    } else if (found.state !== "Empty") {
      errors.set(group, exception("GroupNotEmptyException", `Share group '${group}' is not EMPTY.`));
    }
  }
  return errors;
}

async function remove(admin: Admin, chosen: Options): Promise<void> {
  const listed = await shareGroups(admin);
  const groups = chosen.has("all-groups") ? listed.map(({ groupId }) => groupId) : [...new Set(chosen.texts("group"))];
  const errors = refusals(groups, listed);
  const wanted = groups.filter(group => !errors.has(group));
  const outcomes = wanted.length === 0 ? undefined : await admin.groups.delete(wanted);
  for (const [group, error] of outcomes?.errors ?? []) errors.set(group, javaText(error));
  const deleted = hashOrderOfTexts(wanted.filter(group => !errors.has(group)));
  const quoted = deleted.map(group => `'${group}'`).join(", ");
  if (errors.size === 0) {
    console.log(`Deletion of requested share groups (${quoted}) was successful.`);
    return;
  }
  printError("Deletion of some share groups failed:");
  for (const [group, error] of hashOrder(errors, ([name]) => hashOfText(name))) {
    console.log(`* Group '${group}' could not be deleted due to: ${error}`);
  }
  if (deleted.length > 0) console.log(`\nThese share groups were deleted successfully: ${quoted}`);
}

/** Errors of a group that stand for all its topics. */
const OF_GROUP = new Set(["INVALID_GROUP_ID", "GROUP_ID_NOT_FOUND", "GROUP_AUTHORIZATION_FAILED", "NON_EMPTY_GROUP"]);
const OF_TOPIC = new Set(["TOPIC_AUTHORIZATION_FAILED", "UNKNOWN_TOPIC_OR_PARTITION"]);

async function deleteOffsets(admin: Admin, chosen: Options): Promise<void> {
  const group = chosen.text("group") ?? "";
  const topics = [...new Set(chosen.texts("topic"))].sort();
  const errors = new Map<string, KafkaError>();
  let failure: KafkaError | undefined;
  try {
    const found = (await admin.shareGroups.deleteOffsets(group, topics)).errors;
    for (const [topic, error] of found) errors.set(topic, error);
    failure = [...found.values()][0];
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    failure = error;
    for (const topic of topics) errors.set(topic, error);
  }
  if (failure !== undefined && OF_GROUP.has(failure.name)) printError(javaMessage(failure));
  else if (failure !== undefined && !OF_TOPIC.has(failure.name)) {
    printError(`Encounter some unknown error: ${javaText(failure)}`);
  }
  const widths = [widthOf(15, topics)];
  const rows = topics.map(topic => {
    const error = errors.get(topic);
    return [topic, error === undefined ? "Successful" : `Error: ${javaMessage(error)}`];
  });
  console.log([["TOPIC", "STATUS"], ...rows].map(cells => `\n${columns(widths, cells)}`).join(""));
}

async function planned(admin: Admin, chosen: Options, group: string): Promise<PlannedOffset[]> {
  const present = async (): Promise<PlannedOffset[]> =>
    (await offsetsOf(admin, group)).map(({ topic, partition, startOffset }) => ({
      topic,
      partition,
      offset: startOffset,
    }));
  const partitions: TopicPartition[] = chosen.has("topic")
    ? await partitionsInArguments(admin, chosen.texts("topic"))
    : (await present()).map(({ topic, partition }) => ({ topic, partition }));
  await checkPartitions(admin, partitions);
  const plans = await plansOfPlace(admin, partitions, chosen);
  if (plans !== undefined) return plans;
  if (chosen.has("to-datetime"))
    return offsetsAtTime(admin, partitions, dateTime(chosen.texts("to-datetime")[0] ?? ""));
  if (chosen.has("to-current")) {
    return currentOffsets(
      admin,
      partitions,
      (await present()).filter(({ offset }) => offset >= 0),
    );
  }
  const wanted = planInFile(chosen.texts("from-file")[0] ?? "", group).get(group);
  if (wanted !== undefined) return withinLogs(admin, wanted);
  printError(`No reset plan for group ${group} found.`);
  return [];
}

async function resetOffsets(admin: Admin, chosen: Options): Promise<void> {
  const group = chosen.text("group") ?? "";
  const found = (await admin.groups.describe([group])).get(group);
  if (found instanceof KafkaError && found.name !== "GROUP_ID_NOT_FOUND") {
    console.error(javaMessage(found));
    throw new Exit(1);
  }
  if (found !== undefined && !(found instanceof KafkaError) && found.type === "Share") {
    if (found.state !== "Empty" && found.state !== "Dead") {
      console.error(`Share group '${group}' is not empty.`);
      throw new Exit(1);
    }
  }
  const offsets = await planned(admin, chosen, group);
  if (chosen.has("execute") && offsets.length > 0) {
    const starts = offsets.map(({ topic, partition, offset }) => ({ topic, partition, startOffset: offset }));
    (await admin.shareGroups.alterOffsets(group, starts)).orThrow();
  }
  const plans = new Map(offsets.length === 0 ? [] : [[group, offsets] as const]);
  if (chosen.has("export")) console.log(csvOf(plans, false));
  else printPlans(plans);
}

async function act(admin: Admin, client: ClusterClient, chosen: Options): Promise<void> {
  if (chosen.has("list")) return list(admin, chosen);
  if (chosen.has("describe")) return describe(admin, client, chosen);
  if (chosen.has("delete")) return remove(admin, chosen);
  return chosen.has("reset-offsets") ? resetOffsets(admin, chosen) : deleteOffsets(admin, chosen);
}

/** kafka-share-groups (`ShareGroupCommand`). */
export const kafkaShareGroups = joptTool<ShareGroupsFlag>({
  about: "Lists, describes and deletes share groups, and sets their offsets.",
  flags: SHARE_GROUPS_FLAGS,
  mistakes: "failed",
  run: async chosen => {
    checkShareGroups(chosen);
    const properties = loadProperties(chosen.text("command-config"));
    try {
      const servers = chosen.text("bootstrap-server");
      const own = { apiTimeoutMs: chosen.number("timeout") ?? 0 };
      await withAdmin(servers, properties, (admin, client) => act(admin, client, chosen), own);
    } catch (error) {
      if (error instanceof ToolError && error.javaClass === ILLEGAL_ARGUMENT) throw new UsageError(error.message);
      const isKnown = error instanceof ToolError || error instanceof OptionError || error instanceof KafkaError;
      if (!isKnown) throw error;
      printError(`Executing share group command failed due to ${reasonOf(error, chosen)}`);
    }
    // Failures do not change the exit code of Kafka's tool.
    return 0;
  },
  failed: printUncaught,
});

/** Message of an error: that of the exception in a future, where the tool does not take it out. */
function reasonOf(error: KafkaError | ToolError | OptionError, chosen: Options): string {
  if (!(error instanceof KafkaError)) return error.message;
  return chosen.has("describe") && chosen.has("group") ? javaText(error) : javaMessage(error);
}
