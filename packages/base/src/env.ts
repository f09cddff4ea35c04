/**
 * Interfaces of the world outside the program. Runtimes use only these; `@samsa/node` implements them with Node,
 * `@samsa/sim` as a simulation that depends only on a seed.
 */

import type { DecompressionBuffer } from "./decompression-buffer.ts";
import type { Logger } from "./text/loggers.ts";
import type { Digest128 } from "./siphash.ts";

/** Milliseconds since the Unix epoch. */
export type Millis = number;

/** Wall clock and monotonic clock. */
export interface Clock {
  /** Wall clock, in milliseconds since the epoch; may jump. */
  now(): Millis;
  /** Monotonic clock: milliseconds from an arbitrary origin, with a fraction; never goes back. */
  monotonic(): number;
}

/** A pending call of `Timers.after`. */
export interface Timer {
  cancel(): void;
}

/** Deferred calls. */
export interface Timers {
  /**
   * Runs `callback` once after `delayMs`, at least one turn of the event loop later. A pending timer does not keep the
   * process alive.
   */
  after(delayMs: number, callback: () => void): Timer;
  /** Runs `callback` after the waiting input has been handled, so that the writes of a turn can be gathered. */
  soon(callback: () => void): void;
  /** Keeps the process alive until it is cancelled, as for a caller who waits for a server that is away. */
  hold(): Timer;
}

/** Random numbers. */
export interface Random {
  /** `length` random bytes, good enough for ids. */
  bytes(length: number): Uint8Array;
  /** A float in [0, 1). */
  next(): number;
}

/** Failure of a disk operation. `code` is the POSIX name (ENOENT, EIO, ENOSPC, EEXIST, EACCES, …). */
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
 * An open file. Reads and writes are synchronous: they use the page cache, and a call costs less than a switch to
 * another thread. Operations that wait for the device (`sync`, `readLater`) are asynchronous. All throw, or reject
 * with, `DiskError`.
 */
export interface DiskFile {
  readonly path: string;
  size(): number;
  /** Fills `target` from `position`. Returns the number of bytes read, which is short only at the end of the file. */
  read(target: Uint8Array, position: number): number;
  /** `read` without blocking, for data that is probably not in the page cache. */
  readLater(target: Uint8Array, position: number): Promise<number>;
  /** Writes `chunks` one after the other at `position`. If it throws, the contents of that range are undefined. */
  write(chunks: readonly Uint8Array[], position: number): void;
  truncate(size: number): void;
  /** fsync. Resolves when everything written before the call is durable. */
  sync(): Promise<void>;
  /** fsync that blocks; for startup, shutdown and small files that must be durable before the next step. */
  syncNow(): void;
  close(): void;
}

/** Entry of a directory. */
export interface DiskEntry {
  readonly name: string;
  readonly directory: boolean;
}

/** Size and kind of a file, and when it was last modified. */
export interface DiskStat {
  readonly size: number;
  readonly directory: boolean;
  readonly modified: Millis;
}

/** Space of a file system. */
export interface DiskSpace {
  /** Size of the file system, in bytes. */
  readonly total: number;
  /** Bytes that this process may still use. */
  readonly usable: number;
}

/** Mode in which a file is opened. */
export type OpenMode =
  /** The file must exist; read only. */
  | "read"
  /** The file must exist; read and write. */
  | "write"
  /** Creates the file if it is missing and keeps its contents otherwise; read and write. */
  | "create";

/**
 * A file system; paths use `/`. Calls are synchronous and throw `DiskError`; slow ones return a promise that rejects
 * with it.
 */
export interface Disk {
  open(path: string, mode: OpenMode): DiskFile;
  list(directory: string): DiskEntry[];
  /** Undefined if there is nothing at `path`. */
  stat(path: string): DiskStat | undefined;
  /** Space of the file system of `path`. */
  space(path: string): Promise<DiskSpace>;
  /** Creates a directory and its missing parents. */
  makeDirectory(path: string): void;
  /** Renames a file or directory; atomically replaces a file at `to`. */
  rename(from: string, to: string): void;
  removeFile(path: string): void;
  /** Removes a file of any size, or a directory with its contents. Removing a path that does not exist succeeds. */
  removeTree(path: string): Promise<void>;
  /** Makes creations, renames and removals inside `directory` durable. */
  syncDirectory(directory: string): Promise<void>;
  /** `syncDirectory` that blocks; for startup and for small files that must be durable before the next step. */
  syncDirectoryNow(directory: string): void;
  /** Takes an exclusive lock until `release` or the end of the process. Undefined if another holder has it. */
  lock(path: string): DiskLock | undefined;
}

/** A lock held on a path. */
export interface DiskLock {
  release(): void;
}

/** Handles the events of a connection. No method is called after `onClose`. */
export interface ConnectionHandler {
  /** Received bytes. The handler may use `chunk` only during the call: its memory is reused for the next bytes. */
  onData(chunk: Uint8Array): void;
  /** The outgoing buffer is empty again after `write` returned false. */
  onDrain(): void;
  /** The connection is closed, with the reason if it was an error. Called exactly once. */
  onClose(error?: Error): void;
}

/** A TCP connection. */
export interface Connection {
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localPort: number;
  /** Certificate of the peer in DER, if it has shown one and a trusted authority has issued it. */
  readonly peerCertificate?: Uint8Array | undefined;
  /**
   * Queues all chunks as a gathered write. False asks the caller to wait for `onDrain`. Calls `sent` when the memory of
   * the chunks may be reused; never if the connection is lost first.
   */
  write(chunks: readonly Uint8Array[], sent?: () => void): boolean;
  /** Bytes accepted by `write` but not yet sent to the peer. */
  pendingBytes(): number;
  /** Stops reading, until `resume`. */
  pause(): void;
  resume(): void;
  /** Sends the queued bytes, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

/** A listening socket. */
export interface Listener {
  readonly host: string;
  /** The bound port, even if the requested one was 0. */
  readonly port: number;
  /** Stops accepting; open connections stay open. */
  close(): Promise<void>;
  /**
   * Replaces the certificates and keys of a listener that speaks TLS, for later connections. Throws `TlsError` if they
   * cannot be used, and keeps the old ones then.
   */
  readonly secure?: (tls: TlsServerOptions) => void;
}

/** Options of an outgoing connection. */
export interface ConnectOptions {
  /** Longest time until the connection is there, TLS handshake included, in ms. */
  readonly timeoutMs: number;
  /** Speaks TLS over the connection; clear text by default. */
  readonly tls?: TlsClientOptions | undefined;
}

/** Options of a listening socket. */
export interface ListenOptions {
  /** Connections that may wait to be accepted; 511 by default. */
  readonly backlog?: number | undefined;
  /** Speaks TLS; clear text by default. A connection is there once its handshake has ended. */
  readonly tls?: TlsServerOptions | undefined;
}

/** TCP, TLS and name resolution. */
export interface Network {
  /** Listens on a port. Rejects with `NetworkError` (EADDRINUSE, EACCES, …). */
  listen(
    host: string,
    port: number,
    accept: (connection: Connection) => ConnectionHandler,
    options?: ListenOptions,
  ): Promise<Listener>;
  /**
   * Opens a connection. Rejects with `NetworkError`: ETIMEDOUT after `timeoutMs` without one, ECONNREFUSED, …; with
   * `TlsError` if it was to be secure and cannot be.
   */
  connect(
    host: string,
    port: number,
    options: ConnectOptions,
    open: (connection: Connection) => ConnectionHandler,
  ): Promise<Connection>;
  /**
   * First address of a host name; an address resolves to its canonical form. Rejects with `NetworkError` (ENOTFOUND).
   */
  resolve(host: string): Promise<string>;
  /**
   * Reads the files of the options of a listener, and returns its certificate in DER; undefined if the host cannot tell.
   * Throws `TlsError` if a listener cannot be opened with them. Undefined where nothing speaks TLS.
   */
  readonly checkTls?: ((options: TlsServerOptions) => Uint8Array | undefined) | undefined;
  /** Host name of this machine. */
  readonly hostName: string;
}

/** Failure of a network operation. `code` is the POSIX name (ECONNREFUSED, EADDRINUSE, …). */
export class NetworkError extends Error {
  readonly code: string;
  constructor(code: string, detail: string) {
    super(`${detail} (${code})`);
    this.name = "NetworkError";
    this.code = code;
  }
}

/** PEM text, bytes of a PKCS12 store, or a file with either, which each new connection reads again. */
export type TlsSource = string | Uint8Array | { readonly file: string };

/** Versions of TLS that may be spoken. */
export type TlsProtocol = "TLSv1.2" | "TLSv1.3";

/** Store of certificates as Java's keytool makes it. */
export interface TlsStore {
  readonly source: TlsSource;
  readonly type: "PKCS12" | "JKS";
  readonly password?: string | undefined;
}

/** Options of TLS that clients and listeners have in common (`SslConfigs`). */
export interface TlsOptions {
  /** Certificates of trusted authorities, PEM; those that the host trusts by default (`ssl.truststore.certificates`). */
  readonly ca?: TlsSource | readonly TlsSource[] | undefined;
  /** Own certificate with those of its issuers, PEM (`ssl.keystore.certificate.chain`). */
  readonly cert?: TlsSource | undefined;
  /** Private key of `cert`, PEM (`ssl.keystore.key`). */
  readonly key?: TlsSource | undefined;
  /** Java's stores of trusted certificates, instead of `ca` (`ssl.truststore.location`). */
  readonly trustStore?: TlsStore | undefined;
  /** Store with the own certificate and its key, instead of `cert` and `key` (`ssl.keystore.location`). */
  readonly store?: TlsSource | undefined;
  /** Format of `store`; PKCS12 by default (`ssl.keystore.type`). */
  readonly storeType?: TlsStore["type"] | undefined;
  /** Passphrase of `key` or of `store` (`ssl.key.password`, `ssl.keystore.password`). */
  readonly passphrase?: string | undefined;
  /** `ssl.enabled.protocols`; TLSv1.2 and TLSv1.3 by default. */
  readonly protocols?: readonly TlsProtocol[] | undefined;
  /** `ssl.cipher.suites`, by their names in OpenSSL or in TLS; those of the host by default. */
  readonly cipherSuites?: readonly string[] | undefined;
}

/** Options of TLS of an outgoing connection. */
export interface TlsClientOptions extends TlsOptions {
  /** Name that the server's certificate must have, and that is told to it (SNI); the host by default. */
  readonly serverName?: string | undefined;
  /** Checks that name (`ssl.endpoint.identification.algorithm` is `https`); true by default. */
  readonly verifyHostName?: boolean | undefined;
}

/** Options of TLS of a listener; it needs an own certificate. */
export interface TlsServerOptions extends TlsOptions {
  /**
   * Certificates of clients (`ssl.client.auth`): not wanted, wanted from those that have one, or demanded. A certificate
   * that no trusted authority has issued is refused in any case. "none" by default.
   */
  readonly clientAuth?: "none" | "requested" | "required" | undefined;
}

/** Reason why there is no secure connection. */
export type TlsFault =
  /** No trusted authority has issued the peer's certificate. */
  | "UNTRUSTED"
  /** The peer's certificate is no longer valid. */
  | "EXPIRED"
  /** The peer's certificate is not valid yet. */
  | "NOT_YET_VALID"
  /** The peer's certificate is of another host. */
  | "WRONG_NAME"
  /** The peer's bytes are not TLS. */
  | "NOT_TLS"
  /** The peer has closed the connection in the handshake: it may not speak TLS, or be stopping. */
  | "CLOSED"
  /** The peer does not accept this side's certificate, or wants one. */
  | "REFUSED"
  /** No version or no cipher suite in common. */
  | "NOTHING_IN_COMMON"
  /** The options cannot be used: no such file, a wrong passphrase, no PEM. */
  | "INVALID_OPTIONS"
  /** Another failure of the handshake. */
  | "OTHER";

/** Failure of TLS. */
export class TlsError extends NetworkError {
  readonly fault: TlsFault;
  constructor(fault: TlsFault, code: string, detail: string) {
    super(code, detail);
    this.name = "TlsError";
    this.fault = fault;
  }
}

/** CRC-32C of `bytes[start, end)`, continuing from `seed`, 0 by default. */
export type Crc32c = (bytes: Uint8Array, start: number, end: number, seed?: number) => number;

/** Kafka's codec ids, in bits 0 to 2 of a batch's attributes: gzip, snappy, lz4, zstd. */
export type CodecId = 1 | 2 | 3 | 4;

/**
 * Block codecs: gzip stream, raw snappy block without the xerial frame, raw lz4 block without the frame, zstd stream.
 * Framing is in `@samsa/records`.
 */
export interface BlockCodecs {
  gzip(input: Uint8Array, level: number): Uint8Array;
  /**
   * Appends to `output`. Throws `OutputLimitError` if that exceeds its limit, or `MalformedError` if the input is
   * invalid; so do the others. What `output` holds after an error is arbitrary.
   */
  gunzip(input: Uint8Array, output: DecompressionBuffer): void;
  snappy(input: Uint8Array): Uint8Array;
  unsnappy(input: Uint8Array, output: DecompressionBuffer): void;
  lz4(input: Uint8Array): Uint8Array;
  /** A block of more than `most` bytes is malformed. */
  unlz4(input: Uint8Array, output: DecompressionBuffer, most: number): void;
  zstd(input: Uint8Array, level: number): Uint8Array;
  unzstd(input: Uint8Array, output: DecompressionBuffer): void;
}

/** Hash functions of SCRAM, by their names in Kafka. */
export type HashName = "SHA-256" | "SHA-512";

/** Hashes and checksums. */
export interface Crypto {
  /** Digest that differs for different inputs, whoever chooses them. It is another one in each environment. */
  readonly digest: Digest128;
  readonly crc32c: Crc32c;
  readonly hash: (hash: HashName, bytes: Uint8Array) => Uint8Array;
  /** Message authentication code (RFC 2104). */
  readonly hmac: (hash: HashName, key: Uint8Array, bytes: Uint8Array) => Uint8Array;
  /** Key of the hash's length from a password (PBKDF2, RFC 8018). Does not block. */
  readonly deriveKey: (
    hash: HashName,
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
  ) => Promise<Uint8Array>;
  /** Keys of an issuer of tokens, from the JSON of a key set (RFC 7517). Throws `MalformedError`. */
  readonly tokenKeys: (json: string) => TokenKeys;
  /**
   * Signs a JSON Web Token (RFC 7515); resolves with its text of three parts. Rejects with `MalformedError` if the key cannot
   * be used.
   */
  readonly signToken: (token: UnsignedToken) => Promise<string>;
}

/** Token that is to be signed. */
export interface UnsignedToken {
  readonly algorithm: "RS256" | "ES256";
  /** Values of the header beside `alg`. */
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Private key in PKCS8, as PEM. */
  readonly key: string;
  /** Passphrase of the key; undefined: it is not encrypted. */
  readonly passphrase: string | undefined;
}

/** Payload of a token whose signature is right, or why there is none. */
export type VerifiedToken =
  | { readonly payload: Uint8Array }
  | {
      readonly fault: string;
      /** The key that the token names and that is not in the set; "" if it names none. */
      readonly missingKey?: string;
    };

/** Public keys that verify JSON Web Tokens. */
export interface TokenKeys {
  /** Verifies the signature of a token (RFC 7515), which must be one by a private key. Does not look at the claims. */
  verify(token: string): Promise<VerifiedToken>;
}

/** Request of `Http`. */
export interface HttpRequest {
  /** `http` or `https`. */
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Longest time until the whole response is there, in ms. */
  readonly timeoutMs: number;
  /** TLS of an `https` address; the host's defaults without. */
  readonly tls?: TlsClientOptions | undefined;
}

/** Response of `Http`. */
export interface HttpResponse {
  readonly status: number;
  readonly body: string;
}

/** Web requests, to servers that are not brokers. */
export interface Http {
  /** Rejects with `NetworkError`; also if the response is larger than 1 MiB. Redirections are not followed. */
  request(request: HttpRequest): Promise<HttpResponse>;
}

/** True if a regular expression matches the whole text. Takes time linear in the length of the text. */
export type Pattern = (text: string) => boolean;

/** The world outside the program, as a runtime gets it. */
export interface Env {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly http: Http;
  readonly crypto: Crypto;
  readonly codecs: BlockCodecs;
  /** Compiles an expression in the syntax of RE2. Throws `MalformedError` if it is invalid or too large. */
  readonly pattern: (expression: string) => Pattern;
  readonly logger: Logger;
}
