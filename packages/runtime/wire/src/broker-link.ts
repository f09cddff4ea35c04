import { type Env, ExponentialBackoff } from "@samsa/base";
import type { ApiName } from "@samsa/protocol";
import {
  BrokerConnection,
  type CallOptions,
  type ConnectionOptions,
  DEFAULT_SETUP_TIMEOUT_MS,
  type RequestFor,
  type ResponseOf,
} from "./broker-connection.ts";
import type { Security } from "./sasl/credentials.ts";
import { type Endpoint, endpointText } from "./endpoint.ts";
import type { NodeApiVersions } from "./node-api-versions.ts";
import { WireError } from "./error/wire-error.ts";

/** Settings of a `BrokerLink`. Defaults are those of Kafka's clients. */
export interface LinkOptions extends Omit<ConnectionOptions, "security"> {
  /** Security of each connection, asked for when it is made; clear text by default. */
  readonly security?: () => Security | undefined;
  /** `socket.connection.setup.timeout.max.ms`: the setup timeout doubles with each failure up to this. 30 s. */
  readonly maxSetupTimeoutMs?: number;
  /** `reconnect.backoff.ms`: time between two attempts to connect, doubled with each failure. 50 ms. */
  readonly reconnectBackoffMs?: number;
  /** `reconnect.backoff.max.ms`. 1 s. */
  readonly maxReconnectBackoffMs?: number;
  /** Called after each connection that was made. */
  readonly connected?: () => void;
  /** Called with the error of each attempt to connect that has failed, unless nobody wants the connection any more. */
  readonly failed?: (error: unknown) => void;
}

/** Options of the links of a node to others: who is connecting, and whom to tell of failures. */
export type Introduction = Pick<LinkOptions, "software" | "security" | "failed">;

/** Part of a delay that chance adds or takes away (`ClusterConnectionStates`). */
const JITTER = 0.2;
const MAX_SETUP_TIMEOUT_MS = 30_000;
const RECONNECT_BACKOFF_MS = 50;
const MAX_RECONNECT_BACKOFF_MS = 1000;

/** Attempt to connect, which callers share. */
interface Attempt {
  readonly state: AttemptState;
  readonly ready: Promise<BrokerConnection>;
}

interface AttemptState {
  /** The link no longer wants the connection. */
  isAbandoned: boolean;
  /** Ends the wait for the backoff. */
  wake(): void;
}

/**
 * Link to one node that connects on demand and again after a failure, with exponential backoff
 * (`ClusterConnectionStates` for one node). It does not repeat requests: a call makes at most one attempt to connect.
 */
export class BrokerLink {
  readonly endpoint: Endpoint;
  readonly #env: Env;
  readonly #options: LinkOptions;
  readonly #reconnect: ExponentialBackoff;
  readonly #setup: ExponentialBackoff;
  #connection: BrokerConnection | undefined;
  #attempt: Attempt | undefined;
  /** Attempts that failed since the last connection. */
  #failures = 0;
  /** Monotonic time before which no attempt begins, in ms. */
  #retryAt = -Infinity;

  constructor(env: Env, endpoint: Endpoint, options: LinkOptions) {
    this.#env = env;
    this.endpoint = endpoint;
    this.#options = options;
    this.#reconnect = new ExponentialBackoff({
      initialMs: options.reconnectBackoffMs ?? RECONNECT_BACKOFF_MS,
      maxMs: options.maxReconnectBackoffMs ?? MAX_RECONNECT_BACKOFF_MS,
      jitter: JITTER,
    });
    this.#setup = new ExponentialBackoff({
      initialMs: options.setupTimeoutMs ?? DEFAULT_SETUP_TIMEOUT_MS,
      maxMs: options.maxSetupTimeoutMs ?? MAX_SETUP_TIMEOUT_MS,
      jitter: JITTER,
    });
  }

  get isConnected(): boolean {
    return this.#connection?.isOpen === true;
  }

  /** True if the last attempt to connect has failed and the next one has to wait. */
  get isBackingOff(): boolean {
    return !this.isConnected && this.#env.clock.monotonic() < this.#retryAt;
  }

  /** True if there is no connection since the last attempt to connect has failed. */
  get hasFailed(): boolean {
    return !this.isConnected && this.#failures > 0;
  }

  /** Requests that wait for their responses. */
  get pendingRequests(): number {
    return this.#connection?.pendingRequests ?? 0;
  }

  /** API versions and features of the node; undefined while there is no connection. */
  get versions(): NodeApiVersions | undefined {
    return this.isConnected ? this.#connection?.versions : undefined;
  }

  /** `BrokerConnection.call`, on the open connection or a new one. */
  async call<N extends ApiName>(api: N, request: RequestFor<N>, options?: CallOptions): Promise<ResponseOf<N>> {
    const connection = await this.ready();
    return connection.call(api, request, options);
  }

  /** `BrokerConnection.tell`, on the open connection or a new one. */
  async tell<N extends ApiName>(api: N, request: RequestFor<N>, options?: CallOptions): Promise<void> {
    const connection = await this.ready();
    return connection.tell(api, request, options);
  }

  /** Open connection, the same for all callers at a time. Waits out the backoff. Rejects with a `WireError`. */
  ready(): Promise<BrokerConnection> {
    const connection = this.#connection;
    if (connection?.isOpen === true) return Promise.resolve(connection);
    return (this.#attempt ?? this.#begin()).ready;
  }

  /** Closes the connection, or abandons the attempt to connect. The next call connects again. */
  disconnect(): void {
    const state = this.#attempt?.state;
    this.#attempt = undefined;
    if (state !== undefined) {
      state.isAbandoned = true;
      state.wake();
    }
    this.#connection?.close();
    this.#connection = undefined;
  }

  #begin(): Attempt {
    const state: AttemptState = { isAbandoned: false, wake() {} };
    const ready = this.#connect(state).finally(() => {
      if (this.#attempt?.state === state) this.#attempt = undefined;
    });
    return (this.#attempt = { state, ready });
  }

  async #connect(state: AttemptState): Promise<BrokerConnection> {
    await this.#backOff(state);
    if (!state.isAbandoned) {
      const setupTimeoutMs = this.#setup.delayMs(this.#failures, this.#env.random.next());
      try {
        const connection = await BrokerConnection.connect(this.#env, this.endpoint, {
          ...this.#options,
          security: this.#options.security?.(),
          setupTimeoutMs,
        });
        if (!state.isAbandoned) {
          this.#connection = connection;
          this.#failures = 0;
          this.#retryLater(0);
          this.#options.connected?.();
          return connection;
        }
        connection.close();
      } catch (error) {
        if (!state.isAbandoned) {
          this.#retryLater(this.#failures++);
          this.#options.failed?.(error);
        }
        throw error;
      }
    }
    throw new WireError("CLOSED", `the connection to ${endpointText(this.endpoint)} was given up before it was made`);
  }

  async #backOff(state: AttemptState): Promise<void> {
    const delay = this.#retryAt - this.#env.clock.monotonic();
    if (delay <= 0) return;
    await new Promise<void>(resolve => {
      const timer = this.#env.timers.after(delay, resolve);
      state.wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #retryLater(failures: number): void {
    const delay = this.#reconnect.delayMs(failures, this.#env.random.next());
    this.#retryAt = this.#env.clock.monotonic() + delay;
  }
}
