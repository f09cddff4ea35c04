import {
  type Connection,
  type ConnectionHandler,
  type Listener,
  type Logger,
  type Network,
  NetworkError,
} from "@samsa/base";
import * as net from "node:net";

export interface NodeNetworkOptions {
  /** Bytes queued on one connection above which `write` asks to hold back. Default 1 MiB. */
  readonly highWaterMark?: number;
  /** How long `end` waits for the peer to close its side. Default 5000 ms. */
  readonly lingerMs?: number;
}

const KEEP_ALIVE_MS = 60_000;

function networkError(error: Error): NetworkError {
  return new NetworkError((error as NodeJS.ErrnoException).code ?? "EIO", error.message);
}

class NodeConnection implements Connection {
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly #socket: net.Socket;
  readonly #lingerMs: number;
  #ending = false;

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
  start(handler: ConnectionHandler): void {
    const socket = this.#socket;
    let failure: NetworkError | undefined;
    socket.on("data", (chunk: Buffer) => {
      // A plain view: a Buffer's slices are slower and would make every codec see two kinds of array.
      if (!this.#ending) handler.onData(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    });
    socket.on("drain", () => {
      if (!this.#ending) handler.onDrain();
    });
    socket.on("error", error => {
      failure ??= networkError(error);
    });
    socket.on("close", () => handler.onClose(failure));
  }

  write(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    if (this.#ending || !socket.writable) return false;
    if (chunks.length === 1) return socket.write(chunks[0]);
    let more = true;
    socket.cork();
    for (const chunk of chunks) more = socket.write(chunk);
    socket.uncork();
    return more;
  }

  pendingBytes(): number {
    return this.#socket.writableLength;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
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
      const server = net.createServer({ highWaterMark }, socket => {
        const connection = new NodeConnection(socket, lingerMs);
        connection.start(accept(connection));
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
      const marks = { highWaterMark, allowHalfOpen: false };
      const socket = new net.Socket(marks);
      const failed = (error: Error) => reject(networkError(error));
      socket.once("error", failed);
      socket.connect({ host, port }, () => {
        socket.off("error", failed);
        const connection = new NodeConnection(socket, lingerMs);
        connection.start(open(connection));
        resolve(connection);
      });
    });

  return { listen, connect };
}

/** Node calls back only after the last connection has gone; the port is free a turn after the call. */
function stopAccepting(server: net.Server): Promise<void> {
  server.close();
  return new Promise(resolve => setImmediate(resolve));
}
