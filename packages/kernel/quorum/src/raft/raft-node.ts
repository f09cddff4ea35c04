import { type BrokerId, invariant, type LeaderEpoch, type Offset } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { RaftEffect, RaftInput } from "./effects.ts";
import type { Leadership, WaitingFetch } from "./leadership.ts";
import type {
  Answer,
  BeginCall,
  EndCall,
  FetchAnswer,
  FetchCall,
  RaftAnswer,
  RaftCall,
  ReplicaKey,
  Run,
  VoteAnswer,
  VoteCall,
} from "./messages.ts";
import { type RaftOptions, RaftState } from "./raft-state.ts";
import type { Role } from "./role.ts";
import { type Election, isVoter } from "./voters.ts";

/** Most time that a fetch waits for records, in ms (`FETCH_MAX_WAIT_MS`). */
const FETCH_WAIT_MS = 500;

/**
 * Replica of the metadata log in a quorum with static voters (`KafkaRaftClient`). It decides; the caller stores, sends
 * and flushes what the effects say.
 */
export class RaftNode {
  readonly #state: RaftState;

  constructor(options: RaftOptions) {
    this.#state = new RaftState(options);
  }

  get epoch(): LeaderEpoch {
    return this.#state.epoch;
  }

  get role(): Role["name"] {
    return this.#state.role.name;
  }

  /** Leader of the epoch; undefined: unknown. */
  get leaderId(): BrokerId | undefined {
    return this.#state.leaderId;
  }

  /** −1: unknown. */
  get highWatermark(): Offset {
    return this.#state.highWatermark;
  }

  /** Takes an input; returns its effects. */
  step(input: RaftInput): readonly RaftEffect[] {
    this.#state.out = [];
    this.#state.now = Math.max(this.#state.now, input.now);
    switch (input.type) {
      case "tick":
        break;
      case "call":
        this.#called(input.ticket, input.call);
        break;
      case "answer":
        this.#answered(input.call, input.from, input.answer);
        break;
      case "failed":
        this.#state.peers.failed(input.call, this.#state.now);
        break;
      case "propose":
        this.#propose(input.epoch, input.token, input.count);
        break;
      case "flushed":
        this.#flushed(input.generation, input.offset);
        break;
      case "resign":
        if (this.#state.role.name === "LEADER") this.#state.resign(this.#state.role.leadership);
        break;
    }
    this.#poll();
    this.#state.tell();
    return this.#state.out;
  }

  /** Time of the next `tick`. */
  nextDeadline(): number {
    const role = this.#state.role;
    const peers = this.#state.peers.next();
    switch (role.name) {
      case "LEADER": {
        const { leadership } = role;
        const waits = Math.min(Infinity, ...leadership.waiting.map(({ until }) => until));
        return Math.min(peers, leadership.beginAt, leadership.resignAt, waits);
      }
      case "FOLLOWER":
        return Math.min(peers, this.#state.isVoter ? role.fetchAt : Infinity);
      default:
        return Math.min(peers, role.electionAt);
    }
  }

  // Requests

  #called(ticket: number, call: RaftCall): void {
    switch (call.type) {
      case "vote":
        return this.#state.reply(ticket, this.#vote(call));
      case "begin":
        return this.#state.reply(ticket, { type: "begin", ...this.#begin(call) });
      case "end":
        return this.#state.reply(ticket, { type: "end", ...this.#end(call) });
      case "fetch":
        return this.#fetch({ ticket, call, until: this.#state.now + Math.min(FETCH_WAIT_MS, call.maxWaitMs) });
    }
  }

  /** Error code of a request of a candidate or leader; 0 if its epoch is not behind. */
  #epochFault(id: BrokerId, epoch: LeaderEpoch): number {
    if (epoch < this.#state.epoch) return Errors.FENCED_LEADER_EPOCH.code;
    return id < 0 ? Errors.INVALID_REQUEST.code : 0;
  }

  #isFor(voter: ReplicaKey): boolean {
    return isVoter([voter], this.#state.self);
  }

  #vote({ preVote, epoch, candidate, voter, end }: VoteCall): VoteAnswer {
    const answer = (errorCode: number, granted = false): VoteAnswer => ({
      type: "vote",
      ...this.#state.answer(errorCode),
      granted,
    });
    const isIllegal = preVote ? end.epoch > epoch : end.epoch >= epoch;
    if (end.offset < 0 || end.epoch < 0 || isIllegal) return answer(Errors.INVALID_REQUEST.code);
    const fault = this.#epochFault(candidate.id, epoch);
    if (fault !== 0) return answer(fault);
    if (epoch > this.#state.epoch) this.#state.becomeUnattached(epoch);
    if (!this.#isFor(voter)) return answer(Errors.INVALID_VOTER_KEY.code);
    const own = this.#state.log.end;
    const isUpToDate = end.epoch > own.epoch || (end.epoch === own.epoch && end.offset >= own.offset);
    const granted = this.#mayGrant(candidate, isUpToDate, preVote);
    if (granted && !preVote && this.#state.votedKey === undefined) this.#state.voteFor(candidate);
    return answer(0, granted);
  }

  #mayGrant(candidate: ReplicaKey, isUpToDate: boolean, preVote: boolean): boolean {
    const role = this.#state.role;
    switch (role.name) {
      case "LEADER":
        return false;
      case "FOLLOWER":
        return preVote && !role.hasFetched && isUpToDate;
      case "CANDIDATE":
      case "RESIGNED":
        return preVote && isUpToDate;
      default:
        if (preVote) return isUpToDate;
        if (role.votedKey !== undefined) return isVoter([role.votedKey], candidate);
        return role.leaderId === undefined && isUpToDate;
    }
  }

  #begin({ epoch, leaderId, voter }: BeginCall): Answer {
    const fault = this.#epochFault(leaderId, epoch) || this.#meetLeader(epoch, leaderId);
    if (fault !== 0) return this.#state.answer(fault);
    return this.#state.answer(this.#isFor(voter) ? 0 : Errors.INVALID_VOTER_KEY.code);
  }

  #end({ epoch, leaderId, successors }: EndCall): Answer {
    const fault = this.#epochFault(leaderId, epoch) || this.#meetLeader(epoch, leaderId);
    const role = this.#state.role;
    if (fault === 0 && role.name === "FOLLOWER" && role.leaderId === leaderId) {
      role.fetchAt = this.#state.now + this.#successionMs(successors);
    }
    return this.#state.answer(fault);
  }

  /** Time that this replica leaves to better successors, in ms. */
  #successionMs(successors: readonly ReplicaKey[]): number {
    const { electionBackoffMaxMs } = this.#state.times;
    const position = successors.findIndex(successor => isVoter([successor], this.#state.self));
    if (position === 0) return 0;
    if (position < 0) return electionBackoffMaxMs;
    const base = electionBackoffMaxMs >> (successors.length - 1);
    return Math.min(electionBackoffMaxMs, base << (position - 1));
  }

  /** Takes news of the leader of an epoch that is not behind. Returns 0, or an error code if they contradict. */
  #meetLeader(epoch: LeaderEpoch, leaderId: BrokerId): number {
    if (epoch > this.#state.epoch) {
      if (leaderId === this.#state.self.id) return Errors.UNKNOWN_SERVER_ERROR.code;
      this.#state.becomeFollower(epoch, leaderId);
      return 0;
    }
    const known = this.#state.leaderId;
    if (known === undefined) {
      if (leaderId === this.#state.self.id) return Errors.UNKNOWN_SERVER_ERROR.code;
      this.#state.becomeFollower(epoch, leaderId);
      return 0;
    }
    if (known !== leaderId) return Errors.UNKNOWN_SERVER_ERROR.code;
    if (this.#state.role.name === "UNATTACHED") this.#state.becomeFollower(epoch, leaderId);
    return 0;
  }

  #fetch(fetch: WaitingFetch): void {
    const { epoch, end, replica } = fetch.call;
    const isIllegal = end.offset < 0 || end.epoch < 0 || end.epoch > epoch;
    if (isIllegal) return this.#state.reply(fetch.ticket, this.#state.fetchAnswer(Errors.INVALID_REQUEST.code));
    const role = this.#state.role;
    const fault =
      epoch < this.#state.epoch
        ? Errors.FENCED_LEADER_EPOCH.code
        : epoch > this.#state.epoch
          ? Errors.UNKNOWN_LEADER_EPOCH.code
          : role.name === "LEADER"
            ? 0
            : Errors.NOT_LEADER_OR_FOLLOWER.code;
    if (fault !== 0 || role.name !== "LEADER") return this.#state.reply(fetch.ticket, this.#state.fetchAnswer(fault));
    const { leadership } = role;
    const diverging = this.#state.log.divergence(end);
    if (diverging !== undefined) {
      return this.#state.reply(fetch.ticket, { ...this.#state.fetchAnswer(0), diverging });
    }
    if (leadership.fetched(replica, end.offset, this.#state.now)) {
      this.#state.commit(leadership.highWatermark);
      // Others wait for news of the high watermark.
      this.#serveWaiting(leadership);
    }
    if (!this.#serve(fetch, leadership)) leadership.waiting.push(fetch);
  }

  /** Answers a fetch; false if it has to wait. */
  #serve({ ticket, call, until }: WaitingFetch, leadership: Leadership): boolean {
    const { end, highWatermark } = call;
    const isNews = end.offset < this.#state.log.endOffset || highWatermark < leadership.highWatermark;
    if (!isNews && this.#state.now < until) return false;
    this.#state.reply(ticket, { ...this.#state.fetchAnswer(0), from: end.offset });
    return true;
  }

  #serveWaiting(leadership: Leadership): void {
    const { waiting } = leadership;
    leadership.waiting = [];
    for (const fetch of waiting) if (!this.#serve(fetch, leadership)) leadership.waiting.push(fetch);
  }

  // The own log

  #propose(epoch: LeaderEpoch, token: number, count: number): void {
    const role = this.#state.role;
    if (role.name !== "LEADER" || epoch !== this.#state.epoch || count <= 0) {
      this.#state.out.push({ type: "refuse", token });
      return;
    }
    const baseOffset = this.#state.log.endOffset;
    const run = { epoch, baseOffset, endOffset: baseOffset + count };
    this.#state.log.append(run);
    this.#state.out.push({ type: "append", token, run });
    this.#state.flush();
    // Followers write at the same time as this replica flushes.
    this.#serveWaiting(role.leadership);
  }

  #flushed(generation: number, offset: Offset): void {
    this.#state.log.flushed(generation, offset);
    const role = this.#state.role;
    if (role.name !== "LEADER" || !role.leadership.flushed(this.#state.log.flushedTo)) return;
    this.#state.commit(role.leadership.highWatermark);
    this.#serveWaiting(role.leadership);
  }

  // Responses

  #answered(call: number, from: BrokerId, answer: RaftAnswer): void {
    const isExpected = this.#state.peers.answered(call);
    if (isExpected && answer.errorCode !== 0) this.#state.peers.pause(from, this.#state.now);
    // A later epoch counts even if nobody waits for the answer any more.
    if (!isExpected && answer.epoch <= this.#state.epoch) return;
    if (answer.epoch < this.#state.epoch) return;
    if (answer.epoch > this.#state.epoch) {
      const { epoch, leaderId } = answer;
      if (leaderId >= 0 && leaderId !== this.#state.self.id) this.#state.becomeFollower(epoch, leaderId);
      else this.#state.becomeUnattached(epoch);
      return;
    }
    const isOther = answer.leaderId >= 0 && answer.leaderId !== this.#state.self.id;
    if (isOther && this.#state.role.name !== "FOLLOWER" && this.#state.leaderId === undefined) {
      this.#state.becomeFollower(this.#state.epoch, answer.leaderId);
    }
    if (answer.errorCode !== 0) return;
    if (answer.type === "vote") this.#counted(from, answer.granted);
    else if (answer.type === "fetch") this.#received(from, answer);
    else if (answer.type === "end" && this.#state.role.name === "RESIGNED") this.#state.role.untold.delete(from);
  }

  #counted(from: BrokerId, isGranted: boolean): void {
    const role = this.#state.role;
    if (role.name !== "PROSPECTIVE" && role.name !== "CANDIDATE") return;
    role.election.record(from, isGranted);
    this.#state.advanceElection();
  }

  #received(from: BrokerId, { diverging, runs = [], highWatermark }: FetchAnswer): void {
    const role = this.#state.role;
    if (role.name !== "FOLLOWER" || role.leaderId !== from) return;
    if (diverging !== undefined) {
      const offset = this.#state.log.commonEnd(diverging);
      invariant(offset >= this.#state.highWatermark, "committed records are never truncated");
      this.#state.log.truncate(offset);
      this.#state.out.push({ type: "truncate", offset });
    } else this.#store(runs, highWatermark);
    role.fetchAt = this.#state.now + this.#state.times.fetchTimeoutMs;
    role.hasFetched = true;
  }

  #store(runs: readonly Run[], highWatermark: Offset): void {
    const taken: Run[] = [];
    for (const run of runs) {
      // A later epoch than the leader's, or a gap, is no record of this leader.
      if (
        run.baseOffset !== this.#state.log.endOffset ||
        run.epoch > this.#state.epoch ||
        run.epoch < this.#state.log.end.epoch
      )
        break;
      this.#state.log.append(run);
      taken.push(run);
    }
    if (taken.length > 0) {
      this.#state.out.push({ type: "store", runs: taken });
      this.#state.flush();
    }
    this.#state.commit(Math.min(highWatermark, this.#state.log.endOffset));
  }

  // Time

  /** Does what is due, until nothing is (`pollCurrentState`). */
  #poll(): void {
    this.#state.peers.expire(this.#state.now);
    for (let before: Role | undefined; before !== this.#state.role; ) {
      before = this.#state.role;
      this.#pollRole(before);
    }
  }

  #pollRole(role: Role): void {
    switch (role.name) {
      case "UNATTACHED":
        if (this.#isOnlyVoter || this.#state.now >= role.electionAt) return this.#state.becomeProspective();
        return this.#discover();
      case "PROSPECTIVE":
        if (this.#state.now >= role.electionAt) return this.#state.endProspect(role.leaderId);
        return this.#askForVotes(role.election, true);
      case "CANDIDATE":
        if (role.election.isWon) return this.#state.becomeLeader(role.election);
        if (this.#state.now >= role.electionAt) return this.#state.becomeProspective();
        return role.election.isLost ? undefined : this.#askForVotes(role.election, false);
      case "FOLLOWER":
        if (this.#state.isVoter && this.#state.now >= role.fetchAt) return this.#state.becomeProspective();
        return this.#fetchFrom(role.leaderId);
      case "RESIGNED":
        if (this.#isOnlyVoter || this.#state.now >= role.electionAt) {
          return this.#state.becomeUnattached(this.#state.epoch + 1);
        }
        return this.#tellEnd(role.untold, role.successors);
      case "LEADER":
        return this.#lead(role.leadership);
    }
  }

  get #isOnlyVoter(): boolean {
    return this.#state.voters.length === 1 && this.#state.isVoter;
  }

  #send(to: BrokerId, request: RaftCall): void {
    if (!this.#state.peers.isReady(to, this.#state.now)) return;
    this.#state.out.push({ type: "send", call: this.#state.peers.sent(to, this.#state.now), to, request });
  }

  #askForVotes({ open }: Election, preVote: boolean): void {
    for (const voter of open) {
      const { end } = this.#state.log;
      this.#send(voter.id, {
        type: "vote",
        preVote,
        epoch: this.#state.epoch,
        candidate: this.#state.self,
        voter,
        end,
      });
    }
  }

  #tellEnd(untold: ReadonlySet<BrokerId>, successors: readonly ReplicaKey[]): void {
    for (const id of untold)
      this.#send(id, { type: "end", epoch: this.#state.epoch, leaderId: this.#state.self.id, successors });
  }

  /** Asks any voter for the leader, one at a time. */
  #discover(): void {
    if (this.#state.peers.isAnyWaiting || !this.#state.isDurable) return;
    const ready = this.#state.voters.filter(
      ({ id }) => id !== this.#state.self.id && this.#state.peers.isReady(id, this.#state.now),
    );
    const voter = ready[Math.floor(this.#state.draw() * ready.length)];
    if (voter !== undefined) this.#send(voter.id, this.#fetchCall());
  }

  #fetchFrom(leaderId: BrokerId): void {
    if (!this.#state.isDurable || this.#state.peers.isAnyWaiting) return;
    if (this.#state.peers.isReady(leaderId, this.#state.now)) this.#send(leaderId, this.#fetchCall());
    // The leader does not answer: another voter may know of a new one.
    else this.#discover();
  }

  #fetchCall(): FetchCall {
    return {
      type: "fetch",
      epoch: this.#state.epoch,
      replica: this.#state.self,
      end: this.#state.log.end,
      highWatermark: this.#state.highWatermark,
      maxWaitMs: FETCH_WAIT_MS,
    };
  }

  #lead(leadership: Leadership): void {
    if (this.#state.now >= leadership.resignAt) return this.#state.resign(leadership);
    if (leadership.waiting.some(({ until }) => this.#state.now >= until)) this.#serveWaiting(leadership);
    if (this.#state.now < leadership.beginAt) return;
    leadership.beginAt = this.#state.now + leadership.beginMs;
    for (const voter of leadership.unheard(this.#state.now)) {
      this.#send(voter.id, { type: "begin", epoch: this.#state.epoch, leaderId: this.#state.self.id, voter });
    }
  }
}
