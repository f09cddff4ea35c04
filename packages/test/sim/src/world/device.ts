import { fromUtf8 } from "@samsa/base";
import { BatchCursor } from "@samsa/records";
import type { SimDisk } from "./disk.ts";

const RECOVERY_POINTS = "recovery-point-offset-checkpoint";
const SEGMENT = /^(\d{20})\.log$/;
const CUT = /^(\d{20})\.cut$/;

/** Segments of a log, and the position from which recovery has to read: everything below `from` was flushed. */
export interface Vouched {
  readonly bases: readonly number[];
  /** Base offset of the segment with the recovery point; Infinity after a clean shutdown. */
  readonly from: number;
}

function read(disk: SimDisk, path: string): string {
  const view = disk.mount();
  if (view.stat(path) === undefined) return "";
  const file = view.open(path, "read");
  const bytes = new Uint8Array(file.size());
  file.read(bytes, 0);
  file.close();
  return fromUtf8(bytes);
}

function offsetsOf(names: readonly string[], pattern: RegExp): number[] {
  return names.flatMap(name => pattern.exec(name)?.[1] ?? []).map(Number);
}

/** Reads the recovery state of the log `name` from the files of a log directory, before a start. */
export function vouchedFor(disk: SimDisk, root: string, name: string): Vouched {
  const view = disk.mount();
  const names = view.list(`${root}/${name}`).map(entry => entry.name);
  const bases = offsetsOf(names, SEGMENT);
  if (view.stat(`${root}/.kafka_cleanshutdown`) !== undefined) return { bases, from: Infinity };
  const dash = name.lastIndexOf("-");
  const line = `${name.slice(0, dash)} ${name.slice(dash + 1)} `;
  const entry = read(disk, `${root}/${RECOVERY_POINTS}`)
    .split("\n")
    .find(text => text.startsWith(line));
  const point = Math.min(Number(entry?.slice(line.length) ?? 0), ...offsetsOf(names, CUT));
  return { bases, from: Math.max(0, ...bases.filter(base => base <= point)) };
}

/** First offset of the oldest transaction without a marker in the synced bytes of the log at `path`; else Infinity. */
export function decidedOnDevice(disk: SimDisk, path: string): number {
  const open = new Map<bigint, number>();
  const files = disk.mount().list(path);
  for (const { name } of files) {
    if (!SEGMENT.test(name)) continue;
    for (const batch = new BatchCursor(disk.durableBytes(`${path}/${name}`)); batch.next(); ) {
      if (!batch.isTransactional) continue;
      if (batch.isControl) open.delete(batch.producerId);
      else if (!open.has(batch.producerId)) open.set(batch.producerId, batch.baseOffset);
    }
  }
  return Math.min(Infinity, ...open.values());
}

/** Logs that the broker reads only when asked: no coordinator loads them, and none is compacted. */
const IDLE_LOG = /^(?:temp-\d|plain|flushed|odd)-\d+$/;
/** Bytes at the beginning of a segment that a start may read, for the timestamp of its first batch. */
const HEAD_BYTES = 100;

/**
 * Counts the bytes that a start reads from segments below the recovery point. `done` returns the path of a segment that
 * was read needlessly, or undefined.
 */
export function watchStart(disk: SimDisk, roots: readonly string[]): { done(): string | undefined } {
  const trusted = new Map<string, number>();
  const view = disk.mount();
  const names = roots.flatMap(root => (view.stat(root) === undefined ? [] : view.list(root).map(entry => entry.name)));
  for (const root of roots.filter(path => view.stat(path) !== undefined)) {
    for (const { name } of view.list(root).filter(entry => IDLE_LOG.test(entry.name))) {
      // A move between directories copies its log from the beginning.
      if (names.some(other => other.startsWith(`${name}.`))) continue;
      const { bases, from } = vouchedFor(disk, root, name);
      for (const base of bases.filter(other => other < from)) {
        trusted.set(`${root}/${name}/${String(base).padStart(20, "0")}.log`, 0);
      }
    }
  }
  disk.onRead = (path, bytes) => {
    const before = trusted.get(path);
    if (before !== undefined) trusted.set(path, before + bytes);
  };
  return {
    done: () => {
      disk.onRead = undefined;
      return [...trusted].find(([, bytes]) => bytes > HEAD_BYTES)?.[0];
    },
  };
}
