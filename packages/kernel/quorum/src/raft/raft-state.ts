import { type BrokerId, checkTransition, invariant, type LeaderEpoch, type Offset, ZERO_UUID } from "@samsa/base";
import type { ElectionState, RaftEffect, RaftTimes } from "./effects.ts";
import { Leadership } from "./leadership.ts";
import type { Answer, FetchAnswer, RaftAnswer, ReplicaKey, Run } from "./messages.ts";
import { Errors } from "@samsa/protocol";
import { Peers } from "./peers.ts";
import type { RaftLog } from "./raft-log.ts";
import { PREVIOUS_ROLES, type Role } from "./role.ts";
import type { ControlRecord, VoterDescription } from "@samsa/records";
import type { VoterHistory } from "./voter-history.ts";
import { Election, isVoter } from "./voters.ts";

const NOBODY = -1;

/** Part of the election timeout over which voters spread that miss their leader. */
const STAND_SPREAD = 4;

export interface RaftOptions {
  /** This replica, with its endpoints. */
  readonly self: VoterDescription;
  /** True if this replica may be a voter; brokers only observe. */
  readonly canVote: boolean;
  readonly voters: VoterHistory;
  /** Nodes that are asked for the leader; none: the voters. Their ids are negative. */
  readonly bootstrap?: readonly BrokerId[];
  /** Content of `quorum-state`; undefined if there is none. */
  readonly state: ElectionState | undefined;
  readonly log: RaftLog;
  readonly times: RaftTimes;
  /** Draws a number from 0 up to 1. */
  readonly draw: () => number;
  readonly now: number;
}

/** Role and epoch of a replica, and the steps between roles (`QuorumState`). Its effects gather in `out`. */
export class RaftState {
  readonly self: VoterDescription;
  readonly canVote: boolean;
  readonly history: VoterHistory;
  readonly bootstrap: readonly BrokerId[];
  readonly log: RaftLog;
  readonly times: RaftTimes;
  readonly draw: () => number;
  readonly peers: Peers;
  #epoch: LeaderEpoch;
  #role: Role;
  #highWatermark: Offset = -1;
  #saved: ElectionState | undefined;
  #told: Pick<ElectionState, "epoch" | "leaderId"> | undefined;
  now: number;
  /** Effects of the current step. */
  out: RaftEffect[] = [];

  constructor({ self, canVote, voters, bootstrap, state, log, times, draw, now }: RaftOptions) {
    this.self = self;
    this.canVote = canVote;
    this.history = voters;
    this.bootstrap = bootstrap ?? [];
    this.log = log;
    this.times = times;
    this.draw = draw;
    this.now = now;
    this.peers = new Peers(times.requestTimeoutMs, times.retryBackoffMs);
    this.#saved = state;
    // A snapshot has committed records only.
    if (log.snapshot.offset > 0) this.#highWatermark = log.snapshot.offset;
    const isOld = state === undefined || state.epoch < log.end.epoch;
    this.#epoch = isOld ? log.end.epoch : state.epoch;
    this.#role = this.#unattached(undefined, undefined, this.mayStand ? this.#soon() : Infinity);
    if (!isOld) this.#role = this.#initial(state);
  }

  #initial({ leaderId, votedKey }: ElectionState): Role {
    // The only voter cannot have lost records to another leader. It stands again, in the next epoch.
    if (this.isOnlyVoter) return this.#unattached(undefined, votedKey);
    const electionAt = this.electionAt();
    // A leader that has stopped does not lead again in its epoch: it may have lost records of it.
    if (leaderId === this.self.id)
      return { name: "RESIGNED", successors: [], untold: new Set(), electionAt: this.#timeoutAt() };
    if (votedKey !== undefined && votedKey.id === this.self.id && leaderId === undefined) {
      return { name: "CANDIDATE", election: new Election(this.voters, this.self.id), electionAt };
    }
    if (leaderId === undefined) return this.#unattached(undefined, votedKey);
    return this.#follower(leaderId, votedKey);
  }

  get epoch(): LeaderEpoch {
    return this.#epoch;
  }

  get role(): Role {
    return this.#role;
  }

  /** −1: unknown. */
  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  get leaderId(): BrokerId | undefined {
    const role = this.#role;
    switch (role.name) {
      case "LEADER":
      case "RESIGNED":
        return this.self.id;
      case "CANDIDATE":
        return undefined;
      default:
        return role.leaderId;
    }
  }

  get votedKey(): ReplicaKey | undefined {
    const role = this.#role;
    switch (role.name) {
      case "CANDIDATE":
      case "LEADER":
      case "RESIGNED":
        return this.self;
      default:
        return role.votedKey;
    }
  }

  /** Voters of the log, whose last change counts as soon as it is appended. */
  get voters(): readonly VoterDescription[] {
    return this.history.last.set.voters;
  }

  get isVoter(): boolean {
    return this.canVote && isVoter(this.voters, this.self);
  }

  /**
   * True if this replica may stand for election: as a voter, or as one whose removal may not be committed. The others
   * could need its records to elect anybody (section 4.2.2 of the Raft dissertation); its own vote does not count.
   */
  get mayStand(): boolean {
    if (!this.canVote) return false;
    const { offset } = this.history.last;
    if (this.isVoter) return true;
    return offset >= this.#highWatermark && isVoter(this.history.before(offset).voters, this.self);
  }

  get isOnlyVoter(): boolean {
    return this.voters.length === 1 && this.isVoter;
  }

  /** Takes the control records of a batch at the end of the log. */
  takeControl({ baseOffset, control = [] }: Run): void {
    if (!this.history.take(baseOffset, control)) return;
    const role = this.#role;
    if (role.name === "LEADER" && role.leadership.setVoters(this.voters, this.now)) {
      this.commit(role.leadership.highWatermark);
    }
  }

  electionAt(): number {
    return this.mayStand ? this.#timeoutAt() : Infinity;
  }

  #timeoutAt(): number {
    const { electionTimeoutMs } = this.times;
    return this.now + electionTimeoutMs + Math.floor(this.draw() * electionTimeoutMs);
  }

  #unattached(leaderId: BrokerId | undefined, votedKey: ReplicaKey | undefined, electionAt = this.electionAt()): Role {
    return { name: "UNATTACHED", leaderId, votedKey, electionAt };
  }

  #follower(leaderId: BrokerId, votedKey: ReplicaKey | undefined): Role {
    return {
      name: "FOLLOWER",
      leaderId,
      votedKey,
      fetchAt: this.now + this.times.fetchTimeoutMs,
      hasFetched: false,
      isLeaderGone: false,
      changeAt: this.now + this.times.fetchTimeoutMs,
      isDescribed: false,
      part: undefined,
    };
  }

  /** Enters a role, and makes the election state durable before anybody hears of it. */
  #enter(epoch: LeaderEpoch, role: Role): void {
    checkTransition(PREVIOUS_ROLES, this.#role.name, role.name);
    invariant(epoch >= this.#epoch, "epochs do not decrease");
    const before = this.#role;
    this.#epoch = epoch;
    this.#role = role;
    this.peers.reset();
    this.save();
    if (before.name === "LEADER") this.#refuseWaiting(before.leadership);
    if (before.name === "FOLLOWER" && before.part !== undefined) this.out.push({ type: "abandon", id: before.part.id });
  }

  save(): void {
    const state: ElectionState = { epoch: this.#epoch, leaderId: this.leaderId, votedKey: this.votedKey };
    const { epoch, leaderId, votedKey } = this.#saved ?? { epoch: -1, leaderId: undefined, votedKey: undefined };
    if (epoch === state.epoch && leaderId === state.leaderId && votedKey?.id === state.votedKey?.id) return;
    this.#saved = state;
    this.out.push({ type: "save", state });
  }

  tell(): void {
    const leaderId = this.#role.name === "RESIGNED" ? undefined : this.leaderId;
    if (this.#told?.epoch === this.#epoch && this.#told.leaderId === leaderId) return;
    this.#told = { epoch: this.#epoch, leaderId };
    this.out.push({ type: "leader", epoch: this.#epoch, leaderId });
  }

  #refuseWaiting({ waiting, change }: Leadership): void {
    if (change !== undefined && !change.isAnswered) {
      this.reply(change.ticket, { type: "change", ...this.answer(Errors.NOT_LEADER_OR_FOLLOWER.code) });
    }
    for (const { ticket } of waiting) this.reply(ticket, this.fetchAnswer(Errors.NOT_LEADER_OR_FOLLOWER.code));
  }

  becomeUnattached(epoch: LeaderEpoch): void {
    const role = this.#role;
    // A replica that has not heard of a leader keeps the time of its next election, or elections would starve.
    const isWaiting = role.name === "UNATTACHED" || role.name === "CANDIDATE" || role.name === "RESIGNED";
    const keeps = isWaiting && this.mayStand;
    this.#enter(epoch, this.#unattached(undefined, undefined, keeps ? role.electionAt : this.electionAt()));
  }

  becomeFollower(epoch: LeaderEpoch, leaderId: BrokerId): void {
    this.#enter(epoch, this.#follower(leaderId, epoch === this.#epoch ? this.votedKey : undefined));
  }

  /**
   * Takes the leader for gone before it has been silent for the fetch timeout, because its process does not run. A
   * mistake costs an election only.
   */
  missLeader(role: Extract<Role, { name: "FOLLOWER" }>): void {
    role.isLeaderGone = true;
    role.fetchAt = Math.min(role.fetchAt, this.#soon());
  }

  /**
   * Time of an election that need not wait for the election timeout. Pre-votes make an early one harmless: voters that
   * hear a leader refuse them. The voters do not stand at the same time, or they would split their votes.
   */
  #soon(): number {
    return this.now + Math.floor((this.draw() * this.times.electionTimeoutMs) / STAND_SPREAD);
  }

  becomeProspective(): void {
    this.#enter(this.#epoch, {
      name: "PROSPECTIVE",
      leaderId: this.leaderId,
      votedKey: this.votedKey,
      election: new Election(this.voters, this.self.id),
      electionAt: this.electionAt(),
    });
    this.advanceElection();
  }

  becomeCandidate(): void {
    const election = new Election(this.voters, this.self.id);
    this.#enter(this.#epoch + 1, { name: "CANDIDATE", election, electionAt: this.electionAt() });
    this.advanceElection();
  }

  advanceElection(): void {
    const role = this.#role;
    if (role.name === "PROSPECTIVE") {
      if (role.election.isWon) this.becomeCandidate();
      else if (role.election.isLost) this.endProspect(role.leaderId);
    } else if (role.name === "CANDIDATE" && role.election.isWon) this.becomeLeader(role.election);
  }

  /** Goes back to what it was before it asked in vain. */
  endProspect(leaderId: BrokerId | undefined): void {
    const votedKey = this.votedKey;
    if (leaderId === undefined || leaderId === this.self.id) {
      this.#enter(this.#epoch, this.#unattached(undefined, votedKey));
    } else this.#enter(this.#epoch, this.#follower(leaderId, votedKey));
  }

  becomeLeader({ granting }: Election): void {
    const startOffset = this.log.endOffset;
    const leadership = new Leadership({
      self: this.self,
      epoch: this.#epoch,
      startOffset,
      voters: this.voters,
      fetchTimeoutMs: this.times.fetchTimeoutMs,
      now: this.now,
    });
    this.#enter(this.#epoch, { name: "LEADER", leadership });
    // Records of earlier epochs are committed only together with one of this epoch.
    const ids = this.voters.map(({ id }) => ({ id, directoryId: ZERO_UUID }));
    const records: ControlRecord[] = [
      // Version 0 for any kraft.version: Kafka writes no other, and its readers decode every LeaderChange as version 0.
      {
        type: "leaderChange",
        version: 0,
        leaderId: this.self.id,
        voters: ids,
        grantingVoters: ids.filter(({ id }) => granting.includes(id)),
      },
      ...(this.history.announcement(this.self) ?? []),
    ];
    this.appendControl(records);
  }

  /** Appends a control batch as the leader. */
  appendControl(records: readonly ControlRecord[]): Run {
    const baseOffset = this.log.endOffset;
    const run = { epoch: this.#epoch, baseOffset, endOffset: baseOffset + records.length, control: records };
    this.log.append(run);
    this.out.push({ type: "control", run, records });
    this.takeControl(run);
    this.flush();
    return run;
  }

  resign({ successors }: Leadership): void {
    const untold = new Set(successors.map(({ id }) => id));
    this.#enter(this.#epoch, { name: "RESIGNED", successors, untold, electionAt: this.#timeoutAt() });
  }

  reply(ticket: number, answer: RaftAnswer): void {
    this.out.push({ type: "reply", ticket, answer });
  }

  /** Part of each response: the error code, and what this replica knows of the leader. */
  answer(errorCode: number): Answer {
    return { errorCode, epoch: this.#epoch, leaderId: this.leaderId ?? NOBODY };
  }

  /** Error code of a request to the leader of `epoch`; 0 if this replica is. */
  leaderFault(epoch: LeaderEpoch): number {
    if (epoch < this.#epoch) return Errors.FENCED_LEADER_EPOCH.code;
    if (epoch > this.#epoch) return Errors.UNKNOWN_LEADER_EPOCH.code;
    return this.#role.name === "LEADER" ? 0 : Errors.NOT_LEADER_OR_FOLLOWER.code;
  }

  fetchAnswer(errorCode: number): FetchAnswer {
    return { type: "fetch", ...this.answer(errorCode), highWatermark: this.#highWatermark };
  }

  /** Raises the high watermark. */
  commit(offset: Offset): void {
    if (offset <= this.#highWatermark) return;
    this.#highWatermark = offset;
    this.out.push({ type: "highWatermark", offset });
  }

  /** True if the whole log survives a power cut. A fetch promises that of all records before it. */
  get isDurable(): boolean {
    return !this.canVote || this.log.flushedTo >= this.log.endOffset;
  }

  /** Asks for a flush of the log. An observer promises nothing, and reads again what it loses. */
  flush(): void {
    if (!this.canVote) return;
    this.out.push({ type: "flush", generation: this.log.generation, offset: this.log.endOffset });
  }

  /** Gives the vote of this epoch to a candidate. */
  voteFor(candidate: ReplicaKey): void {
    const role = this.#role;
    invariant(role.name === "UNATTACHED" || role.name === "PROSPECTIVE", "only a replica without a role votes");
    // The candidate has as good a chance as this replica, which waits for it.
    this.#role = { ...role, votedKey: candidate, electionAt: this.electionAt() };
    this.save();
  }
}
