import type { Offset } from "@samsa/base";
import { partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { Admin, OffsetSpec } from "@samsa/client-runtime";
import { ToolError } from "../java/exits.ts";
import { hashOfPartition, hashOrder } from "../java/hash-order.ts";
import { readText } from "../java/json.ts";
import { parseInteger, parseLong, partitionText } from "../java/text.ts";
import { wrapping } from "./java-failures.ts";

/** Offset of a partition. */
export type PlannedOffset = TopicPartition & { readonly offset: Offset };

type Place = "to-offset" | "to-earliest" | "to-latest";

/** Error text before what went wrong, as these tools print it. */
export function printError(message: string): void {
  console.log(`\nError: ${message}`);
}

/** Partitions in an argument `topic:0,1,2`. Throws `ToolError`. */
export function partitionsInArgument(text: string): TopicPartition[] {
  const [topic = "", list, ...more] = text.split(":");
  if (list === undefined || list === "" || more.some(part => part !== "")) {
    throw new ToolError(`Invalid topic arg '${text}', expected topic name and partitions`);
  }
  return list.split(",").map(part => {
    const partition = parseInteger(part);
    if (partition !== undefined) return { topic, partition };
    throw new ToolError(`Invalid partition '${part}' specified in topic arg '${text}''`);
  });
}

/** Partitions that arguments name: `topic`, or `topic:0,1,2`. */
export async function partitionsInArguments(admin: Admin, args: readonly string[]): Promise<TopicPartition[]> {
  const named = args.filter(arg => arg.includes(":")).flatMap(partitionsInArgument);
  const topics = args.filter(arg => !arg.includes(":"));
  if (topics.length === 0) return named;
  const described = (await admin.topics.describe(topics)).orThrow();
  const others = [...described].flatMap(([topic, { partitions }]) =>
    partitions.map(({ partition }) => ({ topic, partition })),
  );
  return [...named, ...others];
}

/** Plans of `--to-offset`, `--to-earliest` and `--to-latest`; undefined: none of them is chosen. */
export async function plansOfPlace(
  admin: Admin,
  partitions: readonly TopicPartition[],
  chosen: { has(name: Place): boolean; numbers(name: "to-offset"): readonly number[] },
): Promise<PlannedOffset[] | undefined> {
  if (chosen.has("to-offset")) {
    const offset = chosen.numbers("to-offset")[0] ?? 0;
    return withinLogs(
      admin,
      partitions.map(({ topic, partition }) => ({ topic, partition, offset })),
    );
  }
  if (chosen.has("to-earliest")) return offsetsAt(admin, partitions, "earliest");
  return chosen.has("to-latest") ? offsetsAt(admin, partitions, "latest") : undefined;
}

/** Throws `ToolError` unless all partitions exist and have a leader. */
export async function checkPartitions(admin: Admin, partitions: readonly TopicPartition[]): Promise<void> {
  const topics = [...new Set(partitions.map(({ topic }) => topic))];
  if (topics.length === 0) return;
  const described = await wrapping(async () => (await admin.topics.describe(topics)).orThrow());
  const leaders = new Map(
    [...described].flatMap(([topic, { partitions: all }]) =>
      all.map(({ partition, leader }) => [partitionKey(topic, partition), leader] as const),
    ),
  );
  const list = (some: readonly TopicPartition[]): string => some.map(partitionText).join(",");
  const leaderOf = ({ topic, partition }: TopicPartition) => leaders.get(partitionKey(topic, partition));
  const missing = partitions.filter(entry => leaderOf(entry) === undefined);
  if (missing.length > 0) {
    throw new ToolError(
      `The partitions "${list(missing)}" do not exist`,
      "org.apache.kafka.common.errors.UnknownTopicOrPartitionException",
    );
  }
  const orphans = partitions.filter(entry => (leaderOf(entry) ?? -1) < 0);
  if (orphans.length > 0) {
    throw new ToolError(
      `The partitions "${list(orphans)}" have no leader`,
      "org.apache.kafka.common.errors.LeaderNotAvailableException",
    );
  }
}

/** Offsets of a place in logs. */
export async function offsetsAt(
  admin: Admin,
  partitions: readonly TopicPartition[],
  at: OffsetSpec,
): Promise<PlannedOffset[]> {
  if (partitions.length === 0) return [];
  const specs = partitions.map(({ topic, partition }) => ({ topic, partition, at }));
  const found = await wrapping(async () => (await admin.offsets(specs)).orThrow());
  return partitions.map(({ topic, partition }) => {
    const offset = found.get(partitionKey(topic, partition))?.offset ?? -1;
    return { topic, partition, offset };
  });
}

/** Offsets within the bounds of the logs. */
export async function withinLogs(admin: Admin, wanted: readonly PlannedOffset[]): Promise<PlannedOffset[]> {
  const [starts, ends] = [await offsetsAt(admin, wanted, "earliest"), await offsetsAt(admin, wanted, "latest")];
  return wanted.map(({ topic, partition, offset }, i) => {
    const [start = 0, end = offset] = [starts[i]?.offset, ends[i]?.offset];
    const warn = (what: string, bound: Offset): void => {
      const name = partitionText({ topic, partition });
      console.error(
        `WARN New offset (${offset}) is ${what} offset for topic partition ${name}. Value will be set to ${bound}.`,
      );
    };
    if (offset > end) warn("higher than latest", end);
    else if (offset < start) warn("lower than earliest", start);
    return { topic, partition, offset: offset > end ? end : Math.max(offset, start) };
  });
}

/** Offsets of the first records at or after a time; the ends of the logs that have none. */
export async function offsetsAtTime(
  admin: Admin,
  partitions: readonly TopicPartition[],
  timestamp: number,
): Promise<PlannedOffset[]> {
  const found = await offsetsAt(admin, partitions, { timestamp });
  const empty = found.filter(({ offset }) => offset < 0);
  for (const { topic, partition } of hashOrder(empty, hashOfPartition)) {
    console.log(`\nWarn: Partition ${partition} from topic ${topic} is empty. Falling back to latest known offset.`);
  }
  return [...found.filter(({ offset }) => offset >= 0), ...(await offsetsAt(admin, empty, "latest"))];
}

function refuseDate(message: string): never {
  throw new ToolError(`java.text.ParseException: ${message}`, "java.lang.RuntimeException");
}

/** Time of `--to-datetime` in ms (`Utils.getDateTime`). Throws `ToolError`. */
export function dateTime(text: string): number {
  if (!text.includes("T")) {
    refuseDate("Error parsing timestamp. It does not contain a 'T' according to ISO8601 format");
  }
  const clock = text.slice(text.indexOf("T") + 1);
  const zoned = /[+\-Z]/.test(clock) ? text : `${text}Z`;
  const parts = /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)\.(\d+)(Z|[+-]\d{2}(?::?\d{2})?)$/.exec(zoned);
  if (parts === null) refuseDate(`Unparseable date: "${zoned}"`);
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0, ms = 0] = parts.slice(1, 8).map(Number);
  const date = new Date(Date.UTC(year, month - 1, day, hours, minutes, seconds, ms));
  const fields = [
    date.getUTCMonth(),
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
  ];
  const given = [month - 1, day, hours, minutes, seconds];
  if (fields.some((field, i) => field !== given[i])) refuseDate(`Unparseable date: "${zoned}"`);
  const zone = parts[8] ?? "Z";
  const [, sign = "+", hour = "0", minute = "0"] = /([+-])(\d{2}):?(\d{2})?/.exec(zone) ?? [];
  const offset = (Number(hour) * 60 + Number(minute)) * (sign === "-" ? -1 : 1);
  return date.getTime() - offset * 60_000;
}

/** Duration of `--by-duration` in ms (`Duration.parse`). Throws `ToolError`. */
export function durationOf(text: string): number {
  const number = "([-+]?\\d+)";
  const pattern = new RegExp(
    `^([-+]?)P(?:${number}D)?(T(?:${number}H)?(?:${number}M)?(?:([-+]?\\d+)(?:[.,](\\d{0,9}))?S)?)?$`,
    "i",
  );
  const found = pattern.exec(text);
  const [, sign = "", days, time, hours, minutes, seconds, fraction = ""] = found ?? [];
  const given = [days, hours, minutes, seconds].some(part => part !== undefined);
  if (found === null || !given || time?.toUpperCase() === "T") {
    throw new ToolError("Text cannot be parsed to a Duration", "java.time.format.DateTimeParseException");
  }
  const whole = Number(days ?? 0) * 86_400 + Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60;
  const ms = Number(fraction.padEnd(3, "0").slice(0, 3)) * (seconds?.startsWith("-") === true ? -1 : 1);
  return (whole * 1000 + Number(seconds ?? 0) * 1000 + ms) * (sign === "-" ? -1 : 1);
}

/** Offsets in a CSV file by group: lines `topic,partition,offset` of `group`, or lines that begin with a group. */
export function planInFile(file: string, group: string | undefined): Map<string, PlannedOffset[]> {
  const lines = readText(file, true)
    .split("\n")
    .filter(line => line.trim() !== "");
  const plan = new Map<string, PlannedOffset[]>();
  const isShort = group !== undefined && lines[0]?.split(",").length === 3;
  for (const line of lines) {
    const cells = line.split(",").map(cell => cell.trim().replace(/^"(.*)"$/, "$1"));
    const [owner = "", topic = "", index = "", value = ""] = isShort ? [group, ...cells] : cells;
    const [partition, offset] = [parseInteger(index), parseLong(value)];
    if (cells.length !== (isShort ? 3 : 4) || partition === undefined || offset === undefined) {
      throw new ToolError(`the line "${line}" of ${file} is not ${isShort ? "" : "group,"}topic,partition,offset`);
    }
    const entries = plan.get(owner) ?? [];
    plan.set(owner, [
      ...entries.filter(one => one.topic !== topic || one.partition !== partition),
      { topic, partition, offset },
    ]);
  }
  return plan;
}

/** Prints new offsets of groups. */
export function printPlans(plans: ReadonlyMap<string, readonly PlannedOffset[]>): void {
  const all = [...plans.values()].flat();
  const groupWidth = Math.max(15, ...[...plans.keys()].map(group => group.length));
  const topicWidth = Math.max(15, ...all.map(({ topic }) => topic.length));
  const line = (...[group, topic, partition, offset]: readonly string[]): string =>
    `\n${(group ?? "").padEnd(groupWidth)} ${(topic ?? "").padEnd(topicWidth)} ${(partition ?? "").padEnd(10)} ${offset}`;
  let text = plans.size === 0 ? "" : line("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET");
  for (const [group, entries] of plans) {
    for (const { topic, partition, offset } of hashOrder(entries, hashOfPartition)) {
      text += line(group, topic, String(partition), String(offset));
    }
  }
  console.log(text);
}
