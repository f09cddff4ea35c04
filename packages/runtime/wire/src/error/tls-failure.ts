import type { TlsError, TlsFault } from "@samsa/base";
import { WireError } from "./wire-error.ts";

/** Sentences about the failures of TLS: what is wrong, and what to do. */
const SENTENCES: { readonly [F in TlsFault]: (server: string, detail: string) => string } = {
  UNTRUSTED: (server, detail) =>
    `no trusted authority has issued the certificate of ${server}: name its authority's certificate as the CA; ${detail}`,
  EXPIRED: server => `the certificate of ${server} has expired: it must be renewed`,
  NOT_YET_VALID: server => `the certificate of ${server} is not valid yet: are the clocks right?`,
  WRONG_NAME: (server, detail) =>
    `the certificate of ${server} is of another host: connect to a host that it names; ${detail}`,
  NOT_TLS: server => `${server} does not speak TLS at this port: connect to another one, or speak clear text`,
  CLOSED: server => `${server} closed the connection in the TLS handshake; does this port speak TLS?`,
  REFUSED: (server, detail) =>
    `${server} does not accept this client's certificate, or wants one: give a certificate and its key; ${detail}`,
  NOTHING_IN_COMMON: (server, detail) =>
    `${server} and this client have no version of TLS or no cipher suite in common; ${detail}`,
  INVALID_OPTIONS: (server, detail) => `TLS to ${server} cannot be used: ${detail}`,
  OTHER: (server, detail) => `there is no secure connection to ${server}: ${detail}`,
};

/** Error of a connection for a failure of TLS. A peer that closes the connection may be there again later. */
export function tlsFailure(server: string, error: TlsError): WireError {
  const code = error.fault === "CLOSED" ? "CONNECTION_FAILED" : "TLS_FAILED";
  return new WireError(code, SENTENCES[error.fault](server, error.message), error);
}

/** Error for a peer that speaks TLS to a client which does not. */
export function speaksTls(server: string): WireError {
  return new WireError("TLS_FAILED", `${server} speaks TLS at this port, and this client does not: set ssl`);
}

/** True for the first bytes of an alert of TLS, with which servers answer those who speak clear text. */
export function isTlsAlert(chunk: Uint8Array): boolean {
  return chunk[0] === 0x15 && chunk[1] === 0x03;
}
