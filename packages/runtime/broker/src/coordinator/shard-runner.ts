import { Alarm, type Env, guard, guardEach, ignored, type LeaderEpoch, type Offset } from "@samsa/base";
import type { Effect, Shard, ShardRecord, Ticket } from "@samsa/coordinator";
import { type AppendRequest, markerOf } from "@samsa/log";
import { Errors } from "@samsa/protocol";
import {
  BatchCursor,
  buildBatch,
  type Compression,
  type EndTxnMarker,
  endTxnBatch,
  RecordCursor,
  type Tools,
} from "@samsa/records";
import type { Acks } from "@samsa/replica";
import type { Partition } from "../replica/partition.ts";
import type { Watcher } from "../replica/readers.ts";
import { LOADED, type LoadQueue } from "./load-queue.ts";
import { OpenWrites } from "./open-writes.ts";
import type { ElectedShard } from "./shards.ts";

const { code: REQUEST_TIMED_OUT } = Errors.REQUEST_TIMED_OUT;

/** Maps the error of an append to the one for the coordinator's client (`CoordinatorOperationExceptionHelper`). */
function clientError(errorCode: number): number {
  switch (errorCode) {
    case 0:
      return 0;
    case Errors.UNKNOWN_TOPIC_OR_PARTITION.code:
    case Errors.NOT_ENOUGH_REPLICAS.code:
    case Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND.code:
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
  /** Epoch in which this broker leads the partition. */
  readonly leaderEpoch: LeaderEpoch;
  readonly shard: S;
  /** Most bytes that are loaded at once (`*.load.buffer.size`). */
  readonly loadBytes: number;
  /** COMMITTED by default. */
  readonly acks?: Acks;
  /** Time within which the records of an append must be committed, in ms. */
  readonly writeTimeoutMs: number;
  /** Compression of the shard's records; none by default. */
  readonly compression?: Compression | undefined;
  /** Executes effects other than replies and appends. */
  readonly perform: (effect: Exclude<E, Effect>, runner: ShardRunner<S, E>) => void;
}

/** A request: the callbacks for its response, or for the error code of a response that is not committed in time. */
export interface Asked {
  readonly reply: (response: object) => void;
  readonly refuse: (errorCode: number) => void;
}

/**
 * Runs a shard over its partition's log while this broker leads it (`CoordinatorContext` of `CoordinatorRuntime`): replays
 * the log, then takes requests, appends records that the shard decides, and wakes it at its deadlines.
 */
export class ShardRunner<S extends Shard<E>, E extends { readonly type: string } = Effect>
  implements ElectedShard, Watcher
{
  readonly shard: S;
  readonly partition: Partition;
  leaderEpoch: LeaderEpoch;
  readonly #host: ShardHost;
  readonly #perform: RunnerOptions<S, E>["perform"];
  readonly #acks: Acks;
  readonly #loadBytes: number;
  readonly #writeTimeoutMs: number;
  readonly #compression: Compression | undefined;
  readonly #replies = new Map<Ticket, Asked>();
  readonly #open: OpenWrites;
  #tickets = 0;
  /** Request that the shard is deciding on; 0: none. */
  #asking: Ticket = 0;
  #closed = false;
  #isLoaded = false;
  /** Monotonic time of the election, and time that the load has taken, in ms. */
  readonly #electedAt: number;
  #loadMs: number | undefined;
  /** True once all records are replayed and, if the settings ask for it, flushed. */
  #isSettled = false;
  #isBroken = false;
  /** Offset of the next record to load. */
  #loadFrom: Offset;
  /** End of the log at the election: only the shard appends to it, once it is loaded. */
  readonly #loadEnd: Offset;
  /** Rings at the next deadline of the shard, and at that of its open writes. */
  readonly #shardAlarm: Alarm;
  readonly #writeAlarm: Alarm;

  constructor(options: RunnerOptions<S, E>) {
    const { host, partition, shard, perform, loadBytes, acks = "COMMITTED" } = options;
    this.#host = host;
    this.#acks = acks;
    this.#loadBytes = loadBytes;
    this.#writeTimeoutMs = options.writeTimeoutMs;
    this.#compression = options.compression;
    this.#open = new OpenWrites(this.#report);
    this.partition = partition;
    this.leaderEpoch = options.leaderEpoch;
    this.shard = shard;
    this.#perform = perform;
    this.#electedAt = host.env.clock.monotonic();
    this.#loadFrom = partition.startOffset;
    this.#loadEnd = partition.endOffset;
    this.#shardAlarm = new Alarm(host.env, () => this.tend((out, now) => shard.tick(now, out)));
    this.#writeAlarm = new Alarm(host.env, () => this.#expire());
    partition.watch(this);
  }

  /** True once all records of the log are replayed and committed, and the shard takes requests. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** Time from the election to the end of the load, in ms; undefined before. */
  get loadMs(): number | undefined {
    return this.#loadMs;
  }

  /** True if the shard is not served: this broker does not lead its partition any more, or could not load it. */
  get failed(): boolean {
    return this.#closed || this.#isBroken || this.partition.fault !== 0;
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
   * follow. The shard takes requests once they are all committed: a new leader may still lose the others, and what
   * depends on them, such as transaction markers, could not be taken back.
   */
  load(maxBytes: number): number {
    if (this.failed) return LOADED;
    try {
      const read = this.#loadFrom < this.#loadEnd ? this.#loadSome(Math.min(maxBytes, this.#loadBytes)) : 0;
      if (read > 0 || this.failed) return this.failed ? LOADED : read;
      this.#loadFrom = this.#loadEnd;
      this.#settle();
    } catch (error) {
      this.#break(error);
    }
    return LOADED;
  }

  /**
   * Makes the records that were loaded durable first, if the settings ask for it: a process that was killed may not have
   * flushed them. A shard acts on them, by transaction markers for example, and a power cut must not take them back.
   */
  #settle(): void {
    const settled = (): void => {
      this.#isSettled = true;
      this.#activate();
    };
    if (!this.partition.isFlushDue) return settled();
    this.partition.flush().then(() => guard(settled, this.#break.bind(this)), ignored("the partition is offline"));
  }

  /** Takes requests from now on, if the load is complete. */
  #activate(): void {
    if (this.#isLoaded || this.failed || !this.#isSettled || this.partition.highWatermark < this.#loadEnd) return;
    this.#isLoaded = true;
    this.#loadMs = this.#host.env.clock.monotonic() - this.#electedAt;
    this.run((out, at) => this.shard.loaded(at, out));
  }

  #break(error: unknown): void {
    this.#isBroken = true;
    const { topic, index: partition } = this.partition;
    this.#host.env.logger.error("a coordinator cannot load its partition", { topic, partition, error });
  }

  /** Takes a higher high watermark (`HighWatermarkListener`). */
  advanced(): void {
    if (this.#isLoaded) this.#commit();
    else guard(() => this.#activate(), this.#break.bind(this));
  }

  readonly changed: () => void = ignored("the owner of the shards unloads it");

  #commit(): void {
    const { highWatermark } = this.partition;
    this.shard.timeline?.committed(highWatermark);
    this.#open.committed(highWatermark);
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

  /** Sends a request to the shard; one of the callbacks is called once, now or later. */
  ask(asked: Asked, put: (shard: S, now: number, ticket: Ticket, out: E[]) => void): void {
    const ticket = ++this.#tickets;
    this.#replies.set(ticket, asked);
    // A reply may lead to the next request at once.
    const before = this.#asking;
    this.#asking = ticket;
    try {
      this.run((out, now) => put(this.shard, now, ticket, out));
    } catch (error) {
      // The shard may have replied before it failed.
      if (!this.#replies.delete(ticket)) return this.#report(error);
      throw error;
    } finally {
      this.#asking = before;
    }
  }

  /**
   * Calls `done` with 0 once all that the shard has written is committed, at once if it is; or with the error code of a
   * write that is not committed in time (`waitForPendingWrites`).
   */
  whenCommitted(done: (errorCode: number) => void): void {
    const { endOffset, highWatermark } = this.partition;
    if (endOffset <= highWatermark) return done(0);
    this.#open.await(endOffset, this.#now + this.#writeTimeoutMs, done);
    this.#schedule();
  }

  /** Continues after an effect. Does nothing if the shard has been unloaded since. */
  resume(action: (out: E[], now: number) => void): void {
    if (!this.failed) this.run(action);
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
    const asked = this.#replies.get(ticket);
    if (asked === undefined) return;
    this.#replies.delete(ticket);
    // The shard may have decided on state that is not committed.
    const waits = ticket === this.#asking && this.shard.timeline !== undefined;
    if (!waits) return asked.reply(response);
    this.whenCommitted(errorCode => {
      if (errorCode === 0) asked.reply(response);
      else asked.refuse(errorCode === REQUEST_TIMED_OUT ? Errors.COORDINATOR_NOT_AVAILABLE.code : errorCode);
    });
  }

  #append({ token, records, divisible = false, timeoutMs = this.#writeTimeoutMs, ...of }: Append): void {
    const parts = divisible ? batchesOf(records, this.partition.config.maxMessageBytes) : [records];
    let left = parts.length;
    const end = this.#open.add(this.#now + timeoutMs, errorCode => {
      // `unload` has answered the requests.
      if (this.#closed) return;
      // The answer to a request whose write has failed does not wait for other writes.
      this.#asking = 0;
      this.run((out, at) => this.shard.appended(at, token, clientError(errorCode), out));
    });
    const done = (errorCode: number): void => {
      if (errorCode !== 0 || --left === 0) end(errorCode);
    };
    for (const part of parts) {
      const errorCode = this.#appendBatch(part, of, done);
      if (errorCode !== 0) return end(errorCode);
    }
  }

  /** Appends a batch; returns 0, or the error code if the log does not have it. `done` as for `#write`. */
  #appendBatch(
    records: readonly ShardRecord[],
    { producer, guard }: Pick<Append, "producer" | "guard">,
    done: (errorCode: number) => void,
  ): number {
    const { tools } = this.#host;
    const timestamp = this.#host.env.clock.now();
    const rows = records.map(({ key, value }: ShardRecord) => ({ timestamp, key, value, headers: [] }));
    const compression = this.#compression === undefined ? {} : { compression: this.#compression };
    const of =
      producer === undefined
        ? compression
        : { ...compression, producerId: producer.id, producerEpoch: producer.epoch, transactional: true };
    const replay = (now: number): void => {
      let offset = this.partition.endOffset;
      for (const { key, value } of records) {
        this.shard.replay(now, producer === undefined ? { key, value } : { key, value, producer }, offset++);
      }
    };
    return this.#apply(replay, () =>
      this.#write(buildBatch(rows, of, tools), guard === undefined ? {} : { guard }, done),
    );
  }

  /**
   * Applies a batch to the state of the shard, then writes it, so that nothing is in the log that cannot be replayed.
   * Takes the change back if either fails; returns 0 or the error code.
   */
  #apply(replay: (now: number) => void, write: () => number): number {
    const { timeline } = this.shard;
    let errorCode: number = Errors.UNKNOWN_SERVER_ERROR.code;
    timeline?.begin();
    try {
      if (timeline !== undefined) replay(this.#now);
      errorCode = write();
    } catch (error) {
      this.#report(error);
    }
    if (errorCode === 0) timeline?.written(this.partition.endOffset);
    else timeline?.revert();
    return errorCode;
  }

  /**
   * Appends the marker that ends a producer's transaction; `done` gets 0 or the error code
   * (`GroupCoordinator.completeTransaction`).
   */
  end(marker: EndTxnMarker, transactionVersion: number, done: (errorCode: number) => void): void {
    const end = this.#open.add(this.#now + this.#writeTimeoutMs, done);
    const producer = { id: marker.producerId, epoch: marker.producerEpoch };
    const replay = (now: number): void => this.shard.ended(now, { producer, committed: marker.commit });
    const errorCode = this.#apply(replay, () =>
      this.#write(endTxnBatch(marker, this.#host.tools), { transactionVersion }, end),
    );
    if (errorCode !== 0) return end(errorCode);
    this.#schedule();
  }

  /** Appends `bytes`; returns 0 or an error code. After a 0, `done` gets 0 once they are committed, or an error code. */
  #write(bytes: Uint8Array, rules: AppendRules, done: (errorCode: number) => void): number {
    const { config } = this.partition;
    const now = this.#host.env.clock.now();
    if (bytes.length > config.maxMessageBytes) return Errors.MESSAGE_TOO_LARGE.code;
    const acknowledged = (errorCode: number): void => {
      // A flush may end after the shard was unloaded.
      if (this.#closed) return;
      if (errorCode === 0) this.#commit();
      done(errorCode);
    };
    const acknowledgement = { acks: this.#acks, done: acknowledged };
    return this.partition.appendAsLeader(bytes, { origin: "coordinator", now, ...rules }, acknowledgement).error;
  }

  #schedule(): void {
    this.#shardAlarm.setAtLatest(this.shard.nextDeadline());
    this.#writeAlarm.setAtLatest(this.#open.next());
  }

  #expire(): void {
    this.#open.expire(this.#now, REQUEST_TIMED_OUT);
    this.#schedule();
  }

  close(errorCode: number): void {
    this.#closed = true;
    this.partition.unwatch(this);
    this.tend((out, now) => this.shard.unload(now, errorCode, out));
    this.#open.close(errorCode);
    // The shard may have failed before it answered all requests.
    const left = [...this.#replies.values()];
    this.#replies.clear();
    guardEach(left, ({ refuse }) => refuse(errorCode), this.#report);
    this.#shardAlarm.stop();
    this.#writeAlarm.stop();
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
