import { type BrokerId, type LeaderEpoch, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { ControlRecord, VoterDescription } from "@samsa/records";
import type { Leadership } from "./leadership.ts";
import type {
  AddCall,
  KraftVersionRange,
  RaftCall,
  RemoveCall,
  ReplicaKey,
  UpdateCall,
  VoterChange,
} from "./messages.ts";
import type { RaftState } from "./raft-state.ts";
import { sameDescription } from "./voter-history.ts";
import { sameReplica } from "./voters.ts";

interface Refusal {
  readonly code: number;
}

/** True if the node supports the level. */
function supports({ min, max }: KraftVersionRange, level: number): boolean {
  return min <= level && level <= max;
}

/** Changes of the voters, one after the other (KIP-853). A change counts as soon as its record is in the log. */
export class VoterChanges {
  readonly #state: RaftState;

  constructor(state: RaftState) {
    this.#state = state;
  }

  get #leadership(): Leadership | undefined {
    const { role } = this.#state;
    return role.name === "LEADER" ? role.leadership : undefined;
  }

  #answer(ticket: number, error: Refusal, message?: string): void {
    this.#state.reply(ticket, { type: "change", ...this.#state.answer(error.code), message });
  }

  /** Leadership in which a change may begin; if it may not, the request is answered. */
  #ready(ticket: number, epoch: LeaderEpoch): Leadership | undefined {
    const leadership = this.#leadership;
    const code = this.#state.leaderFault(epoch);
    if (code !== 0 || leadership === undefined) {
      this.#answer(ticket, { code });
      return undefined;
    }
    const busy =
      leadership.change !== undefined
        ? "an earlier change of the voters is in progress"
        : leadership.highWatermark < 0
          ? "the leader has not committed a record of its epoch yet"
          : undefined;
    if (busy === undefined) return leadership;
    this.#answer(ticket, Errors.REQUEST_TIMED_OUT, busy);
    return undefined;
  }

  /** Voters that a change may start from: they are in the log, and committed. If there are none, the request is answered. */
  #committedVoters(ticket: number, leadership: Leadership): readonly VoterDescription[] | undefined {
    const { offset, set } = this.#state.history.last;
    if (set.kraftVersion === 0) {
      this.#answer(ticket, Errors.UNSUPPORTED_VERSION, "the voters cannot change with kraft.version 0");
      return undefined;
    }
    if (offset >= leadership.highWatermark) {
      this.#answer(ticket, Errors.REQUEST_TIMED_OUT, "the last change of the voters is not committed yet");
      return undefined;
    }
    return set.voters;
  }

  /**
   * Change that a follower wants of its leader: a new description of itself, or its own vote. `isDescribed`: this leader
   * has been told.
   */
  wanted(isDescribed: boolean): RaftCall | undefined {
    const { self, epoch, canVote, isVoter: isOfVoters, times, history } = this.#state;
    const { kraftVersion, voters } = history.last.set;
    if (!canVote || self.endpoints.length === 0) return undefined;
    const known = voters.find(({ id }) => id === self.id);
    if (isOfVoters) {
      // A leader of a static quorum does not keep descriptions, so every leader must hear it.
      const isUpToDate = kraftVersion === 0 ? isDescribed : known !== undefined && sameDescription(known, self);
      return isUpToDate ? undefined : { type: "update", epoch, voter: self };
    }
    if (kraftVersion === 0 || times.autoJoin !== true) return undefined;
    // A node with a new disk is another replica: the vote of the old one goes first.
    if (known !== undefined) return { type: "remove", voter: { id: known.id, directoryId: known.directoryId } };
    return { type: "add", voter: self, ackWhenCommitted: false };
  }

  /** Asks a new voter for its versions. */
  add(ticket: number, call: AddCall): void {
    const leadership = this.#ready(ticket, this.#state.epoch);
    const voters = leadership && this.#committedVoters(ticket, leadership);
    if (leadership === undefined || voters === undefined) return;
    if (voters.some(({ id }) => id === call.voter.id)) {
      return this.#answer(ticket, Errors.DUPLICATE_VOTER, `node ${call.voter.id} is a voter already`);
    }
    const until = this.#state.now + this.#state.times.requestTimeoutMs;
    leadership.change = { ticket, asked: call, offset: -1, isAnswered: false, until };
    this.#state.out.push({ type: "probe", voter: call.voter });
  }

  /** Takes the range of a new voter; undefined: it has not answered. Appends the voters if it is fit. */
  probed(voter: ReplicaKey, range: KraftVersionRange | undefined): void {
    const leadership = this.#leadership;
    const change = leadership?.change;
    const asked = change?.asked;
    if (leadership === undefined || change === undefined || asked === undefined) return;
    if (asked.voter.id !== voter.id || asked.voter.directoryId !== voter.directoryId) return;
    const { kraftVersion, voters } = this.#state.history.last.set;
    const refuse = (error: Refusal, message: string): void => {
      leadership.change = undefined;
      this.#answer(change.ticket, error, message);
    };
    if (range === undefined) return refuse(Errors.REQUEST_TIMED_OUT, "the new voter does not answer ApiVersions");
    if (!supports(range, kraftVersion)) {
      return refuse(Errors.INVALID_REQUEST, `the new voter does not support kraft.version ${kraftVersion}`);
    }
    if (!leadership.isCaughtUp(voter, this.#state.now)) {
      return refuse(Errors.REQUEST_TIMED_OUT, "the new voter is behind the leader");
    }
    const { ackWhenCommitted, voter: added } = asked;
    const described = { ...added, minKraftVersion: range.min, maxKraftVersion: range.max };
    this.#append(change, [...voters, described]);
    if (!ackWhenCommitted) this.#complete(leadership);
  }

  #append(change: VoterChange, voters: readonly VoterDescription[]): void {
    const leadership = this.#leadership;
    if (leadership === undefined) return;
    const offset = this.#state.log.endOffset;
    leadership.change = { ...change, asked: undefined, offset };
    this.#state.appendControl([{ type: "kraftVoters", voters }]);
  }

  /** Answers the request of the change, which goes on. */
  #complete(leadership: Leadership): void {
    const { change } = leadership;
    if (change === undefined || change.isAnswered) return;
    leadership.change = { ...change, isAnswered: true };
    this.#answer(change.ticket, Errors.NONE);
  }

  remove(ticket: number, { voter }: RemoveCall): void {
    const leadership = this.#ready(ticket, this.#state.epoch);
    const voters = leadership && this.#committedVoters(ticket, leadership);
    if (leadership === undefined || voters === undefined) return;
    const left = voters.filter(({ id, directoryId }) => id !== voter.id || directoryId !== voter.directoryId);
    if (left.length === voters.length) {
      return this.#answer(ticket, Errors.VOTER_NOT_FOUND, `node ${voter.id} with this directory is no voter`);
    }
    if (left.length === 0) return this.#answer(ticket, Errors.INVALID_REQUEST, "the last voter cannot be removed");
    const until = this.#state.now + this.#state.times.requestTimeoutMs;
    this.#append({ ticket, asked: undefined, offset: -1, isAnswered: false, until }, left);
  }

  /** Takes the endpoints and versions of a voter. */
  update(ticket: number, { epoch, voter }: UpdateCall): void {
    const leadership = this.#ready(ticket, epoch);
    if (leadership === undefined) return;
    const { kraftVersion } = this.#state.history.last.set;
    const range = { min: voter.minKraftVersion, max: voter.maxKraftVersion };
    if (!supports(range, kraftVersion)) return this.#answer(ticket, Errors.INVALID_REQUEST);
    if (kraftVersion === 0) return this.#updateVolatile(ticket, leadership, voter);
    const voters = this.#committedVoters(ticket, leadership);
    if (voters === undefined) return;
    const isVoter = voters.some(({ id, directoryId }) => id === voter.id && directoryId === voter.directoryId);
    if (!isVoter) return this.#answer(ticket, Errors.VOTER_NOT_FOUND);
    this.#state.appendControl([
      { type: "kraftVoters", voters: voters.map(known => (known.id === voter.id ? voter : known)) },
    ]);
    leadership.heard(voter, this.#state.now);
    this.#answer(ticket, Errors.NONE);
  }

  /** Remembers a voter of a static quorum, which an upgrade of kraft.version writes down. */
  #updateVolatile(ticket: number, leadership: Leadership, voter: VoterDescription): void {
    if (!this.#state.voters.some(({ id }) => id === voter.id)) return this.#answer(ticket, Errors.VOTER_NOT_FOUND);
    leadership.updated.set(voter.id, voter);
    leadership.heard(voter, this.#state.now);
    this.#answer(ticket, Errors.NONE);
  }

  /** Raises kraft.version, and writes down the voters (`LeaderState.maybeAppendUpgradedKRaftVersion`). */
  upgrade(ticket: number, epoch: LeaderEpoch, { level, validateOnly }: { level: number; validateOnly: boolean }): void {
    const leadership = this.#ready(ticket, epoch);
    if (leadership === undefined) return;
    const { offset, set } = this.#state.history.last;
    const refuse = (message: string): void => this.#answer(ticket, Errors.INVALID_UPDATE_VERSION, message);
    if (level === set.kraftVersion) return this.#answer(ticket, Errors.NONE);
    if (level < set.kraftVersion) return refuse(`kraft.version is ${set.kraftVersion}, and cannot be lowered`);
    if (offset >= leadership.highWatermark) return refuse("the last change of the voters is not committed yet");
    const { self } = this.#state;
    const described: readonly (readonly [BrokerId, VoterDescription | undefined])[] = set.voters.map(({ id }) => [
      id,
      id === self.id ? self : leadership.updated.get(id),
    ]);
    const voters: VoterDescription[] = [];
    for (const [id, voter] of described) {
      if (voter === undefined || voter.directoryId === ZERO_UUID) {
        return refuse(`voter ${id} has not told its directory and versions yet`);
      }
      if (!supports({ min: voter.minKraftVersion, max: voter.maxKraftVersion }, level)) {
        return refuse(`voter ${id} does not support kraft.version ${level}`);
      }
      voters.push(voter);
    }
    if (!validateOnly) {
      const records: readonly ControlRecord[] = [
        { type: "kraftVersion", kraftVersion: level },
        { type: "kraftVoters", voters },
      ];
      this.#state.appendControl(records);
    }
    this.#answer(ticket, Errors.NONE);
  }

  /** Ends the change that is committed or whose time is over. True if the leader is no voter any more, and must resign. */
  poll(leadership: Leadership): boolean {
    const { change } = leadership;
    const { now, self, history } = this.#state;
    if (change !== undefined && change.offset >= 0 && leadership.highWatermark > change.offset) {
      this.#complete(leadership);
      leadership.change = undefined;
    } else if (change !== undefined && now >= change.until) {
      if (!change.isAnswered) this.#answer(change.ticket, Errors.REQUEST_TIMED_OUT, "the change takes too long");
      leadership.change = undefined;
    }
    const { offset, set } = history.last;
    const isCommitted = offset < leadership.highWatermark;
    return isCommitted && !set.voters.some(voter => sameReplica(voter, self));
  }
}
