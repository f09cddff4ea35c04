import type { BrokerId, LeaderEpoch, Offset, Uuid } from "@samsa/base";
import type { ControlRecord, VoterDescription } from "@samsa/records";

/** A replica of the metadata log: a node with its directory (`ReplicaKey`). */
export interface ReplicaKey {
  readonly id: BrokerId;
  /** ZERO_UUID: unknown, it matches any. */
  readonly directoryId: Uuid;
}

/** End of a log, and the epoch of its last record (`OffsetAndEpoch`). */
export interface LogEnd {
  readonly offset: Offset;
  readonly epoch: LeaderEpoch;
}

/** Vote, with or without an effect on the epoch (KIP-996). */
export interface VoteCall {
  readonly type: "vote";
  readonly preVote: boolean;
  readonly epoch: LeaderEpoch;
  readonly candidate: ReplicaKey;
  /** Voter that is asked. */
  readonly voter: ReplicaKey;
  readonly end: LogEnd;
}

/** BeginQuorumEpoch: the leader makes itself known. */
export interface BeginCall {
  readonly type: "begin";
  readonly epoch: LeaderEpoch;
  readonly leaderId: BrokerId;
  readonly voter: ReplicaKey;
}

/** EndQuorumEpoch: the leader resigns. */
export interface EndCall {
  readonly type: "end";
  readonly epoch: LeaderEpoch;
  readonly leaderId: BrokerId;
  /** Voters that should follow it, most up to date first. */
  readonly successors: readonly ReplicaKey[];
}

/** Fetch of the metadata log. */
export interface FetchCall {
  readonly type: "fetch";
  readonly epoch: LeaderEpoch;
  readonly replica: ReplicaKey;
  readonly end: LogEnd;
  /** High watermark that the follower knows; −1: none. */
  readonly highWatermark: Offset;
  readonly maxWaitMs: number;
}

/** FetchSnapshot: reads a part of a snapshot. */
export interface SnapshotCall {
  readonly type: "snapshot";
  readonly epoch: LeaderEpoch;
  readonly replica: ReplicaKey;
  readonly id: LogEnd;
  /** Byte from which to read. */
  readonly position: number;
}

/** AddRaftVoter. */
export interface AddCall {
  readonly type: "add";
  /** New voter; its versions are not known yet. */
  readonly voter: VoterDescription;
  readonly ackWhenCommitted: boolean;
}

/** RemoveRaftVoter. */
export interface RemoveCall {
  readonly type: "remove";
  readonly voter: ReplicaKey;
}

/** UpdateRaftVoter. */
export interface UpdateCall {
  readonly type: "update";
  readonly epoch: LeaderEpoch;
  readonly voter: VoterDescription;
}

/** Request of a peer, or of an operator. */
export type RaftCall = VoteCall | BeginCall | EndCall | FetchCall | SnapshotCall | AddCall | RemoveCall | UpdateCall;

/** Part of every response: the error code, and what the sender knows of the leader. */
export interface Answer {
  readonly errorCode: number;
  readonly epoch: LeaderEpoch;
  /** −1: unknown. */
  readonly leaderId: BrokerId;
}

export interface VoteAnswer extends Answer {
  readonly type: "vote";
  readonly granted: boolean;
}

export interface EpochAnswer extends Answer {
  readonly type: "begin" | "end";
}

/** A run of records of one epoch: a batch, or several. */
export interface Run {
  readonly epoch: LeaderEpoch;
  readonly baseOffset: Offset;
  /** Offset after the last record. */
  readonly endOffset: Offset;
  /** Bytes in the log, if they are known. */
  readonly size?: number;
  /** Control records in it; they begin at `baseOffset`. */
  readonly control?: readonly ControlRecord[] | undefined;
}

/** Response to a fetch: records, or why there are none. */
export interface FetchAnswer extends Answer {
  readonly type: "fetch";
  /** −1: unknown. */
  readonly highWatermark: Offset;
  /** The logs differ: the follower keeps what it has of this epoch, up to this offset. */
  readonly diverging?: LogEnd | undefined;
  /** The follower needs records that are in a snapshot only. */
  readonly snapshot?: LogEnd | undefined;
  /** Offset from which the sender adds records; the receiver is given them as `runs`. */
  readonly from?: Offset | undefined;
  readonly runs?: readonly Run[] | undefined;
}

/** Part of a snapshot; the sender adds it if there is no error. */
export interface SnapshotAnswer extends Answer {
  readonly type: "snapshot";
  readonly id?: LogEnd | undefined;
  /** Size of the whole snapshot in bytes. */
  readonly size?: number | undefined;
  readonly position?: number | undefined;
  /** Size of the part. */
  readonly length?: number | undefined;
}

/** Outcome of a change of the voters. */
export interface ChangeAnswer extends Answer {
  readonly type: "change";
  /** Reason of the error. */
  readonly message?: string | undefined;
}

/** Response to a `RaftCall`. */
export type RaftAnswer = VoteAnswer | EpochAnswer | FetchAnswer | SnapshotAnswer | ChangeAnswer;

/** Change of the voters that a leader has begun (`AddVoterHandlerState`, `RemoveVoterHandlerState`). */
export interface VoterChange {
  readonly ticket: number;
  /** New voter that is asked for its versions; undefined once its record is appended. */
  readonly asked: AddCall | undefined;
  /** Offset of the record; −1: it is not appended. */
  readonly offset: Offset;
  /** True if the request has been answered. */
  readonly isAnswered: boolean;
  /** Time at which the request times out. */
  readonly until: number;
}

/** Range of kraft.version that a node supports. */
export interface KraftVersionRange {
  readonly min: number;
  readonly max: number;
}
