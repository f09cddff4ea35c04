import type { Env } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { errorOf } from "@samsa/protocol";
import {
  BrokerConnection,
  type ConnectionOptions,
  type Endpoint,
  endpointText,
  WireError,
  type WireErrorCode,
} from "@samsa/wire";
import { clientSettings, type Common, contextNameOf } from "../settings/client-settings.ts";
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

/** Failures of security, which another server would not mend. */
const SECURITY_FAILURES: ReadonlySet<string> = new Set<WireErrorCode>([
  ...(["AUTHENTICATION_FAILED", "ILLEGAL_SASL_STATE", "TLS_FAILED", "UNSUPPORTED_MECHANISM"] as const),
]);

/** Connects to the first server that answers. Rejects with a `Failure` that says why each does not. */
export async function connectToAny(env: Env, common: Common): Promise<BrokerConnection> {
  const { servers, client } = clientSettings(common);
  const { clientId = OPTIONS.clientId, requestTimeoutMs = TIMEOUT_MS, setupTimeoutMs = TIMEOUT_MS } = client;
  const options = { ...OPTIONS, clientId, requestTimeoutMs, setupTimeoutMs, security: client.security };
  const failures: WireError[] = [];
  for (const endpoint of servers) {
    try {
      return await BrokerConnection.connect(env, endpoint, options);
    } catch (error) {
      if (!(error instanceof WireError) || SECURITY_FAILURES.has(error.code)) throw error;
      failures.push(error);
    }
  }
  const isReached = failures.some(({ code }) => code !== "CONNECTION_FAILED");
  const reasons = failures.map(({ message }) => message).join("; ");
  throw new Failure(`${reasons}${isReached ? "" : ". Is it running? Try: samsa start"}`);
}

/** Runs `action` with a connection, and closes the connection afterwards. */
export async function connected(options: Common, action: (admin: BrokerConnection) => Promise<void>): Promise<void> {
  const admin = await connectToAny(nodeEnv({ logger: createLogger("error") }), options);
  try {
    await action(admin);
  } finally {
    admin.close();
  }
}

/** Options to connect to one node, as the others of the command. */
export function at(endpoint: Endpoint, options: Common): Common {
  const context = contextNameOf(options);
  return { ...options, ...(context === undefined ? {} : { context }), bootstrapServer: endpointText(endpoint) };
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
