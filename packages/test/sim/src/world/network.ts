import {
  type Connection,
  type ConnectionHandler,
  crc32c,
  ignored,
  type Listener,
  type Network,
  NetworkError,
} from "@samsa/base";
import type { Prng } from "./prng.ts";

/** Options of a simulated network. */
export interface NetworkOptions {
  /** Bounds of the delay of one delivery, in milliseconds. Default 0.1 to 2. */
  readonly latencyMs?: readonly [number, number];
  /** Probability that a delivery carries only part of the queued bytes. Default 0.2. */
  readonly splitChance?: number;
  /** Queued bytes above which `write` returns false. Default 1 MiB. */
  readonly highWaterMark?: number;
}

/** Scheduler and trace of the world that a network belongs to. */
export interface NetworkWorld {
  after(delayMs: number, label: string, work: () => void): void;
  trace(line: string): void;
  /** Takes note of a delivery of `length` bytes with the checksum `sum`; `way` is a line with its ends. */
  traceData(way: string, length: number, sum: number): void;
}

/** Life of a node: from a start to the next crash. */
export interface Life {
  readonly node: string;
  alive: boolean;
  /** Callbacks that wait for a paused node to go on; undefined while it is not paused. */
  held?: (() => void)[] | undefined;
}

/** Runs a callback of a node: later if the node is paused, never after its crash. */
export function runOn(life: Life, callback: () => void): void {
  if (!life.alive) return;
  if (life.held === undefined) callback();
  else life.held.push(() => runOn(life, callback));
}

interface Binding {
  readonly life: Life;
  readonly accept: (connection: Connection) => ConnectionHandler;
}

const LOCAL = new Set(["localhost", "127.0.0.1", "::1"]);
const FIRST_EPHEMERAL = 49152;
/** Pause before a request to connect that got no answer is repeated. */
const FIRST_RETRY_MS = 1000;
const NO_DELAY = [0, 0] as const;

/** Connections between the nodes of a world. Bytes of one direction keep their order; nothing else is guaranteed. */
export class SimNetwork {
  readonly options: Required<NetworkOptions>;
  readonly rng: Prng;
  readonly world: NetworkWorld;
  readonly #bindings = new Map<string, Binding>();
  /** Directions in which nothing passes: `from>to`. */
  readonly #cuts = new Set<string>();
  /** Bounds of the delays that are added in a direction, in ms. */
  readonly #slow = new Map<string, readonly [low: number, high: number]>();
  readonly #open = new Set<Endpoint>();
  #readBuffer = new Uint8Array(1 << 16);
  #nextPort = FIRST_EPHEMERAL;

  constructor(rng: Prng, world: NetworkWorld, options: NetworkOptions = {}) {
    this.rng = rng;
    this.world = world;
    this.options = {
      latencyMs: options.latencyMs ?? [0.1, 2],
      splitChance: options.splitChance ?? 0.2,
      highWaterMark: options.highWaterMark ?? 1 << 20,
    };
  }

  /** Network of one life of a node. Nodes are reached by name; local names mean the node itself. */
  attach(life: Life): Network {
    return {
      listen: (host, port, accept, { tls } = {}) =>
        tls === undefined
          ? this.#listen(life, host, port, accept)
          : Promise.reject(
              new NetworkError("ENOTSUP", `the simulation does not encrypt the listener at ${host}:${port}`),
            ),
      connect: (host, port, { timeoutMs, tls }, open) =>
        tls === undefined
          ? this.#connect(life, { host, port, timeoutMs }, open)
          : Promise.reject(new NetworkError("ENOTSUP", `the simulation does not encrypt the connection to ${host}`)),
      // Host names are addresses in the simulation.
      resolve: host => Promise.resolve(host),
      hostName: "localhost",
    };
  }

  /** Holds back all traffic between two nodes, like a network that drops packets: connections stay open, but silent. */
  cut(a: string, b: string): void {
    this.world.trace(`cut ${a} ${b}`);
    this.#cuts.add(way(a, b)).add(way(b, a));
  }

  /** Holds back the traffic from one node to another, but not that of the other direction. */
  cutOneWay(from: string, to: string): void {
    this.world.trace(`cut ${from} to ${to}`);
    this.#cuts.add(way(from, to));
  }

  heal(a: string, b: string): void {
    this.world.trace(`heal ${a} ${b}`);
    this.#cuts.delete(way(a, b));
    this.#cuts.delete(way(b, a));
    this.pump();
  }

  /** Delivers again what was held back. */
  pump(): void {
    for (const end of [...this.#open]) end.pump();
  }

  /** Adds a delay within these bounds to each delivery between two nodes; undefined: no more. */
  slow(a: string, b: string, boundsMs: readonly [low: number, high: number] | undefined): void {
    this.world.trace(`slow ${a} ${b} ${boundsMs?.join() ?? "no more"}`);
    for (const key of [way(a, b), way(b, a)]) {
      if (boundsMs === undefined) this.#slow.delete(key);
      else this.#slow.set(key, boundsMs);
    }
  }

  /** Resets every connection between two nodes. */
  sever(a: string, b: string): void {
    this.world.trace(`sever ${a} ${b}`);
    for (const end of [...this.#open]) if (pair(end.life.node, end.peer.life.node) === pair(a, b)) end.reset();
  }

  /** Drops the connections of a crashed node. Peers get a reset; with `halfOpen`, only once they send something. */
  drop(life: Life, halfOpen: boolean): void {
    for (const [key, binding] of this.#bindings) if (binding.life === life) this.#bindings.delete(key);
    for (const end of [...this.#open]) {
      if (end.life !== life) continue;
      end.vanish();
      if (!halfOpen && end.peer.life.alive) {
        this.world.after(this.latency(), `reset ${end.peer.life.node}`, () => end.peer.reset());
      }
    }
  }

  isCut(direction: string): boolean {
    return this.#cuts.has(direction);
  }

  /** Draws the delay of a delivery, in a direction or in one that is never slow. */
  latency(direction = ""): number {
    const [low, high] = this.options.latencyMs;
    const [least, most] = this.#slow.get(direction) ?? NO_DELAY;
    return low + this.rng.next() * (high - low) + (most === 0 ? 0 : least + this.rng.next() * (most - least));
  }

  gone(end: Endpoint): void {
    this.#open.delete(end);
  }

  /** Memory for a delivery of up to `length` bytes. Like a real read buffer it is used again for the next one. */
  readBuffer(length: number): Uint8Array {
    if (this.#readBuffer.length < length) this.#readBuffer = new Uint8Array(length * 2);
    return this.#readBuffer;
  }

  #listen(life: Life, host: string, wanted: number, accept: Binding["accept"]): Promise<Listener> {
    if (!life.alive) return new Promise(ignored("a process that has just ended gets no answer"));
    const port = wanted === 0 ? this.#nextPort++ : wanted;
    const key = `${life.node}:${port}`;
    if (this.#bindings.has(key)) return Promise.reject(new NetworkError("EADDRINUSE", `port ${port} is taken`));
    const binding = { life, accept };
    this.#bindings.set(key, binding);
    const close = async () => {
      if (this.#bindings.get(key) === binding) this.#bindings.delete(key);
    };
    return Promise.resolve({ host, port, close });
  }

  #connect(
    life: Life,
    to: { host: string; port: number; timeoutMs: number },
    open: Binding["accept"],
  ): Promise<Connection> {
    const target = LOCAL.has(to.host) ? life.node : to.host;
    const isSilent = (): boolean => {
      const isPaused = this.#bindings.get(`${target}:${to.port}`)?.life.held !== undefined;
      return isPaused || this.isCut(way(life.node, target)) || this.isCut(way(target, life.node));
    };
    const label = `connect ${life.node} ${target}:${to.port}`;
    const latency = this.latency(way(life.node, target));
    let left = to.timeoutMs - latency;
    let pause = FIRST_RETRY_MS;
    return new Promise((resolve, reject) => {
      const arrive = (): void => {
        const binding = this.#bindings.get(`${target}:${to.port}`);
        if (isSilent() && left > 0) {
          // The request to connect is sent again, with pauses that double.
          const wait = Math.min(left, pause);
          left -= wait;
          pause *= 2;
          return this.world.after(wait, label, () => runOn(life, arrive));
        }
        if (isSilent()) return reject(new NetworkError("ETIMEDOUT", `no answer from ${target}`));
        if (binding === undefined) return reject(new NetworkError("ECONNREFUSED", `nobody at ${target}:${to.port}`));
        const from = this.#nextPort++;
        const near = new Endpoint(this, life, { remoteHost: target, remotePort: to.port, localPort: from });
        const far = new Endpoint(this, binding.life, { remoteHost: life.node, remotePort: from, localPort: to.port });
        near.meet(far);
        far.meet(near);
        this.#open.add(near).add(far);
        far.handler = binding.accept(far);
        near.handler = open(near);
        resolve(near);
      };
      this.world.after(latency, label, () => runOn(life, arrive));
    });
  }
}

function way(from: string, to: string): string {
  return `${from}>${to}`;
}

function pair(a: string, b: string): string {
  return a < b ? `${a}|${b}` : `${b}|${a}`;
}

/** Side of a connection, with the bytes that it has sent and the peer has not yet read. */
class Endpoint implements Connection {
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly life: Life;
  peer!: Endpoint;
  /** Direction in which this side sends, and the labels of what it does. */
  #way = "";
  #delivery = "";
  #data = "";
  handler: ConnectionHandler | undefined;
  readonly #network: SimNetwork;
  /** Chunks that have not been delivered. They are memory of the sender, which may not change before `sent`. */
  #queue: Uint8Array[] = [];
  #queued = 0;
  /** Bytes delivered so far. */
  #taken = 0;
  /** Callbacks to run when the bytes before `at` have been delivered. */
  #sent: { at: number; sent: () => void }[] = [];
  #moving = false;
  readonly #arrive = (): void => {
    this.#moving = false;
    this.#deliver();
  };
  #paused = false;
  #wantsDrain = false;
  #ending = false;
  #closed = false;

  constructor(network: SimNetwork, life: Life, address: { remoteHost: string; remotePort: number; localPort: number }) {
    this.#network = network;
    this.life = life;
    this.remoteHost = address.remoteHost;
    this.remotePort = address.remotePort;
    this.localPort = address.localPort;
  }

  /** Learns the other side. */
  meet(peer: Endpoint): void {
    const from = this.life.node;
    const to = peer.life.node;
    this.peer = peer;
    this.#way = way(from, to);
    this.#delivery = `deliver ${from} ${to}`;
    this.#data = `data ${from} ${to}`;
  }

  write(chunks: readonly Uint8Array[], sent?: () => void): boolean {
    if (this.#closed || this.#ending || !this.life.alive) return false;
    for (const chunk of chunks) {
      if (chunk.length === 0) continue;
      this.#queue.push(chunk);
      this.#queued += chunk.length;
    }
    if (sent !== undefined) this.#sent.push({ at: this.#taken + this.#queued, sent });
    this.pump();
    if (this.#queued <= this.#network.options.highWaterMark) return true;
    this.#wantsDrain = true;
    return false;
  }

  pendingBytes(): number {
    return this.#queued;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.peer.pump();
  }

  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    this.pump();
  }

  destroy(): void {
    if (this.#closed) return;
    const clean = this.#queued === 0;
    this.#close(undefined);
    const { peer } = this;
    this.#network.world.after(this.#network.latency(), `close ${peer.life.node}`, () =>
      peer.#close(clean ? undefined : new NetworkError("ECONNRESET", "the peer closed")),
    );
  }

  /** Closes both sides with ECONNRESET at once. */
  reset(): void {
    this.#close(new NetworkError("ECONNRESET", "the connection was reset"));
    if (this.peer.life.alive) this.peer.#close(new NetworkError("ECONNRESET", "the connection was reset"));
  }

  /** Closes this side without a callback. */
  vanish(): void {
    this.#closed = true;
    this.#queue = [];
    this.#queued = 0;
    this.#sent = [];
    this.#network.gone(this);
  }

  /** Schedules the next delivery unless one is under way or none is possible. */
  pump(): void {
    if (this.#moving || this.#closed || (this.#queued === 0 && !this.#ending)) return;
    this.#moving = true;
    this.#network.world.after(this.#network.latency(this.#way), this.#delivery, this.#arrive);
  }

  #deliver(): void {
    const { peer } = this;
    if (this.#closed || !this.life.alive || this.#network.isCut(this.#way)) return;
    if (this.life.held !== undefined || peer.life.held !== undefined) return;
    if (!peer.life.alive) {
      // Half open: silent until a probe finds that the peer does not know the connection.
      this.#network.world.after(1000, `probe ${peer.life.node}`, () => this.reset());
      return;
    }
    if (this.#queued > 0) {
      if (peer.#paused || peer.#closed) return;
      const chunk = this.#take();
      this.#network.world.traceData(this.#data, chunk.length, crc32c(chunk, 0, chunk.length));
      if (!peer.#ending) peer.handler?.onData(chunk);
      // A real read buffer is reused: overwriting it exposes handlers that keep a view.
      chunk.fill(0xee);
      if (this.#queued === 0 && this.#wantsDrain && !this.#closed && !this.#ending) {
        this.#wantsDrain = false;
        this.handler?.onDrain();
      }
      this.pump();
      return;
    }
    if (!this.#ending) return;
    peer.#close(undefined);
    this.#close(undefined);
  }

  #take(): Uint8Array {
    const { rng, options } = this.#network;
    const all = this.#queued;
    const length = rng.chance(options.splitChance) ? rng.int(1, all) : all;
    const taken = this.#network.readBuffer(length);
    let at = 0;
    let whole = 0;
    for (const chunk of this.#queue) {
      const room = length - at;
      if (chunk.length > room) {
        taken.set(chunk.subarray(0, room), at);
        this.#queue[whole] = chunk.subarray(room);
        break;
      }
      taken.set(chunk, at);
      at += chunk.length;
      whole++;
    }
    this.#queue.splice(0, whole);
    this.#queued -= length;
    this.#taken += length;
    while ((this.#sent[0]?.at ?? Infinity) <= this.#taken) this.#sent.shift()?.sent();
    return taken.subarray(0, length);
  }

  #close(error: NetworkError | undefined): void {
    if (this.#closed) return;
    this.vanish();
    // Run in a later turn, as a real socket does: no callback from inside the caller's own call.
    const told = (): void => {
      if (error === undefined) this.handler?.onClose();
      else this.handler?.onClose(error);
    };
    this.#network.world.after(0, `closed ${this.life.node}`, () => runOn(this.life, told));
  }
}
