import { checkTransition, type PartitionIndex, type PreviousStates, sameItems, type Uuid } from "@samsa/base";
import { type MemberProtocol, sameProtocols } from "../classic/group.ts";

/** State of a member's reconciliation (`MemberState`). */
export const STATE = { stable: 0, unrevoked: 1, unreleased: 2, unknown: 127 } as const;
export type MemberState = (typeof STATE)[keyof typeof STATE];

const ANY_STATE: readonly MemberState[] = Object.values(STATE);

/**
 * Valid previous states of a member (`CurrentAssignmentBuilder`). Each step of the reconciliation may end in any of the
 * three states; only records of a later version have another one.
 */
export const PREVIOUS_MEMBER_STATES: PreviousStates<MemberState> = {
  [STATE.stable]: ANY_STATE,
  [STATE.unrevoked]: ANY_STATE,
  [STATE.unreleased]: ANY_STATE,
  [STATE.unknown]: [],
};

/** State in a record: `STATE.unknown` if only a later version knows it (`MemberState.fromValue`). */
export function memberState(value: number): MemberState {
  return ANY_STATE.find(state => state === value) ?? STATE.unknown;
}

/** Member epochs with a special meaning in requests. */
export const JOINING_EPOCH = 0;
export const LEAVING_EPOCH = -1;
/** Temporary leave of a static member: its place is kept until its session ends. */
export const AWAY_EPOCH = -2;

/** Assignment epoch of each partition, by topic id; topics without partitions are absent. */
export type Owned = ReadonlyMap<Uuid, ReadonlyMap<PartitionIndex, number>>;

/** JoinGroup fields of a classic member in a consumer group. */
export interface ClassicMetadata {
  readonly sessionTimeoutMs: number;
  readonly supportedProtocols: readonly MemberProtocol[];
}

/** Member of a consumer group (`ConsumerGroupMember`). Immutable: a change makes a new one. */
export interface ConsumerMember {
  readonly id: string;
  readonly epoch: number;
  readonly previousEpoch: number;
  readonly state: MemberState;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** −1: not set. */
  readonly rebalanceTimeoutMs: number;
  /** Sorted, without duplicates. */
  readonly topicNames: readonly string[];
  /** "" or null: none. Kafka writes "". */
  readonly regex: string | null;
  readonly assignor: string | null;
  readonly assigned: Owned;
  /** Partitions whose revocation the member has not confirmed. */
  readonly revoking: Owned;
  /** Null for a member of the consumer protocol. */
  readonly classic: ClassicMetadata | null;
}

export const NONE: Owned = new Map();

export function newMember(id: string): ConsumerMember {
  return {
    id,
    epoch: 0,
    previousEpoch: -1,
    state: STATE.stable,
    instanceId: null,
    rackId: null,
    clientId: "",
    clientHost: "",
    rebalanceTimeoutMs: -1,
    topicNames: [],
    regex: "",
    assignor: null,
    assigned: NONE,
    revoking: NONE,
    classic: null,
  };
}

/** Sorts topic names and removes duplicates, as `ConsumerMember.topicNames` requires. */
export function namesOf(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}

/** Pattern that a member subscribes to; undefined: none. */
export function regexOf(member: ConsumerMember | undefined): string | undefined {
  return member === undefined || member.regex === null || member.regex === "" ? undefined : member.regex;
}

export function sameOwned(a: Owned, b: Owned): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [topic, partitions] of a) {
    const others = b.get(topic);
    if (others === undefined || others.size !== partitions.size) return false;
    for (const [partition, epoch] of partitions) if (others.get(partition) !== epoch) return false;
  }
  return true;
}

function sameClassic(a: ClassicMetadata | null, b: ClassicMetadata | null): boolean {
  if (a === b) return true;
  if (a === null || b === null || a.sessionTimeoutMs !== b.sessionTimeoutMs) return false;
  return sameProtocols(a.supportedProtocols, b.supportedProtocols);
}

/** True if both members are described by the same record. */
export function sameSubscription(a: ConsumerMember, b: ConsumerMember): boolean {
  return (
    a.id === b.id &&
    a.instanceId === b.instanceId &&
    a.rackId === b.rackId &&
    a.clientId === b.clientId &&
    a.clientHost === b.clientHost &&
    a.rebalanceTimeoutMs === b.rebalanceTimeoutMs &&
    a.regex === b.regex &&
    a.assignor === b.assignor &&
    sameItems(a.topicNames, b.topicNames) &&
    sameClassic(a.classic, b.classic)
  );
}

/** True if both members have the same epoch, state and partitions. */
export function samePlace(a: ConsumerMember, b: ConsumerMember): boolean {
  return (
    a.epoch === b.epoch &&
    a.previousEpoch === b.previousEpoch &&
    a.state === b.state &&
    sameOwned(a.assigned, b.assigned) &&
    sameOwned(a.revoking, b.revoking)
  );
}

/** True if the member has reached its target assignment of that epoch. */
export function isReconciled(member: ConsumerMember, epoch: number): boolean {
  return member.state === STATE.stable && member.epoch === epoch;
}

/** Member after a step of its reconciliation; its last epoch becomes the previous one. */
export function moved(member: ConsumerMember, epoch: number, change: Partial<ConsumerMember>): ConsumerMember {
  const { state = member.state } = change;
  checkTransition(PREVIOUS_MEMBER_STATES, member.state, state);
  return { ...member, previousEpoch: member.epoch, epoch, ...change };
}
