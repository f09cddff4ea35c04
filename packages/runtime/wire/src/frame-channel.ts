import {
  BufferPool,
  type Connection,
  type ConnectionHandler,
  type Env,
  MalformedError,
  NetworkError,
  type TlsClientOptions,
  TlsError,
} from "@samsa/base";
import { FrameSplitter } from "@samsa/protocol";
import { type Endpoint, endpointText } from "./endpoint.ts";
import { isTlsAlert, speaksTls, tlsFailure } from "./error/tls-failure.ts";
import { WireError } from "./error/wire-error.ts";

/** Bytes that may be reserved because a peer that we chose announces a frame of that size. */
const TRUST = 4 << 20;

/** Limits and memory of a `FrameChannel`. */
export interface FrameOptions {
  /** Size of the largest frame that the peer may send; a larger one closes the channel. */
  readonly maxFrameBytes: number;
  /** Pool of large frames; the receiver may give them back. */
  readonly buffers?: BufferPool | undefined;
  /** Speaks TLS; clear text by default. */
  readonly tls?: TlsClientOptions | undefined;
}

/** Owner of a `FrameChannel`. No method is called after `onClose`. */
export interface FrameReceiver {
  /** A received frame without its size, which belongs to the receiver. */
  onFrame(frame: Uint8Array): void;
  /** The socket has taken all bytes again after `write` returned false. */
  onDrain(): void;
  /** The channel is closed, by either side. Called exactly once if it was open. */
  onClose(reason: WireError): void;
}

/** Outgoing connection that receives frames: a 4-byte size, and that many bytes. What it sends is up to its owner. */
export class FrameChannel implements ConnectionHandler {
  readonly endpoint: Endpoint;
  /** Text of the endpoint, for messages. */
  readonly server: string;
  readonly #receiver: FrameReceiver;
  readonly #frames: FrameSplitter;
  readonly #tls: TlsClientOptions | undefined;
  /** True until the first bytes are received. */
  #isFresh = true;
  #connection: Connection | undefined;
  #closed: WireError | undefined;

  constructor(
    endpoint: Endpoint,
    { maxFrameBytes, buffers = new BufferPool(), tls }: FrameOptions,
    receiver: FrameReceiver,
  ) {
    this.endpoint = endpoint;
    this.server = endpointText(endpoint);
    this.#receiver = receiver;
    this.#tls = tls;
    this.#frames = new FrameSplitter(maxFrameBytes, buffers, TRUST);
  }

  /** Connects within `timeoutMs`. Rejects with a `WireError`: CONNECTION_FAILED, SETUP_TIMED_OUT or TLS_FAILED. */
  async open(env: Env, timeoutMs: number): Promise<void> {
    try {
      await env.network.connect(this.endpoint.host, this.endpoint.port, { timeoutMs, tls: this.#tls }, connection => {
        this.#connection = connection;
        return this;
      });
    } catch (error) {
      if (error instanceof TlsError) throw tlsFailure(this.server, error);
      if (!(error instanceof NetworkError)) throw error;
      const code = error.code === "ETIMEDOUT" ? "SETUP_TIMED_OUT" : "CONNECTION_FAILED";
      throw new WireError(code, `no broker at ${this.server}: ${error.message}`, error);
    }
  }

  get isOpen(): boolean {
    return this.#connection !== undefined && this.#closed === undefined;
  }

  /** Reason why the channel is closed; undefined while it is open. */
  get closed(): WireError | undefined {
    return this.#closed;
  }

  onData(chunk: Uint8Array): void {
    if (this.#closed !== undefined) return;
    if (this.#isFresh) {
      this.#isFresh = false;
      if (isTlsAlert(chunk)) {
        this.close(speaksTls(this.server));
        return;
      }
    }
    let frames: Uint8Array[];
    try {
      frames = this.#frames.push(chunk);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.close(this.invalid(error.message));
      return;
    }
    for (const frame of frames) {
      this.#receiver.onFrame(frame);
      if (this.closed !== undefined) return;
    }
  }

  onDrain(): void {
    if (this.#closed === undefined) this.#receiver.onDrain();
  }

  onClose(error?: Error): void {
    if (error instanceof TlsError) {
      this.#end(tlsFailure(this.server, error));
      return;
    }
    const detail = error === undefined ? "" : `: ${error.message}`;
    const cause = error instanceof NetworkError ? error : undefined;
    this.#end(new WireError("DISCONNECTED", `${this.server} closed the connection${detail}`, cause));
  }

  /** Error for bytes that are not what Kafka's protocol has at their place. */
  invalid(detail: string): WireError {
    return new WireError("INVALID_RECEIVE", `the server at ${this.server} does not speak Kafka's protocol: ${detail}`);
  }

  /** Queues bytes, which must not change until they are sent. False asks the caller to wait for `onDrain`. */
  write(chunks: readonly Uint8Array[]): boolean {
    return this.#connection?.write(chunks) ?? false;
  }

  /** Stops reading, until `resume`. */
  pause(): void {
    this.#connection?.pause();
  }

  resume(): void {
    this.#connection?.resume();
  }

  /** Closes the connection at once. The receiver is told `reason` before this returns. */
  close(reason = new WireError("CLOSED", `the connection to ${this.server} is closed`)): void {
    this.#end(reason);
    this.#connection?.destroy();
  }

  #end(reason: WireError): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    this.#receiver.onClose(reason);
  }
}
