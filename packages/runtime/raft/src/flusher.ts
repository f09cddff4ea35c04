import type { Offset } from "@samsa/base";
import type { RaftStorage } from "./raft-storage.ts";

/** Flush of the log that a replica has asked for. */
interface Asked {
  readonly generation: number;
  readonly offset: Offset;
}

/** Flushes the log. Appends of one turn share a flush, and those during a flush share the next one. */
export class Flusher {
  readonly #storage: RaftStorage;
  readonly #flushed: (asked: Asked) => void;
  readonly #failed: (error: unknown) => void;
  /** Flush that was asked for and has not begun. */
  #asked: Asked | undefined;
  #flushing: Promise<void> | undefined;

  constructor(storage: RaftStorage, flushed: (asked: Asked) => void, failed: (error: unknown) => void) {
    this.#storage = storage;
    this.#flushed = flushed;
    this.#failed = failed;
  }

  ask(asked: Asked): void {
    this.#asked = asked;
    this.#flushing ??= this.#flush();
  }

  async #flush(): Promise<void> {
    await Promise.resolve();
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        await this.#storage.flush();
        this.#flushed(next);
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#flushing = undefined;
    }
  }

  #next(): Asked | undefined {
    const asked = this.#asked;
    this.#asked = undefined;
    return asked;
  }

  /** Resolves once nothing is left to flush. */
  async idle(): Promise<void> {
    await this.#flushing;
  }
}
