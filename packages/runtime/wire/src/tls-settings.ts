import { MalformedError, type TlsClientOptions, type TlsOptions, type TlsProtocol, type TlsSource } from "@samsa/base";

/** Names of Kafka's settings of TLS. */
type TlsSetting =
  | "ssl.protocol"
  | "ssl.enabled.protocols"
  | "ssl.cipher.suites"
  | "ssl.endpoint.identification.algorithm"
  | "ssl.truststore.type"
  | "ssl.truststore.location"
  | "ssl.truststore.certificates"
  | "ssl.keystore.type"
  | "ssl.keystore.location"
  | "ssl.keystore.password"
  | "ssl.keystore.key"
  | "ssl.keystore.certificate.chain"
  | "ssl.key.password";

/** Values of settings by their names; undefined: not set. */
export type TlsLookup = (name: TlsSetting) => string | undefined;

const TLS_PROTOCOLS: readonly TlsProtocol[] = ["TLSv1.2", "TLSv1.3"];

function malformed(message: string): never {
  throw new MalformedError(message);
}

function listOf(text: string): string[] {
  return text.split(",").flatMap(part => (part.trim() === "" ? [] : [part.trim()]));
}

function protocolsOf(lookup: TlsLookup): readonly TlsProtocol[] | undefined {
  const enabled = lookup("ssl.enabled.protocols");
  const newest = lookup("ssl.protocol") ?? "TLSv1.3";
  const wanted = enabled === undefined ? TLS_PROTOCOLS : listOf(enabled);
  const known = TLS_PROTOCOLS.filter(name => wanted.includes(name));
  const unknown = [...wanted, newest].find(name => !TLS_PROTOCOLS.some(known => known === name));
  if (unknown !== undefined)
    malformed(`"${unknown}" is no version of TLS that is available: ${TLS_PROTOCOLS.join(", ")}`);
  // As in Kafka, `ssl.protocol` is the highest version.
  const usable = known.filter(name => name <= newest);
  if (usable.length === 0) malformed("ssl.enabled.protocols has no version up to that of ssl.protocol");
  return usable;
}

/** Trusted certificates: a text, or a file in PEM. */
function trustOf(lookup: TlsLookup): TlsSource | undefined {
  const text = lookup("ssl.truststore.certificates");
  const file = lookup("ssl.truststore.location");
  const type = lookup("ssl.truststore.type") ?? "JKS";
  if (text === undefined && file === undefined) return undefined;
  if (type.toUpperCase() !== "PEM") {
    const how = `openssl pkcs12 -in ${file ?? "store.p12"} -nokeys -out ca.pem`;
    malformed(`ssl.truststore.type is ${type}, and trusted certificates are read from PEM only: ${how}`);
  }
  return text ?? { file: file ?? "" };
}

/** Own certificate and key: texts or a file in PEM, or a PKCS12 store. */
function identityOf(lookup: TlsLookup): TlsOptions {
  const [cert, key] = [lookup("ssl.keystore.certificate.chain"), lookup("ssl.keystore.key")];
  const file = lookup("ssl.keystore.location");
  const passphrase = lookup("ssl.key.password");
  if (cert === undefined && key === undefined && file === undefined) return {};
  switch ((lookup("ssl.keystore.type") ?? "JKS").toUpperCase()) {
    case "PEM":
      if (file !== undefined) return { cert: { file }, key: { file }, passphrase };
      if (cert === undefined || key === undefined) {
        malformed("ssl.keystore.key and ssl.keystore.certificate.chain are given together");
      }
      return { cert, key, passphrase };
    case "PKCS12":
      return { store: { file: file ?? "" }, passphrase: lookup("ssl.keystore.password") ?? passphrase };
    default: {
      const how = `keytool -importkeystore -srckeystore ${file ?? "store.jks"} -destkeystore store.p12 -deststoretype pkcs12`;
      return malformed(`ssl.keystore.type is PEM or PKCS12 here, and not JKS, its default: ${how}`);
    }
  }
}

/** Options of TLS of a client and of a listener alike. Throws `MalformedError`. */
export function tlsSettings(lookup: TlsLookup): TlsOptions {
  return {
    ...identityOf(lookup),
    ca: trustOf(lookup),
    protocols: protocolsOf(lookup),
    cipherSuites: listOf(lookup("ssl.cipher.suites") ?? ""),
  };
}

/** Options of TLS of a client (`SslConfigs`). Throws `MalformedError`. */
export function tlsClientSettings(lookup: TlsLookup): TlsClientOptions {
  const algorithm = lookup("ssl.endpoint.identification.algorithm") ?? "https";
  if (algorithm !== "" && algorithm.toLowerCase() !== "https") {
    malformed(`ssl.endpoint.identification.algorithm is https, or empty, not "${algorithm}"`);
  }
  return { ...tlsSettings(lookup), verifyHostName: algorithm !== "" };
}
