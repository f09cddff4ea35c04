import type { Offset } from "@samsa/base";
import type { ShareCommit } from "./share-commit.ts";

/** Acknowledgements of neighbouring offsets, as requests carry them: one type for all, or one for each. */
export interface AcknowledgementBatch {
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  readonly acknowledgeTypes: readonly number[];
}

/** Offsets in a row with the same type. */
interface Run {
  readonly firstOffset: Offset;
  lastOffset: Offset;
  readonly type: number;
}

/** Longest run that is written as one type for each offset, beside others of that kind. */
const SHORT = 8;

/** Acknowledgements of one partition that go together (`Acknowledgements`). No offset is added twice. */
export class AcknowledgementSet {
  readonly #runs: Run[] = [];
  /** Commits that wait for the end of these. */
  readonly commits: ShareCommit[] = [];
  /** Number of offsets. */
  size = 0;

  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  add(firstOffset: Offset, lastOffset: Offset, type: number): void {
    const last = this.#runs.at(-1);
    this.size += lastOffset - firstOffset + 1;
    if (last !== undefined && last.type === type && last.lastOffset + 1 === firstOffset) last.lastOffset = lastOffset;
    else this.#runs.push({ firstOffset, lastOffset, type });
  }

  /** Takes over all of another set, which came before. */
  absorb(other: AcknowledgementSet): void {
    for (const { firstOffset, lastOffset, type } of other.#runs) this.add(firstOffset, lastOffset, type);
    this.commits.push(...other.commits);
  }

  /** Batches in the order of their offsets. */
  batches(): AcknowledgementBatch[] {
    const batches: { firstOffset: Offset; lastOffset: Offset; acknowledgeTypes: number[] }[] = [];
    /** The last batch is of short runs only, so it may have one type for each offset. */
    let isOpen = false;
    for (const { firstOffset, lastOffset, type } of joined(this.#runs)) {
      const last = batches.at(-1);
      const isShort = lastOffset - firstOffset < SHORT;
      if (isOpen && isShort && last !== undefined && last.lastOffset + 1 === firstOffset) {
        const [first = type] = last.acknowledgeTypes;
        // A single type stands for all offsets so far.
        while (last.acknowledgeTypes.length <= last.lastOffset - last.firstOffset) last.acknowledgeTypes.push(first);
        for (let offset = firstOffset; offset <= lastOffset; offset++) last.acknowledgeTypes.push(type);
        last.lastOffset = lastOffset;
      } else batches.push({ firstOffset, lastOffset, acknowledgeTypes: [type] });
      isOpen = isShort;
    }
    return batches;
  }
}

/** Runs in order; those in a row with the same type are one. */
function joined(runs: readonly Run[]): Run[] {
  const all: Run[] = [];
  for (const run of runs.toSorted((a, b) => a.firstOffset - b.firstOffset)) {
    const last = all.at(-1);
    if (last !== undefined && last.type === run.type && last.lastOffset + 1 === run.firstOffset) {
      last.lastOffset = run.lastOffset;
    } else all.push({ ...run });
  }
  return all;
}
