import type { BrokerId } from "@samsa/base";
import { KafkaError, partitionKey } from "@samsa/client-kernel";
import type { Admin } from "@samsa/client-runtime";
import { ToolError } from "../../java/exits.ts";
import { wrappedText } from "../../java/errors.ts";
import { partitionText } from "../../java/text.ts";
import { byPlace, type PlannedPartition, type PlannedReplica, replicaText } from "./reassign-plan.ts";

/** Directories of a replica: that with it, and that to which it moves. */
interface Dirs {
  current: string | undefined;
  future: string | undefined;
}

/** Pause between two attempts to move a replica, in ms. */
const RETRY_MS = 100;
const FAILED = "org.apache.kafka.tools.AdminCommandFailedException";
const TERSE = "org.apache.kafka.tools.TerseException";

function byReplica(a: PlannedReplica, b: PlannedReplica): number {
  return a.broker === b.broker ? byPlace(a, b) : a.broker - b.broker;
}

async function dirsOf(admin: Admin, brokers: readonly BrokerId[]): Promise<Map<string, Dirs>> {
  const found = new Map<string, Dirs>();
  if (brokers.length === 0) return found;
  for (const [broker, dirs] of (await admin.replicas.describeLogDirs(brokers)).orThrow()) {
    for (const { path, replicas, error } of dirs) {
      if (error !== undefined) continue;
      for (const { topic, partition, isFuture } of replicas) {
        const name = replicaText({ topic, partition, broker });
        const known = found.get(name) ?? { current: undefined, future: undefined };
        if (isFuture) known.future = path;
        else known.current = path;
        found.set(name, known);
      }
    }
  }
  return found;
}

/** Present directories of replicas, by `replicaText`. */
export async function directories(admin: Admin, partitions: readonly PlannedPartition[]): Promise<Map<string, string>> {
  const brokers = [...new Set(partitions.flatMap(({ replicas }) => replicas))];
  const present = new Set((await admin.cluster.describe()).nodes.map(({ id }) => id));
  const found = await dirsOf(
    admin,
    brokers.filter(id => present.has(id)),
  );
  return new Map(
    [...found].flatMap(([name, { current }]) => (current === undefined ? [] : [[name, current] as const])),
  );
}

function stateText(replica: PlannedReplica, dirs: Dirs | undefined): string {
  const place = partitionText(replica);
  const { broker, path } = replica;
  if (dirs?.current === undefined) {
    return `Partition ${place} is not found in any live log dir on broker ${broker}. There is likely an offline log directory on the broker.`;
  }
  const { current, future } = dirs;
  if (future === undefined) {
    return current === path
      ? `Reassignment of replica ${replicaText(replica)} completed successfully.`
      : `Partition ${place} on broker ${broker} is not being moved from log dir ${current} to ${path}.`;
  }
  return future === path
    ? `Reassignment of replica ${replicaText(replica)} is still in progress.`
    : `Partition ${place} on broker ${broker} is being moved to log dir ${future} instead of ${path}.`;
}

/** Tells how far moves between directories are. True: some are under way. */
export async function tellMoves(admin: Admin, replicas: readonly PlannedReplica[]): Promise<boolean> {
  const found = await dirsOf(admin, [...new Set(replicas.map(({ broker }) => broker))]);
  const sorted = replicas.toSorted(byReplica);
  console.log(sorted.map(replica => stateText(replica, found.get(replicaText(replica)))).join("\n"));
  return sorted.some(replica => found.get(replicaText(replica))?.future !== undefined);
}

/** Replicas that move at the moment, each back to the directory that it is in. */
export async function movingBack(admin: Admin, replicas: readonly PlannedReplica[]): Promise<PlannedReplica[]> {
  const found = await dirsOf(admin, [...new Set(replicas.map(({ broker }) => broker))]);
  return replicas.flatMap(replica => {
    const dirs = found.get(replicaText(replica));
    return dirs?.future === undefined || dirs.current === undefined ? [] : [{ ...replica, path: dirs.current }];
  });
}

/** Starts moves between directories, again and again for replicas that are not there yet. */
export async function startMoves(admin: Admin, replicas: readonly PlannedReplica[], timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let left = [...replicas]; left.length > 0; ) {
    const outcomes = await admin.replicas.moveToLogDirs(left, { timeoutMs: RETRY_MS });
    const pending: PlannedReplica[] = [];
    const started: PlannedReplica[] = [];
    for (const replica of left) {
      const outcome = outcomes.get(`${replica.broker}:${partitionKey(replica.topic, replica.partition)}`);
      if (!(outcome instanceof KafkaError)) started.push(replica);
      else if (outcome.name === "REPLICA_NOT_AVAILABLE") pending.push(replica);
      else throw new ToolError(`Failed to alter dir for ${replicaText(replica)}: ${wrappedText(outcome)}`, FAILED);
    }
    for (const one of started.sort(byReplica)) {
      console.log(
        `Successfully started moving log directory to ${one.path} for replica ${partitionText(one)} with broker ${one.broker} `,
      );
    }
    left = pending;
    if (left.length > 0 && performance.now() >= deadline) {
      const list = left.toSorted(byReplica).map(replicaText).join(",");
      const s = left.length === 1 ? "" : "s";
      throw new ToolError(`Timed out before log directory move${s} could be started for: ${list}`, TERSE);
    }
    if (left.length > 0) await new Promise(resolve => setTimeout(resolve, RETRY_MS));
  }
}
