import type { BrokerId, LeaderEpoch, Offset } from "@samsa/base";
import type { ControlRecord, VoterDescription } from "@samsa/records";
import type { KraftVersionRange, LogEnd, RaftAnswer, RaftCall, ReplicaKey, Run } from "./messages.ts";
import type { VoterSet } from "./voter-history.ts";

/** Content of `quorum-state`: what a replica must not forget (`ElectionState`). */
export interface ElectionState {
  readonly epoch: LeaderEpoch;
  readonly leaderId: BrokerId | undefined;
  readonly votedKey: ReplicaKey | undefined;
}

/** Settings `controller.quorum.*`, in ms. */
export interface RaftTimes {
  readonly electionTimeoutMs: number;
  readonly electionBackoffMaxMs: number;
  readonly fetchTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly retryBackoffMs: number;
  /** `controller.quorum.auto.join.enable`: an observer that may vote makes itself a voter. */
  readonly autoJoin?: boolean;
}

/** Input of a replica. Each one carries the monotonic time. */
export type RaftInput = { readonly now: number } & (
  | { readonly type: "tick" }
  | { readonly type: "call"; readonly ticket: number; readonly call: RaftCall }
  | { readonly type: "answer"; readonly call: number; readonly from: BrokerId; readonly answer: RaftAnswer }
  /** The call reached nobody, or had an answer that makes no sense; `isUnsupported`: the node does not know it. */
  | { readonly type: "failed"; readonly call: number; readonly isUnsupported?: boolean; readonly isRefused?: boolean }
  /** Records to append as the leader of `epoch`. */
  | { readonly type: "propose"; readonly epoch: LeaderEpoch; readonly token: number; readonly count: number }
  /** A flush has ended that began with the effect of this generation and offset. */
  | { readonly type: "flushed"; readonly generation: number; readonly offset: Offset }
  /** The parts of a snapshot are a whole; undefined `voters`: kraft.version 0. */
  | { readonly type: "received"; readonly id: LogEnd; readonly voters: VoterSet | undefined }
  /** The parts of a snapshot are no snapshot, or it was written by somebody else meanwhile. */
  | { readonly type: "rejected"; readonly id: LogEnd }
  /** This replica has written a snapshot of its own. */
  | { readonly type: "snapshotted"; readonly id: LogEnd }
  /** The log before `start.offset` has been deleted; `start.epoch` is that of the record before it. */
  | { readonly type: "trimmed"; readonly start: LogEnd }
  /** The new voter that an effect `probe` named has told its versions; undefined `range`: it does not answer. */
  | { readonly type: "probed"; readonly voter: ReplicaKey; readonly range: KraftVersionRange | undefined }
  /** Raise kraft.version; the answer is a `change`. */
  | {
      readonly type: "upgrade";
      readonly ticket: number;
      readonly epoch: LeaderEpoch;
      readonly level: number;
      readonly validateOnly: boolean;
    }
  | { readonly type: "resign" }
);

/** Effect of a replica, to be carried out in order before the next input. */
export type RaftEffect =
  /** Write `quorum-state`, durably before any later effect. */
  | { readonly type: "save"; readonly state: ElectionState }
  | { readonly type: "truncate"; readonly offset: Offset }
  /** Append what was fetched, as it is. */
  | { readonly type: "store"; readonly runs: readonly Run[] }
  /** Append a control batch. */
  | { readonly type: "control"; readonly run: Run; readonly records: readonly ControlRecord[] }
  /** Append the records of a proposal. */
  | { readonly type: "append"; readonly token: number; readonly run: Run }
  /** The proposal is refused: this replica does not lead its epoch. */
  | { readonly type: "refuse"; readonly token: number }
  /** Flush the log, then return `flushed`. */
  | { readonly type: "flush"; readonly generation: number; readonly offset: Offset }
  | { readonly type: "send"; readonly call: number; readonly to: BrokerId; readonly request: RaftCall }
  | { readonly type: "reply"; readonly ticket: number; readonly answer: RaftAnswer }
  | { readonly type: "highWatermark"; readonly offset: Offset }
  /** Ask a new voter for its range of kraft.version (ApiVersions), then return `probed`. */
  | { readonly type: "probe"; readonly voter: VoterDescription }
  /** Store the part of a snapshot that the answer has. */
  | { readonly type: "part"; readonly id: LogEnd; readonly position: number }
  /** Check the parts of a snapshot, make them durable, then return `received` or `rejected`. */
  | { readonly type: "complete"; readonly id: LogEnd }
  /** Forget the parts of a snapshot. */
  | { readonly type: "abandon"; readonly id: LogEnd }
  /** Let the log continue at a snapshot that was received. */
  | { readonly type: "install"; readonly id: LogEnd }
  /** The leader or the epoch has changed. */
  | { readonly type: "leader"; readonly epoch: LeaderEpoch; readonly leaderId: BrokerId | undefined };
