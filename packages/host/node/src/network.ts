import {
  type Connection,
  type ConnectionHandler,
  type Listener,
  type Logger,
  type Network,
  NetworkError,
} from "@samsa/base";
import { lookup } from "node:dns/promises";
import * as net from "node:net";
import { hostname } from "node:os";

export interface NodeNetworkOptions {
  /** Bytes queued on one connection above which `write` asks to hold back. Default 1 MiB. */
  readonly highWaterMark?: number;
  /** How long `end` waits for the peer to close its side. Default 5000 ms. */
  readonly lingerMs?: number;
}

const KEEP_ALIVE_MS = 60_000;

function networkError(error: Error): NetworkError {
  const code = (error as NodeJS.ErrnoException).code ?? "EIO";
  // Node's sentence has the code in it already.
  return new NetworkError(code, error.message.replace(` ${code}:`, ":"));
}

/** What one read takes at most. One buffer does for all connections: it is emptied before the next read. */
const READ_BYTES = 64 * 1024;
const input = new Uint8Array(READ_BYTES);

/** Who gets the bytes that a socket reads. */
interface Reader {
  receive: (chunk: Uint8Array) => void;
}

/**
 * How a socket reads into `input`. Read the usual way, every chunk would be a buffer of its own, and the garbage collector
 * would run for every few dozen MB received.
 */
function readingInto(reader: Reader) {
  const callback = (count: number): boolean => {
    reader.receive(input.subarray(0, count));
    return true;
  };
  return { buffer: input, callback };
}

/**
 * An accepted socket that reads into `input`. Only a socket that one makes oneself can, so another takes over what the
 * accepted one stands for; where a runtime does not show that, the socket stays as it is and reads the usual way.
 */
function adopted(accepted: net.Socket, reader: Reader, highWaterMark: number): net.Socket {
  const bare = accepted as net.Socket & { _handle?: object | null };
  const handle = bare._handle;
  if (handle === undefined || handle === null) {
    accepted.on("data", (chunk: Buffer) => {
      reader.receive(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    });
    return accepted;
  }
  bare._handle = null;
  const options: object = { handle, onread: readingInto(reader), highWaterMark, readable: true, writable: true };
  return new net.Socket(options);
}

class NodeConnection implements Connection {
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly #socket: net.Socket;
  readonly #lingerMs: number;
  #ending = false;
  #paused = false;

  constructor(socket: net.Socket, lingerMs: number) {
    this.#socket = socket;
    this.#lingerMs = lingerMs;
    this.remoteHost = socket.remoteAddress ?? "";
    this.remotePort = socket.remotePort ?? 0;
    this.localPort = socket.localPort ?? 0;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
  }

  /** Separate from the constructor: the handler is made from the connection. */
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
      failure ??= networkError(error);
    });
    socket.on("close", () => handler.onClose(failure));
    if (!this.#paused) socket.resume();
  }

  write(chunks: readonly Uint8Array[], sent?: () => void): boolean {
    const socket = this.#socket;
    if (this.#ending || !socket.writable) return false;
    const last = chunks.length - 1;
    // After an error nobody knows what the system still reads from: that memory is left alone.
    const done = sent && ((error?: Error | null) => error == null && sent());
    if (last === 0) return socket.write(chunks[0], done);
    socket.cork();
    for (let i = 0; i < last; i++) socket.write(chunks[i]);
    const more = socket.write(chunks[last], done);
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
    // Closing with unread input would reset the connection and could take our last bytes with it, so the input is
    // read and dropped until the peer closes too, or does not.
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

/** TCP. A peer that closes its side closes the connection, once what is queued has been sent. */
export function nodeNetwork(logger: Logger, options: NodeNetworkOptions = {}): Network {
  const highWaterMark = options.highWaterMark ?? 1 << 20;
  const lingerMs = options.lingerMs ?? 5000;

  const listen: Network["listen"] = (host, port, accept) =>
    new Promise<Listener>((resolve, reject) => {
      const server = net.createServer({ highWaterMark, pauseOnConnect: true }, accepted => {
        const reader: Reader = { receive() {} };
        const connection = new NodeConnection(adopted(accepted, reader, highWaterMark), lingerMs);
        connection.start(accept(connection), reader);
      });
      let bound = false;
      server.on("error", error => {
        if (bound) logger.error("a listener failed", { host, port, error: error.message });
        else reject(networkError(error));
      });
      server.listen({ host, port }, () => {
        bound = true;
        const address = server.address() as net.AddressInfo;
        resolve({ host, port: address.port, close: () => stopAccepting(server) });
      });
    });

  const connect: Network["connect"] = (host, port, open) =>
    new Promise<Connection>((resolve, reject) => {
      // Node takes the mark for every stream, but does not declare it for a socket.
      const reader: Reader = { receive() {} };
      const options = { highWaterMark, allowHalfOpen: false, onread: readingInto(reader) };
      const socket = new net.Socket(options);
      const failed = (error: Error) => reject(networkError(error));
      socket.once("error", failed);
      socket.connect({ host, port }, () => {
        socket.off("error", failed);
        const connection = new NodeConnection(socket, lingerMs);
        connection.start(open(connection), reader);
        resolve(connection);
      });
    });

  const resolve: Network["resolve"] = async host => {
    try {
      return (await lookup(host, { order: "ipv4first" })).address;
    } catch (error) {
      throw new NetworkError("ENOTFOUND", `there is no host ${JSON.stringify(host)}: ${String(error)}`);
    }
  };
  return { listen, connect, resolve, hostName: hostname() };
}

/** Node calls back only after the last connection has gone; the port is free a turn after the call. */
function stopAccepting(server: net.Server): Promise<void> {
  server.close();
  return new Promise(resolve => setImmediate(resolve));
}
