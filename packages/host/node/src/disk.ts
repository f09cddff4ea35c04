import {
  type Disk,
  type DiskEntry,
  DiskError,
  type DiskFile,
  type DiskSpace,
  type DiskStat,
  invariant,
  messageOf,
  type OpenMode,
} from "@samsa/base";
import * as fs from "node:fs";
import { dirname } from "node:path";
import { lockFile } from "./lock.ts";

/** Converts an error of Node. */
function diskError(path: string, error: unknown): DiskError {
  const code = (error as NodeJS.ErrnoException).code ?? "EIO";
  const message = messageOf(error);
  // Node's message contains the code and the path, which `DiskError` adds itself.
  return new DiskError(code, path, message.replace(`${code}: `, "").replace(` '${path}'`, ""));
}

function calling<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw diskError(path, error);
  }
}

class NodeFile implements DiskFile {
  readonly path: string;
  readonly #fd: number;
  #underWay = 0;
  #closed = false;

  constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  size(): number {
    return calling(this.path, () => fs.fstatSync(this.#fd).size);
  }

  read(target: Uint8Array, position: number): number {
    return calling(this.path, () => {
      let done = 0;
      while (done < target.length) {
        const count = fs.readSync(this.#fd, target, done, target.length - done, position + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    });
  }

  readLater(target: Uint8Array, position: number): Promise<number> {
    return this.#later<number>(finish => {
      const step = (done: number) => {
        if (done === target.length) return finish(null, done);
        fs.read(this.#fd, target, done, target.length - done, position + done, (error, count) => {
          if (error !== null || count === 0) finish(error, done);
          else step(done + count);
        });
      };
      step(0);
    });
  }

  write(chunks: readonly Uint8Array[], position: number): void {
    calling(this.path, () => {
      let rest = chunks;
      let at = position;
      while (rest.length > 0) {
        const [only] = rest;
        const count =
          only !== undefined && rest.length === 1
            ? fs.writeSync(this.#fd, only, 0, only.length, at)
            : fs.writevSync(this.#fd, rest, at);
        at += count;
        rest = without(rest, count);
      }
    });
  }

  truncate(size: number): void {
    calling(this.path, () => fs.ftruncateSync(this.#fd, size));
  }

  sync(): Promise<void> {
    return this.#later<void>(finish => fs.fsync(this.#fd, error => finish(error, undefined)));
  }

  syncNow(): void {
    calling(this.path, () => fs.fsyncSync(this.#fd));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#underWay === 0) this.#release();
  }

  /**
   * Runs asynchronous work and delays `close` until it ends: the system may reuse a closed descriptor for another file.
   */
  #later<T>(work: (finish: (error: Error | null, value: T) => void) => void): Promise<T> {
    invariant(!this.#closed, "a closed file is not used");
    this.#underWay++;
    return new Promise<T>((resolve, reject) => {
      work((error, value) => {
        this.#underWay--;
        if (this.#closed && this.#underWay === 0) this.#release();
        if (error === null) resolve(value);
        else reject(diskError(this.path, error));
      });
    });
  }

  #release(): void {
    calling(this.path, () => fs.closeSync(this.#fd));
  }
}

/** The rest of `chunks` after their first `count` bytes. */
function without(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let left = count;
  for (const [i, chunk] of chunks.entries()) {
    if (left < chunk.length) return [chunk.subarray(left), ...chunks.slice(i + 1)];
    left -= chunk.length;
  }
  return [];
}

const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT,
};

function list(directory: string): DiskEntry[] {
  return fs
    .readdirSync(directory, { withFileTypes: true })
    .map(entry => ({ name: entry.name, directory: entry.isDirectory() }));
}

function stat(path: string): DiskStat | undefined {
  try {
    const found = fs.statSync(path);
    return { size: found.size, directory: found.isDirectory(), modified: Math.floor(found.mtimeMs) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw diskError(path, error);
  }
}

/** False on Windows, which has no fsync of a directory; NTFS journals changes of names. */
const DIRECTORIES_SYNC = process.platform !== "win32";

function syncDirectoryNow(path: string): void {
  if (!DIRECTORIES_SYNC) return;
  const fd = fs.openSync(path, "r");
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

async function syncDirectory(path: string): Promise<void> {
  if (!DIRECTORIES_SYNC) return;
  try {
    const directory = await fs.promises.open(path, "r");
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  } catch (error) {
    throw diskError(path, error);
  }
}

async function removeTree(path: string): Promise<void> {
  try {
    await fs.promises.rm(path, { recursive: true, force: true });
  } catch (error) {
    throw diskError(path, error);
  }
}

async function space(path: string): Promise<DiskSpace> {
  try {
    const { bsize, blocks, bavail } = await fs.promises.statfs(path);
    return { total: bsize * blocks, usable: bsize * bavail };
  } catch (error) {
    throw diskError(path, error);
  }
}

/**
 * Creates a directory and its parents. Repeats the call after ENOENT, which Node reports instead of the real error, for
 * example on a read-only disk.
 */
function makeDirectory(path: string): void {
  try {
    fs.mkdirSync(path, { recursive: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    let missing = path;
    while (!fs.existsSync(dirname(missing)) && dirname(missing) !== missing) missing = dirname(missing);
    fs.mkdirSync(missing);
    fs.mkdirSync(path, { recursive: true });
  }
}

/** The file system. */
export function nodeDisk(): Disk {
  return {
    open: (path, mode) =>
      new NodeFile(
        path,
        calling(path, () => fs.openSync(path, FLAGS[mode], 0o644)),
      ),
    list: directory => calling(directory, () => list(directory)),
    stat,
    makeDirectory: path => calling(path, () => makeDirectory(path)),
    rename: (from, to) => calling(from, () => fs.renameSync(from, to)),
    removeFile: path => calling(path, () => fs.unlinkSync(path)),
    space,
    removeTree,
    syncDirectory,
    syncDirectoryNow: directory => calling(directory, () => syncDirectoryNow(directory)),
    lock: path => calling(path, () => lockFile(path)),
  };
}
