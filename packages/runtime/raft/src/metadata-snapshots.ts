import { type Disk, type Env, MalformedError, type Offset } from "@samsa/base";
import {
  checkpointName,
  decodeSnapshot,
  decodeSnapshotSteps,
  encodeSnapshot,
  encodeSnapshotSteps,
  parseCheckpointName,
  type Snapshot,
  type SnapshotId,
  type SnapshotSteps,
} from "@samsa/quorum";
import type { Tools } from "@samsa/records";
import { readWhole, removeIfThere } from "@samsa/storage";
import { QuorumError } from "./quorum-error.ts";

/** Records of a snapshot that are encoded or decoded in one turn of the event loop. */
const STEP_RECORDS = 1000;

/** A complete snapshot on disk. */
export interface StoredSnapshot extends SnapshotId {
  readonly name: string;
  /** Size of the file in bytes. */
  readonly size: number;
}

/** Snapshots in the directory of the metadata log (`KafkaRaftLog`), oldest first. */
export class MetadataSnapshots {
  readonly #env: Env;
  readonly #tools: Tools;
  readonly #path: string;
  #stored: StoredSnapshot[] = [];
  /** Timestamps of snapshots, cached because they require a read of the whole file. */
  readonly #timestamps = new WeakMap<StoredSnapshot, number>();

  constructor(env: Env, tools: Tools, path: string) {
    this.#env = env;
    this.#tools = tools;
    this.#path = path;
  }

  get latest(): StoredSnapshot | undefined {
    return this.#stored.at(-1);
  }

  get all(): readonly StoredSnapshot[] {
    return this.#stored;
  }

  /** Lists the directory, and removes files of snapshots that are incomplete or marked for deletion. */
  open(): void {
    const { disk } = this.#env;
    this.#stored = [];
    for (const { name } of disk.list(this.#path)) {
      const id = parseCheckpointName(name);
      if (id === undefined) continue;
      const path = `${this.#path}/${name}`;
      if (!id.complete) disk.removeFile(path);
      else this.#stored.push({ offset: id.offset, epoch: id.epoch, name, size: disk.stat(path)?.size ?? 0 });
    }
    this.#stored.sort((a, b) => a.offset - b.offset || a.epoch - b.epoch);
  }

  /** Reads a snapshot. Throws `QuorumError` if the file is damaged. */
  read({ name }: StoredSnapshot): Snapshot {
    const path = `${this.#path}/${name}`;
    try {
      return decodeSnapshot(readWhole(this.#env.disk, path) ?? new Uint8Array(0), this.#tools);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      throw new QuorumError(
        `The snapshot of the metadata ${path} is damaged (${error.message}): restore it, or the whole directory, from a copy.`,
      );
    }
  }

  /**
   * Writes a snapshot without blocking; it is listed once the promise resolves, unless a newer one is. Rejects with
   * `DiskError`.
   */
  async write(id: SnapshotId, snapshot: Snapshot): Promise<void> {
    const { disk, clock } = this.#env;
    const written = { ...snapshot, writtenAt: clock.now() };
    const chunks = await this.#inTurns(encodeSnapshotSteps(id, written, { tools: this.#tools, most: STEP_RECORDS }));
    const part = this.#partPath(id);
    const name = checkpointName(id);
    try {
      await writePart(disk, part, chunks);
      disk.rename(part, `${this.#path}/${name}`);
    } catch (error) {
      // Remove the incomplete file, so that repeated attempts do not fill the disk.
      removeIfThere(disk, part);
      throw error;
    }
    await disk.syncDirectory(this.#path);
    // A newer one may have come from the leader meanwhile, and the log may begin there.
    if (this.latest !== undefined && this.latest.offset >= id.offset) disk.removeFile(`${this.#path}/${name}`);
    else this.#stored.push({ ...id, name, size: chunks.reduce((sum, { length }) => sum + length, 0) });
  }

  async #inTurns<T>(steps: SnapshotSteps<T>): Promise<T> {
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      await new Promise<void>(resolve => {
        this.#env.timers.soon(resolve);
      });
    }
  }

  /** Complete snapshot with this id. */
  find({ offset, epoch }: SnapshotId): StoredSnapshot | undefined {
    return this.#stored.find(stored => stored.offset === offset && stored.epoch === epoch);
  }

  /** Up to `maxBytes` of a snapshot, from byte `position` on. */
  part({ name, size }: StoredSnapshot, position: number, maxBytes: number): Uint8Array {
    const file = this.#env.disk.open(`${this.#path}/${name}`, "read");
    try {
      const bytes = new Uint8Array(Math.min(maxBytes, size - position));
      return bytes.subarray(0, file.read(bytes, position));
    } finally {
      file.close();
    }
  }

  #partPath(id: SnapshotId): string {
    return `${this.#path}/${checkpointName(id, ".part")}`;
  }

  /** Stores a part of a snapshot that is being received. */
  storePart(id: SnapshotId, position: number, chunks: readonly Uint8Array[]): void {
    const file = this.#env.disk.open(this.#partPath(id), "create");
    try {
      file.truncate(position);
      file.write(chunks, position);
    } finally {
      file.close();
    }
  }

  /** Makes a received snapshot durable and decodes it; undefined if it is none. Rejects with `DiskError`. */
  async complete(id: SnapshotId): Promise<Snapshot | undefined> {
    const { disk } = this.#env;
    const path = this.#partPath(id);
    const file = disk.open(path, "write");
    try {
      await file.sync();
    } finally {
      file.close();
    }
    try {
      const bytes = readWhole(disk, path) ?? new Uint8Array(0);
      return await this.#inTurns(decodeSnapshotSteps(bytes, { tools: this.#tools, most: STEP_RECORDS }));
    } catch (error) {
      if (error instanceof MalformedError) return undefined;
      throw error;
    }
  }

  /** Lists a received snapshot, which is durable on return. */
  adopt(id: SnapshotId): void {
    const { disk } = this.#env;
    const name = checkpointName(id);
    disk.rename(this.#partPath(id), `${this.#path}/${name}`);
    disk.syncDirectoryNow(this.#path);
    this.#stored.push({ ...id, name, size: disk.stat(`${this.#path}/${name}`)?.size ?? 0 });
  }

  /** Removes the parts of a snapshot. */
  abandon(id: SnapshotId): void {
    removeIfThere(this.#env.disk, this.#partPath(id));
  }

  /** Timestamp of the newest record that a snapshot covers, in ms. */
  timestampOf(snapshot: StoredSnapshot): number {
    const known = this.#timestamps.get(snapshot) ?? this.read(snapshot).lastContainedLogTimestamp;
    this.#timestamps.set(snapshot, known);
    return known;
  }

  /** Removes the snapshots before `offset`. */
  removeBefore(offset: Offset): void {
    for (const { name } of this.#stored.filter(stored => stored.offset < offset)) {
      this.#env.disk.removeFile(`${this.#path}/${name}`);
    }
    this.#stored = this.#stored.filter(stored => stored.offset >= offset);
  }
}

/** Writes the bootstrap snapshot of a new cluster (KIP-1170); blocks until it is durable. */
export function writeBootstrapSnapshot(
  { disk, clock, crypto, codecs }: Pick<Env, "disk" | "clock" | "crypto" | "codecs">,
  path: string,
  snapshot: Snapshot,
): void {
  const id = { offset: 0, epoch: 0 };
  disk.makeDirectory(path);
  const part = `${path}/${checkpointName(id, ".part")}`;
  writeDurably(
    disk,
    part,
    encodeSnapshot(id, { ...snapshot, writtenAt: clock.now() }, { crc32c: crypto.crc32c, codecs }),
  );
  disk.rename(part, `${path}/${checkpointName(id)}`);
  disk.syncDirectoryNow(path);
}

async function writePart(disk: Disk, path: string, chunks: readonly Uint8Array[]): Promise<void> {
  const file = disk.open(path, "create");
  try {
    file.truncate(0);
    file.write(chunks, 0);
    await file.sync();
  } finally {
    file.close();
  }
}

function writeDurably(disk: Disk, path: string, chunks: readonly Uint8Array[]): void {
  const file = disk.open(path, "create");
  try {
    file.truncate(0);
    file.write(chunks, 0);
    file.syncNow();
  } finally {
    file.close();
  }
}
