import { DiskError, type Env, InvariantError } from "@samsa/base";

/** Complaints of the broker that say that a programmer erred. */
const CONFESSIONS: ReadonlySet<string> = new Set([
  "a task failed",
  "a periodic task failed",
  "request failed",
  "a reply could not be encoded",
  "work on a log directory failed",
]);

export interface Listener {
  /** A broken invariant is the broker's own fault: this life goes on, and its logs are sound. */
  readonly trustsInvariants: () => boolean;
  readonly confess: (detail: string) => void;
}

/** The broker's world, in which somebody listens to what it logs. */
export function overheard(env: Env, { trustsInvariants, confess }: Listener): Env {
  const { logger } = env;
  return {
    ...env,
    logger: {
      ...logger,
      error: (message, fields) => {
        logger.error(message, fields);
        const error = fields?.error;
        // What a failing disk brings about is part of the play.
        if (!(error instanceof Error) || error instanceof DiskError) return;
        const isBroken = error instanceof InvariantError && trustsInvariants();
        if (isBroken || CONFESSIONS.has(message)) confess(`${message}: ${error.stack ?? error.message}`);
      },
    },
  };
}
