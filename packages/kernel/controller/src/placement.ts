import { type BrokerId, LOST_DIRECTORY, MIGRATING_DIRECTORY, UNASSIGNED_DIRECTORY, type Uuid } from "@samsa/base";
import type { BrokerImage, MetadataImage, PartitionImage } from "@samsa/metadata";
import { type Draw, type Refusal, refusal } from "./decision/decision.ts";

/** True if the broker may become a leader: registered, unfenced, not in controlled shutdown. */
export function isActive(image: MetadataImage, brokerId: BrokerId): boolean {
  const broker = image.brokers.get(brokerId);
  return broker !== undefined && !broker.fenced && !broker.inControlledShutdown;
}

/** True if a broker with these directories serves a replica in `directory` (`DirectoryId.isOnline`). */
export function isOnline(logDirs: readonly Uuid[], directory: Uuid): boolean {
  if (directory === UNASSIGNED_DIRECTORY || directory === MIGRATING_DIRECTORY) return true;
  // A broker of a version without directory ids registers none.
  return directory !== LOST_DIRECTORY && (logDirs.length === 0 || logDirs.includes(directory));
}

function hasOpenDirectory(broker: BrokerImage): boolean {
  const cordoned = new Set(broker.cordonedLogDirs ?? []);
  return broker.logDirs.length === 0 || broker.logDirs.some(directory => !cordoned.has(directory));
}

/** Directory of a new replica on the broker; a reserved id if the broker has not exactly one. */
export function directoryOf(broker: BrokerImage | undefined): Uuid {
  const [directory, ...others] = broker?.logDirs ?? [];
  if (directory === undefined) return MIGRATING_DIRECTORY;
  return others.length === 0 ? directory : UNASSIGNED_DIRECTORY;
}

/** Initial state of a partition; undefined if no replica can lead it. */
export function newPartition(image: MetadataImage, replicas: readonly BrokerId[]): PartitionImage | undefined {
  const isr = replicas.filter(id => isActive(image, id));
  const [leader] = isr;
  if (leader === undefined) return undefined;
  return {
    replicas,
    directories: replicas.map(id => directoryOf(image.brokers.get(id))),
    isr,
    removingReplicas: [],
    addingReplicas: [],
    eligibleLeaderReplicas: [],
    lastKnownElr: [],
    leader,
    leaderRecoveryState: 0,
    leaderEpoch: 0,
    partitionEpoch: 0,
  };
}

interface Rack {
  readonly unfenced: BrokerId[];
  readonly fenced: BrokerId[];
}

/**
 * Places replicas of `count` partitions: spread over racks first, then over brokers, with unfenced leaders. Each
 * partition starts one rack and one broker after the previous one. After a full turn the orders are shuffled, so that
 * the followers of one broker's partitions spread over several brokers.
 */
export function placeReplicas(
  image: MetadataImage,
  count: number,
  replicationFactor: number,
  draw: Pick<Draw, "below">,
): BrokerId[][] | Refusal {
  const usable = [...image.brokers.values()].filter(b => !b.inControlledShutdown && hasOpenDirectory(b));
  const refuse = (why: string) =>
    refusal("INVALID_REPLICATION_FACTOR", `Unable to replicate the partition ${replicationFactor} time(s): ${why}`);
  const leaders = usable.filter(broker => !broker.fenced).length;
  if (leaders === 0) return refuse("All brokers are currently fenced, or have all their log directories cordoned.");
  if (replicationFactor > usable.length) {
    return refuse(
      `The target replication factor of ${replicationFactor} cannot be reached because only ${usable.length} broker(s) ` +
        "are registered or some brokers have all their log directories cordoned.",
    );
  }
  const racks = racksOf(usable);
  const placed: BrokerId[][] = [];
  for (let i = 0; i < count; i++) {
    if (i % leaders === 0) shuffle(racks, draw);
    placed.push(replicasFrom(racks, i % leaders, replicationFactor));
  }
  return placed;
}

function racksOf(brokers: readonly BrokerImage[]): Rack[] {
  const racks = new Map<string | null, Rack>();
  for (const { brokerId, rack: name, fenced } of [...brokers].sort((a, b) => a.brokerId - b.brokerId)) {
    let rack = racks.get(name);
    if (rack === undefined) racks.set(name, (rack = { unfenced: [], fenced: [] }));
    (fenced ? rack.fenced : rack.unfenced).push(brokerId);
  }
  return [...racks.values()];
}

function shuffle(racks: Rack[], draw: Pick<Draw, "below">): void {
  for (const list of [racks, ...racks.map(r => r.unfenced), ...racks.map(r => r.fenced)] as unknown[][]) {
    for (let i = list.length - 1; i > 0; i--) {
      const j = draw.below(i + 1);
      [list[i], list[j]] = [list[j], list[i]];
    }
  }
}

const rotated = <T>(list: readonly T[], by: number): T[] =>
  list.length === 0 ? [] : [...list.slice(by % list.length), ...list.slice(0, by % list.length)];

function replicasFrom(racks: readonly Rack[], turn: number, replicationFactor: number): BrokerId[] {
  const order = rotated(racks, turn);
  // A leader must be unfenced, so the first rack must have an unfenced broker.
  const first = order.findIndex(rack => rack.unfenced.length > 0);
  const lists = rotated(order, first).map(({ unfenced, fenced }, i) => {
    // The leading rack moves on by one broker per turn of the racks. The others move faster, so that the same two
    // brokers do not always share partitions.
    const step = i === 0 ? Math.floor(turn / racks.length) : turn;
    return [...rotated(unfenced, step), ...rotated(fenced, step)];
  });
  const replicas: BrokerId[] = [];
  for (let round = 0; replicas.length < replicationFactor; round++) {
    for (const list of lists) {
      const replica = list[round];
      if (replica !== undefined && replicas.length < replicationFactor) replicas.push(replica);
    }
  }
  return replicas;
}

/** Error of a manual assignment; undefined if it is valid. `factor`: replication factor of the previous partitions. */
export function assignmentFault(
  image: MetadataImage,
  replicas: readonly BrokerId[],
  factor: number | undefined,
): Refusal | undefined {
  const refuse = (why: string) =>
    refusal("INVALID_REPLICA_ASSIGNMENT", `The manual partition assignment includes ${why}`);
  if (replicas.length === 0) return refuse("an empty replica list.");
  const seen = new Set<BrokerId>();
  for (const id of [...replicas].sort((a, b) => a - b)) {
    const broker = image.brokers.get(id);
    if (broker === undefined) return refuse(`broker ${id}, but no such broker is registered.`);
    if (!hasOpenDirectory(broker)) return refuse(`broker ${id}, but all its log directories are cordoned.`);
    if (seen.has(id)) return refuse(`the broker ${id} more than once.`);
    seen.add(id);
  }
  if (factor === undefined || factor === replicas.length) return undefined;
  return refuse(
    `a partition with ${replicas.length} replica(s), but this is not consistent with previous partitions, which have ` +
      `${factor} replica(s).`,
  );
}
