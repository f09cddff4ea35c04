import { type LeaderEpoch, nearestNumber, type Offset, type Timer } from "@samsa/base";
import {
  type AcknowledgementBatch,
  SharePartition,
  type SharePartitionEffect,
  type SharePartitionKey,
  type SharePartitionSettings,
  type Ticket,
} from "@samsa/coordinator";
import { Errors } from "@samsa/protocol";
import { type GroupConfigs, resetDurationMs } from "../config/group-configs.ts";
import type { Partition } from "../replica/partition.ts";
import type { Watcher } from "../replica/readers.ts";
import type { DeadLetterWriter } from "./dead-letter-writer.ts";
import type { ShareStateAnswer } from "./share-state-answer.ts";
import type { ShareStates } from "./share-states.ts";

/** Outcome for a client: error code 0, or an error. */
export interface Outcome {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** Observer that waits for records of a share partition. */
export interface ShareWaiter {
  /** Called when `bytes` more can be read. */
  advanced(bytes: number): void;
  /** Called when records are available again, or the share partition has been loaded or closed. */
  changed(): void;
}

export interface LiveHost {
  readonly env: {
    readonly clock: { now(): number; monotonic(): number };
    readonly timers: { after(ms: number, task: () => void): Timer; soon(task: () => void): void };
  };
  readonly states: ShareStates;
  readonly groupConfigs: (groupId: string) => GroupConfigs;
  readonly deadLetters: Pick<DeadLetterWriter, "add">;
  /** True if the cluster has dead letters (`share.version` 2). */
  readonly hasDeadLetters: () => boolean;
  /** Called when the share partition is fenced: the next request loads a new one. */
  readonly fenced: (live: LiveSharePartition) => void;
}

/** Maps an error of the share coordinator to the one for the client (`SharePartition.fetchPersisterError`). */
function clientError({ errorCode, errorMessage }: ShareStateAnswer): Outcome {
  switch (errorCode) {
    case 0:
      return { errorCode: 0, errorMessage: null };
    case Errors.NOT_COORDINATOR.code:
    case Errors.COORDINATOR_NOT_AVAILABLE.code:
    case Errors.COORDINATOR_LOAD_IN_PROGRESS.code:
      return { errorCode: Errors.COORDINATOR_NOT_AVAILABLE.code, errorMessage };
    case Errors.GROUP_ID_NOT_FOUND.code:
    case Errors.UNKNOWN_TOPIC_OR_PARTITION.code:
      return { errorCode, errorMessage };
    case Errors.FENCED_LEADER_EPOCH.code:
    case Errors.FENCED_STATE_EPOCH.code:
      return { errorCode: Errors.NOT_LEADER_OR_FOLLOWER.code, errorMessage };
    default:
      return { errorCode: Errors.UNKNOWN_SERVER_ERROR.code, errorMessage };
  }
}

/** Errors after which a share partition is no longer served. */
const FENCING: ReadonlySet<number> = new Set([
  Errors.NOT_LEADER_OR_FOLLOWER.code,
  Errors.GROUP_ID_NOT_FOUND.code,
  Errors.UNKNOWN_TOPIC_OR_PARTITION.code,
]);

/** Runtime of a `SharePartition`: loads and writes its state, schedules its deadlines, and notifies waiting fetches. */
export class LiveSharePartition implements Watcher {
  readonly key: SharePartitionKey;
  readonly partition: Partition;
  readonly leaderEpoch: LeaderEpoch;
  /** Reason why the share partition cannot be served; error code 0 if it can, or is still being loaded. */
  fault: Outcome = { errorCode: 0, errorMessage: null };
  readonly #host: LiveHost;
  readonly #waiters = new Set<ShareWaiter>();
  readonly #tickets = new Map<Ticket, (outcome: Outcome) => void>();
  #lastTicket = 0;
  /** Tokens of dead letters that have ended. */
  readonly #buried: number[] = [];
  #state: SharePartition | undefined;
  #stateEpoch = 0;
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #closed = false;

  constructor(host: LiveHost, key: SharePartitionKey, partition: Partition) {
    this.#host = host;
    this.key = key;
    this.partition = partition;
    this.leaderEpoch = partition.leaderEpoch;
    partition.watch(this);
  }

  /** Reads the state from the share coordinator. */
  load(): void {
    const { leaderEpoch } = this;
    this.#host.states.ask(this.key, { type: "read", body: { partition: this.key.partition, leaderEpoch } }, answer =>
      this.#loaded(answer),
    );
  }

  #loaded(answer: ShareStateAnswer): void {
    if (this.#closed) return;
    const outcome = clientError(answer);
    // A fetching client gets the error code without a message.
    if (outcome.errorCode !== 0) return this.#fail({ ...outcome, errorMessage: null });
    const { startOffset = -1, stateEpoch = 0, stateBatches = [] } = answer;
    const start = startOffset === -1 ? this.#resetOffset() : nearestNumber(startOffset);
    if (start === undefined) {
      const { code, message } = Errors.OFFSET_NOT_AVAILABLE;
      return this.#fail({ errorCode: code, errorMessage: message });
    }
    this.#stateEpoch = stateEpoch;
    let state: SharePartition;
    try {
      state = new SharePartition(() => this.#settings(), { startOffset: start, batches: reachable(stateBatches) });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const { code } = Errors.UNKNOWN_SERVER_ERROR;
      const { groupId, topicId, partition } = this.key;
      const errorMessage = `Failed to initialize the share partition ${groupId}-${topicId}-${partition}`;
      return this.#fail({ errorCode: code, errorMessage });
    }
    this.#state = state;
    const out: SharePartitionEffect[] = [];
    state.begin(out);
    this.#perform(state, out);
    this.#wake();
  }

  /**
   * Initial start offset for a group without state; undefined if `by_duration` selects a time after the last record.
   */
  #resetOffset(): Offset | undefined {
    const { partition } = this;
    const reset = this.#host.groupConfigs(this.key.groupId)["share.auto.offset.reset"];
    if (reset === "latest") return partition.highWatermark;
    if (reset === "earliest") return partition.startOffset;
    const found = partition.offsetForTimestamp(this.#host.env.clock.now() - resetDurationMs(reset));
    return found === undefined || found.offset >= partition.highWatermark ? undefined : found.offset;
  }

  #settings(): SharePartitionSettings {
    const configs = this.#host.groupConfigs(this.key.groupId);
    return {
      maxRecordLocks: configs["share.partition.max.record.locks"],
      deliveryCountLimit: configs["share.delivery.count.limit"],
      lockDurationMs: configs["share.record.lock.duration.ms"],
      renewEnabled: configs["share.renew.acknowledge.enable"],
      deadLetters: this.#host.hasDeadLetters() && configs["errors.deadletterqueue.topic.name"] !== "",
    };
  }

  /** State machine of the share partition; undefined until it is loaded and after it is closed. */
  get state(): SharePartition | undefined {
    return this.#closed ? undefined : this.#state;
  }

  acknowledge(memberId: string, batches: readonly AcknowledgementBatch[], done: (outcome: Outcome) => void): void {
    this.#run(done, (state, now, ticket, out) => state.acknowledge(now, ticket, { memberId, batches }, out));
  }

  release(memberId: string, done: (outcome: Outcome) => void): void {
    this.#run(done, (state, _now, ticket, out) => state.release(ticket, memberId, out));
  }

  #run(
    done: (outcome: Outcome) => void,
    action: (state: SharePartition, now: number, ticket: Ticket, out: SharePartitionEffect[]) => void,
  ): void {
    const { state } = this;
    if (state === undefined) {
      const { code, message } = Errors.UNKNOWN_TOPIC_OR_PARTITION;
      return done({ errorCode: code, errorMessage: message });
    }
    const ticket = ++this.#lastTicket;
    this.#tickets.set(ticket, done);
    const out: SharePartitionEffect[] = [];
    action(state, this.#host.env.clock.monotonic(), ticket, out);
    this.#perform(state, out);
  }

  #perform(state: SharePartition, effects: readonly SharePartitionEffect[]): void {
    for (const effect of effects) {
      if (effect.type === "persist") this.#persist(state, effect);
      else if (effect.type === "bury") this.#bury(state, effect);
      else if (effect.type === "changed") this.#wake();
      else this.#done(effect);
    }
    this.schedule();
  }

  #persist(state: SharePartition, effect: Extract<SharePartitionEffect, { type: "persist" }>): void {
    const { token, startOffset, deliveryCompleteCount, batches } = effect;
    const body = {
      partition: this.key.partition,
      stateEpoch: this.#stateEpoch,
      leaderEpoch: this.leaderEpoch,
      startOffset,
      deliveryCompleteCount,
      stateBatches: [...batches],
    };
    this.#host.states.ask(this.key, { type: "write", body }, answer => {
      const out: SharePartitionEffect[] = [];
      const outcome = clientError(answer);
      state.persisted(this.#host.env.clock.monotonic(), token, outcome, out);
      if (FENCING.has(outcome.errorCode)) this.#fail(outcome);
      this.#perform(state, out);
    });
  }

  /** Writes dead letters; they end even if the share partition is closed meanwhile. */
  #bury(state: SharePartition, { token, records }: Extract<SharePartitionEffect, { type: "bury" }>): void {
    const { groupId, topicId, partition } = this.key;
    const letters = { groupId, topicId, partition, topic: this.partition.topic, ...records };
    this.#host.deadLetters.add(letters, this.partition, () => {
      this.#buried.push(token);
      // Records whose letters end together are archived with one write.
      if (this.#buried.length === 1) this.#host.env.timers.soon(() => this.#archive(state));
    });
  }

  #archive(state: SharePartition): void {
    const out: SharePartitionEffect[] = [];
    state.buried(this.#buried.splice(0), out);
    this.#perform(state, out);
  }

  #done({ ticket, errorCode, errorMessage }: Extract<SharePartitionEffect, { type: "done" }>): void {
    const done = this.#tickets.get(ticket);
    this.#tickets.delete(ticket);
    done?.({ errorCode, errorMessage });
  }

  /** Schedules the expiry of locks. Call it after records have been acquired. */
  schedule(): void {
    const at = this.state?.nextDeadline() ?? Infinity;
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    const { clock, timers } = this.#host.env;
    this.#timer = timers.after(Math.max(0, at - clock.monotonic()), () => {
      this.#timerAt = Infinity;
      const { state } = this;
      if (state === undefined) return;
      const out: SharePartitionEffect[] = [];
      state.tick(clock.monotonic(), out);
      this.#perform(state, out);
    });
  }

  wait(waiter: ShareWaiter): void {
    this.#waiters.add(waiter);
  }

  leave(waiter: ShareWaiter): void {
    this.#waiters.delete(waiter);
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter.changed();
  }

  advanced(bytes: number): void {
    for (const waiter of [...this.#waiters]) waiter.advanced(bytes);
  }

  /** Closes the share partition if its partition has failed or its topic is deleted. */
  changed(): void {
    const { fault } = this.partition;
    if (fault !== 0) this.#fail({ errorCode: fault, errorMessage: null });
  }

  #fail(fault: Outcome): void {
    if (this.#closed) return;
    this.fault = fault;
    this.close();
    this.#host.fenced(this);
    this.#wake();
  }

  /** Closes the share partition; writes in progress still end. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.partition.unwatch(this);
  }
}

/** State batches with offsets that a log can reach; a client may have written others, which are never delivered. */
function reachable(batches: NonNullable<ShareStateAnswer["stateBatches"]>) {
  return batches.flatMap(({ firstOffset, lastOffset, deliveryState, deliveryCount }) =>
    typeof firstOffset === "bigint"
      ? []
      : [{ firstOffset, lastOffset: nearestNumber(lastOffset), deliveryState, deliveryCount }],
  );
}
