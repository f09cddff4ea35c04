import { type Env, guard, guardEach, javaStringHash, type Timer, type Uuid } from "@samsa/base";
import type { Effect, Shard, ShardRecord, Ticket } from "@samsa/coordinator";
import { type AppendRequest, markerOf } from "@samsa/log";
import { Errors } from "@samsa/protocol";
import { BatchCursor, buildBatch, type EndTxnMarker, endTxnBatch, RecordCursor, type Tools } from "@samsa/records";
import type { Acks } from "@samsa/replica";
import type { Partition } from "../replica/partition.ts";
import type { Topics } from "../replica/topics.ts";
import { LOADED, type Loading, type LoadQueue } from "./load-queue.ts";

/** Maps the error of an append to the one for the coordinator's client (`CoordinatorOperationExceptionHelper`). */
function clientError(errorCode: number): number {
  switch (errorCode) {
    case 0:
      return 0;
    case Errors.UNKNOWN_TOPIC_OR_PARTITION.code:
    case Errors.NOT_ENOUGH_REPLICAS.code:
    case Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND.code:
    case Errors.REQUEST_TIMED_OUT.code:
      return Errors.COORDINATOR_NOT_AVAILABLE.code;
    case Errors.NOT_LEADER_OR_FOLLOWER.code:
    case Errors.KAFKA_STORAGE_ERROR.code:
      return Errors.NOT_COORDINATOR.code;
    case Errors.MESSAGE_TOO_LARGE.code:
    case Errors.RECORD_LIST_TOO_LARGE.code:
      return Errors.UNKNOWN_SERVER_ERROR.code;
    default:
      return errorCode;
  }
}

/** Environment of a runner of shards. */
export interface ShardHost {
  readonly env: Env;
  readonly tools: Tools;
  readonly loads: LoadQueue;
}

interface RunnerOptions<S extends Shard<E>, E extends { readonly type: string }> {
  readonly host: ShardHost;
  readonly partition: Partition;
  readonly shard: S;
  /** Most bytes that are loaded at once (`*.load.buffer.size`). */
  readonly loadBytes: number;
  /** COMMITTED by default. */
  readonly acks?: Acks;
  /** Executes effects other than replies and appends. */
  readonly perform: (effect: Exclude<E, Effect>, runner: ShardRunner<S, E>) => void;
}

/**
 * Runs a shard over its partition's log (`CoordinatorRuntime`): replays the log when this broker begins to lead the
 * partition, appends records that the shard decides, and wakes it at its deadlines.
 */
export class ShardRunner<S extends Shard<E>, E extends { readonly type: string } = Effect> {
  readonly shard: S;
  readonly partition: Partition;
  readonly #host: ShardHost;
  readonly #perform: RunnerOptions<S, E>["perform"];
  readonly #acks: Acks;
  readonly #loadBytes: number;
  readonly #replies = new Map<Ticket, (response: object) => void>();
  #tickets = 0;
  #closed = false;
  #isLoaded = false;
  #isBroken = false;
  /** Offset of the next record to load. */
  #loadFrom: number;
  /** End of the log when the load began: only the shard appends to it, once it is loaded. */
  readonly #loadEnd: number;
  #timer: Timer | undefined;
  #timerAt = Infinity;

  constructor({ host, partition, shard, perform, loadBytes, acks = "COMMITTED" }: RunnerOptions<S, E>) {
    this.#host = host;
    this.#acks = acks;
    this.#loadBytes = loadBytes;
    this.partition = partition;
    this.shard = shard;
    this.#perform = perform;
    this.#loadFrom = partition.startOffset;
    this.#loadEnd = partition.endOffset;
  }

  /** True once all records of the log are replayed, and the shard takes requests. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** True if the partition is not served: this broker does not lead it any more, or could not load it. */
  get failed(): boolean {
    return this.#isBroken || this.partition.fault !== 0;
  }

  /** Current time of the shard: sessions expire by the monotonic clock. */
  get #now(): number {
    const { clock } = this.#host.env;
    const now = clock.monotonic();
    this.shard.wallAhead = clock.now() - now;
    return now;
  }

  /**
   * Replays the next records of the log (`CoordinatorLoader`). Returns the number of bytes read, or `LOADED` if no more
   * follow, because the shard takes requests now or is not served any more.
   */
  load(maxBytes: number): number {
    if (this.#closed || this.failed) return LOADED;
    try {
      const read = this.#loadFrom < this.#loadEnd ? this.#loadSome(Math.min(maxBytes, this.#loadBytes)) : 0;
      if (read > 0 || this.failed) return this.failed ? LOADED : read;
      this.#isLoaded = true;
      this.run((out, at) => this.shard.loaded(at, out));
    } catch (error) {
      this.#isBroken = true;
      const { topic, index: partition } = this.partition;
      this.#host.env.logger.error("a coordinator cannot load its partition", { topic, partition, error });
    }
    return LOADED;
  }

  /** Replays about `maxBytes` of the log; returns the number of bytes, 0 at the end or after a failure. */
  #loadSome(maxBytes: number): number {
    const now = this.#now;
    const batch = new BatchCursor();
    // The start may move during a load.
    const offset = Math.max(this.#loadFrom, this.partition.startOffset);
    const read = this.partition.read({ offset, maxBytes, minOneMessage: true, isolation: "LOG_END" });
    for (const chunk of read.chunks) {
      batch.reset(chunk);
      while (batch.next()) this.#loadBatch(now, batch);
    }
    this.#loadFrom = read.nextOffset;
    return read.size;
  }

  #loadBatch(now: number, batch: BatchCursor): void {
    const { tools } = this.#host;
    const { isTransactional, isControl } = batch;
    const producer = { id: batch.producerId, epoch: batch.producerEpoch };
    if (isControl) {
      const marker = markerOf(batch, tools);
      if (marker !== undefined) this.shard.ended(now, { producer, committed: marker.commit });
      return;
    }
    const record = new RecordCursor().open(batch, tools.codecs);
    while (record.next()) {
      const key = record.key();
      if (key === null) continue;
      const value = record.value();
      this.shard.replay(now, isTransactional ? { key, value, producer } : { key, value }, record.offset);
    }
  }

  /** Sends a request to the shard; `reply` is called once, now or later. */
  ask(reply: (response: object) => void, put: (shard: S, now: number, ticket: Ticket, out: E[]) => void): void {
    const ticket = ++this.#tickets;
    this.#replies.set(ticket, reply);
    try {
      this.run((out, now) => put(this.shard, now, ticket, out));
    } catch (error) {
      // The shard may have replied before it failed.
      if (!this.#replies.delete(ticket)) return this.#report(error);
      throw error;
    }
  }

  /** Runs an action on the shard at its current time, and executes the effects. */
  run(action: (out: E[], now: number) => void): void {
    const effects: E[] = [];
    try {
      action(effects, this.#now);
    } finally {
      // Effects from before a throw count too: other clients wait for these replies and appends.
      guardEach(effects, this.#carryOut, this.#report);
      this.#schedule();
    }
  }

  /** Runs work that no request asked for. An error is logged: other shards are served on. */
  tend(work: (out: E[], now: number) => void): void {
    guard(() => this.run(work), this.#report);
  }

  readonly #carryOut = (effect: E): void => {
    if (isReply(effect)) this.#reply(effect.ticket, effect.response);
    else if (isAppend(effect)) this.#append(effect);
    else this.#perform(effect as Exclude<E, Effect>, this);
  };

  readonly #report = (error: unknown): void => {
    const { topic, index: partition } = this.partition;
    this.#host.env.logger.error("a coordinator failed at a part of its work", { topic, partition, error });
  };

  #reply(ticket: Ticket, response: object): void {
    const reply = this.#replies.get(ticket);
    this.#replies.delete(ticket);
    reply?.(response);
  }

  #append({ token, records, divisible = false, ...of }: Append): void {
    const parts = divisible ? batchesOf(records, this.partition.config.maxMessageBytes) : [records];
    let left = parts.length;
    let failure = 0;
    const done = (errorCode: number): void => {
      if (failure === 0) failure = errorCode;
      // A flush may end after the partition has failed and all waiting requests were answered.
      if (--left > 0 || this.#closed) return;
      this.run((out, at) => this.shard.appended(at, token, clientError(failure), out));
    };
    for (const part of parts) this.#appendBatch(part, of, done);
  }

  #appendBatch(
    records: readonly ShardRecord[],
    { producer, guard }: Pick<Append, "producer" | "guard">,
    done: (errorCode: number) => void,
  ): void {
    const { tools } = this.#host;
    const now = this.#now;
    const timestamp = this.#host.env.clock.now();
    const rows = records.map(({ key, value }: ShardRecord) => ({ timestamp, key, value, headers: [] }));
    const of =
      producer === undefined ? {} : { producerId: producer.id, producerEpoch: producer.epoch, transactional: true };
    const written = this.#write(buildBatch(rows, of, tools), guard === undefined ? {} : { guard }, done);
    // State is replayed at once; the reply waits for the disk.
    if (!written) return;
    let offset = this.partition.endOffset - records.length;
    for (const { key, value } of records) {
      this.shard.replay(now, producer === undefined ? { key, value } : { key, value, producer }, offset++);
    }
  }

  /**
   * Appends the marker that ends a producer's transaction; `done` gets 0 or the error code
   * (`GroupCoordinator.completeTransaction`).
   */
  end(marker: EndTxnMarker, transactionVersion: number, done: (errorCode: number) => void): void {
    const written = this.#write(endTxnBatch(marker, this.#host.tools), { transactionVersion }, done);
    if (!written) return;
    const producer = { id: marker.producerId, epoch: marker.producerEpoch };
    this.shard.ended(this.#now, { producer, committed: marker.commit });
  }

  /** Appends `bytes`; true if the log contains them. `done` is called when they are durable, or with the error. */
  #write(bytes: Uint8Array, rules: AppendRules, done: (errorCode: number) => void): boolean {
    const { config } = this.partition;
    const now = this.#host.env.clock.now();
    const refused = (errorCode: number): false => {
      done(errorCode);
      return false;
    };
    if (bytes.length > config.maxMessageBytes) return refused(Errors.MESSAGE_TOO_LARGE.code);
    const added = this.partition.appendAsLeader(
      bytes,
      { origin: "coordinator", now, ...rules },
      { acks: this.#acks, done },
    );
    return added.error === 0 ? true : refused(added.error);
  }

  #schedule(): void {
    const at = this.shard.nextDeadline();
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#host.env.timers.after(Math.max(0, at - this.#now), () => {
      this.#timerAt = Infinity;
      this.tend((out, now) => this.shard.tick(now, out));
    });
  }

  close(errorCode: number): void {
    this.#closed = true;
    this.tend((out, now) => this.shard.unload(now, errorCode, out));
    this.#timer?.cancel();
    // Do not reschedule: the shard is closed.
    this.#timerAt = -Infinity;
  }
}

/** Most bytes of a batch's header, and of a record besides its key and value. */
const BATCH_OVERHEAD = 64;
const RECORD_OVERHEAD = 32;

/** Splits records into runs that each fit a batch of `maxBytes`; a record that does not fit is alone in its run. */
export function batchesOf(records: readonly ShardRecord[], maxBytes: number): ShardRecord[][] {
  const batches: ShardRecord[][] = [];
  let batch: ShardRecord[] = [];
  let bytes = Infinity;
  for (const record of records) {
    const size = RECORD_OVERHEAD + record.key.length + (record.value?.length ?? 0);
    if (bytes + size > maxBytes) {
      batch = [];
      batches.push(batch);
      bytes = BATCH_OVERHEAD;
    }
    batch.push(record);
    bytes += size;
  }
  return batches;
}

type AppendRules = Pick<AppendRequest, "transactionVersion" | "guard">;

type Append = Extract<Effect, { type: "append" }>;

function isReply(effect: { readonly type: string }): effect is Extract<Effect, { type: "reply" }> {
  return effect.type === "reply";
}

function isAppend(effect: { readonly type: string }): effect is Append {
  return effect.type === "append";
}

/** Partition of a coordinator's topic for a group or transactional id (`partitionFor`). */
export function partitionFor(key: string, count: number): number {
  return (javaStringHash(key) & 0x7fffffff) % count;
}

/** A shard with its runner, as `Shards` needs it. */
interface Runner extends Loading {
  readonly failed: boolean;
  readonly isLoaded: boolean;
  close(errorCode: number): void;
}

/** Shards of an internal topic: one for each of its partitions that this broker leads. */
export class Shards<R extends Runner> {
  readonly #topics: Topics;
  readonly #topic: string;
  readonly #loads: LoadQueue;
  readonly #begin: (partition: Partition) => R;
  readonly #runners: (R | undefined)[] = [];
  /** The topic that `#count` belongs to. */
  #topicId: Uuid | undefined;
  /** Number of partitions when the first shard was loaded; keys stay where they are if partitions are added. */
  #count = 0;
  /** True while the broker stops: the image may still change, but no shard is loaded. */
  #closed = false;

  constructor(topics: Topics, topic: string, loads: LoadQueue, begin: (partition: Partition) => R) {
    this.#topics = topics;
    this.#topic = topic;
    this.#loads = loads;
    this.#begin = begin;
  }

  /** Begins to load shards for partitions that this broker leads and that have none yet. */
  load(): void {
    if (this.#closed) return;
    const topic = this.#topics.topic(this.#topic);
    if (topic?.id !== this.#topicId) {
      this.#topicId = topic?.id;
      this.#count = topic?.partitions.size ?? 0;
    }
    this.#topics.partitionsOf(this.#topic).forEach((partition, index) => {
      if (partition === undefined || this.#runners[index] !== undefined || partition.fault !== 0) return;
      const runner = this.#begin(partition);
      this.#runners[index] = runner;
      this.#loads.add(runner);
    });
    this.unloadFailed();
  }

  /** Partition of a group or transactional id; -1 if the topic does not exist yet. */
  indexOf(key: string): number {
    return this.#count === 0 ? -1 : partitionFor(key, this.#count);
  }

  /** True if this broker leads the partition of a group or transactional id. */
  serves(key: string): boolean {
    return this.#runners[this.indexOf(key)]?.failed === false;
  }

  /**
   * Shard of a group or transactional id, or the error code: NOT_COORDINATOR if this broker does not lead its
   * partition, COORDINATOR_LOAD_IN_PROGRESS while it is loaded.
   */
  of(key: string): R | number {
    return this.at(this.indexOf(key));
  }

  /** Shard of a partition, or the error code as for `of`. */
  at(index: number): R | number {
    const runner = this.#runners[index];
    if (runner === undefined || runner.failed) return Errors.NOT_COORDINATOR.code;
    return runner.isLoaded ? runner : Errors.COORDINATOR_LOAD_IN_PROGRESS.code;
  }

  /** Unloads the shards whose partitions this broker does not lead any more. */
  unloadFailed(): void {
    this.#runners.forEach((runner, index) => {
      if (runner?.failed !== true) return;
      this.#runners[index] = undefined;
      runner.close(Errors.NOT_COORDINATOR.code);
    });
  }

  /** True if a shard is being loaded. */
  get isLoading(): boolean {
    return this.known().some(({ isLoaded, failed }) => !isLoaded && !failed);
  }

  /** Shards that are loaded. */
  all(): readonly R[] {
    return this.known().filter(({ isLoaded }) => isLoaded);
  }

  /** Shards that are loaded or being loaded. */
  known(): readonly R[] {
    return this.#runners.filter(runner => runner !== undefined);
  }

  close(errorCode: number): void {
    this.#closed = true;
    for (const runner of this.#runners) runner?.close(errorCode);
    this.#runners.length = 0;
  }
}
