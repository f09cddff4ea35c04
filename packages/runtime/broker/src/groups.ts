import { type Env, javaStringHash, type Timer } from "@samsa/base";
import { type Effect, type GroupConfig, type GroupRequest, GroupShard, type Ticket } from "@samsa/coordinator";
import { Errors } from "@samsa/protocol";
import { BatchCursor, buildBatch, RecordCursor, type Tools } from "@samsa/records";
import type { Partition } from "./partition.ts";
import { OFFSETS_TOPIC, type Topics } from "./topics.ts";

const LOAD_BYTES = 4 * 1024 * 1024;

/** What a failed append means to a client of the coordinator (`CoordinatorOperationExceptionHelper`). */
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
    default:
      return Errors.UNKNOWN_SERVER_ERROR.code;
  }
}

interface ShardHost {
  readonly env: Env;
  readonly tools: Tools;
  readonly config: GroupConfig;
  readonly newId: () => string;
}

/** Runs one shard over its partition's log: reads it at start, appends what the shard decides, keeps its time. */
export class ShardRunner {
  readonly #host: ShardHost;
  readonly #partition: Partition;
  readonly #shard: GroupShard;
  readonly #replies = new Map<Ticket, (response: object) => void>();
  #tickets = 0;
  #timer: Timer | undefined;
  #timerAt = Infinity;

  constructor(host: ShardHost, partition: Partition) {
    this.#host = host;
    this.#partition = partition;
    this.#shard = new GroupShard(host.config, host.newId);
    this.#load();
  }

  /** Its partition is not served any more. */
  get failed(): boolean {
    return this.#partition.fault !== 0;
  }

  get shard(): GroupShard {
    return this.#shard;
  }

  /** Sessions end by the clock that nobody sets. */
  get #now(): number {
    const { clock } = this.#host.env;
    const now = clock.monotonic();
    this.#shard.wallAhead = clock.now() - now;
    return now;
  }

  #load(): void {
    const { log } = this.#partition;
    const now = this.#now;
    const batch = new BatchCursor();
    const record = new RecordCursor();
    for (let offset = log.startOffset; offset < log.endOffset; ) {
      const read = log.read({ offset, maxBytes: LOAD_BYTES, minOneMessage: true, limitOffset: log.endOffset });
      if (read.chunks.length === 0) break;
      for (const chunk of read.chunks) {
        batch.reset(chunk);
        while (batch.next()) {
          if (batch.isControl) continue;
          record.open(batch, this.#host.tools.codecs);
          while (record.next()) {
            const key = record.key();
            if (key !== null) this.#shard.replay(now, key, record.value());
          }
        }
      }
      offset = read.nextOffset;
    }
    this.run((out, at) => this.#shard.loaded(at, out));
  }

  request(request: GroupRequest, reply: (response: object) => void): void {
    const ticket = ++this.#tickets;
    this.#replies.set(ticket, reply);
    this.run((out, now) => this.#shard.request(now, ticket, request, out));
  }

  /** Lets the shard do something, at the shard's time, and carries out what it wants done. */
  run(action: (out: Effect[], now: number) => void): void {
    const effects: Effect[] = [];
    action(effects, this.#now);
    for (const effect of effects) {
      if (effect.type === "reply") this.#reply(effect.ticket, effect.response);
      else this.#append(effect);
    }
    this.#schedule();
  }

  #reply(ticket: Ticket, response: object): void {
    const reply = this.#replies.get(ticket);
    this.#replies.delete(ticket);
    reply?.(response);
  }

  #append({ token, records }: Extract<Effect, { type: "append" }>): void {
    const { tools } = this.#host;
    const { log, leaderEpoch, fault } = this.#partition;
    const now = this.#now;
    const timestamp = this.#host.env.clock.now();
    const done = (errorCode: number): void =>
      this.run((out, at) => this.#shard.appended(at, token, clientError(errorCode), out));
    if (fault !== 0) return done(fault);
    const rows = records.map(({ key, value }) => ({ timestamp, key, value, headers: [] }));
    const bytes = buildBatch(rows, {}, tools);
    if (bytes.length > log.config.maxMessageBytes) return done(Errors.MESSAGE_TOO_LARGE.code);
    const added = log.append(bytes, { origin: "coordinator", now: timestamp, leaderEpoch });
    if (added.error !== 0) return done(added.error);
    // State follows the log at once; the reply follows the disk.
    for (const { key, value } of records) this.#shard.replay(now, key, value);
    this.#partition.appended(bytes.length, added.lastOffset + 1, done);
  }

  #schedule(): void {
    const at = this.#shard.nextDeadline();
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#host.env.timers.after(Math.max(0, at - this.#now), () => {
      this.#timerAt = Infinity;
      this.run((out, now) => this.#shard.tick(now, out));
    });
  }

  close(errorCode: number): void {
    this.run((out, now) => this.#shard.unload(now, errorCode, out));
    this.#timer?.cancel();
    // Not rescheduled: nothing is left that could want to be woken.
    this.#timerAt = -Infinity;
  }
}

/** The group coordinator of this broker: a shard for each partition of `__consumer_offsets`. */
export class Groups {
  readonly #host: ShardHost;
  readonly #topics: Topics;
  readonly #shards: (ShardRunner | undefined)[] = [];
  /** The broker is stopping: metadata may still change, but no shard begins to serve again. */
  #closed = false;

  constructor(host: ShardHost, topics: Topics) {
    this.#host = host;
    this.#topics = topics;
  }

  /** Begins to serve the partitions that are there and not yet served. */
  load(): void {
    if (this.#closed) return;
    this.#topics.partitionsOf(OFFSETS_TOPIC).forEach((partition, index) => {
      if (partition !== undefined && this.#shards[index] === undefined && partition.fault === 0) {
        this.#shards[index] = new ShardRunner(this.#host, partition);
      }
    });
  }

  /** The shard of a group; undefined when `__consumer_offsets` is not there or its directory has failed. */
  of(groupId: string): ShardRunner | undefined {
    const count = this.#topics.partitionsOf(OFFSETS_TOPIC).length;
    return count === 0 ? undefined : this.#shards[(javaStringHash(groupId) & 0x7fffffff) % count];
  }

  /** Ends the shards whose partitions have failed. */
  unloadFailed(): void {
    this.#shards.forEach((runner, index) => {
      if (runner?.failed !== true) return;
      this.#shards[index] = undefined;
      runner.close(Errors.NOT_COORDINATOR.code);
    });
  }

  all(): readonly ShardRunner[] {
    return this.#shards.filter(runner => runner !== undefined);
  }

  expire(): void {
    for (const runner of this.all()) runner.run((out, now) => runner.shard.expire(now, out));
  }

  topicDeleted(topic: string): void {
    for (const runner of this.all()) runner.run((out, now) => runner.shard.topicDeleted(now, topic, out));
  }

  close(errorCode: number): void {
    this.#closed = true;
    for (const runner of this.all()) runner.close(errorCode);
    this.#shards.length = 0;
  }
}
