import { type Env, NetworkError, toBase64, type TlsClientOptions, utf8 } from "@samsa/base";
import { WireError } from "../error/wire-error.ts";
import { type Assertion, assertionOf, jsonObject } from "./assertions.ts";
import type { TokenSource } from "./bearer-tokens.ts";

/** Access to an OAuth server by the client credentials of a program (RFC 6749, section 4.4; KIP-768). */
export interface ClientCredentials {
  /** `sasl.oauthbearer.token.endpoint.url`. */
  readonly tokenEndpoint: string;
  /** `sasl.oauthbearer.client.credentials.client.id`. */
  readonly clientId: string;
  /** `sasl.oauthbearer.client.credentials.client.secret`. */
  readonly clientSecret: string;
  /** `sasl.oauthbearer.scope`; several are separated by blanks. */
  readonly scope?: string | undefined;
  /** `sasl.oauthbearer.header.urlencode`: encodes the id and the secret as RFC 6749 wants it; false by default. */
  readonly encodeHeader?: boolean | undefined;
  /** Longest time of a request, in ms (`sasl.login.read.timeout.ms`); 10 s by default. */
  readonly timeoutMs?: number | undefined;
  /** TLS of an `https` endpoint; the host's defaults without. */
  readonly tls?: TlsClientOptions | undefined;
}

/** Access to an OAuth server by an assertion, which a private key has signed (RFC 7523; KIP-1139, KIP-1258). */
export interface AssertedCredentials extends Pick<ClientCredentials, "tokenEndpoint" | "scope" | "timeoutMs" | "tls"> {
  readonly assertion: Assertion;
  /**
   * Use of the assertion: it stands for the secret of the client (client_credentials, the default), or for the user whom it
   * names (jwt-bearer, Kafka's `JwtBearerJwtRetriever`).
   */
  readonly grant?: "client_credentials" | "jwt-bearer" | undefined;
  /** `sasl.oauthbearer.client.credentials.client.id`, if the server wants it beside the assertion. */
  readonly clientId?: string | undefined;
}

const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const TIMEOUT_MS = 10_000;
/** Status codes after which another attempt may succeed, beside those from 500 on. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 429]);
/** Characters of an answer that a message shows. */
const SHOWN = 200;

/** Reason that a server gives (RFC 6749, section 5.2), or the start of its answer. */
function reasonOf(body: string): string {
  const { error, error_description: description } = jsonObject(body) ?? {};
  if (typeof error !== "string") return body.trim() === "" ? "" : `: ${body.trim().slice(0, SHOWN)}`;
  return `: ${error}${typeof description === "string" ? `, ${description}` : ""}`;
}

function form(text: string): string {
  return encodeURIComponent(text).replaceAll("%20", "+");
}

/** Endpoint for tokens, and what is sent to it. */
interface TokenRequest {
  readonly url: string;
  /** Name of the client, for messages. */
  readonly who: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly timeoutMs: number | undefined;
  readonly tls: TlsClientOptions | undefined;
}

const HEADERS = {
  accept: "application/json",
  "cache-control": "no-cache",
  "content-type": "application/x-www-form-urlencoded",
} as const;

/** Parameters of a request, without those that are undefined or empty. */
function parameters(values: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(values).flatMap(([name, value]) =>
    value === undefined || value.trim() === "" ? [] : [`${name}=${form(value.trim())}`],
  );
  return given.join("&");
}

/** Asks for a token. Rejects with a `WireError`. */
async function asked({ http }: Pick<Env, "http">, request: TokenRequest): Promise<string> {
  const { url, who, headers, body, timeoutMs = TIMEOUT_MS, tls } = request;
  const response = await http
    .request({ url, method: "POST", headers, body, timeoutMs, tls })
    .catch((error: unknown) => {
      if (!(error instanceof NetworkError)) throw error;
      throw new WireError("TOKEN_UNAVAILABLE", `the token endpoint ${url} cannot be reached: ${error.message}`, error);
    });
  const { status } = response;
  if (status >= 500 || TRANSIENT.has(status)) {
    throw new WireError("TOKEN_UNAVAILABLE", `the token endpoint ${url} answers with status ${status}`);
  }
  if (status !== 200 && status !== 201) {
    const said = `the token endpoint ${url} refuses ${who}`;
    throw new WireError("AUTHENTICATION_FAILED", `${said} with status ${status}${reasonOf(response.body)}`);
  }
  const { access_token: access, id_token: id } = jsonObject(response.body) ?? {};
  const token = [access, id].find(value => typeof value === "string" && value.trim() !== "");
  if (typeof token === "string") return token.trim();
  throw new WireError("AUTHENTICATION_FAILED", `the answer of the token endpoint ${url} has no token`);
}

/** Source of tokens that asks the endpoint each time. */
export function clientCredentials(options: ClientCredentials): TokenSource {
  const { tokenEndpoint: url, clientId, clientSecret, scope, encodeHeader = false, timeoutMs, tls } = options;
  const part = (text: string): string => (encodeHeader ? form(text) : text);
  const basic = toBase64(utf8(`${part(clientId)}:${part(clientSecret)}`));
  const headers = { ...HEADERS, authorization: `Basic ${basic}` };
  const body = parameters({ grant_type: "client_credentials", scope });
  return env => asked(env, { url, who: `the client ${clientId}`, headers, body, timeoutMs, tls });
}

/** Source of tokens that asks the endpoint each time, with a new assertion. */
export function assertedCredentials(options: AssertedCredentials): TokenSource {
  const { tokenEndpoint: url, clientId, assertion, grant = "client_credentials", scope, timeoutMs, tls } = options;
  const who = clientId === undefined ? "the assertion" : `the client ${clientId} with its assertion`;
  return async env => {
    const token = await assertionOf(env, assertion);
    const body =
      grant === "jwt-bearer"
        ? parameters({ grant_type: JWT_BEARER, assertion: token, scope })
        : parameters({
            grant_type: grant,
            client_assertion_type: ASSERTION_TYPE,
            client_assertion: token,
            client_id: clientId,
            scope,
          });
    return asked(env, { url, who, headers: HEADERS, body, timeoutMs, tls });
  };
}
