import {
  type Connection,
  type ConnectionHandler,
  ignored,
  type Listener,
  type Logger,
  type Network,
  type TlsServerOptions,
} from "@samsa/base";
import type { Endpoint, ListenerPlan } from "../config/listeners.ts";

export interface OpenListenersOptions {
  readonly network: Network;
  readonly logger: Logger;
  /** `socket.listen.backlog.size`; undefined: that of the host. */
  readonly backlog: number | undefined;
  /** Called with each new connection of a listener. */
  readonly accept: (listener: string, connection: Connection) => ConnectionHandler;
  /** TLS of a listener; undefined: it speaks clear text. */
  readonly tlsOf: (listener: string) => TlsServerOptions | undefined;
  /** Called with the name of a listener that was closed, to close its connections. */
  readonly removed: (listener: string) => void;
}

/** Open listeners. Plans are applied one after the other. */
export class OpenListeners {
  readonly #options: OpenListenersOptions;
  readonly #open = new Map<string, Listener>();
  readonly #advertised = new Map<string, Endpoint>();
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: OpenListenersOptions) {
    this.#options = options;
  }

  /** Advertised endpoints by listener name. */
  get advertised(): ReadonlyMap<string, Endpoint> {
    return this.#advertised;
  }

  /** Opens all listeners of `plan`; rejects if one cannot be opened. */
  open(plan: ListenerPlan): Promise<void> {
    const opened = this.#last.then(() => this.#openAll(plan));
    // A client of the first listener may request a change while the second is being opened: it is applied afterwards.
    this.#last = opened.catch(ignored("the caller of `open` gets the error"));
    return opened;
  }

  async #openAll(plan: ListenerPlan): Promise<void> {
    for (const endpoint of plan.listen) {
      if (!this.#open.has(endpoint.name)) await this.#listen(endpoint, plan);
    }
  }

  /** Opens listeners that `plan` adds, and closes those that it removes. Errors are logged, because no caller waits. */
  follow(plan: ListenerPlan): void {
    this.#last = this.#last.then(async () => {
      if (this.#closed) return;
      const wanted = new Set(plan.listen.map(({ name }) => name));
      for (const name of [...this.#open.keys()]) if (!wanted.has(name)) await this.#remove(name);
      try {
        await this.#openAll(plan);
      } catch (error) {
        this.#options.logger.error("a listener could not be opened", { error });
      }
    });
  }

  async #listen({ name, host, port }: Endpoint, plan: ListenerPlan): Promise<void> {
    const { network, accept, backlog, tlsOf } = this.#options;
    const listener = await network.listen(host, port, connection => accept(name, connection), {
      backlog,
      tls: tlsOf(name),
    });
    // A stop in the meantime has not closed this listener.
    if (this.#closed) return listener.close();
    this.#open.set(name, listener);
    const advertised = plan.advertise.get(name);
    if (advertised === undefined) return;
    this.#advertised.set(name, advertised.port === 0 ? { ...advertised, port: listener.port } : advertised);
  }

  /** Replaces the certificates of a listener for later connections. Throws `TlsError`. */
  secure(name: string, options: TlsServerOptions): void {
    this.#open.get(name)?.secure?.(options);
  }

  async #remove(name: string): Promise<void> {
    const listener = this.#open.get(name);
    this.#open.delete(name);
    this.#advertised.delete(name);
    await listener?.close();
    this.#options.removed(name);
  }

  /** Accepts no more connections; open ones stay open. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#open.values()].map(listener => listener.close()));
    await this.#last;
  }
}
