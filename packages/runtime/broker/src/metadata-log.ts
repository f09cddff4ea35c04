import { type Env, fromUtf8, METADATA_TOPIC_ID, utf8, type Uuid } from "@samsa/base";
import type { LogConfig } from "@samsa/log";
import type { MetadataRecord } from "@samsa/protocol";
import {
  BOOTSTRAP_SNAPSHOT,
  beginSoleEpoch,
  checkpointName,
  decodeSnapshot,
  encodeSnapshot,
  latestCheckpoint,
  metadataBatch,
  parseCheckpointName,
  readMetadataBatches,
  type Snapshot,
  type SnapshotId,
} from "@samsa/quorum";
import type { Tools, VoterDescription } from "@samsa/records";
import { type LogDir, type PartitionLog, readWhole, replaceFile } from "@samsa/storage";
import { METADATA_TOPIC } from "./topics.ts";

/** `__cluster_metadata`'s log: never flushed by policy (every append is), never deleted by age. */
export const METADATA_LOG_CONFIG: LogConfig = {
  segmentBytes: 1073741824,
  segmentMs: 604800000,
  segmentJitterMs: 0,
  indexIntervalBytes: 4096,
  segmentIndexBytes: 10485760,
  maxMessageBytes: 8388608,
  retentionMs: -1,
  retentionBytes: -1,
  flushMessages: Infinity,
  flushMs: Infinity,
  timestampType: "CreateTime",
  beforeMaxMs: Infinity,
  afterMaxMs: Infinity,
  compression: "producer",
  cleanupPolicy: new Set(),
  minCompactionLagMs: 0,
  maxCompactionLagMs: Infinity,
  minCleanableRatio: 0.5,
  deleteRetentionMs: 86_400_000,
  fileDeleteDelayMs: 60_000,
  preallocate: false,
};

const LOAD_BYTES = 4 * 1024 * 1024;
/** Snapshots kept: the newest, and the one before it in case a reader is still at it. */
const KEPT_SNAPSHOTS = 2;
/** The kraft.version of a new cluster: voters are in the log, and may change (KIP-853). */
export const KRAFT_VERSION = 1;

export interface Place {
  readonly offset: number;
  readonly epoch: number;
  readonly timestamp: number;
}

export interface MetadataLogOptions {
  readonly dir: LogDir;
  readonly tools: Tools;
  readonly nodeId: number;
  /** Ids in `controller.quorum.voters`, for logs of clusters whose voters are fixed there. */
  readonly staticVoters: readonly number[];
  /** Called for every record there is, in order. */
  readonly replay: (record: MetadataRecord, place: Place) => void;
  /** The records that a new cluster begins with. */
  readonly bootstrap: () => readonly MetadataRecord[];
}

/** The log of the metadata and its snapshots, led by the only voter of its quorum. */
export class MetadataLog {
  readonly #options: MetadataLogOptions;
  readonly #log: PartitionLog;
  #kraftVersion = 0;
  #voters: readonly VoterDescription[] = [];
  #votersInLog = false;
  #epoch = 0;
  #snapshotted = 0;
  #first: readonly MetadataRecord[] | undefined;

  constructor(options: MetadataLogOptions) {
    this.#options = options;
    const { dir } = options;
    this.#log = dir.get(METADATA_TOPIC, 0) ?? dir.create(METADATA_TOPIC, 0, METADATA_TOPIC_ID);
  }

  get endOffset(): number {
    return this.#log.endOffset;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get kraftVersion(): number {
    return this.#kraftVersion;
  }

  /** Who votes; this node leads. */
  get voters(): readonly VoterDescription[] {
    return this.#voters;
  }

  get highWatermark(): number {
    return this.#log.highWatermark;
  }

  /** The records that this cluster begins with, where its first snapshot is still there. */
  get first(): readonly MetadataRecord[] | undefined {
    return this.#first;
  }

  /** Bytes appended since the last snapshot. */
  get bytesSinceSnapshot(): number {
    return this.#log.size - this.#snapshotted;
  }

  #path(name: string): string {
    return `${this.#log.path}/${name}`;
  }

  /** Reads the newest snapshot and the log behind it. A directory that is new gets its first snapshot. */
  load(): void {
    const { dir, tools } = this.#options;
    const names = dir.env.disk.list(this.#log.path).map(({ name }) => name);
    const latest = latestCheckpoint(names);
    if (latest === undefined && this.#log.endOffset === 0) this.#format();
    else if (latest !== undefined) {
      const bytes = readWhole(dir.env.disk, this.#path(checkpointName(latest))) ?? new Uint8Array(0);
      this.#replaySnapshot(latest, decodeSnapshot(bytes, tools));
    }
    this.#readLog(latest?.offset ?? 0);
  }

  /** What Kafka's own tool writes when it formats a directory (KIP-1170). */
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
    this.#replaySnapshot(BOOTSTRAP_SNAPSHOT, snapshot);
  }

  #replaySnapshot(id: SnapshotId, snapshot: Snapshot): void {
    if (id.offset === 0) this.#first = snapshot.records;
    this.#kraftVersion = snapshot.kraftVersion;
    this.#voters = snapshot.voters ?? [];
    // The bootstrap snapshot stands before offset 0, where the log will say it all again.
    const place = { offset: id.offset - 1, epoch: id.epoch, timestamp: snapshot.lastContainedLogTimestamp };
    for (const record of snapshot.records) this.#options.replay(record, place);
  }

  #readLog(from: number): void {
    const log = this.#log;
    for (let offset = Math.max(from, log.startOffset); offset < log.endOffset; ) {
      const read = log.read({ offset, maxBytes: LOAD_BYTES, minOneMessage: true, limitOffset: log.endOffset });
      if (read.chunks.length === 0) break;
      for (const chunk of read.chunks) {
        for (const batch of readMetadataBatches(chunk, this.#options.tools)) {
          for (const control of batch.control) {
            if (control.type === "kraftVersion") this.#kraftVersion = control.kraftVersion;
            if (control.type === "kraftVoters") {
              this.#voters = control.voters;
              this.#votersInLog = true;
            }
          }
          batch.records.forEach((record, i) => {
            const { epoch, timestamp } = batch;
            this.#options.replay(record, { offset: batch.baseOffset + i, epoch, timestamp });
          });
        }
      }
      offset = read.nextOffset;
    }
  }

  /** Begins the next epoch, which this node leads. Throws when other voters have a say. */
  async lead(): Promise<void> {
    const { dir, tools, nodeId, staticVoters } = this.#options;
    const self = describeVoter(nodeId, dir.directoryId);
    const known = this.#voters.find(voter => voter.id === nodeId);
    const voters = this.#voters.length > 0 ? this.#voters : staticVoters.map(id => describeVoter(id, dir.directoryId));
    const stored = readWhole(dir.env.disk, this.#path("quorum-state"));
    const begun = beginSoleEpoch(
      {
        // Endpoints that are on record stay: this node opens no listener of a controller that could contradict them.
        node: known === undefined ? self : { ...known, directoryId: dir.directoryId },
        voterSet: { kraftVersion: this.#kraftVersion, voters, inLog: this.#votersInLog },
        quorumState: stored === undefined ? undefined : fromUtf8(stored),
        lastEpoch: this.#log.latestEpoch,
        endOffset: this.#log.endOffset,
        now: dir.env.clock.now(),
      },
      tools,
    );
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
    await this.flush();
  }

  #append(bytes: Uint8Array): number {
    const added = this.#log.appendAsFollower(bytes);
    if (added.error !== 0) throw new Error(`the metadata log refused a batch with error ${added.error}`);
    return added.firstOffset;
  }

  /** Appends records as one batch; they are durable after `flush`. */
  append(records: readonly MetadataRecord[], timestamp: number): number {
    const place = { baseOffset: this.#log.endOffset, epoch: this.#epoch, timestamp };
    return this.#append(metadataBatch(records, place, this.#options.tools));
  }

  async flush(): Promise<void> {
    await this.#log.flush();
    this.#log.highWatermark = this.#log.endOffset;
  }

  /** Writes what the log has led to, so that the next start need not read all of it. */
  snapshot(records: readonly MetadataRecord[], lastContainedLogTimestamp: number): void {
    const id = { offset: this.#log.endOffset, epoch: this.#epoch };
    writeSnapshot(this.#options.dir.env, this.#log.path, id, {
      lastContainedLogTimestamp,
      kraftVersion: this.#kraftVersion,
      voters: this.#kraftVersion >= 1 ? this.#voters : undefined,
      records,
    });
    this.#snapshotted = this.#log.size;
    this.#removeOldSnapshots();
  }

  #removeOldSnapshots(): void {
    const { disk } = this.#options.dir.env;
    const found = disk.list(this.#log.path).flatMap(({ name }) => {
      const id = parseCheckpointName(name);
      return id?.complete === true ? [{ name, offset: id.offset }] : [];
    });
    found.sort((a, b) => b.offset - a.offset);
    for (const { name } of found.slice(KEPT_SNAPSHOTS)) disk.removeFile(this.#path(name));
  }
}

function writeSnapshot({ disk, clock, crypto, codecs }: Env, path: string, id: SnapshotId, snapshot: Snapshot): void {
  const part = `${path}/${checkpointName(id, ".part")}`;
  const file = disk.open(part, "create");
  try {
    file.truncate(0);
    const tools = { crc32c: crypto.crc32c, codecs };
    file.write(encodeSnapshot(id, { ...snapshot, writtenAt: clock.now() }, tools), 0);
    file.syncNow();
  } finally {
    file.close();
  }
  disk.rename(part, `${path}/${checkpointName(id)}`);
  disk.syncDirectoryNow(path);
}

/** Writes the snapshot that a new cluster begins with into the directory of the metadata log (KIP-1170). */
export function writeBootstrapSnapshot(env: Env, path: string, snapshot: Snapshot): void {
  env.disk.makeDirectory(path);
  writeSnapshot(env, path, BOOTSTRAP_SNAPSHOT, snapshot);
}

/** The directory's metadata cannot be led from here; the message says why in one sentence. */
export class QuorumError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "QuorumError";
  }
}

function describeVoter(id: number, directoryId: Uuid): VoterDescription {
  return { id, directoryId, endpoints: [], minKraftVersion: 0, maxKraftVersion: 1 };
}
