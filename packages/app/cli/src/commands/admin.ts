import type { Env } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { errorOf } from "@samsa/protocol";
import {
  BrokerConnection,
  type ConnectionOptions,
  type Endpoint,
  endpointText,
  parseEndpoints,
  WireError,
} from "@samsa/wire";
import { Failure } from "../terminal/failure.ts";
import { createLogger } from "../terminal/logger.ts";
import { VERSION } from "../terminal/version.ts";

/** Timeout of a connection attempt, and of a request. */
const TIMEOUT_MS = 10_000;

const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

const OPTIONS: ConnectionOptions = {
  clientId: "samsa",
  software: { name: "samsa", version: VERSION },
  setupTimeoutMs: TIMEOUT_MS,
  requestTimeoutMs: TIMEOUT_MS,
  maxResponseBytes: MAX_RESPONSE_BYTES,
};

/** Connects to the first server of `host:port,…` that answers. Rejects with a `Failure` that says why each does not. */
export async function connectToAny(env: Env, servers: string): Promise<BrokerConnection> {
  const endpoints = parseEndpoints(servers);
  if (endpoints === undefined) {
    throw new Failure(`--bootstrap-server wants host:port, or several with commas between them, not "${servers}"`);
  }
  const failures: WireError[] = [];
  for (const endpoint of endpoints) {
    try {
      return await BrokerConnection.connect(env, endpoint, OPTIONS);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      failures.push(error);
    }
  }
  const isReached = failures.some(({ code }) => code !== "CONNECTION_FAILED");
  const reasons = failures.map(({ message }) => message).join("; ");
  throw new Failure(`${reasons}${isReached ? "" : ". Is it running? Try: samsa start"}`);
}

/** Options of every command that connects to a broker. */
export interface Common {
  readonly bootstrapServer: string;
  readonly json?: boolean;
}

/** Runs `action` with a connection, and closes the connection afterwards. */
export async function connected(options: Common, action: (admin: BrokerConnection) => Promise<void>): Promise<void> {
  const admin = await connectToAny(nodeEnv({ logger: createLogger("error") }), options.bootstrapServer);
  try {
    await action(admin);
  } finally {
    admin.close();
  }
}

/** Options to connect to one node. */
export function at(endpoint: Endpoint): Common {
  return { bootstrapServer: endpointText(endpoint) };
}

/** Result of a broker about a topic or resource that it was asked about. Throws `Failure` if there is none. */
export function answered<T>(result: T | undefined, about: string): T {
  if (result === undefined) throw new Failure(`the broker's answer leaves out ${about}`);
  return result;
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
