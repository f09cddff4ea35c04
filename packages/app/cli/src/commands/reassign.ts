import { writeFileSync } from "node:fs";
import type { BrokerId } from "@samsa/base";
import type { BrokerConnection } from "@samsa/wire";
import { type PartitionReplicas, planAssignment } from "../assignment/assignment.ts";
import { planText, readPlan } from "../assignment/plan-file.ts";
import { Failure } from "../terminal/failure.ts";
import { printTable } from "../terminal/table.ts";
import { connected } from "./admin.ts";
import type { Common } from "../settings/client-settings.ts";
import { parseNodeId } from "./quorum.ts";
import { rateOf, throttle, unthrottle } from "./throttle.ts";
import {
  alterReassignments,
  describeBrokers,
  describePartitions,
  finished,
  listReassignments,
  placesOf,
  replicasOf,
  type Target,
} from "./reassignment.ts";

interface PlanOptions extends Common {
  readonly topic: readonly string[];
  readonly brokers?: string;
  readonly replicationFactor?: string;
  readonly out?: string;
}

function factorOf(text: string | undefined, brokers: number): number | undefined {
  if (text === undefined) return undefined;
  const factor = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (factor < 1) throw new Failure(`--replication-factor wants a whole number from 1, not "${text}"`);
  if (factor > brokers) throw new Failure(`${factor} replicas want as many brokers, and there are ${brokers}`);
  return factor;
}

/** `samsa reassign plan`. */
export function plan(options: PlanOptions): Promise<void> {
  const listed: BrokerId[] | undefined = options.brokers?.split(",").map(id => parseNodeId(id.trim()));
  return connected(options, async admin => {
    const { brokers } = await describeBrokers(admin);
    const places = placesOf(brokers, listed);
    if (places.length === 0) throw new Failure("no broker runs that could hold replicas");
    const partitions = await describePartitions(admin, options.topic.length === 0 ? null : options.topic);
    const before = await replicasOf(admin, partitions);
    const factor = factorOf(options.replicationFactor, places.length);
    const wide = before.find(({ replicas }) => factor === undefined && replicas.length > places.length);
    if (wide !== undefined) {
      throw new Failure(
        `${wide.topic}-${wide.partition} has ${wide.replicas.length} replicas, more than the ${places.length} brokers: ` +
          "list more brokers, or give fewer replicas with --replication-factor",
      );
    }
    const changes = planAssignment(before, places, factor);
    if (options.out !== undefined) writeOut(options.out, changes);
    // The plan alone is on standard output, so that it can be redirected.
    else if (options.json === true || changes.length > 0) console.log(planText(changes));
    if (options.json !== true) console.error(summary(before, changes, options.out));
  });
}

function writeOut(path: string, changes: readonly PartitionReplicas[]): void {
  try {
    writeFileSync(path, `${planText(changes)}\n`);
  } catch (error) {
    throw new Failure(`cannot write the plan: ${(error as Error).message}`);
  }
}

function summary(
  before: readonly PartitionReplicas[],
  changes: readonly PartitionReplicas[],
  out: string | undefined,
): string {
  if (changes.length === 0) return "Nothing to move: the replicas are spread already.";
  const old = new Map(before.map(({ topic, partition, replicas }) => [`${topic}-${partition}`, replicas]));
  const copied = changes.flatMap(({ topic, partition, replicas }) =>
    replicas.filter(id => old.get(`${topic}-${partition}`)?.includes(id) !== true),
  ).length;
  return `${changes.length} of ${before.length} partitions change, ${copied} replicas are copied. Run it with: samsa reassign run ${out ?? "PLAN"}`;
}

interface RunOptions extends Common {
  /** False for `--no-wait`. */
  readonly wait: boolean;
  readonly throttle?: string;
}

/** Waits for reassignments, and prints how many are left each time that number changes. */
export async function waitFor(admin: BrokerConnection, targets: readonly Target[], options: Common): Promise<void> {
  let last = -1;
  await finished(admin, targets, left => {
    if (left !== last && options.json !== true)
      console.log(`${targets.length - left} of ${targets.length} partitions done`);
    last = left;
  });
}

/** Carries out a plan with its copies limited to `rate` bytes per second; the limit ends with the copies. */
async function runThrottled(
  admin: BrokerConnection,
  { file, targets, rate }: { readonly file: string; readonly targets: readonly Target[]; readonly rate: number },
  options: RunOptions,
): Promise<void> {
  await throttle(admin, targets, rate, options);
  if (options.json !== true) {
    console.log(`Copies are limited to ${rate} bytes per second of each broker.`);
    if (!options.wait) console.log(`Remove the limit once they are done: samsa reassign unthrottle ${file}`);
  }
  try {
    await alterReassignments(admin, targets);
    if (!options.wait) return;
    await waitFor(admin, targets, options);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(`${error.message}; the limit stays until: samsa reassign unthrottle ${file}`);
  }
  await removeThrottles(admin, targets, options);
}

async function removeThrottles(admin: BrokerConnection, targets: readonly Target[], options: Common): Promise<void> {
  const absent = await unthrottle(admin, targets, options);
  if (absent.length > 0) console.error(`Brokers that do not run may keep a limit: ${absent.join(", ")}`);
}

/** `samsa reassign run`. */
export function run(file: string, options: RunOptions): Promise<void> {
  const targets = readPlan(file);
  const rate = options.throttle === undefined ? undefined : rateOf(options.throttle);
  return connected(options, async admin => {
    if (targets.length > 0 && rate !== undefined) await runThrottled(admin, { file, targets, rate }, options);
    else if (targets.length > 0) {
      await alterReassignments(admin, targets);
      if (options.wait) await waitFor(admin, targets, options);
    }
    if (options.json === true) console.log(JSON.stringify({ partitions: targets.length, done: options.wait }));
    else if (options.wait) console.log(`Reassigned ${targets.length} partitions.`);
    else console.log(`Started to reassign ${targets.length} partitions: samsa reassign status shows the progress.`);
  });
}

/** `samsa reassign unthrottle`. */
export function unlimit(file: string, options: Common): Promise<void> {
  const targets = readPlan(file);
  return connected(options, async admin => {
    const left = (await listReassignments(admin)).filter(({ topic }) => targets.some(target => target.topic === topic));
    await removeThrottles(admin, targets, options);
    if (options.json === true) return console.log(JSON.stringify({ removed: true, reassigning: left.length }));
    const rest = left.length === 0 ? "" : ` ${left.length} partitions are still being reassigned, without a limit.`;
    console.log(`Removed the limits on copies.${rest}`);
  });
}

/** `samsa reassign status`. */
export function status(options: Common): Promise<void> {
  return connected(options, async admin => {
    const all = await listReassignments(admin);
    if (options.json === true) return console.log(JSON.stringify(all));
    if (all.length === 0) return console.log("No partition is being reassigned.");
    const rows = all.map(({ topic, partition, replicas, adding, removing }) => [
      ...[topic, String(partition), replicas.join(",")],
      ...[adding.join(",") || "-", removing.join(",") || "-"],
    ]);
    printTable(["TOPIC", "PARTITION", "REPLICAS", "ADDING", "REMOVING"], rows);
  });
}

/** `samsa reassign cancel`: of the partitions of a plan, or of all. */
export function cancel(file: string | undefined, options: Common): Promise<void> {
  const planned = file === undefined ? undefined : readPlan(file);
  return connected(options, async admin => {
    const isPlanned = (topic: string, partition: number): boolean =>
      planned === undefined || planned.some(entry => entry.topic === topic && entry.partition === partition);
    const targets = (await listReassignments(admin))
      .filter(({ topic, partition }) => isPlanned(topic, partition))
      .map(({ topic, partition }) => ({ topic, partition, replicas: null }));
    if (targets.length > 0) await alterReassignments(admin, targets);
    if (options.json === true) console.log(JSON.stringify({ cancelled: targets.length }));
    else
      console.log(
        targets.length === 0 ? "No partition is being reassigned." : `Cancelled ${targets.length} reassignments.`,
      );
  });
}
