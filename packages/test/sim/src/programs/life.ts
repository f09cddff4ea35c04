import type { Env } from "@samsa/base";
import { CLUSTER_DEFAULTS, ClusterClient, type ClusterSettings } from "@samsa/client-runtime";
import { Violation } from "../ledgers/rules.ts";
import type { Prng } from "../world/prng.ts";

/** Call of a program that has not ended. */
interface OpenCall {
  readonly what: string;
  /** Virtual time by which it must end. */
  until: number;
}

/** Time in ms by which a call may end later than the client promises. */
const SLACK_MS = 1500;

/** Environment of a program's process, which tells of timers that are left, and in which no error may be logged. */
function watched(env: Env, pending: Set<object>, failed: (violation: Violation) => void): Env {
  const { timers, logger } = env;
  return {
    ...env,
    timers: {
      after(delayMs, callback) {
        const mark = {};
        pending.add(mark);
        const timer = timers.after(delayMs, () => {
          pending.delete(mark);
          callback();
        });
        return {
          cancel() {
            pending.delete(mark);
            timer.cancel();
          },
        };
      },
      hold() {
        const mark = {};
        pending.add(mark);
        return { cancel: () => void pending.delete(mark) };
      },
      soon: callback => timers.soon(callback),
    },
    logger: {
      ...logger,
      error(message, fields) {
        logger.error(message, fields);
        failed(new Violation("the client failed", `${message} ${JSON.stringify(fields)}`));
      },
    },
  };
}

/** Draws settings of a client. Their times are short, so that much happens in little simulated time. */
function clusterSettings(rng: Prng): Omit<ClusterSettings, "bootstrapServers" | "clientId" | "apiTimeoutMs"> {
  return {
    ...CLUSTER_DEFAULTS,
    software: { name: "sim", version: "1" },
    requestTimeoutMs: rng.oneOf([500, 1000, 2000]),
    maxAgeMs: rng.oneOf([500, 3000, 300_000]),
    maxIdleMs: 300_000,
    retryBackoffMs: rng.oneOf([20, 50]),
    retryBackoffMaxMs: 200,
    rebootstrapTriggerMs: rng.chance(0.2) ? undefined : rng.oneOf([1500, 4000]),
    maxInFlight: 5,
    allowAutoTopicCreation: false,
    reconnectBackoffMs: 10,
    reconnectBackoffMaxMs: 100,
    setupTimeoutMs: 300,
    setupTimeoutMaxMs: 600,
    maxIdleConnectionMs: rng.oneOf([700, 540_000]),
  };
}

/** Options of a `Life`. */
export interface LifeOptions {
  readonly env: Env;
  readonly rng: Prng;
  readonly bootstrapServers: ClusterSettings["bootstrapServers"];
  readonly failed: (violation: Violation) => void;
}

/** Process of a program: its environment, its clients, and the calls that it waits for. */
export class Life {
  readonly name: string;
  readonly env: Env;
  /** `apiTimeoutMs` of its clients. */
  readonly apiMs: number;
  /** The process has ended, or has crashed. */
  isOver = false;
  readonly #options: LifeOptions;
  readonly #pending = new Set<object>();
  readonly #calls = new Set<OpenCall>();
  /** Ways to close what was opened, the last first. */
  #closers: (() => Promise<void>)[] = [];

  constructor(name: string, options: LifeOptions) {
    this.name = name;
    this.#options = options;
    this.apiMs = options.rng.oneOf([1000, 4000, 15_000]);
    this.env = watched(options.env, this.#pending, violation => {
      if (!this.isOver) options.failed(violation);
    });
  }

  get now(): number {
    return this.env.clock.monotonic();
  }

  /** A client of its own for a producer or a consumer, which is closed at the end. */
  connect(): ClusterClient {
    const { rng, bootstrapServers } = this.#options;
    const own = { bootstrapServers, clientId: this.name, apiTimeoutMs: this.apiMs };
    const client = new ClusterClient(this.env, { ...clusterSettings(rng), ...own });
    this.closing(() => {
      client.close();
      return Promise.resolve();
    });
    return client;
  }

  /** Has `close` called at the end. */
  closing(close: () => Promise<void>): void {
    this.#closers.unshift(close);
  }

  /** Closes what was opened. */
  async closeAll(): Promise<void> {
    const closers = this.#closers;
    this.#closers = [];
    for (const close of closers) await close();
  }

  /** Waits for a call that must end within `limitMs`. */
  async call<T>(what: string, limitMs: number, work: Promise<T>): Promise<T> {
    const call = { what, until: this.now + limitMs + SLACK_MS };
    this.#calls.add(call);
    try {
      return await work;
    } finally {
      this.#calls.delete(call);
    }
  }

  pause(ms: number): Promise<void> {
    return new Promise(resolve => void this.#options.env.timers.after(ms, resolve));
  }

  /** The process was paused for `ms`, in which it could not notice the time. */
  delayed(ms: number): void {
    for (const call of this.#calls) call.until += ms;
  }

  /** First call that should have ended. */
  overdue(now: number): string | undefined {
    for (const { what, until } of this.#calls) if (until < now) return `${this.name} waits for ${what}`;
    return undefined;
  }

  /** Number of timers that are set. */
  get timers(): number {
    return this.#pending.size;
  }
}
