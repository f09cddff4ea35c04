import { Alarm, guard } from "@samsa/base";
import { KafkaError, type MetadataEffect, type Moment, type TopicPartition } from "@samsa/client-kernel";
import type { ClusterClient } from "./cluster-client.ts";
import { patiently, type Patience } from "./deadline.ts";

/** State machine that reads assigned partitions: `Fetcher`, `ShareFetcher`. */
export interface EffectSource<Effect> {
  /** Actions that the inputs and the time call for. */
  poll(moment: Moment): readonly (Effect | MetadataEffect)[];
  /** Monotonic time at which `poll` may have something to do without an input; Infinity: never. */
  nextDeadline(): number;
  /** Takes a request back that has no answer. */
  failed(ticket: number, error: KafkaError, moment: Moment): void;
  /** Keeps an error for the application. */
  raise(error: KafkaError): void;
  assigned(): readonly TopicPartition[];
}

/** Input of a state machine: an answer. */
export type Answer = (moment: Moment) => void;

/** Most rounds of effects in one turn; more would be a state machine that never comes to rest. */
const MOST_ROUNDS = 100;

/** Carries out the effects of a state machine until it comes to rest, and wakes callers that wait for a change. */
export class EffectLoop<Effect extends { readonly type: string }> {
  readonly #client: ClusterClient;
  readonly #source: EffectSource<Effect>;
  readonly #carryOut: (effect: Effect) => void;
  readonly #unobserve: () => void;
  readonly #alarm: Alarm;
  /** Callers that wait for a change. */
  readonly #waiting = new Set<() => void>();
  /** A bug, or the end of the client or of the membership, after which nothing is done any more. */
  #crash: { readonly error: unknown } | undefined;
  #isTurnSoon = false;
  #isStopped = false;

  /** Leaves effects that are not about metadata to `carryOut`. */
  constructor(client: ClusterClient, source: EffectSource<Effect>, carryOut: (effect: Effect) => void) {
    this.#client = client;
    this.#source = source;
    this.#carryOut = carryOut;
    this.#alarm = new Alarm(client.env, () => this.turn());
    this.#unobserve = client.observe(() => {
      this.#checkTopics();
      this.turn();
    });
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Does what the last inputs call for. To be called after each. */
  turn(): void {
    if (this.#isStopped) return;
    if (this.#client.isClosed) this.fail(new KafkaError("CLOSED", "the client is closed"));
    if (this.#crash === undefined) {
      try {
        this.#comeToRest();
      } catch (error) {
        this.#stopAfter(error);
      }
    }
    this.wake();
  }

  /** Takes one turn for all inputs of code that does not wait. */
  turnSoon(): void {
    if (this.#isTurnSoon) return;
    this.#isTurnSoon = true;
    this.#client.env.timers.soon(() => {
      this.#isTurnSoon = false;
      this.turn();
    });
  }

  /** Passes the answer to a request on, or its failure. An error that is no `KafkaError` is a bug. */
  ask(ticket: number, answer: Promise<Answer>): void {
    const failed = (error: unknown): Answer => {
      if (!(error instanceof KafkaError)) throw error;
      return moment => this.#source.failed(ticket, error, moment);
    };
    const take = (input: Answer): void => {
      if (this.#isStopped) return;
      input(this.#client.moment());
      this.turn();
    };
    answer
      .catch(failed)
      .then(take)
      .catch((error: unknown) => this.#stopAfter(error));
  }

  /** Calls code of the application, which may throw. */
  tell(call: () => void): void {
    guard(call, error => {
      this.#client.env.logger.error("code that a consumer calls has thrown", { error: String(error) });
    });
  }

  /** Calls `callback` at each change. Returns the way to end that. */
  watch(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => void this.#waiting.delete(callback);
  }

  /** Resolves at the next change: an answer, an error or another input. Rejects when the patience ends. */
  changed(patience: Patience): Promise<void> {
    const late = (): KafkaError => new KafkaError("TIMED_OUT", "nothing has come in time");
    return patiently(this.#client.env, patience, late, resolve => this.watch(() => resolve()));
  }

  /** Lets all who wait look again. */
  wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Throws what has ended the loop, if anything has. */
  checkHealth(): void {
    if (this.#crash !== undefined) throw this.#crash.error;
    if (this.#isStopped) throw new KafkaError("CLOSED", "the consumer is closed");
  }

  /** Ends for good: whoever waits gets the error. */
  fail(error: unknown): void {
    this.#crash ??= { error };
    this.#alarm.cancel();
    this.wake();
  }

  /** Ends in peace: answers that come later are dropped. */
  stop(): void {
    this.#isStopped = true;
    this.#unobserve();
    this.#alarm.cancel();
    this.wake();
  }

  #comeToRest(): void {
    const source = this.#source;
    const moment = this.#client.moment();
    for (let rounds = 0; ; rounds++) {
      const effects = source.poll(moment);
      for (const effect of effects) this.#perform(effect);
      if (effects.length === 0 && source.nextDeadline() > moment.now) break;
      if (rounds === MOST_ROUNDS) throw new Error("the state machine does not come to rest");
    }
    this.#alarm.set(source.nextDeadline());
  }

  #perform(effect: Effect | MetadataEffect): void {
    if (isAboutMetadata(effect)) this.#client.heed(effect);
    else this.#carryOut(effect);
  }

  /** Tells the application of topics that it may not read, or whose names cannot be, and of credentials that fail. */
  #checkTopics(): void {
    const source = this.#source;
    const { metadata, lastingFailure } = this.#client;
    if (lastingFailure !== undefined) source.raise(lastingFailure);
    for (const topic of new Set(source.assigned().map(one => one.topic))) {
      const code = metadata.topicError(topic);
      if (code === 0) continue;
      const error = KafkaError.of(code, `topic ${topic}`);
      if (!error.retriable) source.raise(error);
    }
  }

  #stopAfter(error: unknown): void {
    this.#client.env.logger.error("a consumer has stopped after a bug", { error: String(error) });
    this.fail(error);
  }
}

function isAboutMetadata(effect: { readonly type: string }): effect is MetadataEffect {
  return effect.type === "refreshMetadata" || effect.type === "leaders";
}
