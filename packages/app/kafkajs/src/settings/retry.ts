import { setTimeout as sleep } from "node:timers/promises";
import { KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded } from "../error/errors.ts";
import { MAX_INT } from "./numbers.ts";

/** Attempts of a call. Times are in ms. */
export interface RetryOptions {
  /** Longest time between two attempts; 30 s by default. */
  readonly maxRetryTime?: number;
  /** Time before the second attempt; 300 ms by default. */
  readonly initialRetryTime?: number;
  /** Part of a time that chance adds or takes away; 0.2 by default. */
  readonly factor?: number;
  /** Growth of the time from attempt to attempt; 2 by default. */
  readonly multiplier?: number;
  /** Attempts after the first one; 5 by default. */
  readonly retries?: number;
  /** Decides whether a consumer that has crashed is started again; it is by default. */
  readonly restartOnFailure?: (error: Error) => Promise<boolean>;
}

/** Options with defaults for those that are left out. */
export type RetrySettings = Required<Omit<RetryOptions, "restartOnFailure">>;

const DEFAULTS: RetrySettings = { maxRetryTime: 30_000, initialRetryTime: 300, factor: 0.2, multiplier: 2, retries: 5 };
/** Errors of JavaScript that are mistakes in the program: another attempt would make them again. */
const MISTAKES: readonly string[] = ["RangeError", "ReferenceError", "SyntaxError", "TypeError"];
/** Attempts that a budget of time counts at most: after them the client does not give up. */
const COUNTED = 1000;

/** Merges options, of which later ones come first, and checks them. */
export function retrySettings(...all: readonly (RetryOptions | undefined)[]): RetrySettings {
  const settings = { ...DEFAULTS };
  for (const options of all) {
    for (const name of Object.keys(DEFAULTS) as (keyof RetrySettings)[]) {
      const value = options?.[name];
      if (value === undefined) continue;
      if (typeof value !== "number" || !(value >= 0)) {
        throw new KafkaJSNonRetriableError(`retry.${name} is a number that is not negative, not ${String(value)}`);
      }
      settings[name] = value;
    }
  }
  return settings;
}

/** Time before each attempt after the first, without chance. */
function* delays({ initialRetryTime, maxRetryTime, multiplier, retries }: RetrySettings): Generator<number> {
  for (let i = 0, time = initialRetryTime; i < retries; i++, time = Math.min(time * multiplier, maxRetryTime)) {
    yield Math.min(time, maxRetryTime);
  }
}

/** Time in ms that all attempts together wait. */
export function budgetOf(settings: RetrySettings): number {
  let sum = 0;
  let count = 0;
  for (const delay of delays(settings)) {
    sum += delay;
    if (++count === COUNTED || sum >= MAX_INT) return MAX_INT;
  }
  return sum;
}

/** Last delay of all attempts, which errors tell. */
export function lastDelayOf({ initialRetryTime, maxRetryTime, multiplier, retries }: RetrySettings): number {
  return Math.min(initialRetryTime * multiplier ** Math.min(retries, COUNTED), maxRetryTime);
}

/** True if another attempt may succeed: unless the error says that it is not retriable, or is a mistake. */
export function mayRetry(error: unknown): boolean {
  if (!(error instanceof Error)) return true;
  if (MISTAKES.includes(error.name)) return false;
  return !("retriable" in error) || error.retriable !== false;
}

/** Counts attempts, and waits between them. */
export class Attempts {
  readonly #settings: RetrySettings;
  readonly #chance: () => number;
  #count = 0;
  #time: number;

  /** `chance` gives numbers from 0 to 1. */
  constructor(settings: RetrySettings, chance: () => number) {
    this.#settings = settings;
    this.#chance = chance;
    this.#time = settings.initialRetryTime;
  }

  /** Begins again, after a success. */
  reset(): void {
    this.#count = 0;
    this.#time = this.#settings.initialRetryTime;
  }

  /**
   * Waits before another attempt, or throws: KafkaJSNumberOfRetriesExceeded after the last one,
   * KafkaJSNonRetriableError after an error for which there is none.
   */
  async next(error: Error, signal?: AbortSignal): Promise<void> {
    const { factor, maxRetryTime, multiplier, retries } = this.#settings;
    if (!mayRetry(error)) throw new KafkaJSNonRetriableError(error, { cause: error.cause ?? error });
    const time = Math.ceil(this.#time * (1 - factor + 2 * factor * this.#chance()));
    if (this.#count >= retries)
      throw new KafkaJSNumberOfRetriesExceeded(error, { retryCount: this.#count, retryTime: time });
    this.#count++;
    this.#time = Math.min(this.#time * multiplier, maxRetryTime);
    await sleep(Math.min(time, MAX_INT), undefined, signal === undefined ? {} : { signal });
  }
}
