import {
  type BrokerId,
  fromUtf8,
  type LeaderEpoch,
  MalformedError,
  METADATA_TOPIC_ID,
  type Offset,
  utf8,
} from "@samsa/base";
import { KEEP_ALL, type LogConfig } from "@samsa/log";
import { formatQuorumState, parseQuorumState, quorumStateData } from "@samsa/protocol";
import {
  type ElectionState,
  type LogEnd,
  MAX_METADATA_BATCH,
  type MetadataBatch,
  METADATA_TOPIC,
  RaftLog,
  readMetadataBatches,
  type VoterSet,
} from "@samsa/quorum";
import type { Tools } from "@samsa/records";
import { type LogDir, type PartitionLog, readWhole, replaceFile } from "@samsa/storage";
import { MetadataSnapshots, type StoredSnapshot } from "./metadata-snapshots.ts";
import { QuorumError } from "./quorum-error.ts";

const READ_BYTES = 4 * 1024 * 1024;
const STATE_FILE = "quorum-state";
const NOBODY = -1;

/** Segments of the metadata log; times are in ms. */
interface Segments {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  /** Time after which a trimmed segment is deleted; a minute by default. */
  readonly fileDeleteDelayMs?: number;
}

/** Settings of the metadata log. It is flushed by its replica, and trimmed below snapshots instead of by age. */
export function metadataLogConfig(segments: Segments): LogConfig {
  return { ...KEEP_ALL, ...segments, maxMessageBytes: MAX_METADATA_BATCH };
}

/** Limits of `metadata.max.retention.*`; negative: none. */
export interface Retention {
  readonly maxBytes: number;
  readonly maxMs: number;
}

/** The metadata log, its snapshots and `quorum-state` on disk (`KafkaRaftLog`, `FileQuorumStateStore`). */
export class RaftStorage {
  readonly snapshots: MetadataSnapshots;
  readonly #dir: LogDir;
  readonly #tools: Tools;
  readonly #nodeId: BrokerId;
  readonly #log: PartitionLog;

  constructor(dir: LogDir, nodeId: BrokerId, tools: Tools) {
    this.#nodeId = nodeId;
    this.#dir = dir;
    this.#tools = tools;
    this.#log = dir.get(METADATA_TOPIC, 0) ?? dir.create(METADATA_TOPIC, 0, METADATA_TOPIC_ID);
    this.snapshots = new MetadataSnapshots(dir.env, tools, this.#log.path);
  }

  get path(): string {
    return this.#log.path;
  }

  get startOffset(): Offset {
    return this.#log.startOffset;
  }

  get endOffset(): Offset {
    return this.#log.endOffset;
  }

  get highWatermark(): Offset {
    return this.#log.highWatermark;
  }

  set highWatermark(offset: Offset) {
    this.#log.highWatermark = offset;
  }

  /** True if nothing was ever stored here. */
  get isNew(): boolean {
    return this.snapshots.latest === undefined && this.#log.endOffset === 0;
  }

  /**
   * Makes the log continue at the newest snapshot (`truncateToLatestSnapshot`). A log that ends below it would assign
   * the offsets in between to new records, and the next start would skip these. Throws `QuorumError` if log and
   * snapshots have a gap between them.
   */
  meet(latest: StoredSnapshot | undefined): void {
    const log = this.#log;
    const { startOffset, endOffset } = log;
    if (startOffset > (latest?.offset ?? 0)) {
      throw new QuorumError(
        `The metadata log in ${log.path} begins at offset ${startOffset}, and no snapshot there covers what came ` +
          "before: put back the .checkpoint file that is missing.",
      );
    }
    if (latest === undefined) return;
    const epoch = Math.max(log.latestEpoch, 0);
    if (latest.epoch < epoch || (latest.epoch === epoch && latest.offset <= endOffset)) return;
    this.#dir.env.logger.warn(
      "the metadata log ends below its newest snapshot, so it continues at the snapshot; metadata newer than it is lost",
      { path: log.path, endOffset, snapshot: latest.name },
    );
    this.restartAt(latest);
  }

  /** Empties the log, which continues at a snapshot. */
  restartAt({ offset }: LogEnd): void {
    this.#log.restartAt(offset);
    this.snapshots.removeBefore(offset);
  }

  /** Shape of the log as it was opened. */
  shape(): RaftLog {
    const { startOffset, endOffset, epochs } = this.#log;
    const { latest, all } = this.snapshots;
    // Without the snapshot at the start, the oldest one tells which epochs may be before it.
    const first = all.find(({ offset }) => offset === startOffset) ?? all[0];
    const start = startOffset === 0 ? undefined : { offset: startOffset, epoch: first?.epoch ?? 0 };
    return new RaftLog({ epochs, endOffset, snapshot: latest, ...(start === undefined ? {} : { start }) });
  }

  /** Batches of the log from `from` up to `to`, decoded. Throws `MalformedError`. */
  *batches(from: Offset, to: Offset): Generator<MetadataBatch> {
    const log = this.#log;
    for (let offset = Math.max(from, log.startOffset); offset < to; ) {
      const read = log.read({ offset, maxBytes: READ_BYTES, minOneMessage: true, limitOffset: to });
      if (read.chunks.length === 0) return;
      for (const chunk of read.chunks) {
        for (const batch of readMetadataBatches(chunk, this.#tools)) {
          // A read returns the whole batch that contains its offset.
          if (batch.lastOffset >= from) yield batch;
        }
      }
      offset = read.nextOffset;
    }
  }

  /** Bytes of whole batches from `offset` on, at most `maxBytes` unless the first is larger. */
  read(offset: Offset, maxBytes: number): { readonly chunks: readonly Uint8Array[]; readonly release?: () => void } {
    return this.#log.read({ offset, maxBytes, minOneMessage: true, limitOffset: this.#log.endOffset });
  }

  /** Appends batches as they are. */
  append(bytes: Uint8Array): void {
    const { error } = this.#log.appendAsFollower(bytes);
    if (error !== 0) throw new Error(`the metadata log refused a batch with error ${error}`);
  }

  /** Notes the start of an epoch at the end of the log. */
  beginEpoch(epoch: LeaderEpoch): void {
    this.#log.beginEpoch(epoch);
  }

  truncateTo(offset: Offset): void {
    this.#log.truncateTo(offset);
  }

  /** Makes all that was appended durable. */
  flush(): Promise<void> {
    return this.#log.flush();
  }

  /** Writes appended batches to the file, without making them durable. */
  write(): void {
    this.#log.writePending();
  }

  /** Election state that was saved last. Throws `QuorumError` if it is damaged: the replica could vote twice. */
  readState(): ElectionState | undefined {
    const path = `${this.path}/${STATE_FILE}`;
    const bytes = readWhole(this.#dir.env.disk, path);
    if (bytes === undefined) return undefined;
    try {
      const { leaderEpoch: epoch, leaderId, votedId, votedDirectoryId } = parseQuorumState(fromUtf8(bytes)).state;
      return {
        epoch,
        leaderId: leaderId === NOBODY ? undefined : leaderId,
        votedKey: votedId === NOBODY ? undefined : { id: votedId, directoryId: votedDirectoryId },
      };
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      throw new QuorumError(`${path} is damaged: ${error.message}.`);
    }
  }

  /** Saves the election state; it is durable on return. */
  saveState({ epoch, leaderId, votedKey }: ElectionState, { kraftVersion, voters }: VoterSet): void {
    // A leader has voted for itself, which Kafka leaves out.
    const voted = leaderId === this.#nodeId ? undefined : votedKey;
    const common = { leaderId: leaderId ?? NOBODY, leaderEpoch: epoch, votedId: voted?.id ?? NOBODY };
    const state =
      kraftVersion >= 1
        ? quorumStateData.defaults({ ...common, ...(voted && { votedDirectoryId: voted.directoryId }) })
        : quorumStateData.defaults({ ...common, currentVoters: voters.map(({ id }) => ({ voterId: id })) });
    const text = formatQuorumState({ version: kraftVersion >= 1 ? 1 : 0, state });
    replaceFile(this.#dir.env.disk, `${this.path}/${STATE_FILE}`, utf8(text), true);
  }

  /**
   * Deletes the oldest snapshots and the log below the next one, while all together are larger than
   * `metadata.max.retention.bytes` or the oldest is older than `metadata.max.retention.ms`. The newest snapshot stays.
   * Returns the new begin of the log; undefined if it has not changed.
   */
  trim({ maxBytes, maxMs }: Retention): LogEnd | undefined {
    const now = this.#dir.env.clock.now();
    let start: LogEnd | undefined;
    for (;;) {
      const [oldest, next] = this.snapshots.all;
      if (oldest === undefined || next === undefined) return start;
      const size = this.snapshots.all.reduce((sum, snapshot) => sum + snapshot.size, this.#log.size);
      const tooLarge = maxBytes >= 0 && size > maxBytes;
      if (!tooLarge && !(maxMs >= 0 && now - this.snapshots.timestampOf(oldest) > maxMs)) return start;
      this.#log.raiseStart(next.offset);
      this.#log.enforceRetention(now);
      this.snapshots.removeBefore(next.offset);
      start = { offset: next.offset, epoch: next.epoch };
    }
  }
}
