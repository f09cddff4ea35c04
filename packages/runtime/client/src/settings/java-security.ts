import { type Env, fromUtf8, MalformedError, type TlsClientOptions } from "@samsa/base";
import { KafkaError } from "@samsa/client-kernel";
import { type JaasEntry, LOGIN_MODULES, parseJaas, unsecuredToken, type UnsecuredClaims } from "@samsa/sasl";
import {
  BearerTokens,
  clientCredentials,
  type SaslCredentials,
  type Security,
  tlsClientSettings,
  type TokenSource,
} from "@samsa/wire";
import { SASL_MECHANISMS } from "./security-options.ts";

/** Settings of Kafka's clients about security. */
export const SECURITY_SETTINGS = [
  ...["security.protocol", "sasl.mechanism", "sasl.jaas.config", "sasl.login.callback.handler.class"],
  ...["sasl.oauthbearer.token.endpoint.url", "sasl.oauthbearer.client.credentials.client.id"],
  ...["sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.scope"],
  ...["sasl.oauthbearer.header.urlencode", "sasl.login.read.timeout.ms"],
  ...["ssl.protocol", "ssl.enabled.protocols", "ssl.cipher.suites", "ssl.endpoint.identification.algorithm"],
  ...["ssl.truststore.type", "ssl.truststore.location", "ssl.truststore.password", "ssl.truststore.certificates"],
  ...["ssl.keystore.type", "ssl.keystore.location", "ssl.keystore.password", "ssl.keystore.key"],
  ...["ssl.keystore.certificate.chain", "ssl.key.password"],
] as const;

/** Name of a setting about security. */
export type SecuritySetting = (typeof SECURITY_SETTINGS)[number];

/** Values by their names; those that are left out are undefined. */
export type Lookup = (name: SecuritySetting) => string | undefined;

/** True for the name of a setting about security. */
export function isSecuritySetting(name: string): name is SecuritySetting {
  return SECURITY_SETTINGS.some(known => known === name);
}

const PROTOCOLS = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
const PACKAGE = "org.apache.kafka.common.security";
/** Handlers of Kafka whose work is done here. */
const HANDLERS = [
  `${PACKAGE}.oauthbearer.OAuthBearerLoginCallbackHandler`,
  `${PACKAGE}.oauthbearer.secured.OAuthBearerLoginCallbackHandler`,
  `${PACKAGE}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler`,
];
/** Options of the login module of OAUTHBEARER. */
const BEARER_OPTIONS =
  /^(?:clientId|clientSecret|scope|extension_.+|unsecuredLogin(?:(?:String|Number|List)Claim_.+|Extension_.+|PrincipalClaimName|LifetimeSeconds|ScopeClaimName))$/;
const LIFETIME_SECONDS = 3600;
/** Size of the largest file with a token, in bytes. */
const MAX_TOKEN = 1 << 20;

function refuse(message: string): never {
  throw new KafkaError("INVALID_ARGUMENT", message);
}

/** Runs work whose `MalformedError`s are faults of the settings. */
function checked<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof MalformedError) refuse(error.message);
    throw error;
  }
}

function optionOf({ module, options }: JaasEntry, name: string): string {
  const value = options.get(name);
  if (value === undefined || value === "") {
    return refuse(`sasl.jaas.config needs ${name}="…" for ${module.slice(module.lastIndexOf(".") + 1)}`);
  }
  return value;
}

function checkOptions({ options }: JaasEntry, known: RegExp): void {
  for (const name of options.keys()) if (!known.test(name)) refuse(`sasl.jaas.config has no option ${name}`);
}

/** Options whose names begin with `prefix`, by the rest of their names. */
function withPrefix({ options }: JaasEntry, prefix: string): [string, string][] {
  return [...options].flatMap(([name, value]): [string, string][] =>
    name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
  );
}

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) refuse(`${name} is a number, not "${text}"`);
  return value;
}

function flagOf(name: string, text = "false"): boolean {
  const value = text.toLowerCase();
  if (value !== "true" && value !== "false") refuse(`${name} is true or false, not "${text}"`);
  return value === "true";
}

/** Token without a signature from the options of the login module, for brokers of developers. */
function unsecuredSource(entry: JaasEntry): TokenSource {
  const claims: Record<string, UnsecuredClaims[string]> = {};
  for (const [name, value] of withPrefix(entry, "unsecuredLoginStringClaim_")) claims[name] = value;
  for (const [name, value] of withPrefix(entry, "unsecuredLoginNumberClaim_")) claims[name] = numberOf(name, value);
  for (const [name, value] of withPrefix(entry, "unsecuredLoginListClaim_")) {
    // The first character separates the others.
    claims[name] = value.length < 2 ? [] : value.slice(1).split(value.charAt(0));
  }
  const principal = entry.options.get("unsecuredLoginPrincipalClaimName") ?? "sub";
  if (claims[principal] === undefined) {
    refuse(`OAUTHBEARER needs sasl.oauthbearer.token.endpoint.url, or unsecuredLoginStringClaim_${principal}="…"`);
  }
  if ("exp" in claims || "iat" in claims) refuse("the claims exp and iat of an unsecured token cannot be set");
  const lifetime = entry.options.get("unsecuredLoginLifetimeSeconds");
  const seconds = lifetime === undefined ? LIFETIME_SECONDS : numberOf("unsecuredLoginLifetimeSeconds", lifetime);
  return ({ clock }) => Promise.resolve(unsecuredToken(claims, seconds, clock.now()));
}

function fileSource(path: string): TokenSource {
  return async ({ disk }: Env) => {
    const file = disk.open(path, "read");
    try {
      const bytes = new Uint8Array(Math.min(file.size(), MAX_TOKEN));
      return fromUtf8(bytes.subarray(0, await file.readLater(bytes, 0))).trim();
    } finally {
      file.close();
    }
  };
}

function bearerSource(lookup: Lookup, entry: JaasEntry, tls: TlsClientOptions | undefined): TokenSource {
  const url = lookup("sasl.oauthbearer.token.endpoint.url");
  if (url === undefined) return unsecuredSource(entry);
  if (url.startsWith("file:")) return fileSource(decodeURIComponent(url.replace(/^file:(?:\/\/)?/, "")));
  if (!/^https?:\/\//.test(url)) refuse(`sasl.oauthbearer.token.endpoint.url is an address, not "${url}"`);
  const credential = (name: SecuritySetting, option: string): string => {
    const value = lookup(name) ?? entry.options.get(option);
    return value === undefined || value === "" ? refuse(`OAUTHBEARER needs ${name}`) : value;
  };
  const timeout = lookup("sasl.login.read.timeout.ms");
  return clientCredentials({
    tokenEndpoint: url,
    clientId: credential("sasl.oauthbearer.client.credentials.client.id", "clientId"),
    clientSecret: credential("sasl.oauthbearer.client.credentials.client.secret", "clientSecret"),
    scope: lookup("sasl.oauthbearer.scope") ?? entry.options.get("scope"),
    encodeHeader: flagOf("sasl.oauthbearer.header.urlencode", lookup("sasl.oauthbearer.header.urlencode")),
    timeoutMs: timeout === undefined ? undefined : numberOf("sasl.login.read.timeout.ms", timeout),
    tls,
  });
}

function saslOf(lookup: Lookup, tls: TlsClientOptions | undefined): SaslCredentials {
  const given = lookup("sasl.mechanism");
  const mechanism = SASL_MECHANISMS.find(known => known === given);
  if (mechanism === undefined) {
    const found = given === undefined ? "GSSAPI, its default, is not available" : `not "${given}"`;
    refuse(`sasl.mechanism is one of ${SASL_MECHANISMS.join(", ")}; ${found}`);
  }
  const expected = LOGIN_MODULES[mechanism];
  const jaas = lookup("sasl.jaas.config");
  if (jaas === undefined) refuse(`${mechanism} needs sasl.jaas.config`);
  const entry = checked(() => parseJaas(jaas));
  if (entry.module !== expected) refuse(`sasl.jaas.config has ${entry.module}, but ${mechanism} needs ${expected}`);
  const handler = lookup("sasl.login.callback.handler.class");
  if (handler !== undefined && !HANDLERS.includes(handler)) {
    refuse(`sasl.login.callback.handler.class has a class that is not available: ${handler}`);
  }
  if (mechanism === "OAUTHBEARER") {
    checkOptions(entry, BEARER_OPTIONS);
    const extensions = [...withPrefix(entry, "extension_"), ...withPrefix(entry, "unsecuredLoginExtension_")];
    const tokens = new BearerTokens(bearerSource(lookup, entry, tls));
    return { mechanism, tokens, extensions: Object.fromEntries(extensions) };
  }
  const credentials = { username: optionOf(entry, "username"), password: optionOf(entry, "password") };
  if (mechanism === "PLAIN") {
    checkOptions(entry, /^(?:username|password)$/);
    return { mechanism, ...credentials };
  }
  checkOptions(entry, /^(?:username|password|tokenauth)$/);
  const delegationToken = flagOf("tokenauth", entry.options.get("tokenauth"));
  return { mechanism, ...credentials, delegationToken };
}

/** Security of `security.protocol` and its settings; `names` are those that are given. Throws INVALID_ARGUMENT. */
export function javaSecurity(lookup: Lookup, names: Iterable<SecuritySetting>): Security {
  const protocol = (lookup("security.protocol") ?? "PLAINTEXT").toUpperCase();
  if (!PROTOCOLS.includes(protocol)) refuse(`security.protocol is one of ${PROTOCOLS.join(", ")}, not "${protocol}"`);
  const [hasTls, hasSasl] = [protocol.endsWith("SSL"), protocol.startsWith("SASL")];
  // Without TLS to the brokers, its settings are those of the token endpoint.
  const isTlsUsed = hasTls || (hasSasl && lookup("sasl.oauthbearer.token.endpoint.url")?.startsWith("https:") === true);
  for (const name of names) {
    if ((name.startsWith("ssl.") && !isTlsUsed) || (name.startsWith("sasl.") && !hasSasl)) {
      refuse(`${name} has no effect with security.protocol=${protocol}`);
    }
    if (name.startsWith("sasl.oauthbearer.") && lookup("sasl.mechanism") !== "OAUTHBEARER") {
      refuse(`${name} has no effect without sasl.mechanism=OAUTHBEARER`);
    }
  }
  const tls = isTlsUsed ? checked(() => tlsClientSettings(lookup)) : undefined;
  return { ...(hasTls ? { tls } : {}), ...(hasSasl ? { sasl: saslOf(lookup, tls) } : {}) };
}
