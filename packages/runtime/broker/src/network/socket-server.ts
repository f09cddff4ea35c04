import { type BufferPool, type Connection, type Env, limited, named, type TlsServerOptions } from "@samsa/base";
import { GatherWriter } from "@samsa/protocol";
import type { BrokerConfig } from "../config/configs.ts";
import type { Endpoint, ListenerPlan } from "../config/listeners.ts";
import { ConnectionLimits, type LimitedListener } from "../limits/connection-limits.ts";
import { HeldBytes } from "../limits/held-bytes.ts";
import type { ListenerLimit } from "../config/server-configs.ts";
import type { Quotas } from "../quotas/quotas.ts";
import type { ListenerSecurity } from "../security/listener-security.ts";
import type { ApiShape } from "../request/api-row.ts";
import type { Peer } from "../request/request-context.ts";
import type { OpenConnection } from "../turn/connection-metrics.ts";
import type { BrokerMetrics } from "../turn/metrics.ts";
import type { Turn } from "../turn/turn.ts";
import { ClientConnection, type ConnectionHost, type RequestHandling } from "./connection.ts";
import { OpenListeners } from "./open-listeners.ts";
import { RequestBudget } from "./request-budget.ts";
import { RequestLog } from "./request-log.ts";

export interface SocketServerOptions<Row extends ApiShape> {
  readonly env: Env;
  readonly turn: Turn;
  readonly metrics: BrokerMetrics;
  readonly quotas: Quotas;
  readonly buffers: BufferPool;
  /** Called whenever a limit counts, because limits change at run time. */
  readonly config: () => BrokerConfig;
  /** Most bytes held for requests that have not arrived in full, and again for replies not yet sent. */
  readonly heldBytes: number;
  /** APIs that are served, by key. */
  readonly apis: ReadonlyMap<number, Row>;
  readonly requests: RequestHandling<Row>;
  /** `socket.listen.backlog.size`, if the user has set it. */
  readonly backlog: number | undefined;
  /** Limit on the connections of one listener. */
  readonly listenerLimit: (listener: string, setting: ListenerLimit) => number;
  /** Name of the listener between brokers, to which limits on all connections do not apply if there are other listeners. */
  readonly protectedListener: string | undefined;
  /** TLS with which a listener is opened; undefined: it speaks clear text. Throws `TlsError`. */
  readonly tlsOf: (listener: string) => TlsServerOptions | undefined;
  /** Security of a listener. */
  readonly securityOf: (listener: string) => ListenerSecurity;
  /** Called when the connection of a peer has ended. */
  readonly disconnected: (peer: Peer) => void;
}

const NOWHERE: ReadonlyMap<string, Endpoint> = new Map();
/** A client that has taken nothing of its reply for so long is closed if memory for replies is short. */
const STALLED_MS = 30_000;
/** Time that a stop waits for requests in progress. */
const GOODBYE_MS = 2000;

/** Accepts connections on the listeners of a role, and limits what they hold (`SocketServer`). */
export class SocketServer<Row extends ApiShape> {
  readonly #options: SocketServerOptions<Row>;
  readonly #host: ConnectionHost<Row>;
  readonly #limits: ConnectionLimits;
  readonly #connections = new Set<ClientConnection<Row>>();
  readonly #listenerOf = new WeakMap<ClientConnection<Row>, string>();
  /** Connections that wait for `enable`; undefined from then on. */
  #held: Connection[] | undefined = [];
  /** Undefined until listeners are opened. */
  #listeners: OpenListeners | undefined;
  /** Bytes of replies that clients have not taken yet; above the limit fetches return no records. */
  readonly unsent: HeldBytes<ClientConnection<Row>>;

  constructor(options: SocketServerOptions<Row>) {
    this.#options = options;
    const { env, turn, metrics, quotas, buffers, config, heldBytes, apis, requests } = options;
    metrics.connections.addOpen(() => this.#open());
    const { "quota.window.num": count, "quota.window.size.seconds": seconds } = config();
    const windows = { count, ms: seconds * 1000 };
    this.#limits = new ConnectionLimits({ limits: config, limitOf: options.listenerLimit, windows });
    this.unsent = new HeldBytes(heldBytes);
    this.#host = {
      env,
      turn,
      metrics,
      quotas,
      requests,
      maxRequestBytes: config()["socket.request.max.bytes"],
      writer: new GatherWriter(),
      buffers,
      apiOf: key => apis.get(key),
      budget: new RequestBudget(config()["queued.max.request.bytes"]),
      log: new RequestLog(env),
      complaints: limited(named(env.logger, "kafka.network"), env.clock),
      unfinished: new HeldBytes(heldBytes),
      unsent: this.unsent,
      closed: connection => this.#closed(connection),
    };
  }

  /** Advertised endpoints by listener name. */
  get advertised(): ReadonlyMap<string, Endpoint> {
    return this.#listeners?.advertised ?? NOWHERE;
  }

  /** Bytes of requests being handled. */
  get requestBytes(): number {
    return this.#host.budget.used;
  }

  /**
   * Opens the listeners, so that their ports are known; connections are served from `enable` on. Rejects if a listener
   * cannot be opened.
   */
  async bind(plan: ListenerPlan): Promise<void> {
    const { env, backlog } = this.#options;
    this.#listeners = new OpenListeners({
      network: env.network,
      logger: env.logger,
      backlog,
      tlsOf: this.#options.tlsOf,
      accept: (name, connection) => {
        const { metrics } = this.#options;
        const client = new ClientConnection(this.#host, connection, name, this.#options.securityOf(name));
        this.#connections.add(client);
        this.#listenerOf.set(client, name);
        metrics.connections.listener(name, this.#options.env.clock.monotonic());
        metrics.connections.count(name, "opened");
        const listener = this.#listener(name);
        const isWithin = this.#limits.opened(client, connection.remoteHost, listener);
        const wait = this.#delayOf(listener, client.peer);
        if (!isWithin || wait === Infinity) {
          metrics.connections.count(name, "refused");
          connection.destroy();
        } else if (wait > 0) client.mute(wait);
        if (this.#held !== undefined) {
          connection.pause();
          this.#held.push(connection);
        }
        return client;
      },
      removed: name => {
        for (const client of this.#connections) if (this.#listenerOf.get(client) === name) client.destroy();
      },
    });
    await this.#listeners.open(plan);
    const { env: here, metrics } = this.#options;
    for (const { name } of plan.listen) metrics.connections.listener(name, here.clock.monotonic());
  }

  *#open(): Iterable<OpenConnection> {
    for (const connection of this.#connections) {
      const { queued: requests, unsent: responses, peer } = connection;
      yield { listener: this.#listenerOf.get(connection) ?? "", software: peer.software, requests, responses };
    }
  }

  #listener(name: string): LimitedListener {
    return { name, isProtected: name === this.#options.protectedListener && this.advertised.size > 1 };
  }

  /** Time in ms that a new connection waits before it is served; Infinity: it is refused. */
  #delayOf(listener: LimitedListener, { host }: Peer): number {
    const { env, quotas } = this.#options;
    const now = env.clock.monotonic();
    return Math.max(quotas.connected(host, now), this.#limits.delay(listener, now));
  }

  /** Serves connections. */
  enable(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const connection of held) connection.resume();
  }

  /** Replaces the certificates of a listener for later connections. Throws `TlsError`. */
  secure(listener: string, options: TlsServerOptions): void {
    this.#listeners?.secure(listener, options);
  }

  /** Opens and closes listeners that a change at run time adds and removes. */
  follow(plan: ListenerPlan): void {
    this.#listeners?.follow(plan);
  }

  #closed(connection: ClientConnection<Row>): void {
    if (this.#connections.delete(connection)) {
      this.#options.metrics.connections.count(this.#listenerOf.get(connection) ?? "", "closed");
    }
    this.#limits.closed(connection);
    this.#options.disconnected(connection.peer);
  }

  /** Closes clients that do not read their replies, so that the others can fetch. */
  closeStalled(): void {
    const since = this.#options.env.clock.monotonic() - STALLED_MS;
    while (this.unsent.room < this.unsent.limit / 2) {
      const stalled = this.unsent.stalledBefore(since);
      if (stalled === undefined) return;
      this.unsent.forget(stalled);
      stalled.reject("it does not take its replies, and memory for replies is short");
    }
  }

  /** Closes connections without a request for `connections.max.idle.ms`. */
  closeIdle(): void {
    const limit = this.#options.config()["connections.max.idle.ms"];
    if (limit < 0) return;
    const now = this.#options.env.clock.monotonic();
    for (const connection of this.#connections) {
      if (!connection.busy && now - connection.lastActive > limit) connection.destroy();
    }
  }

  /** Accepts no more connections. */
  async stopListening(): Promise<void> {
    await this.#listeners?.close();
  }

  /**
   * Ends each connection once the replies to its requests in progress are sent. Waits up to `GOODBYE_MS` for that, and
   * ends the others then.
   */
  async drain(): Promise<void> {
    const { clock, timers } = this.#options.env;
    const until = clock.monotonic() + GOODBYE_MS;
    const endIdle = (): boolean => {
      const open = [...this.#connections];
      for (const connection of open) if (!connection.busy) connection.end();
      return open.every(({ busy }) => !busy);
    };
    while (!endIdle() && clock.monotonic() < until) {
      await new Promise<void>(resolve => {
        timers.after(5, resolve);
      });
    }
    for (const connection of [...this.#connections]) connection.end();
  }

  /** Closes the connections that are left. */
  close(): void {
    for (const connection of [...this.#connections]) connection.destroy();
  }
}
