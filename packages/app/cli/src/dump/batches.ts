import { type Crc32c, type DiskFile, viewOf } from "@samsa/base";
import { BatchCursor, batchSize, CODEC_NAMES, FIELD, HEADER_SIZE, MAGIC } from "@samsa/records";

/** Batch at `position`; valid until the next step. */
interface Found {
  readonly kind: "batch";
  readonly position: number;
  readonly batch: BatchCursor;
  readonly intact: boolean;
}

/** Batch, or bytes that are not a batch. */
export type Step =
  | Found
  | {
      readonly kind: "gap";
      readonly position: number;
      readonly size: number;
      readonly reason: string;
      /** False for the unfinished end that a running or stopped writer leaves. */
      readonly damage: boolean;
    };

const CHUNK = 1024 * 1024;
/** Maximum batch size. A greater length is damage, and no memory is allocated for it. */
const LARGEST_BATCH = 256 * 1024 * 1024;

/** Buffered window over a file. */
class Window {
  readonly #file: DiskFile;
  bytes = new Uint8Array(0);
  #from = 0;
  #length = 0;

  constructor(file: DiskFile) {
    this.#file = file;
  }

  /** Index in `bytes` of the `size` bytes at `position` of the file; -1 if the file ends before. */
  at(position: number, size: number): number {
    if (position < this.#from || position + size > this.#from + this.#length) {
      if (this.bytes.length < size || this.bytes.length === 0) this.bytes = new Uint8Array(Math.max(CHUNK, size));
      this.#from = position;
      this.#length = this.#file.read(this.bytes, position);
    }
    return size > this.#length - (position - this.#from) ? -1 : position - this.#from;
  }
}

/** Reason why there is no batch; `cut` if it may be an incomplete one. */
interface Fault {
  readonly reason: string;
  readonly cut?: true;
}

const SHRUNK: Fault = { reason: "the file has become shorter", cut: true };

/** Reason why no batch can begin at `position`; undefined if one can. */
function faultAt(window: Window, position: number, end: number): Fault | undefined {
  if (end - position < HEADER_SIZE) return { reason: "less than a batch's header", cut: true };
  const at = window.at(position, HEADER_SIZE);
  if (at < 0) return SHRUNK;
  const view = viewOf(window.bytes);
  const magic = view.getInt8(at + FIELD.magic);
  const size = batchSize(view, at);
  const high = view.getInt32(at);
  if (magic === 0 || magic === 1) return { reason: `a message of the old format ${magic}` };
  if (magic !== MAGIC) return { reason: `format ${magic} is not known` };
  if (size < HEADER_SIZE || size > LARGEST_BATCH) return { reason: `a batch of ${size} bytes cannot be` };
  if (high < 0 || high >= 0x200000) return { reason: "the offset cannot be" };
  if (position + size > end)
    return { reason: `a batch of ${size} bytes of which ${end - position} are there`, cut: true };
  return undefined;
}

/** True if a header without a fault is plausible enough to read the whole batch. */
function likely(batch: BatchCursor): boolean {
  const { attributes, lastOffsetDelta, count } = batch;
  return (
    attributes >= 0 &&
    attributes < 0x80 &&
    batch.codec < CODEC_NAMES.length &&
    count >= 0 &&
    count <= lastOffsetDelta + 1
  );
}

/** Position of the next intact batch at or after `position`; -1 without one. */
function findBatch(window: Window, position: number, end: number, crc32c: Crc32c): number {
  const batch = new BatchCursor();
  for (let p = position; p + HEADER_SIZE <= end; p++) {
    const at = window.at(p, HEADER_SIZE);
    if (at < 0) return -1;
    if (window.bytes[at + FIELD.magic] !== MAGIC || faultAt(window, p, end) !== undefined) continue;
    const header = window.at(p, HEADER_SIZE);
    const size = batchSize(viewOf(window.bytes), header);
    if (!likely(batch.reset(window.bytes, header))) continue;
    const from = window.at(p, size);
    if (from >= 0 && batch.reset(window.bytes, from, from + size).next() && batch.intact(crc32c)) return p;
  }
  return -1;
}

function onlyZeros(window: Window, position: number, end: number): boolean {
  for (let p = position; p < end; ) {
    const size = Math.min(CHUNK, end - p);
    const at = window.at(p, size);
    if (at < 0 || window.bytes.subarray(at, at + size).some(byte => byte !== 0)) return false;
    p += size;
  }
  return true;
}

/** Reads the batch at `position`. Its length counts only if its CRC is right or another batch or the end follows. */
function batchAt(window: Window, position: number, end: number, crc32c: Crc32c): Found | { readonly fault: Fault } {
  const fault = faultAt(window, position, end);
  if (fault !== undefined) return { fault };
  const size = batchSize(viewOf(window.bytes), window.at(position, HEADER_SIZE));
  const batch = new BatchCursor();
  const read = (): boolean => {
    const at = window.at(position, size);
    return at >= 0 && batch.reset(window.bytes, at, at + size).next();
  };
  if (!read()) return { fault: SHRUNK };
  const intact = batch.intact(crc32c);
  if (!intact && position + size < end && faultAt(window, position + size, end) !== undefined) {
    return { fault: { reason: "the checksum is wrong, and no batch follows" } };
  }
  // The check of the next batch may have moved the window.
  if (!intact && !read()) return { fault: SHRUNK };
  return { kind: "batch", position, batch, intact };
}

/**
 * Yields the batches of a file up to `end`. Other bytes are skipped up to the next intact batch and reported as a gap.
 * A batch with a wrong CRC has `intact` false.
 */
export function* batchesOf(file: DiskFile, end: number, crc32c: Crc32c): Generator<Step> {
  const window = new Window(file);
  for (let position = 0; position < end; ) {
    const found = batchAt(window, position, end, crc32c);
    if ("kind" in found) {
      const { size } = found.batch;
      yield found;
      position += size;
      continue;
    }
    if (onlyZeros(window, position, end)) {
      return yield { kind: "gap", position, size: end - position, reason: "only zeros follow", damage: false };
    }
    const next = findBatch(window, position + 1, end, crc32c);
    const { reason, cut } = found.fault;
    yield {
      kind: "gap",
      position,
      size: (next < 0 ? end : next) - position,
      reason,
      damage: next >= 0 || cut !== true,
    };
    if (next < 0) return;
    position = next;
  }
}
