import {
  BufferPool,
  ByteReader,
  type ByteWriter,
  type Connection,
  type ConnectionHandler,
  type Env,
  MalformedError,
} from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import {
  ApiKey,
  apiOf,
  apiVersionsRequest,
  apiVersionsResponse,
  errorOf,
  FrameSplitter,
  requestFrame,
  responseHeader,
  responseHeaderVersion,
} from "@samsa/protocol";
import { Failure } from "../terminal/failure.ts";
import { createLogger } from "../terminal/logger.ts";

const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;
/** Timeout of a connection attempt, and of a request. */
const TIMEOUT_MS = 10_000;

/** Encoder of a request, the part of a message that a client needs. */
interface Asked<Q> {
  encode(writer: ByteWriter, value: Q, version: number): void;
}
/** Decoder of a response, the part of a message that a client needs. */
interface Answered<R> {
  decode(reader: ByteReader, version: number): R;
}

interface Waiting {
  resolve(frame: Uint8Array): void;
  reject(error: Error): void;
}

/** Connection with one request at a time, which is enough for the command line. */
export class AdminConnection implements ConnectionHandler {
  readonly #env: Env;
  readonly #frames = new FrameSplitter(MAX_RESPONSE_BYTES, new BufferPool());
  #connection: Connection | undefined;
  #waiting: Waiting | undefined;
  #correlation = 0;
  /** Reason why the connection was closed. */
  #gone: Failure | undefined;
  readonly #server: string;

  private constructor(env: Env, server: string) {
    this.#env = env;
    this.#server = server;
  }

  /** Connects to the first reachable server of `host:port,…`. Rejects with a `Failure`. */
  static async open(env: Env, servers: string): Promise<AdminConnection> {
    const failures: string[] = [];
    let isReached = false;
    const places = servers.split(",").map(server => place(server.trim(), servers));
    for (const { server, host, port } of places) {
      const admin = new AdminConnection(env, server);
      try {
        admin.#connection = await inTime(
          env,
          env.network.connect(host, port, TIMEOUT_MS, () => admin),
        );
        // A server that is mute or no broker is passed over, too.
        await admin.ask(ApiKey.ApiVersions, 0, { request: apiVersionsRequest, response: apiVersionsResponse }, {});
        return admin;
      } catch (error) {
        admin.close();
        isReached ||= error instanceof Failure;
        failures.push(error instanceof Failure ? error.message : `no broker at ${server}: ${(error as Error).message}`);
      }
    }
    throw new Failure(`${failures.join("; ")}${isReached ? "" : ". Is it running? Try: samsa start"}`);
  }

  onData(chunk: Uint8Array): void {
    try {
      for (const frame of this.#frames.push(chunk)) {
        const waiting = this.#waiting;
        this.#waiting = undefined;
        waiting?.resolve(frame);
      }
    } catch {
      this.#waiting?.reject(new Failure(`the server at ${this.#server} does not speak Kafka's protocol`));
      this.#waiting = undefined;
      this.close();
    }
  }

  onDrain(): void {}

  onClose(error?: Error): void {
    this.#gone = new Failure(`${this.#server} closed the connection${error ? `: ${error.message}` : ""}`);
    this.#waiting?.reject(this.#gone);
    this.#waiting = undefined;
  }

  /** Sends a request at `version` and returns its decoded response. Rejects with a `Failure`. */
  async ask<Q, R>(
    key: (typeof ApiKey)[keyof typeof ApiKey],
    version: number,
    messages: { request: Asked<Q>; response: Answered<R> },
    body: Q,
  ): Promise<R> {
    if (this.#gone !== undefined) throw this.#gone;
    const correlationId = ++this.#correlation;
    const request = requestFrame({ key, version, correlationId, clientId: "samsa" }, messages.request, body);
    const frame = await new Promise<Uint8Array>((resolve, reject) => {
      const timer = this.#env.timers.after(TIMEOUT_MS, () => {
        reject(new Failure(`${this.#server} has not answered ${apiOf(key)?.name ?? key} for ${TIMEOUT_MS / 1000} s`));
        this.#connection?.destroy();
      });
      const settle =
        <T>(end: (value: T) => void) =>
        (value: T): void => {
          timer.cancel();
          end(value);
        };
      this.#waiting = { resolve: settle(resolve), reject: settle(reject) };
      this.#connection?.write(request);
    });
    try {
      const reader = new ByteReader(frame);
      responseHeader.decode(reader, responseHeaderVersion(key, version));
      return messages.response.decode(reader, version);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      throw new Failure(`the answer to ${apiOf(key)?.name ?? key} cannot be read: ${error.message}`);
    }
  }

  close(): void {
    this.#connection?.destroy();
  }
}

function place(server: string, servers: string): { server: string; host: string; port: number } {
  const at = server.lastIndexOf(":");
  const host = (at < 0 ? server : server.slice(0, at)).replace(/^\[|\]$/g, "");
  const port = at < 0 ? 9092 : Number(server.slice(at + 1));
  if (host === "" || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Failure(`--bootstrap-server wants host:port, or several with commas between them, not "${servers}"`);
  }
  return { server, host, port };
}

/** Rejects if connecting takes too long; a connection that is made later is closed. */
function inTime(env: Env, connecting: Promise<Connection>): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = env.timers.after(TIMEOUT_MS, () => {
      late = true;
      reject(new Error(`no connection in ${TIMEOUT_MS / 1000} s`));
    });
    connecting.then(
      connection => {
        timer.cancel();
        if (late) connection.destroy();
        else resolve(connection);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}

/** Options of every command that connects to a broker. */
export interface Common {
  readonly bootstrapServer: string;
  readonly json?: boolean;
}

/** Runs `action` with a connection, and closes the connection afterwards. */
export async function connected(options: Common, action: (admin: AdminConnection) => Promise<void>): Promise<void> {
  const admin = await AdminConnection.open(nodeEnv({ logger: createLogger("error") }), options.bootstrapServer);
  try {
    await action(admin);
  } finally {
    admin.close();
  }
}

/** Message of an error with its name; the default message if the broker sent none. */
export function sentence(code: number, message: string | null): string {
  const error = errorOf(code);
  // Some answers of Kafka have no message, others an empty one.
  return `${message === null || message === "" ? error.message : message} (${error.name})`;
}

/** Parses `key=value`, the value of `option`. Throws `Failure`. */
export function pair(text: string, option: string): { readonly name: string; readonly value: string } {
  const at = text.indexOf("=");
  if (at <= 0) throw new Failure(`${option} wants key=value, not "${text}"`);
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}
