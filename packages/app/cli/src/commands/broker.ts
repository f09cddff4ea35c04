import type { BrokerId } from "@samsa/base";
import type { BrokerConnection } from "@samsa/wire";
import { type BrokerPlace, planAssignment } from "../assignment/assignment.ts";
import { Failure } from "../terminal/failure.ts";
import { printTable } from "../terminal/table.ts";
import { connected, sentence } from "./admin.ts";
import type { Common } from "../settings/client-settings.ts";
import { parseNodeId } from "./quorum.ts";
import { alterReassignments, describeBrokers, describePartitions, placesOf, replicasOf } from "./reassignment.ts";
import { waitFor } from "./reassign.ts";

/** `samsa broker list`. */
export function list(options: Common): Promise<void> {
  return connected(options, async admin => {
    const { brokers } = await describeBrokers(admin);
    const partitions = await describePartitions(admin, null);
    const shown = brokers.map(({ brokerId, host, port, rack, isFenced }) => ({
      id: brokerId,
      host,
      port,
      rack,
      isFenced,
      leaders: partitions.filter(({ leaderId }) => leaderId === brokerId).length,
      replicas: partitions.filter(({ replicaNodes }) => replicaNodes.includes(brokerId)).length,
    }));
    if (options.json === true) return console.log(JSON.stringify(shown));
    const rows = shown.map(({ id, host, port, rack, isFenced, leaders, replicas }) => [
      ...[String(id), isFenced ? "fenced" : "running", `${host}:${port}`, rack ?? "-"],
      ...[String(leaders), String(replicas)],
    ]);
    printTable(["BROKER", "STATE", "ADDRESS", "RACK", "LEADERS", "REPLICAS"], rows);
  });
}

interface DecommissionOptions extends Common {
  /** False for `--no-wait`. */
  readonly wait: boolean;
}

/**
 * `samsa broker decommission`: moves all replicas of a broker to others. A broker that has none and is stopped is
 * removed from the cluster.
 */
export function decommission(node: string, options: DecommissionOptions): Promise<void> {
  const id = parseNodeId(node);
  return connected(options, async admin => {
    const { brokers } = await describeBrokers(admin);
    const broker = brokers.find(({ brokerId }) => brokerId === id);
    if (broker === undefined)
      throw new Failure(`there is no broker ${id}: samsa broker list shows those that there are`);
    const others = placesOf(brokers).filter(place => place.id !== id);
    const moved = await moveAway(admin, { id, others }, options);
    if (!options.wait && moved > 0) {
      const facts = { broker: id, moving: moved, removed: false };
      if (options.json === true) console.log(JSON.stringify(facts));
      else console.log(`${moved} partitions leave broker ${id}: samsa reassign status shows the progress.`);
      return;
    }
    if (broker.isFenced) {
      const { errorCode, errorMessage } = await admin.call("UnregisterBroker", { brokerId: id });
      if (errorCode !== 0) throw new Failure(`broker ${id}: ${sentence(errorCode, errorMessage)}`);
    }
    if (options.json === true) console.log(JSON.stringify({ broker: id, moved, removed: broker.isFenced }));
    else if (broker.isFenced) console.log(`Broker ${id} has left the cluster.`);
    else {
      console.log(
        `Broker ${id} holds no replicas. Stop it, then remove it from the cluster with the same command: ` +
          `samsa broker decommission ${id}`,
      );
    }
  });
}

/** Moves the replicas of a broker to `others`. Returns the number of partitions. */
async function moveAway(
  admin: BrokerConnection,
  { id, others }: { readonly id: BrokerId; readonly others: readonly BrokerPlace[] },
  options: DecommissionOptions,
): Promise<number> {
  const all = await replicasOf(admin, await describePartitions(admin, null));
  const held = all.filter(({ replicas }) => replicas.includes(id));
  if (held.length === 0) return 0;
  const wide = held.find(({ replicas }) => replicas.length > others.length);
  if (wide !== undefined) {
    throw new Failure(
      `${wide.topic}-${wide.partition} has ${wide.replicas.length} replicas, and ${others.length} other brokers run: ` +
        "start another broker first, or lower its replication factor with samsa reassign plan --replication-factor",
    );
  }
  // The other partitions count for the balance, but stay.
  const isHeld = new Set(held.map(({ topic, partition }) => `${topic}-${partition}`));
  const targets = planAssignment(all, others).filter(({ topic, partition }) => isHeld.has(`${topic}-${partition}`));
  await alterReassignments(admin, targets);
  if (options.wait) await waitFor(admin, targets, options);
  return targets.length;
}
