/**
 * Everything outside the program, as interfaces. Runtimes touch the world only through these; `@samsa/node` implements
 * them over Node, `@samsa/sim` over a seed.
 */

/** Milliseconds since the Unix epoch. */
export type Millis = number;

export interface Clock {
  /** Wall clock in milliseconds since the epoch; may jump. */
  now(): Millis;
  /** Milliseconds from an arbitrary origin, with a fraction; never goes back. */
  monotonic(): number;
}

export interface Timer {
  cancel(): void;
}

export interface Timers {
  /** Runs `callback` once after `delayMs` (at least one turn later). A pending timer keeps nothing alive. */
  after(delayMs: number, callback: () => void): Timer;
  /**
   * Runs `callback` when the input that is already waiting has been handled: the moment to write everything a turn has
   * gathered in one go.
   */
  soon(callback: () => void): void;
}

export interface Random {
  /** `length` random bytes, fit for ids. */
  bytes(length: number): Uint8Array;
  /** A float in [0, 1). */
  next(): number;
}

/** Why a disk operation failed; `code` is the POSIX name (ENOENT, EIO, ENOSPC, EEXIST, EACCES, …). */
export class DiskError extends Error {
  readonly code: string;
  readonly path: string;
  constructor(code: string, path: string, detail: string) {
    super(`${detail} (${code}: ${path})`);
    this.name = "DiskError";
    this.code = code;
    this.path = path;
  }
}

/**
 * An open file. Reads and writes are synchronous: they land in, or come from, the page cache, and a call costs less
 * than handing it to another thread. What waits for the device (`sync`, a cold `readLater`) is asynchronous. All throw
 * (or reject with) `DiskError`.
 */
export interface DiskFile {
  readonly path: string;
  size(): number;
  /** Fills `target` from `position`; returns how many bytes were there (short only at the end of the file). */
  read(target: Uint8Array, position: number): number;
  readLater(target: Uint8Array, position: number): Promise<number>;
  /** Writes all bytes of all `chunks` one after the other from `position`. After a throw the range is undefined. */
  write(chunks: readonly Uint8Array[], position: number): void;
  truncate(size: number): void;
  /** fsync: resolves once everything written before the call is on the device. */
  sync(): Promise<void>;
  /** fsync that blocks; for start, stop and small files that must be durable before the next step. */
  syncNow(): void;
  close(): void;
}

export interface DiskEntry {
  readonly name: string;
  readonly directory: boolean;
}

export interface DiskStat {
  readonly size: number;
  readonly directory: boolean;
  readonly modified: Millis;
}

export interface DiskSpace {
  /** Bytes of the file system. */
  readonly total: number;
  /** Those of them that this process may still fill. */
  readonly usable: number;
}

export type OpenMode =
  /** must exist, read only */
  | "read"
  /** must exist, read and write */
  | "write"
  /** created when missing, read and write, content kept */
  | "create";

/**
 * A file system. Paths use `/`. Calls are synchronous and throw `DiskError`, but for those that can take long: they
 * return a promise, which rejects with one.
 */
export interface Disk {
  open(path: string, mode: OpenMode): DiskFile;
  list(directory: string): DiskEntry[];
  /** undefined when there is nothing at `path`. */
  stat(path: string): DiskStat | undefined;
  /** Of the file system that `path` is on. */
  space(path: string): Promise<DiskSpace>;
  makeDirectory(path: string): void;
  /** Atomically replaces `to`. */
  rename(from: string, to: string): void;
  removeFile(path: string): void;
  /** Removes a file of any size, or a directory and all that is in it; nothing there is fine. */
  removeTree(path: string): Promise<void>;
  /** Makes creations, renames and removals inside `directory` durable. */
  syncDirectory(directory: string): Promise<void>;
  /** `syncDirectory` that blocks; for start, and for small files that must be durable before the next step. */
  syncDirectoryNow(directory: string): void;
  /** Takes an exclusive lock held until `release` or the end of the process; undefined when another holder has it. */
  lock(path: string): DiskLock | undefined;
}

export interface DiskLock {
  release(): void;
}

/** What an endpoint does with the events of its connection. Never called after `onClose`. */
export interface ConnectionHandler {
  /** `chunk` is the handler's for the time of the call only: its memory takes the next bytes then. */
  onData(chunk: Uint8Array): void;
  /** The outgoing buffer has emptied after `write` returned false. */
  onDrain(): void;
  /** The connection is gone, with the reason if it was an error. Called exactly once. */
  onClose(error?: Error): void;
}

export interface Connection {
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localPort: number;
  /**
   * Queues all chunks in one gathered write; false asks the caller to hold back until `onDrain`. `sent` is called once the
   * memory of the chunks may be used again; never when the connection is lost first.
   */
  write(chunks: readonly Uint8Array[], sent?: () => void): boolean;
  /** Bytes accepted by `write` and not yet handed to the peer. */
  pendingBytes(): number;
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

export interface Listener {
  readonly host: string;
  /** The port bound, also when 0 was asked for. */
  readonly port: number;
  /** Stops accepting; open connections live on. */
  close(): Promise<void>;
}

export interface Network {
  /** Rejects with a `NetworkError` (EADDRINUSE, EACCES, …). */
  listen(host: string, port: number, accept: (connection: Connection) => ConnectionHandler): Promise<Listener>;
  /** Rejects with a `NetworkError` (ECONNREFUSED, …). */
  connect(host: string, port: number, open: (connection: Connection) => ConnectionHandler): Promise<Connection>;
  /** First address of a host name; of an address, itself in its usual form. Rejects with a `NetworkError` (ENOTFOUND). */
  resolve(host: string): Promise<string>;
  /** Host name of this machine. */
  readonly hostName: string;
}

export class NetworkError extends Error {
  readonly code: string;
  constructor(code: string, detail: string) {
    super(`${detail} (${code})`);
    this.name = "NetworkError";
    this.code = code;
  }
}

/** CRC-32C of `bytes[start, end)`, continuing from `seed` (0 to begin). */
export type Crc32c = (bytes: Uint8Array, start: number, end: number, seed?: number) => number;

/** Kafka's codec ids: bits 0 to 2 of a batch's attributes. */
export type CodecId = 1 | 2 | 3 | 4;

/**
 * The block codecs, each as the stream that Kafka stores (gzip stream, raw snappy block without the xerial frame, raw
 * lz4 block without the frame, zstd stream): framing is in `@samsa/records`.
 */
export interface BlockCodecs {
  gzip(input: Uint8Array, level: number): Uint8Array;
  /** Throws when the output would exceed `limit` bytes or the input is not valid. */
  gunzip(input: Uint8Array, limit: number): Uint8Array;
  snappy(input: Uint8Array): Uint8Array;
  unsnappy(input: Uint8Array, limit: number): Uint8Array;
  lz4(input: Uint8Array): Uint8Array;
  unlz4(input: Uint8Array, limit: number): Uint8Array;
  zstd(input: Uint8Array, level: number): Uint8Array;
  unzstd(input: Uint8Array, limit: number): Uint8Array;
}

export interface Crypto {
  /** Sixteen bytes that no two inputs share, however they are chosen. */
  readonly digest: (bytes: Uint8Array) => Uint8Array;
  readonly crc32c: Crc32c;
}

export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log lines: a sentence and its facts. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Whether the whole of a text is as a regular expression says; the time it takes grows no faster than the text. */
export type Pattern = (text: string) => boolean;

export interface Env {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly crypto: Crypto;
  readonly codecs: BlockCodecs;
  /** Understands an expression in the syntax of RE2. Throws `MalformedError` for what is none, or is too large. */
  readonly pattern: (expression: string) => Pattern;
  readonly logger: Logger;
}
