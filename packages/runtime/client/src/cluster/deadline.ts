import { type Env, ignored } from "@samsa/base";
import { KafkaError } from "@samsa/client-kernel";

/** Signal by which a caller gives up: the part of `AbortSignal` that the client needs. */
export interface CancelSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** End of a caller's wait. */
export interface Patience {
  /** Monotonic time in ms at which the caller gives up. */
  readonly deadline: number;
  readonly signal?: CancelSignal | undefined;
}

/** Error of a caller that has given up. */
export function abortedError({ reason }: CancelSignal): KafkaError {
  return new KafkaError("ABORTED", "the caller has cancelled the call", { cause: reason });
}

/**
 * Runs `begin`, and rejects the promise at the deadline with `late()`, or when the signal aborts. `begin` gets the two
 * ends of the promise, and returns what to do when it is over.
 */
export function patiently<T>(
  env: Env,
  { deadline, signal }: Patience,
  late: () => KafkaError,
  begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortedError(signal));
      return;
    }
    let end: (() => void) | undefined;
    let isOver = false;
    // As `holding` does.
    const held = env.timers.hold();
    const over = (settle: () => void): void => {
      if (isOver) return;
      isOver = true;
      held.cancel();
      timer?.cancel();
      signal?.removeEventListener("abort", onAbort);
      end?.();
      settle();
    };
    const onAbort = (): void => over(() => signal !== undefined && reject(abortedError(signal)));
    const delay = Math.max(0, deadline - env.clock.monotonic());
    const timer = delay < Infinity ? env.timers.after(delay, () => over(() => reject(late()))) : undefined;
    signal?.addEventListener("abort", onAbort);
    end = begin(
      value => over(() => resolve(value)),
      error => over(() => reject(error)),
    );
    if (isOver) end();
  });
}

/** Waits for the end of `work`, good or bad. Rejects with `late()` when the patience ends; `work` goes on then. */
export function ended(
  env: Env,
  patience: Patience,
  late: () => KafkaError,
  work: Promise<unknown> | undefined,
): Promise<void> {
  if (work === undefined) return Promise.resolve();
  return patiently<void>(env, patience, late, resolve => {
    work.then(
      () => resolve(),
      () => resolve(),
    );
    return ignored("the work ends by itself");
  });
}

/** Keeps the process alive until `work` is over: neither timers nor lost connections do, and the caller still waits. */
export async function holding<T>(env: Env, work: () => Promise<T>): Promise<T> {
  const held = env.timers.hold();
  try {
    return await work();
  } finally {
    held.cancel();
  }
}

/** Waits for `ms`, or rejects if the caller gives up before. */
export function pause(env: Env, ms: number, patience: Patience): Promise<void> {
  const late = (): KafkaError => new KafkaError("TIMED_OUT", "the time of the call is over");
  return patiently(env, patience, late, resolve => {
    const timer = env.timers.after(ms, () => resolve());
    return () => timer.cancel();
  });
}
