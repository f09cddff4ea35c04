import { type Env, toBase64 } from "@samsa/base";
import { errorOf, Errors, type SaslAuthenticateResponse, type SaslHandshakeResponse } from "@samsa/protocol";
import { OAuthBearerClient, PlainClient, type SaslClient, SaslError, ScramClient } from "@samsa/sasl";
import { WireError } from "../error/wire-error.ts";
import type { SaslCredentials } from "./credentials.ts";

/** Parts of an authentication. */
export interface Authentication {
  readonly env: Env;
  readonly credentials: SaslCredentials;
  /** Text of the server's address, for messages. */
  readonly server: string;
  /** Longest time to wait for a token, in ms. */
  readonly timeoutMs: number;
  readonly handshake: (mechanism: string) => Promise<SaslHandshakeResponse>;
  readonly authenticate: (authBytes: Uint8Array) => Promise<SaslAuthenticateResponse>;
}

const NONCE_BYTES = 24;

async function clientOf({ env, credentials, timeoutMs }: Authentication): Promise<SaslClient> {
  switch (credentials.mechanism) {
    case "PLAIN":
      return new PlainClient(credentials.username, credentials.password);
    case "OAUTHBEARER":
      return new OAuthBearerClient(await credentials.tokens.get(env, timeoutMs), credentials.extensions);
    case "SCRAM-SHA-256":
    case "SCRAM-SHA-512": {
      const { mechanism, username, password, delegationToken = false } = credentials;
      const hash = mechanism === "SCRAM-SHA-256" ? "SHA-256" : "SHA-512";
      const nonce = toBase64(env.random.bytes(NONCE_BYTES));
      return new ScramClient(env.crypto, { hash, username, password, nonce, delegationToken });
    }
  }
}

function whoseOf(credentials: SaslCredentials): string {
  if (credentials.mechanism === "OAUTHBEARER") return "the token";
  const isToken = credentials.mechanism !== "PLAIN" && credentials.delegationToken === true;
  return `the credentials of ${isToken ? "delegation token" : "user"} ${credentials.username}`;
}

/** Error for a server that does not authenticate at its port. */
export function withoutSasl(server: string): WireError {
  const said = `${server} does not authenticate with SASL at this port: connect to another one, or leave out sasl`;
  return new WireError("ILLEGAL_SASL_STATE", said);
}

function checkHandshake({ errorCode, mechanisms }: SaslHandshakeResponse, mechanism: string, server: string): void {
  if (errorCode === 0) return;
  if (errorCode === Errors.UNSUPPORTED_SASL_MECHANISM.code) {
    const offers = mechanisms.length === 0 ? "none" : mechanisms.toSorted().join(", ");
    throw new WireError("UNSUPPORTED_MECHANISM", `${server} does not offer ${mechanism}; it offers ${offers}`);
  }
  if (errorCode === Errors.ILLEGAL_SASL_STATE.code) {
    throw withoutSasl(server);
  }
  throw new WireError("AUTHENTICATION_FAILED", `${server} refuses ${mechanism}: ${errorOf(errorCode).message}`);
}

/**
 * Authenticates a connection (`SaslClientAuthenticator`). Resolves with the lifetime of the session in ms (KIP-368); 0 if
 * it does not end. Rejects with a `WireError`.
 */
export async function authenticate(authentication: Authentication): Promise<number> {
  const { env, credentials, server } = authentication;
  const { mechanism } = credentials;
  const whose = whoseOf(credentials);
  try {
    const client = await clientOf(authentication);
    checkHandshake(await authentication.handshake(mechanism), mechanism, server);
    let step = client.start();
    let lifetimeMs = 0;
    while (step.type !== "done") {
      if (step.type === "derive") {
        step = client.derived(await env.crypto.deriveKey(step.hash, step.password, step.salt, step.iterations));
        continue;
      }
      const answer = await authentication.authenticate(step.bytes);
      if (answer.errorCode !== 0) {
        const { name, message } = errorOf(answer.errorCode);
        const reason = answer.errorMessage === null || answer.errorMessage === "" ? message : answer.errorMessage;
        throw new WireError("AUTHENTICATION_FAILED", `${server} refuses ${whose}, ${mechanism}: ${reason} (${name})`);
      }
      lifetimeMs = Number(answer.sessionLifetimeMs);
      step = client.received(answer.authBytes);
    }
    return lifetimeMs;
  } catch (error) {
    if (!(error instanceof SaslError)) throw error;
    throw new WireError("AUTHENTICATION_FAILED", `${mechanism} with ${server} fails: ${error.message}`);
  }
}
