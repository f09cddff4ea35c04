import { lastEntry, type Offset } from "@samsa/base";

/** Transaction that has begun; `ended`: its marker is in the log. */
export interface OpenTxn {
  readonly firstOffset: Offset;
  ended: boolean;
}

interface EndedTxn {
  readonly firstOffset: Offset;
  /** Offset of the marker. */
  readonly lastOffset: Offset;
}

/** Number of dead entries that an array may have before it is rebuilt. */
const SLACK = 32;

/**
 * Transactions of a log that are open, or whose marker is not below the high watermark yet
 * (`ProducerStateManager.ongoingTxns` and `unreplicatedTxns`). The cost per transaction is constant.
 */
export class UndecidedTxns {
  /** Transactions by first offset; those before `#firstAlive` have ended, and `#dead` of the others. */
  #open: OpenTxn[] = [];
  #firstAlive = 0;
  #dead = 0;
  /**
   * Ended transactions by marker offset. A transaction is left out if one that ended after it began before it, as that
   * one stays undecided for longer. So both offsets ascend, and the first entry is the oldest transaction.
   */
  #ended: EndedTxn[] = [];
  #firstEnded = 0;

  clear(): void {
    this.#open = [];
    this.#firstAlive = 0;
    this.#dead = 0;
    this.#ended = [];
    this.#firstEnded = 0;
  }

  /** Adds a transaction, which must begin after all known ones. */
  begin(firstOffset: Offset): OpenTxn {
    const txn = { firstOffset, ended: false };
    this.#open.push(txn);
    return txn;
  }

  /** Takes the marker of a transaction, which must be after all known markers. */
  end(txn: OpenTxn, lastOffset: Offset): void {
    txn.ended = true;
    this.#dead++;
    for (; this.#open[this.#firstAlive]?.ended === true; this.#firstAlive++) this.#dead--;
    const gone = this.#firstAlive + this.#dead;
    if (gone > SLACK && gone > this.#open.length / 2) {
      this.#open = this.#open.filter(({ ended }) => !ended);
      this.#firstAlive = this.#dead = 0;
    }
    const { firstOffset } = txn;
    while (this.#ended.length > this.#firstEnded && lastEntry(this.#ended).firstOffset >= firstOffset) {
      this.#ended.pop();
    }
    this.#ended.push({ firstOffset, lastOffset });
  }

  /** First offset of the oldest open transaction; -1: none is open. */
  get firstOpen(): Offset {
    return this.#open[this.#firstAlive]?.firstOffset ?? -1;
  }

  /** First offset of the oldest undecided transaction; markers below `highWatermark` decide theirs. -1: none. */
  first(highWatermark: Offset): Offset {
    this.#decide(highWatermark);
    const ended = this.#ended[this.#firstEnded]?.firstOffset ?? -1;
    const open = this.firstOpen;
    return open < 0 || (ended >= 0 && ended < open) ? ended : open;
  }

  #decide(highWatermark: Offset): void {
    const ended = this.#ended;
    let low = this.#firstEnded;
    let high = ended.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ended[middle] as EndedTxn).lastOffset < highWatermark) low = middle + 1;
      else high = middle;
    }
    this.#firstEnded = low;
    if (low <= SLACK || low <= ended.length / 2) return;
    this.#ended = ended.slice(low);
    this.#firstEnded = 0;
  }

  /** Number of kept entries, for tests of the memory. */
  get kept(): number {
    return this.#open.length + this.#ended.length;
  }
}
