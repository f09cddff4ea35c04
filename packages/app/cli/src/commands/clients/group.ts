import type { Offset } from "@samsa/base";
import { KafkaError, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { Admin } from "@samsa/client-runtime";
import type { Common } from "../../settings/client-settings.ts";
import { administered } from "./client.ts";
import { partitionsOf, targets } from "./partitions.ts";
import { Failure } from "../../terminal/failure.ts";
import { toJson } from "../../terminal/json.ts";
import { dash, printTable, table } from "../../terminal/table.ts";

type Described = Awaited<ReturnType<Admin["groups"]["describe"]>> extends { value(key: string): infer T } ? T : never;

interface ListOptions extends Common {
  readonly state: readonly string[];
  readonly type: readonly string[];
}

/** `samsa group list`. */
export function list(options: ListOptions): Promise<void> {
  return administered(options, async admin => {
    const groups = await admin.groups.list({ states: options.state, types: options.type });
    groups.sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
    if (options.json === true) return console.log(toJson(groups));
    const rows = groups.map(({ groupId, type, protocolType, state }) => [groupId, type, protocolType, state]);
    printTable(["GROUP", "TYPE", "PROTOCOL", "STATE"], rows);
  });
}

/** A partition that a group has committed an offset of, or is assigned. */
interface Progress extends TopicPartition {
  readonly committed: Offset | null;
  readonly end: Offset | null;
  readonly lag: number | null;
  readonly member: string | null;
  readonly host: string | null;
}

/** Progress of a group in each of its partitions, in their order. */
async function progressOf(admin: Admin, group: Described): Promise<Progress[]> {
  const committed = (await admin.groups.offsets([group.groupId])).value(group.groupId);
  const owners = new Map(
    group.members.flatMap(member =>
      member.assignment.map(entry => [partitionKey(entry.topic, entry.partition), { entry, member }] as const),
    ),
  );
  const offsets = new Map(committed.map(entry => [partitionKey(entry.topic, entry.partition), entry]));
  const partitions = new Map<string, TopicPartition>(committed.map(e => [partitionKey(e.topic, e.partition), e]));
  for (const [key, { entry }] of owners) partitions.set(key, entry);
  const wanted = [...partitions.values()].map(({ topic, partition }) => ({ topic, partition, at: "latest" as const }));
  const ends = await admin.offsets(wanted, { timeoutMs: 5000 });
  const progress = [...partitions].map(([key, { topic, partition }]): Progress => {
    const end = ends.get(key);
    const at = offsets.get(key)?.offset ?? null;
    const last = end === undefined || end instanceof KafkaError ? null : end.offset;
    const member = owners.get(key)?.member;
    const lag = at === null || last === null ? null : Math.max(0, last - at);
    return {
      topic,
      partition,
      committed: at,
      end: last,
      lag,
      member: member?.memberId ?? null,
      host: member?.host ?? null,
    };
  });
  return progress.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1));
}

interface DescribeOptions extends Common {
  readonly members?: boolean;
}

/** `samsa group describe`. Without names, of all groups. */
export function describe(names: readonly string[], options: DescribeOptions): Promise<void> {
  return administered(options, async admin => {
    const groupIds = names.length > 0 ? names : (await admin.groups.list()).map(({ groupId }) => groupId);
    const groups = (await admin.groups.describe(groupIds)).orThrow();
    const all: (Described & { readonly offsets: readonly Progress[] })[] = [];
    for (const group of groups.values()) {
      all.push({ ...group, offsets: group.type === "Share" ? [] : await progressOf(admin, group) });
    }
    if (options.json === true) return console.log(toJson(all));
    all.forEach((group, i) => {
      if (i > 0) console.log();
      for (const line of described(group, options.members === true)) console.log(line);
    });
  });
}

function described(group: Described & { readonly offsets: readonly Progress[] }, withMembers: boolean): string[] {
  const { groupId, type, state, assignor, members, offsets } = group;
  const lag = offsets.reduce((sum, progress) => sum + (progress.lag ?? 0), 0);
  const assigned = assignor === "" ? "" : `, ${assignor}`;
  const lines = [`${groupId}: ${type}, ${state}${assigned}, ${members.length} members, lag ${lag}`];
  if (withMembers) {
    const rows = members.map(member => [
      member.memberId,
      dash(member.instanceId),
      member.clientId,
      member.host,
      dash(member.memberEpoch),
      String(member.assignment.length),
    ]);
    return [...lines, ...table([["MEMBER", "INSTANCE", "CLIENT", "HOST", "EPOCH", "PARTITIONS"], ...rows])];
  }
  const rows = offsets.map(({ topic, partition, committed, end, lag: behind, member, host }) => [
    topic,
    ...[String(partition), dash(committed), dash(end), dash(behind), dash(member), dash(host)],
  ]);
  const header = ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER", "HOST"];
  return rows.length === 0 ? lines : [...lines, ...table([header, ...rows])];
}

interface ResetOptions extends Common {
  readonly topic: readonly string[];
  readonly allTopics?: boolean;
  readonly to?: string;
  readonly by?: string;
  readonly dryRun?: boolean;
}

/** Partitions that the options name: topics, or `topic:0,1`. */
async function chosen(admin: Admin, groupId: string, options: ResetOptions): Promise<TopicPartition[]> {
  if (options.allTopics === true) return [...(await admin.groups.offsets([groupId])).value(groupId)];
  return partitionsOf(admin, options.topic, "--topic");
}

/** `samsa group reset`: sets the committed offsets of a group without members. */
export function reset(groupId: string, options: ResetOptions): Promise<void> {
  const { to, by } = options;
  if ((to === undefined) === (by === undefined)) throw new Failure("give --to or --by");
  if ((options.topic.length === 0) === (options.allTopics !== true)) throw new Failure("give --topic or --all-topics");
  if (by !== undefined && !/^[+-]?\d{1,15}$/.test(by)) throw new Failure(`--by wants a number of records, not "${by}"`);
  return administered(options, async admin => {
    const found = (await admin.groups.describe([groupId])).get(groupId);
    const isActive = found !== undefined && !(found instanceof KafkaError) && found.members.length > 0;
    if (isActive) throw new Failure(`${groupId} has members: stop them first, or they would go on where they are`);
    const partitions = await chosen(admin, groupId, options);
    if (partitions.length === 0) throw new Failure(`${groupId} has committed no offsets: name the topics with --topic`);
    const before = await committedOffsets(admin, groupId);
    const after = await targets(admin, partitions, { to, by: by === undefined ? undefined : Number(by), before });
    if (options.dryRun !== true) (await admin.groups.alterOffsets(groupId, after)).orThrow();
    const changes = after.map(({ topic, partition, offset }) => ({
      ...{ topic, partition, offset },
      before: before.get(partitionKey(topic, partition)) ?? null,
    }));
    if (options.json === true) return console.log(toJson({ groupId, applied: options.dryRun !== true, changes }));
    const rows = changes.map(({ topic, partition, before: old, offset }) => [
      topic,
      String(partition),
      dash(old),
      String(offset),
    ]);
    printTable(["TOPIC", "PARTITION", "BEFORE", "AFTER"], rows);
    if (options.dryRun === true) console.log("Nothing was changed (--dry-run).");
  });
}

async function committedOffsets(admin: Admin, groupId: string): Promise<Map<string, Offset>> {
  const committed = (await admin.groups.offsets([groupId])).value(groupId);
  return new Map(committed.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
}

/** `samsa group delete`. */
export function remove(names: readonly string[], options: Common): Promise<void> {
  return administered(options, async admin => {
    const deleted = await admin.groups.delete(names);
    deleted.orThrow();
    if (options.json === true) return console.log(toJson({ deleted: names }));
    for (const name of names) console.log(`Deleted group ${name}.`);
  });
}

interface WatchOptions extends Common {
  readonly interval: string;
  readonly count?: string;
}

/** `samsa group watch`: the lag of a group, again and again. */
export function watch(groupId: string, options: WatchOptions): Promise<void> {
  const [, seconds] = /^(\d{1,5}(?:\.\d+)?)s?$/.exec(options.interval) ?? [];
  if (seconds === undefined || Number(seconds) <= 0) {
    throw new Failure(`--interval wants a number of seconds, not "${options.interval}"`);
  }
  const times = options.count === undefined ? Infinity : Number(options.count);
  if (!(times >= 1)) throw new Failure(`--count wants a whole number from 1, not "${options.count}"`);
  return administered(options, async admin => {
    let last: { readonly at: number; readonly committed: number } | undefined;
    for (let i = 0; i < times; i++) {
      if (i > 0) await new Promise(resolve => setTimeout(resolve, Number(seconds) * 1000));
      const group = (await admin.groups.describe([groupId])).value(groupId);
      const progress = await progressOf(admin, group);
      const sum = (of: (entry: Progress) => number | null): number =>
        progress.reduce((all, e) => all + (of(e) ?? 0), 0);
      const [lag, committed, at] = [sum(e => e.lag), sum(e => e.committed), performance.now()];
      const rate = last === undefined ? null : Math.round(((committed - last.committed) * 1000) / (at - last.at));
      last = { at, committed };
      const facts = { groupId, state: group.state, members: group.members.length, lag, rate };
      if (options.json === true) console.log(toJson(facts));
      else
        console.log(
          `${group.state}, ${facts.members} members, lag ${lag}${rate === null ? "" : `, ${rate} records/s`}`,
        );
    }
  });
}
