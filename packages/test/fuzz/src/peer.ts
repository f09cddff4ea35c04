import { connect, type Socket } from "node:net";
import { BufferPool, ByteReader, concat, ignored } from "@samsa/base";
import { apiOf, FrameSplitter, requestFrame, responseHeader, responseHeaderVersion } from "@samsa/protocol";

/** Encodes a request as a frame with its size prefix. */
export function frame(key: number, version: number, body: object, correlationId = 1): Uint8Array {
  const request = apiOf(key)?.request;
  return request === undefined
    ? new Uint8Array(0)
    : concat(requestFrame({ key, version, correlationId, clientId: "fuzz" }, request, body));
}

/** Connects a socket that ignores errors, which hostile peers must expect. */
export function rawSocket(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port }, () => resolve(socket));
    socket.once("error", reject);
    socket.on("error", ignored("the broker may close the connection of a hostile peer at any time"));
  });
}

/** Well-behaved client with one request at a time. */
export class Peer {
  readonly #socket: Socket;
  readonly #frames = new FrameSplitter(1 << 27, new BufferPool());
  #waiting: ((frame: Uint8Array | undefined) => void) | undefined;

  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", chunk => {
      for (const answer of this.#frames.push(chunk)) this.#settle(answer);
    });
    socket.on("close", () => {
      this.#closed = true;
      this.#settle(undefined);
    });
  }

  static async open(port: number): Promise<Peer> {
    return new Peer(await rawSocket(port));
  }

  #settle(answer: Uint8Array | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(answer);
  }

  /** Sends a request and returns the decoded answer. Rejects if the broker closes or does not answer in `limitMs`. */
  async ask(key: number, version: number, body: object, limitMs: number): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer in ${limitMs} ms`)), limitMs);
    });
    const answered = new Promise<Uint8Array | undefined>(resolve => {
      this.#waiting = resolve;
      if (this.#closed) this.#settle(undefined);
    });
    this.#socket.write(frame(key, version, body));
    try {
      const answer = await Promise.race([answered, silence]);
      if (answer === undefined) throw new Error("the broker closed the connection");
      const reader = new ByteReader(answer);
      responseHeader.decode(reader, responseHeaderVersion(key, version));
      return apiOf(key)?.response.decode(reader, version);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}
