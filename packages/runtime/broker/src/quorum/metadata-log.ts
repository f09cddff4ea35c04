import {
  type BrokerId,
  fromUtf8,
  invariant,
  type LeaderEpoch,
  MalformedError,
  METADATA_TOPIC_ID,
  type Offset,
  utf8,
  type Uuid,
} from "@samsa/base";
import { KEEP_ALL, type LogConfig } from "@samsa/log";
import type { Provenance } from "@samsa/metadata";
import type { MetadataRecord } from "@samsa/protocol";
import {
  BOOTSTRAP_SNAPSHOT,
  beginSoleEpoch,
  MAX_METADATA_BATCH,
  type MetadataBatch,
  metadataBatch,
  readMetadataBatches,
  type Snapshot,
  type SnapshotId,
} from "@samsa/quorum";
import type { Tools, VoterDescription } from "@samsa/records";
import { type LogDir, type PartitionLog, readWhole, replaceFile } from "@samsa/storage";
import type { BrokerConfig } from "../config/configs.ts";
import { MetadataSnapshots, type StoredSnapshot, writeBootstrapSnapshot } from "./metadata-snapshots.ts";
import { METADATA_TOPIC } from "../config/internal-topics.ts";
import { QuorumError } from "./quorum-error.ts";

/** Settings of the metadata log. It is flushed with each append, and trimmed below snapshots instead of by age. */
export function metadataLogConfig(config: BrokerConfig): LogConfig {
  return {
    ...KEEP_ALL,
    segmentBytes: config["metadata.log.segment.bytes"],
    segmentMs: config["metadata.log.segment.ms"],
    maxMessageBytes: MAX_METADATA_BATCH,
  };
}

const LOAD_BYTES = 4 * 1024 * 1024;
/** `kraft.version` of a new cluster: the log contains the voters, and they may change (KIP-853). */
export const KRAFT_VERSION = 1;

/** Records that were appended as one batch. */
interface AppendedBatch {
  readonly records: readonly MetadataRecord[];
  /** Provenance of the last record. */
  readonly last: Provenance;
  /** Bytes in the log. */
  readonly size: number;
}

export interface MetadataLogOptions {
  readonly dir: LogDir;
  readonly tools: Tools;
  readonly nodeId: BrokerId;
  /** Ids in `controller.quorum.voters`, for clusters with a static quorum. */
  readonly staticVoters: readonly BrokerId[];
  /** Called with committed records in the order of the log, and the provenance of the last one. */
  readonly replay: (records: readonly MetadataRecord[], last: Provenance) => void;
  /** Called when the records that were replayed since the last call are all that is committed. */
  readonly committed: () => void;
  /** Called when appended records could not be committed: the log takes no more. */
  readonly failed: (error: unknown) => void;
  /** Returns the records of a new cluster. */
  readonly bootstrap: () => readonly MetadataRecord[];
  /** Limits of `metadata.max.retention.*`; negative: none. */
  readonly retention: { readonly maxBytes: number; readonly maxMs: number };
}

/** The metadata log and its snapshots, led by the only voter of its quorum (`KafkaRaftLog`). */
export class MetadataLog {
  readonly #options: MetadataLogOptions;
  readonly #log: PartitionLog;
  readonly #snapshots: MetadataSnapshots;
  #kraftVersion = 0;
  #voters: readonly VoterDescription[] = [];
  #votersInLog = false;
  #epoch = 0;
  #bytesSinceSnapshot = 0;
  #snapshotting: Promise<void> | undefined;
  #first: readonly MetadataRecord[] | undefined;
  /** Batches that are not committed. */
  #uncommitted: AppendedBatch[] = [];
  #committing: Promise<void> | undefined;
  #failure: Error | undefined;

  constructor(options: MetadataLogOptions) {
    this.#options = options;
    const { dir, tools } = options;
    this.#log = dir.get(METADATA_TOPIC, 0) ?? dir.create(METADATA_TOPIC, 0, METADATA_TOPIC_ID);
    this.#snapshots = new MetadataSnapshots(dir.env, tools, this.#log.path);
  }

  get endOffset(): Offset {
    return this.#log.endOffset;
  }

  get epoch(): LeaderEpoch {
    return this.#epoch;
  }

  /** True: this node is the only voter. */
  readonly isLeader = true;

  get leaderId(): BrokerId {
    return this.#options.nodeId;
  }

  /** Node of the active controller, which is this one. */
  leaderEndpoint(): { readonly id: BrokerId; readonly host: string; readonly port: number } {
    return { id: this.#options.nodeId, host: "", port: 0 };
  }

  get kraftVersion(): number {
    return this.#kraftVersion;
  }

  /** Voters of the quorum; this node is the leader. */
  get voters(): readonly VoterDescription[] {
    return this.#voters;
  }

  get highWatermark(): Offset {
    return this.#log.highWatermark;
  }

  /** Records that this cluster began with, if its first snapshot still exists. */
  get first(): readonly MetadataRecord[] | undefined {
    return this.#first;
  }

  /** True while a snapshot is being written. */
  get isSnapshotting(): boolean {
    return this.#snapshotting !== undefined;
  }

  /** Bytes of the log that a start would replay after the newest snapshot. */
  get bytesSinceSnapshot(): number {
    return this.#bytesSinceSnapshot;
  }

  #path(name: string): string {
    return `${this.#log.path}/${name}`;
  }

  /**
   * Replays the newest snapshot and the log after it. A new directory gets its first snapshot. Throws `QuorumError` if
   * log and snapshots have a gap between them, and `MalformedError` if one of them is damaged.
   */
  load(): void {
    this.#snapshots.open();
    const { latest } = this.#snapshots;
    if (latest === undefined && this.#log.endOffset === 0) this.#format();
    else {
      this.#meet(latest);
      if (latest !== undefined) this.#replaySnapshot(latest, this.#snapshots.read(latest));
    }
    this.#readLog(latest?.offset ?? 0);
  }

  /**
   * Makes the log continue at the newest snapshot (`truncateToLatestSnapshot`). A log that ends below it would assign
   * the offsets in between to new records, and the next start would skip these.
   */
  #meet(latest: StoredSnapshot | undefined): void {
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
    this.#options.dir.env.logger.warn(
      "the metadata log ends below its newest snapshot, so it continues at the snapshot; metadata newer than it is lost",
      { path: log.path, endOffset, snapshot: latest.name },
    );
    log.restartAt(latest.offset);
    this.#snapshots.removeBefore(latest.offset);
  }

  /** Writes the files that Kafka's storage tool writes into a new directory (KIP-1170). */
  #format(): void {
    const { dir, nodeId, bootstrap } = this.#options;
    const legacy = readWhole(dir.env.disk, `${dir.path}/bootstrap.checkpoint`);
    const records =
      legacy === undefined
        ? bootstrap()
        : [...readMetadataBatches(legacy, this.#options.tools)].flatMap(batch => batch.records);
    const isStatic = this.#options.staticVoters.length > 0;
    const self = describeVoter(nodeId, dir.directoryId);
    const snapshot: Snapshot = {
      lastContainedLogTimestamp: 0,
      kraftVersion: isStatic ? 0 : KRAFT_VERSION,
      voters: isStatic ? undefined : [self],
      records,
    };
    writeBootstrapSnapshot(dir.env, this.#log.path, snapshot);
    this.#snapshots.open();
    this.#replaySnapshot(BOOTSTRAP_SNAPSHOT, snapshot);
  }

  #replaySnapshot(id: SnapshotId, snapshot: Snapshot): void {
    if (id.offset === 0) this.#first = snapshot.records;
    this.#kraftVersion = snapshot.kraftVersion;
    this.#voters = snapshot.voters ?? [];
    // The bootstrap snapshot precedes offset 0, and the leader appends its records to the log again.
    const last = { offset: id.offset - 1, epoch: id.epoch, timestamp: snapshot.lastContainedLogTimestamp };
    this.#options.replay(snapshot.records, last);
  }

  #readLog(from: Offset): void {
    const log = this.#log;
    for (let offset = Math.max(from, log.startOffset); offset < log.endOffset; ) {
      const read = log.read({ offset, maxBytes: LOAD_BYTES, minOneMessage: true, limitOffset: log.endOffset });
      if (read.chunks.length === 0) break;
      for (const chunk of read.chunks) {
        for (const batch of readMetadataBatches(chunk, this.#options.tools)) {
          // A read returns the whole batch that contains its offset.
          if (batch.lastOffset >= from) this.#replayBatch(batch);
        }
      }
      this.#bytesSinceSnapshot += read.size;
      offset = read.nextOffset;
    }
  }

  #replayBatch({ control, records, baseOffset, epoch, timestamp }: MetadataBatch): void {
    for (const record of control) {
      if (record.type === "kraftVersion") this.#kraftVersion = record.kraftVersion;
      if (record.type === "kraftVoters") {
        this.#voters = record.voters;
        this.#votersInLog = true;
      }
    }
    if (records.length === 0) return;
    this.#options.replay(records, { offset: baseOffset + records.length - 1, epoch, timestamp });
  }

  /** Begins the next epoch with this node as the leader. Throws if the quorum has other voters. */
  async lead(): Promise<void> {
    const { dir, nodeId, staticVoters } = this.#options;
    const self = describeVoter(nodeId, dir.directoryId);
    const known = this.#voters.find(voter => voter.id === nodeId);
    const voters = this.#voters.length > 0 ? this.#voters : staticVoters.map(id => describeVoter(id, dir.directoryId));
    const stored = readWhole(dir.env.disk, this.#path("quorum-state"));
    const begun = this.#beginEpoch({
      // Keep recorded endpoints: this node opens no controller listener that could contradict them.
      node: known === undefined ? self : { ...known, directoryId: dir.directoryId },
      voterSet: { kraftVersion: this.#kraftVersion, voters, inLog: this.#votersInLog },
      quorumState: stored === undefined ? undefined : fromUtf8(stored),
      lastEpoch: Math.max(this.#log.latestEpoch, this.#snapshots.latest?.epoch ?? 0),
      endOffset: this.#log.endOffset,
      now: dir.env.clock.now(),
    });
    if (begun === undefined) {
      const ids = voters.map(({ id }) => id).join(", ");
      throw new QuorumError(
        `The metadata in ${dir.path} belongs to a quorum of the voters ${ids}; node ${nodeId} alone cannot lead it.`,
      );
    }
    replaceFile(dir.env.disk, this.#path("quorum-state"), utf8(begun.quorumState), true);
    this.#epoch = begun.epoch;
    this.#voters = begun.voters;
    this.#log.beginEpoch(begun.epoch);
    this.#append(begun.batch);
    this.#bytesSinceSnapshot += begun.batch.length;
    await this.#flush();
  }

  /** Throws `QuorumError` if `quorum-state` is damaged: a node that has lost its vote could vote twice in an epoch. */
  #beginEpoch(start: Parameters<typeof beginSoleEpoch>[0]): ReturnType<typeof beginSoleEpoch> {
    try {
      return beginSoleEpoch(start, this.#options.tools);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      throw new QuorumError(`${this.#path("quorum-state")} is damaged: ${error.message}.`);
    }
  }

  #append(bytes: Uint8Array): void {
    const { error } = this.#log.appendAsFollower(bytes);
    if (error !== 0) throw new Error(`the metadata log refused a batch with error ${error}`);
  }

  /** Appends records as one batch, which is committed later; returns the place of the last record. */
  append(records: readonly MetadataRecord[], timestamp: number): Provenance {
    if (this.#failure !== undefined) throw this.#failure;
    const baseOffset = this.#log.endOffset;
    const bytes = metadataBatch(records, { baseOffset, epoch: this.#epoch, timestamp }, this.#options.tools);
    this.#append(bytes);
    const last = { offset: baseOffset + records.length - 1, epoch: this.#epoch, timestamp };
    this.#uncommitted.push({ records, last, size: bytes.length });
    this.#committing ??= this.#commit();
    return last;
  }

  /** Commits appended batches: those that are appended during a flush share the next one. */
  async #commit(): Promise<void> {
    // Batches that are appended in the same turn of the event loop share a flush.
    await Promise.resolve();
    try {
      while (this.#uncommitted.length > 0) {
        const batches = this.#uncommitted;
        this.#uncommitted = [];
        await this.#flush();
        for (const { records, last, size } of batches) {
          this.#bytesSinceSnapshot += size;
          this.#options.replay(records, last);
        }
        this.#options.committed();
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.#options.failed(error);
    } finally {
      this.#committing = undefined;
    }
  }

  /** Flushes the log, and raises the high watermark to where it ended before. */
  async #flush(): Promise<void> {
    const { endOffset } = this.#log;
    await this.#log.flush();
    this.#log.highWatermark = endOffset;
  }

  /**
   * Writes a snapshot of committed metadata, and trims the log and snapshots that it replaces. Resolves once it is
   * durable. Only one may run at a time. `last` is the provenance of the last record that `records` include.
   */
  async snapshot(records: readonly MetadataRecord[], last: Provenance): Promise<void> {
    const id = { offset: last.offset + 1, epoch: last.epoch };
    invariant(id.offset <= this.#log.highWatermark, "a snapshot holds committed records only");
    invariant(!this.isSnapshotting, "one snapshot is written at a time");
    if (id.offset === this.#snapshots.latest?.offset) return;
    const bytes = this.#bytesSinceSnapshot;
    const snapshot: Snapshot = {
      lastContainedLogTimestamp: last.timestamp,
      kraftVersion: this.#kraftVersion,
      voters: this.#kraftVersion >= 1 ? this.#voters : undefined,
      records,
    };
    this.#snapshotting = this.#snapshots.write(id, snapshot);
    try {
      await this.#snapshotting;
      // The snapshot lacks the records that were appended while it was written.
      this.#bytesSinceSnapshot -= bytes;
    } finally {
      this.#snapshotting = undefined;
    }
    this.trim();
  }

  /**
   * Deletes the oldest snapshots and the log below the next one, while all together are larger than
   * `metadata.max.retention.bytes` or the oldest is older than `metadata.max.retention.ms`. The newest snapshot stays.
   */
  trim(): void {
    const { retention, dir } = this.#options;
    const { maxBytes, maxMs } = retention;
    const now = dir.env.clock.now();
    for (;;) {
      const [oldest, next] = this.#snapshots.all;
      if (oldest === undefined || next === undefined) return;
      const size = this.#snapshots.all.reduce((sum, snapshot) => sum + snapshot.size, this.#log.size);
      const tooLarge = maxBytes >= 0 && size > maxBytes;
      if (!tooLarge && !(maxMs >= 0 && now - this.#snapshots.timestampOf(oldest) > maxMs)) return;
      this.#log.raiseStart(next.offset);
      this.#log.enforceRetention(now);
      this.#snapshots.removeBefore(next.offset);
    }
  }

  /** Waits for appended records, and for the snapshot in progress, whose failure the caller of `snapshot` gets. */
  async close(): Promise<void> {
    await this.#committing;
    await Promise.allSettled([this.#snapshotting]);
  }
}

function describeVoter(id: BrokerId, directoryId: Uuid): VoterDescription {
  return { id, directoryId, endpoints: [], minKraftVersion: 0, maxKraftVersion: 1 };
}
