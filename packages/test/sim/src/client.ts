import {
  BufferPool,
  ByteReader,
  type ByteWriter,
  type Connection,
  type ConnectionHandler,
  type Env,
} from "@samsa/base";
import { type ApiKey, FrameSplitter, requestFrame, responseHeader, responseHeaderVersion } from "@samsa/protocol";
import { Violation } from "./rules.ts";

/** An API at the one version that the simulation speaks. */
export interface Call<Q, R> {
  readonly key: (typeof ApiKey)[keyof typeof ApiKey];
  readonly version: number;
  readonly request: { encode(writer: ByteWriter, value: Q, version: number): void };
  readonly response: { decode(reader: ByteReader, version: number): R };
}

const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;
/** Short, so that a lost answer costs little virtual time; longer than any wait that a scenario asks for. */
const TIMEOUT_MS = 400;

interface Waiting {
  readonly correlation: number;
  settle(frame: Uint8Array | undefined): void;
  /** What came answers something else. */
  confused(correlation: number): void;
}

/**
 * A client of the protocol that knows nothing of retries: it connects when it must; what is asked
 * before an answer has come shares the connection.
 * No answer (refused, reset, late) is `undefined`: whether the broker has acted is then unknown. Rejects with a
 * `Violation` when the answer is one to another question.
 */
export class Client {
  readonly env: Env;
  readonly name: string;
  readonly #server: string;
  readonly #port: number;
  #link: Link | undefined;
  #connecting: Promise<Link | undefined> | undefined;
  #quiet = false;
  /** Counts how often it has become quiet: what was begun before then comes to nothing. */
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

  /** Sends what is not answered: a Produce with acks=0. False when there is no connection. */
  async tell<Q>(call: Call<Q, unknown>, body: Q): Promise<boolean> {
    const link = await this.#connected();
    link?.tell(call, body);
    return link !== undefined;
  }

  /** While quiet nothing is sent and nothing is answered. */
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

  /** Who asks while a connection is being made waits for it: requests keep their order. */
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
      link.connection = await this.env.network.connect(this.#server, this.#port, () => link);
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

/** One connection. */
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
