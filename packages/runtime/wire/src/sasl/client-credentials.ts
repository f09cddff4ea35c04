import { NetworkError, toBase64, type TlsClientOptions, utf8 } from "@samsa/base";
import { WireError } from "../error/wire-error.ts";
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

const TIMEOUT_MS = 10_000;
/** Status codes after which another attempt may succeed, beside those from 500 on. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 429]);
/** Characters of an answer that a message shows. */
const SHOWN = 200;

function jsonOf(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** Reason that a server gives (RFC 6749, section 5.2), or the start of its answer. */
function reasonOf(body: string): string {
  const { error, error_description: description } = jsonOf(body);
  if (typeof error !== "string") return body.trim() === "" ? "" : `: ${body.trim().slice(0, SHOWN)}`;
  return `: ${error}${typeof description === "string" ? `, ${description}` : ""}`;
}

function form(text: string): string {
  return encodeURIComponent(text).replaceAll("%20", "+");
}

/** Source of tokens that asks the endpoint each time. */
export function clientCredentials(options: ClientCredentials): TokenSource {
  const { tokenEndpoint: url, clientId, clientSecret, scope, encodeHeader = false, timeoutMs = TIMEOUT_MS } = options;
  const part = (text: string): string => (encodeHeader ? form(text) : text);
  const basic = toBase64(utf8(`${part(clientId)}:${part(clientSecret)}`));
  const headers = {
    accept: "application/json",
    authorization: `Basic ${basic}`,
    "cache-control": "no-cache",
    "content-type": "application/x-www-form-urlencoded",
  };
  const body = `grant_type=client_credentials${scope === undefined ? "" : `&scope=${form(scope)}`}`;
  return async ({ http }) => {
    const request = { url, method: "POST", headers, body, timeoutMs, tls: options.tls } as const;
    const response = await http.request(request).catch((error: unknown) => {
      if (!(error instanceof NetworkError)) throw error;
      throw new WireError("TOKEN_UNAVAILABLE", `the token endpoint ${url} cannot be reached: ${error.message}`, error);
    });
    const { status } = response;
    if (status >= 500 || TRANSIENT.has(status)) {
      throw new WireError("TOKEN_UNAVAILABLE", `the token endpoint ${url} answers with status ${status}`);
    }
    if (status !== 200 && status !== 201) {
      const said = `the token endpoint ${url} refuses the client ${clientId}`;
      throw new WireError("AUTHENTICATION_FAILED", `${said} with status ${status}${reasonOf(response.body)}`);
    }
    const { access_token: access, id_token: id } = jsonOf(response.body);
    const token = [access, id].find(value => typeof value === "string" && value.trim() !== "");
    if (typeof token === "string") return token.trim();
    throw new WireError("AUTHENTICATION_FAILED", `the answer of the token endpoint ${url} has no token`);
  };
}
