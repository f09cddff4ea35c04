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
  type ApiKey,
  apiOf,
  errorOf,
  FrameSplitter,
  requestFrame,
  responseHeader,
  responseHeaderVersion,
} from "@samsa/protocol";
import { Failure } from "./failure.ts";
import { createLogger } from "./logger.ts";

const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;
/** Time for a connection, and for an answer. */
const TIMEOUT_MS = 10_000;

/** The two halves of a message that a client uses. */
interface Asked<Q> {
  encode(writer: ByteWriter, value: Q, version: number): void;
}
interface Answered<R> {
  decode(reader: ByteReader, version: number): R;
}

interface Waiting {
  resolve(frame: Uint8Array): void;
  reject(error: Error): void;
}

/** One connection that asks one thing at a time: all that a command of the command line needs. */
export class AdminConnection implements ConnectionHandler {
  readonly #env: Env;
  readonly #frames = new FrameSplitter(MAX_RESPONSE_BYTES, new BufferPool());
  #connection: Connection | undefined;
  #waiting: Waiting | undefined;
  #correlation = 0;
  /** Why the connection is no more. */
  #gone: Failure | undefined;
  readonly #server: string;

  private constructor(env: Env, server: string) {
    this.#env = env;
    this.#server = server;
  }

  /** Connects to the first of `host:port,…` that can be reached. Rejects with a `Failure`. */
  static async open(env: Env, servers: string): Promise<AdminConnection> {
    const failures: string[] = [];
    const places = servers.split(",").map(server => place(server.trim(), servers));
    for (const { server, host, port } of places) {
      const admin = new AdminConnection(env, server);
      try {
        admin.#connection = await inTime(
          env,
          env.network.connect(host, port, () => admin),
        );
        return admin;
      } catch (error) {
        failures.push(`no broker at ${server}: ${(error as Error).message}`);
      }
    }
    throw new Failure(`${failures.join("; ")}. Is it running? Try: samsa start`);
  }

  onData(chunk: Uint8Array): void {
    try {
      for (const frame of this.#frames.push(chunk)) {
        const waiting = this.#waiting;
        this.#waiting = undefined;
        waiting?.resolve(frame);
      }
    } catch {
      this.#waiting?.reject(new Failure(`what answers at ${this.#server} does not speak Kafka's protocol`));
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

  /** Sends one request at `version` and waits for its answer. */
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

/** The connection, unless it takes too long; one that comes later is closed. */
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

/** What every command that asks a broker takes. */
export interface Common {
  readonly bootstrapServer: string;
  readonly json?: boolean;
}

/** Runs `action` with a connection, which is closed at the end of it. */
export async function connected(options: Common, action: (admin: AdminConnection) => Promise<void>): Promise<void> {
  const admin = await AdminConnection.open(nodeEnv({ logger: createLogger("error") }), options.bootstrapServer);
  try {
    await action(admin);
  } finally {
    admin.close();
  }
}

/** What the broker says of an error, with the name that Kafka gives it. */
export function sentence(code: number, message: string | null): string {
  const error = errorOf(code);
  // Some answers of Kafka leave the sentence out, others leave it empty.
  return `${message === null || message === "" ? error.message : message} (${error.name})`;
}

/** `key=value`, as it was given to `option`. */
export function pair(text: string, option: string): { readonly name: string; readonly value: string } {
  const at = text.indexOf("=");
  if (at <= 0) throw new Failure(`${option} wants key=value, not "${text}"`);
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}
