import type { TlsClientOptions, TlsProtocol, TlsSource } from "@samsa/base";
import { type SaslOptions, securityOf } from "@samsa/client-runtime";
import type { Security } from "@samsa/wire";
import type { ConnectionOptions } from "node:tls";
import { kafkaJSError } from "../error/convert.ts";
import { KafkaJSNonRetriableError, KafkaJSNotImplemented } from "../error/errors.ts";
import type { KafkaConfig, SASLOptions } from "./config.ts";

function refuse(message: string): never {
  throw new KafkaJSNonRetriableError(message);
}

function sourceOf(name: string, given: unknown): TlsSource {
  if (typeof given === "string" || given instanceof Uint8Array) return given;
  if (Array.isArray(given) && given.length === 1) return sourceOf(name, given[0]);
  if (Array.isArray(given) && given.every(one => typeof one === "string")) return given.join("\n");
  return refuse(`ssl.${name} is a text or bytes, in PEM`);
}

const VERSIONS: readonly string[] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

/** Versions between two; those before 1.2 are never spoken. */
function protocolsOf({ minVersion = "TLSv1.2", maxVersion = "TLSv1.3" }: ConnectionOptions): TlsProtocol[] {
  const from = VERSIONS.indexOf(minVersion);
  const to = VERSIONS.indexOf(maxVersion);
  const all = (["TLSv1.2", "TLSv1.3"] as const).filter(
    one => VERSIONS.indexOf(one) >= from && VERSIONS.indexOf(one) <= to,
  );
  return all.length > 0 ? all : refuse(`ssl.maxVersion is ${maxVersion}, but TLS is spoken from version 1.2 on`);
}

/** Options that Node makes no use of here: each connection has its own address. */
const OF_ADDRESS: readonly string[] = ["host", "port", "path", "socket", "timeout", "ALPNProtocols", "secureContext"];
const KNOWN: readonly string[] = [
  ...["ca", "cert", "key", "passphrase", "pfx", "servername", "rejectUnauthorized", "checkServerIdentity", "ciphers"],
  ...["minVersion", "maxVersion"],
];

/** TLS by the options of `node:tls`. */
function tlsOf(given: ConnectionOptions): TlsClientOptions {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || KNOWN.includes(name)) continue;
    const why = OF_ADDRESS.includes(name) ? "each connection has its own" : "the client does not have it";
    refuse(`ssl.${name} cannot be given: ${why}`);
  }
  const { ca, cert, key, passphrase, pfx, servername, ciphers, checkServerIdentity } = given;
  if (given.rejectUnauthorized === false) {
    refuse("ssl.rejectUnauthorized cannot be false: give the certificate of the brokers' authority as ssl.ca");
  }
  const optional = <T, R>(value: T | undefined, map: (value: T) => R): R | undefined =>
    value === undefined ? undefined : map(value);
  return {
    ca: optional(ca, all => [all].flat().map(one => sourceOf("ca", one))),
    cert: optional(cert, one => sourceOf("cert", one)),
    key: optional(key, one => sourceOf("key", one)),
    store: optional(pfx, one => sourceOf("pfx", one)),
    passphrase,
    protocols: protocolsOf(given),
    cipherSuites: optional(ciphers, list => list.split(":")),
    serverName: servername,
    // A program gives this function so as not to check the name; what it does otherwise, the client cannot do.
    verifyHostName: checkServerIdentity === undefined,
  };
}

function saslOf(given: SASLOptions): SaslOptions {
  const mechanism: unknown = typeof given.mechanism === "string" ? given.mechanism.toLowerCase() : undefined;
  if ("authenticationProvider" in given || mechanism === "aws") {
    throw new KafkaJSNotImplemented(
      "sasl knows plain, scram-sha-256, scram-sha-512 and oauthbearer; with AWS, use oauthbearer and the token of aws-msk-iam-sasl-signer",
    );
  }
  if (given.mechanism === "oauthbearer") {
    const { oauthBearerProvider } = given;
    if (typeof oauthBearerProvider !== "function") refuse("oauthbearer needs sasl.oauthBearerProvider, a function");
    return { mechanism: "OAUTHBEARER", token: async () => (await oauthBearerProvider()).value };
  }
  const { username, password } = given;
  switch (mechanism) {
    case "plain":
      return { mechanism: "PLAIN", username, password };
    case "scram-sha-256":
      return { mechanism: "SCRAM-SHA-256", username, password };
    case "scram-sha-512":
      return { mechanism: "SCRAM-SHA-512", username, password };
    default:
      return refuse(
        `sasl.mechanism is one of plain, scram-sha-256, scram-sha-512, oauthbearer, not "${String(mechanism)}"`,
      );
  }
}

/** Security of connections. Throws KafkaJSNonRetriableError for what cannot be. */
export function securityFrom({ ssl, sasl }: Pick<KafkaConfig, "ssl" | "sasl">): Security {
  try {
    return securityOf({
      ssl: typeof ssl === "object" && ssl !== null ? tlsOf(ssl) : ssl === true,
      sasl: sasl === undefined || sasl === null ? undefined : saslOf(sasl),
    });
  } catch (error) {
    throw kafkaJSError(error);
  }
}
