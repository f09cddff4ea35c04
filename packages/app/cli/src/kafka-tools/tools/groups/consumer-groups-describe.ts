import { KafkaError, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { Admin, ClusterClient, DescribedGroup, DescribedMember } from "@samsa/client-runtime";
import { columns, partitionText } from "../../java/text.ts";
import { wrapping } from "../../runner/java-failures.ts";
import { printError } from "../../runner/offset-plans.ts";

const NONE = "-";
const REBALANCING = new Set(["PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling"]);

/** Descriptions of groups of consumers, by their ids in order. Rejects with the first error. */
export async function describedGroups(admin: Admin, groups: readonly string[]): Promise<DescribedGroup[]> {
  const described = (await admin.groups.describe(groups)).orThrow();
  const all = [...described.values()];
  const share = all.find(({ type }) => type === "Share");
  if (share !== undefined) {
    const detail = `Group ${share.groupId} is not a classic group.`;
    throw new KafkaError("GROUP_ID_NOT_FOUND", detail, { detail });
  }
  return all.toSorted((a, b) => (a.groupId < b.groupId ? -1 : 1));
}

/** Tells of a group's state. True if the group has rows to show. */
function tellState({ groupId, state }: DescribedGroup, rows: number): boolean {
  if (state === "Dead") printError(`Consumer group '${groupId}' does not exist.`);
  else if (state === "Empty") console.error(`\nConsumer group '${groupId}' has no active members.`);
  else if (REBALANCING.has(state)) console.error(`\nWarning: Consumer group '${groupId}' is rebalancing.`);
  return state !== "Dead" && rows > 0;
}

interface OffsetRow extends TopicPartition {
  readonly epoch: string;
  readonly offset: number | undefined;
  readonly end: number | undefined;
  readonly member: DescribedMember | undefined;
}

interface Known {
  readonly offsets: ReadonlyMap<string, { readonly offset: number; readonly leaderEpoch: number }>;
  readonly ends: ReadonlyMap<string, number>;
}

function rowsOf(partitions: readonly TopicPartition[], known: Known, member: DescribedMember | undefined): OffsetRow[] {
  const rows = partitions.map(({ topic, partition }) => {
    const key = partitionKey(topic, partition);
    const found = known.offsets.get(key);
    const epoch = found === undefined || found.leaderEpoch < 0 ? NONE : String(found.leaderEpoch);
    return { topic, partition, epoch, offset: found?.offset, end: known.ends.get(key), member };
  });
  return rows.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1));
}

/** Ends of the logs of partitions that have a leader. */
async function endsOf(admin: Admin, partitions: readonly TopicPartition[]): Promise<Map<string, number>> {
  const topics = [...new Set(partitions.map(({ topic }) => topic))];
  if (topics.length === 0) return new Map();
  return wrapping(async () => {
    const described = (await admin.topics.describe(topics)).orThrow();
    const led = partitions.filter(({ topic, partition }) => {
      const found = described.get(topic)?.partitions.find(one => one.partition === partition);
      return found === undefined || found.leader >= 0;
    });
    const specs = led.map(({ topic, partition }) => ({ topic, partition, at: "latest" as const }));
    const ends = (await admin.offsets(specs)).orThrow();
    return new Map([...ends].map(([key, { offset }]) => [key, offset]));
  });
}

async function offsetRows(admin: Admin, group: DescribedGroup): Promise<OffsetRow[]> {
  const committed = await wrapping(async () => (await admin.groups.offsets([group.groupId])).value(group.groupId));
  const members = group.members
    .filter(({ assignment }) => assignment.length > 0)
    .toSorted((a, b) => b.assignment.length - a.assignment.length);
  const assigned = new Set(
    members.flatMap(({ assignment }) => assignment.map(({ topic, partition }) => partitionKey(topic, partition))),
  );
  const others = committed.filter(({ topic, partition }) => !assigned.has(partitionKey(topic, partition)));
  const all = [...members.flatMap(({ assignment }) => assignment), ...others];
  const known = {
    offsets: new Map(committed.map(one => [partitionKey(one.topic, one.partition), one])),
    ends: await endsOf(admin, all),
  };
  return [...members.flatMap(member => rowsOf(member.assignment, known, member)), ...rowsOf(others, known, undefined)];
}

/** `--describe`, with or without `--offsets`. */
export async function describeOffsets(admin: Admin, groups: readonly string[], verbose: boolean): Promise<void> {
  const described = await describedGroups(admin, groups);
  const all: { readonly group: DescribedGroup; readonly rows: OffsetRow[] }[] = [];
  for (const group of described) all.push({ group, rows: await offsetRows(admin, group) });
  for (const { group, rows } of all) {
    if (!tellState(group, rows.length)) continue;
    const width = (texts: readonly string[]): number => Math.max(15, ...texts.map(text => text.length));
    const epochs = verbose ? [15] : [];
    const widths = [
      width([group.groupId]),
      width(rows.map(({ topic }) => topic)),
      ...[10, ...epochs, 15, 15, 15],
      width(rows.map(({ member }) => member?.memberId ?? NONE)),
      width(rows.map(({ member }) => member?.host ?? NONE)),
    ];
    const head = ["GROUP", "TOPIC", "PARTITION", ...(verbose ? ["LEADER-EPOCH"] : []), "CURRENT-OFFSET"];
    let text = `\n${columns(widths, [...head, "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID"])}`;
    for (const { topic, partition, epoch, offset, end, member } of rows) {
      const lag = offset === undefined || offset === -1 || end === undefined ? NONE : String(end - offset);
      const cells = [group.groupId, topic, String(partition), ...(verbose ? [epoch] : []), String(offset ?? NONE)];
      const of = [member?.memberId ?? NONE, member?.host ?? NONE, member?.clientId ?? NONE];
      text += `\n${columns(widths, [...cells, String(end ?? NONE), lag, ...of])}`;
    }
    console.log(text);
  }
}

/** Partitions as `topic:0,1;other:0`; a dash if there are none. */
export function assignmentText(partitions: readonly TopicPartition[] | undefined): string {
  if (partitions === undefined || partitions.length === 0) return NONE;
  const byTopic = new Map<string, number[]>();
  for (const { topic, partition } of partitions) byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition]);
  return [...byTopic]
    .map(([topic, indexes]) => `${topic}:${indexes.sort((a, b) => a - b).join(",")}`)
    .sort()
    .join(";");
}

/** Column of a table of members: heading, least width, cell. */
type MemberColumn = readonly [heading: string, width: number, cell: (member: DescribedMember) => string];

function memberColumns(group: DescribedGroup, hasRows: boolean, verbose: boolean): MemberColumn[] {
  const { members } = group;
  const isStatic = hasRows && members.some(({ instanceId }) => (instanceId ?? "") !== "");
  const isMixed =
    hasRows && members.some(one => one.isUpgraded === true) && members.some(one => one.isUpgraded === false);
  const instance: MemberColumn[] = isStatic ? [["GROUP-INSTANCE-ID", 17, one => one.instanceId ?? ""]] : [];
  const upgraded: MemberColumn[] = isMixed ? [["UPGRADED", 0, one => String(one.isUpgraded ?? NONE)]] : [];
  const target = group.assignmentEpoch < 0 ? NONE : String(group.assignmentEpoch);
  const more: MemberColumn[] = [
    ["CURRENT-EPOCH", 15, one => String(one.memberEpoch ?? NONE)],
    ["CURRENT-ASSIGNMENT", 20, one => assignmentText(one.assignment)],
    ["TARGET-EPOCH", 15, () => target],
    ["TARGET-ASSIGNMENT", 20, one => assignmentText(one.target)],
    ...upgraded,
  ];
  return [
    ["GROUP", 15, () => group.groupId],
    ["CONSUMER-ID", 15, one => one.memberId],
    ...instance,
    ["HOST", 15, one => one.host],
    ["CLIENT-ID", 15, one => one.clientId],
    ["#PARTITIONS", 15, one => String(one.assignment.length)],
    ...(verbose ? more : []),
  ];
}

/** `--describe --members`. */
export async function describeMembers(admin: Admin, groups: readonly string[], verbose: boolean): Promise<void> {
  for (const group of await describedGroups(admin, groups)) {
    const hasRows = tellState(group, group.members.length);
    const all = memberColumns(group, hasRows, verbose);
    const widths = all.map(([, least, cell]) =>
      least === 0 || !hasRows ? least : Math.max(least, ...group.members.map(member => cell(member).length)),
    );
    const end = verbose ? "" : " ";
    console.log(
      `\n${columns(
        widths,
        all.map(([heading]) => heading),
      )}${end}`,
    );
    for (const member of group.members)
      console.log(
        `${columns(
          widths,
          all.map(([, , cell]) => cell(member)),
        )}${end}`,
      );
  }
}

/** `--describe --state`. */
export async function describeStates(
  admin: Admin,
  client: ClusterClient,
  { groups, verbose }: { readonly groups: readonly string[]; readonly verbose: boolean },
): Promise<void> {
  for (const group of await describedGroups(admin, groups)) {
    if (!tellState(group, 1)) continue;
    const { id, host, port } = await client.coordinator("group", group.groupId);
    const coordinator = `${host}:${port}  (${id})`;
    const epochs = [group.groupEpoch, group.assignmentEpoch].map(epoch => (epoch < 0 ? NONE : String(epoch)));
    const heads = verbose ? ["GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH"] : [];
    const widths = [Math.max(15, group.groupId.length), Math.max(25, coordinator.length), 20, 20];
    const all = verbose ? [...widths, 15, 25] : widths;
    const cells = [group.groupId, coordinator, group.assignor === "" ? NONE : group.assignor, group.state];
    const head = columns(all, ["GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", ...heads, "#MEMBERS"]);
    const row = columns(all, [...cells, ...(verbose ? epochs : []), String(group.members.length)]);
    console.log(`\n${head}\n${row}`);
  }
}

/** Name of a partition, or of a topic without one, for the order of a list. */
export function nameForOrder({ topic, partition }: TopicPartition): string {
  return partition < 0 ? `${topic}-1` : partitionText({ topic, partition }).replace(/-(?=\d+$)/, "");
}
