import { connect, type Socket } from "node:net";
import { BufferPool, ByteReader, concat } from "@samsa/base";
import { apiOf, FrameSplitter, requestFrame, responseHeader, responseHeaderVersion } from "@samsa/protocol";

/** A request as a frame, its size prefix included. */
export function frame(key: number, version: number, body: object, correlationId = 1): Uint8Array {
  const request = apiOf(key)?.request;
  return request === undefined
    ? new Uint8Array(0)
    : concat(requestFrame({ key, version, correlationId, clientId: "fuzz" }, request, body));
}

/** A socket whose errors are of no interest: what a hostile peer deserves. */
export function rawSocket(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port }, () => resolve(socket));
    socket.once("error", reject);
    socket.on("error", () => {});
  });
}

/** A well-behaved client that asks one thing at a time. */
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

  /** Rejects when the broker closes instead of answering, or says nothing for `limitMs`. */
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
