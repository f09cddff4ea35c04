import type { BrokerId } from "@samsa/base";
import { partitionKey } from "../cluster/cluster-view.ts";
import type { KafkaError } from "../error/kafka-error.ts";
import type { Outbox } from "../fetch/outbox.ts";
import type { AcknowledgementSet } from "./acknowledgement-set.ts";
import type { AcquiredRecords } from "./acquired-records.ts";
import { ShareCommit } from "./share-commit.ts";
import type { ShareEffect } from "./share-effects.ts";

/** Account of all records that brokers have acquired for a member, and of the ends of their acknowledgements. */
export class ShareLedger {
  readonly #outbox: Outbox<ShareEffect>;
  readonly #all = new Set<AcquiredRecords>();
  /** Acquisitions with records to give out, the oldest first. */
  readonly #ready: AcquiredRecords[] = [];
  /** Errors that no commit has told yet, by partition. */
  readonly #failures = new Map<string, KafkaError>();
  #commits = 0;

  constructor(outbox: Outbox<ShareEffect>) {
    this.#outbox = outbox;
  }

  add(acquired: AcquiredRecords): void {
    this.#all.add(acquired);
    this.#ready.push(acquired);
  }

  get all(): Iterable<AcquiredRecords> {
    return this.#all;
  }

  /** Records from a broker. */
  of(id: BrokerId): AcquiredRecords[] {
    return [...this.#all].filter(({ brokerId }) => brokerId === id);
  }

  /** The oldest records to give out. */
  first(): AcquiredRecords | undefined {
    for (;;) {
      const first = this.#ready[0];
      if (first === undefined || (!first.isOver && first.loss === undefined)) return first;
      this.#ready.shift();
    }
  }

  /** Number of records that the application has and has not acknowledged. */
  get unacknowledged(): number {
    let count = 0;
    for (const acquired of this.#all) if (acquired.loss === undefined) count += acquired.unacknowledged;
    return count;
  }

  /** Begins a commit: `committed` follows when all acknowledgements under way have ended. */
  commit(): number {
    const commit = new ShareCommit(++this.#commits, this.#failures);
    this.#failures.clear();
    for (const { pending, asked } of this.#all) {
      for (const set of [pending, asked]) {
        if (set === undefined || set.isEmpty) continue;
        set.commits.push(commit);
        commit.await();
      }
    }
    if (commit.isOver) this.#tell(commit);
    return commit.token;
  }

  /** Acknowledgements have ended. */
  end(acquired: AcquiredRecords, set: AcknowledgementSet, error: KafkaError | undefined): void {
    const { topic, partition } = acquired;
    if (set.isEmpty) return;
    for (const commit of set.commits) if (commit.settle(topic, partition, error)) this.#tell(commit);
    if (error !== undefined && set.commits.length === 0) this.#failures.set(partitionKey(topic, partition), error);
    this.#outbox.send({ type: "acknowledged", topic, partition, count: set.size, error });
  }

  /** A record was acknowledged too late to be sent. */
  late({ topic, partition }: AcquiredRecords, error: KafkaError): void {
    this.#failures.set(partitionKey(topic, partition), error);
    this.#outbox.send({ type: "acknowledged", topic, partition, count: 1, error });
  }

  /** The acknowledgements on their way have ended, or are tried again at `retryAt`. */
  answered(acquired: AcquiredRecords, error: KafkaError | undefined, retryAt: number | undefined): void {
    const { asked } = acquired;
    acquired.asked = undefined;
    if (asked === undefined) return;
    if (retryAt !== undefined && acquired.loss === undefined) {
      acquired.pending.absorb(asked);
      acquired.retryAt = retryAt;
      acquired.failures++;
      return;
    }
    acquired.failures = 0;
    this.end(acquired, asked, error);
  }

  /** Records are no longer this member's. Those on their way end with their answer. */
  lose(acquired: AcquiredRecords, error: KafkaError): void {
    if (acquired.loss === undefined) this.end(acquired, acquired.lose(error), error);
  }

  /** Drops what is done, and what no lock protects any more. Returns the time at which to look again. */
  sweep(now: number): number {
    let next = Infinity;
    for (const acquired of this.#all) {
      if (acquired.lockedUntil <= now && acquired.loss === undefined && !acquired.isAsked) {
        this.lose(acquired, acquired.expired());
      }
      // Lost records that the application still has are not waited for.
      const isGone = acquired.loss !== undefined && !acquired.isAsked;
      if (isGone || acquired.isDone) this.#all.delete(acquired);
      else next = Math.min(next, acquired.isAsked ? Infinity : acquired.lockedUntil);
    }
    return next;
  }

  #tell({ token, results }: ShareCommit): void {
    this.#outbox.send({ type: "committed", token, results });
  }
}
