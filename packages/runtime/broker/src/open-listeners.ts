import type { Connection, ConnectionHandler, Listener, Logger, Network } from "@samsa/base";
import type { Endpoint, ListenerPlan } from "./listeners.ts";

export interface OpenListenersOptions {
  readonly network: Network;
  readonly logger: Logger;
  /** A connection has come to a listener. */
  readonly accept: (listener: string, connection: Connection) => ConnectionHandler;
  /** A listener is no more; its connections are to be closed. */
  readonly removed: (listener: string) => void;
}

/** The listeners that are open, made one after the other what a plan says. */
export class OpenListeners {
  readonly #options: OpenListenersOptions;
  readonly #open = new Map<string, Listener>();
  readonly #advertised = new Map<string, Endpoint>();
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: OpenListenersOptions) {
    this.#options = options;
  }

  /** Where clients connect, by listener name. */
  get advertised(): ReadonlyMap<string, Endpoint> {
    return this.#advertised;
  }

  /** Opens what `plan` has; rejects when one cannot be opened. */
  open(plan: ListenerPlan): Promise<void> {
    const opened = this.#last.then(() => this.#openAll(plan));
    // A client of the first may ask for others while the second is being opened: that comes after.
    this.#last = opened.catch(() => {});
    return opened;
  }

  async #openAll(plan: ListenerPlan): Promise<void> {
    for (const endpoint of plan.listen) {
      if (!this.#open.has(endpoint.name)) await this.#listen(endpoint, plan);
    }
  }

  /** Opens what `plan` has besides, and closes what it has not: what fails is logged, as nobody waits for it. */
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
    const listener = await this.#options.network.listen(host, port, connection =>
      this.#options.accept(name, connection),
    );
    // A stop that came meanwhile has not seen this one.
    if (this.#closed) return listener.close();
    this.#open.set(name, listener);
    const advertised = plan.advertise.get(name);
    if (advertised === undefined) return;
    this.#advertised.set(name, advertised.port === 0 ? { ...advertised, port: listener.port } : advertised);
  }

  async #remove(name: string): Promise<void> {
    const listener = this.#open.get(name);
    this.#open.delete(name);
    this.#advertised.delete(name);
    await listener?.close();
    this.#options.removed(name);
  }

  /** Takes no more connections; those that are open live on. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#open.values()].map(listener => listener.close()));
    await this.#last;
  }
}
