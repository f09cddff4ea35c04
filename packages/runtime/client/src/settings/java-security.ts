import { MalformedError, type TlsClientOptions } from "@samsa/base";
import { KafkaError } from "@samsa/client-kernel";
import { type JaasEntry, LOGIN_MODULES, parseJaas } from "@samsa/sasl";
import {
  BEARER_SETTINGS,
  bearerCredentials,
  flagOf,
  type SaslCredentials,
  type Security,
  TLS_SETTINGS,
  tlsClientSettings,
} from "@samsa/wire";
import { SASL_MECHANISMS } from "./security-options.ts";

/** Settings of Kafka's clients about security. */
export const SECURITY_SETTINGS = [
  ...["security.protocol", "sasl.mechanism", "sasl.jaas.config", "sasl.login.callback.handler.class"],
  ...BEARER_SETTINGS,
  ...TLS_SETTINGS,
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
  if (mechanism === "OAUTHBEARER") return checked(() => bearerCredentials(entry.options, lookup, tls));
  const credentials = { username: optionOf(entry, "username"), password: optionOf(entry, "password") };
  if (mechanism === "PLAIN") {
    checkOptions(entry, /^(?:username|password)$/);
    return { mechanism, ...credentials };
  }
  checkOptions(entry, /^(?:username|password|tokenauth)$/);
  const delegationToken = checked(() => flagOf("tokenauth", entry.options.get("tokenauth")));
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
    if (/^sasl\.(?:oauthbearer|login\.re)/.test(name) && lookup("sasl.mechanism") !== "OAUTHBEARER") {
      refuse(`${name} has no effect without sasl.mechanism=OAUTHBEARER`);
    }
  }
  const tls = isTlsUsed ? checked(() => tlsClientSettings(lookup)) : undefined;
  return { ...(hasTls ? { tls } : {}), ...(hasSasl ? { sasl: saslOf(lookup, tls) } : {}) };
}
