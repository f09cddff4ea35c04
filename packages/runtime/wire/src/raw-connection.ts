import { ByteReader, type Env } from "@samsa/base";
import {
  type Api,
  type ApiName,
  Apis,
  apiOf,
  requestFrame,
  responseHeader,
  responseHeaderVersion,
} from "@samsa/protocol";
import { DEFAULT_MAX_RESPONSE_BYTES, DEFAULT_SETUP_TIMEOUT_MS, type ResponseOf } from "./broker-connection.ts";
import type { Endpoint } from "./endpoint.ts";
import { FrameChannel, type FrameReceiver } from "./frame-channel.ts";
import { WireError } from "./error/wire-error.ts";
import { authenticate } from "./sasl/authenticate.ts";
import type { SaslCredentials, Security } from "./sasl/credentials.ts";

/** API by its name, which types the response, or by its key. */
type AnyApi = ApiName | number;

/** Settings of a `RawConnection`. */
export interface RawOptions {
  readonly clientId?: string;
  /** Longest time to connect, and to wait for a frame. 30 s by default. */
  readonly timeoutMs?: number;
  /** TLS and SASL; neither by default. A session that ends is not renewed. */
  readonly security?: Security | undefined;
}

const TIMEOUT_MS = 30_000;
/** Versions of SaslHandshake and SaslAuthenticate. */
const [HANDSHAKE, AUTHENTICATE] = [1, 2];

/**
 * Connection that sends any bytes and returns frames, for peers that break the protocol on purpose and for requests at
 * versions that the peer may not support. It does not check correlation ids.
 */
export class RawConnection implements FrameReceiver {
  readonly #env: Env;
  readonly #clientId: string;
  readonly #timeoutMs: number;
  readonly #channel: FrameChannel;
  /** Frames that nobody has asked for yet. */
  readonly #frames: Uint8Array[] = [];
  /** Calls that wait for a frame, oldest first; undefined tells them that there is none. */
  readonly #waiting: ((frame: Uint8Array | undefined) => void)[] = [];
  readonly #closing: (() => void)[] = [];
  #correlationId = 0;

  private constructor(
    env: Env,
    endpoint: Endpoint,
    { clientId = "raw", timeoutMs = TIMEOUT_MS, security }: RawOptions,
  ) {
    this.#env = env;
    this.#clientId = clientId;
    this.#timeoutMs = timeoutMs;
    const frames = { maxFrameBytes: DEFAULT_MAX_RESPONSE_BYTES, tls: security?.tls };
    this.#channel = new FrameChannel(endpoint, frames, this);
  }

  /** Connects to a server, and authenticates. Rejects with a `WireError`. */
  static async open(env: Env, endpoint: Endpoint, options: RawOptions = {}): Promise<RawConnection> {
    const connection = new RawConnection(env, endpoint, options);
    await connection.#channel.open(env, options.timeoutMs ?? DEFAULT_SETUP_TIMEOUT_MS);
    const credentials = options.security?.sasl;
    if (credentials === undefined) return connection;
    try {
      await connection.authenticate(credentials);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /**
   * Authenticates, perhaps once more (KIP-368). Resolves with the lifetime of the session in ms, 0 if it does not end. Rejects
   * with a `WireError`.
   */
  authenticate(credentials: SaslCredentials): Promise<number> {
    return authenticate({
      ...{ env: this.#env, credentials, server: this.#channel.server, timeoutMs: this.#timeoutMs },
      handshake: mechanism => this.ask("SaslHandshake", HANDSHAKE, { mechanism }),
      authenticate: authBytes => this.ask("SaslAuthenticate", AUTHENTICATE, { authBytes }),
    });
  }

  get isOpen(): boolean {
    return this.#channel.isOpen;
  }

  /** Reason why the connection is closed; undefined while it is open. */
  get closed(): WireError | undefined {
    return this.#channel.closed;
  }

  /** Sends bytes as they are. */
  write(bytes: Uint8Array): void {
    this.#channel.write([bytes]);
  }

  /** Sends a frame, given without its size. */
  writeFrame(frame: Uint8Array): void {
    const size = new Uint8Array(4);
    new DataView(size.buffer).setInt32(0, frame.length);
    this.#channel.write([size, frame]);
  }

  /** Sends a request, and returns its correlation id. */
  send(api: AnyApi, version: number, body: object): number {
    const correlationId = ++this.#correlationId;
    const { key, request } = rowOf(api);
    this.#channel.write(requestFrame({ key, version, correlationId, clientId: this.#clientId }, request, body));
    return correlationId;
  }

  /** Next frame, without its size. Undefined once the connection is closed, which it is without a frame in time. */
  frame(timeoutMs = this.#timeoutMs): Promise<Uint8Array | undefined> {
    const frame = this.#frames.shift();
    if (frame !== undefined || !this.isOpen) return Promise.resolve(frame);
    return new Promise(resolve => {
      const timer = this.#env.timers.after(timeoutMs, () => {
        const said = `${this.#channel.server} sent no frame within ${timeoutMs / 1000} s`;
        this.close(new WireError("REQUEST_TIMED_OUT", said));
      });
      this.#waiting.push(received => {
        timer.cancel();
        resolve(received);
      });
    });
  }

  /** Decodes the next frame as a response. Rejects with a `WireError` if there is none, and if it is malformed. */
  receive<N extends ApiName>(api: N, version: number, timeoutMs?: number): Promise<ResponseOf<N>>;
  receive(api: AnyApi, version: number, timeoutMs?: number): Promise<object>;
  async receive(api: AnyApi, version: number, timeoutMs?: number): Promise<object> {
    const frame = await this.frame(timeoutMs);
    if (frame === undefined) throw this.#channel.closed ?? this.#channel.invalid("no frame");
    const reader = new ByteReader(frame);
    const { key, response } = rowOf(api);
    responseHeader.decode(reader, responseHeaderVersion(key, version));
    // Every response is a struct.
    return response.decode(reader, version) as object;
  }

  /** Sends a request and returns its response, if nothing else is in flight. */
  ask<N extends ApiName>(api: N, version: number, body: object, timeoutMs?: number): Promise<ResponseOf<N>>;
  ask(api: AnyApi, version: number, body: object, timeoutMs?: number): Promise<object>;
  ask(api: AnyApi, version: number, body: object, timeoutMs?: number): Promise<object> {
    this.send(api, version, body);
    return this.receive(api, version, timeoutMs);
  }

  /** Stops reading, until `resume`. */
  pause(): void {
    this.#channel.pause();
  }

  resume(): void {
    this.#channel.resume();
  }

  /** Resolves when either side has closed the connection. */
  whenClosed(): Promise<void> {
    if (!this.isOpen) return Promise.resolve();
    return new Promise(resolve => void this.#closing.push(resolve));
  }

  close(reason?: WireError): void {
    this.#channel.close(reason);
  }

  onFrame(frame: Uint8Array): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#frames.push(frame);
    else waiting(frame);
  }

  onDrain(): void {}

  onClose(): void {
    for (const waiting of this.#waiting.splice(0)) waiting(undefined);
    for (const closing of this.#closing.splice(0)) closing();
  }
}

function rowOf(api: AnyApi): Api {
  const row: Api | undefined = typeof api === "number" ? apiOf(api) : Apis[api];
  if (row === undefined) throw new RangeError(`Kafka has no API with key ${api}`);
  return row;
}
