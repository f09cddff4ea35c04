import type { BrokerId, PreviousStates } from "@samsa/base";
import type { LogEnd, ReplicaKey } from "./messages.ts";
import type { Leadership } from "./leadership.ts";
import type { Election } from "./voters.ts";

/** Replica that knows no leader from which it could fetch. */
interface Unattached {
  readonly name: "UNATTACHED";
  readonly leaderId: BrokerId | undefined;
  readonly votedKey: ReplicaKey | undefined;
  readonly electionAt: number;
}

/** Voter that asks whether it could win an election, before it raises the epoch (KIP-996). */
interface Prospective {
  readonly name: "PROSPECTIVE";
  readonly leaderId: BrokerId | undefined;
  readonly votedKey: ReplicaKey | undefined;
  readonly election: Election;
  readonly electionAt: number;
}

/** Voter that has voted for itself, and asks for the votes of the others. */
interface Candidate {
  readonly name: "CANDIDATE";
  readonly election: Election;
  readonly electionAt: number;
}

interface Leader {
  readonly name: "LEADER";
  readonly leadership: Leadership;
}

/** Replica that fetches from the leader. */
interface Follower {
  readonly name: "FOLLOWER";
  readonly leaderId: BrokerId;
  readonly votedKey: ReplicaKey | undefined;
  /** Time at which the leader counts as gone. */
  fetchAt: number;
  /** True once a fetch of this epoch has succeeded. */
  hasFetched: boolean;
  /** True if nothing listens at the leader's address since the last fetch that succeeded. */
  isLeaderGone: boolean;
  /** Time from which it may tell the leader of a change of its own. */
  changeAt: number;
  /** True once the leader of this epoch knows its description; with kraft.version 0 it does not keep that. */
  isDescribed: boolean;
  /** Snapshot that it reads from the leader; undefined: none. */
  part: SnapshotPart | undefined;
}

/** Progress of reading a snapshot. */
export interface SnapshotPart {
  readonly id: LogEnd;
  /** Bytes that were received. */
  position: number;
  /** True once all bytes were received and are being checked. */
  isWhole: boolean;
}

/** Replica that was the leader of this epoch, and leads no more. */
interface Resigned {
  readonly name: "RESIGNED";
  readonly successors: readonly ReplicaKey[];
  /** Voters that do not know of the end of the epoch. */
  readonly untold: Set<BrokerId>;
  readonly electionAt: number;
}

/** Role of a replica in an epoch (`EpochState`). */
export type Role = Unattached | Prospective | Candidate | Leader | Follower | Resigned;
export type RoleName = Role["name"];

/** Valid previous roles (`QuorumState`); each role may follow itself only in another epoch, or with more knowledge. */
export const PREVIOUS_ROLES: PreviousStates<RoleName> = {
  UNATTACHED: ["UNATTACHED", "PROSPECTIVE", "CANDIDATE", "LEADER", "FOLLOWER", "RESIGNED"],
  PROSPECTIVE: ["UNATTACHED", "CANDIDATE", "FOLLOWER", "PROSPECTIVE"],
  CANDIDATE: ["PROSPECTIVE", "UNATTACHED"],
  LEADER: ["CANDIDATE"],
  FOLLOWER: ["UNATTACHED", "PROSPECTIVE", "CANDIDATE", "LEADER", "FOLLOWER", "RESIGNED"],
  RESIGNED: ["LEADER", "UNATTACHED"],
};
