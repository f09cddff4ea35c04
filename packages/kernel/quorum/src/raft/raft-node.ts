import type { BrokerId, LeaderEpoch, Offset } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { RaftEffect, RaftInput } from "./effects.ts";
import type { Leadership, WaitingFetch } from "./leadership.ts";
import type {
  Answer,
  BeginCall,
  EndCall,
  FetchAnswer,
  FetchCall,
  LogEnd,
  RaftAnswer,
  RaftCall,
  ReplicaKey,
  Run,
  SnapshotAnswer,
  SnapshotCall,
  VoteAnswer,
  VoteCall,
} from "./messages.ts";
import { type RaftOptions, RaftState } from "./raft-state.ts";
import type { Role, SnapshotPart } from "./role.ts";
import type { VoterSet } from "./voter-history.ts";
import { VoterChanges } from "./voter-changes.ts";
import { type Election, isVoter } from "./voters.ts";

/** Largest snapshot, in bytes: Kafka's positions fit 31 bits. */
const MOST_SNAPSHOT_BYTES = 0x7fffffff;
/** Most time that a fetch waits for records, in ms (`FETCH_MAX_WAIT_MS`). */
const FETCH_WAIT_MS = 500;

/**
 * Replica of the metadata log (`KafkaRaftClient`). It decides; the caller stores, sends
 * and flushes what the effects say.
 */
export class RaftNode {
  readonly #state: RaftState;
  readonly #changes: VoterChanges;

  constructor(options: RaftOptions) {
    this.#state = new RaftState(options);
    this.#changes = new VoterChanges(this.#state);
  }

  get epoch(): LeaderEpoch {
    return this.#state.epoch;
  }

  /** Replica that this one has voted for in the epoch; −1: none. */
  get votedId(): BrokerId {
    return this.#state.votedKey?.id ?? -1;
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

  /** State of this replica as a leader; undefined if it is none. */
  get leadership(): Leadership | undefined {
    const { role } = this.#state;
    return role.name === "LEADER" ? role.leadership : undefined;
  }

  /** Error code of a request to the leader of `epoch`; 0 if this replica is. */
  leaderFault(epoch: LeaderEpoch): number {
    return this.#state.leaderFault(epoch);
  }

  /** True once every voter that runs knows that this replica leads no more, or if it does not resign. */
  get hasSaidGoodbye(): boolean {
    const { role } = this.#state;
    return role.name !== "RESIGNED" || role.untold.size === 0;
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
        this.#failed(input);
        break;
      case "propose":
        this.#propose(input.epoch, input.token, input.count);
        break;
      case "flushed":
        this.#flushed(input.generation, input.offset);
        break;
      case "received":
        this.#installed(input.id, input.voters);
        break;
      case "rejected":
        this.#rejected(input.id);
        break;
      case "snapshotted":
        this.#state.log.snapshotted(input.id);
        break;
      case "trimmed":
        this.#state.log.trim(input.start);
        this.#state.history.trim(input.start.offset);
        break;
      case "probed":
        this.#changes.probed(input.voter, input.range);
        break;
      case "upgrade":
        this.#changes.upgrade(input.ticket, input.epoch, input);
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
        const changeAt = leadership.change?.until ?? Infinity;
        return Math.min(peers, leadership.beginAt, leadership.resignAt, waits, changeAt);
      }
      case "FOLLOWER":
        return Math.min(peers, this.#state.mayStand ? role.fetchAt : Infinity);
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
      case "snapshot":
        return this.#state.reply(ticket, this.#readSnapshot(call));
      case "add":
        return this.#changes.add(ticket, call);
      case "remove":
        return this.#changes.remove(ticket, call);
      case "update":
        return this.#changes.update(ticket, call);
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
        return preVote && isUpToDate && (!role.hasFetched || role.isLeaderGone || this.#state.now >= role.fetchAt);
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
    const fault = this.leaderFault(epoch);
    const role = this.#state.role;
    if (fault !== 0 || role.name !== "LEADER") return this.#state.reply(fetch.ticket, this.#state.fetchAnswer(fault));
    const { leadership } = role;
    const misplaced = this.#state.log.misplaced(end);
    if (misplaced !== undefined) {
      return this.#state.reply(fetch.ticket, { ...this.#state.fetchAnswer(0), ...misplaced });
    }
    const place = { now: this.#state.now, ownEnd: this.#state.log.endOffset };
    if (leadership.fetched(replica, end.offset, place)) {
      this.#state.commit(leadership.highWatermark);
      // Others wait for news of the high watermark.
      this.#serveWaiting(leadership);
    }
    if (this.#serve(fetch, leadership) || leadership.wait(fetch)) return;
    this.#state.reply(fetch.ticket, { ...this.#state.fetchAnswer(0), from: end.offset });
  }

  /** Lets a replica read a snapshot, whose part the caller adds. */
  #readSnapshot({ epoch, replica }: SnapshotCall): SnapshotAnswer {
    const fault = this.leaderFault(epoch);
    const { role } = this.#state;
    if (role.name === "LEADER" && fault === 0) role.leadership.heard(replica, this.#state.now);
    return { type: "snapshot", ...this.#state.answer(fault) };
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

  #failed({ call, isUnsupported, isRefused }: Extract<RaftInput, { type: "failed" }>): void {
    const { peers, now, role } = this.#state;
    const from = peers.nodeOf(call);
    if (from === undefined) return;
    peers.pause(from, now);
    // A voter of an old release knows no pre-votes (KIP-996).
    if (isUnsupported === true && role.name === "PROSPECTIVE") this.#state.becomeCandidate();
    if (isRefused !== true) return;
    if (role.name === "FOLLOWER" && role.leaderId === from) this.#state.missLeader(role);
    // A voter whose process has ended need not know.
    else if (role.name === "RESIGNED") role.untold.delete(from);
  }

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
    if (answer.type === "snapshot") return this.#receivedPart(from, answer);
    if (answer.errorCode !== 0) return;
    if (answer.type === "change") {
      if (this.#state.role.name === "FOLLOWER") this.#state.role.isDescribed = true;
    } else if (answer.type === "vote") this.#counted(from, answer.granted);
    else if (answer.type === "fetch") this.#received(from, answer);
    else if (answer.type === "end" && this.#state.role.name === "RESIGNED") this.#state.role.untold.delete(from);
  }

  #counted(from: BrokerId, isGranted: boolean): void {
    const role = this.#state.role;
    if (role.name !== "PROSPECTIVE" && role.name !== "CANDIDATE") return;
    role.election.record(from, isGranted);
    this.#state.advanceElection();
  }

  #received(from: BrokerId, { diverging, snapshot, runs = [], highWatermark }: FetchAnswer): void {
    const role = this.#state.role;
    if (role.name !== "FOLLOWER" || role.leaderId !== from) return;
    if (diverging !== undefined) {
      const offset = this.#state.log.commonEnd(diverging);
      // Committed records are never truncated: such an answer makes no sense.
      if (offset < Math.max(this.#state.highWatermark, this.#state.log.startOffset)) return this.#doubt(from);
      this.#state.log.truncate(offset);
      this.#state.history.truncate(offset);
      this.#state.out.push({ type: "truncate", offset });
    } else if (snapshot !== undefined) {
      if (snapshot.offset <= this.#state.log.snapshot.offset || snapshot.epoch > this.#state.epoch) {
        return this.#doubt(from);
      }
      role.part = { id: snapshot, position: 0, isWhole: false };
    } else this.#store(runs, highWatermark);
    this.#followed(role);
  }

  #followed(role: Extract<Role, { name: "FOLLOWER" }>): void {
    role.fetchAt = this.#state.now + this.#state.times.fetchTimeoutMs;
    role.hasFetched = true;
    role.isLeaderGone = false;
  }

  /** Leaves a node alone for a while that sends answers without sense. */
  #doubt(from: BrokerId): void {
    this.#state.peers.pause(from, this.#state.now);
  }

  // Snapshots of the leader

  #receivedPart(from: BrokerId, answer: SnapshotAnswer): void {
    const role = this.#state.role;
    if (role.name !== "FOLLOWER" || role.leaderId !== from || role.part === undefined || role.part.isWhole) return;
    const { part } = role;
    const { errorCode, id, size = -1, position, length = 0 } = answer;
    if (errorCode === Errors.SNAPSHOT_NOT_FOUND.code || errorCode === Errors.POSITION_OUT_OF_RANGE.code) {
      // The leader has a newer one by now.
      return this.#abandon(part.id);
    }
    if (errorCode !== 0) return;
    const isNext = id?.offset === part.id.offset && id.epoch === part.id.epoch && position === part.position;
    const end = part.position + length;
    if (!isNext || length <= 0 || end > size || size > MOST_SNAPSHOT_BYTES) return this.#doubt(from);
    this.#state.out.push({ type: "part", id: part.id, position: part.position });
    part.position = end;
    this.#followed(role);
    if (end < size) return;
    part.isWhole = true;
    this.#state.out.push({ type: "complete", id: part.id });
  }

  #abandon(id: LogEnd): void {
    const { role } = this.#state;
    if (role.name === "FOLLOWER") role.part = undefined;
    this.#state.out.push({ type: "abandon", id });
  }

  /** The snapshot that the follower waits for, if `id` is the one. */
  #partOf(id: LogEnd): boolean {
    const { role } = this.#state;
    if (role.name !== "FOLLOWER" || role.part?.isWhole !== true) return false;
    return role.part.id.offset === id.offset && role.part.id.epoch === id.epoch;
  }

  #installed(id: LogEnd, voters: VoterSet | undefined): void {
    const { role } = this.#state;
    if (role.name !== "FOLLOWER" || !this.#partOf(id)) return;
    if (id.offset <= this.#state.log.snapshot.offset) return this.#abandon(id);
    role.part = undefined;
    this.#state.log.restart(id);
    this.#state.history.restart(id.offset, voters);
    this.#state.out.push({ type: "install", id });
    this.#state.commit(id.offset);
  }

  #rejected(id: LogEnd): void {
    const { role } = this.#state;
    if (role.name !== "FOLLOWER" || !this.#partOf(id)) return;
    this.#abandon(id);
    this.#doubt(role.leaderId);
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
      this.#state.takeControl(run);
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
        if (this.#state.isOnlyVoter || this.#state.now >= role.electionAt) return this.#state.becomeProspective();
        return this.#discover();
      case "PROSPECTIVE":
        if (this.#state.now >= role.electionAt) return this.#state.endProspect(role.leaderId);
        return this.#askForVotes(role.election, true);
      case "CANDIDATE":
        if (role.election.isWon) return this.#state.becomeLeader(role.election);
        if (this.#state.now >= role.electionAt) return this.#state.becomeProspective();
        return role.election.isLost ? undefined : this.#askForVotes(role.election, false);
      case "FOLLOWER":
        if (this.#state.mayStand && this.#state.now >= role.fetchAt) return this.#state.becomeProspective();
        return this.#fetchFrom(role);
      case "RESIGNED":
        if (this.#state.isOnlyVoter || this.#state.now >= role.electionAt) {
          // A leader that is no voter any more must not get ahead of the epoch of its successor.
          return this.#state.becomeUnattached(this.#state.epoch + (this.#state.mayStand ? 1 : 0));
        }
        return this.#tellEnd(role.untold, role.successors);
      case "LEADER":
        return this.#lead(role.leadership);
    }
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

  /** Asks any node that may know the leader, one at a time. */
  #discover(): void {
    const { bootstrap, voters, self, peers, now } = this.#state;
    if (peers.isAnyWaiting || !this.#state.isDurable) return;
    const known = bootstrap.length > 0 ? bootstrap : voters.map(({ id }) => id).filter(id => id !== self.id);
    const ready = known.filter(id => peers.isReady(id, now));
    const id = ready[Math.floor(this.#state.draw() * ready.length)];
    if (id !== undefined) this.#send(id, this.#fetchCall());
  }

  #fetchFrom(role: Extract<Role, { name: "FOLLOWER" }>): void {
    const { leaderId, part } = role;
    const { peers, now } = this.#state;
    if (!this.#state.isDurable || peers.isAnyWaiting || part?.isWhole === true) return;
    // The leader does not answer: another node may know of a new one.
    if (!peers.isReady(leaderId, now)) return this.#discover();
    const change = now >= role.changeAt ? this.#changes.wanted(role.isDescribed) : undefined;
    if (now >= role.changeAt) role.changeAt = now + this.#state.times.fetchTimeoutMs;
    this.#send(leaderId, change ?? (part === undefined ? this.#fetchCall() : this.#snapshotCall(part)));
  }

  #snapshotCall({ id, position }: SnapshotPart): SnapshotCall {
    const { epoch, self } = this.#state;
    return { type: "snapshot", epoch, replica: self, id, position };
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
    if (this.#changes.poll(leadership)) return this.#state.resign(leadership);
    if (this.#state.now >= leadership.resignAt) return this.#state.resign(leadership);
    if (leadership.waiting.some(({ until }) => this.#state.now >= until)) this.#serveWaiting(leadership);
    if (this.#state.now < leadership.beginAt) return;
    leadership.beginAt = leadership.isAlone ? Infinity : this.#state.now + leadership.beginMs;
    for (const voter of leadership.unheard(this.#state.now)) {
      this.#send(voter.id, { type: "begin", epoch: this.#state.epoch, leaderId: this.#state.self.id, voter });
    }
  }
}
