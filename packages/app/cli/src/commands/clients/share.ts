import { KafkaError, partitionKey } from "@samsa/client-kernel";
import type { Admin, DescribedGroup, ShareOffset } from "@samsa/client-runtime";
import type { Common } from "../../settings/client-settings.ts";
import { Failure } from "../../terminal/failure.ts";
import { toJson } from "../../terminal/json.ts";
import { dash, known, printTable } from "../../terminal/table.ts";
import { administered } from "./client.ts";
import { partitionsOf, targets } from "./partitions.ts";

/** `samsa share list`. */
export function list(options: Common & { readonly state: readonly string[] }): Promise<void> {
  return administered(options, async admin => {
    const groups = await admin.groups.list({ states: options.state, types: ["share"] });
    groups.sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
    const found = groups.map(({ groupId, state }) => ({ groupId, state }));
    if (options.json === true) return console.log(toJson(found));
    const rows = found.map(({ groupId, state }) => [groupId, state]);
    printTable(["GROUP", "STATE"], rows);
  });
}

/** Describes share groups. Rejects with a `Failure` for a group of another type. */
async function shareGroups(admin: Admin, names: readonly string[]): Promise<DescribedGroup[]> {
  const groups = [...(await admin.groups.describe(names)).orThrow().values()];
  for (const { groupId, type } of groups) {
    if (type !== "Share") throw new Failure(`${groupId} is no share group: samsa group is for it`);
  }
  return groups;
}

async function emptyGroup(admin: Admin, name: string): Promise<void> {
  const [group] = await shareGroups(admin, [name]);
  if (group !== undefined && group.members.length > 0) throw new Failure(`${name} has members: stop them first`);
}

/** Offsets of groups, by their ids, in the order of their partitions. */
async function offsetsOf(admin: Admin, groupIds: readonly string[]): Promise<Map<string, ShareOffset[]>> {
  const all = (await admin.shareGroups.offsets(groupIds)).orThrow();
  for (const offsets of all.values()) {
    offsets.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1));
  }
  return all;
}

/** `samsa share describe`. Without names, of all share groups. */
export function describe(names: readonly string[], options: Common & { readonly members?: boolean }): Promise<void> {
  return administered(options, async admin => {
    const ids = names.length > 0 ? names : (await admin.groups.list({ types: ["share"] })).map(g => g.groupId);
    const groups = await shareGroups(admin, ids);
    const offsetsOfAll = await offsetsOf(admin, ids);
    const all = groups.map(group => ({ group, offsets: offsetsOfAll.get(group.groupId) ?? [] }));
    if (options.json === true) {
      return console.log(
        toJson(
          all.map(({ group: { groupId, state, groupEpoch, assignor, members }, offsets }) => ({
            ...{ groupId, state, groupEpoch, assignor },
            members: members.map(({ memberId, memberEpoch, clientId, host, topics, assignment }) => ({
              ...{ memberId, memberEpoch, clientId, host, topics, assignment },
            })),
            offsets: offsets.map(({ topic, partition, startOffset, lag }) => ({
              ...{ topic, partition, startOffset: known(startOffset), lag: known(lag) },
            })),
          })),
        ),
      );
    }
    all.forEach(({ group, offsets }, i) => {
      if (i > 0) console.log();
      console.log(`${group.groupId}: ${group.state}, ${group.members.length} members`);
      if (options.members === true) showMembers(group);
      else if (offsets.length > 0) showOffsets(offsets);
    });
  });
}

function showMembers({ members }: DescribedGroup): void {
  const rows = members.map(({ memberId, clientId, host, memberEpoch, assignment }) => [
    memberId,
    ...[clientId, host, dash(memberEpoch)],
    assignment.map(({ topic, partition }) => `${topic}:${partition}`).join(" "),
  ]);
  printTable(["MEMBER", "CLIENT", "HOST", "EPOCH", "PARTITIONS"], rows);
}

function showOffsets(offsets: readonly ShareOffset[]): void {
  const rows = offsets.map(({ topic, partition, startOffset, lag }) => [
    topic,
    ...[String(partition), dash(known(startOffset)), dash(known(lag))],
  ]);
  printTable(["TOPIC", "PARTITION", "START", "LAG"], rows);
}

interface ResetOptions extends Common {
  readonly topic: readonly string[];
  readonly allTopics?: boolean;
  readonly to: string;
  readonly dryRun?: boolean;
}

/** `samsa share reset`: sets the start offsets of a share group without members. */
export function reset(groupId: string, options: ResetOptions): Promise<void> {
  if ((options.topic.length === 0) === (options.allTopics !== true)) throw new Failure("give --topic or --all-topics");
  return administered(options, async admin => {
    await emptyGroup(admin, groupId);
    const present = (await offsetsOf(admin, [groupId])).get(groupId) ?? [];
    const partitions = options.allTopics === true ? present : await partitionsOf(admin, options.topic, "--topic");
    if (partitions.length === 0) throw new Failure(`${groupId} has no offsets: name the topics with --topic`);
    const before = new Map(present.map(one => [partitionKey(one.topic, one.partition), one.startOffset]));
    const after = await targets(admin, partitions, { to: options.to, by: undefined, before });
    if (options.dryRun !== true) {
      const starts = after.map(({ topic, partition, offset }) => ({ topic, partition, startOffset: offset }));
      (await admin.shareGroups.alterOffsets(groupId, starts)).orThrow();
    }
    const changes = after.map(({ topic, partition, offset }) => ({
      ...{ topic, partition, offset },
      before: known(before.get(partitionKey(topic, partition)) ?? -1),
    }));
    if (options.json === true) return console.log(toJson({ groupId, applied: options.dryRun !== true, changes }));
    const rows = changes.map(({ topic, partition, before: old, offset }) => [
      topic,
      ...[String(partition), dash(old), String(offset)],
    ]);
    printTable(["TOPIC", "PARTITION", "BEFORE", "AFTER"], rows);
    if (options.dryRun === true) console.log("Nothing was changed (--dry-run).");
  });
}

/** `samsa share delete`: deletes share groups without members, or only their offsets of some topics. */
export function remove(
  names: readonly string[],
  options: Common & { readonly topic: readonly string[] },
): Promise<void> {
  const topics = options.topic;
  return administered(options, async admin => {
    await shareGroups(admin, names);
    const failures: string[] = [];
    for (const name of names) {
      const results =
        topics.length === 0 ? await admin.groups.delete([name]) : await admin.shareGroups.deleteOffsets(name, topics);
      const errors = [...results].flatMap(([, result]) => (result instanceof KafkaError ? [result.message] : []));
      failures.push(...errors);
      if (errors.length > 0 || options.json === true) continue;
      console.log(
        `Deleted ${topics.length === 0 ? "" : `the offsets of ${topics.join(", ")} of `}share group ${name}.`,
      );
    }
    if (failures.length > 0) throw new Failure(failures.join("; "));
    if (options.json === true) console.log(toJson({ deleted: names, ...(topics.length === 0 ? {} : { topics }) }));
  });
}
