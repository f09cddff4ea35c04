import type { BrokerId } from "@samsa/base";
import { KafkaError, type TopicPartition } from "@samsa/client-kernel";
import type { Admin, DescribedTopic, Reassignment } from "@samsa/client-runtime";
import { planAssignment } from "../../../assignment/assignment.ts";
import { ToolError, UsageError } from "../../java/exits.ts";
import { COMMON_FLAGS, type Flag, option, toggle } from "../../flags/flag.ts";
import { type Chosen, shown } from "../../flags/jopt.ts";
import { javaMessage, javaText } from "../../java/errors.ts";
import { readText } from "../../java/json.ts";
import { parseInteger, partitionText, splitJava } from "../../java/text.ts";
import { chosenServers, loadProperties, withAdmin } from "../../runner/client.ts";
import { joptTool, printUncaught } from "../../runner/jopt-tool.ts";
import { directories, movingBack, startMoves, tellMoves } from "./reassign-dirs.ts";
import { byPlace, checkedPlan, planJson, planOf, type PlannedPartition, topicsToMove } from "./reassign-plan.ts";
import { clearThrottles, throttleBrokers, throttleDirs } from "./reassign-throttles.ts";

const FLAGS = {
  ...COMMON_FLAGS,
  verify: toggle("Tell whether a plan is carried out; if so, remove its limits."),
  generate: toggle("Propose a plan."),
  execute: toggle("Carry out a plan."),
  cancel: toggle("Cancel a plan."),
  list: toggle("List the reassignments that are under way."),
  "bootstrap-server": option("Server(s) to use for bootstrapping", "Brokers, as host:port.", { isOptional: true }),
  "command-config": option("Admin client property file", "File with settings of the client."),
  "reassignment-json-file": option(
    "manual assignment json file path",
    'File with a plan: {"partitions": [{"topic": "foo", "partition": 1, "replicas": [1, 2], "log_dirs": ["any", "any"]}], "version": 1}',
  ),
  "topics-to-move-json-file": option(
    "topics to reassign json file path",
    'File with topics: {"topics": [{"topic": "foo"}], "version": 1}',
  ),
  "broker-list": option("brokerlist", "Brokers that the topics move to, separated by commas."),
  "bootstrap-controller": option("bootstrap controller to connect to", "Controllers instead.", {
    isOptional: true,
  }),
  "disable-rack-aware": toggle("Do not look at racks."),
  throttle: option("throttle", "Most bytes per second between brokers.", { type: "long", preset: "-1" }),
  "replica-alter-log-dirs-throttle": option(
    "replicaAlterLogDirsThrottle",
    "Most bytes per second between directories of a broker.",
    { type: "long", preset: "-1" },
  ),
  timeout: option("timeout", "Time in ms for moves between directories to begin.", { type: "long", preset: "10000" }),
  additional: toggle("Carry out a plan besides others."),
  "preserve-throttles": toggle("Leave limits as they are."),
  "disallow-replication-factor-change": toggle("Refuse a plan that changes the number of replicas."),
} as const satisfies Readonly<Record<string, Flag>>;

type Name = keyof typeof FLAGS;
type Options = Chosen<Name>;

const ACTIONS = ["generate", "execute", "verify", "cancel", "list"] as const;
const REQUIRED: Readonly<Record<(typeof ACTIONS)[number], readonly Name[]>> = {
  verify: ["reassignment-json-file"],
  generate: ["topics-to-move-json-file", "broker-list"],
  execute: ["reassignment-json-file"],
  cancel: ["reassignment-json-file"],
  list: [],
};
const PERMITTED: Readonly<Record<(typeof ACTIONS)[number], readonly Name[]>> = {
  verify: ["preserve-throttles"],
  generate: ["disable-rack-aware"],
  execute: [
    ...(["additional", "throttle", "replica-alter-log-dirs-throttle", "timeout"] as const),
    "disallow-replication-factor-change",
  ],
  cancel: ["bootstrap-controller", "preserve-throttles", "timeout"],
  list: ["bootstrap-controller"],
};
const TERSE = "org.apache.kafka.tools.TerseException";
const FAILED = "org.apache.kafka.tools.AdminCommandFailedException";

function check(chosen: Options): (typeof ACTIONS)[number] {
  const [action, ...more] = ACTIONS.filter(name => chosen.has(name));
  if (action === undefined || more.length > 0) {
    throw new UsageError(`Command must include exactly one action: ${ACTIONS.map(name => `--${name}`).join(", ")}`);
  }
  if (chosen.has("bootstrap-server") && chosen.has("bootstrap-controller")) {
    throw new UsageError("Please don't specify both --bootstrap-server and --bootstrap-controller");
  }
  if (!chosen.has("bootstrap-server", "bootstrap-controller")) {
    throw new UsageError("Please specify either --bootstrap-server or --bootstrap-controller");
  }
  chosen.require(...REQUIRED[action]);
  const allowed: readonly string[] = [
    ...[action, "bootstrap-server", "command-config"],
    ...[...REQUIRED[action], ...PERMITTED[action]],
  ];
  const wrong = chosen.order.find(name => !allowed.includes(name));
  if (wrong !== undefined) {
    throw new UsageError(`Option "${shown(wrong)}" can't be used with action "${shown(action)}"`);
  }
  return action;
}

/** Topics that must exist. */
async function described(admin: Admin, topics: Iterable<string>): Promise<DescribedTopic[]> {
  const found = await admin.topics.describe([...new Set(topics)]);
  return [...found].map(([name, outcome]) => {
    if (!(outcome instanceof KafkaError)) return outcome;
    if (outcome.name !== "UNKNOWN_TOPIC_OR_PARTITION") throw outcome;
    const detail = `Topic ${name} not found.`;
    throw new KafkaError(outcome.name, detail, { detail });
  });
}

function replicasIn(topics: readonly DescribedTopic[]): PlannedPartition[] {
  return topics.flatMap(({ name: topic, partitions }) =>
    partitions.map(({ partition, replicas }) => ({ topic, partition, replicas })),
  );
}

async function generate(admin: Admin, chosen: Options): Promise<void> {
  const topics = readText(chosen.text("topics-to-move-json-file") ?? "");
  const brokers = splitJava(chosen.text("broker-list") ?? "", ",").map(part => {
    const id = parseInteger(part);
    if (id === undefined) throw new ToolError(`For input string: "${part}"`, "java.lang.NumberFormatException");
    return id;
  });
  const twice = [...new Set(brokers.filter((id, i) => brokers.indexOf(id) !== i))];
  if (twice.length > 0) throw new ToolError(`Broker list contains duplicate entries: [${twice.join(", ")}]`, FAILED);
  const present = replicasIn(await described(admin, topicsToMove(topics)));
  const dirs = await directories(admin, present);
  const { nodes } = await admin.cluster.describe();
  const places = nodes
    .filter(({ id }) => brokers.includes(id))
    .map(({ id, rack }) => ({ id, rack: chosen.has("disable-rack-aware") ? null : (rack ?? null) }));
  const withRack = places.filter(({ rack }) => rack !== null).length;
  if (withRack > 0 && withRack < places.length) {
    throw new ToolError(
      "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica assignment without rack information.",
    );
  }
  const most = Math.max(0, ...present.map(({ replicas }) => replicas.length));
  if (most > places.length) {
    throw new ToolError(
      `The target replication factor of ${most} cannot be reached because only ${places.length} broker(s) are registered.`,
      "org.apache.kafka.common.errors.InvalidReplicationFactorException",
    );
  }
  const changes = new Map(planAssignment(present, places).map(one => [partitionText(one), one]));
  const planned = present.map(one => changes.get(partitionText(one)) ?? one);
  console.log(`Current partition replica assignment\n${planJson(present, dirs)}\n`);
  console.log(`Proposed partition reassignment configuration\n${planJson(planned, new Map())}`);
}

/** Errors of reassignments, one a line. */
function failures(outcomes: Iterable<[string, unknown]>): string[] {
  const failed = [...outcomes].flatMap(([key, outcome]) => {
    const at = key.lastIndexOf("/");
    const place = { topic: key.slice(0, at), partition: Number(key.slice(at + 1)) };
    return outcome instanceof KafkaError ? [{ ...place, why: javaMessage(outcome) }] : [];
  });
  return failed.sort(byPlace).map(one => `${partitionText(one)}: ${one.why}`);
}

function listText(partitions: readonly TopicPartition[]): string {
  return partitions.toSorted(byPlace).map(partitionText).join(",");
}

/** Present replicas of the partitions of a plan, which must all exist. */
async function presentOf(admin: Admin, planned: readonly PlannedPartition[]): Promise<PlannedPartition[]> {
  const wanted = new Set(planned.map(partitionText));
  const all = replicasIn(
    await described(
      admin,
      planned.map(({ topic }) => topic),
    ),
  );
  const present = all.filter(one => wanted.has(partitionText(one)));
  if (present.length === wanted.size) return present;
  const known = new Set(present.map(partitionText));
  const detail = `Unable to find partition: ${[...wanted].filter(name => !known.has(name)).join(", ")}`;
  throw new KafkaError("UNKNOWN_TOPIC_OR_PARTITION", detail, { detail });
}

async function execute(admin: Admin, chosen: Options): Promise<void> {
  const text = readText(chosen.text("reassignment-json-file") ?? "");
  const [rate, dirsRate] = [chosen.number("throttle") ?? -1, chosen.number("replica-alter-log-dirs-throttle") ?? -1];
  const timeoutMs = chosen.number("timeout") ?? 0;
  const { partitions: planned, replicas } = checkedPlan(text);
  const under = await admin.replicas.listReassignments();
  if (!chosen.has("additional") && under.length > 0) {
    throw new ToolError(
      "Cannot execute because there is an existing partition assignment.  Use --additional to override this and create a new partition assignment in addition to the existing one. The --additional flag can also be used to change the throttle by resubmitting the current reassignment.",
      TERSE,
    );
  }
  const nodes = new Set((await admin.cluster.describe()).nodes.map(({ id }) => id));
  const unknown = planned.flatMap(one => one.replicas).find(id => !nodes.has(id));
  if (unknown !== undefined) throw new ToolError(`Unknown broker id ${unknown}`, FAILED);
  const present = await presentOf(admin, planned);
  console.log(
    `Current partition replica assignment\n\n${planJson(present, await directories(admin, present))}\n\nSave this to use as the --reassignment-json-file option during rollback`,
  );
  if (rate >= 0 || dirsRate >= 0) {
    console.log(
      "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is removed.",
    );
    if (rate >= 0) await throttleBrokers(admin, { under, planned, present }, rate);
    if (dirsRate >= 0) await throttleDirs(admin, new Set(replicas.map(({ broker }) => broker)), dirsRate);
  }
  const allowReplicationFactorChange = !chosen.has("disallow-replication-factor-change");
  const failed = failures(await admin.replicas.reassign(planned, { allowReplicationFactorChange }));
  if (failed.length > 0) throw new ToolError(`Error reassigning partition(s):\n${failed.join("\n")}`, TERSE);
  const s = planned.length === 1 ? "" : "s";
  console.log(`Successfully started partition reassignment${s} for ${listText(planned)}`);
  if (replicas.length > 0) await startMoves(admin, replicas, timeoutMs);
}

function sameReplicas(a: readonly BrokerId[], b: readonly BrokerId[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

async function verify(admin: Admin, chosen: Options): Promise<void> {
  const { partitions: planned, replicas } = planOf(readText(chosen.text("reassignment-json-file") ?? ""));
  const under = await admin.replicas.listReassignments();
  const moving = new Set(under.map(partitionText));
  const settled = planned.filter(one => !moving.has(partitionText(one)));
  const found =
    settled.length === 0 ? [] : [...(await admin.topics.describe([...new Set(settled.map(one => one.topic))]))];
  const present = new Map<string, readonly BrokerId[]>();
  for (const [, outcome] of found) {
    if (outcome instanceof KafkaError) {
      if (outcome.name !== "UNKNOWN_TOPIC_OR_PARTITION") throw outcome;
      continue;
    }
    for (const one of replicasIn([outcome])) present.set(partitionText(one), one.replicas);
  }
  const lines = [...new Map(planned.map(one => [partitionText(one), one])).values()].sort(byPlace).map(one => {
    const name = partitionText(one);
    if (moving.has(name)) return `Reassignment of partition ${name} is still in progress.`;
    const now = present.get(name) ?? [];
    if (sameReplicas(now, one.replicas)) return `Reassignment of partition ${name} is completed.`;
    return `There is no active reassignment of partition ${name}, but replica set is ${now.join(",")} rather than ${one.replicas.join(",")}.`;
  });
  console.log(["Status of partition reassignment:", ...lines].join("\n"));
  const isMoving = await tellMoves(admin, replicas);
  if (under.length === 0 && !isMoving && !chosen.has("preserve-throttles")) await clearThrottles(admin, planned);
}

async function cancel(admin: Admin, chosen: Options): Promise<void> {
  const { partitions: planned, replicas } = planOf(readText(chosen.text("reassignment-json-file") ?? ""));
  const under = planned.length === 0 ? [] : await admin.replicas.listReassignments(planned);
  const active = under.filter(({ adding, removing }) => adding.length > 0 || removing.length > 0);
  if (active.length === 0) console.log("None of the specified partition reassignments are active.");
  else {
    const targets = active.map(({ topic, partition }) => ({ topic, partition, replicas: null }));
    const failed = failures(await admin.replicas.reassign(targets));
    const s = failed.length === 1 ? "" : "s";
    if (failed.length > 0) {
      throw new ToolError(`Error cancelling partition reassignment${s} for:\n${failed.join("\n")}`, TERSE);
    }
    console.log(
      `Successfully cancelled partition reassignment${active.length === 1 ? "" : "s"} for: ${listText(active)}`,
    );
  }
  const back = await movingBack(admin, replicas);
  // Kafka's tool ends this sentence without a new line.
  if (back.length === 0) process.stdout.write("None of the specified partition moves are active.");
  else await startMoves(admin, back, chosen.number("timeout") ?? 0);
  if (!chosen.has("preserve-throttles")) await clearThrottles(admin, planned);
}

function reassignmentText({ topic, partition, replicas, adding, removing }: Reassignment): string {
  const adds = adding.length === 0 ? "" : ` adding: ${adding.join(",")}.`;
  const removes = removing.length === 0 ? "" : ` removing: ${removing.join(",")}.`;
  return `${partitionText({ topic, partition })}: replicas: ${replicas.join(",")}.${adds}${removes}`;
}

async function list(admin: Admin): Promise<void> {
  const under = (await admin.replicas.listReassignments()).toSorted(byPlace);
  if (under.length === 0) console.log("No partition reassignments found.");
  else console.log(["Current partition reassignments:", ...under.map(reassignmentText)].join("\n"));
}

const RUN = { generate, execute, verify, cancel, list } as const;

/** kafka-reassign-partitions (`ReassignPartitionsCommand`). */
export const kafkaReassignPartitions = joptTool<Name>({
  about: "Moves replicas between brokers, and between directories of brokers.",
  flags: FLAGS,
  mistakes: "failed",
  run: async chosen => {
    const action = check(chosen);
    try {
      const properties = loadProperties(chosen.text("command-config"));
      if (!properties.has("client.id")) properties.set("client.id", "reassign-partitions-tool");
      await withAdmin(chosenServers(chosen), properties, admin => RUN[action](admin, chosen));
      return 0;
    } catch (error) {
      if (error instanceof UsageError) throw error;
      const message = error instanceof KafkaError ? javaText(error) : javaMessage(error);
      console.log(error instanceof ToolError && error.javaClass === TERSE ? message : `Error: ${message}`);
      return 1;
    }
  },
  failed: printUncaught,
});
