import { checkTransition, type Int64, invariant, javaStringHash, type PreviousStates, type Uuid } from "@samsa/base";
import type { Ticket } from "../effects.ts";

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

export interface CommittedOffset {
  /** `ZERO_UUID` if the offset was committed by a version without topic ids. */
  readonly topicId: Uuid;
  readonly offset: Int64;
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestamp: number;
  /** Only offsets committed by very old clients carry one (value version 1); -1: none. */
  readonly expireTimestamp: Int64;
}

/** Initial state of a group. */
export interface GroupOrigin {
  readonly state?: GroupState;
  /** Time at which the group entered its state, for the expiry of offsets; -1 when unknown. */
  readonly stateTimestamp: number;
  /** Offsets of the group that this one replaces. */
  readonly offsets?: Map<string, Map<number, CommittedOffset>>;
}

/** Classic group: its members, its generation, and its offsets (`ClassicGroup`). */
export class ClassicGroup {
  readonly type = "classic";
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
  readonly offsets: Map<string, Map<number, CommittedOffset>>;
  /** Number of members that support each protocol. */
  readonly #supporters = new Map<string, number>();
  #awaitingJoin = 0;

  constructor(id: string, { state = "Empty", stateTimestamp, offsets = new Map() }: GroupOrigin) {
    this.id = id;
    this.#state = state;
    this.stateTimestamp = stateTimestamp;
    this.offsets = offsets;
  }

  get state(): GroupState {
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
    return member.protocols.find(({ name }) => name === this.protocolName)?.metadata ?? new Uint8Array(0);
  }
}

export function sameProtocols(a: readonly MemberProtocol[], b: readonly MemberProtocol[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ name, metadata }, i) => {
      const other = b[i];
      return (
        name === other.name &&
        metadata.length === other.metadata.length &&
        metadata.every((byte, at) => byte === other.metadata[at])
      );
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
