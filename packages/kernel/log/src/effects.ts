/** What the log wants done in its directory, in order. `file` is a name inside it. */
export type LogEffect =
  /** Write at a position of a file that may not exist yet. */
  | { readonly kind: "write"; readonly file: string; readonly position: number; readonly bytes: Uint8Array }
  /** Make the file be exactly `bytes`, atomically: beside it, rename. The next flush makes it durable. */
  | { readonly kind: "replace"; readonly file: string; readonly bytes: Uint8Array }
  | { readonly kind: "truncate"; readonly file: string; readonly size: number }
  /** Make a new file this long, all zeros. */
  | { readonly kind: "allocate"; readonly file: string; readonly size: number }
  /** Rename to `<file>.deleted` at once, and remove that after `file.delete.delay.ms`. */
  | { readonly kind: "delete"; readonly file: string }
  /** Give a file another name. */
  | { readonly kind: "rename"; readonly file: string; readonly to: string }
  /** Remove now, if it is there. */
  | { readonly kind: "remove"; readonly file: string }
  /** A segment has been closed: flush it in the background, its indexes and the producer snapshot included. */
  | { readonly kind: "seal" };

export const LOG_SUFFIX = ".log";
export const OFFSET_INDEX_SUFFIX = ".index";
export const TIME_INDEX_SUFFIX = ".timeindex";
export const TXN_INDEX_SUFFIX = ".txnindex";
export const SNAPSHOT_SUFFIX = ".snapshot";
export const DELETED_SUFFIX = ".deleted";
export const CLEANED_SUFFIX = ".cleaned";
export const SWAP_SUFFIX = ".swap";
/** Suffix of an empty file, named by the offset to which the log was cut after the last checkpoints. */
export const CUT_SUFFIX = ".cut";
export const EPOCH_FILE = "leader-epoch-checkpoint";
export const PARTITION_FILE = "partition.metadata";

/** `offset` in 20 digits, then `suffix`. */
export function fileName(offset: number, suffix: string): string {
  return String(offset).padStart(20, "0") + suffix;
}

/** The offset in a file name of 20 digits and `suffix`; -1 when it is none. */
export function offsetOfFile(name: string, suffix: string): number {
  if (name.length !== 20 + suffix.length || !name.endsWith(suffix)) return -1;
  for (let i = 0; i < 20; i++) {
    const code = name.charCodeAt(i);
    if (code < 48 || code > 57) return -1;
  }
  return Number(name.slice(0, 20));
}
