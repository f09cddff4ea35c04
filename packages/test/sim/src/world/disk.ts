import { type Disk, DiskError, type DiskFile, type DiskLock, type DiskStat, type OpenMode } from "@samsa/base";
import type { Prng } from "./prng.ts";

/** Operation of a simulated disk, as faults and watches see it. */
export type DiskOperation =
  | "open"
  | "list"
  | "stat"
  | "read"
  | "write"
  | "truncate"
  | "sync"
  | "makeDirectory"
  | "rename"
  | "removeFile"
  | "removeTree"
  | "syncDirectory";

/** Returns the POSIX code with which an operation fails, or undefined to let it pass. */
export type DiskFault = (operation: DiskOperation, path: string) => string | undefined;

/** Options of a crash. */
export interface CrashOptions {
  /**
   * Fate of unsynced changes. "random" (the default) keeps, loses or tears each, "lost" loses all, "kept" keeps all.
   * "cached": only the process died. All changes stay visible, as in a page cache, and are still unsynced.
   */
  readonly unsynced?: "random" | "lost" | "kept" | "cached";
}

/** Change of a file's content or size that has not reached the device. */
type Change = { readonly at: number; readonly bytes: Uint8Array } | { readonly size: number };

class FileNode {
  content = new Uint8Array(0);
  size = 0;
  durable = new Uint8Array(0);
  durableSize = 0;
  unsynced: Change[] = [];
  modified = 0;

  change(change: Change): void {
    [this.content, this.size] = applied(this.content, this.size, change);
    this.unsynced.push(change);
  }

  /** Writes a change, or its first `upTo` bytes, to the device. */
  settle(change: Change, upTo = Infinity): void {
    const part = "bytes" in change ? { at: change.at, bytes: change.bytes.subarray(0, upTo) } : change;
    [this.durable, this.durableSize] = applied(this.durable, this.durableSize, part);
  }

  /** Writes a change to the device except some bytes in its middle, as if blocks were written out of order. */
  settleAround(change: Change, rng: Prng): void {
    if (!("bytes" in change)) return this.settle(change);
    const { at, bytes } = change;
    const from = rng.int(0, bytes.length);
    const to = rng.int(from, bytes.length);
    this.settle(change, from);
    this.settle({ at: at + to, bytes: bytes.subarray(to) });
  }

  forget(): void {
    this.content = this.durable.slice(0, this.durableSize);
    this.size = this.durableSize;
    this.unsynced = [];
  }
}

function applied(bytes: Uint8Array<ArrayBuffer>, size: number, change: Change): [Uint8Array<ArrayBuffer>, number] {
  if ("size" in change) {
    const cut = new Uint8Array(change.size);
    cut.set(bytes.subarray(0, Math.min(size, change.size)));
    return [cut, change.size];
  }
  if (change.bytes.length === 0) return [bytes, size];
  const end = change.at + change.bytes.length;
  let target = bytes;
  if (end > target.length) {
    target = new Uint8Array(Math.max(end, target.length * 2));
    target.set(bytes.subarray(0, size));
  }
  target.set(change.bytes, change.at);
  return [target, Math.max(size, end)];
}

/** Paths of a disk whose names are kept. */
const MOST_SPLITS = 4096;

class DirectoryNode {
  live = new Map<string, Node>();
  durable = new Map<string, Node>();
}

type Node = FileNode | DirectoryNode;

/** Directory changes that are atomic: one for a creation or removal, two for a rename. */
type NameChange = readonly {
  readonly directory: DirectoryNode;
  readonly name: string;
  readonly node: Node | undefined;
}[];

/** Clock, scheduler and trace of the world that a disk belongs to. */
export interface DiskWorld {
  now(): number;
  /** Runs `work` after the latency of the device. */
  later(label: string, work: () => void): void;
  trace(line: string): void;
}

/**
 * File system that keeps the visible state and the state of the device apart. A crash loses unsynced changes as badly
 * as POSIX allows. Any subset of the writes to a file survives, the last one torn at any byte, others with holes. Name
 * changes of a directory survive as a prefix of their order. After a failed fsync the covered changes are on the device
 * or not, by chance, and a later successful fsync does not write them.
 */
export class SimDisk {
  /** Makes operations fail while set. */
  fault: DiskFault | undefined;
  /** Called before each operation. May crash the node at this point. */
  watch: ((operation: DiskOperation, path: string) => void) | undefined;
  /** Called after each read with the number of bytes. */
  onRead: ((path: string, bytes: number) => void) | undefined;
  /** Upper bound of the sum of file sizes, in bytes. Writes beyond it fail with ENOSPC. */
  capacity = Infinity;
  readonly #rng: Prng;
  readonly #world: DiskWorld;
  readonly #root = new DirectoryNode();
  #names: NameChange[] = [];
  #locks = new Map<string, object>();
  readonly #splits = new Map<string, readonly string[]>();
  #session: object = {};

  constructor(rng: Prng, world: DiskWorld) {
    this.#rng = rng;
    this.#world = world;
  }

  /** Puts a new, empty device in its place, between two lives of a node. */
  wipe(): void {
    this.#root.live.clear();
    this.#root.durable.clear();
    this.#names = [];
    this.#locks.clear();
  }

  /** Returns the disk for one life of a node. Its calls throw after the next crash. */
  mount(): Disk {
    const session = this.#session;
    const on = <T>(operation: DiskOperation, path: string, work: () => T): T => {
      this.#check(session, operation, path);
      return work();
    };
    return {
      open: (path, mode) => on("open", path, () => this.#open(session, path, mode)),
      list: path =>
        on("list", path, () =>
          [...this.#directory(path).live]
            .map(([name, node]) => ({ name, directory: node instanceof DirectoryNode }))
            .sort((a, b) => (a.name < b.name ? -1 : 1)),
        ),
      stat: path => on("stat", path, () => this.#stat(path)),
      makeDirectory: path => on("makeDirectory", path, () => this.#makeDirectory(path)),
      rename: (from, to) => on("rename", from, () => this.#rename(from, to)),
      removeFile: path => on("removeFile", path, () => this.#remove(path, false)),
      space: path =>
        this.#async(session, "stat", path, () => {
          const total = Math.min(this.capacity, Number.MAX_SAFE_INTEGER);
          return { total, usable: Math.max(0, total - this.used()) };
        }),
      removeTree: path => this.#async(session, "removeTree", path, () => this.#removeTree(path)),
      syncDirectory: path => {
        const covered = this.#names.slice();
        return this.#async(session, "syncDirectory", path, () => this.#syncDirectory(path, covered));
      },
      syncDirectoryNow: path => on("syncDirectory", path, () => this.#syncDirectory(path, this.#names)),
      lock: path => on("open", path, () => this.#lock(session, path)),
    };
  }

  /** Crashes the node: closes open files, releases locks, and keeps, loses or tears unsynced changes. */
  crash(options: CrashOptions = {}): void {
    const how = options.unsynced ?? "random";
    this.#session = {};
    this.#locks.clear();
    if (how === "cached") return;
    const broken = new Set<DirectoryNode>();
    for (const change of this.#names) {
      const keep =
        how === "kept" || (how === "random" && !change.some(c => broken.has(c.directory)) && this.#rng.chance(0.7));
      if (keep) settleNames(change);
      else for (const { directory } of change) broken.add(directory);
    }
    this.#names = [];
    this.#crashNode(this.#root, how, new Set());
  }

  /** Sum of file sizes, as `capacity` counts them. */
  used(): number {
    return usedBytes(this.#root);
  }

  /** Flips one bit of a file, on the device and in the visible state. */
  flipBit(path: string, byte: number, bit = this.#rng.int(0, 7)): void {
    const node = this.#file(path);
    for (const bytes of [node.content, node.durable]) {
      const old = bytes[byte];
      if (old !== undefined) bytes[byte] = old ^ (1 << bit);
    }
  }

  /** Bytes of a file that are synced, and so would survive a crash. */
  durableBytes(path: string): Uint8Array {
    const node = this.#file(path);
    return node.durable.slice(0, node.durableSize);
  }

  #crashNode(node: Node, how: "random" | "lost" | "kept", seen: Set<Node>): void {
    if (seen.has(node)) return;
    seen.add(node);
    if (node instanceof DirectoryNode) {
      node.live = new Map(node.durable);
      for (const child of node.live.values()) this.#crashNode(child, how, seen);
      return;
    }
    const rng = this.#rng;
    const { unsynced } = node;
    const prefix = how === "random" && rng.chance(0.5) ? rng.int(0, unsynced.length) : undefined;
    unsynced.forEach((change, i) => {
      const length = "bytes" in change ? change.bytes.length : 0;
      if (how === "kept") node.settle(change);
      else if (how === "lost") return;
      else if (prefix !== undefined) {
        if (i < prefix) node.settle(change);
        else if (i === prefix && length > 0) node.settle(change, rng.int(0, length));
      } else if (rng.chance(0.6)) {
        const torn = i === unsynced.length - 1 && length > 0;
        if (rng.chance(0.3)) node.settleAround(change, rng);
        else node.settle(change, torn ? rng.int(0, length) : Infinity);
      }
    });
    node.forget();
  }

  #check(session: object, operation: DiskOperation, path: string): void {
    this.#alive(session, path);
    this.watch?.(operation, path);
    this.#alive(session, path);
    const code = this.fault?.(operation, path);
    if (code === undefined) return;
    this.#world.trace(`disk fault ${operation} ${path} ${code}`);
    throw new DiskError(code, path, "an injected fault");
  }

  #alive(session: object, path: string): void {
    if (session !== this.#session) throw new DiskError("EIO", path, "the node has crashed");
  }

  /** Names in a path. The same few paths are asked for over and over. */
  #split(path: string): readonly string[] {
    let names = this.#splits.get(path);
    if (names === undefined) {
      if (this.#splits.size >= MOST_SPLITS) this.#splits.clear();
      names = split(path);
      this.#splits.set(path, names);
    }
    return names;
  }

  /** Node at the first `depth` names of a path, or the code with which the way there ends. */
  #find(names: readonly string[], depth = names.length): Node | "ENOENT" | "ENOTDIR" {
    let node: Node = this.#root;
    for (let i = 0; i < depth; i++) {
      if (!(node instanceof DirectoryNode)) return "ENOTDIR";
      const next = node.live.get(names[i] as string);
      if (next === undefined) return "ENOENT";
      node = next;
    }
    return node;
  }

  #walk(path: string, names: readonly string[], depth = names.length): Node {
    const node = this.#find(names, depth);
    if (node === "ENOTDIR") throw new DiskError(node, path, "not a directory");
    if (node === "ENOENT") throw new DiskError(node, path, "nothing there");
    return node;
  }

  #directory(path: string): DirectoryNode {
    const node = this.#walk(path, this.#split(path));
    if (!(node instanceof DirectoryNode)) throw new DiskError("ENOTDIR", path, "not a directory");
    return node;
  }

  #file(path: string): FileNode {
    const node = this.#walk(path, this.#split(path));
    if (!(node instanceof FileNode)) throw new DiskError("EISDIR", path, "a directory");
    return node;
  }

  #parent(path: string): { directory: DirectoryNode; name: string } {
    const names = this.#split(path);
    const node = this.#walk(path, names, Math.max(0, names.length - 1));
    if (!(node instanceof DirectoryNode)) throw new DiskError("ENOTDIR", path, "its parent is not a directory");
    return { directory: node, name: names[names.length - 1] ?? "" };
  }

  #rewire(change: NameChange): void {
    for (const { directory, name, node } of change) {
      if (node === undefined) directory.live.delete(name);
      else directory.live.set(name, node);
    }
    this.#names.push(change);
  }

  #open(session: object, path: string, mode: OpenMode): DiskFile {
    const { directory, name } = this.#parent(path);
    let node = directory.live.get(name);
    if (node === undefined && mode === "create") {
      node = new FileNode();
      node.modified = this.#world.now();
      this.#rewire([{ directory, name, node }]);
    }
    if (node === undefined) throw new DiskError("ENOENT", path, "nothing there");
    if (node instanceof DirectoryNode) throw new DiskError("EISDIR", path, "a directory");
    return this.#handle(session, path, node, mode === "read");
  }

  #handle(session: object, path: string, node: FileNode, readOnly: boolean): DiskFile {
    let open = true;
    const check = (operation: DiskOperation, writing = false) => {
      if (!open || (writing && readOnly)) throw new DiskError("EBADF", path, "not open for this");
      this.#check(session, operation, path);
    };
    const read = (target: Uint8Array, position: number): number => {
      const from = node.content.subarray(0, node.size).subarray(position, position + target.length);
      target.set(from);
      this.onRead?.(path, from.length);
      return from.length;
    };
    return {
      path,
      size: () => {
        check("stat");
        return node.size;
      },
      read: (target, position) => {
        check("read");
        return read(target, position);
      },
      readLater: (target, position) => this.#async(session, "read", path, () => read(target, position)),
      write: (chunks, position) => {
        check("write", true);
        this.#write(path, node, chunks, position);
      },
      truncate: size => {
        check("truncate", true);
        node.change({ size });
        node.modified = this.#world.now();
      },
      sync: () => {
        if (!open) throw new DiskError("EBADF", path, "a closed file is not used");
        const covered = node.unsynced.slice();
        return this.#async(
          session,
          "sync",
          path,
          () => settleAll(node, covered),
          () => this.#doubt(node, covered),
        );
      },
      syncNow: () => {
        const covered = node.unsynced.slice();
        try {
          check("sync");
        } catch (error) {
          if (session === this.#session) this.#doubt(node, covered);
          throw error;
        }
        settleAll(node, covered);
      },
      close: () => {
        open = false;
      },
    };
  }

  #write(path: string, node: FileNode, chunks: readonly Uint8Array[], position: number): void {
    let at = position;
    let free = this.capacity === Infinity ? Infinity : this.capacity - usedBytes(this.#root);
    node.modified = this.#world.now();
    for (const chunk of chunks) {
      const grows = Math.max(0, at + chunk.length - node.size);
      if (grows > free) {
        node.change({ at, bytes: chunk.slice(0, Math.max(0, chunk.length - (grows - free))) });
        throw new DiskError("ENOSPC", path, "the disk is full");
      }
      free -= grows;
      if (chunk.length > 0) node.change({ at, bytes: chunk.slice() });
      at += chunk.length;
    }
  }

  #async<T>(session: object, operation: DiskOperation, path: string, work: () => T, failed?: () => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#world.later(`disk ${operation} ${path}`, () => {
        // The process that waits for this has crashed.
        if (session !== this.#session) return;
        try {
          this.#check(session, operation, path);
          resolve(work());
        } catch (error) {
          // The operation's watch has crashed the node: its promises never settle.
          if (session !== this.#session) return;
          failed?.();
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  #doubt(node: FileNode, covered: readonly Change[]): void {
    for (const change of covered) if (node.unsynced.includes(change) && this.#rng.chance(0.5)) node.settle(change);
    node.unsynced = node.unsynced.filter(change => !covered.includes(change));
  }

  #stat(path: string): DiskStat | undefined {
    const node = this.#find(this.#split(path));
    if (node instanceof FileNode) return { size: node.size, directory: false, modified: node.modified };
    return node instanceof DirectoryNode ? { size: 0, directory: true, modified: 0 } : undefined;
  }

  #makeDirectory(path: string): void {
    let directory = this.#root;
    for (const name of this.#split(path)) {
      let next = directory.live.get(name);
      if (next === undefined) {
        next = new DirectoryNode();
        this.#rewire([{ directory, name, node: next }]);
      }
      if (!(next instanceof DirectoryNode)) throw new DiskError("EEXIST", path, "a file is in the way");
      directory = next;
    }
  }

  #rename(from: string, to: string): void {
    const source = this.#parent(from);
    const target = this.#parent(to);
    const node = source.directory.live.get(source.name);
    if (node === undefined) throw new DiskError("ENOENT", from, "nothing there");
    const old = target.directory.live.get(target.name);
    if (old instanceof DirectoryNode && old !== node) {
      if (node instanceof FileNode) throw new DiskError("EISDIR", to, "a directory is in the way");
      if (old.live.size > 0) throw new DiskError("ENOTEMPTY", to, "a directory with content is in the way");
    }
    if (old instanceof FileNode && node instanceof DirectoryNode) throw new DiskError("ENOTDIR", to, "a file");
    if (old === node) return;
    this.#rewire([
      { ...source, node: undefined },
      { ...target, node },
    ]);
  }

  #remove(path: string, directories: boolean): void {
    const { directory, name } = this.#parent(path);
    const node = directory.live.get(name);
    if (node === undefined) throw new DiskError("ENOENT", path, "nothing there");
    if (node instanceof DirectoryNode) {
      if (!directories) throw new DiskError("EISDIR", path, "a directory");
      for (const child of [...node.live.keys()]) this.#remove(`${path}/${child}`, true);
    }
    this.#rewire([{ directory, name, node: undefined }]);
  }

  #removeTree(path: string): void {
    if (this.#stat(path) !== undefined) this.#remove(path, true);
  }

  #syncDirectory(path: string, covered: readonly NameChange[]): void {
    const directory = this.#directory(path);
    const meant = new Set(covered);
    this.#names = this.#names.filter(change => {
      if (!meant.has(change) || !change.some(c => c.directory === directory)) return true;
      settleNames(change);
      return false;
    });
  }

  #lock(session: object, path: string): DiskLock | undefined {
    if (this.#locks.has(path)) return undefined;
    this.#open(session, path, "create").close();
    const token = {};
    this.#locks.set(path, token);
    return {
      release: () => {
        if (this.#locks.get(path) === token) this.#locks.delete(path);
      },
    };
  }
}

function split(path: string): string[] {
  return path.split("/").filter(part => part !== "" && part !== ".");
}

function settleNames(change: NameChange): void {
  for (const { directory, name, node } of change) {
    if (node === undefined) directory.durable.delete(name);
    else directory.durable.set(name, node);
  }
}

function settleAll(node: FileNode, covered: readonly Change[]): void {
  if (covered.length === 0) return;
  const { unsynced } = node;
  const last = covered.length - 1;
  if (unsynced[0] === covered[0] && unsynced[last] === covered[last]) {
    // Changes leave the list in their order or not at all, so what is covered is its beginning.
    for (const change of covered) node.settle(change);
    node.unsynced = unsynced.slice(covered.length);
    return;
  }
  // Another sync may have settled some of them meanwhile. The rest keep the order of writing.
  const still = new Set(covered);
  for (const change of node.unsynced) if (still.has(change)) node.settle(change);
  node.unsynced = node.unsynced.filter(change => !still.has(change));
}

function usedBytes(node: Node): number {
  if (node instanceof FileNode) return node.size;
  let sum = 0;
  for (const child of node.live.values()) sum += usedBytes(child);
  return sum;
}
