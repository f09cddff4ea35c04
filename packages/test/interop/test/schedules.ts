/** Random schedules of requests, run on Kafka and on Samsa step by step. */
import { Errors } from "@samsa/protocol";
import type { RawConnection } from "@samsa/wire";
import { connect } from "../src/differential/connection.ts";

/** Seeded random number generator (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** Integer in [low, high]. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.int(0, choices.length - 1)];
  }
}

export type Answer = Record<string, unknown>;

/** Request of a schedule, built from the state of either broker. */
export interface Step<S> {
  readonly told: string;
  readonly key: number;
  readonly version: number;
  /** Returns the request body for the broker with this state. */
  readonly body: (state: S) => object;
  /** Updates the state from the answer. */
  readonly learn?: (state: S, answer: Answer) => void;
  /** Repeated while the answers differ, since acknowledged changes may not be visible yet. */
  readonly isRead?: boolean;
  /** The broker may delay its answer until other members act. */
  readonly mayWait?: boolean;
  /** Pause after the step for work that the broker does after its answer, in milliseconds. */
  readonly pauseMs?: number;
  /** Repeated after the step until that work has ended on both brokers. */
  readonly ending?: Ending;
}

/** Question whose answer tells that the work of a broker after an answer has ended. */
export interface Ending {
  readonly key: number;
  readonly version: number;
  readonly body: object;
  readonly hasEnded: (answer: Answer) => boolean;
}

/** Request that a coordinator answers only after all earlier ones. */
export type Probe = Pick<Step<unknown>, "key" | "version"> & { readonly body: object };

interface PlayOptions {
  /** Error codes on which a request is retried. */
  readonly retriable: ReadonlySet<number>;
  readonly probe?: Probe;
}

/** Broker of a schedule (there are two), with its pending requests and answers. */
export class Play<S> {
  readonly state: S;
  readonly #answers = new Map<number, unknown>();
  readonly pending = new Set<number>();
  readonly #server: string;
  readonly #idle: RawConnection[] = [];
  readonly #all: RawConnection[] = [];
  readonly #names = new Map<string, string>();
  readonly #retriable: ReadonlySet<number>;
  readonly #probe: Probe | undefined;
  changes = 0;

  constructor(server: string, state: S, { retriable, probe }: PlayOptions) {
    this.#server = server;
    this.state = state;
    this.#retriable = retriable;
    this.#probe = probe;
  }

  /** Resolves once the coordinator has handled all earlier requests. */
  async probe(): Promise<void> {
    if (this.#probe === undefined) return;
    const { key, version, body } = this.#probe;
    // Probe twice: a request on another connection may overtake the first probe.
    for (let i = 0; i < 2; i++) await this.#exchange(key, version, body);
  }

  /** Resolves once `ending` holds, or after `PATIENCE_MS`. */
  async ended({ key, version, body, hasEnded }: Ending): Promise<void> {
    for (const began = performance.now(); performance.now() - began < PATIENCE_MS; await pause(5)) {
      if (hasEnded(await this.#exchange(key, version, body))) return;
    }
  }

  async #exchange(key: number, version: number, body: object): Promise<Answer> {
    let client = this.#idle.pop();
    if (client === undefined) {
      client = await connect(this.#server);
      this.#all.push(client);
    }
    for (let tries = 0; ; tries++) {
      const answer = (await client.ask(key, version, body)) as Answer;
      if (tries < 60 && errorsOf(answer).some(code => this.#retriable.has(code))) {
        await pause(25);
        continue;
      }
      this.#idle.push(client);
      return answer;
    }
  }

  /** Names an id that each broker generates differently, so that answers can be compared. */
  name(id: string | bigint, name: string): void {
    const key = String(id);
    if (!this.#names.has(key)) this.#names.set(key, name);
  }

  /** Sends a request without waiting for its answer. */
  send(step: Step<S>, number: number): void {
    this.pending.add(number);
    this.changes++;
    void this.#ask(step)
      .catch((error: unknown) => `${String(error)}`)
      .then(answer => {
        this.#answers.set(number, answer);
        this.pending.delete(number);
        this.changes++;
      });
  }

  /** Answer to a step with generated ids replaced by names; undefined while it is pending. */
  answer(number: number): string | undefined {
    const answer = this.#answers.get(number);
    return answer === undefined ? undefined : JSON.stringify(this.#plain(answer));
  }

  async #ask({ key, version, body, learn }: Step<S>): Promise<Answer> {
    const answer = await this.#exchange(key, version, body(this.state));
    learn?.(this.state, answer);
    return answer;
  }

  #plain(value: unknown, name = ""): unknown {
    if (value instanceof Uint8Array) return Buffer.from(value).toString("latin1");
    if (Array.isArray(value)) return value.map(part => this.#plain(part)).sort(byText);
    if (typeof value === "bigint") return this.#names.get(String(value)) ?? String(value);
    if (typeof value === "string") {
      if (MESSAGE.test(name)) return value !== "";
      // A member whose join is not answered yet has no name.
      return this.#names.get(value) ?? value.replace(RANDOM, "(new)");
    }
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, part]) => (OWN.has(key) ? [] : [[key, this.#plain(part, key)]])),
    );
  }

  close(): void {
    for (const client of this.#all) client.close();
  }
}

const OWN: ReadonlySet<string> = new Set([
  "throttleTimeMs",
  "topicId",
  "currentLeader",
  "nodeEndpoints",
  "transactionStartTimeMs",
  "lastTimestamp",
]);
const MESSAGE = /Message$/;
const RANDOM = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function byText(a: unknown, b: unknown): number {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
  return left < right ? -1 : Number(left > right);
}

/** Error codes in an answer, at any depth. */
export function errorsOf(value: unknown): number[] {
  if (Array.isArray(value)) return value.flatMap(errorsOf);
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return [];
  return Object.entries(value).flatMap(([key, part]) => (/errorCode$/i.test(key) ? [Number(part)] : errorsOf(part)));
}

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}

/** Time for which both brokers must have the same requests pending before the next step. */
const QUIET_MS = 20;
/** Longest time for the brokers to agree on the pending requests. */
const PATIENCE_MS = 10_000;

/** Waits until both brokers have answered the same steps, including `number` unless it may wait. */
async function settle<S>(plays: readonly Play<S>[], number: number, { mayWait = false }: Step<S>): Promise<void> {
  const waiting = () => plays.map(play => [...play.pending].sort((a, b) => a - b).join());
  const began = performance.now();
  if (mayWait) await Promise.all(plays.map(play => play.probe()));
  for (let before = ""; performance.now() - began < PATIENCE_MS; ) {
    // No request is pending.
    if (plays.every(play => play.pending.size === 0)) return;
    const [theirs, ours] = waiting();
    const isSettled = theirs === ours && (mayWait || plays.every(play => !play.pending.has(number)));
    if (isSettled && before === theirs) return;
    before = isSettled ? theirs : "";
    await pause(isSettled ? QUIET_MS : 3);
  }
}

/** Difference between the answers, with the steps that led to it. */
export interface Divergence {
  readonly seed: number;
  readonly steps: readonly string[];
  readonly step: string;
  readonly theirs: string;
  readonly ours: string;
}

export interface Schedule<S> {
  readonly seed: number;
  /** Brokers of the schedule, Kafka first. */
  readonly plays: readonly [Play<S>, Play<S>];
  readonly length: number;
  /** Returns the next step; undefined ends the schedule. */
  readonly next: (number: number) => Step<S> | undefined;
  /** True if the answers differ by a random choice of Kafka. The schedule then ends without a finding. */
  readonly isChance?: (theirs: string, ours: string) => boolean;
}

/** Runs a schedule. Returns the first difference, or the number of answers compared. */
export async function play<S>({ seed, plays, length, next, isChance }: Schedule<S>): Promise<Divergence | number> {
  const steps: Step<S>[] = [];
  const compared = new Set<number>();
  const [kafka, samsa] = plays;
  const told = (number: number): string => `${number}: ${steps[number].told}`;
  try {
    for (let number = 0; number < length; number++) {
      const step = next(number);
      if (step === undefined) break;
      steps.push(step);
      for (let tries = 0; ; tries++) {
        for (const one of plays) one.send(step, number);
        await settle(plays, number, step);
        if (step.pauseMs !== undefined) await pause(step.pauseMs);
        const { ending } = step;
        if (ending !== undefined) await Promise.all(plays.map(one => one.ended(ending)));
        if (step.isRead !== true || tries === 40 || kafka.answer(number) === samsa.answer(number)) break;
        await pause(50);
      }
      for (let asked = 0; asked <= number; asked++) {
        if (compared.has(asked)) continue;
        const [theirs, ours] = plays.map(one => one.answer(asked));
        if (theirs === undefined && ours === undefined) continue;
        compared.add(asked);
        if (theirs === ours || (theirs === undefined && isForgotten(steps[asked].told, ours))) continue;
        if (theirs !== undefined && ours !== undefined && isChance?.(theirs, ours) === true) return compared.size;
        return {
          seed,
          steps: steps.map((_, i) => `${told(i)}${i < number ? `  -> ${kafka.answer(i) ?? "…"}` : ""}`),
          step: told(asked),
          theirs: theirs ?? "no answer",
          ours: ours ?? "no answer",
        };
      }
    }
    return compared.size;
  } finally {
    for (const one of plays) one.close();
  }
}

/** True for the SyncGroup of a removed member: Kafka never answers it, Samsa returns UNKNOWN_MEMBER_ID. */
function isForgotten(step: string, ours: string | undefined): boolean {
  return / syncs,/.test(step) && ours?.includes(`"errorCode":${Errors.UNKNOWN_MEMBER_ID.code}`) === true;
}

interface Extent {
  readonly schedules: number;
  readonly ms: number;
  /** Number of concurrent schedules. */
  readonly width: number;
}

/** Runs schedules up to the given number and time. Returns the differences and the amount compared. */
export async function playAll(
  { schedules: count, ms, width }: Extent,
  run: (index: number) => Promise<Divergence | number>,
): Promise<{ readonly divergences: readonly Divergence[]; readonly schedules: number; readonly steps: number }> {
  const divergences: Divergence[] = [];
  const began = performance.now();
  let schedules = 0;
  let steps = 0;
  const worker = async (): Promise<void> => {
    while (schedules < count && performance.now() - began < ms) {
      const result = await run(schedules++);
      if (typeof result === "number") steps += result;
      else divergences.push(result);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return { divergences, schedules, steps };
}
