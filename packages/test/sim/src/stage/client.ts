import {
  BufferPool,
  ByteReader,
  type ByteWriter,
  type Connection,
  type ConnectionHandler,
  type Env,
} from "@samsa/base";
import { type ApiKey, FrameSplitter, requestFrame, responseHeader, responseHeaderVersion } from "@samsa/protocol";
import { Violation } from "../ledgers/rules.ts";

/** API at the single version that the simulation uses. */
export interface Call<Q, R> {
  readonly key: (typeof ApiKey)[keyof typeof ApiKey];
  readonly version: number;
  readonly request: { encode(writer: ByteWriter, value: Q, version: number): void };
  readonly response: { decode(reader: ByteReader, version: number): R };
}

const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;
/** Request timeout: short, so that a lost answer costs little time, but longer than any wait a scenario requests. */
const TIMEOUT_MS = 400;

interface Waiting {
  readonly correlation: number;
  settle(frame: Uint8Array | undefined): void;
  /** Rejects: the response carries another correlation id. */
  confused(correlation: number): void;
}

/**
 * Protocol client without retries. Connects on demand; concurrent requests share the connection. A missing answer
 * (connection refused, reset or timeout) is `undefined`: the broker may or may not have acted. Rejects with a
 * `Violation` if a response carries the correlation id of another request.
 */
export class Client {
  readonly env: Env;
  readonly name: string;
  readonly #server: string;
  readonly #port: number;
  #link: Link | undefined;
  #connecting: Promise<Link | undefined> | undefined;
  #quiet = false;
  /** Number of quiet periods so far. A connect that began before the last one is dropped. */
  #curtains = 0;

  constructor(env: Env, name: string, server: { readonly host: string; readonly port: number }) {
    this.env = env;
    this.name = name;
    this.#server = server.host;
    this.#port = server.port;
  }

  async ask<Q, R>(call: Call<Q, R>, body: Q): Promise<R | undefined> {
    const link = await this.#connected();
    const frame = await link?.ask(call, body);
    if (frame === undefined) {
      this.disconnect();
      return undefined;
    }
    const reader = new ByteReader(frame);
    responseHeader.decode(reader, responseHeaderVersion(call.key, call.version));
    return call.response.decode(reader, call.version);
  }

  /** Sends a request without a response: Produce with acks=0. False without a connection. */
  async tell<Q>(call: Call<Q, unknown>, body: Q): Promise<boolean> {
    const link = await this.#connected();
    link?.tell(call, body);
    return link !== undefined;
  }

  /** While quiet, the client is disconnected and sends nothing. */
  set quiet(quiet: boolean) {
    this.#quiet = quiet;
    if (!quiet) return;
    this.#curtains++;
    this.disconnect();
  }

  disconnect(): void {
    this.#link?.destroy();
    this.#link = undefined;
  }

  /** Returns the open connection or the one being made, so that requests keep their order. */
  #connected(): Promise<Link | undefined> {
    if (this.#quiet) return Promise.resolve(undefined);
    if (this.#link?.open === true) return Promise.resolve(this.#link);
    this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  async #connect(): Promise<Link | undefined> {
    const curtains = this.#curtains;
    const link = new Link(this.env, this.name);
    try {
      link.connection = await this.env.network.connect(this.#server, this.#port, 200, () => link);
    } catch {
      return undefined;
    }
    if (curtains !== this.#curtains) {
      link.destroy();
      return undefined;
    }
    this.#link = link;
    return link;
  }
}

/** Connection with its pending requests, answered in order. */
class Link implements ConnectionHandler {
  connection: Connection | undefined;
  #gone = false;
  readonly #env: Env;
  readonly #name: string;
  readonly #frames = new FrameSplitter(MAX_RESPONSE_BYTES, new BufferPool());
  readonly #waiting: Waiting[] = [];
  #correlation = 0;

  constructor(env: Env, name: string) {
    this.#env = env;
    this.#name = name;
  }

  get open(): boolean {
    return this.connection !== undefined && !this.#gone;
  }

  onData(chunk: Uint8Array): void {
    for (const frame of this.#frames.push(chunk)) {
      const waiting = this.#waiting.shift();
      const correlation = new DataView(frame.buffer, frame.byteOffset).getInt32(0);
      if (correlation === waiting?.correlation) waiting.settle(frame);
      else waiting?.confused(correlation);
    }
  }

  onDrain(): void {}

  onClose(): void {
    this.#gone = true;
    for (const waiting of this.#waiting.splice(0)) waiting.settle(undefined);
  }

  destroy(): void {
    this.connection?.destroy();
    this.onClose();
  }

  tell<Q>({ key, version, request }: Call<Q, unknown>, body: Q): number {
    const correlationId = ++this.#correlation;
    this.connection?.write(requestFrame({ key, version, correlationId, clientId: this.#name }, request, body));
    return correlationId;
  }

  ask<Q>(call: Call<Q, unknown>, body: Q): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      if (!this.open) return resolve(undefined);
      const timer = this.#env.timers.after(TIMEOUT_MS, () => resolve(undefined));
      const wanted = this.#correlation + 1;
      this.#waiting.push({
        correlation: wanted,
        settle(frame) {
          timer.cancel();
          resolve(frame);
        },
        confused(correlation) {
          timer.cancel();
          reject(new Violation("an answer to another question", `${correlation} instead of ${wanted}`));
        },
      });
      this.tell(call, body);
    });
  }
}
