import { EventEmitter } from "node:events";
import { KafkaJSNonRetriableError } from "../error/errors.ts";
import type { Logger } from "../log/logger.ts";

/** An event of a producer, a consumer or an admin. */
export interface InstrumentationEvent<T> {
  readonly id: number;
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly payload: T;
}

/** Ends the calls of a listener; the parameter is the name of the event. */
export type RemoveInstrumentationEventListener<Name extends string = string> = (() => void) & { readonly event?: Name };

/** Events that have names and are never told: the assignors give a member partitions of its own topics only. */
const UNTOLD: readonly string[] = ["consumer.received_unsubscribed_topics"];

/** Events of one producer, consumer or admin, by the names that it has. */
export class Emitter {
  readonly #emitter = new EventEmitter();
  readonly #names: Readonly<Record<string, string>>;
  readonly #owner: string;
  readonly #logger: Logger;
  #nextId = 0;

  /** `owner` is the word for the one whose events they are, as in `consumer.events`. */
  constructor(owner: string, names: Readonly<Record<string, string>>, logger: Logger) {
    this.#owner = owner;
    this.#names = names;
    this.#logger = logger;
    // Programs add as many listeners as they like.
    this.#emitter.setMaxListeners(0);
  }

  /** True if somebody listens to one of these events. */
  hears(...names: readonly string[]): boolean {
    return names.some(name => this.#emitter.listenerCount(name) > 0);
  }

  emit(name: string, payload: unknown): void {
    if (!this.hears(name)) return;
    const event = { id: this.#nextId++, type: name, timestamp: Date.now(), payload };
    this.#emitter.emit(name, event);
  }

  /** Adds a listener. What it throws, or rejects with, is logged. Throws for a name of no event. */
  on(name: string, listener: (event: InstrumentationEvent<never>) => unknown): RemoveInstrumentationEventListener {
    if (!Object.values(this.#names).includes(name)) {
      const names = Object.keys(this.#names).map(key => `${this.#owner}.events.${key}`);
      throw new KafkaJSNonRetriableError(`Event name should be one of ${names.join(", ")}`);
    }
    if (UNTOLD.includes(name)) this.#logger.warn(`The event ${name} is never told by this client`);
    const call = (event: InstrumentationEvent<never>): void => {
      new Promise(resolve => resolve(listener(event))).catch((error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        this.#logger.error(`Failed to execute listener: ${message}`, { eventName: name });
      });
    };
    this.#emitter.on(name, call);
    return () => void this.#emitter.off(name, call);
  }
}
