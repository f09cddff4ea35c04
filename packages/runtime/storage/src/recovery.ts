import {
  entryAt,
  type Env,
  getI64,
  type Logger,
  MalformedError,
  named,
  type Offset,
  sameBytes,
  viewOf,
} from "@samsa/base";
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

/** A log's directory and the offsets that the checkpoints have for it. */
export interface LoadOptions {
  readonly env: Env;
  /** Path of the log's directory; follows renames. */
  readonly place: { readonly path: string };
  readonly config: LogConfig;
  readonly indexes: IndexCache;
  /** True after a clean shutdown. */
  readonly clean: boolean;
  /** Offsets below this were flushed; -1 if unknown. */
  readonly recoveryPoint: Offset;
  /** Offsets below this were compacted. */
  readonly cleanedTo: number;
  readonly startOffset: Offset;
  /** Names of the files in the log's directory. */
  readonly names: readonly string[];
}

function toolsOf(env: Env): Tools {
  return { crc32c: env.crypto.crc32c, codecs: env.codecs };
}

/** Scans a segment's file. */
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

/** Entries at the end of a time index that are read: the last has the largest timestamp, the one before checks it. */
const LAST_TIMES = 2;

/** Loads indexes when they are first needed, and rebuilds those whose files cannot be right. */
class FileIndexReader implements IndexReader {
  readonly #place: LoadOptions["place"];
  readonly #env: Env;
  /** Gives the index interval: the options, then the loaded log. */
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
 * Writes rebuilt indexes over the files that differ. If `lasting`, they are durable on return. `hadTxns`: the segment has
 * had aborted transactions in its index.
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
  readonly bases: Offset[];
  readonly snapshots: Offset[];
  /** Base offsets of segments that a compaction was about to exchange for others. */
  readonly swapped: Offset[];
  readonly hasEpochs: boolean;
  /** Base offsets of segments with an index of aborted transactions. */
  readonly txns: ReadonlySet<Offset>;
}

/** Finishes or undoes operations that the last run left half done, and lists the files. */
function listFiles(names: readonly string[], path: string, env: Env): Listing {
  const { disk } = env;
  const bases: Offset[] = [];
  const snapshots: Offset[] = [];
  const swapped: Offset[] = [];
  let hasEpochs = false;
  const txns = new Set<Offset>();
  // While any file of a compacted segment still has the suffix `.cleaned`, its files with `.swap` must not be used.
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

/** Time between two lines about a load that goes on, in ms. */
const PROGRESS_MS = 5000;

/** Logs how far the load of the logs of a directory is: at its start, every few seconds, and at its end. */
export class LoadProgress {
  readonly #clock: Env["clock"];
  readonly #logger: Logger;
  readonly #dir: string;
  readonly #logs: number;
  readonly #began: number;
  #told: number;

  constructor({ clock, logger }: Pick<Env, "clock" | "logger">, dir: string, logs: number) {
    this.#clock = clock;
    this.#logger = named(logger, "org.apache.kafka.storage.internals.log");
    this.#dir = dir;
    this.#logs = logs;
    this.#began = clock.monotonic();
    this.#told = this.#began;
  }

  /** `isClean`: the last stop was clean, so that nothing has to be recovered. */
  begins(isClean: boolean): void {
    const message = isClean
      ? "reads the logs of a directory"
      : "recovers the logs of a directory after an unclean stop";
    if (this.#logs > 0) this.#logger.info(message, { dir: this.#dir, logs: this.#logs });
  }

  /** Notes that so many logs are loaded. */
  reached(done: number): void {
    const now = this.#clock.monotonic();
    if (now - this.#told < PROGRESS_MS) return;
    this.#told = now;
    const ms = Math.round(now - this.#began);
    this.#logger.info("is still at the logs of a directory", { dir: this.#dir, done, of: this.#logs, ms });
  }

  ends(): void {
    const ms = Math.round(this.#clock.monotonic() - this.#began);
    if (this.#logs > 0) this.#logger.info("has the logs of a directory", { dir: this.#dir, logs: this.#logs, ms });
  }
}

/** Loads the log in `path`, and recovers it unless the last shutdown was clean. */
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
    // Most segments have no index of aborted transactions, and compaction leaves empty ones.
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
  state.startOffset = Math.min(Math.max(options.startOffset, state.oldest.base), state.endOffset);
  state.epochs.truncateFromEnd(state.endOffset);
  state.epochs.truncateFromStart(state.startOffset);
  return state;
}

function createFirst(state: LogState, { env, place, startOffset }: LoadOptions): void {
  const out: LogEffect[] = [];
  state.createSegment(startOffset, env.clock.now(), out);
  state.startOffset = state.endOffset = state.producers.endOffset = startOffset;
  // Only their names say where such a log begins, or how large its file is.
  state.isMade = startOffset > 0 || state.config.preallocate;
  if (!state.isMade) return;
  for (const effect of out) {
    if (effect.kind !== "write" && effect.kind !== "allocate") continue;
    const file = env.disk.open(`${place.path}/${effect.file}`, "create");
    if (effect.kind === "allocate") file.truncate(effect.size);
    file.close();
  }
}

/** False if the file is damaged or empty, as after a power failure; the epochs then come from the log. */
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

/** Loads producers from a snapshot. A damaged one is removed, and false returned. */
function loadSnapshot(state: LogState, offset: Offset, path: string, env: Env): boolean {
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

/**
 * Opens the log as a clean shutdown left it, without reading it: the newest producer snapshot has the log end offset,
 * and an empty log needs no snapshot. False if the log must be recovered.
 */
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

/** Removes the segments that the compacted one at `base` replaces. */
function finishSwap(state: LogState, base: Offset, where: Where): void {
  const at = state.indexOf(base);
  const segment = state.segments[at];
  if (segment?.base !== base) return;
  const end = endOf(segment, where);
  let count = 0;
  while ((state.segments[at + 1 + count]?.base ?? Infinity) < end) count++;
  removeSegments(state, at + 1, count, where);
}

/** Offset after the last batch of a flushed segment. */
function endOf(segment: Segment, { path, env }: Where): Offset {
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

/** Rebuilds the leader epochs of the whole log from its batches. Damage costs only the epochs of its segment. */
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
 * Reads the segment with the recovery point and those after it, and truncates the log at the first bad batch. Segments
 * below were flushed: they are read at most for producer state, and damage in them stays (`LogLoader.recoverLog`).
 */
function recover(state: LogState, options: LoadOptions): void {
  const { env, place, recoveryPoint, cleanedTo, clean } = options;
  const { path } = place;
  const { segments } = state;
  const first = Math.max(0, clean ? segments.length - 1 : state.indexOf(recoveryPoint));
  const { base } = entryAt(segments, first);
  const from = startProducers(state, base, path, env);
  state.epochs.truncateFromEnd(base);
  state.endOffset = base;
  for (const segment of segments.slice(Math.max(0, state.indexOf(from)), first)) {
    scan(path, env, { ...producerTarget(state, segment), producersFrom: from });
  }
  for (let i = first; i < segments.length; i++) {
    const segment = entryAt(segments, i);
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
    if (scanner.suspect !== undefined) {
      // The state has it by now: begin again without it.
      const before = { validBytes: scanner.suspect, fault: scanner.fault };
      if (cutTail(segment, before, path, env)) removeSegments(state, i + 1, segments.length - i - 1, { path, env });
      segment.size = scanner.suspect;
      return recover(state, options);
    }
    state.endOffset = scanner.nextOffset;
    // Make indexes up to the written recovery point durable: the next start may trust them.
    rewriteIndexes(segment, { path, env }, { lasting: state.endOffset <= recoveryPoint, hadTxns });
    if (cutTail(segment, scanner, path, env)) removeSegments(state, i + 1, segments.length - i - 1, { path, env });
  }
  state.producers.endOffset = state.endOffset;
  dropSnapshotsAfter(state, path, env);
}

/**
 * True if a power failure took the tail of the previous segment and left `segment`. Segments are created without gaps
 * between them, and compaction, which makes gaps, first waits until a recovery point above them is written.
 */
function isTailLost(
  before: Segment | undefined,
  segment: Segment,
  { state, known }: { state: LogState; known: number },
): boolean {
  if (before === undefined || segment.base <= Math.max(state.endOffset, known)) return false;
  // A gap too wide for one segment's indexes comes from the leader or log that this one was copied from.
  return fitsIndex(before.base, segment.base - 1);
}

function scanTarget(state: LogState, segment: Segment) {
  const { producers, epochs } = state;
  return { segment, producers, epochs, indexIntervalBytes: state.config.indexIntervalBytes };
}

/** Target of a scan that reads a segment for producer state only. */
function producerTarget(state: LogState, segment: Segment) {
  return { ...scanTarget(state, segment), epochs: undefined, rebuild: false, expected: segment.base };
}

/** Loads the newest usable producer snapshot at or below `offset`. Returns the offset to read producer state from. */
function startProducers(state: LogState, offset: Offset, path: string, env: Env): Offset {
  // A snapshot older than the first segment lacks records that were deleted since.
  const { base } = state.oldest;
  for (const snapshot of state.snapshots.filter(known => known >= base && known <= offset).reverse()) {
    if (loadSnapshot(state, snapshot, path, env)) return snapshot;
  }
  state.producers.clear();
  return base;
}

/** Truncates a segment after its last good batch. False if there was nothing to cut off. */
function cutTail(segment: Segment, scanner: Pick<LogScanner, "validBytes" | "fault">, path: string, env: Env): boolean {
  const file = env.disk.open(`${path}/${segment.file}`, "write");
  const size = file.size();
  if (scanner.validBytes < size) {
    // Zeros are preallocated space that was never written, not damage.
    const head = new Uint8Array(HEADER_SIZE);
    const blank = head.subarray(0, file.read(head, scanner.validBytes)).every(byte => byte === 0);
    file.truncate(scanner.validBytes);
    // A second power failure could otherwise restore the tail behind new records, where it might fit by chance.
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
 * Rebuilds producer state as of the log end offset, after a truncation. Reads at least from the high watermark on: a
 * snapshot lacks transactions that have ended but are not decided yet.
 */
export function reloadProducers(state: LogState, highWatermark: Offset, { path, env }: Where): void {
  const decided = Math.max(state.oldest.base, Math.min(state.endOffset, highWatermark));
  const from = startProducers(state, decided, path, env);
  for (const segment of state.segments) {
    if (from >= state.endOffset || (state.after(segment)?.base ?? Infinity) <= from) continue;
    scan(path, env, { ...producerTarget(state, segment), producersFrom: from });
  }
  state.producers.endOffset = state.endOffset;
}
