import { type Int64, invariant, type Uuid } from "@samsa/base";
import type { Ticket } from "./effects.ts";

export type GroupState = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable" | "Dead";

export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

export interface Member {
  readonly id: string;
  readonly instanceId: string | null;
  clientId: string;
  clientHost: string;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  protocols: readonly MemberProtocol[];
  assignment: Uint8Array;
  /** The JoinGroup or SyncGroup that waits; a waiting member does not expire. */
  joining: Ticket | undefined;
  syncing: Ticket | undefined;
  /** When the session ends unless the member is heard from. */
  expiresAt: number;
}

export interface CommittedOffset {
  /** Nil when it was committed by a version that did not know ids. */
  readonly topicId: Uuid;
  readonly offset: Int64;
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestamp: number;
  /** Only offsets committed by very old clients carry one (value version 1); -1: none. */
  readonly expireTimestamp: Int64;
}

/** What the group waits for, besides sessions. */
export type Wait =
  | { readonly kind: "none" }
  /** New members of a group that was empty; extended while they come. */
  | { readonly kind: "initial"; readonly at: number; readonly delay: number; readonly remaining: number }
  /** All members to rejoin. */
  | { readonly kind: "join"; readonly at: number }
  /** All members to sync. */
  | { readonly kind: "sync"; readonly at: number };

const NO_WAIT: Wait = { kind: "none" };

/** A classic group: its members, its round, and its offsets (`ClassicGroup`). */
export class Group {
  readonly type = "classic";
  readonly id: string;
  state: GroupState = "Empty";
  /** When the group entered its state, for the expiry of offsets; -1 unknown. */
  stateTimestamp: number;
  generation = 0;
  /** null until a member has named one. */
  protocolType: string | null = null;
  protocolName: string | null = null;
  leaderId: string | null = null;
  readonly members = new Map<string, Member>();
  /** Ids handed out with MEMBER_ID_REQUIRED, and until when they may be used. */
  readonly pendingMembers = new Map<string, number>();
  /** Instance id to member id. */
  readonly staticMembers = new Map<string, string>();
  readonly pendingSync = new Set<string>();
  newMemberAdded = false;
  wait: Wait = NO_WAIT;
  /** When the shard will look at this group again. */
  wakeAt = Infinity;
  /** Whether a record of this group's metadata is in the log, which its deletion must erase. */
  hasMetadataRecord = false;
  readonly offsets: Map<string, Map<number, CommittedOffset>>;

  /** A group that takes another's place has its offsets. */
  constructor(id: string, now: number, offsets: Map<string, Map<number, CommittedOffset>> = new Map()) {
    this.id = id;
    this.stateTimestamp = now;
    this.offsets = offsets;
  }

  /** Nothing but a place for offsets, which no record of its own backs. */
  get isSimple(): boolean {
    return this.protocolType === null && this.state === "Empty" && this.pendingMembers.size === 0;
  }

  transition(state: GroupState, now: number): void {
    this.state = state;
    this.stateTimestamp = now;
  }

  stopWaiting(): void {
    this.wait = NO_WAIT;
  }

  /** The longest a member asks for. */
  rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const member of this.members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs);
    return longest;
  }

  awaitingJoin(): number {
    let count = 0;
    for (const member of this.members.values()) if (member.joining !== undefined) count++;
    return count;
  }

  allJoined(): boolean {
    return this.pendingMembers.size === 0 && this.awaitingJoin() === this.members.size;
  }

  add(member: Member, protocolType: string): void {
    if (this.members.size === 0) this.protocolType = protocolType;
    invariant(!this.members.has(member.id), "a member is added once");
    this.members.set(member.id, member);
    if (member.instanceId !== null) this.staticMembers.set(member.instanceId, member.id);
    this.pendingMembers.delete(member.id);
    this.leaderId ??= member.id;
  }

  remove(member: Member): void {
    this.members.delete(member.id);
    this.pendingSync.delete(member.id);
    if (member.instanceId !== null && this.staticMembers.get(member.instanceId) === member.id) {
      this.staticMembers.delete(member.instanceId);
    }
    if (this.leaderId === member.id) this.leaderId = this.members.keys().next().value ?? null;
  }

  /** Names of the protocols that every member speaks. */
  commonProtocols(): Set<string> {
    let common: Set<string> | undefined;
    for (const member of this.members.values()) {
      const names = new Set(member.protocols.map(({ name }) => name));
      common = common === undefined ? names : new Set([...common].filter(name => names.has(name)));
    }
    return common ?? new Set();
  }

  supports(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.members.size === 0) return protocolType !== "" && protocols.length > 0;
    const common = this.commonProtocols();
    return this.protocolType === protocolType && protocols.some(({ name }) => common.has(name));
  }

  /** Each member votes for the first it lists of those all speak; the most votes win. */
  selectProtocol(): string {
    const common = this.commonProtocols();
    const votes = new Map<string, number>();
    for (const member of this.members.values()) {
      const choice = member.protocols.find(({ name }) => common.has(name));
      invariant(choice !== undefined, "members share a protocol");
      votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1);
    }
    let best = "";
    for (const [name, count] of votes) if (best === "" || count > (votes.get(best) as number)) best = name;
    return best;
  }

  /** The leader stays unless it has not rejoined; then any member that has leads. False when none has. */
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
