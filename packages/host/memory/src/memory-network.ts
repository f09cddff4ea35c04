import {
  type Connection,
  type ConnectionHandler,
  type Listener,
  type Network,
  NetworkError,
  type Timers,
} from "@samsa/base";

/** Bytes on their way from which on `write` returns false. */
const HIGH_WATER = 1 << 20;
const FIRST_PORT = 10_000;

interface Accepting {
  readonly accept: (connection: Connection) => ConnectionHandler;
}

/**
 * Network in memory between hosts with names of its own, as in `node-1`. Everything else goes to another network, so a
 * broker listens to its peers in memory and to clients on a port of the machine. Bytes arrive in a later turn.
 */
export class MemoryNetwork {
  readonly #listeners = new Map<string, Accepting>();
  readonly #ends = new Map<End, string>();
  readonly #cut = new Set<string>();
  #nextPort = FIRST_PORT;

  /** Network of a host. `isVirtual` tells the names of hosts in memory from others, which `rest` serves. */
  of(host: string, timers: Timers, rest: Network, isVirtual: (host: string) => boolean): Network {
    return {
      hostName: rest.hostName,
      checkTls: rest.checkTls,
      resolve: async name => (isVirtual(name) ? name : rest.resolve(name)),
      listen: (name, port, accept, options) => {
        if (!isVirtual(name)) return rest.listen(name, port, accept, options);
        if (options?.tls === undefined) return this.#listen(name, port, accept);
        return Promise.reject(new NetworkError("ENOTSUP", `a listener in memory at ${name}:${port} is not encrypted`));
      },
      connect: (name, port, options, open) => {
        if (!isVirtual(name)) return rest.connect(name, port, options, open);
        const isClear = options.tls === undefined;
        if (isClear) return this.#connect({ host, name, port, timers }, open);
        return Promise.reject(
          new NetworkError("ENOTSUP", `connections in memory to ${name}:${port} are not encrypted`),
        );
      },
    };
  }

  /** Cuts or heals the links between a host and all others. Connections that are cut are closed. */
  isolate(host: string, isCut: boolean): void {
    if (!isCut) {
      this.#cut.delete(host);
      return;
    }
    this.#cut.add(host);
    for (const [end, owner] of [...this.#ends]) if (owner === host) end.destroy();
  }

  async #listen(host: string, wanted: number, accept: Accepting["accept"]): Promise<Listener> {
    const port = wanted === 0 ? this.#nextPort++ : wanted;
    const key = `${host}:${port}`;
    if (this.#listeners.has(key)) throw new NetworkError("EADDRINUSE", `${key} is in use`);
    this.#listeners.set(key, { accept });
    return {
      host,
      port,
      close: async () => {
        this.#listeners.delete(key);
      },
    };
  }

  async #connect(
    { host, name, port, timers }: { host: string; name: string; port: number; timers: Timers },
    open: (connection: Connection) => ConnectionHandler,
  ): Promise<Connection> {
    // A connection is made in a later turn, as over a socket.
    await new Promise<void>(resolve => timers.soon(resolve));
    const listener = this.#listeners.get(`${name}:${port}`);
    if (listener === undefined || this.#cut.has(host) || this.#cut.has(name)) {
      throw new NetworkError("ECONNREFUSED", `nothing listens at ${name}:${port}`);
    }
    const near = new End(timers, { remoteHost: name, remotePort: port, localPort: this.#nextPort++ });
    const far = new End(timers, { remoteHost: host, remotePort: near.localPort, localPort: port });
    near.join(far, () => this.#ends.delete(near));
    far.join(near, () => this.#ends.delete(far));
    this.#ends.set(near, host).set(far, name);
    far.handler = listener.accept(far);
    near.handler = open(near);
    return near;
  }
}

/** End of a connection in memory. */
class End implements Connection {
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localPort: number;
  handler: ConnectionHandler | undefined;
  readonly #timers: Timers;
  #peer: End | undefined;
  #ended: () => void = () => undefined;
  /** Chunks that the peer has not taken. */
  #sent: { readonly bytes: Uint8Array; readonly done: (() => void) | undefined }[] = [];
  #pending = 0;
  #isBlocked = false;
  #isPaused = false;
  #isEnding = false;
  #isClosed = false;
  #isScheduled = false;

  constructor(timers: Timers, at: { remoteHost: string; remotePort: number; localPort: number }) {
    this.#timers = timers;
    this.remoteHost = at.remoteHost;
    this.remotePort = at.remotePort;
    this.localPort = at.localPort;
  }

  join(peer: End, ended: () => void): void {
    this.#peer = peer;
    this.#ended = ended;
  }

  write(chunks: readonly Uint8Array[], sent?: () => void): boolean {
    if (this.#isClosed || this.#isEnding) return true;
    const last = chunks.length - 1;
    chunks.forEach((bytes, i) => {
      this.#sent.push({ bytes, done: i === last ? sent : undefined });
      this.#pending += bytes.length;
    });
    this.#schedule();
    this.#isBlocked = this.#pending >= HIGH_WATER;
    return !this.#isBlocked;
  }

  pendingBytes(): number {
    return this.#pending;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#peer?.flushLater();
  }

  end(): void {
    this.#isEnding = true;
    this.#schedule();
  }

  destroy(): void {
    this.#close();
    this.#timers.soon(() => this.#peer?.lost());
  }

  /** Called by the peer, which takes bytes again. */
  flushLater(): void {
    this.#schedule();
  }

  lost(): void {
    this.#close();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    this.#timers.soon(() => {
      this.#isScheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const peer = this.#peer;
    while (!this.#isClosed && peer !== undefined && !peer.#isPaused && !peer.#isClosed) {
      const next = this.#sent.shift();
      if (next === undefined) break;
      this.#pending -= next.bytes.length;
      peer.handler?.onData(next.bytes);
      next.done?.();
    }
    if (this.#isClosed) return;
    if (this.#isBlocked && this.#pending === 0) {
      this.#isBlocked = false;
      this.handler?.onDrain();
    }
    if (this.#isEnding && this.#sent.length === 0) this.destroy();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sent = [];
    this.#pending = 0;
    this.#ended();
    // The handler hears of it in a later turn, as from a socket.
    this.#timers.soon(() => this.handler?.onClose());
  }
}
