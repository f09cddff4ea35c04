import {
  type BlockCodecs,
  crc32c,
  type Env,
  ignored,
  invariant,
  type LogFields,
  type Logger,
  type Millis,
  NetworkError,
  sipHash128,
  type Timer,
} from "@samsa/base";
import { blockingHashes, nodePattern, pureCodecs } from "@samsa/node";
import { Digest } from "./digest.ts";
import { type CrashOptions, SimDisk } from "./disk.ts";
import { EventQueue } from "./event-queue.ts";
import { type Life, type NetworkOptions, runOn, SimNetwork } from "./network.ts";
import { Prng } from "./prng.ts";

/** Options of a simulated world. */
export interface WorldOptions {
  readonly network?: NetworkOptions;
  /** Bounds of the duration of an fsync or a cold read. Default 0.1 to 5 ms. */
  readonly diskMs?: readonly [number, number];
  /** Wall clock time at the beginning. Default 2026-01-01. */
  readonly epoch?: Millis;
  /** Receives every line of the trace, with its virtual time. */
  readonly onTrace?: (line: string) => void;
}

/** Machine of the world. Its disk outlives its processes. */
export interface SimNode {
  readonly name: string;
  readonly disk: SimDisk;
  /** Environment of the current life. After a crash its timers never fire and its disk calls throw. */
  readonly env: Env;
  /** Milliseconds by which this node's wall clock is ahead of the true time. */
  clockOffset: number;
  /** Milliseconds that are added to the duration of each fsync and cold read. */
  diskDelay: number;
}

/**
 * Calls `next` once all is done that the event before has set off. The reaction to a promise has to ask for it. Events
 * never wait for the system, so the end of all promises is enough, and the loop of the process with its system calls is
 * only gone through now and then.
 */
function whenSettled(events: number, next: () => void): void {
  if (events % 1000 === 0) setImmediate(next);
  else process.nextTick(next);
}

/** Waiting call of `runFor` or `runUntil`. */
interface Run {
  readonly isOver: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

function hasEnded({ isOver, resolve, reject }: Run): boolean {
  try {
    if (!isOver()) return false;
    resolve();
  } catch (error) {
    reject(error);
  }
  return true;
}

/** 2026-01-01. */
const EPOCH: Millis = 1767225600000;

/** Pending call of a node. Its event comes in any case, and does nothing if the call is cancelled by then. */
class NodeTimer implements Timer {
  readonly #life: Life;
  /** undefined once it is cancelled. */
  #callback: (() => void) | undefined;

  constructor(life: Life, callback: () => void) {
    this.#life = life;
    this.#callback = callback;
  }

  cancel(): void {
    this.#callback = undefined;
  }

  /** Makes the call: later if the node is paused, never after its crash. False if nothing has been set off. */
  run(): boolean {
    const { held, alive } = this.#life;
    if (!alive) return false;
    if (held !== undefined) {
      held.push(() => void this.run());
      return false;
    }
    if (this.#callback === undefined) return false;
    this.#callback();
    return true;
  }
}

interface Machine extends SimNode {
  env: Env;
  life: Life;
}

/**
 * Deterministic world. Everything is an event in one queue, ordered by virtual time, then by scheduling order. Between
 * two events all promise reactions run to completion: the world waits for a `process.nextTick`, which Node runs only once
 * the microtask queue is empty. Awaiting a fixed number of promises instead would cut off long chains. The code under
 * test can only await promises that this world resolves, so the world never waits for real I/O.
 */
export class World {
  readonly network: SimNetwork;
  readonly rng: Prng;
  readonly #seed: number | string;
  readonly #options: WorldOptions;
  readonly #machines = new Map<string, Machine>();
  readonly #codecs: BlockCodecs = pureCodecs();
  readonly #queue = new EventQueue<NodeTimer | (() => void)>();
  readonly #digest = new Digest();
  readonly #settled = Promise.resolve();
  /** Runs that are under way: usually one, but a test may wait for several things at a time. */
  readonly #runs: Run[] = [];
  #now = 0;
  #order = 0;
  #events = 0;

  constructor(seed: number | string, options: WorldOptions = {}) {
    this.#seed = seed;
    this.#options = options;
    this.rng = this.fork("world");
    this.network = new SimNetwork(
      this.fork("network"),
      {
        after: (delay, label, work) => this.#schedule(delay, label, work),
        trace: line => this.trace(line),
        traceData: (way, length, sum) => this.#traceData(way, length, sum),
      },
      options.network,
    );
  }

  /** Returns a separate generator for `purpose`, so that draws of one component do not affect another. */
  fork(purpose: string): Prng {
    return new Prng(`${this.#seed}/${purpose}`);
  }

  /** Virtual time: milliseconds since the beginning of the world. */
  now(): number {
    return this.#now;
  }

  /** True wall clock time, in milliseconds since 1970. */
  wall(): number {
    return (this.#options.epoch ?? EPOCH) + this.#now;
  }

  /** Number of events so far. */
  events(): number {
    return this.#events;
  }

  /** Hash of the trace so far: equal for equal seeds and programs. */
  hash(): string {
    return this.#digest.hash();
  }

  trace(line: string): void {
    this.#digest.text(line);
    this.#show(line);
  }

  /** Takes note of a delivery. Lines of the trace that are frequent become text only if somebody reads them. */
  #traceData(way: string, length: number, sum: number): void {
    this.#digest.text(way);
    this.#digest.number(length);
    this.#digest.number(sum);
    if (this.#options.onTrace !== undefined) this.#show(`${way} ${length} ${sum}`);
  }

  #show(line: string): void {
    this.#options.onTrace?.(`${this.#now.toFixed(3)} ${line}`);
  }

  /** Returns the node `name`, and creates it on first use. */
  node(name: string): SimNode {
    const known = this.#machines.get(name);
    if (known !== undefined) return known;
    const [low, high] = this.#options.diskMs ?? [0.1, 5];
    const rng = this.fork(`disk/${name}`);
    const disk = new SimDisk(this.fork(`crash/${name}`), {
      now: () => this.#wall(name),
      later: (label, work) => {
        const { life: current } = machine;
        this.#schedule(low + rng.next() * (high - low) + machine.diskDelay, `${name} ${label}`, () => {
          runOn(current, work);
        });
      },
      trace: line => this.trace(`${name} ${line}`),
    });
    const life = { node: name, alive: true };
    const machine: Machine = { name, disk, clockOffset: 0, diskDelay: 0, life, env: this.#env(name, disk, life) };
    this.#machines.set(name, machine);
    return machine;
  }

  /** Crashes a node and begins its next life, with empty memory and the surviving disk contents. */
  crash(name: string, options: CrashOptions & { readonly halfOpen?: boolean } = {}): SimNode {
    const machine = this.#machines.get(name);
    invariant(machine !== undefined, "only a node that exists can crash");
    this.trace(`crash ${name}`);
    machine.life.alive = false;
    machine.disk.crash(options);
    this.network.drop(machine.life, options.halfOpen ?? false);
    machine.life = { node: name, alive: true };
    machine.env = this.#env(name, machine.disk, machine.life);
    return machine;
  }

  /** Stops a node, as SIGSTOP does: its timers, disk and connections wait for `resume`. */
  pause(name: string): void {
    const machine = this.#machines.get(name);
    invariant(machine !== undefined, "only a node that exists can be paused");
    this.trace(`pause ${name}`);
    machine.life.held ??= [];
  }

  resume(name: string): void {
    const machine = this.#machines.get(name);
    if (machine?.life.held === undefined) return;
    this.trace(`resume ${name}`);
    const waiting = machine.life.held;
    machine.life.held = undefined;
    for (const callback of waiting) this.#schedule(0, `${name} resumed`, callback);
    this.network.pump();
  }

  /** Runs the events of the next `ms` milliseconds, and advances the time by `ms`. */
  async runFor(ms: number): Promise<void> {
    const until = this.#now + ms;
    await this.#play(() => (this.#queue.next()?.at ?? Infinity) > until);
    // Another run may have gone on for longer.
    this.#now = Math.max(this.#now, until);
  }

  /** Advances the time by `ms` without running events, like a suspended machine. Due events run afterwards. */
  leap(ms: number): void {
    this.trace(`leap ${ms}`);
    this.#now += ms;
  }

  /** Runs until `holds` returns true. Throws after `limitMs` of virtual time, or if no event is left. */
  async runUntil(holds: () => boolean, limitMs = 60_000): Promise<void> {
    const end = this.#now + limitMs;
    await this.#play(() => {
      if (holds()) return true;
      const next = this.#queue.next();
      if (next === undefined) throw new Error(`seed ${this.#seed}: nothing left to happen at ${this.#now} ms`);
      if (next.at > end) throw new Error(`seed ${this.#seed}: not within ${limitMs} ms`);
      return false;
    });
  }

  /** Runs until `work` has settled, and returns its result. */
  async settle<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const end = (): void => void (isSettled = true);
    work.then(end, end);
    await this.runUntil(() => isSettled);
    return work;
  }

  /** Runs until no event is left. Throws after `maxEvents`, since recurring timers would run forever. */
  async runIdle(maxEvents = 1_000_000): Promise<void> {
    let left = maxEvents;
    await this.#play(() => {
      if (this.#queue.next() === undefined) return true;
      if (left-- === 0) throw new Error(`seed ${this.#seed}: still busy after ${maxEvents} events`);
      return false;
    });
  }

  /** Runs events, each when all is done that the one before has set off, until `isOver` returns true or throws. */
  #play(isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#runs.push({ isOver, resolve, reject });
      if (this.#runs.length === 1) this.#goOn();
    });
  }

  /** Ends the runs that are over; true if there were any. */
  #endRuns(): boolean {
    const before = this.#runs.length;
    for (let i = 0; i < this.#runs.length; ) {
      if (hasEnded(this.#runs[i] as Run)) this.#runs.splice(i, 1);
      else i++;
    }
    return this.#runs.length < before;
  }

  /** Has the next event happen once all reactions to promises have run. */
  #goOn(): void {
    // Node runs all callbacks of `nextTick` before any reaction, and those that a reaction asks for after the last one.
    this.#settled.then(this.#settle, ignored("the promise is resolved from the beginning"));
  }

  readonly #settle = (): void => whenSettled(this.#events, this.#next);

  readonly #next = (): void => {
    // An event that sets off nothing leaves nothing to wait for.
    for (let isBusy = false; !isBusy; ) {
      if (this.#endRuns()) break;
      try {
        isBusy = this.#step() || this.#events % 1000 === 0;
      } catch (error) {
        for (const run of this.#runs.splice(0)) run.reject(error);
        return;
      }
    }
    if (this.#runs.length > 0) this.#goOn();
  };

  /** Runs the next event. False if it sets off nothing. */
  #step(): boolean {
    const event = this.#queue.pop();
    if (event === undefined) return false;
    const { at, label, work } = event;
    this.#now = Math.max(this.#now, at);
    this.#events++;
    this.#digest.number(at);
    this.#digest.text(label);
    if (this.#options.onTrace !== undefined) this.#show(`${at} ${label}`);
    if (work instanceof NodeTimer) return work.run();
    work();
    return true;
  }

  #schedule(delayMs: number, label: string, work: NodeTimer | (() => void)): void {
    const at = this.#now + Math.max(0, delayMs);
    this.#queue.push({ at, order: this.#order++, label, work }, at === this.#now);
  }

  #wall(name: string): number {
    const ahead = this.#machines.get(name)?.clockOffset ?? 0;
    return Math.floor(this.wall() + ahead);
  }

  #env(name: string, disk: SimDisk, life: Life): Env {
    const rng = this.fork(`random/${name}/${this.#order}`);
    const labels = { timer: `${name} timer`, soon: `${name} soon` };
    return {
      clock: { now: () => this.#wall(name), monotonic: () => this.#now },
      timers: {
        after: (delayMs, callback) => {
          const timer = new NodeTimer(life, callback);
          this.#schedule(delayMs, labels.timer, timer);
          return timer;
        },
        hold: () => ({ cancel: () => undefined }),
        soon: callback => this.#schedule(0, labels.soon, new NodeTimer(life, callback)),
      },
      random: { bytes: length => rng.bytes(length), next: () => rng.next() },
      disk: disk.mount(),
      network: this.network.attach(life),
      crypto: {
        crc32c: (bytes, start, end, seed) => crc32c(bytes, start, end, seed),
        digest: sipHash128(new Uint8Array(16)),
        ...blockingHashes,
        tokenKeys: () => {
          throw new Error("the simulation verifies no tokens");
        },
        signToken: () => Promise.reject(new Error("the simulation signs no tokens")),
      },
      http: { request: ({ url }) => Promise.reject(new NetworkError("ENETUNREACH", `the simulation has no ${url}`)) },
      codecs: this.#codecs,
      pattern: nodePattern,
      logger: this.#logger(name),
    };
  }

  #logger(name: string): Logger {
    const line = (level: string) => (message: string, fields?: LogFields) =>
      this.trace(`${name} ${level} ${message}${fields === undefined ? "" : ` ${JSON.stringify(fields)}`}`);
    return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
  }
}
