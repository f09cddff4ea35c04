import { Errors } from "@samsa/protocol";
import {
  type AcknowledgementBatch,
  type FetchedBatch,
  SharePartition,
  type SharePartitionEffect,
  type SharePartitionSettings,
} from "../src/index.ts";

export const AVAILABLE = 0;
export const ACQUIRED = 1;
export const ACKNOWLEDGED = 2;
export const ARCHIVING = 3;
export const ARCHIVED = 4;
export const [GAP, ACCEPT, RELEASE, REJECT, RENEW] = [0, 1, 2, 3, 4];
export const LOCK_MS = 30_000;

export const settings: SharePartitionSettings = {
  maxRecordLocks: 100,
  deliveryCountLimit: 5,
  lockDurationMs: LOCK_MS,
  renewEnabled: true,
  deadLetters: false,
};

export const batch = (baseOffset: number, lastOffset: number, more: Partial<FetchedBatch> = {}): FetchedBatch => ({
  baseOffset,
  lastOffset,
  producerId: -1n,
  isTransactional: false,
  isAbortMarker: false,
  ...more,
});

type Persist = Extract<SharePartitionEffect, { type: "persist" }>;
type Done = Extract<SharePartitionEffect, { type: "done" }>;
type Bury = Extract<SharePartitionEffect, { type: "bury" }>;
type Load = ConstructorParameters<typeof SharePartition>[1];
type Fetch = Partial<Parameters<SharePartition["acquire"]>[1]> & { readonly reads?: number };

/** Share partition over a log; writes of its state succeed at once, and dead letters end at once, unless they are held. */
export class Bench {
  now = 1000;
  log: FetchedBatch[];
  hold = false;
  holdLetters = false;
  /** Dead letters that have not ended. */
  readonly letters: Bury[] = [];
  /** Dead letters so far, as text: "0-9×1 REJECTED". */
  readonly buried: string[] = [];
  readonly held: Persist[] = [];
  readonly done: Done[] = [];
  persisted: Persist[] = [];
  changes = 0;
  settings = settings;
  readonly partition: SharePartition;
  #tickets = 0;

  constructor(log: FetchedBatch[], loaded: Load = { startOffset: 0, batches: [] }) {
    this.log = log;
    this.partition = new SharePartition(() => this.settings, loaded);
    const out: SharePartitionEffect[] = [];
    this.partition.begin(out);
    this.settle(out);
  }

  settle(out: SharePartitionEffect[]): void {
    for (let next = out.shift(); next !== undefined; next = out.shift()) {
      if (next.type === "done") this.done.push(next);
      else if (next.type === "changed") this.changes++;
      else if (next.type === "bury") {
        const { firstOffset, lastOffset, deliveryCount, cause } = next.records;
        this.buried.push(`${firstOffset}-${lastOffset}×${deliveryCount} ${cause}`);
        if (this.holdLetters) this.letters.push(next);
        else this.partition.buried([next.token], out);
      } else {
        this.persisted.push(next);
        if (this.hold) this.held.push(next);
        else this.partition.persisted(this.now, next.token, { errorCode: 0, errorMessage: null }, out);
      }
    }
  }

  /** Ends a held write. */
  finish(write: Persist, errorCode: number): void {
    const out: SharePartitionEffect[] = [];
    const errorMessage = errorCode === 0 ? null : "no";
    this.partition.persisted(this.now, write.token, { errorCode, errorMessage }, out);
    this.settle(out);
  }

  /** Ends held dead letters. */
  bury(...letters: readonly Bury[]): void {
    const out: SharePartitionEffect[] = [];
    this.partition.buried(
      letters.map(({ token }) => token),
      out,
    );
    this.settle(out);
  }

  fetch(memberId = "m", { reads = 1, ...options }: Fetch = {}) {
    const fetchOffset = this.partition.nextFetchOffset();
    const at = this.log.findIndex(({ lastOffset }) => lastOffset >= fetchOffset);
    const batches = at === -1 ? [] : this.log.slice(at, at + reads);
    const defaults = { recordLimit: false, batchSize: 500, maxRecords: 500, aborted: [] };
    return this.partition.acquire(this.now, { memberId, fetchOffset, batches, ...defaults, ...options });
  }

  /** Runs that a fetch acquires, as text: "0-9×1" is ten records delivered for the first time. */
  acquired(memberId = "m", options: Fetch = {}): string[] {
    return this.fetch(memberId, options).records.map(
      ({ firstOffset, lastOffset, deliveryCount }) => `${firstOffset}-${lastOffset}×${deliveryCount}`,
    );
  }

  /** Error code of an acknowledgement; undefined while it is not durable. */
  acknowledge(memberId: string, ...batches: AcknowledgementBatch[]): number | undefined {
    const ticket = ++this.#tickets;
    const out: SharePartitionEffect[] = [];
    this.partition.acknowledge(this.now, ticket, { memberId, batches }, out);
    this.settle(out);
    return this.done.find(done => done.ticket === ticket)?.errorCode;
  }

  say(type: number, firstOffset: number, lastOffset = firstOffset, memberId = "m"): number | undefined {
    return this.acknowledge(memberId, { firstOffset, lastOffset, acknowledgeTypes: [type] });
  }

  release(memberId: string): void {
    const out: SharePartitionEffect[] = [];
    this.partition.release(++this.#tickets, memberId, out);
    this.settle(out);
  }

  pass(ms: number): void {
    const until = this.now + ms;
    for (let at = this.partition.nextDeadline(); at <= until; at = this.partition.nextDeadline()) {
      this.now = Math.max(this.now, at);
      const out: SharePartitionEffect[] = [];
      this.partition.tick(this.now, out);
      this.settle(out);
    }
    this.now = until;
  }

  get lastError(): string | null | undefined {
    return this.done.at(-1)?.errorMessage;
  }
}

export const INVALID_STATE = Errors.INVALID_RECORD_STATE.code;
export const INVALID_REQUEST = Errors.INVALID_REQUEST.code;
