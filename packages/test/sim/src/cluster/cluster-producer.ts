import { utf8 } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import { Violation } from "../ledgers/rules.ts";
import type { Prng } from "../world/prng.ts";
import type { ClusterPlace, ClusterTopic } from "./cluster-ledger.ts";
import type { Actor } from "../stage/stage.ts";
import type { ClusterStage } from "./cluster-stage.ts";

/** Errors after which a producer sends the same batch again. */
const RETRIABLE: ReadonlySet<number> = new Set(
  [
    Errors.NOT_LEADER_OR_FOLLOWER,
    Errors.UNKNOWN_TOPIC_OR_PARTITION,
    Errors.UNKNOWN_TOPIC_ID,
    Errors.REQUEST_TIMED_OUT,
    Errors.NOT_ENOUGH_REPLICAS,
    Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    Errors.KAFKA_STORAGE_ERROR,
    Errors.LEADER_NOT_AVAILABLE,
  ].map(({ code }) => code),
);
/** Errors of a producer whose earlier batches the log does not have. */
const OUT_OF_ORDER: ReadonlySet<number> = new Set(
  [Errors.OUT_OF_ORDER_SEQUENCE_NUMBER, Errors.UNKNOWN_PRODUCER_ID].map(({ code }) => code),
);

interface Attempt {
  readonly values: readonly string[];
  readonly wire: Uint8Array;
  /** Sequence number after its last record. */
  readonly end: number;
  /** `ClusterLedger.losses` when it was first sent. */
  readonly losses: number;
  /** Number of times that it was sent. */
  sent: number;
}

interface Answer {
  readonly errorCode: number;
  readonly baseOffset: number | bigint;
}

interface Line {
  sequence: number;
  /** Batches without a final answer, in order. */
  waiting: Attempt[];
  losses: number;
}

/** Options of a `ClusterProducer`. */
export interface ClusterProducerOptions {
  readonly acks: number;
  /** Retries each batch, in order, until it is acknowledged, with sequence numbers. */
  readonly idempotent: boolean;
}

/** Produces values that are unique in the world to the leaders of partitions. */
export class ClusterProducer implements Actor {
  readonly client: Client;
  readonly #stage: ClusterStage;
  readonly #rng: Prng;
  readonly #options: ClusterProducerOptions;
  readonly #lines = new Map<string, Line>();
  #producerId = -1n;
  #count = 0;
  /** Partitions with an acknowledgement since `expect`. */
  readonly heard = new Set<string>();

  constructor(stage: ClusterStage, client: Client, rng: Prng, options: ClusterProducerOptions) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    this.#options = options;
  }

  /** True if the producer waits until all replicas in sync have a record. */
  get isDurable(): boolean {
    return this.#options.acks === -1;
  }

  async step(): Promise<void> {
    const { idempotent, acks } = this.#options;
    if (idempotent && this.#producerId < 0n && !(await this.#init())) return;
    const { topics } = this.#stage;
    if (topics.length === 0) return;
    const topic = this.#rng.oneOf(topics);
    const place = { topic, partition: this.#rng.int(0, topic.partitions - 1) };
    const line = this.#line(place);
    const [first] = line.waiting;
    if (first !== undefined) return this.#settle(place, line, [first], [await this.#send(place, first)]);
    const count = acks !== 0 && this.#rng.chance(0.3) ? this.#rng.int(2, 4) : 1;
    const attempts = Array.from({ length: count }, () => this.#next(place, line));
    if (idempotent) line.waiting = [...attempts];
    const answers = await Promise.all(attempts.map(attempt => this.#send(place, attempt)));
    this.#settle(place, line, attempts, answers);
  }

  async #init(): Promise<boolean> {
    const answer = await this.client.ask(CALLS.initProducerId, { transactionalId: null, transactionTimeoutMs: 0 });
    if (answer?.errorCode !== 0) return false;
    if (this.#producerIds.has(answer.producerId)) {
      throw new Violation("an epoch was given twice", `producer id ${answer.producerId}`);
    }
    this.#producerIds.add(answer.producerId);
    this.#producerId = answer.producerId;
    this.#lines.clear();
    return true;
  }

  readonly #producerIds = new Set<bigint>();

  #line(place: ClusterPlace): Line {
    const key = `${place.topic.id}/${place.partition}`;
    const losses = this.#stage.ledger.losses(place);
    const known = this.#lines.get(key);
    // The log may have lost records of this producer: it cannot go on with the sequence numbers that follow.
    if (known?.losses === losses) return known;
    if (known !== undefined && this.#options.idempotent) {
      this.#producerId = -1n;
      this.#lines.clear();
    }
    const line = { sequence: 0, waiting: [], losses };
    this.#lines.set(key, line);
    return line;
  }

  #next(place: ClusterPlace, line: Line): Attempt {
    const { env } = this.client;
    const rng = this.#rng;
    const values = Array.from({ length: rng.int(1, 3) }, () => {
      const name = `${this.client.name}.${++this.#count}`;
      return name.padEnd(rng.chance(0.1) ? 600 : 16, "~");
    });
    this.#stage.ledger.sent(place, values);
    const { idempotent } = this.#options;
    const options = idempotent ? { producerId: this.#producerId, producerEpoch: 0, baseSequence: line.sequence } : {};
    line.sequence += values.length;
    const wire = buildBatch(
      values.map(value => ({ timestamp: env.clock.now(), key: null, value: utf8(value) })),
      options,
      { crc32c: env.crypto.crc32c, codecs: env.codecs },
    );
    return { values, wire, end: line.sequence, losses: line.losses, sent: 0 };
  }

  async #send({ topic, partition }: ClusterPlace, attempt: Attempt): Promise<Answer | undefined> {
    attempt.sent++;
    const { wire } = attempt;
    const { acks } = this.#options;
    const topicData = [{ topicId: topic.id, partitionData: [{ index: partition, records: [wire.slice()] }] }];
    const body = { acks, timeoutMs: 300, topicData };
    if (acks === 0) {
      await this.client.tell(CALLS.produce, body);
      return undefined;
    }
    return (await this.client.ask(CALLS.produce, body))?.responses[0]?.partitionResponses[0];
  }

  #settle(
    place: ClusterPlace,
    line: Line,
    attempts: readonly Attempt[],
    answers: readonly (Answer | undefined)[],
  ): void {
    const [first] = line.waiting;
    attempts.forEach((attempt, i) => {
      const answer = answers[i];
      if (answer === undefined) return;
      if (answer.errorCode === 0) this.#acknowledge(place, line, attempt, Number(answer.baseOffset));
      else
        this.#refused(place, attempt, {
          code: answer.errorCode,
          isFirst: attempt === first,
          isLast: attempt.end === line.sequence,
        });
    });
  }

  #acknowledge(place: ClusterPlace, line: Line, attempt: Attempt, offset: number): void {
    const { ledger } = this.#stage;
    line.waiting = line.waiting.filter(other => other !== attempt);
    // Records that were lost since may be those of this acknowledgement.
    if (ledger.losses(place) !== attempt.losses) return;
    this.#stage.note(`acked ${place.topic.name}-${place.partition} ${offset} ${attempt.values.join()}`);
    this.heard.add(`${place.topic.id}/${place.partition}`);
    // Batches after this one may have been acknowledged before it, if the first answer to it was lost.
    const process = attempt.sent > 1 ? `${this.client.name} again ${offset}` : this.client.name;
    ledger.acked(place, attempt.values, { process, offset, durable: this.isDurable });
  }

  #refused(
    place: ClusterPlace,
    attempt: Attempt,
    { code, isFirst, isLast }: { readonly code: number; readonly isFirst: boolean; readonly isLast: boolean },
  ): void {
    if (RETRIABLE.has(code)) return;
    const where = `${this.client.name} on ${place.topic.name}-${place.partition}`;
    if (this.#options.idempotent && OUT_OF_ORDER.has(code)) {
      // An unclean election may have lost earlier batches.
      if (place.topic.unclean === true) this.#producerId = -1n;
      // Batches behind one without an answer are out of order.
      if (!isFirst || this.#stage.ledger.isInDoubt(place) || this.#stage.ledger.losses(place) !== attempt.losses)
        return;
      if (!isLast) {
        // A producer snapshot keeps only the last batch of each producer: earlier ones are unknown after a restart, and
        // after a follower has cut its log.
        this.#producerId = -1n;
        return;
      }
      throw new Violation("an acknowledged record is lost", `error ${code} to ${where}: ${attempt.values[0]}`);
    }
    throw new Violation("a good request was refused", `error ${code} to ${where}`);
  }

  /** First partition that has not acknowledged a record since `heard` was cleared. */
  unheard(topics: readonly ClusterTopic[]): string | undefined {
    for (const { id, name, partitions } of topics) {
      for (let i = 0; i < partitions; i++) {
        if (!this.heard.has(`${id}/${i}`)) return `${this.client.name} gets no acknowledgement of ${name}-${i}`;
      }
    }
    return undefined;
  }
}
