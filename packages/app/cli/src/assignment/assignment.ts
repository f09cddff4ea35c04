import { type BrokerId, entryAt, type PartitionIndex } from "@samsa/base";

/** Broker that may hold replicas. */
export interface BrokerPlace {
  readonly id: BrokerId;
  /** Brokers without a rack are racks of their own. */
  readonly rack: string | null;
}

/** Replicas of a partition; the first one is the preferred leader. */
export interface PartitionReplicas {
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly replicas: readonly BrokerId[];
}

/** Mutable counts of a plan. */
interface Loads {
  readonly racks: ReadonlyMap<BrokerId, string>;
  readonly replicas: Map<BrokerId, number>;
  readonly leaders: Map<BrokerId, number>;
}

const rackOf = ({ id, rack }: BrokerPlace): string => (rack === null ? `broker ${id}` : `rack ${rack}`);

function add(counts: Map<BrokerId, number>, id: BrokerId, change: number): void {
  counts.set(id, (counts.get(id) ?? 0) + change);
}

/** Number of replicas beyond the first in each rack. */
function crowding(replicas: readonly BrokerId[], racks: Loads["racks"]): number {
  return replicas.length - new Set(replicas.map(id => racks.get(id))).size;
}

/** Replicas that stay: those on `racks`' brokers, at most `factor`, with those of crowded racks given up first. */
function kept({ replicas }: PartitionReplicas, factor: number, { racks }: Loads): BrokerId[] {
  const here = replicas.filter(id => racks.has(id));
  const reachable = Math.min(factor, new Set(racks.values()).size);
  while (here.length > 0) {
    const crowd = crowding(here, racks);
    const isSpread = here.length - crowd + (factor - here.length) >= reachable;
    if (here.length <= factor && isSpread) break;
    const seen = here.map(id => racks.get(id));
    const second = here.findLastIndex((id, i) => seen.indexOf(racks.get(id)) < i);
    here.splice(second < 0 ? here.length - 1 : second, 1);
  }
  return here;
}

/** Broker with the fewest replicas among those of unused racks, or else among all that are left. */
function nextReplica(replicas: readonly BrokerId[], loads: Loads): BrokerId {
  const used = new Set(replicas.map(id => loads.racks.get(id)));
  const left = [...loads.racks.keys()].filter(id => !replicas.includes(id));
  const spread = left.filter(id => !used.has(loads.racks.get(id)));
  const candidates = spread.length > 0 ? spread : left;
  return candidates.reduce((best, id) => ((loads.replicas.get(id) ?? 0) < (loads.replicas.get(best) ?? 0) ? id : best));
}

/** Moves replicas from full brokers to empty ones as long as that levels them and crowds no rack. */
function level(plans: BrokerId[][], loads: Loads): void {
  for (;;) {
    const byLoad = [...loads.racks.keys()].sort((a, b) => (loads.replicas.get(a) ?? 0) - (loads.replicas.get(b) ?? 0));
    if (!moveOne(plans, loads, byLoad)) return;
  }
}

function moveOne(plans: BrokerId[][], { racks, replicas: counts }: Loads, byLoad: readonly BrokerId[]): boolean {
  for (const from of byLoad.toReversed()) {
    for (const to of byLoad) {
      if ((counts.get(from) ?? 0) - (counts.get(to) ?? 0) <= 1) break;
      for (const plan of plans) {
        const at = plan.indexOf(from);
        if (at < 0 || plan.includes(to)) continue;
        const moved = plan.with(at, to);
        if (crowding(moved, racks) > crowding(plan, racks)) continue;
        plan[at] = to;
        add(counts, from, -1);
        add(counts, to, 1);
        return true;
      }
    }
  }
  return false;
}

/** Puts another replica first where that levels the preferred leaders; it moves no data. */
function levelLeaders(plans: BrokerId[][], { leaders }: Loads): void {
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const plan of plans) {
      const first = plan[0];
      if (first === undefined) continue;
      const least = plan.reduce((best, id) => ((leaders.get(id) ?? 0) < (leaders.get(best) ?? 0) ? id : best));
      if ((leaders.get(first) ?? 0) - (leaders.get(least) ?? 0) <= 1) continue;
      plan[plan.indexOf(least)] = first;
      plan[0] = least;
      add(leaders, first, -1);
      add(leaders, least, 1);
      isChanged = true;
    }
  }
}

/**
 * Plans replicas of partitions on `brokers`: replicas stay where they are as long as their broker is listed, racks are
 * spread as far as there are enough, and brokers and preferred leaders are levelled to a difference of one where the
 * racks allow it. `factor` is the number of replicas, which is at most that of the brokers; by default, each partition
 * keeps its number. Returns the partitions whose replicas change.
 */
export function planAssignment(
  partitions: readonly PartitionReplicas[],
  brokers: readonly BrokerPlace[],
  factor?: number,
): PartitionReplicas[] {
  const loads: Loads = {
    racks: new Map(brokers.map(broker => [broker.id, rackOf(broker)])),
    replicas: new Map(),
    leaders: new Map(),
  };
  const plans = partitions.map(partition => kept(partition, factor ?? partition.replicas.length, loads));
  for (const id of plans.flat()) add(loads.replicas, id, 1);
  plans.forEach((plan, i) => {
    const wanted = factor ?? entryAt(partitions, i).replicas.length;
    while (plan.length < Math.min(wanted, brokers.length)) {
      const id = nextReplica(plan, loads);
      plan.push(id);
      add(loads.replicas, id, 1);
    }
  });
  level(plans, loads);
  for (const [first] of plans) if (first !== undefined) add(loads.leaders, first, 1);
  levelLeaders(plans, loads);
  return partitions.flatMap(({ topic, partition, replicas }, i) => {
    const plan = entryAt(plans, i);
    return String(plan) === String(replicas) ? [] : [{ topic, partition, replicas: plan }];
  });
}
