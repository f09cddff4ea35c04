import type { PartitionIndex, Uuid } from "@samsa/base";
import { type Assignment, NOTHING } from "../assign/index.ts";
import { Errors } from "@samsa/protocol";
import type { ShardRecord } from "../shard/effects.ts";
import type { CommitClaim, Group } from "../group/group.ts";
import type { CommittedOffset } from "../group/offset-table.ts";
import { type Derived, type Timeline, TimelineMap, TimelineValue, type View } from "../shard/timeline.ts";
import { groupTombstones, type Resolved } from "./records.ts";
import { type ConsumerMember, isReconciled, type Owned, regexOf } from "./member.ts";

export type ConsumerGroupState = "Empty" | "Assigning" | "Reconciling" | "Stable";

/** First version of OffsetCommit that members of the consumer protocol may use. */
const EPOCH_VERSION = 9;

type Counts = Map<string, number>;

function count(counts: Counts, key: string, by: number): void {
  const next = (counts.get(key) ?? 0) + by;
  if (next === 0) counts.delete(key);
  else counts.set(key, next);
}

/** Subscriptions of a group: the number of members for each name and pattern. */
export interface Subscriptions {
  readonly names: ReadonlyMap<string, number>;
  readonly regexes: ReadonlyMap<string, number>;
}

/** Fields of the records of a group and of its target assignment. */
interface Epochs {
  /** Starts at 1, as the assignment epoch does: a joining member gets an epoch whatever it subscribes to. */
  readonly epoch: number;
  readonly metadataHash: bigint;
  readonly assignmentEpoch: number;
  /** Wall-clock time of the target assignment; 0: it does not delay the next one. */
  readonly assignmentTimestamp: number;
  /** Monotonic time of the target assignment; undefined if it was loaded from the log. */
  readonly assignedAt: number | undefined;
  /** True if Kafka 4.0 has left a record of partition metadata, which later versions erase. */
  readonly hasPartitionMetadata: boolean;
}

const FIRST_EPOCHS: Epochs = {
  epoch: 1,
  metadataHash: 0n,
  assignmentEpoch: 1,
  assignmentTimestamp: 0,
  assignedAt: undefined,
  hasPartitionMetadata: false,
};

/** A group of the consumer protocol (KIP-848). It is rebuilt from its records; only timers are volatile. */
export class ConsumerGroup implements Group, Derived {
  readonly type = "consumer";
  readonly protocolType = "consumer";
  readonly expires = true;
  readonly id: string;
  readonly #epochs: TimelineValue<Epochs>;
  readonly members: TimelineMap<string, ConsumerMember>;
  readonly target: TimelineMap<string, Assignment>;
  readonly resolved: TimelineMap<string, Resolved>;
  /** Instance id to member id. */
  readonly staticMembers = new Map<string, string>();
  /** Wall-clock deadline of the next check of the topics; void if the group epoch is below `epoch`. */
  refresh = { at: 0, epoch: 0 };
  /** True while the patterns are being resolved. */
  resolving = false;
  readonly #names: Counts = new Map();
  readonly #regexes: Counts = new Map();
  readonly #assignors: Counts = new Map();
  readonly #protocols: Counts = new Map();
  /** Epoch of the member that owns each partition (`currentPartitionEpoch`). */
  readonly #owners = new Map<Uuid, Map<PartitionIndex, number>>();
  classicMembers = 0;

  constructor(id: string, timeline: Timeline) {
    this.id = id;
    this.#epochs = new TimelineValue(timeline, FIRST_EPOCHS);
    this.members = new TimelineMap(timeline, this);
    this.target = new TimelineMap(timeline);
    this.resolved = new TimelineMap(timeline);
  }

  get epoch(): number {
    return this.#epochs.get().epoch;
  }

  get metadataHash(): bigint {
    return this.#epochs.get().metadataHash;
  }

  get assignmentEpoch(): number {
    return this.#epochs.get().assignmentEpoch;
  }

  get assignmentTimestamp(): number {
    return this.#epochs.get().assignmentTimestamp;
  }

  get assignedAt(): number | undefined {
    return this.#epochs.get().assignedAt;
  }

  get hasPartitionMetadata(): boolean {
    return this.#epochs.get().hasPartitionMetadata;
  }

  epochs(view: View): Pick<Epochs, "epoch" | "assignmentEpoch"> {
    return this.#epochs.get(view);
  }

  setEpochs(change: Partial<Epochs>): void {
    this.#epochs.set({ ...this.#epochs.get(), ...change });
  }

  stateIn(view: View): ConsumerGroupState {
    const { epoch, assignmentEpoch } = this.#epochs.get(view);
    let state: ConsumerGroupState = "Empty";
    for (const member of this.members.values(view)) {
      if (epoch > assignmentEpoch) return "Assigning";
      if (!isReconciled(member, assignmentEpoch)) return "Reconciling";
      state = "Stable";
    }
    return state;
  }

  get subscriptions(): Subscriptions {
    return { names: this.#names, regexes: this.#regexes };
  }

  /** Number of classic members that support each protocol. */
  get classicProtocols(): ReadonlyMap<string, number> {
    return this.#protocols;
  }

  staticMember(instanceId: string): ConsumerMember | undefined {
    const id = this.staticMembers.get(instanceId);
    return id === undefined ? undefined : this.members.get(id);
  }

  targetOf(memberId: string): Assignment {
    return this.target.get(memberId) ?? NOTHING;
  }

  set(member: ConsumerMember): void {
    const before = this.members.get(member.id);
    this.members.set(member.id, member);
    this.#derive(before, member);
  }

  /** Updates what follows from the members for a change of one of them. */
  #derive(before: ConsumerMember | undefined, member: ConsumerMember): void {
    this.#count(before, -1);
    this.#count(member, 1);
    if (before !== undefined) this.#release(before);
    this.#own(member.assigned, member.epoch);
    this.#own(member.revoking, member.epoch);
    if (before !== undefined && before.instanceId !== null && before.instanceId !== member.instanceId) {
      this.#forgetStatic(before);
    }
    if (member.instanceId !== null) this.staticMembers.set(member.instanceId, member.id);
  }

  remove(memberId: string): void {
    const member = this.members.get(memberId);
    if (member === undefined) return;
    this.members.delete(memberId);
    this.#count(member, -1);
    this.#release(member);
    this.#forgetStatic(member);
  }

  reverted(): void {
    for (const derived of [this.#names, this.#regexes, this.#assignors, this.#protocols, this.#owners]) derived.clear();
    this.staticMembers.clear();
    this.classicMembers = 0;
    for (const member of this.members.values()) this.#derive(undefined, member);
  }

  #forgetStatic({ id, instanceId }: ConsumerMember): void {
    if (instanceId !== null && this.staticMembers.get(instanceId) === id) this.staticMembers.delete(instanceId);
  }

  #count(member: ConsumerMember | undefined, by: number): void {
    if (member === undefined) return;
    for (const name of member.topicNames) count(this.#names, name, by);
    const regex = regexOf(member);
    if (regex !== undefined) count(this.#regexes, regex, by);
    if (member.assignor !== null) count(this.#assignors, member.assignor, by);
    if (member.classic === null) return;
    this.classicMembers += by;
    for (const { name } of member.classic.supportedProtocols) count(this.#protocols, name, by);
  }

  #release(member: ConsumerMember): void {
    for (const owned of [member.assigned, member.revoking]) {
      for (const [topic, partitions] of owned) {
        const owners = this.#owners.get(topic);
        if (owners === undefined) continue;
        // Under another epoch, another member owns it already: in a compacted log, that record may come first.
        for (const partition of partitions.keys()) {
          if (owners.get(partition) === member.epoch) owners.delete(partition);
        }
        if (owners.size === 0) this.#owners.delete(topic);
      }
    }
  }

  #own(owned: Owned, epoch: number): void {
    for (const [topic, partitions] of owned) {
      let owners = this.#owners.get(topic);
      if (owners === undefined) {
        owners = new Map();
        this.#owners.set(topic, owners);
      }
      for (const partition of partitions.keys()) {
        if (epoch > (owners.get(partition) ?? -Infinity)) owners.set(partition, epoch);
      }
    }
  }

  /** True if a member owns the partition, or has not yet confirmed its revocation. */
  isOwned(topic: Uuid, partition: PartitionIndex): boolean {
    return this.#owners.get(topic)?.has(partition) === true;
  }

  /** Subscriptions with `after` in the place of `before`; `after` undefined: the members of `before` leave. */
  subscriptionsWith(before: readonly ConsumerMember[], after: ConsumerMember | undefined): Subscriptions {
    const names = new Map(this.#names);
    const regexes = new Map(this.#regexes);
    const change = (member: ConsumerMember, by: number): void => {
      for (const name of member.topicNames) count(names, name, by);
      const regex = regexOf(member);
      if (regex !== undefined) count(regexes, regex, by);
    };
    // The `before` of a new member subscribes to nothing; that of a replacement is the static member it replaces.
    for (const member of before) change(member, -1);
    if (after !== undefined) change(after, 1);
    return { names, regexes };
  }

  /** Topics subscribed to by name or by a resolved pattern. */
  topicsOf({ names, regexes }: Subscriptions): Set<string> {
    const topics = new Set(names.keys());
    for (const regex of regexes.keys()) {
      for (const topic of this.resolved.get(regex)?.topics ?? []) topics.add(topic);
    }
    return topics;
  }

  isSubscribedTo(topic: string): boolean {
    if (this.#names.has(topic)) return true;
    for (const regex of this.#regexes.keys()) if (this.resolved.get(regex)?.topics.has(topic) === true) return true;
    return false;
  }

  get isEmpty(): boolean {
    return this.members.size === 0;
  }

  /** Checks a commit; with an older epoch, each partition must have been assigned at that epoch or before. */
  validateOffsetCommit(claim: CommitClaim): number {
    const { memberId, generation: epoch, isTransactional, version } = claim;
    if (epoch < 0 && this.isEmpty) return 0;
    // Old producers send no member id and no generation.
    if (isTransactional && epoch < 0 && memberId === "" && claim.groupInstanceId === null) return 0;
    const member = this.members.get(memberId);
    if (member === undefined) return Errors.UNKNOWN_MEMBER_ID.code;
    // Every version of TxnOffsetCommit knows member epochs; some of OffsetCommit do not.
    const hasEpochs = isTransactional || version >= EPOCH_VERSION;
    if (member.classic === null && !hasEpochs) return Errors.UNSUPPORTED_VERSION.code;
    if (epoch === member.epoch) return 0;
    const stale = staleCode(member);
    if (epoch > member.epoch) return stale;
    for (const { topicId, partitions } of claim.topics) {
      for (const { partitionIndex: partition } of partitions) {
        const since = member.assigned.get(topicId)?.get(partition) ?? member.revoking.get(topicId)?.get(partition);
        if (since === undefined || epoch < since) return stale;
      }
    }
    return 0;
  }

  validateOffsetFetch(memberId: string | null, epoch: number, view: View): number {
    if (memberId === null && epoch < 0) return 0;
    const member = this.members.get(memberId ?? "", view);
    if (member === undefined) return Errors.UNKNOWN_MEMBER_ID.code;
    return epoch === member.epoch ? 0 : staleCode(member);
  }

  validateOffsetDelete(): number {
    return 0;
  }

  validateDelete(): number {
    return this.isEmpty ? 0 : Errors.NON_EMPTY_GROUP.code;
  }

  ageBase(topic: string, { commitTimestamp }: CommittedOffset): number {
    return this.isSubscribedTo(topic) ? Infinity : commitTimestamp;
  }

  requestMetadataRefresh(): void {
    this.refresh = { at: 0, epoch: 0 };
  }

  /** Tombstones of the group and its members. `replaced`: the log has member `id` under the new id `by`. */
  tombstones(replaced?: { readonly by: string; readonly id: string }): ShardRecord[] {
    const ids = [...this.members.keys()].map(id => (id === replaced?.id ? replaced.by : id));
    return groupTombstones(this.id, ids, [...this.resolved.keys()]);
  }

  /** Assignor that most members name among those of a view (`preferredServerAssignor`). */
  assignorIn(view: View): string | undefined {
    const counts: Counts = new Map();
    for (const { assignor } of this.members.values(view)) if (assignor !== null) count(counts, assignor, 1);
    return mostNamed(counts);
  }

  /** Assignor that most members name, with `after` in the place of `before`. */
  preferredAssignor(before?: ConsumerMember, after?: ConsumerMember): string | undefined {
    const counts = new Map(this.#assignors);
    if (typeof before?.assignor === "string") count(counts, before.assignor, -1);
    if (typeof after?.assignor === "string") count(counts, after.assignor, 1);
    return mostNamed(counts);
  }
}

function mostNamed(counts: Counts): string | undefined {
  let best: string | undefined;
  for (const [name, votes] of counts) if (best === undefined || votes > (counts.get(best) ?? 0)) best = name;
  return best;
}

function staleCode(member: ConsumerMember): number {
  return (member.classic === null ? Errors.STALE_MEMBER_EPOCH : Errors.ILLEGAL_GENERATION).code;
}
