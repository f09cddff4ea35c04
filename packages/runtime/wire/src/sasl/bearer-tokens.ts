import { type Env, ExponentialBackoff, messageOf } from "@samsa/base";
import { bearerLifetime } from "@samsa/sasl";
import { WireError } from "../error/wire-error.ts";

/** Gets a token. Rejects with a `WireError`, or with any error if the token cannot be had at the moment. */
export type TokenSource = (env: Env) => Promise<string>;

/** Times at which tokens are fetched anew (`ExpiringCredentialRefreshConfig`). Each has the default of Kafka. */
export interface RefreshOptions {
  /** First pause after a failure, in ms (`sasl.login.retry.backoff.ms`); 100 by default. */
  readonly backoffMs?: number | undefined;
  /** Longest pause after a failure, in ms (`sasl.login.retry.backoff.max.ms`); 10,000 by default. */
  readonly backoffMaxMs?: number | undefined;
  /** Part of a token's lifetime after which another one is fetched (`sasl.login.refresh.window.factor`); 0.8 by default. */
  readonly windowFactor?: number | undefined;
  /** Largest part of the lifetime that chance adds (`sasl.login.refresh.window.jitter`); 0.05 by default. */
  readonly windowJitter?: number | undefined;
  /** Shortest use of a token, in s (`sasl.login.refresh.min.period.seconds`); 60 by default. */
  readonly minPeriodSeconds?: number | undefined;
  /** Time before the end of a token at which another one is fetched, in s (`sasl.login.refresh.buffer.seconds`); 300. */
  readonly bufferSeconds?: number | undefined;
}

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
  readonly #backoff: ExponentialBackoff;
  readonly #refresh: RefreshOptions;
  #kept: Kept | undefined;
  #pending: Promise<string> | undefined;
  #failures = 0;
  #failure: unknown;
  /** Monotonic time in ms before which the source is not asked again. */
  #retryAt = -Infinity;

  constructor(source: TokenSource, refresh: RefreshOptions = {}) {
    const { backoffMs: initialMs = 100, backoffMaxMs: maxMs = 10_000 } = refresh;
    this.#source = source;
    this.#refresh = refresh;
    this.#backoff = new ExponentialBackoff({ initialMs, maxMs, jitter: 0.2 });
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
      const reason = messageOf(error);
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
    const { windowFactor = 0.8, windowJitter = 0.05, minPeriodSeconds = 60, bufferSeconds = 300 } = this.#refresh;
    const part = windowFactor + windowJitter * env.random.next();
    const [minPeriodMs, bufferMs] = [minPeriodSeconds * 1000, bufferSeconds * 1000];
    const inWindow = now + (expiresAt - now) * part;
    // Both are for tokens that last longer than the two together.
    const isLong = now + minPeriodMs + bufferMs < expiresAt;
    const refreshAt = isLong ? Math.max(now + minPeriodMs, Math.min(inWindow, expiresAt - bufferMs)) : inWindow;
    this.#kept = { token, expiresAt, refreshAt };
  }
}
