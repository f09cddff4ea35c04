import {
  type Env,
  ExponentialBackoff,
  messageOf,
  NetworkError,
  type Timer,
  type TlsClientOptions,
  type TokenKeys,
  type VerifiedToken,
} from "@samsa/base";
import { fileText } from "@samsa/wire";

type Host = Pick<Env, "clock" | "crypto" | "disk" | "http" | "logger" | "random" | "timers">;

/** Where the keys of an issuer are, and how often they are fetched. */
export interface IssuerKeysOptions {
  /** `sasl.oauthbearer.jwks.endpoint.url`: an address with `https`, `http` or `file`. */
  readonly url: string;
  /** `sasl.oauthbearer.jwks.endpoint.refresh.ms` */
  readonly refreshMs: number;
  /** `sasl.oauthbearer.jwks.endpoint.retry.backoff.ms`: the first pause after a failure. */
  readonly backoffMs: number;
  /** `sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms`: time after which no other attempt is made. */
  readonly backoffMaxMs: number;
  /** TLS of an `https` address; the host's defaults without. */
  readonly tls: TlsClientOptions | undefined;
}

const REQUEST_MS = 10_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Time for which a key that was not found is not looked for again, in ms (`RefreshingHttpsJwks`). */
const MISSING_MS = 60_000;
/** Most keys that are remembered as missing. */
const MISSING = 16;
/** Longest name of a key that is looked for. */
const LONGEST_NAME = 1000;
/** Shortest time between two searches for missing keys, in ms: clients may name as many as they like. */
const SEARCH_MS = 1000;

/**
 * Public keys of an issuer of tokens. They are fetched again from time to time, and when a token names one that is not
 * there; while the issuer cannot be reached, those that are known stay (`RefreshingHttpsJwks`).
 */
export class IssuerKeys {
  readonly #env: Host;
  readonly #options: IssuerKeysOptions;
  #keys: TokenKeys | undefined;
  #running: Promise<void> | undefined;
  /** Monotonic times until which keys are not looked for again, by name, the oldest first. */
  readonly #missing = new Map<string, number>();
  #searchedAt = -Infinity;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(env: Host, options: IssuerKeysOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** Fetches the keys for the first time, and from then on again and again. Rejects if they cannot be had. */
  async load(): Promise<void> {
    try {
      await this.#refresh();
    } finally {
      this.#schedule();
    }
  }

  /** Verifies the signature of a token. */
  async verify(token: string): Promise<VerifiedToken> {
    if (this.#keys === undefined) return { fault: `the keys of ${this.#options.url} are not known yet` };
    const verified = await this.#keys.verify(token);
    if (!("fault" in verified) || verified.missingKey === undefined || !this.#mayLookFor(verified.missingKey)) {
      return verified;
    }
    await new Promise<void>(resolve => this.#refreshed(resolve));
    return this.#keys.verify(token);
  }

  #mayLookFor(name: string): boolean {
    const now = this.#env.clock.monotonic();
    if (name === "" || name.length > LONGEST_NAME) return false;
    if ((this.#missing.get(name) ?? -Infinity) > now || now - this.#searchedAt < SEARCH_MS) return false;
    this.#searchedAt = now;
    this.#missing.delete(name);
    this.#missing.set(name, now + MISSING_MS);
    const [oldest] = this.#missing.keys();
    if (oldest !== undefined && this.#missing.size > MISSING) this.#missing.delete(oldest);
    return true;
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = this.#env.timers.after(Math.min(this.#options.refreshMs, LONGEST_TIMER_MS), () => {
      this.#refreshed(() => this.#schedule());
    });
  }

  /** Fetches the keys, then calls `done`; those that are known stay if that fails. */
  #refreshed(done: () => void): void {
    const failed = (error: unknown): void => {
      const reason = messageOf(error);
      this.#env.logger.warn("the keys of an issuer of tokens cannot be renewed", { url: this.#options.url, reason });
      done();
    };
    this.#refresh().then(done, failed);
  }

  #refresh(): Promise<void> {
    this.#running ??= this.#tryAgain().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #tryAgain(): Promise<void> {
    const { clock, random, timers } = this.#env;
    const { backoffMs, backoffMaxMs } = this.#options;
    const backoff = new ExponentialBackoff({ initialMs: backoffMs, maxMs: backoffMaxMs, jitter: 0.2 });
    const end = clock.monotonic() + backoffMaxMs;
    for (let failures = 0; ; failures++) {
      try {
        this.#keys = this.#env.crypto.tokenKeys(await this.#fetch());
        return;
      } catch (error) {
        const delay = backoff.delayMs(failures, random.next());
        if (this.#isClosed || clock.monotonic() + delay >= end) throw error;
        await new Promise<void>(resolve => timers.after(delay, resolve));
      }
    }
  }

  async #fetch(): Promise<string> {
    const { url, tls } = this.#options;
    if (url.startsWith("file:")) return fileText(this.#env, url);
    const headers = { accept: "application/json" };
    const request = { url, method: "GET", headers, body: "", timeoutMs: REQUEST_MS, tls } as const;
    const { status, body } = await this.#env.http.request(request);
    if (status !== 200) throw new NetworkError("EPROTO", `${url} answers with status ${status}`);
    return body;
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }
}
