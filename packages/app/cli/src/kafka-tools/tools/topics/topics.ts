import { KafkaError } from "@samsa/client-kernel";
import type { Admin, ConfigEntry, DescribedPartition, DescribedTopic, Reassignment } from "@samsa/client-runtime";
import { ToolError, UsageError } from "../../java/exits.ts";
import { type Chosen, shown } from "../../flags/jopt.ts";
import { javaMessage } from "../../java/errors.ts";
import { capacityFor, hashOrder, hashOfText } from "../../java/hash-order.ts";
import { parseInteger, splitJava } from "../../java/text.ts";
import { includeList } from "../../java/topic-filter.ts";
import { loadProperties, withAdmin } from "../../runner/client.ts";
import { joptTool, printJavaMessage } from "../../runner/jopt-tool.ts";
import { TOPICS_FLAGS, type TopicsFlag } from "./topics-flags.ts";

type Options = Chosen<TopicsFlag>;

const ACTIONS = ["create", "list", "alter", "describe", "delete"] as const;
const REPORTS = [
  "under-replicated-partitions",
  "under-min-isr-partitions",
  "at-min-isr-partitions",
  "unavailable-partitions",
] as const;
const MOST_REPLICAS = 32_767;
const ZERO_ID = "AAAAAAAAAAAAAAAAAAAAAA";

/** Actions with which an option must not be given. */
const EXCLUDED: readonly (readonly [TopicsFlag, readonly TopicsFlag[]])[] = [
  ["config", except("alter", "create")],
  ["partitions", except("alter", "create")],
  ["replication-factor", except("create")],
  ["replica-assignment", except("alter", "create")],
];

const EXCLUDED_LATER: readonly (readonly [TopicsFlag, readonly TopicsFlag[]])[] = [
  ...REPORTS.map(report => [report, [...except("describe"), "topics-with-overrides"]] as const),
  ["topics-with-overrides", [...except("describe"), ...REPORTS]],
  ["if-exists", except("alter", "delete", "describe")],
  ["if-not-exists", except("create")],
  ["exclude-internal", except("list", "describe")],
];

function except(...allowed: readonly string[]): TopicsFlag[] {
  return ACTIONS.filter(action => !allowed.includes(action));
}

function check(chosen: Options): void {
  if (ACTIONS.filter(action => chosen.has(action)).length !== 1) {
    throw new UsageError("Command must include exactly one action: --list, --describe, --create, --alter or --delete");
  }
  if (chosen.has("delete-config")) {
    console.error(
      "delete-config option is no longer supported and deprecated since version 4.0. The config will be fully removed in future releases.",
    );
  }
  if (!chosen.has("bootstrap-server")) throw new ToolError("--bootstrap-server must be specified");
  if (chosen.has("describe") && chosen.has("if-exists")) {
    if (!chosen.has("topic", "topic-id")) {
      throw new UsageError("--topic or --topic-id is required to describe a topic");
    }
    if (chosen.has("topic") && chosen.has("topic-id")) {
      console.log(
        "Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID",
      );
    }
  }
  if (!chosen.has("list", "describe")) chosen.require("topic");
  if (chosen.has("alter")) {
    if (chosen.has("config")) {
      throw new UsageError(
        `Option combination "[[bootstrap-server], [config]]" can't be used with option "${shown("alter")}" (To alter topic configurations, the kafka-configs tool can be used.)`,
      );
    }
    chosen.require("partitions");
  }
  for (const [name, others] of EXCLUDED) chosen.exclude(name, others);
  if (chosen.has("create")) chosen.exclude("replica-assignment", ["partitions", "replication-factor"]);
  for (const [name, others] of EXCLUDED_LATER) chosen.exclude(name, others);
}

/** Brokers of each partition's replicas. */
function assignmentsOf(chosen: Options): number[][] | undefined {
  const text = chosen.text("replica-assignment") ?? "";
  if (text === "") return undefined;
  const all = splitJava(text, ",").map(list =>
    splitJava(list, ":").map(part => {
      const id = parseInteger(part.trim());
      if (id === undefined) throw new ToolError(`For input string: "${part.trim()}"`);
      return id;
    }),
  );
  all.forEach((brokers, i) => {
    const twice = [...new Set(brokers.filter((id, at) => brokers.indexOf(id) !== at))];
    if (twice.length > 0) {
      throw new ToolError(`Partition replica lists may not contain duplicate entries: ${twice.join(",")}`);
    }
    if (brokers.length !== all[0]?.length) {
      throw new ToolError(`Partition ${i} has different replication factor: [${brokers.join(", ")}]`);
    }
  });
  return all;
}

function configsOf(chosen: Options): Record<string, string> {
  const pairs = chosen.texts("config").map(text => splitJava(text, /\s*=\s*/));
  if (pairs.some(pair => pair.length !== 2)) {
    throw new ToolError(
      'requirement failed: Invalid topic config: all configs to be added must be in the format "key=val".',
    );
  }
  return Object.fromEntries(pairs.map(([key = "", value = ""]) => [key.trim(), value.trim()]));
}

async function create(admin: Admin, chosen: Options): Promise<void> {
  const name = chosen.text("topic") ?? "";
  const [partitions, replicationFactor] = [chosen.number("partitions"), chosen.number("replication-factor")];
  const assignments = assignmentsOf(chosen);
  const configs = configsOf(chosen);
  if (/[._]/.test(name)) {
    console.log(
      "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues it is best to use either, but not both.",
    );
  }
  if (replicationFactor !== undefined && (replicationFactor > MOST_REPLICAS || replicationFactor < 1)) {
    throw new ToolError(`The replication factor must be between 1 and ${MOST_REPLICAS} inclusive`);
  }
  if (partitions !== undefined && partitions < 1) throw new ToolError("The partitions must be greater than 0");
  const topic = {
    ...{ name, configs },
    ...(assignments === undefined ? {} : { assignments }),
    ...(partitions === undefined ? {} : { partitions }),
    ...(replicationFactor === undefined ? {} : { replicationFactor }),
  };
  const [[, outcome] = []] = await admin.topics.create([topic]);
  if (outcome instanceof KafkaError) {
    if (outcome.name === "TOPIC_ALREADY_EXISTS" && chosen.has("if-not-exists")) return;
    throw outcome;
  }
  console.log(`Created topic ${name}.`);
}

/** Names of the topics that `--topic` matches, sorted. */
async function topicsOf(admin: Admin, chosen: Options): Promise<string[]> {
  const pattern = chosen.text("topic");
  const isWanted = pattern === undefined ? () => true : includeList(pattern);
  const listed = await admin.topics.list({ internal: !chosen.has("exclude-internal") });
  return listed
    .map(({ name }) => name)
    .toSorted()
    .filter(isWanted);
}

function mustExist(found: readonly string[], chosen: Options): void {
  const topic = chosen.text("topic") ?? "";
  if (topic !== "" && !chosen.has("if-exists") && found.length === 0) {
    throw new ToolError(`Topic '${topic}' does not exist as expected`);
  }
}

async function alter(admin: Admin, chosen: Options): Promise<void> {
  const assignments = assignmentsOf(chosen);
  const count = chosen.number("partitions") ?? 0;
  const topics = await topicsOf(admin, chosen);
  mustExist(topics, chosen);
  if (topics.length === 0) return;
  const described = (await admin.topics.describe(topics)).orThrow();
  const counts = new Map(topics.map(name => [name, count]));
  if (assignments === undefined) {
    (await admin.topics.addPartitions(counts)).orThrow();
    return;
  }
  const added = new Map(topics.map(name => [name, assignments.slice(described.get(name)?.partitions.length)]));
  (await admin.topics.addPartitions(counts, { assignments: added })).orThrow();
}

/** Topics to describe, in the order of the map in which Java's client returns them. */
async function describedTopics(admin: Admin, chosen: Options): Promise<DescribedTopic[]> {
  const id = chosen.text("topic-id");
  let names: string[];
  if (id !== undefined && id !== ZERO_ID) {
    const listed = await admin.topics.list({ internal: !chosen.has("exclude-internal") });
    names = listed.flatMap(topic => (topic.id === id ? [topic.name] : []));
    if (names.length === 0 && !chosen.has("if-exists")) {
      throw new ToolError(`TopicId '${id}' does not exist as expected`);
    }
  } else {
    names = await topicsOf(admin, chosen);
    mustExist(names, chosen);
  }
  if (names.length === 0) return [];
  const partitionsPerAnswer = chosen.number("partition-size-limit-per-response");
  const options = partitionsPerAnswer === undefined ? {} : { partitionsPerAnswer };
  const described = (await admin.topics.describe(names, options)).orThrow();
  return hashOrder(described.values(), ({ name }) => hashOfText(name), capacityFor(names.length));
}

async function reassignmentsOf(admin: Admin, topics: readonly DescribedTopic[]): Promise<Map<string, Reassignment>> {
  const partitions = topics.flatMap(({ name: topic, partitions: all }) =>
    all.map(({ partition }) => ({ topic, partition })),
  );
  if (partitions.length === 0) return new Map();
  try {
    const found = await admin.replicas.listReassignments(partitions);
    return new Map(found.map(one => [`${one.topic}-${one.partition}`, one]));
  } catch (error) {
    const isAllowed = !(error instanceof KafkaError) || error.name !== "CLUSTER_AUTHORIZATION_FAILED";
    if (isAllowed) throw error;
    return new Map();
  }
}

/** Number of replicas without those that a reassignment adds, as long as it is under way. */
function replicationFactor({ replicas }: DescribedPartition, moving: Reassignment | undefined): number {
  const isMoving =
    moving !== undefined && [...moving.removing, ...moving.adding].some(broker => replicas.includes(broker));
  return isMoving ? moving.replicas.length - moving.adding.length : replicas.length;
}

function topicLine(topic: DescribedTopic, factor: number, configs: readonly ConfigEntry[]): string {
  const shownConfigs = configs.map(({ name, value }) => `${name}=${value}`).join(",");
  const id = topic.id === ZERO_ID ? "" : `\tTopicId: ${topic.id}`;
  return `Topic: ${topic.name}${id}\tPartitionCount: ${topic.partitions.length}\tReplicationFactor: ${factor}\tConfigs: ${shownConfigs}`;
}

function partitionLine(topic: string, one: DescribedPartition, moving: Reassignment | undefined): string {
  const { partition, leader, replicas, isr, elr, lastKnownElr } = one;
  const moves =
    moving === undefined
      ? ""
      : `\tAdding Replicas: ${moving.adding.join(",")}\tRemoving Replicas: ${moving.removing.join(",")}`;
  return [
    `\tTopic: ${topic}\tPartition: ${partition}\tLeader: ${leader < 0 ? "none" : leader}`,
    `\tReplicas: ${replicas.join(",")}\tIsr: ${isr.join(",")}${moves}`,
    `\tElr: ${elr?.join(",") ?? "N/A"}\tLastKnownElr: ${lastKnownElr?.join(",") ?? "N/A"}`,
  ].join("");
}

interface Facts {
  readonly minIsr: number;
  readonly moving: Reassignment | undefined;
  readonly live: ReadonlySet<number>;
}

const REPORTED: Readonly<Record<(typeof REPORTS)[number], (one: DescribedPartition, facts: Facts) => boolean>> = {
  "under-replicated-partitions": (one, { moving }) => replicationFactor(one, moving) > one.isr.length,
  "unavailable-partitions": ({ leader }, { live }) => leader < 0 || !live.has(leader),
  "under-min-isr-partitions": ({ leader, isr }, { minIsr }) => leader < 0 || isr.length < minIsr,
  "at-min-isr-partitions": ({ isr }, { minIsr }) => isr.length === minIsr,
};

async function describe(admin: Admin, chosen: Options): Promise<void> {
  const topics = await describedTopics(admin, chosen);
  if (topics.length === 0) return;
  const configs = await admin.configs.describe(topics.map(({ name }) => `topic:${name}` as const));
  const live = new Set((await admin.cluster.describe()).nodes.map(({ id }) => id));
  const reassignments = await reassignmentsOf(admin, topics);
  const reports = REPORTS.filter(report => chosen.has(report));
  for (const topic of topics) {
    const entries = configs.value(`topic:${topic.name}`);
    const own = hashOrder(entries.values(), ({ name }) => hashOfText(name)).filter(
      ({ source }) => source !== "DEFAULT_CONFIG",
    );
    const movingOf = ({ partition }: DescribedPartition) => reassignments.get(`${topic.name}-${partition}`);
    const partitions = topic.partitions.toSorted((a, b) => a.partition - b.partition);
    const [first] = partitions;
    const minIsr = Number(entries.get("min.insync.replicas")?.value ?? 1);
    if (reports.length === 0 && first !== undefined && (own.length > 0 || !chosen.has("topics-with-overrides"))) {
      console.log(topicLine(topic, replicationFactor(first, movingOf(first)), own));
    }
    if (chosen.has("topics-with-overrides")) continue;
    for (const one of partitions) {
      const facts = { minIsr, live, moving: movingOf(one) };
      const isShown = reports.length === 0 || reports.some(report => REPORTED[report](one, facts));
      if (isShown) console.log(partitionLine(topic.name, one, facts.moving));
    }
  }
}

async function remove(admin: Admin, chosen: Options): Promise<void> {
  const topics = await topicsOf(admin, chosen);
  mustExist(topics, chosen);
  if (topics.length > 0) (await admin.topics.delete(topics)).orThrow();
}

async function act(admin: Admin, chosen: Options): Promise<void> {
  if (chosen.has("create")) return create(admin, chosen);
  if (chosen.has("alter")) return alter(admin, chosen);
  if (chosen.has("list")) return console.log((await topicsOf(admin, chosen)).join("\n"));
  return chosen.has("describe") ? describe(admin, chosen) : remove(admin, chosen);
}

/** kafka-topics (`TopicCommand`). */
export const kafkaTopics = joptTool<TopicsFlag>({
  about: "Creates, lists, describes, changes and deletes topics.",
  flags: TOPICS_FLAGS,
  mistakes: "failed",
  run: async chosen => {
    check(chosen);
    const properties = loadProperties(chosen.text("command-config"));
    return withAdmin(chosen.text("bootstrap-server"), properties, async admin => {
      try {
        await act(admin, chosen);
        return 0;
      } catch (error) {
        console.log(`Error while executing topic command : ${javaMessage(error)}`);
        return 1;
      }
    });
  },
  failed: printJavaMessage,
});
