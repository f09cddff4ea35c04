import { KafkaError, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { Admin } from "@samsa/client-runtime";
import { ToolError, UsageError } from "../../java/exits.ts";
import { type Chosen, shown } from "../../flags/jopt.ts";
import { javaMessage, sentenceOf } from "../../java/errors.ts";
import { hashOfPartition, hashOrder, hashOrderOfTexts } from "../../java/hash-order.ts";
import { partitionText } from "../../java/text.ts";
import { wrapping } from "../../runner/java-failures.ts";
import {
  checkPartitions,
  dateTime,
  durationOf,
  offsetsAt,
  offsetsAtTime,
  partitionsInArguments,
  planInFile,
  plansOfPlace,
  type PlannedOffset,
  printError,
  printPlans,
  withinLogs,
} from "../../runner/offset-plans.ts";
import type { ConsumerGroupsFlag } from "./consumer-groups-flags.ts";

type Options = Chosen<ConsumerGroupsFlag>;

const KAFKA_EXCEPTION = "org.apache.kafka.common.KafkaException";

/** Options that say where offsets go. */
export const RESET_SCENARIOS = [
  ...(["to-offset", "shift-by", "to-datetime", "by-duration", "to-earliest", "to-latest", "to-current"] as const),
  "from-file" as const,
];

/** Committed offsets of a group. */
function committed(admin: Admin, group: string): Promise<readonly PlannedOffset[]> {
  return wrapping(async () => (await admin.groups.offsets([group])).value(group));
}

async function partitionsOf(admin: Admin, chosen: Options, group: string): Promise<TopicPartition[]> {
  if (chosen.has("all-topics")) {
    const all = await committed(admin, group);
    return all.map(({ topic, partition }) => ({ topic, partition }));
  }
  if (chosen.has("topic")) return partitionsInArguments(admin, chosen.texts("topic"));
  if (chosen.has("from-file")) return [];
  throw new UsageError("One of the reset scopes should be defined: --all-topics, --topic.");
}

function moved(partitions: readonly TopicPartition[], present: readonly PlannedOffset[], by: number): PlannedOffset[] {
  const before = new Map(present.map(one => [partitionKey(one.topic, one.partition), one.offset]));
  return partitions.map(({ topic, partition }) => {
    const offset = before.get(partitionKey(topic, partition));
    if (offset !== undefined) return { topic, partition, offset: offset + by };
    const name = partitionText({ topic, partition });
    throw new ToolError(`Cannot shift offset for partition ${name} since there is no current committed offset`);
  });
}

/** Present offsets; ends of the logs of partitions without one. */
export async function currentOffsets(
  admin: Admin,
  partitions: readonly TopicPartition[],
  present: readonly PlannedOffset[],
) {
  const before = new Map(present.map(one => [partitionKey(one.topic, one.partition), one]));
  const known = partitions.flatMap(({ topic, partition }) => before.get(partitionKey(topic, partition)) ?? []);
  const others = partitions.filter(({ topic, partition }) => !before.has(partitionKey(topic, partition)));
  return [...known, ...(await offsetsAt(admin, others, "latest"))];
}

async function fromFile(admin: Admin, chosen: Options, group: string): Promise<PlannedOffset[]> {
  const groups = chosen.texts("group");
  const plan = planInFile(chosen.texts("from-file")[0] ?? "", groups.length === 1 ? groups[0] : undefined);
  const wanted = plan.get(group);
  if (wanted !== undefined) return withinLogs(admin, wanted);
  printError(`No reset plan for group ${group} found.`);
  return [];
}

async function planned(admin: Admin, chosen: Options, group: string): Promise<PlannedOffset[]> {
  const partitions = await partitionsOf(admin, chosen, group);
  await checkPartitions(admin, partitions);
  const plans = await plansOfPlace(admin, partitions, chosen);
  if (plans !== undefined) return plans;
  if (chosen.has("shift-by")) {
    const by = chosen.number("shift-by") ?? 0;
    return withinLogs(admin, moved(partitions, await committed(admin, group), by));
  }
  if (chosen.has("to-datetime"))
    return offsetsAtTime(admin, partitions, dateTime(chosen.texts("to-datetime")[0] ?? ""));
  if (chosen.has("by-duration")) {
    return offsetsAtTime(admin, partitions, Date.now() - durationOf(chosen.text("by-duration") ?? ""));
  }
  if (chosen.has("from-file")) return fromFile(admin, chosen, group);
  if (chosen.has("to-current")) return currentOffsets(admin, partitions, await committed(admin, group));
  const scenarios = RESET_SCENARIOS.map(shown).join(", ");
  throw new UsageError(`Option '${shown("reset-offsets")}' requires one of the following scenarios: [${scenarios}]`);
}

async function resetInactive(admin: Admin, chosen: Options, group: string): Promise<PlannedOffset[]> {
  try {
    const offsets = await planned(admin, chosen, group);
    if (chosen.has("dry-run") || !chosen.has("execute") || offsets.length === 0) return offsets;
    (await admin.groups.alterOffsets(group, offsets)).orThrow();
    return offsets;
  } catch (error) {
    // The tool takes the exception out of the future.
    throw error instanceof KafkaError ? new ToolError(javaMessage(error), KAFKA_EXCEPTION) : error;
  }
}

/** State of a group; "Dead" if there is none. */
async function stateOf(admin: Admin, group: string): Promise<string> {
  const found = (await admin.groups.describe([group])).get(group);
  if (!(found instanceof KafkaError)) return found?.state ?? "Dead";
  if (found.name === "GROUP_ID_NOT_FOUND") return "Dead";
  return wrapping(() => Promise.reject(found));
}

/** Offsets as lines of CSV. */
export function csvOf(plans: ReadonlyMap<string, readonly PlannedOffset[]>, withGroups: boolean): string {
  const cell = (text: string): string => (/[",\s]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return [...plans]
    .flatMap(([group, entries]) =>
      hashOrder(entries, hashOfPartition).map(
        ({ topic, partition, offset }) =>
          `${withGroups ? `${cell(group)},` : ""}${cell(topic)},${partition},${offset}\n`,
      ),
    )
    .join("");
}

/** `--reset-offsets`. */
export async function resetOffsets(admin: Admin, chosen: Options, groups: readonly string[]): Promise<void> {
  const plans = new Map<string, PlannedOffset[]>();
  for (const group of hashOrderOfTexts(new Set(groups))) {
    const state = await stateOf(admin, group);
    if (state === "Empty" || state === "Dead") plans.set(group, await resetInactive(admin, chosen, group));
    else {
      printError(
        `Assignments can only be reset if the group '${group}' is inactive, but the current state is ${state}.`,
      );
      plans.set(group, []);
    }
  }
  if (chosen.has("export")) console.log(csvOf(plans, chosen.texts("group").length !== 1));
  else printPlans(plans);
}

/** Errors that are those of the whole group. */
const OF_GROUP: ReadonlySet<string> = new Set([
  ...["INVALID_GROUP_ID", "GROUP_ID_NOT_FOUND", "GROUP_AUTHORIZATION_FAILED", "NON_EMPTY_GROUP"],
]);
const OF_PARTITION: ReadonlySet<string> = new Set([
  ...["GROUP_SUBSCRIBED_TO_TOPIC", "TOPIC_AUTHORIZATION_FAILED", "UNKNOWN_TOPIC_OR_PARTITION"],
]);

/** First error about a group's partitions, or about the group, as the sentence that tells of it. */
export function deletionHeadline(group: string, error: KafkaError | undefined): void {
  if (error === undefined) console.log(`Request succeeded for deleting offsets from group ${group}.`);
  else if (OF_GROUP.has(error.name)) printError(sentenceOf(error));
  else if (OF_PARTITION.has(error.name)) {
    printError("Encountered some partition-level error, see the follow-up details.");
  } else printError(`Encountered some unknown error: ${error.name}`);
}
