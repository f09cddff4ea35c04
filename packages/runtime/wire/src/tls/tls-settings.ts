import {
  MalformedError,
  splitList,
  type TlsClientOptions,
  type TlsOptions,
  type TlsProtocol,
  type TlsSource,
  type TlsStore,
} from "@samsa/base";

/** Names of Kafka's settings of TLS. */
export const TLS_SETTINGS = [
  ...["ssl.protocol", "ssl.enabled.protocols", "ssl.cipher.suites", "ssl.endpoint.identification.algorithm"],
  ...["ssl.truststore.type", "ssl.truststore.location", "ssl.truststore.password", "ssl.truststore.certificates"],
  ...["ssl.keystore.type", "ssl.keystore.location", "ssl.keystore.password", "ssl.keystore.key"],
  ...["ssl.keystore.certificate.chain", "ssl.key.password"],
] as const;

type TlsSetting = (typeof TLS_SETTINGS)[number];

/** Values of settings by their names; undefined: not set. */
export type TlsLookup = (name: TlsSetting) => string | undefined;

const TLS_PROTOCOLS: readonly TlsProtocol[] = ["TLSv1.2", "TLSv1.3"];

function malformed(message: string): never {
  throw new MalformedError(message);
}

function protocolsOf(lookup: TlsLookup): readonly TlsProtocol[] | undefined {
  const enabled = lookup("ssl.enabled.protocols");
  const newest = lookup("ssl.protocol") ?? "TLSv1.3";
  const wanted = enabled === undefined ? TLS_PROTOCOLS : splitList(enabled);
  const known = TLS_PROTOCOLS.filter(name => wanted.includes(name));
  const unknown = [...wanted, newest].find(name => !TLS_PROTOCOLS.some(known => known === name));
  if (unknown !== undefined)
    malformed(`"${unknown}" is no version of TLS that is available: ${TLS_PROTOCOLS.join(", ")}`);
  // As in Kafka, `ssl.protocol` is the highest version.
  const usable = known.filter(name => name <= newest);
  if (usable.length === 0) malformed("ssl.enabled.protocols has no version up to that of ssl.protocol");
  return usable;
}

const STORE_TYPES = ["PKCS12", "JKS"] as const;

function storeType(setting: string, text: string): TlsStore["type"] {
  const found = STORE_TYPES.find(type => type === text.toUpperCase());
  if (found === undefined) malformed(`${setting} is PEM, ${STORE_TYPES.join(" or ")}, not "${text}"`);
  return found;
}

/** Trusted certificates: a text or a file in PEM, or a store of Java. */
function trustOf(lookup: TlsLookup): Pick<TlsOptions, "ca" | "trustStore"> {
  const text = lookup("ssl.truststore.certificates");
  const file = lookup("ssl.truststore.location");
  const type = lookup("ssl.truststore.type") ?? "JKS";
  if (text === undefined && file === undefined) return {};
  const source: TlsSource = text ?? { file: file ?? "" };
  if (type.toUpperCase() === "PEM") return { ca: source };
  if (text !== undefined) malformed("ssl.truststore.certificates are for ssl.truststore.type=PEM");
  const password = lookup("ssl.truststore.password");
  return { trustStore: { source, type: storeType("ssl.truststore.type", type), password } };
}

/** Own certificate and key: texts or a file in PEM, or a PKCS12 store. */
function identityOf(lookup: TlsLookup): TlsOptions {
  const [cert, key] = [lookup("ssl.keystore.certificate.chain"), lookup("ssl.keystore.key")];
  const file = lookup("ssl.keystore.location");
  const passphrase = lookup("ssl.key.password");
  if (cert === undefined && key === undefined && file === undefined) return {};
  const type = lookup("ssl.keystore.type") ?? "JKS";
  if (type.toUpperCase() === "PEM") {
    if (file !== undefined) return { cert: { file }, key: { file }, passphrase };
    if (cert === undefined || key === undefined) {
      malformed("ssl.keystore.key and ssl.keystore.certificate.chain are given together");
    }
    return { cert, key, passphrase };
  }
  if (file === undefined)
    malformed("ssl.keystore.key and ssl.keystore.certificate.chain are for ssl.keystore.type=PEM");
  const password = lookup("ssl.keystore.password") ?? passphrase;
  return { store: { file }, storeType: storeType("ssl.keystore.type", type), passphrase: password };
}

/** Options of TLS of a client and of a listener alike. Throws `MalformedError`. */
export function tlsSettings(lookup: TlsLookup): TlsOptions {
  return {
    ...identityOf(lookup),
    ...trustOf(lookup),
    protocols: protocolsOf(lookup),
    cipherSuites: splitList(lookup("ssl.cipher.suites") ?? ""),
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

/**
 * TLS towards the issuers of tokens and of keys, from the options of a login module that begin with `ssl.`
 * (`JaasOptionsUtils`); undefined without such options. Throws `MalformedError`.
 */
export function jaasTls(options: ReadonlyMap<string, string>): TlsClientOptions | undefined {
  const given = [...options.keys()].filter(name => name.startsWith("ssl."));
  const unknown = given.find(name => !TLS_SETTINGS.some(known => known === name));
  if (unknown !== undefined) malformed(`sasl.jaas.config has no option ${unknown}`);
  return given.length === 0 ? undefined : tlsClientSettings(name => options.get(name));
}
