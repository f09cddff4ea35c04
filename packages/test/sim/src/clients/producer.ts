import { entryAt, utf8 } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { buildBatch, type Codec, FIELD, type TimestampType } from "@samsa/records";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import type { SentBatch } from "../ledgers/log-ledger.ts";
import type { Prng } from "../world/prng.ts";
import { Violation } from "../ledgers/rules.ts";
import { type Actor, EXCUSED, pick, somewhere, type Stage, STORAGE, type TopicPlace } from "../stage/stage.ts";

const { code: OUT_OF_ORDER } = Errors.OUT_OF_ORDER_SEQUENCE_NUMBER;
const { code: UNKNOWN_PRODUCER } = Errors.UNKNOWN_PRODUCER_ID;
const { code: TOO_LARGE } = Errors.MESSAGE_TOO_LARGE;
const { code: STALE } = Errors.INVALID_PRODUCER_EPOCH;

/** Batch in flight, with the state that was confirmed when it was first sent. */
interface Attempt extends TopicPlace, SentBatch {
  readonly wire: Uint8Array;
  readonly compressed: Codec;
  /** `LogLedger.endOf` then; below, the counts of `Stage` and `TopicEntry.changes` then. */
  readonly since: number;
  readonly powerCuts: number;
  readonly life: number;
  readonly changes: number;
  readonly settings: {
    readonly limit: string | undefined;
    readonly flush: string | undefined;
    readonly compression: string | undefined;
    readonly timestampType: string | undefined;
  };
}

/** Idempotent producer's state for one partition. */
interface Line {
  sequence: number;
  epoch: number;
  last:
    | { readonly attempt: Attempt; readonly offset: number; readonly powerCuts: number; readonly leaps: number }
    | undefined;
}

interface Answer {
  readonly errorCode: number;
  readonly baseOffset: number;
  readonly logAppendTimeMs: number;
  /** Life of the broker that answered. */
  readonly life: number;
}

const CODECS: ReadonlyMap<string | undefined, Codec> = new Map([
  ["gzip", 1],
  ["uncompressed", 0],
]);
const TIMESTAMP_TYPES: readonly TimestampType[] = ["CreateTime", "LogAppendTime"];

/** Options of `Producer`. */
export interface ProducerOptions {
  readonly acks: number;
  readonly idempotent: boolean;
}

/** Produces values that are unique in the world. An idempotent producer retries batches without an answer. */
export class Producer implements Actor {
  readonly client: Client;
  readonly #stage: Stage;
  readonly #rng: Prng;
  readonly #acks: number;
  readonly #idempotent: boolean;
  readonly #lines = new Map<string, Line>();
  #producerId = -1n;
  #epoch = 0;
  #count = 0;
  #retries: Attempt[] = [];
  #life = 0;
  #leaps = 0;
  acknowledged = 0;

  constructor(stage: Stage, client: Client, rng: Prng, { acks, idempotent }: ProducerOptions) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    this.#acks = acks;
    this.#idempotent = idempotent;
  }

  /** True if the producer requests acknowledgements. */
  get listens(): boolean {
    return this.#acks !== 0;
  }

  async step(): Promise<void> {
    const isUnknown = this.#stage.forgetful && this.#retries.length > 0;
    if (this.#leaps !== this.#stage.leaps || isUnknown) {
      // The log has forgotten this producer id, so a retried batch would be appended again.
      this.#leaps = this.#stage.leaps;
      this.#producerId = -1n;
      this.#retries = [];
    }
    if (this.#idempotent && this.#producerId < 0n && !(await this.#init())) return;
    const [retry] = this.#retries;
    if (retry !== undefined) return this.#settle([retry], [await this.#send(retry)]);
    const rng = this.#rng;
    if (this.#idempotent && this.#life !== this.#stage.life) {
      // Test first whether a restarted broker remembers its producers.
      this.#life = this.#stage.life;
      const lines = [...this.#lines.values()].flatMap(({ last }) => last?.attempt ?? []);
      const known = pick(rng, lines);
      if (known?.topic.state === "there") return rng.chance(0.5) ? this.#again(known) : this.#leap(known);
    }
    const place = somewhere(rng, this.#stage);
    if (place === undefined) return;
    const draw = rng.next();
    if (this.#acks !== 0 && draw < 0.08) return this.#damaged(place);
    if (this.#idempotent && draw < 0.16) return this.#again(place);
    if (this.#idempotent && draw < 0.22) return this.#leap(place);
    if (this.#idempotent && draw < 0.25) return this.#bump();
    if (this.#acks !== 0 && draw < 0.45) {
      // Pipelined batches on one connection must be appended in this order.
      const attempts = Array.from({ length: rng.int(2, 4) }, (_, i) => this.#next(place, i));
      return this.#settle(attempts, await Promise.all(attempts.map(attempt => this.#send(attempt))));
    }
    const attempt = this.#next(place, 0);
    const answer = await this.#send(attempt);
    if (this.#acks !== 0) this.#settle([attempt], [answer]);
  }

  async #init(): Promise<boolean> {
    const answer = await this.client.ask(CALLS.initProducerId, { transactionalId: null, transactionTimeoutMs: 0 });
    if (answer?.errorCode !== 0) return false;
    this.#producerId = answer.producerId;
    this.#begin(0);
    return true;
  }

  /** Restarts with sequence 0 in every partition. */
  #begin(epoch: number): void {
    this.#epoch = epoch;
    this.#retries = [];
    for (const line of this.#lines.values()) line.sequence = 0;
    if (epoch === 0) this.#lines.clear();
  }

  /** Bumps the epoch, as clients do after an error with an unknown outcome (KIP-360, KIP-588). */
  #bump(): void {
    this.#begin(this.#epoch + 1);
  }

  #line({ topicId, partition }: TopicPlace): Line {
    const key = `${topicId}/${partition}`;
    const line = this.#lines.get(key) ?? { sequence: 0, epoch: -1, last: undefined };
    this.#lines.set(key, line);
    return line;
  }

  async #send({ topicId, partition, wire }: Attempt): Promise<Answer | undefined> {
    const topicData = [{ topicId, partitionData: [{ index: partition, records: [wire.slice()] }] }];
    const body = { acks: this.#acks, timeoutMs: 300, topicData };
    if (this.#acks === 0) {
      await this.client.tell(CALLS.produce, body);
      return undefined;
    }
    const { logs, life } = this.#stage;
    const startedAt = logs.startOf({ topicId, partition });
    const answer = await this.client.ask(CALLS.produce, body);
    const result = answer?.responses[0]?.partitionResponses[0];
    if (result?.errorCode === 0) logs.started({ topicId, partition }, Number(result.logStartOffset), startedAt);
    if (result === undefined) return undefined;
    const { errorCode, baseOffset, logAppendTimeMs } = result;
    return { errorCode, baseOffset: Number(baseOffset), logAppendTimeMs: Number(logAppendTimeMs), life };
  }

  /** Builds the next batch. `ahead` is its index in a pipeline: the first has up to four records, the others one. */
  #next(place: TopicPlace, ahead: number, { sequence, epoch = this.#epoch, quiet = false }: Odd = {}): Attempt {
    const { topic } = place;
    const rng = this.#rng;
    const { env } = this.client;
    const values = Array.from({ length: ahead === 0 ? rng.int(1, 4) : 1 }, () => {
      const name = `${this.client.name}.${++this.#count}`;
      return name.padEnd(rng.chance(0.2) ? 600 : 20, "~");
    });
    const line = this.#line(place);
    const baseSequence = sequence ?? line.sequence;
    if (this.#idempotent && sequence === undefined) line.sequence += values.length;
    const skew = rng.chance(0.2) ? rng.int(0, 2000) : 0;
    const timestamps = values.map((_, i) => env.clock.now() - skew + i);
    const compressed: Codec = rng.chance(0.1) ? 1 : 0;
    const options = this.#idempotent ? { producerId: this.#producerId, producerEpoch: epoch, baseSequence } : {};
    const build = (codec: Codec) =>
      buildBatch(
        values.map((value, i) => ({ timestamp: entryAt(timestamps, i), key: null, value: utf8(value) })),
        { compression: { codec, level: -1 }, ...options },
        { crc32c: env.crypto.crc32c, codecs: env.codecs },
      );
    const attempt: Attempt = {
      ...place,
      values,
      timestamps,
      bytes: build(0).length,
      wire: build(compressed),
      compressed,
      since: this.#stage.logs.endOf(place),
      powerCuts: this.#stage.powerCuts,
      life: this.#stage.life,
      changes: topic.changes,
      settings: {
        limit: topic.certain("max.message.bytes"),
        flush: topic.certain("flush.messages"),
        compression: topic.certain("compression.type"),
        timestampType: topic.certain("message.timestamp.type"),
      },
    };
    if (!quiet) this.#stage.logs.sent(place, attempt);
    return attempt;
  }

  /** Handles the answers to batches that were sent one after the other. */
  #settle(attempts: readonly Attempt[], answers: readonly (Answer | undefined)[]): void {
    const unsettled: Attempt[] = [];
    let doubt = false;
    attempts.forEach((attempt, i) => {
      const answer = answers[i];
      if (answer?.errorCode === 0) this.#acknowledge(attempt, answer);
      else if (this.#isExcused(attempt, answer?.errorCode ?? STORAGE, doubt)) {
        // Batches behind one that was not appended are out of sequence.
        doubt = true;
        if (answer === undefined || answer.errorCode === STORAGE) unsettled.push(attempt);
      }
    });
    this.#retries = this.#retries.filter(retry => !attempts.includes(retry));
    if (!this.#idempotent || this.#producerId < 0n) return;
    if (doubt && unsettled.length < attempts.length) this.#bump();
    else this.#retries.unshift(...unsettled);
  }

  /** True if an error is expected; throws a `Violation` if not. */
  #isExcused(attempt: Attempt, code: number, doubt: boolean): boolean {
    const { topic, partition, settings, wire } = attempt;
    if (EXCUSED.has(code)) return true;
    if (code === TOO_LARGE && topic.lowestEver("max.message.bytes") < Math.max(wire.length, attempt.bytes)) {
      const unchanged = attempt.changes === topic.changes && settings.compression === "";
      if (unchanged && settings.limit !== undefined && wire.length <= Number(settings.limit || 1_048_588)) {
        throw new Violation("a setting is not obeyed", `${wire.length} bytes were too large for ${topic.name}`);
      }
      return true;
    }
    if (this.#idempotent && (code === OUT_OF_ORDER || code === UNKNOWN_PRODUCER)) {
      if (doubt) return true;
      if (this.#stage.logs.isRotten(attempt)) return true;
      // A producer snapshot keeps only the last batch of each producer: earlier retries are unknown after a restart.
      if (attempt.life !== this.#stage.life && this.#retries.length > 1) return true;
      // Earlier records of this producer were lost in a power cut: it needs a new producer id.
      if (this.#stage.powerCuts > 0 && !topic.flushed) {
        this.#producerId = -1n;
        return true;
      }
    }
    throw new Violation(
      "a good request was refused",
      `error ${code} to ${this.client.name} on ${topic.name}-${partition}`,
    );
  }

  #acknowledge(attempt: Attempt, { baseOffset, logAppendTimeMs, life }: Answer): void {
    const { topic, partition, values, changes, settings, wire } = attempt;
    const { logs } = this.#stage;
    this.#stage.note(`acked ${partition} ${baseOffset} ${values.join()}`);
    const unchanged = changes === topic.changes;
    if (unchanged) this.#judgeSettings(attempt, logAppendTimeMs);
    const flushed = topic.flushed || (unchanged && settings.flush === "1");
    // A power cut since may have moved the end of the log back.
    const since = attempt.powerCuts === this.#stage.powerCuts ? attempt.since : 0;
    const isLate = life !== this.#stage.life;
    logs.acked(attempt, attempt, { process: this.client.name, offset: baseOffset, since, flushed, isLate });
    this.acknowledged++;
    if (!this.#idempotent) return;
    const line = this.#line(attempt);
    line.last = { attempt, offset: baseOffset, powerCuts: this.#stage.powerCuts, leaps: this.#leaps };
    line.epoch = new DataView(wire.buffer, wire.byteOffset).getInt16(FIELD.producerEpoch);
  }

  /** Checks an append against the topic's settings, which did not change between the first attempt and the answer. */
  #judgeSettings(attempt: Attempt, logAppendTimeMs: number): void {
    const { topic, settings, wire, compressed } = attempt;
    if (settings.compression === "" && settings.limit !== undefined && settings.limit !== "") {
      if (wire.length > Number(settings.limit)) {
        const detail = `${topic.name} took ${wire.length} bytes, more than ${settings.limit}`;
        throw new Violation("a setting is not obeyed", detail);
      }
    }
    if (settings.compression !== undefined) attempt.codec = CODECS.get(settings.compression) ?? compressed;
    if (settings.timestampType === undefined) return;
    attempt.timestampType = TIMESTAMP_TYPES.find(type => type === settings.timestampType) ?? "CreateTime";
    // The answer to a duplicate carries the timestamp of the original append, whatever the setting is now.
    const isStamped = logAppendTimeMs !== -1 && !this.#idempotent;
    if (attempt.timestampType === "LogAppendTime" ? logAppendTimeMs < 0 : isStamped) {
      const detail = `${topic.name} has ${attempt.timestampType} and stamped ${logAppendTimeMs}`;
      throw new Violation("a setting is not obeyed", detail);
    }
  }

  /** Sends a batch with a wrong CRC. */
  async #damaged(place: TopicPlace): Promise<void> {
    const attempt = this.#next(place, 0, { sequence: this.#line(place).sequence, quiet: true });
    const at = this.#rng.int(FIELD.crc, attempt.wire.length - 1);
    attempt.wire[at] = entryAt(attempt.wire, at) ^ (1 << this.#rng.int(0, 7));
    const answer = await this.#send(attempt);
    if (answer?.errorCode === 0) throw new Violation("a bad batch was accepted", "its checksum is wrong");
  }

  /** Last acknowledged batch if the log must still know it; else undefined. */
  #remembered(place: TopicPlace): Line["last"] {
    const { last, epoch } = this.#line(place);
    const { logs, powerCuts } = this.#stage;
    if (this.#stage.forgetful || last?.leaps !== this.#stage.leaps) return undefined;
    if (epoch !== this.#epoch || last.powerCuts !== powerCuts) return undefined;
    return last.offset < logs.startOf(place) || logs.isRotten(place) ? undefined : last;
  }

  /** Resends an acknowledged batch: it must not be appended again. */
  async #again(place: TopicPlace): Promise<void> {
    const last = this.#remembered(place);
    if (last === undefined) return;
    const answer = await this.#send(last.attempt);
    if (answer?.errorCode === 0 && answer.baseOffset !== last.offset) {
      const detail = `${last.attempt.values[0]} at ${last.offset} and at ${answer.baseOffset}`;
      throw new Violation("a record is there twice", detail);
    }
    const code = answer?.errorCode ?? 0;
    if (code === 0 || EXCUSED.has(code) || code === TOO_LARGE) return;
    throw new Violation("a good request was refused", `error ${code} to a repeated batch of ${this.client.name}`);
  }

  /** Sends a batch with a sequence gap or a stale epoch: the broker must refuse both. */
  async #leap(place: TopicPlace): Promise<void> {
    const last = this.#remembered(place);
    if (last === undefined) return;
    const { sequence } = this.#line(place);
    const isStale = this.#epoch > 0 && this.#rng.chance(0.5);
    const odd = isStale
      ? { sequence: 0, epoch: this.#epoch - 1, quiet: true }
      : { sequence: sequence + 7, quiet: true };
    const answer = await this.#send(this.#next(place, 0, odd));
    const code = answer?.errorCode ?? STORAGE;
    if (code === 0) {
      const detail = isStale ? "its epoch is over" : "it leaves sequence numbers out";
      throw new Violation("a bad batch was accepted", `${detail} on ${place.topic.name}-${place.partition}`);
    }
    if (EXCUSED.has(code) || code === TOO_LARGE || code === (isStale ? STALE : OUT_OF_ORDER)) return;
    throw new Violation("a good request was refused", `error ${code} instead of ${isStale ? STALE : OUT_OF_ORDER}`);
  }
}

interface Odd {
  readonly sequence?: number;
  readonly epoch?: number;
  /** Keeps the values out of the ledger, so that reading them is a violation. */
  readonly quiet?: boolean;
}
