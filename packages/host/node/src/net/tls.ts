import {
  NetworkError,
  type TlsClientOptions,
  TlsError,
  type TlsFault,
  type TlsOptions,
  type TlsServerOptions,
  type TlsSource,
} from "@samsa/base";
import { constants } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { PassThrough } from "node:stream";
import type { ConnectionOptions, SecureContext, SecureContextOptions } from "node:tls";
import { requiredModule } from "../modules/optional.ts";
import { identityOf, trustedOf } from "./java-store.ts";

/** Error codes of OpenSSL and Node, by their faults. */
const CODES: { readonly [F in TlsFault]?: readonly string[] } = {
  UNTRUSTED: [
    ...["CERT_CHAIN_TOO_LONG", "CERT_REJECTED", "CERT_SIGNATURE_FAILURE", "CERT_UNTRUSTED", "INVALID_CA"],
    ...["DEPTH_ZERO_SELF_SIGNED_CERT", "INVALID_PURPOSE", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_GET_ISSUER_CERT"],
    ...["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  ],
  EXPIRED: ["CERT_HAS_EXPIRED"],
  NOT_YET_VALID: ["CERT_NOT_YET_VALID"],
  WRONG_NAME: ["ERR_TLS_CERT_ALTNAME_INVALID"],
  NOT_TLS: ["ERR_SSL_PACKET_LENGTH_TOO_LONG", "ERR_SSL_RECORD_LAYER_FAILURE", "ERR_SSL_WRONG_VERSION_NUMBER"],
  NOTHING_IN_COMMON: ["ERR_SSL_NO_PROTOCOLS_AVAILABLE", "ERR_SSL_UNSUPPORTED_PROTOCOL"],
};

/** Alerts of the peer, by their faults. */
const ALERTS: { readonly [F in TlsFault]?: readonly string[] } = {
  REFUSED: [
    ...["ACCESS_DENIED", "BAD_CERTIFICATE", "CERTIFICATE_EXPIRED", "CERTIFICATE_REQUIRED", "CERTIFICATE_REVOKED"],
    ...["CERTIFICATE_UNKNOWN", "UNKNOWN_CA", "UNSUPPORTED_CERTIFICATE"],
  ],
  NOTHING_IN_COMMON: ["HANDSHAKE_FAILURE", "INSUFFICIENT_SECURITY", "PROTOCOL_VERSION"],
};

/** Code of an alert. OpenSSL has had several prefixes for them. */
const ALERT = /^ERR_SSL_[A-Z0-9/]+_ALERT_([A-Z_]+)$/;

/** Options of Node for a listener. */
type TlsServerMaterial = SecureContextOptions & { readonly requestCert: boolean; readonly rejectUnauthorized: boolean };

/** Start of a certificate in PEM. */
const PEM_CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/;

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "EIO";
}

function faultOf(code: string): TlsFault | undefined {
  const alert = ALERT.exec(code)?.[1];
  const [table, name] = alert === undefined ? [CODES, code] : [ALERTS, alert];
  const found = Object.entries(table).find(([, names]) => names.includes(name));
  return found?.[0] as TlsFault | undefined;
}

/** Error of a connection: a `TlsError` if TLS is the reason. */
export function connectionError(error: Error, isHandshake = false): NetworkError {
  const code = codeOf(error);
  const { reason } = error as { readonly reason?: unknown };
  // Node's message contains the code, which `NetworkError` adds itself; that of OpenSSL contains places in its source.
  const detail =
    code.startsWith("ERR_SSL_") && typeof reason === "string" ? reason : error.message.replace(` ${code}:`, ":");
  const fault = faultOf(code);
  if (fault !== undefined) return new TlsError(fault, code, detail);
  if (/^ERR_(?:SSL|TLS)_|^EPROTO$/.test(code)) return new TlsError("OTHER", code, detail);
  if (isHandshake && (code === "ECONNRESET" || code === "EPIPE")) return new TlsError("CLOSED", code, detail);
  return new NetworkError(code, detail);
}

function contentOf(name: string, source: TlsSource): string | Uint8Array {
  if (typeof source === "string" || source instanceof Uint8Array) return source;
  try {
    return readFileSync(source.file);
  } catch (error) {
    const { message } = error as Error;
    throw new TlsError("INVALID_OPTIONS", codeOf(error), `the ${name} cannot be read: ${message}`);
  }
}

/** Content that is given to OpenSSL, which takes texts and Node's buffers. */
function material(name: string, source: TlsSource | undefined): string | Buffer | undefined {
  if (source === undefined) return undefined;
  const content = contentOf(name, source);
  return typeof content === "string" ? content : Buffer.from(content);
}

function certificates(name: string, source: TlsSource): string | Buffer {
  const content = material(name, source) ?? "";
  if (PEM_CERTIFICATE.test(content.toString("latin1"))) return content;
  throw new TlsError("INVALID_OPTIONS", "EINVAL", `the ${name} has no certificate in PEM`);
}

function bytesOf(name: string, source: TlsSource): Uint8Array {
  const content = contentOf(name, source);
  return typeof content === "string" ? Buffer.from(content) : content;
}

function authorities({ ca, trustStore }: TlsOptions): (string | Buffer)[] | undefined {
  if (trustStore !== undefined) return trustedOf(bytesOf("trust store", trustStore.source), trustStore);
  if (ca === undefined) return undefined;
  const sources: readonly TlsSource[] = isList(ca) ? ca : [ca];
  return sources.map(source => certificates("CA certificate", source));
}

function isList(ca: TlsSource | readonly TlsSource[]): ca is readonly TlsSource[] {
  return Array.isArray(ca);
}

/** Own certificate and key of a store that OpenSSL cannot read. */
function javaIdentity({ store, storeType, passphrase }: TlsOptions) {
  if (store === undefined || storeType !== "JKS") return {};
  const own = identityOf(bytesOf("key store", store), { type: storeType, password: passphrase });
  return { ...own, passphrase: undefined };
}

/** Keys, certificates and limits of TLS, as Node takes them. Throws `TlsError` INVALID_OPTIONS. */
function contextOptions(options: TlsOptions): SecureContextOptions {
  const { cert, passphrase, protocols = ["TLSv1.2", "TLSv1.3"], cipherSuites = [] } = options;
  const given = {
    ca: authorities(options),
    cert: cert === undefined ? undefined : certificates("certificate", cert),
    key: material("private key", options.key),
    pfx: options.storeType === "JKS" ? undefined : material("key store", options.store),
    passphrase,
    ...javaIdentity(options),
    minVersion: protocols.includes("TLSv1.2") ? "TLSv1.2" : "TLSv1.3",
    maxVersion: protocols.includes("TLSv1.3") ? "TLSv1.3" : "TLSv1.2",
    ciphers: cipherSuites.length === 0 ? undefined : cipherSuites.join(":"),
  } as const;
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Keys, certificates and limits of TLS. Throws `TlsError` INVALID_OPTIONS if they cannot be used. */
function secureContext(options: SecureContextOptions): SecureContext {
  try {
    // Loaded when needed, since it takes megabytes.
    return requiredModule<typeof import("node:tls")>("node:tls").createSecureContext(options);
  } catch (error) {
    const { message } = error as Error;
    throw new TlsError("INVALID_OPTIONS", codeOf(error), `the certificates and keys cannot be used: ${message}`);
  }
}

/** Options of Node for a listener that speaks TLS. Reads the files that they name. Throws `TlsError`. */
export function secureListenOptions(options: TlsServerOptions): TlsServerMaterial {
  const { clientAuth = "none" } = options;
  if (options.store === undefined && (options.cert === undefined || options.key === undefined)) {
    throw new TlsError("INVALID_OPTIONS", "EINVAL", "a listener needs a certificate and its private key");
  }
  const given = contextOptions(options);
  // Faults of the certificates are found here, not at the first connection.
  secureContext(given);
  const [requestCert, rejectUnauthorized] = [clientAuth !== "none", clientAuth === "required"];
  // As in Java: another handshake on a connection costs a server more than a client.
  return { ...given, requestCert, rejectUnauthorized, secureOptions: constants.SSL_OP_NO_RENEGOTIATION };
}

/** Certificate of a listener in DER. Reads the files that the options name. Throws `TlsError`. */
export function ownCertificate(options: TlsServerOptions): Uint8Array | undefined {
  const { TLSSocket } = requiredModule<typeof import("node:tls")>("node:tls");
  const nothing = new PassThrough();
  const material = secureListenOptions(options);
  // Only a socket tells the certificate of a PKCS12 store.
  const socket = new TLSSocket(nothing, { isServer: true, secureContext: secureContext(material) });
  try {
    const raw = socket.getX509Certificate()?.raw;
    return raw && new Uint8Array(raw);
  } finally {
    socket.destroy();
    nothing.destroy();
  }
}

/** Options of Node for a secure connection to `host`. Reads the files that they name. Throws `TlsError`. */
export function secureConnectOptions(host: string, options: TlsClientOptions): ConnectionOptions {
  const { serverName, verifyHostName = true } = options;
  const name = serverName ?? host;
  return {
    secureContext: secureContext(contextOptions(options)),
    // An address is no server name, but is compared with the certificate's all the same.
    servername: isIP(name) === 0 ? name : "",
    ...(verifyHostName ? {} : { checkServerIdentity: () => undefined }),
  };
}
