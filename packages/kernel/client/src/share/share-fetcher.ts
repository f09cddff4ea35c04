import { Errors } from "@samsa/protocol";
import { type ClusterView, partitionKey, partitionKeys, type TopicPartition } from "../cluster/cluster-view.ts";
import { KafkaError } from "../error/kafka-error.ts";
import { Outbox } from "../fetch/outbox.ts";
import type { Moment } from "../offsets/moment.ts";
import { type AcknowledgeType, isAcknowledgeType } from "./acknowledge-type.ts";
import type { AcquiredRecords } from "./acquired-records.ts";
import type { ShareAcknowledgeAnswer, ShareEffect, ShareFetchAnswer } from "./share-effects.ts";
import { ShareExchange } from "./share-exchange.ts";
import { ShareLedger } from "./share-ledger.ts";
import type { ShareFetchOptions } from "./share-options.ts";
import { SharedPartition } from "./shared-partition.ts";

const NONE: readonly ShareEffect[] = [];

/**
 * Reading half of a share consumer (KIP-932; `ShareConsumeRequestManager`, `ShareFetchBuffer`): share sessions with the
 * leaders of assigned partitions, records that they have acquired, their locks and acknowledgements. It decides; the
 * caller sends what `poll` returns and passes the answers back. After each input, and at `nextDeadline`, `poll` is to be
 * called. Records are fetched only on demand, since their locks do not wait.
 */
export class ShareFetcher {
  readonly #options: ShareFetchOptions;
  readonly #cluster: ClusterView;
  readonly #outbox: Outbox<ShareEffect>;
  readonly #ledger: ShareLedger;
  readonly #exchange: ShareExchange;
  readonly #assigned = new Map<string, SharedPartition>();
  /** Error that the application is to be told. */
  #failure: KafkaError | undefined;
  /** Time at which the application has last taken a record. */
  #progressAt = -Infinity;
  #seenVersion = -1;
  #deadline = Infinity;
  #isDirty = false;
  #isClosing = false;

  constructor(options: ShareFetchOptions, cluster: ClusterView) {
    this.#options = options;
    this.#cluster = cluster;
    this.#outbox = new Outbox<ShareEffect>(cluster, options.retryBackoffMs);
    this.#ledger = new ShareLedger(this.#outbox);
    this.#exchange = new ShareExchange({
      ...{ options, outbox: this.#outbox, ledger: this.#ledger, assigned: this.#assigned },
      raise: error => this.raise(error),
    });
  }

  /** Replaces the assigned partitions. Records that are acquired stay, whatever becomes of their partition. */
  assign(partitions: readonly TopicPartition[]): void {
    if (this.#isClosing) return;
    const keys = partitionKeys(partitions);
    for (const key of this.#assigned.keys()) if (!keys.has(key)) this.#assigned.delete(key);
    for (const place of partitions) {
      const key = partitionKey(place.topic, place.partition);
      if (!this.#assigned.has(key)) this.#assigned.set(key, new SharedPartition(place));
    }
    this.#seenVersion = -1;
  }

  assigned(): TopicPartition[] {
    return [...this.#assigned.values()].map(({ topic, partition }) => ({ topic, partition }));
  }

  // Records

  /** Records to give out, or an error that the application is to be told; undefined: nothing is there. */
  take(now: number): AcquiredRecords | KafkaError | undefined {
    this.progressed(now);
    const failure = this.#failure;
    this.#failure = undefined;
    return failure ?? this.#ledger.first();
  }

  /** The application works: locks of records that wait for it are renewed. */
  progressed(now: number): void {
    this.#progressAt = Math.max(this.#progressAt, now);
  }

  /** The application can take `count` records, and nothing is there. Holds until records come. */
  want(count: number): void {
    if (this.#isClosing || this.#exchange.demand === count) return;
    this.#exchange.demand = count;
    this.#isDirty = true;
  }

  /** Keeps an error for the next `take`, unless there is one already. */
  raise(error: KafkaError): void {
    this.#failure ??= error;
  }

  // Acknowledgements

  /**
   * Acknowledges a record by its slot. Throws a `KafkaError`: ILLEGAL_STATE if that was done before, INVALID_ARGUMENT for
   * another type, UNSUPPORTED_VERSION if the brokers know no renewals. One that comes too late does not throw; the next
   * commit tells.
   */
  acknowledge(acquired: AcquiredRecords, slot: number, type: AcknowledgeType, now: number): void {
    if (!acquired.isHeld(slot)) throw new KafkaError("ILLEGAL_STATE", "the record is acknowledged already");
    if (!isAcknowledgeType(type)) {
      const what = `a record is acknowledged with accept, release, reject or renew, not "${String(type)}"`;
      throw new KafkaError("INVALID_ARGUMENT", what);
    }
    this.progressed(now);
    if (type === "renew") {
      if (!this.canRenew) {
        const what = "the brokers do not renew locks of records: that takes Kafka 4.2 or later";
        throw new KafkaError("UNSUPPORTED_VERSION", what, { error: Errors.UNSUPPORTED_VERSION });
      }
      acquired.renew(slot);
    } else {
      const error = acquired.acknowledge(slot, type, now);
      if (error !== undefined) this.#ledger.late(acquired, error);
    }
    this.#isDirty = true;
  }

  /** Brokers renew locks, as far as the client knows. */
  get canRenew(): boolean {
    return this.#exchange.canRenew;
  }

  /** Time for which brokers lock records, in ms; undefined: no broker has told yet (`acquisitionLockTimeoutMs`). */
  get lockMs(): number | undefined {
    const { lockMs } = this.#exchange;
    return lockMs === Infinity ? undefined : lockMs;
  }

  /** Waits for the ends of all acknowledgements: an effect `committed` with the token follows. */
  commit(): number {
    this.#isDirty = true;
    return this.#ledger.commit();
  }

  // Answers

  /** Answer to a `shareFetch`. */
  fetched(ticket: number, answer: ShareFetchAnswer, moment: Moment): void {
    this.#isDirty = true;
    this.#exchange.fetched(ticket, answer, moment);
  }

  /** Answer to a `shareAcknowledge`, and the version that it was sent with. */
  acknowledged(ticket: number, answer: ShareAcknowledgeAnswer, version: number, moment: Moment): void {
    this.#isDirty = true;
    this.#exchange.acknowledged(ticket, answer, version, moment);
  }

  /** No answer: the request could not be sent, or its connection is lost. The application is told of final errors. */
  failed(ticket: number, error: KafkaError, moment: Moment): void {
    this.#isDirty = true;
    this.#exchange.failed(ticket, error, moment);
  }

  // Effects

  /** Monotonic time at which `poll` may have something to do without an input; Infinity: never. */
  nextDeadline(): number {
    return this.#deadline;
  }

  /** Actions that the inputs and the time call for. */
  poll(moment: Moment): readonly ShareEffect[] {
    const { now } = moment;
    const isNews = this.#seenVersion !== this.#cluster.version;
    if (!isNews && !this.#isDirty && now < this.#deadline) return NONE;
    if (isNews) this.#learn();
    this.#isDirty = false;
    this.#deadline = this.#ledger.sweep(now);
    this.#exchange.isHeldBack = this.#isFull;
    this.#deadline = Math.min(this.#deadline, this.#renewWaiting(now), this.#exchange.flush(moment));
    return this.#outbox.take();
  }

  /** True while records wait for the application, or it holds too many, so that none are fetched. */
  get #isFull(): boolean {
    return this.#ledger.first() !== undefined || this.#ledger.unacknowledged >= this.#options.maxUnacknowledged;
  }

  /** Closes all sessions with the acknowledgements so far; records without one go to others. Effects are still to be carried out. */
  close(): void {
    this.#isClosing = true;
    this.#assigned.clear();
    this.#exchange.close();
    this.#isDirty = true;
  }

  /** All brokers have been told, after `close`. */
  get isClosed(): boolean {
    return this.#exchange.isClosed;
  }

  /** Takes leaders from the metadata. A new leader knows of no locks of the old one. */
  #learn(): void {
    this.#seenVersion = this.#cluster.version;
    for (const partition of this.#assigned.values()) partition.learn(this.#cluster);
    for (const acquired of this.#ledger.all) {
      const { topic, topicId, partition } = acquired.place;
      const leaderId = this.#cluster.topicOf(topicId)?.partitions[partition]?.leaderId ?? -1;
      if (leaderId < 0 || leaderId === acquired.brokerId) continue;
      this.#ledger.lose(
        acquired,
        KafkaError.of(Errors.NOT_LEADER_OR_FOLLOWER.code, `records of ${topic}-${partition}`),
      );
    }
  }

  /**
   * Renews the locks of records that wait for the application, at half their time and as long as it takes records.
   * Otherwise each delivery would count, and in the end archive, records that no handler has seen.
   */
  #renewWaiting(now: number): number {
    let next = Infinity;
    if (!this.canRenew || this.#isClosing) return next;
    for (const acquired of this.#ledger.all) {
      const { isOver, loss, restSince, restUntil, renewal } = acquired;
      const isDue = !isOver && renewal === undefined && loss === undefined && restUntil < Infinity;
      if (!isDue || this.#progressAt < restSince) continue;
      const dueAt = restSince + (restUntil - restSince) / 2;
      if (dueAt > now) next = Math.min(next, dueAt);
      else if (restUntil > now) acquired.renewRest();
    }
    return next;
  }
}
