import {
  type Clock,
  type Disk,
  type DiskEntry,
  DiskError,
  type DiskFile,
  type DiskLock,
  type DiskSpace,
  type DiskStat,
  type OpenMode,
} from "@samsa/base";

class MemoryFile {
  bytes = new Uint8Array(0);
  size = 0;
  modified: number;

  constructor(modified: number) {
    this.modified = modified;
  }

  /** Makes room for `size` bytes. Capacity doubles, so that appending costs a constant time for each byte. */
  reserve(size: number): void {
    if (size <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(size, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.size));
    this.bytes = grown;
  }
}

class Directory {
  readonly entries = new Map<string, Entry>();
}

type Entry = MemoryFile | Directory;

/** Place of a name in a directory. */
interface Place {
  readonly parent: Directory;
  readonly name: string;
}

function partsOf(path: string): string[] {
  return path.split("/").filter(part => part !== "" && part !== ".");
}

/**
 * File system in memory. Its contents end with the object, so a node that starts again with the same disk finds what the
 * last one has written.
 */
export class MemoryDisk implements Disk {
  readonly #clock: Pick<Clock, "now">;
  /** Most bytes that the files may take together; writes beyond it fail with ENOSPC. */
  readonly #capacity: number;
  readonly #root = new Directory();
  readonly #locks = new Set<string>();
  #used = 0;

  constructor(clock: Pick<Clock, "now">, capacity = 64 * 2 ** 30) {
    this.#clock = clock;
    this.#capacity = capacity;
  }

  /** Forgets all locks, as the end of a process does. */
  unlockAll(): void {
    this.#locks.clear();
  }

  open(path: string, mode: OpenMode): DiskFile {
    let found = this.#find(path);
    if (found instanceof Directory) throw new DiskError("EISDIR", path, "a directory");
    if (found === undefined) {
      if (mode !== "create") throw new DiskError("ENOENT", path, "nothing there");
      const { parent, name } = this.#place(path);
      parent.entries.set(name, (found = new MemoryFile(this.#clock.now())));
    }
    return this.#opened(path, found, mode === "read");
  }

  #opened(path: string, file: MemoryFile, isReadOnly: boolean): DiskFile {
    let isOpen = true;
    const checked = (isWrite: boolean): void => {
      if (!isOpen || (isWrite && isReadOnly)) throw new DiskError("EBADF", path, "not open for this");
    };
    const read = (target: Uint8Array, position: number): number => {
      checked(false);
      const count = Math.max(0, Math.min(target.length, file.size - position));
      target.set(file.bytes.subarray(position, position + count));
      return count;
    };
    const resize = (size: number): void => {
      if (this.#used + size - file.size > this.#capacity) throw new DiskError("ENOSPC", path, "the disk is full");
      file.reserve(size);
      if (size < file.size) file.bytes.fill(0, size, file.size);
      this.#used += size - file.size;
      file.size = size;
      file.modified = this.#clock.now();
    };
    return {
      path,
      size: () => {
        checked(false);
        return file.size;
      },
      read,
      readLater: async (target, position) => read(target, position),
      write: (chunks, position) => {
        checked(true);
        let at = position;
        const end = chunks.reduce((sum, { length }) => sum + length, position);
        if (end > file.size) resize(end);
        for (const chunk of chunks) {
          file.bytes.set(chunk, at);
          at += chunk.length;
        }
      },
      truncate: size => {
        checked(true);
        resize(size);
      },
      sync: async () => checked(false),
      syncNow: () => checked(false),
      close: () => {
        isOpen = false;
      },
    };
  }

  list(directory: string): DiskEntry[] {
    const found = this.#find(directory);
    if (found === undefined) throw new DiskError("ENOENT", directory, "nothing there");
    if (found instanceof MemoryFile) throw new DiskError("ENOTDIR", directory, "not a directory");
    return [...found.entries].map(([name, entry]) => ({ name, directory: entry instanceof Directory }));
  }

  stat(path: string): DiskStat | undefined {
    const found = this.#find(path);
    if (found === undefined) return undefined;
    if (found instanceof Directory) return { size: 0, directory: true, modified: 0 };
    return { size: found.size, directory: false, modified: found.modified };
  }

  async space(): Promise<DiskSpace> {
    return { total: this.#capacity, usable: this.#capacity - this.#used };
  }

  makeDirectory(path: string): void {
    let at = this.#root;
    for (const part of partsOf(path)) {
      const next = at.entries.get(part) ?? new Directory();
      if (next instanceof MemoryFile) throw new DiskError("EEXIST", path, "a file is in the way");
      at.entries.set(part, next);
      at = next;
    }
  }

  rename(from: string, to: string): void {
    const entry = this.#find(from);
    if (entry === undefined) throw new DiskError("ENOENT", from, "nothing there");
    const source = this.#place(from);
    const target = this.#place(to);
    const old = target.parent.entries.get(target.name);
    if (old === entry) return;
    if (old instanceof Directory) {
      if (entry instanceof MemoryFile) throw new DiskError("EISDIR", to, "a directory is in the way");
      if (old.entries.size > 0) throw new DiskError("ENOTEMPTY", to, "a directory with content is in the way");
    } else if (old !== undefined) {
      if (entry instanceof Directory) throw new DiskError("ENOTDIR", to, "a file is in the way");
      this.#used -= old.size;
    }
    source.parent.entries.delete(source.name);
    target.parent.entries.set(target.name, entry);
  }

  removeFile(path: string): void {
    const found = this.#find(path);
    if (found === undefined) throw new DiskError("ENOENT", path, "nothing there");
    if (found instanceof Directory) throw new DiskError("EISDIR", path, "a directory");
    this.#remove(path, found);
  }

  async removeTree(path: string): Promise<void> {
    const found = this.#find(path);
    if (found !== undefined) this.#remove(path, found);
  }

  #remove(path: string, entry: Entry): void {
    const { parent, name } = this.#place(path);
    parent.entries.delete(name);
    this.#used -= sizeOf(entry);
  }

  async syncDirectory(directory: string): Promise<void> {
    this.syncDirectoryNow(directory);
  }

  syncDirectoryNow(directory: string): void {
    if (this.#find(directory) === undefined) throw new DiskError("ENOENT", directory, "nothing there");
  }

  lock(path: string): DiskLock | undefined {
    if (this.#locks.has(path)) return undefined;
    this.open(path, "create").close();
    this.#locks.add(path);
    return { release: () => void this.#locks.delete(path) };
  }

  #find(path: string): Entry | undefined {
    let at: Entry | undefined = this.#root;
    for (const part of partsOf(path)) {
      if (!(at instanceof Directory)) return undefined;
      at = at.entries.get(part);
    }
    return at;
  }

  #place(path: string): Place {
    const parts = partsOf(path);
    const name = parts.pop() ?? "";
    const parent = this.#find(parts.join("/"));
    if (parent === undefined) throw new DiskError("ENOENT", path, "its directory is missing");
    if (parent instanceof MemoryFile) throw new DiskError("ENOTDIR", path, "its parent is not a directory");
    return { parent, name };
  }
}

function sizeOf(entry: Entry): number {
  if (entry instanceof MemoryFile) return entry.size;
  let size = 0;
  for (const child of entry.entries.values()) size += sizeOf(child);
  return size;
}
