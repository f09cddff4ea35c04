import type { Offset } from "@samsa/base";
/** Range and size of a read from a log. */
export interface ReadOptions {
  readonly offset: Offset;
  readonly maxBytes: number;
  /** Returns the first batch even if it is larger than `maxBytes`. */
  readonly minOneMessage: boolean;
  /**
   * Batches whose base offset is at or above this are left out: the high watermark, last stable offset or log end
   * offset.
   */
  readonly limitOffset: Offset;
}

/** Batches from a log, or an error. */
export interface ReadResult {
  /** 0, or OFFSET_OUT_OF_RANGE (1). */
  readonly error: number;
  /** Whole batches in order, beginning with the one that contains the offset. */
  readonly chunks: Uint8Array[];
  readonly size: number;
  /** Offset after the last batch; the requested offset if there is none. */
  readonly nextOffset: Offset;
  /** Gives the memory of `chunks` back for reuse. The caller calls it when it no longer reads them. */
  readonly release?: () => void;
}
