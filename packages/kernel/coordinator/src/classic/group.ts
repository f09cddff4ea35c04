import {
  ByteReader,
  checkTransition,
  invariant,
  javaStringHash,
  MalformedError,
  type PreviousStates,
  sameBytes,
} from "@samsa/base";
import { consumerProtocolSubscription, Errors } from "@samsa/protocol";
import type { ShardRecord, Ticket } from "../shard/effects.ts";
import type { CommitClaim, Group } from "../group/group.ts";
import type { CommittedOffset } from "../group/offset-table.ts";
import { groupRecord, groupTombstone } from "./records.ts";

const NO_BYTES = new Uint8Array(0);

/** State of a classic group. Kafka's state Dead has no group: a dead group is removed. */
export type GroupState = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable";

/** Valid previous states of a classic group (`ClassicGroupState`). */
export const PREVIOUS_GROUP_STATES: PreviousStates<GroupState> = {
  Empty: ["PreparingRebalance"],
  PreparingRebalance: ["Stable", "CompletingRebalance", "Empty"],
  CompletingRebalance: ["PreparingRebalance"],
  Stable: ["CompletingRebalance"],
};

export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

export interface Member {
  readonly id: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  protocols: readonly MemberProtocol[];
  assignment: Uint8Array;
  /** JoinGroup and SyncGroup that wait for their responses. */
  joining: Ticket | undefined;
  syncing: Ticket | undefined;
  /** True until the client knows its member id. It cannot send heartbeats yet, so it expires even while it waits. */
  isNew: boolean;
}

/** Initial state of a group. */
export interface GroupOrigin {
  readonly state?: GroupState;
  /** Time at which the group entered its state, for the expiry of offsets; -1 when unknown. */
  readonly stateTimestamp: number;
}

/** Classic group: its members and its generation (`ClassicGroup`). */
export class ClassicGroup implements Group {
  readonly type = "classic";
  readonly expires = true;
  readonly id: string;
  #state: GroupState;
  #previousState: GroupState | undefined;
  stateTimestamp: number;
  generation = 0;
  /** null until a member has named one. */
  protocolType: string | null = null;
  protocolName: string | null = null;
  leaderId: string | null = null;
  /** Topics that the members of this generation subscribe to; undefined: unknown. */
  subscribed: ReadonlySet<string> | undefined;
  readonly members = new Map<string, Member>();
  /** Member ids returned with MEMBER_ID_REQUIRED that have not rejoined yet. */
  readonly pendingMembers = new Set<string>();
  /** Instance id to member id. */
  readonly staticMembers = new Map<string, string>();
  /** Members of this generation that have not sent SyncGroup yet. */
  readonly pendingSync = new Set<string>();
  /** True if a member has joined during the initial rebalance delay, which is extended then. */
  newMemberAdded = false;
  /** Number of members that support each protocol. */
  readonly #supporters = new Map<string, number>();
  #awaitingJoin = 0;

  constructor(id: string, { state = "Empty", stateTimestamp }: GroupOrigin) {
    this.id = id;
    this.#state = state;
    this.stateTimestamp = stateTimestamp;
  }

  get state(): GroupState {
    return this.#state;
  }

  stateIn(): GroupState {
    return this.#state;
  }

  /** True while a group that was empty waits for its first members (`group.initial.rebalance.delay.ms`). */
  get isInitialRebalance(): boolean {
    return this.#state === "PreparingRebalance" && this.#previousState === "Empty";
  }

  transition(state: GroupState, now: number): void {
    checkTransition(PREVIOUS_GROUP_STATES, this.#state, state);
    this.#previousState = this.#state;
    this.#state = state;
    this.stateTimestamp = now;
  }

  /** Longest rebalance timeout of the members, never negative. */
  rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const member of this.members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs);
    return longest;
  }

  /** Number of members whose JoinGroup waits. */
  get awaitingJoin(): number {
    return this.#awaitingJoin;
  }

  allJoined(): boolean {
    return this.pendingMembers.size === 0 && this.#awaitingJoin === this.members.size;
  }

  /** Sets or clears the waiting JoinGroup of a member. */
  setJoining(member: Member, ticket: Ticket | undefined): void {
    this.#awaitingJoin += Number(ticket !== undefined) - Number(member.joining !== undefined);
    member.joining = ticket;
  }

  setProtocols(member: Member, protocols: readonly MemberProtocol[]): void {
    this.#count(member, -1);
    member.protocols = protocols;
    this.#count(member, 1);
  }

  add(member: Member, protocolType: string): void {
    if (this.members.size === 0) this.protocolType = protocolType;
    invariant(!this.members.has(member.id), "a member is added once");
    invariant(this.protocolType === protocolType, "members have the protocol type of their group");
    this.#put(member);
    this.pendingMembers.delete(member.id);
    this.leaderId ??= member.id;
  }

  /** Removes a member or a pending member id. */
  remove(memberId: string): void {
    const member = this.members.get(memberId);
    if (member !== undefined) this.#takeOut(member);
    this.pendingMembers.delete(memberId);
    this.pendingSync.delete(memberId);
    if (this.leaderId === memberId) this.leaderId = this.members.keys().next().value ?? null;
  }

  /** Replaces a static member by another of the same instance id, which also takes over leadership. */
  replace(old: Member, member: Member): void {
    invariant(member.instanceId !== null && member.instanceId === old.instanceId, "only static members are replaced");
    this.#takeOut(old);
    this.#put(member);
    if (this.leaderId === old.id) this.leaderId = member.id;
  }

  #put(member: Member): void {
    this.members.set(member.id, member);
    if (member.instanceId !== null) this.staticMembers.set(member.instanceId, member.id);
    if (member.joining !== undefined) this.#awaitingJoin++;
    this.#count(member, 1);
  }

  #takeOut(member: Member): void {
    invariant(this.members.delete(member.id), "only members are taken out");
    if (member.instanceId !== null) this.staticMembers.delete(member.instanceId);
    if (member.joining !== undefined) this.#awaitingJoin--;
    this.#count(member, -1);
  }

  #count(member: Member, by: number): void {
    for (const name of new Set(member.protocols.map(protocol => protocol.name))) {
      const count = (this.#supporters.get(name) ?? 0) + by;
      if (count === 0) this.#supporters.delete(name);
      else this.#supporters.set(name, count);
    }
  }

  #isCommon(name: string): boolean {
    return (this.#supporters.get(name) ?? 0) === this.members.size;
  }

  /** True if a member with these protocols may join (`ClassicGroup.supportsProtocols`). */
  supports(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.#state === "Empty") return protocolType !== "" && protocols.length > 0;
    return this.protocolType === protocolType && protocols.some(({ name }) => this.#isCommon(name));
  }

  /** Selects the protocol with the most votes; a member votes for the first of its protocols that all support. */
  selectProtocol(): string {
    const votes = new Map<string, number>();
    for (const member of this.members.values()) {
      const choice = member.protocols.find(({ name }) => this.#isCommon(name));
      invariant(choice !== undefined, "members share a protocol");
      votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1);
    }
    let best: string | undefined;
    for (const name of inHashOrder([...votes.keys()])) {
      if (best === undefined || (votes.get(name) ?? 0) > (votes.get(best) ?? 0)) best = name;
    }
    invariant(best !== undefined, "members choose a protocol");
    return best;
  }

  /** Elects a joined member as leader if the leader has not joined; false if no member has. */
  electJoinedLeader(): boolean {
    if (this.leaderId !== null && this.members.get(this.leaderId)?.joining !== undefined) return true;
    for (const member of this.members.values()) {
      if (member.joining === undefined) continue;
      this.leaderId = member.id;
      return true;
    }
    return false;
  }

  metadataOf(member: Member): Uint8Array {
    return member.protocols.find(({ name }) => name === this.protocolName)?.metadata ?? NO_BYTES;
  }

  get isEmpty(): boolean {
    return this.#state === "Empty";
  }

  /** Checks member id and instance id: 0 or an error code (`ClassicGroup.validateMember`). */
  validateMember(memberId: string, instanceId: string | null): number {
    if (instanceId !== null) {
      const known = this.staticMembers.get(instanceId);
      if (known === undefined) return Errors.UNKNOWN_MEMBER_ID.code;
      if (known !== memberId) return Errors.FENCED_INSTANCE_ID.code;
    }
    return this.members.has(memberId) ? 0 : Errors.UNKNOWN_MEMBER_ID.code;
  }

  validateOffsetCommit({ memberId, groupInstanceId, generation, isTransactional }: CommitClaim): number {
    if (generation < 0 && this.isEmpty) return 0;
    if (generation < 0 && memberId === "" && groupInstanceId === null) {
      // Old producers send no member id and no generation.
      return isTransactional ? 0 : Errors.UNKNOWN_MEMBER_ID.code;
    }
    const error = this.validateMember(memberId, groupInstanceId);
    if (error !== 0) return error;
    if (generation !== this.generation) return Errors.ILLEGAL_GENERATION.code;
    return !isTransactional && this.#state === "CompletingRebalance" ? Errors.REBALANCE_IN_PROGRESS.code : 0;
  }

  validateOffsetFetch(): number {
    return 0;
  }

  validateOffsetDelete(): number {
    return this.isEmpty || this.protocolType === "consumer" ? 0 : Errors.NON_EMPTY_GROUP.code;
  }

  validateDelete(): number {
    return this.isEmpty ? 0 : Errors.NON_EMPTY_GROUP.code;
  }

  isSubscribedTo(topic: string): boolean {
    // A group of consumers whose subscriptions cannot be read may subscribe to anything.
    return this.subscribed === undefined ? this.protocolType === "consumer" : this.subscribed.has(topic);
  }

  ageBase(topic: string, { commitTimestamp }: CommittedOffset): number {
    if (this.protocolType === null || this.protocolType === "") return commitTimestamp;
    if (this.isEmpty) return this.stateTimestamp === -1 ? commitTimestamp : this.stateTimestamp;
    const isUnsubscribed = this.#state === "Stable" && this.subscribed?.has(topic) === false;
    return isUnsubscribed ? commitTimestamp : Infinity;
  }

  requestMetadataRefresh(): void {
    // The leader of a classic group watches its topics itself.
  }

  tombstones(): ShardRecord[] {
    return [groupTombstone(this.id)];
  }

  /** Record of the group with `assignments`, by member id. */
  record(assignments: ReadonlyMap<string, Uint8Array>): ShardRecord {
    const members = [...this.members.values()].map(member => ({
      memberId: member.id,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeout: member.rebalanceTimeoutMs,
      sessionTimeout: member.sessionTimeoutMs,
      subscription: this.metadataOf(member),
      assignment: assignments.get(member.id) ?? NO_BYTES,
    }));
    return groupRecord(this.id, {
      protocolType: this.protocolType ?? "",
      generation: this.generation,
      protocol: this.protocolName,
      leader: this.leaderId,
      currentStateTimestamp: this.stateTimestamp,
      members,
    });
  }
}

/** Classic group without members, empty since `wall`. */
export function newClassicGroup(id: string, wall: number): ClassicGroup {
  return new ClassicGroup(id, { stateTimestamp: wall });
}

export function sameProtocols(a: readonly MemberProtocol[], b: readonly MemberProtocol[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ name, metadata }, i) => {
      const other = b[i];
      return other !== undefined && name === other.name && sameBytes(metadata, other.metadata);
    })
  );
}

/** Sorts names into the iteration order of a Java `HashMap`: in a tie, Kafka selects the first. */
function inHashOrder(names: readonly string[]): string[] {
  let buckets = 16;
  while (names.length > buckets * 0.75) buckets *= 2;
  const bucketOf = (name: string): number => {
    const hash = javaStringHash(name);
    return (hash ^ (hash >>> 16)) & (buckets - 1);
  };
  return [...names].sort((a, b) => bucketOf(a) - bucketOf(b));
}

/** Topics that a group of consumers subscribes to (`ClassicGroup.computeSubscribedTopics`); undefined: unknown. */
export function subscribedTopics(group: ClassicGroup): ReadonlySet<string> | undefined {
  if (group.protocolType !== "consumer") return undefined;
  if (group.members.size === 0) return new Set();
  if (group.protocolName === null) return undefined;
  const topics = new Set<string>();
  try {
    for (const member of group.members.values()) {
      const reader = new ByteReader(group.metadataOf(member));
      // Every version begins with the fields of version 0, so the version that the member wrote does not matter.
      reader.i16();
      for (const topic of consumerProtocolSubscription.decode(reader, 0).topics) topics.add(topic);
    }
  } catch (error) {
    // Some clients write other bytes here (KAFKA-9196 and similar): then no topic counts as unsubscribed.
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
  return topics;
}
