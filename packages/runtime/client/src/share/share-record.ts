import type { AcquiredRecords } from "@samsa/client-kernel";
import { ConsumedRecord } from "../consume/consumed-record.ts";

/** Record that a share consumer has acquired: no other member gets it until its lock is over. */
export class ShareRecord extends ConsumedRecord {
  /** Number of deliveries of the record, this one included; brokers archive it after `share.delivery.count.limit`. */
  readonly deliveryCount: number;
  readonly #acquired: AcquiredRecords;
  readonly #slot: number;

  /** Copies the positions of the current record. */
  constructor(acquired: AcquiredRecords) {
    super(acquired);
    this.deliveryCount = acquired.deliveryCount;
    this.#acquired = acquired;
    this.#slot = acquired.slot;
  }

  /** Account of the record's lock and acknowledgement, and its number there. */
  get account(): { readonly acquired: AcquiredRecords; readonly slot: number } {
    return { acquired: this.#acquired, slot: this.#slot };
  }

  /** False once it is acknowledged. */
  get isHeld(): boolean {
    return this.#acquired.isHeld(this.#slot);
  }

  /** Monotonic time in ms at which the lock ends; −Infinity: the record is acknowledged. */
  get lockedUntil(): number {
    return this.#acquired.lockOf(this.#slot);
  }

  /** True if another member may have the record by now. */
  isLost(now: number): boolean {
    return this.#acquired.isLost(this.#slot, now);
  }
}
