import { type Disk, type DiskFile, type Env, nearestNumber, type Offset } from "@samsa/base";
import { LOG_SUFFIX, offsetOfFile } from "@samsa/log";
import { EMPTY_IMAGE, MetadataDelta, type MetadataImage, type Provenance } from "@samsa/metadata";
import {
  checkpointName,
  latestCheckpoint,
  type MetadataBatch,
  parseCheckpointName,
  readMetadataBatches,
} from "@samsa/quorum";
import { batchesOf } from "../dump/batches.ts";
import { reasonOf } from "../dump/entry.ts";
import { Failure } from "../terminal/failure.ts";

/** Image after the replay of files, and the reasons if the replay stopped early. */
export interface Loaded {
  readonly image: MetadataImage;
  readonly notes: readonly string[];
}

const METADATA_DIRECTORY = "__cluster_metadata-0";

/** Replays files one after the other until the first fault. */
class Replay {
  readonly #env: Env;
  readonly #delta = new MetadataDelta(EMPTY_IMAGE);
  readonly notes: string[] = [];
  #provenance: Provenance = EMPTY_IMAGE.provenance;
  stopped = false;

  constructor(env: Env) {
    this.#env = env;
  }

  get image(): MetadataImage {
    return this.#delta.apply(this.#provenance);
  }

  /** Offset of the next record. */
  get nextOffset(): Offset {
    return this.#provenance.offset + 1;
  }

  /** Replays a snapshot, which replaces the log before the offset in its name. Its records have no log offsets. */
  snapshot(path: string): void {
    const id = parseCheckpointName(path.slice(path.lastIndexOf("/") + 1));
    let timestamp = -1;
    this.#read(path, batch => {
      for (const control of batch.control) {
        if (control.type === "snapshotHeader") timestamp = nearestNumber(control.lastContainedLogTimestamp);
      }
      for (const record of batch.records) this.#delta.replay(record);
    });
    this.#provenance = { offset: (id?.offset ?? 0) - 1, epoch: id?.epoch ?? 0, timestamp };
  }

  log(path: string): void {
    this.#read(path, batch => {
      if (batch.lastOffset < this.nextOffset) return;
      if (batch.baseOffset > this.nextOffset) {
        throw new Failure(`offset ${batch.baseOffset} comes where ${this.nextOffset} must`);
      }
      for (const record of batch.records) this.#delta.replay(record);
      this.#provenance = { offset: batch.lastOffset, epoch: batch.epoch, timestamp: batch.timestamp };
    });
  }

  #read(path: string, take: (batch: MetadataBatch) => void): void {
    const file = this.#env.disk.open(path, "read");
    try {
      this.#batches(path, file, take);
    } finally {
      file.close();
    }
  }

  #batches(path: string, file: DiskFile, take: (batch: MetadataBatch) => void): void {
    const { crypto, codecs } = this.#env;
    const tools = { crc32c: crypto.crc32c, codecs };
    for (const step of batchesOf(file, file.size(), crypto.crc32c)) {
      const stop = (reason: string): void => {
        this.notes.push(`${path} at ${step.position}: ${reason}; what follows is not shown`);
        this.stopped = true;
      };
      if (step.kind === "gap") {
        // A tail of zeros is preallocated space, and a torn tail was never committed.
        if (step.damage) return stop(step.reason);
        continue;
      }
      if (!step.intact) return stop("the checksum is wrong");
      const { batch } = step;
      try {
        for (const decoded of readMetadataBatches(batch.bytes.subarray(batch.at, batch.end), tools)) take(decoded);
      } catch (error) {
        return stop(reasonOf(error));
      }
    }
  }
}

function loadDirectory(disk: Disk, path: string, replay: Replay): void {
  const names = disk.list(path).flatMap(({ name, directory }) => (directory ? [] : [name]));
  const logs = names.filter(name => offsetOfFile(name, LOG_SUFFIX) >= 0).sort();
  const latest = latestCheckpoint(names);
  if (latest === undefined && logs.length === 0) {
    throw new Failure(`${path}: no metadata log there; give a log directory, ${METADATA_DIRECTORY}, or a file in it`);
  }
  if (latest !== undefined) replay.snapshot(`${path}/${checkpointName(latest)}`);
  // Begin with the last segment at or before the next offset: the snapshot covers earlier segments.
  const first = logs.findLastIndex(name => offsetOfFile(name, LOG_SUFFIX) <= replay.nextOffset);
  for (const name of logs.slice(Math.max(0, first))) {
    if (!replay.stopped) replay.log(`${path}/${name}`);
  }
}

/** Loads the metadata in a log directory, in the directory of the metadata log, or in one file. Throws `Failure`. */
export function loadMetadata(env: Env, place: string): Loaded {
  const { disk } = env;
  const stat = disk.stat(place);
  if (stat === undefined) throw new Failure(`${place}: no such file or directory`);
  const replay = new Replay(env);
  if (!stat.directory) {
    if (place.endsWith(LOG_SUFFIX)) replay.log(place);
    else if (place.endsWith(".checkpoint")) replay.snapshot(place);
    else throw new Failure(`${place}: neither a metadata log (.log) nor a snapshot of one (.checkpoint)`);
  } else {
    const inside = `${place}/${METADATA_DIRECTORY}`;
    loadDirectory(disk, disk.stat(inside)?.directory === true ? inside : place, replay);
  }
  return { image: replay.image, notes: replay.notes };
}
