import type { Offset } from "@samsa/base";
import type { LogState, Segment } from "@samsa/log";
import { cutBatches } from "./cut.ts";
import type { LogFiles } from "./log-files.ts";
import { locate, type Position, readAt } from "./lookup.ts";
import type { LogHome } from "./log-home.ts";
import type { ReadOptions, ReadResult } from "./reads.ts";

/** A read that takes longer than this has waited for the device, not only for the page cache. */
const COLD_READ_MS = 2;

/** Reads batches from the segments of one log. */
export class LogReader {
  readonly #state: LogState;
  readonly #files: LogFiles;
  readonly #home: LogHome;
  /** End of the last read, where most consumers continue. */
  #hint: { offset: Offset; segment: Segment; position: number } | undefined;
  #readingAhead = false;

  constructor(home: LogHome, files: LogFiles, state: LogState) {
    this.#home = home;
    this.#files = files;
    this.#state = state;
  }

  /** Forgets positions, since the segments have changed. */
  reset(): void {
    this.#hint = undefined;
  }

  /** Whole batches from the one that contains the offset, which must be in a file; `none` if there are none. */
  read(options: ReadOptions, none: ReadResult): ReadResult {
    const position = this.#position(options.offset);
    if (position === undefined) return none;
    const { segment } = position;
    const room = Math.max(options.maxBytes, options.minOneMessage ? position.size : 0);
    const { buffers, env } = this.#home;
    const bytes = buffers.take(Math.min(room, segment.size - position.position));
    const began = env.clock.monotonic();
    const got = readAt(this.#files.open(segment.file), bytes, position.position);
    const isCold = env.clock.monotonic() - began > COLD_READ_MS;
    const cut = cutBatches(bytes.subarray(0, got), options, room, options.minOneMessage);
    const release = (): void => buffers.give(bytes);
    if (cut.bytes.length === 0) {
      release();
      return none;
    }
    const after = position.position + cut.bytes.byteOffset - bytes.byteOffset + cut.bytes.length;
    this.#hint = { offset: cut.nextOffset, segment, position: after };
    if (isCold) this.#readAhead(cut.nextOffset, room);
    return { error: 0, chunks: [cut.bytes], size: cut.bytes.length, nextOffset: cut.nextOffset, release };
  }

  /** Reads ahead after a read that waited for the device, so that the next one does not wait. */
  #readAhead(offset: Offset, bytes: number): void {
    if (this.#readingAhead) return;
    this.#readingAhead = true;
    this.warm(offset, bytes)
      .finally(() => void (this.#readingAhead = false))
      .catch(this.#home.failed);
  }

  /**
   * Brings the data that `read` needs next at `offset` into the page cache. Does nothing unless the last read ended at
   * `offset`. Rejects with `DiskError`.
   */
  async warm(offset: Offset, maxBytes: number): Promise<void> {
    if (this.#hint?.offset !== offset) return;
    const { segment, position } = this.#hint;
    const size = Math.min(maxBytes, segment.size - position);
    const { buffers, env } = this.#home;
    const path = `${this.#files.path}/${segment.file}`;
    // The segment may be deleted meanwhile; the next `read` deals with that.
    if (size <= 0 || env.disk.stat(path) === undefined) return;
    const file = env.disk.open(path, "read");
    const bytes = buffers.take(size);
    try {
      await file.readLater(bytes, position);
    } finally {
      file.close();
      buffers.give(bytes);
    }
  }

  /** Position of the batch with `offset`, or of the next batch if there is a gap. */
  #position(offset: Offset): Position | undefined {
    const state = this.#state;
    let segment = state.segmentOf(offset) ?? state.oldest;
    const known = this.#hint?.offset === offset && this.#hint.segment === segment ? this.#hint.position : undefined;
    for (let from = known; ; from = 0) {
      const start = from ?? state.loaded(segment).ready().offsets.lookup(offset);
      const found = locate(this.#files.open(segment.file), segment, offset, start);
      if (found !== undefined) return found;
      const next = state.after(segment);
      if (next === undefined) return undefined;
      segment = next;
    }
  }
}
