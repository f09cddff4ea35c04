import { connect, createServer, type Server, type Socket } from "node:net";
import { ignored } from "@samsa/base";
import { Link } from "./link.ts";
import { Pump } from "./pump.ts";

/** All ends that are not nodes. */
export const CLIENTS = "clients";

/** Client ids of nodes: of the quorum, of replicas, and of requests to controllers and other brokers. */
const NODE = /^(?:raft-client-|broker-)?(\d+)(?:$|-)/;
/** Size, API key, API version, correlation id, and length of the client id. */
const HEAD_BYTES = 4 + 2 + 2 + 4 + 2;

/** End from which a connection comes, by the client id of its first request; undefined while it has not arrived. */
function sourceOf(bytes: Buffer): string | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  const length = bytes.readInt16BE(HEAD_BYTES - 2);
  if (bytes.length < HEAD_BYTES + length) return undefined;
  const name = length < 0 ? "" : bytes.toString("utf8", HEAD_BYTES, HEAD_BYTES + length);
  return NODE.exec(name)?.[1] ?? name;
}

interface Line {
  readonly source: string;
  readonly target: string;
  close(): void;
}

/**
 * Network between nodes, and between clients and nodes: each listener of a node is reached through a socket of this
 * proxy, which tells by the client id of the first request where a connection comes from. Ends are ids of nodes, client
 * ids, or `CLIENTS`. A cut holds all bytes of one direction of every connection, whoever has opened it, and the news of
 * its end.
 */
export class FaultProxy {
  readonly #servers: Server[] = [];
  readonly #links = new Map<string, Link>();
  readonly #lines = new Set<Line>();

  /** Puts a socket in front of a listener of node `id`; resolves with its address. */
  async front(id: number, listener: string): Promise<string> {
    const port = Number(listener.split(":")[1]);
    const server = createServer(socket => this.#accept(socket, String(id), port));
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy has no port");
    return `127.0.0.1:${address.port}`;
  }

  /** Link from one end to another. */
  link(from: string, to: string): Link {
    const key = `${from}>${to}`;
    const found = this.#links.get(key) ?? new Link();
    this.#links.set(key, found);
    return found;
  }

  /** Holds all bytes from one end to another. */
  cutOneWay(from: string, to: string): void {
    this.link(from, to).isCut = true;
  }

  /** Holds all bytes between two ends. */
  cut(one: string, other: string): void {
    this.cutOneWay(one, other);
    this.cutOneWay(other, one);
  }

  /** Lets all bytes between two ends come later, or slowly. */
  slow(one: string, other: string, { latencyMs = 0, bytesPerSecond = Infinity }): void {
    for (const link of [this.link(one, other), this.link(other, one)]) {
      link.latencyMs = latencyMs;
      link.bytesPerSecond = bytesPerSecond;
    }
  }

  /** Closes all connections between two ends. */
  sever(one: string, other: string): void {
    for (const line of [...this.#lines]) {
      const ends = [line.source, line.target];
      if (ends.includes(one) && ends.includes(other)) line.close();
    }
  }

  /** Opens all links. */
  heal(): void {
    for (const link of this.#links.values()) link.open();
  }

  /** Closes all sockets. */
  async close(): Promise<void> {
    for (const line of [...this.#lines]) line.close();
    await Promise.all(this.#servers.map(server => new Promise(resolve => server.close(resolve))));
  }

  #accept(socket: Socket, target: string, port: number): void {
    socket.setNoDelay(true);
    socket.on("error", ignored("the end of the connection follows"));
    const unnamed: Line = { source: "", target, close: () => void socket.destroy() };
    this.#lines.add(unnamed);
    socket.once("close", () => this.#lines.delete(unnamed));
    let head = Buffer.alloc(0);
    const take = (bytes: Buffer): void => {
      head = Buffer.concat([head, bytes]);
      const name = sourceOf(head);
      if (name === undefined) return;
      socket.off("data", take);
      this.#lines.delete(unnamed);
      this.#join(socket, this.#source(name, target), { target, port, head });
    };
    socket.on("data", take);
  }

  /** Name under which the links of a connection are kept: clients without links of their own are all the same. */
  #source(name: string, target: string): string {
    return /^\d+$/.test(name) || this.#links.has(`${name}>${target}`) ? name : CLIENTS;
  }

  #join(
    socket: Socket,
    source: string,
    { target, port, head }: { readonly target: string; readonly port: number; readonly head: Buffer },
  ): void {
    const pumps: Pump[] = [];
    const sockets = [socket];
    const ended = (): void => {
      if (sockets.every(({ destroyed }) => destroyed)) this.#lines.delete(line);
    };
    const reach = (): Socket => {
      const upstream = connect(port, "127.0.0.1");
      upstream.setNoDelay(true);
      sockets.push(upstream);
      upstream.once("close", ended);
      pumps.push(new Pump(upstream, this.link(target, source), socket));
      return upstream;
    };
    const line: Line = {
      source,
      target,
      close: () => {
        this.#lines.delete(line);
        for (const pump of pumps) pump.close();
      },
    };
    this.#lines.add(line);
    socket.once("close", ended);
    const pump = new Pump(socket, this.link(source, target), reach);
    pumps.push(pump);
    pump.push(head);
  }
}
