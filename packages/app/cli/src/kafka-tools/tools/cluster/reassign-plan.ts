import { type BrokerId, duplicates } from "@samsa/base";
import type { TopicPartition } from "@samsa/client-kernel";
import { ToolError } from "../../java/exits.ts";
import { hashOfPartition, hashOrder } from "../../java/hash-order.ts";
import { arrayOf, objectOf, parseJson, textIn, wholeIn, wholeOf } from "../../java/json.ts";
import { partitionText } from "../../java/text.ts";

/** Replicas that a partition is to have, the preferred leader first. */
export interface PlannedPartition extends TopicPartition {
  readonly replicas: readonly BrokerId[];
}

/** Log directory that a replica is to move to. */
export interface PlannedReplica extends TopicPartition {
  readonly broker: BrokerId;
  readonly path: string;
}

/** A plan of kafka-reassign-partitions. */
export interface ReassignmentPlan {
  readonly partitions: readonly PlannedPartition[];
  readonly replicas: readonly PlannedReplica[];
}

const OPERATION = "org.apache.kafka.server.common.AdminOperationException";
const FAILED = "org.apache.kafka.tools.AdminCommandFailedException";
const ANY = "any";

function refuse(message: string): never {
  throw new ToolError(message, FAILED);
}

/** Order of partitions in the output of the tool. */
export function byPlace(a: TopicPartition, b: TopicPartition): number {
  return a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1;
}

/** Name of a replica. */
export function replicaText({ topic, partition, broker }: Omit<PlannedReplica, "path">): string {
  return `${topic}-${partition}-${broker}`;
}

function versioned(text: string): Readonly<Record<string, unknown>> {
  const parsed = parseJson(text);
  if (parsed === undefined) throw new ToolError("The input string is not a valid JSON", OPERATION);
  const plan = objectOf(parsed);
  const version = plan.version === undefined ? 1 : wholeOf(plan.version);
  if (version !== 1) throw new ToolError(`Not supported version field value ${version}`, OPERATION);
  return plan;
}

/** Reads a plan. Throws `ToolError`. */
export function planOf(text: string): ReassignmentPlan {
  const { partitions: list = [] } = versioned(text);
  const partitions: PlannedPartition[] = [];
  const replicas = new Map<string, PlannedReplica>();
  for (const item of arrayOf(list)) {
    const fields = objectOf(item);
    const [topic, partition] = [textIn(fields, "topic"), wholeIn(fields, "partition")];
    if (fields.replicas === undefined) throw new ToolError("No such field exists: `replicas`");
    const brokers = arrayOf(fields.replicas).map(value => wholeOf(value));
    const paths = fields.log_dirs === undefined ? brokers.map(() => ANY) : arrayOf(fields.log_dirs).map(String);
    if (brokers.length !== paths.length) {
      refuse(
        `Size of replicas list [${brokers.join(", ")}] is different from size of log dirs list [${paths.join(", ")}] for partition ${partitionText({ topic, partition })}`,
      );
    }
    partitions.push({ topic, partition, replicas: brokers });
    brokers.forEach((broker, i) => {
      const path = paths[i] ?? ANY;
      const replica = { topic, partition, broker, path };
      if (path !== ANY) replicas.set(replicaText(replica), replica);
    });
  }
  return { partitions, replicas: [...replicas.values()] };
}

/** Reads a plan that is to be carried out. Throws `ToolError` for one that cannot be. */
export function checkedPlan(text: string): ReassignmentPlan {
  const plan = planOf(text);
  const { partitions } = plan;
  if (partitions.length === 0) refuse("Partition reassignment list cannot be empty");
  if (partitions.some(({ replicas }) => replicas.length === 0)) refuse("Partition replica list cannot be empty");
  const names = partitions.map(partitionText);
  const twice = [...duplicates(names)];
  if (twice.length > 0) {
    const found = twice.flatMap(name => partitions[names.indexOf(name)] ?? []);
    const list = hashOrder(found, hashOfPartition).map(partitionText).join(",");
    refuse(`Partition reassignment contains duplicate topic partitions: ${list}`);
  }
  const wrong = partitions.filter(({ replicas }) => duplicates(replicas).size > 0);
  if (wrong.length > 0) {
    const list = wrong.map(
      one => `${partitionText(one)} contains multiple entries for ${[...duplicates(one.replicas)].join(",")}`,
    );
    refuse(`Partition replica lists may not contain duplicate entries: ${list.join(". ")}`);
  }
  return plan;
}

/** Topics in the file of `--topics-to-move-json-file`. Throws `ToolError`. */
export function topicsToMove(text: string): string[] {
  const { topics = [] } = versioned(text);
  const names = arrayOf(topics).map(item => textIn(objectOf(item), "topic"));
  const twice = [...duplicates(names)];
  if (twice.length > 0) refuse(`List of topics to reassign contains duplicate entries: [${twice.join(", ")}]`);
  return names;
}

/** Plan as JSON, with the directories that are known. */
export function planJson(partitions: readonly PlannedPartition[], dirs: ReadonlyMap<string, string>): string {
  const list = partitions.toSorted(byPlace).map(({ topic, partition, replicas }) => ({
    ...{ topic, partition, replicas },
    log_dirs: replicas.map(broker => dirs.get(replicaText({ topic, partition, broker })) ?? ANY),
  }));
  return JSON.stringify({ version: 1, partitions: list });
}
