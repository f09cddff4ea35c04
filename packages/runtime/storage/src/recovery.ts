import { type Env, getI64, MalformedError, sameBytes, viewOf } from "@samsa/base";
import {
  CLEANED_SUFFIX,
  DELETED_SUFFIX,
  EPOCH_FILE,
  fileName,
  fitsIndex,
  type IndexCache,
  type IndexReader,
  LOG_SUFFIX,
  type LogConfig,
  type LogEffect,
  LogScanner,
  LogState,
  OFFSET_INDEX_SUFFIX,
  offsetOfFile,
  ProducerStates,
  readEpochs,
  readSnapshot,
  type ScanTarget,
  type Segment,
  SNAPSHOT_SUFFIX,
  SWAP_SUFFIX,
  TIME_INDEX_SUFFIX,
  TXN_INDEX_SUFFIX,
} from "@samsa/log";
import { FIELD, HEADER_SIZE, type Tools } from "@samsa/records";
import { overwrite, readPart, readWhole, removeIfThere } from "./files.ts";

const SCAN_CHUNK = 4 << 20;
const NO_BYTES = new Uint8Array(0);

export interface LoadOptions {
  readonly env: Env;
  /** Where the log is, now and when it has been renamed. */
  readonly place: { readonly path: string };
  readonly config: LogConfig;
  readonly indexes: IndexCache;
  /** The directory was closed properly. */
  readonly clean: boolean;
  /** Everything before it was flushed; -1 when that is not known. */
  readonly recoveryPoint: number;
  /** Everything before it was compacted. */
  readonly cleanedTo: number;
  readonly startOffset: number;
  /** Names of the files in the log's directory. */
  readonly names: readonly string[];
}

function toolsOf(env: Env): Tools {
  return { crc32c: env.crypto.crc32c, codecs: env.codecs };
}

/** Feeds a segment's file to a scanner. */
function scan(path: string, env: Env, target: Omit<ScanTarget, "tools" | "fileSize">): LogScanner {
  const file = env.disk.open(`${path}/${target.segment.file}`, "read");
  try {
    const fileSize = file.size();
    const scanner = new LogScanner({ ...target, tools: toolsOf(env), fileSize });
    const chunk = new Uint8Array(Math.min(SCAN_CHUNK, fileSize));
    for (let at = 0; at < fileSize; ) {
      const got = file.read(chunk, at);
      at += got;
      if (got === 0 || !scanner.feed(chunk.subarray(0, got))) break;
    }
    return scanner;
  } finally {
    file.close();
  }
}

/** Time index entries that tell the youngest record, and whether they can be right. */
const LAST_TIMES = 2;

/** Reads indexes when they are first needed, and rebuilds them when the files cannot be right. */
class FileIndexReader implements IndexReader {
  readonly #place: LoadOptions["place"];
  readonly #env: Env;
  /** Index interval of the log, from when it has been loaded. */
  log: { readonly config: LogConfig };

  constructor({ place, env, config }: LoadOptions) {
    this.#place = place;
    this.#env = env;
    this.log = { config };
  }

  #pathOf(segment: Segment, suffix: string): string {
    return `${this.#place.path}/${fileName(segment.base, suffix)}`;
  }

  attach(segment: Segment): void {
    const env = this.#env;
    const { path } = this.#place;
    const offsets = readWhole(env.disk, this.#pathOf(segment, OFFSET_INDEX_SUFFIX));
    const times = readWhole(env.disk, this.#pathOf(segment, TIME_INDEX_SUFFIX));
    if (offsets !== undefined && times !== undefined && segment.attach(offsets, times)) return;
    env.logger.warn("the index of a segment is rebuilt", { path, segment: segment.file });
    // Keep the file of aborted transactions: they can be rebuilt only from producer state, which this scan lacks.
    const { hasTxns } = segment;
    scan(path, env, {
      segment,
      producers: new ProducerStates(),
      epochs: undefined,
      indexIntervalBytes: this.log.config.indexIntervalBytes,
      rebuild: true,
      producersFrom: Infinity,
      expected: segment.base,
    });
    segment.hasTxns = hasTxns;
    segment.txns = undefined;
    rewriteIndexes(segment, { path, env }, { lasting: true, hadTxns: hasTxns });
  }

  measure(segment: Segment): void {
    const { disk } = this.#env;
    const size = FIELD.maxTimestamp + 8;
    const header = readPart(disk, this.#pathOf(segment, LOG_SUFFIX), { from: 0, size });
    const first = header?.length === size ? getI64(viewOf(header), FIELD.maxTimestamp) : -1;
    const ofTimes = { from: -LAST_TIMES * 12, size: LAST_TIMES * 12 };
    const times = readPart(disk, this.#pathOf(segment, TIME_INDEX_SUFFIX), ofTimes);
    if (times !== undefined && segment.measure(first, times)) return;
    this.attach(segment);
    segment.firstTimestamp = first;
  }

  txns(segment: Segment): Uint8Array {
    const bytes = readWhole(this.#env.disk, this.#pathOf(segment, TXN_INDEX_SUFFIX)) ?? NO_BYTES;
    return bytes.subarray(0, bytes.length - (bytes.length % 34));
  }
}

interface Where {
  readonly path: string;
  readonly env: Env;
}

/**
 * Writes rebuilt indexes to their files. `lasting`: they are on the device when the function returns. `hadTxns`: the segment
 * has had aborted transactions in its index.
 */
function rewriteIndexes(
  segment: Segment,
  { path, env }: Where,
  { lasting, hadTxns }: { readonly lasting: boolean; readonly hadTxns: boolean },
): void {
  const suffixes = [OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, ...(segment.txns === undefined ? [] : [TXN_INDEX_SUFFIX])];
  const wanted = new Map<string, Uint8Array>(suffixes.map(suffix => [fileName(segment.base, suffix), NO_BYTES]));
  const out: LogEffect[] = [];
  segment.writeIndexes(true, out);
  for (const effect of out) if (effect.kind === "write") wanted.set(effect.file, effect.bytes);
  let isChanged = false;
  for (const [name, bytes] of wanted) {
    // Most segments have no index of aborted transactions.
    const isGone = bytes.length === 0 && name.endsWith(TXN_INDEX_SUFFIX);
    if (isGone && !hadTxns) continue;
    const file = `${path}/${name}`;
    const before = readWhole(env.disk, file);
    // Files that are right already stay: a start after kill -9 then waits for no device.
    if (before !== undefined && sameBytes(before, bytes)) continue;
    isChanged = true;
    if (isGone) removeIfThere(env.disk, file);
    else overwrite(env.disk, file, bytes, lasting);
  }
  if (lasting && isChanged) env.disk.syncDirectoryNow(path);
}

interface Listing {
  readonly bases: number[];
  readonly snapshots: number[];
  /** Base offsets of segments that a compaction was about to put in the place of others. */
  readonly swapped: number[];
  readonly hasEpochs: boolean;
  /** Base offsets of segments with an index of aborted transactions. */
  readonly txns: ReadonlySet<number>;
}

/** Finishes what was under way when the log was last used, and tells what files there are. */
function listFiles(names: readonly string[], path: string, env: Env): Listing {
  const { disk } = env;
  const bases: number[] = [];
  const snapshots: number[] = [];
  const swapped: number[] = [];
  let hasEpochs = false;
  const txns = new Set<number>();
  // While a file of a compacted segment still has this name, those that have the next one already are not to be used.
  const unfinished = Math.min(
    ...names.filter(name => name.endsWith(CLEANED_SUFFIX)).map(name => Number(name.slice(0, 20))),
  );
  const given = names.filter(name => name.endsWith(SWAP_SUFFIX) && Number(name.slice(0, 20)) >= unfinished);
  for (const name of given) disk.removeFile(`${path}/${name}`);
  if (given.length > 0) disk.syncDirectoryNow(path);
  for (const name of names) {
    if (given.includes(name)) continue;
    if (name.endsWith(DELETED_SUFFIX) || name.endsWith(CLEANED_SUFFIX) || name.endsWith(".tmp")) {
      disk.removeFile(`${path}/${name}`);
      continue;
    }
    let final = name;
    if (name.endsWith(SWAP_SUFFIX)) {
      final = name.slice(0, -SWAP_SUFFIX.length);
      disk.rename(`${path}/${name}`, `${path}/${final}`);
      const base = offsetOfFile(final, LOG_SUFFIX);
      if (base >= 0) swapped.push(base);
    }
    if (final === EPOCH_FILE) hasEpochs = true;
    const base = offsetOfFile(final, LOG_SUFFIX);
    if (base >= 0 && !bases.includes(base)) bases.push(base);
    txns.add(offsetOfFile(final, TXN_INDEX_SUFFIX));
    const snapshot = offsetOfFile(final, SNAPSHOT_SUFFIX);
    if (snapshot >= 0) snapshots.push(snapshot);
  }
  bases.sort((a, b) => a - b);
  snapshots.sort((a, b) => a - b);
  return { bases, snapshots, swapped, hasEpochs, txns };
}

/** The log in `path`, brought to a state that its files bear out. */
export function loadState(options: LoadOptions): LogState {
  const { env, place, config } = options;
  const { path } = place;
  const listing = listFiles(options.names, path, env);
  const reader = new FileIndexReader(options);
  const state = new LogState({
    tools: toolsOf(env),
    config,
    draw: () => env.random.next(),
    cache: options.indexes,
    reader,
  });
  reader.log = state;
  for (const base of listing.bases) {
    const found = env.disk.stat(`${path}/${fileName(base, LOG_SUFFIX)}`);
    const modified = found?.modified ?? 0;
    const segment = state.openSegment(base, found?.size ?? 0, { created: modified, modified });
    // Most segments have no such file, and compaction leaves empty ones.
    segment.hasTxns =
      listing.txns.has(base) && (env.disk.stat(`${path}/${fileName(base, TXN_INDEX_SUFFIX)}`)?.size ?? 0) > 0;
  }
  state.snapshots = listing.snapshots;
  state.producers.snapshotOffset = listing.snapshots.at(-1) ?? -1;
  const epochsLost = listing.hasEpochs && !loadEpochs(state, path, env);
  if (state.segments.length === 0) {
    createFirst(state, options);
    return state;
  }
  for (const base of listing.swapped) finishSwap(state, base, { path, env });
  if (!options.clean || !loadClean(state, path, env)) recover(state, options);
  if (epochsLost) remakeEpochs(state, { path, env });
  state.startOffset = Math.min(Math.max(options.startOffset, state.segments[0].base), state.endOffset);
  state.epochs.truncateFromEnd(state.endOffset);
  state.epochs.truncateFromStart(state.startOffset);
  return state;
}

function createFirst(state: LogState, { env, place, startOffset }: LoadOptions): void {
  const out: LogEffect[] = [];
  state.createSegment(startOffset, env.clock.now(), out);
  state.startOffset = state.endOffset = state.producers.endOffset = startOffset;
  for (const effect of out) {
    if (effect.kind !== "write" && effect.kind !== "allocate") continue;
    const file = env.disk.open(`${place.path}/${effect.file}`, "create");
    if (effect.kind === "allocate") file.truncate(effect.size);
    file.close();
  }
}

/** False when the file is damaged, as after a power cut, and the log itself must be asked. */
function loadEpochs(state: LogState, path: string, env: Env): boolean {
  const bytes = readWhole(env.disk, `${path}/${EPOCH_FILE}`) ?? NO_BYTES;
  try {
    state.epochs.entries = readEpochs(bytes);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    env.logger.warn("a leader epoch checkpoint is damaged and is made again from the log", { path });
    return false;
  }
  return bytes.length > 0;
}

/** The producers in a snapshot; undefined, with the file gone, when it cannot be read. */
function loadSnapshot(state: LogState, offset: number, path: string, env: Env): boolean {
  const file = `${path}/${fileName(offset, SNAPSHOT_SUFFIX)}`;
  try {
    const bytes = readWhole(env.disk, file) ?? NO_BYTES;
    state.producers.load(readSnapshot(bytes, env.crypto.crc32c), offset);
    return true;
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    env.logger.warn("a producer snapshot is damaged and is left out", { file });
    removeIfThere(env.disk, file);
    state.snapshots = state.snapshots.filter(known => known !== offset);
    state.producers.snapshotOffset = state.snapshots.at(-1) ?? -1;
    return false;
  }
}

/** After a clean stop the newest snapshot tells where the log ends, and nothing else needs to be read. */
function loadClean(state: LogState, path: string, env: Env): boolean {
  const { active } = state;
  const newest = state.snapshots.at(-1) ?? -1;
  if (newest >= active.base && newest > active.base === active.size > 0) {
    if (!loadSnapshot(state, newest, path, env)) return false;
    state.endOffset = newest;
    return true;
  }
  if (active.size > 0 || state.segments.length > 1) return false;
  state.endOffset = active.base;
  state.producers.endOffset = active.base;
  return true;
}

/** Removes the segments whose place the one at `base` takes. */
function finishSwap(state: LogState, base: number, where: Where): void {
  const at = state.indexOf(base);
  const segment = state.segments[at];
  if (segment?.base !== base) return;
  const end = endOf(segment, where);
  let count = 0;
  while ((state.segments[at + 1 + count]?.base ?? Infinity) < end) count++;
  removeSegments(state, at + 1, count, where);
}

/** The offset after the last batch of a segment that was flushed. */
function endOf(segment: Segment, { path, env }: Where): number {
  const scanner = scan(path, env, {
    segment,
    producers: new ProducerStates(),
    epochs: undefined,
    indexIntervalBytes: 0,
    rebuild: false,
    producersFrom: Infinity,
    expected: segment.base,
  });
  return scanner.nextOffset;
}

/** Makes the leader epochs of the whole log from its batches; damage costs those of its segment only. */
function remakeEpochs(state: LogState, { path, env }: Where): void {
  state.epochs.entries = [];
  for (const segment of state.segments) {
    scan(path, env, {
      ...scanTarget(state, segment),
      producers: new ProducerStates(),
      rebuild: false,
      producersFrom: Infinity,
      expected: segment.base,
    });
  }
  state.epochs.dirty = true;
}

/**
 * Reads the segment with the recovery point and those after it, and cuts the log where it stops making sense. What is
 * below was flushed: it is read at most for producer state, and damage there stays where it is (`LogLoader.recoverLog`).
 */
function recover(state: LogState, { env, place, recoveryPoint, cleanedTo, clean }: LoadOptions): void {
  const { path } = place;
  const { segments } = state;
  const first = Math.max(0, clean ? segments.length - 1 : state.indexOf(recoveryPoint));
  const from = startProducers(state, segments[first].base, path, env);
  state.epochs.truncateFromEnd(segments[first].base);
  state.endOffset = segments[first].base;
  for (let i = Math.max(0, state.indexOf(from)); i < first; i++) {
    scan(path, env, { ...producerTarget(state, segments[i]), producersFrom: from });
  }
  for (let i = first; i < segments.length; i++) {
    const segment = segments[i];
    if (
      recoveryPoint >= 0 &&
      isTailLost(segments[i - 1], segment, { state, known: Math.max(recoveryPoint, cleanedTo) })
    ) {
      env.logger.warn("segments after a gap are removed", { path, from: state.endOffset, to: segment.base });
      removeSegments(state, i, segments.length - i, { path, env });
      break;
    }
    const hadTxns = segment.hasTxns;
    const scanner = scan(path, env, {
      ...scanTarget(state, segment),
      rebuild: true,
      producersFrom: from,
      expected: segment.base,
    });
    state.endOffset = scanner.nextOffset;
    // The next start may trust what ends at the recovery point that is written down.
    rewriteIndexes(segment, { path, env }, { lasting: state.endOffset <= recoveryPoint, hadTxns });
    if (cutTail(segment, scanner, path, env)) removeSegments(state, i + 1, segments.length - i - 1, { path, env });
  }
  state.producers.endOffset = state.endOffset;
  dropSnapshotsAfter(state, path, env);
}

/**
 * True when a power cut took the end of the segment before and left its successor. Segments are created without gaps
 * between them, and compaction, which makes gaps, waits until the recovery point above them is written down.
 */
function isTailLost(
  before: Segment | undefined,
  segment: Segment,
  { state, known }: { state: LogState; known: number },
): boolean {
  if (before === undefined || segment.base <= Math.max(state.endOffset, known)) return false;
  // A leap that no segment can hold was in the log that this one was copied from.
  return fitsIndex(before.base, segment.base - 1);
}

function scanTarget(state: LogState, segment: Segment) {
  const { producers, epochs } = state;
  return { segment, producers, epochs, indexIntervalBytes: state.config.indexIntervalBytes };
}

/** Reads a segment for producer state alone. */
function producerTarget(state: LogState, segment: Segment) {
  return { ...scanTarget(state, segment), epochs: undefined, rebuild: false, expected: segment.base };
}

/** Takes the newest usable snapshot at or before `offset`; from where producers must then be read. */
function startProducers(state: LogState, offset: number, path: string, env: Env): number {
  // What is older than the first segment misses what was in segments that are gone.
  const [{ base }] = state.segments;
  for (const snapshot of state.snapshots.filter(known => known >= base && known <= offset).reverse()) {
    if (loadSnapshot(state, snapshot, path, env)) return snapshot;
  }
  state.producers.clear();
  return state.segments[0].base;
}

/** Cuts off what follows the last good batch; false when nothing does. */
function cutTail(segment: Segment, scanner: LogScanner, path: string, env: Env): boolean {
  const file = env.disk.open(`${path}/${segment.file}`, "write");
  const size = file.size();
  if (scanner.validBytes < size) {
    // What was preallocated and never written.
    const head = new Uint8Array(HEADER_SIZE);
    const blank = head.subarray(0, file.read(head, scanner.validBytes)).every(byte => byte === 0);
    file.truncate(scanner.validBytes);
    // Or a second power cut could bring the rest back, behind records written since that fit before it by chance.
    file.syncNow();
    env.logger[blank ? "info" : "warn"]("a log is cut at its last good batch", {
      path: file.path,
      from: size,
      to: scanner.validBytes,
      why: scanner.fault ?? "a batch reaches past the end of its file",
    });
  }
  file.close();
  return scanner.validBytes < size;
}

function removeSegments(state: LogState, at: number, count: number, where: Where): void {
  if (count <= 0) return;
  for (const segment of state.segments.splice(at, count)) {
    for (const suffix of [LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX]) {
      removeIfThere(where.env.disk, `${where.path}/${fileName(segment.base, suffix)}`);
    }
  }
  where.env.disk.syncDirectoryNow(where.path);
}

function dropSnapshotsAfter(state: LogState, path: string, env: Env): void {
  for (const offset of state.snapshots) {
    if (offset > state.endOffset) removeIfThere(env.disk, `${path}/${fileName(offset, SNAPSHOT_SUFFIX)}`);
  }
  state.snapshots = state.snapshots.filter(offset => offset <= state.endOffset);
  state.producers.snapshotOffset = state.snapshots.at(-1) ?? -1;
}

/**
 * Producer state as of the log's end, after a truncation. It is read from the high watermark on at least: a snapshot does
 * not tell of transactions that have ended and are not decided yet.
 */
export function reloadProducers(state: LogState, highWatermark: number, { path, env }: Where): void {
  const decided = Math.max(state.segments[0].base, Math.min(state.endOffset, highWatermark));
  const from = startProducers(state, decided, path, env);
  for (const segment of state.segments) {
    if (from >= state.endOffset || (state.after(segment)?.base ?? Infinity) <= from) continue;
    scan(path, env, { ...producerTarget(state, segment), producersFrom: from });
  }
  state.producers.endOffset = state.endOffset;
}
