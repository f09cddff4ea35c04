import { connect, type Socket } from "node:net";
import { ByteReader, ByteWriter } from "@samsa/base";
import { apiOf, requestHeader, requestHeaderVersion, responseHeader, responseHeaderVersion } from "@samsa/protocol";

/** A client that says exactly what it is told to, one request at a time. */
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
    socket.on("error", () => {});
    socket.on("close", () => this.#waiting?.reject(new Error("closed instead of an answer")));
  }

  /** `server` is `host:port`. */
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

  /** Rejects when the connection is closed instead. */
  async ask(key: number, version: number, body: object): Promise<object> {
    const api = apiOf(key);
    if (api === undefined) throw new Error(`no API ${key}`);
    const writer = new ByteWriter();
    writer.i32(0);
    const header = { requestApiKey: key, requestApiVersion: version, correlationId: 1, clientId: "raw" };
    requestHeader.encode(writer, header, requestHeaderVersion(key, version));
    api.request.encode(writer, body, version);
    writer.view.setInt32(0, writer.position - 4);
    const frame = await new Promise<Buffer>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(writer.finish());
    });
    const reader = new ByteReader(frame);
    responseHeader.decode(reader, responseHeaderVersion(key, version));
    // A response is a struct, whatever its fields.
    return api.response.decode(reader, version) as object;
  }

  close(): void {
    this.#socket.destroy();
  }
}
