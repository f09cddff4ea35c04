import { type BrokerId, ZERO_UUID } from "@samsa/base";
import type { ReplicaKey } from "./messages.ts";

/** True if the keys name the same replica; an unknown directory matches any. */
export function sameReplica(voter: ReplicaKey, replica: ReplicaKey): boolean {
  if (voter.id !== replica.id) return false;
  return voter.directoryId === ZERO_UUID || voter.directoryId === replica.directoryId;
}

export function isVoter(voters: readonly ReplicaKey[], replica: ReplicaKey): boolean {
  return voters.some(voter => sameReplica(voter, replica));
}

/** Number of voters that are more than half of all. */
export function majorityOf(voters: readonly unknown[]): number {
  return Math.floor(voters.length / 2) + 1;
}

/** Votes of one election (`EpochElection`). */
export class Election {
  readonly #voters: readonly ReplicaKey[];
  readonly #votes = new Map<BrokerId, boolean>();

  /** `self` votes for itself. */
  constructor(voters: readonly ReplicaKey[], self: BrokerId) {
    this.#voters = voters;
    this.record(self, true);
  }

  /** Counts the vote of a voter; others have none. A voter that has granted its vote cannot take it back. */
  record(id: BrokerId, isGranted: boolean): void {
    if (this.#voters.some(voter => voter.id === id) && this.#votes.get(id) !== true) this.#votes.set(id, isGranted);
  }

  get #granted(): number {
    return [...this.#votes.values()].filter(isGranted => isGranted).length;
  }

  get isWon(): boolean {
    return this.#granted >= majorityOf(this.#voters);
  }

  /** True if too many voters have refused. */
  get isLost(): boolean {
    const open = this.#voters.length - this.#votes.size;
    return this.#granted + open < majorityOf(this.#voters);
  }

  /** Voters that have not answered. */
  get open(): readonly ReplicaKey[] {
    return this.#voters.filter(({ id }) => !this.#votes.has(id));
  }

  get granting(): readonly BrokerId[] {
    return [...this.#votes].filter(([, isGranted]) => isGranted).map(([id]) => id);
  }
}
