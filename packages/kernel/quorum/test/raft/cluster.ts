import { DeadlineHeap, type Offset, ZERO_UUID } from "@samsa/base";
import type { ElectionState, RaftEffect, RaftInput, RaftTimes } from "../../src/raft/effects.ts";
import type { RaftAnswer, RaftCall, ReplicaKey, Run } from "../../src/raft/messages.ts";
import { RaftLog } from "../../src/raft/raft-log.ts";
import { RaftNode } from "../../src/raft/raft-node.ts";
import { VoterHistory } from "../../src/raft/voter-history.ts";
import type { VoterDescription } from "@samsa/records";
import { majorityOf } from "../../src/raft/voters.ts";

export const TIMES: RaftTimes = {
  electionTimeoutMs: 1000,
  electionBackoffMaxMs: 1000,
  fetchTimeoutMs: 2000,
  requestTimeoutMs: 2000,
  retryBackoffMs: 20,
};

/** A replica as voter sets describe it. */
export function described({ id, directoryId }: ReplicaKey): VoterDescription {
  return { id, directoryId, endpoints: [], minKraftVersion: 0, maxKraftVersion: 1 };
}

interface Entry {
  readonly epoch: number;
  readonly value: number;
}

/** Value of a record that opens an epoch. */
const OPENING = -1;
/** Most entries in a response to a fetch. */
const MOST_FETCHED = 5;

export interface Machine {
  readonly key: ReplicaKey;
  log: Entry[];
  /** Number of entries that survive a crash. */
  durable: number;
  state: ElectionState | undefined;
  node: RaftNode | undefined;
  /** Grows with each start: messages to an earlier one are lost. */
  incarnation: number;
  highWatermark: Offset;
}

interface Asked {
  readonly from: Machine;
  readonly incarnation: number;
  readonly call: number;
  readonly request: RaftCall;
}

/** Chances and delays of a cluster's faults. */
export interface Faults {
  readonly lost: number;
  readonly delayMs: number;
  readonly flushMs: number;
}

export const CALM: Faults = { lost: 0, delayMs: 5, flushMs: 5 };

/** Replicas over a simulated network and simulated disks, all invariants checked at each step. */
export class RaftCluster {
  now = 0;
  faults = CALM;
  readonly machines: Machine[];
  readonly voters: readonly ReplicaKey[];
  /** Links that are cut, as "from>to". */
  readonly cut = new Set<string>();
  readonly committed: Entry[] = [];
  /** Values that a client proposed and that were appended. */
  proposed = 0;
  elections = 0;
  truncations = 0;
  /** Number of calls that were sent. */
  calls = 0;
  readonly #events = new DeadlineHeap<() => void>();
  readonly #leaders = new Map<number, number>();
  readonly #votes = new Map<string, number>();
  readonly #asked = new Map<number, Asked>();
  #tickets = 0;
  /** Entries of the answer that is being taken. */
  #fetched: Entry[] = [];
  readonly draw: () => number;

  constructor(seed: number, voters: number, observers = 0) {
    this.draw = drawing(seed);
    const keys = Array.from({ length: voters + observers }, (_, id) => ({ id: id + 1, directoryId: ZERO_UUID }));
    this.voters = keys.slice(0, voters);
    this.machines = keys.map(key => ({
      key,
      log: [],
      durable: 0,
      state: undefined,
      node: undefined,
      incarnation: 0,
      highWatermark: -1,
    }));
    for (const machine of this.machines) this.start(machine);
  }

  start(machine: Machine): void {
    if (machine.node !== undefined) return;
    machine.incarnation++;
    machine.highWatermark = -1;
    const epochs: { epoch: number; startOffset: number }[] = [];
    machine.log.forEach(({ epoch }, startOffset) => {
      if (epoch !== epochs.at(-1)?.epoch) epochs.push({ epoch, startOffset });
    });
    machine.node = new RaftNode({
      self: described(machine.key),
      canVote: this.voters.includes(machine.key),
      voters: new VoterHistory(this.voters.map(described)),
      state: machine.state,
      log: new RaftLog({ epochs, endOffset: machine.log.length }),
      times: TIMES,
      draw: this.draw,
      now: this.now,
    });
    this.step(machine, { type: "tick" });
  }

  /** Stops a machine without a warning: what was not flushed is gone. */
  crash(machine: Machine): void {
    machine.node = undefined;
    machine.incarnation++;
    machine.log.length = machine.durable;
  }

  /** Cuts the links between a machine and some others, in both directions. */
  isolate(machine: Machine, from: readonly Machine[] = this.machines): void {
    for (const { key } of from) {
      this.cut.add(`${machine.key.id}>${key.id}`);
      this.cut.add(`${key.id}>${machine.key.id}`);
    }
  }

  get leader(): Machine | undefined {
    return this.machines.find(({ node }) => node?.role === "LEADER");
  }

  propose(count: number): void {
    for (const machine of this.machines) {
      if (machine.node?.role !== "LEADER") continue;
      this.step(machine, { type: "propose", epoch: machine.node.epoch, token: 0, count });
    }
  }

  run(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      const at = Math.min(this.#events.next(), ...this.machines.map(({ node }) => node?.nextDeadline() ?? Infinity));
      if (at > until) break;
      this.now = Math.max(this.now, at);
      for (let event = this.#events.pop(this.now); event !== undefined; event = this.#events.pop(this.now)) event();
      for (const machine of this.machines) {
        if (machine.node !== undefined && machine.node.nextDeadline() <= this.now) this.step(machine, { type: "tick" });
      }
    }
    this.now = until;
  }

  step(machine: Machine, input: Distributed<RaftInput>): void {
    const { node } = machine;
    if (node === undefined) return;
    for (const effect of node.step({ ...input, now: this.now })) this.#perform(machine, effect);
  }

  #perform(machine: Machine, effect: RaftEffect): void {
    const { log } = machine;
    switch (effect.type) {
      case "save":
        machine.state = effect.state;
        this.#checkVote(machine, effect.state);
        break;
      case "truncate":
        this.truncations++;
        log.length = Math.min(log.length, effect.offset);
        machine.durable = Math.min(machine.durable, log.length);
        break;
      case "store":
        this.#store(machine, effect.runs);
        break;
      case "control":
        this.#checkLeader(machine, effect.run.epoch);
        this.#append(machine, effect.run, () => OPENING);
        break;
      case "append":
        this.#append(machine, effect.run, () => this.proposed++);
        break;
      case "flush":
        this.#flush(machine, effect);
        break;
      case "send":
        this.#send(machine, effect);
        break;
      case "reply":
        this.#reply(machine, effect);
        break;
      case "highWatermark":
        this.#commit(machine, effect.offset);
        break;
      case "refuse":
      case "leader":
        break;
      default:
        throw new Error(`no snapshots are here, but ${effect.type}`);
    }
  }

  #append(machine: Machine, { epoch, baseOffset, endOffset }: Run, value: () => number): void {
    if (machine.log.length !== baseOffset) throw new Error("an append leaves a gap");
    for (let offset = baseOffset; offset < endOffset; offset++) machine.log.push({ epoch, value: value() });
  }

  #later(ms: number, machine: Machine, run: () => void): void {
    const { incarnation } = machine;
    this.#events.push(this.now + ms, () => {
      if (machine.incarnation === incarnation && machine.node !== undefined) run();
    });
  }

  #flush(machine: Machine, { generation, offset }: Extract<RaftEffect, { type: "flush" }>): void {
    const written = machine.log.slice(0, offset);
    this.#later(this.draw() * this.faults.flushMs, machine, () => {
      // The device has what was written before the flush, as far as it is still there.
      const gone = written.findIndex((entry, at) => machine.log[at] !== entry);
      machine.durable = Math.max(machine.durable, gone < 0 ? written.length : gone);
      this.step(machine, { type: "flushed", generation, offset });
    });
  }

  #isLost(from: Machine, to: Machine): boolean {
    return this.cut.has(`${from.key.id}>${to.key.id}`) || this.draw() < this.faults.lost;
  }

  #send(from: Machine, { call, to, request }: Extract<RaftEffect, { type: "send" }>): void {
    const target = this.machines.find(({ key }) => key.id === to);
    this.calls++;
    if (target === undefined) throw new Error(`a call to ${to}, who is nobody`);
    const isDown = target.node === undefined;
    if (isDown) {
      this.#later(this.draw() * this.faults.delayMs, from, () => this.step(from, { type: "failed", call }));
      return;
    }
    if (this.#isLost(from, target)) return;
    this.#later(this.draw() * this.faults.delayMs, target, () => this.#deliver(from, target, call, request));
  }

  #deliver(from: Machine, target: Machine, call: number, request: RaftCall): void {
    const ticket = ++this.#tickets;
    this.#asked.set(ticket, { from, incarnation: from.incarnation, call, request });
    this.step(target, { type: "call", ticket, call: request });
  }

  #reply(machine: Machine, { ticket, answer }: Extract<RaftEffect, { type: "reply" }>): void {
    const asked = this.#asked.get(ticket);
    if (asked === undefined) throw new Error("a second reply to a call");
    this.#asked.delete(ticket);
    const { from, incarnation, call, request } = asked;
    if (answer.type === "vote" && answer.granted && request.type === "vote" && !request.preVote) {
      const { state } = machine;
      const isKept = state?.epoch === request.epoch && state.votedKey?.id === request.candidate.id;
      if (!isKept) throw new Error("a vote was granted before it was durable");
    }
    const entries = answer.type === "fetch" && answer.from !== undefined ? this.#read(machine, answer.from) : [];
    if (from.incarnation !== incarnation || this.#isLost(machine, from)) return;
    this.#later(this.draw() * this.faults.delayMs, from, () => this.#answer(from, machine, { call, answer, entries }));
  }

  #read(machine: Machine, from: Offset): Entry[] {
    return machine.log.slice(from, from + Math.ceil(this.draw() * MOST_FETCHED));
  }

  #answer(machine: Machine, by: Machine, { call, answer, entries }: Answered): void {
    const whole = answer.type === "fetch" ? { ...answer, runs: runsOf(entries, answer.from ?? 0) } : answer;
    this.#fetched = entries;
    this.step(machine, { type: "answer", call, from: by.key.id, answer: whole });
  }

  #store(machine: Machine, runs: readonly Run[]): void {
    for (const run of runs) this.#append(machine, run, () => (this.#fetched.shift() as Entry).value);
  }

  // Invariants

  #checkLeader(machine: Machine, epoch: number): void {
    const other = this.#leaders.get(epoch);
    if (other !== undefined) throw new Error(`epoch ${epoch} has the leaders ${other} and ${machine.key.id}`);
    this.#leaders.set(epoch, machine.key.id);
    this.elections++;
  }

  #checkVote(machine: Machine, { epoch, votedKey }: ElectionState): void {
    if (votedKey === undefined) return;
    const key = `${machine.key.id}@${epoch}`;
    const before = this.#votes.get(key);
    if (before !== undefined && before !== votedKey.id)
      throw new Error(`${key} voted for ${before} and ${votedKey.id}`);
    this.#votes.set(key, votedKey.id);
  }

  #commit(machine: Machine, offset: Offset): void {
    if (offset < machine.highWatermark) throw new Error("a high watermark goes back");
    if (offset > machine.log.length) throw new Error("a high watermark is beyond the log");
    machine.highWatermark = offset;
    for (let at = 0; at < offset; at++) {
      const entry = machine.log[at] as Entry;
      const known = this.committed[at];
      if (known === undefined) this.committed.push(entry);
      else if (known.epoch !== entry.epoch || known.value !== entry.value) {
        throw new Error(`record ${at} was committed as ${JSON.stringify(known)} and as ${JSON.stringify(entry)}`);
      }
    }
    const last = this.committed[offset - 1];
    const holders = this.machines.filter(
      ({ key, log, durable }) =>
        this.voters.some(({ id }) => id === key.id) && durable >= offset && log[offset - 1]?.epoch === last?.epoch,
    );
    if (holders.length < majorityOf(this.voters)) throw new Error(`record ${offset - 1} is committed on too few disks`);
  }
}

interface Answered {
  readonly call: number;
  readonly answer: RaftAnswer;
  readonly entries: Entry[];
}

function runsOf(entries: readonly Entry[], from: Offset): Run[] {
  const runs: { epoch: number; baseOffset: Offset; endOffset: Offset }[] = [];
  entries.forEach(({ epoch }, i) => {
    const last = runs.at(-1);
    if (last?.epoch === epoch) last.endOffset++;
    else runs.push({ epoch, baseOffset: from + i, endOffset: from + i + 1 });
  });
  return runs;
}

type Distributed<T> = T extends unknown ? Omit<T, "now"> : never;

/** Draws numbers from 0 up to 1 (mulberry32). */
function drawing(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
