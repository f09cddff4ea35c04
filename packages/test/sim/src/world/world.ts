import {
  type BlockCodecs,
  crc32c,
  type Env,
  invariant,
  type LogFields,
  type Logger,
  type Millis,
  NetworkError,
} from "@samsa/base";
import { blockingHashes, nodeDigest, nodePattern, pureCodecs } from "@samsa/node";
import { type CrashOptions, SimDisk } from "./disk.ts";
import { type Life, type NetworkOptions, runOn, SimNetwork } from "./network.ts";
import { mix, Prng } from "./prng.ts";

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
 * Resolves when everything that the event before has set off is done. Nothing in a world waits for the system, so the
 * end of all promises is enough, and the loop of the process with its system calls is only gone through now and then.
 */
function settled(events: number): Promise<void> {
  return new Promise(resolve => (events % 1000 === 0 ? setImmediate(resolve) : process.nextTick(resolve)));
}

/** 2026-01-01. */
const EPOCH: Millis = 1767225600000;

interface Event {
  readonly at: number;
  readonly order: number;
  readonly label: string;
  readonly work: () => void;
}

interface Machine extends SimNode {
  env: Env;
  life: Life;
}

/**
 * Deterministic world. Everything is an event in one queue, ordered by virtual time, then by scheduling order. Between
 * two events all promise reactions run to completion: the world waits for a `setImmediate`, which Node runs only once
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
  readonly #queue: Event[] = [];
  #now = 0;
  #order = 0;
  #events = 0;
  #high = 0;
  #low = 0;

  constructor(seed: number | string, options: WorldOptions = {}) {
    this.#seed = seed;
    this.#options = options;
    this.rng = this.fork("world");
    this.network = new SimNetwork(
      this.fork("network"),
      { after: (delay, label, work) => this.#schedule(delay, label, work), trace: line => this.trace(line) },
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
    return this.#high.toString(16).padStart(8, "0") + this.#low.toString(16).padStart(8, "0");
  }

  trace(line: string): void {
    this.#high = mix(line, this.#high ^ 0x811c9dc5);
    this.#low = mix(line, this.#low ^ this.#high ^ 0x1000193);
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
    await settled(this.#events);
    while ((this.#queue[0]?.at ?? Infinity) <= until) await this.#step();
    this.#now = until;
  }

  /** Advances the time by `ms` without running events, like a suspended machine. Due events run afterwards. */
  leap(ms: number): void {
    this.trace(`leap ${ms}`);
    this.#now += ms;
  }

  /** Runs until `holds` returns true. Throws after `limitMs` of virtual time, or if no event is left. */
  async runUntil(holds: () => boolean, limitMs = 60_000): Promise<void> {
    const end = this.#now + limitMs;
    await settled(this.#events);
    while (!holds()) {
      const next = this.#queue[0];
      if (next === undefined) throw new Error(`seed ${this.#seed}: nothing left to happen at ${this.#now} ms`);
      if (next.at > end) throw new Error(`seed ${this.#seed}: not within ${limitMs} ms`);
      await this.#step();
    }
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
    await settled(this.#events);
    for (let left = maxEvents; this.#queue.length > 0; left--) {
      if (left === 0) throw new Error(`seed ${this.#seed}: still busy after ${maxEvents} events`);
      await this.#step();
    }
  }

  async #step(): Promise<void> {
    const event = pop(this.#queue);
    if (event === undefined) return;
    this.#now = Math.max(this.#now, event.at);
    this.#events++;
    this.trace(`${event.at} ${event.label}`);
    event.work();
    await settled(this.#events);
  }

  #schedule(delayMs: number, label: string, work: () => void): void {
    push(this.#queue, { at: this.#now + Math.max(0, delayMs), order: this.#order++, label, work });
  }

  #wall(name: string): number {
    const ahead = this.#machines.get(name)?.clockOffset ?? 0;
    return Math.floor(this.wall() + ahead);
  }

  #env(name: string, disk: SimDisk, life: Life): Env {
    const rng = this.fork(`random/${name}/${this.#order}`);
    const whileAlive = (callback: () => void, cancelled: () => boolean) => () => {
      runOn(life, () => {
        if (!cancelled()) callback();
      });
    };
    return {
      clock: { now: () => this.#wall(name), monotonic: () => this.#now },
      timers: {
        after: (delayMs, callback) => {
          let cancelled = false;
          this.#schedule(
            delayMs,
            `${name} timer`,
            whileAlive(callback, () => cancelled),
          );
          return { cancel: () => void (cancelled = true) };
        },
        hold: () => ({ cancel: () => undefined }),
        soon: callback =>
          this.#schedule(
            0,
            `${name} soon`,
            whileAlive(callback, () => false),
          ),
      },
      random: { bytes: length => rng.bytes(length), next: () => rng.next() },
      disk: disk.mount(),
      network: this.network.attach(life),
      crypto: {
        crc32c: (bytes, start, end, seed) => crc32c(bytes, start, end, seed),
        digest: nodeDigest,
        ...blockingHashes,
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

const earlier = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** Pushes onto a binary heap, earliest event first. */
function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const up = (at - 1) >> 1;
    const parent = heap[up] as Event;
    if (!earlier(event, parent)) break;
    heap[at] = parent;
    at = up;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    const left = at * 2 + 1;
    if (left >= heap.length) break;
    const isRight = left + 1 < heap.length && earlier(heap[left + 1] as Event, heap[left] as Event);
    const child = isRight ? left + 1 : left;
    const event = heap[child] as Event;
    if (!earlier(event, last)) break;
    heap[at] = event;
    at = child;
  }
  heap[at] = last;
  return first;
}
