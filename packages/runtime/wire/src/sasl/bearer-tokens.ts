import { type Env, ExponentialBackoff } from "@samsa/base";
import { bearerLifetime } from "@samsa/sasl";
import { WireError } from "../error/wire-error.ts";

/** Gets a token. Rejects with a `WireError`, or with any error if the token cannot be had at the moment. */
export type TokenSource = (env: Env) => Promise<string>;

/** Part of a token's lifetime after which another one is fetched (`sasl.login.refresh.window.factor` and `.jitter`). */
const REFRESH_AT = 0.8;
const JITTER = 0.05;
/** Pauses after a failure (`sasl.login.retry.backoff.ms`, `sasl.login.retry.backoff.max.ms`). */
const BACKOFF = { initialMs: 100, maxMs: 10_000, jitter: 0.2 };

interface Kept {
  readonly token: string;
  /** Times in ms since the epoch. */
  readonly refreshAt: number;
  readonly expiresAt: number;
}

/**
 * OAuth tokens for the connections of a client (`ExpiringCredentialRefreshingLogin`). A token that tells its lifetime is
 * used again until most of it is over, and longer if no other can be had; other tokens are fetched for each connection.
 */
export class BearerTokens {
  readonly #source: TokenSource;
  readonly #backoff = new ExponentialBackoff(BACKOFF);
  #kept: Kept | undefined;
  #pending: Promise<string> | undefined;
  #failures = 0;
  #failure: unknown;
  /** Monotonic time in ms before which the source is not asked again. */
  #retryAt = -Infinity;

  constructor(source: TokenSource) {
    this.#source = source;
  }

  /** A valid token. Rejects with a `WireError` TOKEN_UNAVAILABLE, also after `timeoutMs`, or with that of the source. */
  async get(env: Env, timeoutMs: number): Promise<string> {
    const kept = this.#kept;
    const now = env.clock.now();
    if (kept !== undefined && now < kept.refreshAt) return kept.token;
    try {
      return await this.#within(env, timeoutMs);
    } catch (error) {
      if (kept !== undefined && env.clock.now() < kept.expiresAt) return kept.token;
      if (error instanceof WireError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new WireError("TOKEN_UNAVAILABLE", `there is no OAuth token: ${reason}`);
    }
  }

  #within(env: Env, timeoutMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const late = `it took more than ${timeoutMs / 1000} s to get one`;
      const timer = env.timers.after(timeoutMs, () => reject(new Error(late)));
      this.#pending ??= this.#fetch(env).finally(() => {
        this.#pending = undefined;
      });
      this.#pending.finally(() => timer.cancel()).then(resolve, reject);
    });
  }

  async #fetch(env: Env): Promise<string> {
    try {
      if (env.clock.monotonic() < this.#retryAt) throw this.#failure;
      const token = await this.#source(env);
      if (typeof token !== "string") throw new Error("its source gives none");
      this.#keep(env, token);
      this.#failures = 0;
      return token;
    } catch (error) {
      if (env.clock.monotonic() >= this.#retryAt) {
        this.#failure = error;
        const delay = this.#backoff.delayMs(this.#failures++, env.random.next());
        this.#retryAt = env.clock.monotonic() + delay;
      }
      throw error;
    }
  }

  #keep(env: Env, token: string): void {
    const lifetime = bearerLifetime(token);
    const now = env.clock.now();
    if (lifetime === undefined || lifetime.expiresAt <= now) {
      this.#kept = undefined;
      return;
    }
    const { expiresAt } = lifetime;
    const part = REFRESH_AT + JITTER * env.random.next();
    this.#kept = { token, expiresAt, refreshAt: now + (expiresAt - now) * part };
  }
}
