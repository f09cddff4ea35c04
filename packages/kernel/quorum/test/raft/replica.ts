import { type BrokerId, type LeaderEpoch, type Offset, randomUuid, type Uuid } from "@samsa/base";
import type { VoterDescription } from "@samsa/records";
import type { ElectionState, RaftEffect, RaftInput } from "../../src/raft/effects.ts";
import type { LogEnd, RaftAnswer, RaftCall, ReplicaKey, Run } from "../../src/raft/messages.ts";
import { RaftLog } from "../../src/raft/raft-log.ts";
import { RaftNode } from "../../src/raft/raft-node.ts";
import { VoterHistory } from "../../src/raft/voter-history.ts";
import { TIMES } from "./cluster.ts";

export function directoryOf(id: number): Uuid {
  return randomUuid(length => new Uint8Array(length).fill(id));
}

export const keyOf = (id: number): ReplicaKey => ({ id, directoryId: directoryOf(id) });

/** Voter as it describes itself, at a host named after it. */
export function voterOf(id: number, host = `host${id}`): VoterDescription {
  const endpoints = [{ name: "CONTROLLER", host, port: 9093 }];
  return { ...keyOf(id), endpoints, minKraftVersion: 0, maxKraftVersion: 1 };
}

interface Setup {
  /** Ids of the voters; replica 1 is the one. */
  readonly voters?: readonly number[];
  readonly kraftVersion?: number;
  readonly state?: ElectionState;
  readonly log?: ConstructorParameters<typeof RaftLog>[0];
  readonly canVote?: boolean;
  readonly autoJoin?: boolean;
  readonly draw?: number;
  readonly self?: VoterDescription;
  readonly bootstrap?: readonly BrokerId[];
}

type Timeless<T> = T extends unknown ? Omit<T, "now"> : never;
type Effect<T extends RaftEffect["type"]> = Extract<RaftEffect, { readonly type: T }>;

/** Replica 1 alone, whose peers are the test. Its clock stands still but for `pass`. */
export class Replica {
  readonly node: RaftNode;
  readonly log: RaftLog;
  readonly history: VoterHistory;
  /** Effects of the last input. */
  effects: readonly RaftEffect[] = [];
  now = 0;
  #tickets = 0;

  constructor(setup: Setup = {}) {
    const { voters = [1, 2, 3], kraftVersion = 1, state, log = { epochs: [], endOffset: 0 }, canVote = true } = setup;
    const described = voters.map(id => voterOf(id));
    const unnamed = described.map(({ id }) => ({ ...voterOf(id), directoryId: "AAAAAAAAAAAAAAAAAAAAAA" as Uuid }));
    this.history = new VoterHistory(kraftVersion === 0 ? unnamed : []);
    if (kraftVersion > 0) this.history.restart(0, { kraftVersion, voters: described });
    this.log = new RaftLog(log);
    this.node = new RaftNode({
      self: setup.self ?? voterOf(1),
      canVote,
      voters: this.history,
      bootstrap: setup.bootstrap ?? [],
      state,
      log: this.log,
      times: { ...TIMES, autoJoin: setup.autoJoin ?? false },
      draw: () => setup.draw ?? 0,
      now: 0,
    });
  }

  step(input: Timeless<RaftInput>): this {
    this.effects = this.node.step({ ...input, now: this.now });
    return this;
  }

  /** Lets time pass, then ticks. */
  pass(ms: number): this {
    this.now += ms;
    return this.step({ type: "tick" });
  }

  /** Lets the calls of the last input fail, and the pauses after a failure end. */
  retry(): this {
    for (const { call } of this.of("send")) this.step({ type: "failed", call });
    return this.pass(TIMES.retryBackoffMs);
  }

  of<T extends RaftEffect["type"]>(type: T): readonly Effect<T>[] {
    return this.effects.filter((effect): effect is Effect<T> => effect.type === type);
  }

  /** Calls that the last input has caused, by the node that is called. */
  get sent(): Readonly<Record<BrokerId, RaftCall>> {
    return Object.fromEntries(this.of("send").map(({ to, request }) => [to, request]));
  }

  /** Asks the replica; returns the answer, or undefined if it waits. */
  ask(call: RaftCall): RaftAnswer | undefined {
    const ticket = ++this.#tickets;
    this.step({ type: "call", ticket, call });
    return this.answerTo(ticket);
  }

  answerTo(ticket: number): RaftAnswer | undefined {
    return this.of("reply").find(reply => reply.ticket === ticket)?.answer;
  }

  /** Answers the call to a node that the last input has caused. */
  answer(from: BrokerId, answer: Partial<RaftAnswer> & Pick<RaftAnswer, "type">): this {
    const sent = this.of("send").find(({ to }) => to === from);
    if (sent === undefined) throw new Error(`nothing was sent to ${from}`);
    const whole = { errorCode: 0, epoch: this.node.epoch, leaderId: -1, ...answer } as RaftAnswer;
    return this.step({ type: "answer", call: sent.call, from, answer: whole });
  }

  /** Ends the flush that the last input has begun. */
  flush(): this {
    const flush = this.of("flush").at(-1);
    if (flush === undefined) throw new Error("no flush");
    return this.step({ type: "flushed", generation: flush.generation, offset: flush.offset });
  }

  /** Makes the replica the leader of the next epoch, with the vote of replica 2. */
  lead(): this {
    this.pass(TIMES.electionTimeoutMs * 2);
    if (this.node.role === "PROSPECTIVE") this.answer(2, { type: "vote", granted: true });
    if (this.node.role === "CANDIDATE") this.answer(2, { type: "vote", granted: true });
    if (this.node.role !== "LEADER") throw new Error(`it is ${this.node.role}`);
    return this.flush();
  }

  /** Fetch of a replica that has the log up to `offset`. */
  fetched(replica: ReplicaKey, offset: Offset = this.log.endOffset, highWatermark: Offset = Infinity): number {
    const { epoch } = this.node;
    const end = { offset, epoch: offset === 0 ? 0 : epochAt(this.log, offset) };
    this.ask({ type: "fetch", epoch, replica, end, highWatermark, maxWaitMs: 500 });
    return this.#tickets;
  }

  /** Makes the replica follow replica 2 in the epoch. */
  follow(epoch: LeaderEpoch = 1): this {
    this.ask({ type: "begin", epoch, leaderId: 2, voter: keyOf(1) });
    return this;
  }

  /** Takes records of the leader, replica 2, after a fetch that the last input has caused. */
  store(runs: readonly Run[], highWatermark: Offset = -1): this {
    const from = runs[0]?.baseOffset ?? this.log.endOffset;
    return this.answer(2, { type: "fetch", leaderId: 2, highWatermark, from, runs });
  }
}

/** Epoch of the record before `offset`. */
export function epochAt(log: RaftLog, offset: Offset): LeaderEpoch {
  for (let epoch = 1; ; epoch++) {
    const end = log.endForEpoch(epoch);
    if (end.offset >= offset || epoch > 1000) return end.epoch;
  }
}

export const end = (offset: Offset, epoch: LeaderEpoch): LogEnd => ({ offset, epoch });
