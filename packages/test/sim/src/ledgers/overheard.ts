import { DiskError, type Env, InvariantError } from "@samsa/base";

/** Log messages by which the broker reports a programmer error. */
const CONFESSIONS: ReadonlySet<string> = new Set([
  "a task failed",
  "a periodic task failed",
  "request failed",
  "a reply could not be encoded",
  "work on a log directory failed",
]);

/** Receiver of the programmer errors that a broker logs. */
export interface Listener {
  /** True while a failed invariant means a broker bug: the process has not crashed and its files are not damaged. */
  readonly trustsInvariants: () => boolean;
  readonly confess: (detail: string) => void;
}

/** Wraps an `Env` so that programmer errors in its error log reach `confess`. */
export function overheard(env: Env, { trustsInvariants, confess }: Listener): Env {
  const { logger } = env;
  return {
    ...env,
    logger: {
      ...logger,
      error: (message, fields) => {
        logger.error(message, fields);
        const error = fields?.error;
        // Errors of a failing disk are injected, so they are expected.
        if (!(error instanceof Error) || error instanceof DiskError) return;
        const isBroken = error instanceof InvariantError && trustsInvariants();
        if (isBroken || CONFESSIONS.has(message)) confess(`${message}: ${error.stack ?? error.message}`);
      },
    },
  };
}
