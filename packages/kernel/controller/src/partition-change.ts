import { type BrokerId, entryAt, type PartitionIndex, sameItems, type Uuid } from "@samsa/base";
import {
  ELR_FEATURE,
  METADATA_VERSION,
  metadataVersionOf,
  type PartitionImage,
  recordVersions,
  replicaDirectory,
  type TopicImage,
} from "@samsa/metadata";
import { type MetadataRecord, metadataRecord, type PartitionChangeRecord } from "@samsa/protocol";
import type { DecisionContext } from "./decision/decision.ts";
import { directoryOf, isActive, isOnline } from "./placement.ts";

/** Wanted state of a partition; unset fields stay. */
export interface PartitionTarget {
  readonly isr?: readonly BrokerId[];
  readonly replicas?: readonly BrokerId[];
  readonly adding?: readonly BrokerId[];
  readonly removing?: readonly BrokerId[];
  /**
   * Candidates for leadership: a replica in sync, the current leader first ("online"); the first replica if it is in
   * sync ("preferred"); any replica, if none is in sync ("unclean"). Default "online".
   */
  readonly election?: "online" | "preferred" | "unclean";
  /** True if a broker may lead any partition. Default: it is active. */
  readonly acceptable?: (brokerId: BrokerId) => boolean;
  /** Broker that may have lost acknowledged records. */
  readonly crashed?: BrokerId;
  /** Log directory of one replica. */
  readonly directory?: { readonly brokerId: BrokerId; readonly id: Uuid };
  /** `RECOVERED` once the leader has recovered from an unclean election. */
  readonly leaderRecoveryState?: number;
}

/** State of a partition during a change. */
interface Draft {
  replicas: readonly BrokerId[];
  isr: readonly BrokerId[];
  adding: readonly BrokerId[];
  removing: readonly BrokerId[];
  elr: readonly BrokerId[];
}

interface Elected {
  readonly leader: BrokerId;
  readonly unclean: boolean;
}

type Change = { -readonly [K in keyof PartitionChangeRecord]?: PartitionChangeRecord[K] };

const NO_LEADER = -1;
export const UNCHANGED_LEADER = -2;
/** Values of `leaderRecoveryState` (`LeaderRecoveryState`). */
export const RECOVERED = 0;
export const RECOVERING = 1;

export function without(ids: readonly BrokerId[], ...gone: readonly BrokerId[]): readonly BrokerId[] {
  return ids.filter(id => !gone.includes(id));
}

function includesAll(ids: readonly BrokerId[], wanted: readonly BrokerId[]): boolean {
  return wanted.every(id => ids.includes(id));
}

/**
 * Completes a reassignment if all added replicas are in sync, and enough of those that stay
 * (`PartitionReassignmentReplicas.maybeCompleteReassignment`).
 */
function completeReassignment(draft: Draft): void {
  const { adding, removing } = draft;
  if (adding.length === 0 && removing.length === 0) return;
  const isr = without(draft.isr, ...removing);
  const replicas = without(draft.replicas, ...removing);
  if (removing.length > 0 && (isr.length === 0 || replicas.length === 0)) return;
  if (!includesAll(isr, adding)) return;
  if (adding.length < removing.length && !includesAll(isr, replicas)) return;
  Object.assign(draft, { isr, replicas, adding: [], removing: [] });
}

/** Decides one change of a partition (`PartitionChangeBuilder`). */
class Decider {
  readonly context: DecisionContext;
  readonly topic: TopicImage;
  readonly partition: PartitionImage;
  readonly target: PartitionTarget;
  readonly draft: Draft;
  readonly elrEnabled: boolean;

  constructor(context: DecisionContext, topic: TopicImage, partition: PartitionImage, target: PartitionTarget) {
    this.context = context;
    this.topic = topic;
    this.partition = partition;
    this.target = target;
    this.elrEnabled = (context.image.features.get(ELR_FEATURE) ?? 0) > 0;
    this.draft = {
      replicas: target.replicas ?? partition.replicas,
      isr: target.isr ?? partition.isr,
      adding: target.adding ?? partition.addingReplicas,
      removing: target.removing ?? partition.removingReplicas,
      elr: partition.eligibleLeaderReplicas,
    };
  }

  /** Replicas that leave a too small ISR have all records: they stay eligible until it is large enough (KIP-966). */
  populateElr(): void {
    const { draft, partition, topic, target, context } = this;
    if (!this.elrEnabled) return;
    const { minInsyncReplicas } = context.settings.replication(context.image, topic.name);
    const factor = topic.partitions.get(0)?.replicas.length ?? minInsyncReplicas;
    if (draft.isr.length >= Math.min(minInsyncReplicas, factor)) draft.elr = [];
    else {
      const eligible = new Set([...draft.elr, ...partition.isr]);
      // A replica that is removed is deleted: it must not be eligible when a later reassignment adds it again.
      const mayLead = (id: BrokerId) => draft.replicas.includes(id) && !draft.isr.includes(id) && id !== target.crashed;
      draft.elr = [...eligible].filter(mayLead);
    }
  }

  acceptable(id: BrokerId): boolean {
    const { context, partition, target } = this;
    const may = target.acceptable?.(id) ?? isActive(context.image, id);
    return may && isOnline(context.image.brokers.get(id)?.logDirs ?? [], replicaDirectory(partition, id));
  }

  #eligible(id: BrokerId): boolean {
    const { isr, elr } = this.draft;
    return (isr.includes(id) || (isr.length === 0 && elr.includes(id))) && this.acceptable(id);
  }

  /** Last known leader, if no replica is in sync or eligible, and it is the only one. */
  #lastKnown(): BrokerId | undefined {
    const { draft, partition, elrEnabled } = this;
    const [last, ...more] = partition.lastKnownElr;
    if (!elrEnabled || draft.elr.length > 0 || draft.isr.length > 0 || last === undefined || more.length > 0) {
      return undefined;
    }
    return this.acceptable(last) ? last : undefined;
  }

  elect(): Elected {
    const { draft, partition, target } = this;
    const { election = "online" } = target;
    const preferred = election === "preferred" ? draft.replicas.slice(0, 1) : [];
    const clean = [...preferred, partition.leader, ...draft.replicas].find(id => this.#eligible(id));
    if (clean !== undefined) return { leader: clean, unclean: false };
    const last = this.#lastKnown();
    if (last !== undefined) return { leader: last, unclean: true };
    const alive = election === "unclean" ? draft.replicas.find(id => this.acceptable(id)) : undefined;
    return alive === undefined ? { leader: NO_LEADER, unclean: false } : { leader: alive, unclean: true };
  }

  /** Adds the outcome of the election to `change`. */
  applyElection(change: Change): void {
    const { draft, partition } = this;
    const { leader, unclean } = this.elect();
    if (leader === partition.leader) return;
    if (draft.elr.includes(leader)) {
      draft.isr = [leader];
      draft.elr = without(draft.elr, leader);
    }
    change.leader = leader;
    if (!unclean) return;
    // Records that only other replicas have are lost.
    change.isr = [leader];
    if (partition.leaderRecoveryState !== RECOVERING) change.leaderRecoveryState = RECOVERING;
  }

  /** Bumps the leader epoch, by naming the leader, if replicas were removed: followers then fetch the new state. */
  bumpEpoch(change: Change, before: readonly BrokerId[], after: readonly BrokerId[] | null | undefined): void {
    if (change.leader !== undefined || after === null || after === undefined) return;
    if (!includesAll(after, before)) change.leader = this.partition.leader;
  }

  applyElr(change: Change): void {
    const { draft, partition, elrEnabled } = this;
    if (change.isr !== undefined || !elrEnabled) draft.elr = [];
    if (!sameItems(draft.elr, partition.eligibleLeaderReplicas)) change.eligibleLeaderReplicas = [...draft.elr];
  }

  applyIsr(change: Change): void {
    const { draft, partition, elrEnabled, context } = this;
    const may = draft.isr.length > 0 || elrEnabled;
    if (change.isr === undefined && may && !sameItems(draft.isr, partition.isr)) change.isr = [...draft.isr];
    if (metadataVersionOf(context.image) < METADATA_VERSION.noEpochPerIsr) {
      this.bumpEpoch(change, partition.isr, change.isr);
    }
  }

  applyLastKnown(change: Change): void {
    if (!this.elrEnabled) return;
    const { leader = UNCHANGED_LEADER } = change;
    const known = this.partition.lastKnownElr.length > 0;
    const { leader: last } = this.partition;
    if (leader === NO_LEADER && !known && last !== NO_LEADER) change.lastKnownElr = [last];
    else if (leader >= 0 && known) change.lastKnownElr = [];
  }

  applyAssignment(change: Change): void {
    const { draft, partition, context, target } = this;
    const { image } = context;
    if (draft.replicas.length > 0 && metadataVersionOf(image) >= METADATA_VERSION.directories) {
      const directories = draft.replicas.map(id => {
        if (id === target.directory?.brokerId) return target.directory.id;
        const at = partition.replicas.indexOf(id);
        return at < 0 ? directoryOf(image.brokers.get(id)) : entryAt(partition.directories, at);
      });
      if (!sameItems(directories, partition.directories)) change.directories = directories;
    }
    if (draft.replicas.length > 0 && !sameItems(draft.replicas, partition.replicas))
      change.replicas = [...draft.replicas];
    if (!sameItems(draft.removing, partition.removingReplicas)) change.removingReplicas = [...draft.removing];
    if (!sameItems(draft.adding, partition.addingReplicas)) change.addingReplicas = [...draft.adding];
  }
}

/** Record that brings a partition to `target`, as far as possible; undefined if nothing changes. */
export function partitionChange(
  context: DecisionContext,
  topic: TopicImage,
  partitionId: PartitionIndex,
  target: PartitionTarget,
): MetadataRecord | undefined {
  const partition = topic.partitions.get(partitionId);
  if (partition === undefined) return undefined;
  const decider = new Decider(context, topic, partition, target);
  const change: Change = {};
  completeReassignment(decider.draft);
  decider.populateElr();
  decider.applyElection(change);
  decider.bumpEpoch(change, partition.replicas, decider.draft.replicas);
  decider.applyElr(change);
  decider.applyIsr(change);
  decider.applyLastKnown(change);
  decider.applyAssignment(change);
  const { leaderRecoveryState = partition.leaderRecoveryState } = target;
  if (leaderRecoveryState !== partition.leaderRecoveryState) change.leaderRecoveryState = leaderRecoveryState;
  if (Object.keys(change).length === 0) return undefined;
  const version = recordVersions(metadataVersionOf(context.image)).partitionChange;
  return metadataRecord("PartitionChangeRecord", version, { topicId: topic.id, partitionId, ...change });
}
