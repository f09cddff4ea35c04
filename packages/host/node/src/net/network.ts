import {
  type Connection,
  type ConnectionHandler,
  limited,
  type Listener,
  type Logger,
  named,
  type Network,
  NetworkError,
  type TlsClientOptions,
  type TlsServerOptions,
} from "@samsa/base";
import { lookup } from "node:dns/promises";
import * as net from "node:net";
import { hostname } from "node:os";
import type * as tls from "node:tls";
import { requiredModule } from "../modules/optional.ts";
import { connectionError, ownCertificate, secureConnectOptions } from "./tls.ts";
import { type TlsServer, tlsServer } from "./tls-server.ts";

/** Limits of connections. */
export interface NodeNetworkOptions {
  /** Queued bytes of a connection from which on `write` returns false. 1 MiB by default. */
  readonly highWaterMark?: number;
  /** Milliseconds that `end` waits for the peer to close its side. 5000 by default. */
  readonly lingerMs?: number;
}

type Accepting = (connection: Connection) => ConnectionHandler;

const KEEP_ALIVE_MS = 60_000;
const NOTHING = new Uint8Array(0);

/** Limit of a single read, in bytes. All connections share one buffer, since it is handled before the next read. */
const READ_BYTES = 64 * 1024;
const input = new Uint8Array(READ_BYTES);

/** Receiver of the bytes that a socket reads. */
interface Reader {
  receive: (chunk: Uint8Array) => void;
}

/**
 * Socket option to read into `input`. By default every chunk would be a new buffer, and the garbage collector would run
 * for every few dozen MB received.
 */
function readingInto(reader: Reader) {
  const callback = (count: number): boolean => {
    reader.receive(input.subarray(0, count));
    return true;
  };
  return { buffer: input, callback };
}

/** Has a socket give its bytes to a reader, in a new buffer for each chunk. */
function receiving<S extends net.Socket>(socket: S, reader: Reader): S {
  socket.pause();
  socket.on("data", (chunk: Buffer) => {
    reader.receive(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  });
  return socket;
}

/** Certificate of a peer in DER; undefined if it has shown none that is trusted. */
function certificateOf(socket: tls.TLSSocket): Uint8Array | undefined {
  const raw = socket.authorized ? socket.getPeerX509Certificate()?.raw : undefined;
  return raw && new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength);
}

/**
 * Replaces an accepted socket by one that reads into `input`, which only a socket created here can do: it takes over
 * the handle. If the runtime does not expose the handle, the accepted socket is used, with a new buffer for each chunk.
 */
function adopted(accepted: net.Socket, reader: Reader, highWaterMark: number): net.Socket {
  const bare = accepted as net.Socket & { _handle?: { readonly readStart?: unknown } | null };
  const handle = bare._handle;
  // Bun has a handle of another kind.
  if (typeof handle?.readStart !== "function") return receiving(accepted, reader);
  bare._handle = null;
  const options: object = { handle, onread: readingInto(reader), highWaterMark, readable: true, writable: true };
  return new net.Socket(options);
}

class NodeConnection implements Connection {
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly peerCertificate: Uint8Array | undefined;
  readonly #socket: net.Socket;
  readonly #lingerMs: number;
  #ending = false;
  #paused = false;

  constructor(socket: net.Socket, lingerMs: number, peerCertificate?: Uint8Array) {
    this.peerCertificate = peerCertificate;
    this.#socket = socket;
    this.#lingerMs = lingerMs;
    this.remoteHost = socket.remoteAddress ?? "";
    this.remotePort = socket.remotePort ?? 0;
    this.localPort = socket.localPort ?? 0;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
  }

  /**
   * Starts to pass events to `handler`. Separate from the constructor, since the handler is made from the connection.
   */
  start(handler: ConnectionHandler, reader: Reader): void {
    const socket = this.#socket;
    let failure: NetworkError | undefined;
    reader.receive = chunk => {
      if (!this.#ending) handler.onData(chunk);
    };
    socket.on("drain", () => {
      if (!this.#ending) handler.onDrain();
    });
    socket.on("error", error => {
      failure ??= connectionError(error);
    });
    socket.on("close", () => handler.onClose(failure));
    if (!this.#paused) socket.resume();
  }

  write(chunks: readonly Uint8Array[], sent?: () => void): boolean {
    const socket = this.#socket;
    if (this.#ending || !socket.writable) return false;
    const last = chunks.at(-1) ?? NOTHING;
    // After an error the system may still read from the memory, so do not release it.
    const done = sent && ((error?: Error | null) => error == null && sent());
    if (chunks.length < 2) return socket.write(last, done);
    socket.cork();
    for (let i = 0; i < chunks.length - 1; i++) socket.write(chunks[i] as Uint8Array);
    const more = socket.write(last, done);
    socket.uncork();
    return more;
  }

  pendingBytes(): number {
    return this.#socket.writableLength;
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    const socket = this.#socket;
    // Closing with unread input would reset the connection and could lose our last bytes, so the input is read and
    // dropped until the peer closes or the time is up.
    socket.resume();
    socket.end();
    const linger = setTimeout(() => socket.destroy(), this.#lingerMs);
    linger.unref();
    socket.once("close", () => clearTimeout(linger));
  }

  destroy(): void {
    this.#ending = true;
    this.#socket.destroy();
  }
}

/** Opens listening sockets. */
function listening(logger: Logger, highWaterMark: number, lingerMs: number): Network["listen"] {
  // Whoever reaches the port can make a handshake fail.
  const complaints = limited(named(logger, "kafka.network"), { monotonic: () => performance.now() });
  const secureServer = (secure: TlsServerOptions, accept: Accepting): TlsServer =>
    tlsServer(secure, highWaterMark, {
      accepted: socket => {
        const reader: Reader = { receive() {} };
        const connection = new NodeConnection(receiving(socket, reader), lingerMs, certificateOf(socket));
        connection.start(accept(connection), reader);
      },
      refused: (error, { remoteAddress, remotePort }) => {
        const { message } = connectionError(error, true);
        complaints.info("a TLS handshake has failed", { client: `${remoteAddress}:${remotePort}`, reason: message });
      },
    });

  const clearServer = (accept: Accepting): { readonly server: net.Server; readonly secure?: undefined } => ({
    server: net.createServer({ highWaterMark, pauseOnConnect: true }, accepted => {
      const reader: Reader = { receive() {} };
      const connection = new NodeConnection(adopted(accepted, reader, highWaterMark), lingerMs);
      connection.start(accept(connection), reader);
    }),
  });

  return async (host, port, accept, { backlog, tls: secure } = {}) => {
    const made = secure === undefined ? clearServer(accept) : secureServer(secure, accept);
    const { server } = made;
    return new Promise<Listener>((resolve, reject) => {
      let bound = false;
      server.on("error", error => {
        if (bound) logger.error("a listener failed", { host, port, error: error.message });
        else reject(connectionError(error));
      });
      server.listen({ host, port, ...(backlog === undefined ? {} : { backlog }) }, () => {
        bound = true;
        const address = server.address() as net.AddressInfo;
        const listener = { host, port: address.port, close: () => stopAccepting(server) };
        resolve({ ...listener, ...(made.secure && { secure: made.secure }) });
      });
    });
  };
}

/** TCP over Node. When a peer closes its side, the connection closes after the queued bytes have been sent. */
export function nodeNetwork(logger: Logger, options: NodeNetworkOptions = {}): Network {
  const highWaterMark = options.highWaterMark ?? 1 << 20;
  const lingerMs = options.lingerMs ?? 5000;

  const listen = listening(logger, highWaterMark, lingerMs);

  const connect: Network["connect"] = (host, port, { timeoutMs, tls: secure }, open) =>
    new Promise<Connection>((resolve, reject) => {
      const reader: Reader = { receive() {} };
      // Node supports `highWaterMark` for every stream, but its types do not declare it for sockets.
      const options = { highWaterMark, allowHalfOpen: false, onread: readingInto(reader) };
      let socket: net.Socket;
      try {
        socket = secure === undefined ? new net.Socket(options) : secureSocket({ host, port, secure, options });
      } catch (error) {
        reject(error);
        return;
      }
      let isHandshake = false;
      if (secure !== undefined) socket.once("connect", () => (isHandshake = true));
      const failed = (error: Error) => {
        clearTimeout(timer);
        reject(connectionError(error, isHandshake));
      };
      const timer = setTimeout(() => {
        const said = `connect ${host}:${port} took more than ${timeoutMs / 1000} s`;
        reject(new NetworkError("ETIMEDOUT", said));
        socket.destroy();
      }, timeoutMs);
      socket.once("error", failed);
      const connected = (): void => {
        clearTimeout(timer);
        socket.off("error", failed);
        const connection = new NodeConnection(socket, lingerMs);
        connection.start(open(connection), reader);
        resolve(connection);
      };
      if (secure === undefined) socket.connect({ host, port }, connected);
      else socket.once("secureConnect", connected);
    });

  const resolve: Network["resolve"] = async host => {
    try {
      return (await lookup(host, { order: "ipv4first" })).address;
    } catch (error) {
      throw new NetworkError("ENOTFOUND", `there is no host ${JSON.stringify(host)}: ${String(error)}`);
    }
  };
  return { listen, connect, resolve, checkTls: ownCertificate, hostName: hostname() };
}

/** Socket that connects and speaks TLS. Throws `TlsError` if its options cannot be used. */
function secureSocket(to: {
  readonly host: string;
  readonly port: number;
  readonly secure: TlsClientOptions;
  readonly options: object;
}): net.Socket {
  const { host, port, secure, options } = to;
  return requiredModule<typeof tls>("node:tls").connect({
    ...options,
    ...secureConnectOptions(host, secure),
    host,
    port,
  });
}

/**
 * Closes a server without waiting for its connections to end, as Node's callback would; the port is free a turn later.
 */
function stopAccepting(server: net.Server): Promise<void> {
  server.close();
  return new Promise(resolve => setImmediate(resolve));
}
