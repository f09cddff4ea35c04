import type { Offset } from "@samsa/base";
/** Operation in the log's directory; carry them out in order. `file` is a name inside it. */
export type LogEffect =
  /** Write at a position of a file that may not exist yet. */
  | { readonly kind: "write"; readonly file: string; readonly position: number; readonly bytes: Uint8Array }
  /** Replace the content of the file atomically: write beside it, then rename. The next flush makes it durable. */
  | { readonly kind: "replace"; readonly file: string; readonly bytes: Uint8Array }
  | { readonly kind: "truncate"; readonly file: string; readonly size: number }
  /** Create a file of this size, all zeros. */
  | { readonly kind: "allocate"; readonly file: string; readonly size: number }
  /** Rename to `<file>.deleted` at once, and remove that after `file.delete.delay.ms`. */
  | { readonly kind: "delete"; readonly file: string }
  /** Rename the file. */
  | { readonly kind: "rename"; readonly file: string; readonly to: string }
  /** Remove the file now, if it exists. */
  | { readonly kind: "remove"; readonly file: string }
  /** Flush a closed segment in the background, its indexes and the producer snapshot included. */
  | { readonly kind: "seal" };

/** Suffix of the file of a segment, after its base offset. */
export const LOG_SUFFIX = ".log";
/** Suffix of the offset index of a segment. */
export const OFFSET_INDEX_SUFFIX = ".index";
/** Suffix of the time index of a segment. */
export const TIME_INDEX_SUFFIX = ".timeindex";
/** Suffix of the index of aborted transactions of a segment. */
export const TXN_INDEX_SUFFIX = ".txnindex";
/** Suffix of a snapshot of producer states, after the offset at which it was taken. */
export const SNAPSHOT_SUFFIX = ".snapshot";
/** Suffix after the full name of a file that will be deleted. */
export const DELETED_SUFFIX = ".deleted";
/** Suffix after the full name of a file that a compaction is writing. */
export const CLEANED_SUFFIX = ".cleaned";
/** Suffix after the full name of a compacted file that replaces others. */
export const SWAP_SUFFIX = ".swap";
/** Suffix of an empty file, named by the offset to which the log was cut after the last checkpoints. */
export const CUT_SUFFIX = ".cut";
/** Name of the file with the leader epochs of a log and their start offsets. */
export const EPOCH_FILE = "leader-epoch-checkpoint";
/** Name of the file with the topic id of a log. */
export const PARTITION_FILE = "partition.metadata";

/** Name of a file: `offset` in 20 digits, then `suffix`. */
export function fileName(offset: Offset, suffix: string): string {
  return String(offset).padStart(20, "0") + suffix;
}

/** Offset in a file name of 20 digits and `suffix`; -1 for other names. */
export function offsetOfFile(name: string, suffix: string): Offset {
  if (name.length !== 20 + suffix.length || !name.endsWith(suffix)) return -1;
  for (let i = 0; i < 20; i++) {
    const code = name.charCodeAt(i);
    if (code < 48 || code > 57) return -1;
  }
  return Number(name.slice(0, 20));
}
