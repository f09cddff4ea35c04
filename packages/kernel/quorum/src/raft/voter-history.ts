import { entryAt, lastEntry, type Offset } from "@samsa/base";
import type { ControlRecord, VoterDescription } from "@samsa/records";

/** Voters of the quorum, and the level of kraft.version that they have. */
export interface VoterSet {
  readonly kraftVersion: number;
  /** Voters; with kraft.version 0, from `controller.quorum.voters`, without directory ids. */
  readonly voters: readonly VoterDescription[];
}

/** Voter set that counts from a record on. */
export interface VoterEntry {
  /** Base offset of the batch with the record; −1: the bootstrap snapshot or the settings. */
  readonly offset: Offset;
  readonly set: VoterSet;
}

/** Offset of voters that the log does not have yet. */
const BEFORE_LOG = -1;

/**
 * Voter sets by offset, oldest first (`VoterSetHistory`). The last one counts as soon as it is in the log, committed or
 * not; a truncation brings back the one before.
 */
export class VoterHistory {
  readonly #static: VoterSet;
  #entries: VoterEntry[];

  /** `voters` are those of `controller.quorum.voters`, which count while no record has any. */
  constructor(voters: readonly VoterDescription[]) {
    this.#static = { kraftVersion: 0, voters };
    this.#entries = [{ offset: BEFORE_LOG, set: this.#static }];
  }

  get last(): VoterEntry {
    return lastEntry(this.#entries);
  }

  /** Voter set before `offset`. */
  before(offset: Offset): VoterSet {
    const found = this.#entries.findLast(entry => entry.offset < offset);
    return (found ?? entryAt(this.#entries, 0)).set;
  }

  /** Takes the control records of the batch at `offset`. True if they change the voters. */
  take(offset: Offset, control: readonly ControlRecord[]): boolean {
    let { kraftVersion, voters } = this.last.set;
    let isChanged = false;
    for (const record of control) {
      if (record.type === "kraftVersion") kraftVersion = record.kraftVersion;
      else if (record.type === "kraftVoters") voters = record.voters;
      else continue;
      isChanged = true;
    }
    if (isChanged) this.#entries.push({ offset, set: { kraftVersion, voters } });
    return isChanged;
  }

  /** Starts anew at a snapshot of the records before `offset`; `set` is undefined if it has kraft.version 0. */
  restart(offset: Offset, set: VoterSet | undefined): void {
    this.#entries = [{ offset: offset - 1, set: set ?? this.#static }];
  }

  /** Takes back the sets of records from `offset` on. */
  truncate(offset: Offset): void {
    const [first, ...later] = this.#entries;
    this.#entries = [first as VoterEntry, ...later.filter(entry => entry.offset < offset)];
  }

  /** Forgets the sets that a snapshot of the records before `offset` replaces. */
  trim(offset: Offset): void {
    const keep = this.#entries.findLastIndex(entry => entry.offset < offset);
    if (keep > 0) this.#entries = this.#entries.slice(keep);
  }

  /**
   * Records with which a new leader puts the voters into the log, if the log lacks them or describes the leader
   * otherwise; undefined if neither (`LeaderState.appendStartOfEpochControlRecords`).
   */
  announcement(leader: VoterDescription): readonly ControlRecord[] | undefined {
    const { offset, set } = this.last;
    const { kraftVersion } = set;
    if (kraftVersion === 0) return undefined;
    const known = set.voters.find(({ id }) => id === leader.id);
    if (known === undefined || (offset !== BEFORE_LOG && sameDescription(known, leader))) return undefined;
    const voters = set.voters.map(voter => (voter.id === leader.id ? leader : voter));
    return [
      { type: "kraftVersion", kraftVersion },
      { type: "kraftVoters", voters },
    ];
  }
}

/** True if two descriptions of a voter say the same. */
export function sameDescription(a: VoterDescription, b: VoterDescription): boolean {
  return (
    a.directoryId === b.directoryId &&
    a.minKraftVersion === b.minKraftVersion &&
    a.maxKraftVersion === b.maxKraftVersion &&
    a.endpoints.length === b.endpoints.length &&
    a.endpoints.every(e => b.endpoints.some(o => o.name === e.name && o.host === e.host && o.port === e.port))
  );
}
