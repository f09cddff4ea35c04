import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ByteReader, concat, type Env, ignored, type Logger } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { apiOf, requestFrame, responseHeader, responseHeaderVersion } from "@samsa/protocol";
import { type BrokerRole, Node, type NodeOptions } from "../src/index.ts";

export interface LogLine {
  readonly level: string;
  readonly message: string;
}

/** A broker in this process, with its own directory and a random port. */
export class TestBroker {
  readonly node: Node;
  readonly directory: string;
  readonly lines: LogLine[];

  private constructor(node: Node, directory: string, lines: LogLine[]) {
    this.node = node;
    this.directory = directory;
    this.lines = lines;
  }

  /** Starts a broker; `world` replaces parts of the real environment. */
  static async start(
    settings: Record<string, string> = {},
    directory = mkdtempSync(join(tmpdir(), "samsa-broker-")),
    world: Partial<Env> = {},
    options: Partial<NodeOptions> = {},
  ) {
    const lines: LogLine[] = [];
    const at = (level: string) => (message: string) => void lines.push({ level, message });
    const logger: Logger = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
    const all = {
      listeners: "PLAINTEXT://127.0.0.1:0",
      "log.dirs": join(directory, "data"),
      "offsets.topic.num.partitions": "3",
      "group.initial.rebalance.delay.ms": "0",
      ...settings,
    };
    const env = { ...nodeEnv({ logger }), ...world };
    const node = await Node.start(env, { settings: new Map(Object.entries(all)), ...options });
    return new TestBroker(node, directory, lines);
  }

  get broker(): BrokerRole {
    return this.node.broker;
  }

  get port(): number {
    return this.node.advertised.get("PLAINTEXT")?.port ?? -1;
  }

  connect(): Promise<Wire> {
    return Wire.open(this.port);
  }

  async stop(): Promise<void> {
    await this.node.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A socket that sends and receives frames, or arbitrary bytes. */
export class Wire {
  readonly socket: Socket;
  #held: Buffer = Buffer.alloc(0);
  readonly #frames: Buffer[] = [];
  #wake = (): void => {};
  #ended = false;
  #correlation = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", chunk => {
      this.#held = Buffer.concat([this.#held, chunk]);
      while (this.#held.length >= 4 && this.#held.length >= 4 + this.#held.readInt32BE(0)) {
        const size = this.#held.readInt32BE(0);
        this.#frames.push(this.#held.subarray(4, 4 + size));
        this.#held = this.#held.subarray(4 + size);
      }
      this.#wake();
    });
    socket.on("error", ignored("`close` follows, and ends the connection"));
    socket.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
  }

  static open(port: number): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => resolve(new Wire(socket)));
      socket.once("error", reject);
    });
  }

  /** Returns the next frame; undefined if the peer closes instead. */
  async frame(): Promise<Buffer | undefined> {
    while (this.#frames.length === 0 && !this.#ended) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
    return this.#frames.shift();
  }

  /** Resolves when the peer has closed. */
  async closed(): Promise<void> {
    while (!this.#ended) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  send(key: number, version: number, body: object): number {
    const correlationId = ++this.#correlation;
    const api = apiOf(key);
    if (api === undefined) throw new Error(`no API ${key}`);
    const head = { key, version, correlationId, clientId: "test" };
    this.socket.write(concat(requestFrame(head, api.request, body)));
    return correlationId;
  }

  async receive<T>(key: number, version: number): Promise<T> {
    const frame = await this.frame();
    if (frame === undefined) throw new Error("closed instead of an answer");
    const reader = new ByteReader(frame);
    responseHeader.decode(reader, responseHeaderVersion(key, version));
    return apiOf(key)?.response.decode(reader, version) as T;
  }

  ask<T>(key: number, version: number, body: object): Promise<T> {
    this.send(key, version, body);
    return this.receive(key, version);
  }

  close(): void {
    this.socket.destroy();
  }
}
