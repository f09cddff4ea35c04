import { DeadlineHeap, type Offset, randomUuid, ZERO_UUID } from "@samsa/base";
import type { ElectionState, RaftEffect, RaftInput, RaftTimes } from "../../src/raft/effects.ts";
import type {
  LogEnd,
  RaftAnswer,
  RaftCall,
  ReplicaKey,
  Run,
  SnapshotAnswer,
  VoteCall,
} from "../../src/raft/messages.ts";
import { RaftLog } from "../../src/raft/raft-log.ts";
import { RaftNode } from "../../src/raft/raft-node.ts";
import { VoterHistory, type VoterSet } from "../../src/raft/voter-history.ts";
import { Errors } from "@samsa/protocol";
import type { ControlRecord, VoterDescription } from "@samsa/records";
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
  /** Records of the control batch that begins here. */
  readonly control?: readonly ControlRecord[] | undefined;
}

/** Snapshot on the disk of a machine: all entries before its offset, and the voters there. */
interface StoredSnapshot extends LogEnd {
  readonly entries: readonly Entry[];
  readonly voters: VoterSet | undefined;
}

/** Value of a record that opens an epoch. */
const OPENING = -1;
/** Most entries in a response to a fetch, and in a part of a snapshot. */
const MOST_FETCHED = 5;

export interface Machine {
  readonly key: ReplicaKey;
  /** Entries from offset 0 on; those before the begin of the log are of its snapshot. */
  log: Entry[];
  snapshot: StoredSnapshot | undefined;
  /** Snapshot that it receives, and the entries of it that it has. */
  part: { readonly snapshot: StoredSnapshot; received: number } | undefined;
  history: VoterHistory;
  /** Number of entries that survive a crash. */
  durable: number;
  state: ElectionState | undefined;
  node: RaftNode | undefined;
  /** Grows with each start: messages to an earlier one are lost. */
  incarnation: number;
  highWatermark: Offset;
}

interface Asked {
  /** Undefined: an operator. */
  readonly from: Machine | undefined;
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
  /** Changes of the voters that were answered without an error. */
  changes = 0;
  installs = 0;
  readonly #events = new DeadlineHeap<() => void>();
  readonly #leaders = new Map<number, number>();
  readonly #votes = new Map<string, number>();
  readonly #asked = new Map<number, Asked>();
  #tickets = 0;
  /** Entries of the answer that is being taken. */
  #fetched: Entry[] = [];
  /** Part of a snapshot in the answer that is being taken. */
  #part: StoredSnapshot | undefined;
  readonly #isDynamic: boolean;
  readonly draw: () => number;

  /** With `isDynamic`, the voters are in the log and may change. */
  constructor(seed: number, voters: number, observers = 0, isDynamic = false) {
    this.draw = drawing(seed);
    this.#isDynamic = isDynamic;
    const keys = Array.from({ length: voters + observers }, (_, index) => ({
      id: index + 1,
      directoryId: isDynamic ? randomUuid(length => new Uint8Array(length).fill(index + 1)) : ZERO_UUID,
    }));
    this.voters = keys.slice(0, voters);
    this.machines = keys.map(key => ({
      key,
      log: [],
      snapshot: undefined,
      part: undefined,
      history: new VoterHistory([]),
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
    machine.highWatermark = machine.snapshot?.offset ?? -1;
    machine.part = undefined;
    const start = machine.snapshot ?? { offset: 0, epoch: 0 };
    const epochs: { epoch: number; startOffset: number }[] = [];
    const voters = this.voters.map(described);
    machine.history = new VoterHistory(this.#isDynamic ? [] : voters);
    const first = this.#isDynamic ? { kraftVersion: 1, voters } : undefined;
    machine.history.restart(start.offset, machine.snapshot === undefined ? first : machine.snapshot.voters);
    machine.log.forEach(({ epoch, control }, offset) => {
      if (offset < start.offset) return;
      if (epoch !== epochs.at(-1)?.epoch) epochs.push({ epoch, startOffset: offset });
      if (control !== undefined) machine.history.take(offset, control);
    });
    const log = new RaftLog({ epochs, endOffset: machine.log.length, start, snapshot: machine.snapshot });
    machine.node = new RaftNode({
      self: described(machine.key),
      canVote: this.#isDynamic || this.voters.includes(machine.key),
      voters: machine.history,
      state: machine.state,
      log,
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
    const { role, epoch } = node;
    const effects = node.step({ ...input, now: this.now });
    if (input.type === "tick" && role !== "RESIGNED" && node.role === "PROSPECTIVE" && node.epoch > epoch) {
      throw new Error(`replica ${machine.key.id} raises the epoch to ask whether it might`);
    }
    for (const effect of effects) this.#perform(machine, effect);
    if (effects.some(({ type }) => type === "truncate" || type === "install")) this.#checkVoters(machine);
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
        if (effect.records[0]?.type === "leaderChange") this.#checkLeader(machine, effect.run.epoch);
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
      case "probe":
        this.#probe(machine, effect.voter);
        break;
      case "part":
        this.#take(machine, effect);
        break;
      case "complete":
        this.#complete(machine, effect.id);
        break;
      case "abandon":
        machine.part = undefined;
        break;
      case "install":
        this.#install(machine, effect.id);
        break;
    }
  }

  #probe(machine: Machine, voter: ReplicaKey): void {
    const isUp = this.machines.some(({ key, node }) => key.id === voter.id && node !== undefined);
    const range = isUp ? { min: 0, max: 1 } : undefined;
    this.#later(this.draw() * this.faults.delayMs, machine, () => this.step(machine, { type: "probed", voter, range }));
  }

  // Snapshots

  /** Lets a machine write a snapshot of what it knows to be committed, and delete the log before it. */
  snapshot(machine: Machine): void {
    const { node, log, highWatermark: offset, history } = machine;
    const last = log[offset - 1];
    if (node === undefined || last === undefined || offset <= (machine.snapshot?.offset ?? 0)) return;
    const set = history.before(offset);
    const voters = set.kraftVersion > 0 ? set : undefined;
    machine.snapshot = { offset, epoch: last.epoch, entries: log.slice(0, offset), voters };
    machine.durable = Math.max(machine.durable, offset);
    const id = { offset, epoch: last.epoch };
    this.step(machine, { type: "snapshotted", id });
    this.step(machine, { type: "trimmed", start: id });
  }

  #take({ part: before, ...machine }: Machine, { position }: { readonly position: number }): void {
    const snapshot = this.#part;
    const target = this.machines.find(({ key }) => key === machine.key) as Machine;
    if (snapshot === undefined) throw new Error("a part of nothing");
    const received = position === 0 ? 0 : (before?.received ?? 0);
    if (received !== position) throw new Error("a part of a snapshot is missing");
    target.part = { snapshot, received: position + MOST_FETCHED };
  }

  #complete(machine: Machine, id: LogEnd): void {
    const { part } = machine;
    if (part === undefined || part.received < part.snapshot.offset) throw new Error("half a snapshot counts as whole");
    const { voters } = part.snapshot;
    this.#later(this.draw() * this.faults.flushMs, machine, () => this.step(machine, { type: "received", id, voters }));
  }

  #install(machine: Machine, { offset }: LogEnd): void {
    const { part } = machine;
    if (part?.snapshot.offset !== offset) throw new Error("another snapshot is installed");
    this.installs++;
    machine.snapshot = part.snapshot;
    machine.log = [...part.snapshot.entries];
    machine.durable = offset;
    machine.part = undefined;
  }

  // The log

  #append(machine: Machine, { epoch, baseOffset, endOffset, control }: Run, value: () => number): void {
    if (machine.log.length !== baseOffset) throw new Error("an append leaves a gap");
    for (let offset = baseOffset; offset < endOffset; offset++) {
      machine.log.push({ epoch, value: value(), control: offset === baseOffset ? control : undefined });
    }
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
    if (to === from.key.id) throw new Error("a call to itself");
    this.calls++;
    if (request.type === "vote" && !request.preVote && !isKeptVote(from, request)) {
      throw new Error("a candidate asks for votes before its own is durable");
    }
    if (target === undefined) throw new Error(`a call to ${to}, who is nobody`);
    const isDown = target.node === undefined;
    if (isDown) {
      // Its host refuses the connection, or is down, too.
      const isRefused = call % 4 === 0;
      this.#later(this.draw() * this.faults.delayMs, from, () => this.step(from, { type: "failed", call, isRefused }));
      return;
    }
    if (this.#isLost(from, target)) return;
    this.#later(this.draw() * this.faults.delayMs, target, () => this.#deliver(from, target, call, request));
  }

  /** Asks a machine as an operator does. */
  ask(target: Machine, request: RaftCall): void {
    if (target.node !== undefined) this.#deliver(undefined, target, 0, request);
  }

  #deliver(from: Machine | undefined, target: Machine, call: number, request: RaftCall): void {
    const ticket = ++this.#tickets;
    this.#asked.set(ticket, { from, incarnation: from?.incarnation ?? 0, call, request });
    this.step(target, { type: "call", ticket, call: request });
  }

  #reply(machine: Machine, { ticket, answer }: Extract<RaftEffect, { type: "reply" }>): void {
    const asked = this.#asked.get(ticket);
    if (asked === undefined) throw new Error("a second reply to a call");
    this.#asked.delete(ticket);
    const { from, incarnation, call, request } = asked;
    if (answer.type === "vote" && answer.granted && request.type === "vote" && !request.preVote) {
      if (!isKeptVote(machine, request)) throw new Error("a vote was granted before it was durable");
    }
    if (answer.type === "change" && answer.errorCode === 0) this.changes++;
    const entries = answer.type === "fetch" && answer.from !== undefined ? this.#read(machine, answer.from) : [];
    if (from === undefined || from.incarnation !== incarnation || this.#isLost(machine, from)) return;
    const part = request.type === "snapshot" && answer.errorCode === 0 ? machine.snapshot : undefined;
    const whole = request.type === "snapshot" && answer.type === "snapshot" ? partOf(request, answer, part) : answer;
    const answered = { call, answer: whole, entries, part };
    this.#later(this.draw() * this.faults.delayMs, from, () => this.#answer(from, machine, answered));
  }

  /** Entries from an offset on; a batch of control records is whole. */
  #read({ log, snapshot }: Machine, from: Offset): Entry[] {
    if (from < (snapshot?.offset ?? 0)) throw new Error("a read of records that are deleted");
    let end = from + Math.ceil(this.draw() * MOST_FETCHED);
    for (let offset = from; offset < end; offset++) end = Math.max(end, offset + (log[offset]?.control?.length ?? 0));
    return log.slice(from, end);
  }

  #answer(machine: Machine, by: Machine, { call, answer, entries, part }: Answered): void {
    const whole = answer.type === "fetch" ? { ...answer, runs: runsOf(entries, answer.from ?? 0) } : answer;
    this.#fetched = [...entries];
    this.#part = part;
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

  /** The voters must be those of the log, or of the snapshot before it. */
  #checkVoters({ key, log, snapshot, history }: Machine): void {
    const expected = new VoterHistory(this.#isDynamic ? [] : this.voters.map(described));
    const first = this.#isDynamic ? { kraftVersion: 1, voters: this.voters.map(described) } : undefined;
    const start = snapshot?.offset ?? 0;
    expected.restart(start, snapshot === undefined ? first : snapshot.voters);
    log.forEach(({ control = [] }, offset) => offset >= start && expected.take(offset, control));
    const ids = ({ last }: VoterHistory): string => last.set.voters.map(({ id }) => id).join();
    if (ids(expected) !== ids(history)) {
      throw new Error(`replica ${key.id} counts the voters ${ids(history)}, its log has ${ids(expected)}`);
    }
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
    // Followers hear of it later, when the voters may be others.
    if (machine.node?.role !== "LEADER") return;
    const last = this.committed[offset - 1];
    if (last?.epoch !== machine.node.epoch) throw new Error(`record ${offset - 1} of an earlier epoch is committed`);
    const { voters } = machine.history.last.set;
    const holders = this.machines.filter(
      ({ key, log, durable }) =>
        voters.some(({ id }) => id === key.id) && durable >= offset && log[offset - 1]?.epoch === last?.epoch,
    );
    if (holders.length < majorityOf(voters)) throw new Error(`record ${offset - 1} is committed on too few disks`);
  }
}

interface Answered {
  readonly call: number;
  readonly answer: RaftAnswer;
  readonly entries: Entry[];
  readonly part: StoredSnapshot | undefined;
}

/** True if the vote for the candidate of a request is on a disk. */
function isKeptVote({ state }: Machine, { epoch, candidate }: VoteCall): boolean {
  return state?.epoch === epoch && state.votedKey?.id === candidate.id;
}

/** Part of a snapshot; its "bytes" are its entries. */
function partOf(
  { id, position }: Extract<RaftCall, { readonly type: "snapshot" }>,
  answer: SnapshotAnswer,
  stored: StoredSnapshot | undefined,
): SnapshotAnswer {
  if (answer.errorCode !== 0) return answer;
  if (stored?.offset !== id.offset) return { ...answer, errorCode: Errors.SNAPSHOT_NOT_FOUND.code };
  return { ...answer, id, position, size: id.offset, length: Math.min(MOST_FETCHED, id.offset - position) };
}

function runsOf(entries: readonly Entry[], from: Offset): Run[] {
  const runs: Run[] = [];
  for (let at = 0; at < entries.length; ) {
    const { epoch, control } = entries[at] as Entry;
    let end = at + (control?.length ?? 1);
    while (control === undefined && entries[end]?.epoch === epoch && entries[end]?.control === undefined) end++;
    runs.push({ epoch, baseOffset: from + at, endOffset: from + end, control });
    at = end;
  }
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
