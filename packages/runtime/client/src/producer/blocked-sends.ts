import { type Env, ignored } from "@samsa/base";
import { KafkaError } from "@samsa/client-kernel";
import { patiently, type Patience } from "../cluster/deadline.ts";

/** A send that waits for memory or for metadata. */
interface Blocked {
  /** Goes on with the send; true once it is done. */
  readonly attempt: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const nothing = ignored("whoever sends takes the outcome");
/** Most sends that wait; records beyond the memory of the producer are bounded as well. */
const MOST = 100_000;

/** Sends that wait for memory or for the metadata of their topic, in order for each topic (`max.block.ms`). */
export class BlockedSends {
  readonly #env: Env;
  readonly #topics = new Map<string, Set<Blocked>>();
  /** Ends of the waits, good or bad. */
  readonly #ends = new Set<Promise<void>>();
  #size = 0;

  constructor(env: Env) {
    this.#env = env;
  }

  /** True if sends to the topic wait, which a later one must not overtake. */
  has(topic: string): boolean {
    return this.#topics.has(topic);
  }

  /**
   * Waits until `attempt` says that it is done. Rejects at the deadline with `late()`, when the caller gives up, or with
   * the error of `attempt`.
   */
  wait(topic: string, patience: Patience, late: () => KafkaError, attempt: () => boolean): Promise<void> {
    if (this.#size >= MOST) {
      return Promise.reject(new KafkaError("BUFFER_EXHAUSTED", `more than ${MOST} sends wait for memory or metadata`));
    }
    const wait = patiently<void>(this.#env, patience, late, (resolve, reject) => {
      const blocked: Blocked = { attempt, resolve, reject };
      let waiting = this.#topics.get(topic);
      if (waiting === undefined) this.#topics.set(topic, (waiting = new Set()));
      waiting.add(blocked);
      this.#size++;
      return () => this.#remove(topic, blocked);
    });
    const end: Promise<void> = wait.then(nothing, nothing).then(() => void this.#ends.delete(end));
    this.#ends.add(end);
    return wait;
  }

  /** Resolves when all that wait now have gone on or failed. */
  async passed(): Promise<void> {
    await Promise.all(this.#ends);
  }

  #remove(topic: string, blocked: Blocked): void {
    const waiting = this.#topics.get(topic);
    if (waiting === undefined || !waiting.delete(blocked)) return;
    this.#size--;
    if (waiting.size === 0) this.#topics.delete(topic);
  }

  /** Tries all that wait, in order. */
  retry(): void {
    for (const waiting of this.#topics.values()) {
      for (const blocked of waiting) {
        try {
          if (!blocked.attempt()) break;
          blocked.resolve();
        } catch (error) {
          blocked.reject(error);
        }
      }
    }
  }

  /** Ends all waits for a topic, or for all topics. */
  fail(error: unknown, topic?: string): void {
    const ended = topic === undefined ? [...this.#topics.values()] : [this.#topics.get(topic) ?? new Set<Blocked>()];
    for (const waiting of ended) for (const blocked of [...waiting]) blocked.reject(error);
  }
}
