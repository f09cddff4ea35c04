import { type DiskFile, type Env, getI64, type Int64, type LeaderEpoch, type Offset, viewOf } from "@samsa/base";
import type { LogState, Segment } from "@samsa/log";
import { BatchCursor, batchSize, FIELD, HEADER_SIZE, RecordCursor } from "@samsa/records";

/** Place of a batch in a segment's file. */
export interface Position {
  readonly segment: Segment;
  readonly position: number;
  /** Bytes of the batch. */
  readonly size: number;
}

/** A record found by its timestamp (ListOffsets). */
export interface TimestampOffset {
  readonly offset: Offset;
  readonly timestamp: Int64;
  /** -1 if unknown. */
  readonly leaderEpoch: LeaderEpoch;
}

const WINDOW = 8192;

/** Reads into `target` as `DiskFile.read`; an empty target costs no system call. */
export function readAt(file: DiskFile, target: Uint8Array, position: number): number {
  return target.length === 0 ? 0 : file.read(target, position);
}

/** Takes a batch header at `head` of `view`, of a batch at `position` of its segment. True ends the walk. */
type Visit = (position: number, view: DataView, head: number) => boolean;

/** Visits batch headers of a segment from `start` on. */
function walk(file: DiskFile, segment: Segment, start: number, visit: Visit): void {
  const window = new Uint8Array(Math.max(0, Math.min(WINDOW, segment.size - start)));
  const view = viewOf(window);
  let from = 0;
  let filled = 0;
  for (let at = start; at + HEADER_SIZE <= segment.size; ) {
    if (filled === 0 || at < from || at + HEADER_SIZE > from + filled) {
      from = at;
      filled = readAt(file, window, at);
      if (filled < HEADER_SIZE) return;
    }
    const size = batchSize(view, at - from);
    if (size < HEADER_SIZE || visit(at, view, at - from)) return;
    at += size;
  }
}

function lastOffset(view: DataView, head: number): Offset {
  return view.getInt32(head) * 4294967296 + view.getUint32(head + 4) + view.getInt32(head + 23);
}

/** Position of the first batch that ends at or after `offset`, searched from position `start` on. */
export function locate(file: DiskFile, segment: Segment, offset: Offset, start: number): Position | undefined {
  let found: Position | undefined;
  walk(file, segment, start, (position, view, head) => {
    if (lastOffset(view, head) < offset) return false;
    found = { segment, position, size: batchSize(view, head) };
    return true;
  });
  return found;
}

/** Updates the segment's largest timestamp from the batches after the last entry of the time index. */
export function remeasure(file: DiskFile, segment: Segment): void {
  const { offsets, times } = segment.ready();
  walk(file, segment, offsets.lookup(times.lastOffset), (_position, view, head) => {
    segment.noteTimestamp(getI64(view, head + FIELD.maxTimestamp), lastOffset(view, head));
    return false;
  });
}

/** First record that `wanted` accepts in the batch at `at`. */
function recordIn(file: DiskFile, at: Position, env: Env, wanted: (timestamp: Int64, offset: Offset) => boolean) {
  const bytes = new Uint8Array(at.size);
  const batch = new BatchCursor(bytes, 0, readAt(file, bytes, at.position));
  if (!batch.next()) return undefined;
  const record = new RecordCursor().open(batch, env.codecs);
  while (record.next()) {
    if (wanted(record.timestamp, record.offset)) {
      return { offset: record.offset, timestamp: record.timestamp, leaderEpoch: batch.leaderEpoch };
    }
  }
  return undefined;
}

/** First record at or after the log start offset whose timestamp is at least `timestamp`. */
export function timestampLookup(
  state: LogState,
  open: (name: string) => DiskFile,
  timestamp: Int64,
  env: Env,
): TimestampOffset | undefined {
  for (const segment of state.segments) {
    if (state.measured(segment).maxTimestamp < timestamp) continue;
    const { offsets, times } = state.loaded(segment).ready();
    const from = Math.max(times.lookup(timestamp), state.startOffset);
    const file = open(segment.file);
    let found: TimestampOffset | undefined;
    walk(file, segment, offsets.lookup(from), (position, view, head) => {
      const maxTimestamp = getI64(view, head + FIELD.maxTimestamp);
      if (maxTimestamp < timestamp) return false;
      const at = { segment, position, size: batchSize(view, head) };
      found = recordIn(file, at, env, (time, offset) => time >= timestamp && offset >= state.startOffset);
      return found !== undefined;
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Record with the largest timestamp; the first of them if several have it. */
export function latestTimestamp(
  state: LogState,
  open: (name: string) => DiskFile,
  env: Env,
): TimestampOffset | undefined {
  let best: Segment | undefined;
  let latest: Int64 = -1;
  for (const segment of state.segments) {
    if (state.measured(segment).maxTimestamp <= latest) continue;
    best = segment;
    latest = segment.maxTimestamp;
  }
  if (best === undefined) return undefined;
  const file = open(best.file);
  const at = locate(
    file,
    best,
    best.offsetOfMaxTimestamp,
    state.loaded(best).ready().offsets.lookup(best.offsetOfMaxTimestamp),
  );
  return at && recordIn(file, at, env, time => time === latest);
}
