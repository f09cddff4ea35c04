import { connect, type Socket } from "node:net";
import { ByteReader, concat, ignored } from "@samsa/base";
import { apiOf, requestFrame, responseHeader, responseHeaderVersion } from "@samsa/protocol";

/** Idle time after which the connection is closed. */
const DEADLINE_MS = 30_000;

/** Client that sends requests exactly as given, one at a time. */
export class RawClient {
  readonly #socket: Socket;
  #held: Buffer = Buffer.alloc(0);
  #waiting: { resolve(frame: Buffer): void; reject(error: Error): void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", chunk => {
      this.#held = Buffer.concat([this.#held, chunk]);
      this.#deliver();
    });
    socket.setTimeout(DEADLINE_MS, () => socket.destroy());
    socket.on("error", ignored("`close` follows, and tells the caller"));
    socket.on("close", () => this.#waiting?.reject(new Error("closed instead of an answer")));
  }

  /** Connects to `server`, given as `host:port`. */
  static open(server: string): Promise<RawClient> {
    const [host, port] = server.split(":");
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), host, () => resolve(new RawClient(socket)));
      socket.once("error", reject);
    });
  }

  #deliver(): void {
    const waiting = this.#waiting;
    if (this.#held.length < 4 || waiting === undefined) return;
    const end = 4 + this.#held.readInt32BE(0);
    if (this.#held.length < end) return;
    this.#waiting = undefined;
    const frame = this.#held.subarray(4, end);
    this.#held = this.#held.subarray(end);
    waiting.resolve(frame);
  }

  /** Sends a request and returns the decoded response. Rejects if the connection is closed. */
  async ask(key: number, version: number, body: object): Promise<object> {
    const api = apiOf(key);
    if (api === undefined) throw new Error(`no API ${key}`);
    const request = requestFrame({ key, version, correlationId: 1, clientId: "raw" }, api.request, body);
    const reader = new ByteReader(await this.#exchange(concat(request)));
    responseHeader.decode(reader, responseHeaderVersion(key, version));
    // Every response is a struct.
    return api.response.decode(reader, version) as object;
  }

  #exchange(bytes: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(bytes);
    });
  }

  /** Sends a frame, given without its size. Undefined without an answer in `deadlineMs`, or on a closed connection. */
  async send(request: Uint8Array, deadlineMs: number): Promise<Buffer | undefined> {
    const size = Buffer.alloc(4);
    size.writeInt32BE(request.length);
    const timer = setTimeout(() => this.close(), deadlineMs);
    try {
      return await this.#exchange(concat([size, request]));
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}
