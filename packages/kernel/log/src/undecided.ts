/** A transaction that has begun. */
export interface OpenTxn {
  readonly firstOffset: number;
  ended: boolean;
}

interface EndedTxn {
  readonly firstOffset: number;
  /** The marker's. */
  readonly lastOffset: number;
}

/** So many entries of an array may be dead before it is made anew. */
const SLACK = 32;

/**
 * The transactions of a log that are open, or whose marker is not below the high watermark yet
 * (`ProducerStateManager.ongoingTxns` and `unreplicatedTxns`). Each costs the same however many others there are.
 */
export class UndecidedTxns {
  /** Transactions in the order of their first offsets; those before `#firstAlive` have ended, and `#dead` of the others too. */
  #open: OpenTxn[] = [];
  #firstAlive = 0;
  #dead = 0;
  /**
   * By marker. A transaction is left out when one that ended after it began before it: that one is undecided for longer
   * and says more. So both offsets ascend, and the first entry is the oldest transaction.
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

  /** Notes a transaction that begins after all that are known. */
  begin(firstOffset: number): OpenTxn {
    const txn = { firstOffset, ended: false };
    this.#open.push(txn);
    return txn;
  }

  /** Notes the marker of a transaction, which is after all markers that are known. */
  end(txn: OpenTxn, lastOffset: number): void {
    txn.ended = true;
    this.#dead++;
    for (; this.#open[this.#firstAlive]?.ended === true; this.#firstAlive++) this.#dead--;
    const gone = this.#firstAlive + this.#dead;
    if (gone > SLACK && gone > this.#open.length / 2) {
      this.#open = this.#open.filter(({ ended }) => !ended);
      this.#firstAlive = this.#dead = 0;
    }
    const { firstOffset } = txn;
    while (this.#ended.length > this.#firstEnded && this.#ended[this.#ended.length - 1].firstOffset >= firstOffset) {
      this.#ended.pop();
    }
    this.#ended.push({ firstOffset, lastOffset });
  }

  /** First offset of the oldest open transaction; -1 when none is open. */
  get firstOpen(): number {
    return this.#open[this.#firstAlive]?.firstOffset ?? -1;
  }

  /** First offset of the oldest undecided transaction, once all below `highWatermark` are decided; -1 for none. */
  first(highWatermark: number): number {
    this.#decide(highWatermark);
    const ended = this.#ended[this.#firstEnded]?.firstOffset ?? -1;
    const open = this.firstOpen;
    return open < 0 || (ended >= 0 && ended < open) ? ended : open;
  }

  #decide(highWatermark: number): void {
    const ended = this.#ended;
    let low = this.#firstEnded;
    let high = ended.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ended[middle].lastOffset < highWatermark) low = middle + 1;
      else high = middle;
    }
    this.#firstEnded = low;
    if (low <= SLACK || low <= ended.length / 2) return;
    this.#ended = ended.slice(low);
    this.#firstEnded = 0;
  }

  /** Entries that are kept, for tests of how much that is. */
  get kept(): number {
    return this.#open.length + this.#ended.length;
  }
}
