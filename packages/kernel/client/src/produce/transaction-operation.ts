import { KafkaError } from "../error/kafka-error.ts";
import type { Outbox } from "./effects.ts";

/** Operations of the application that end with a change of the producer's state. */
export type OperationName = "initTransactions" | "commitTransaction" | "abortTransaction";

/**
 * The operation that the application waits for (`TransactionManager.PendingStateTransition`). If it stops waiting, the
 * operation goes on, and the same call again takes its outcome; others are refused until then.
 */
export class TransactionOperation<T> {
  readonly #out: Outbox<T>;
  #name: OperationName | undefined;
  #tokens: number[] = [];
  /** Outcome that nobody has taken. */
  #outcome: { readonly error: KafkaError | undefined } | undefined;

  constructor(out: Outbox<T>) {
    this.#out = out;
  }

  /** Operation whose outcome nobody has taken; undefined: none. */
  get unfinished(): OperationName | undefined {
    return this.#name;
  }

  /** Takes one more call; false if `name` is not the operation under way. */
  joins(name: OperationName, token: number): boolean {
    if (this.#name !== name) return false;
    if (this.#outcome === undefined) this.#tokens.push(token);
    else {
      this.#name = undefined;
      this.#out.settle(token, this.#outcome.error);
    }
    return true;
  }

  /** Error of `name` if an operation has not ended, or nobody has learnt that it succeeded. */
  obstacle(name: string): KafkaError | undefined {
    if (this.#name === undefined) return undefined;
    if (this.#outcome?.error !== undefined) {
      this.#name = undefined;
      return undefined;
    }
    return new KafkaError("ILLEGAL_STATE", `the call of ${this.#name} must be repeated until it ends, before ${name}`);
  }

  start(name: OperationName, token: number): void {
    this.#name = name;
    this.#tokens = [token];
    this.#outcome = undefined;
  }

  /** Ends the operation, if there is one, for those who wait. */
  end(error: KafkaError | undefined): void {
    if (this.#name === undefined || this.#outcome !== undefined) return;
    const tokens = this.#tokens;
    this.#tokens = [];
    if (tokens.length === 0) this.#outcome = { error };
    else this.#name = undefined;
    for (const token of tokens) this.#out.settle(token, error);
  }

  abandon(token: number): void {
    this.#tokens = this.#tokens.filter(other => other !== token);
  }
}
