import { MalformedError, type TlsClientOptions } from "@samsa/base";
import { unsecuredToken, type UnsecuredClaims } from "@samsa/sasl";
import { jaasTls } from "../tls/tls-settings.ts";
import type { Assertion } from "./assertions.ts";
import { BearerTokens, type RefreshOptions, type TokenSource } from "./bearer-tokens.ts";
import { assertedCredentials, clientCredentials } from "./client-credentials.ts";
import type { SaslCredentials } from "./credentials.ts";
import { fileText } from "./text-file.ts";

/** Settings of Kafka about the tokens of a client of OAUTHBEARER. */
export const BEARER_SETTINGS = [
  ...["sasl.oauthbearer.token.endpoint.url", "sasl.oauthbearer.client.credentials.client.id"],
  ...["sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.scope"],
  ...["sasl.oauthbearer.header.urlencode", "sasl.oauthbearer.jwt.retriever.class", "sasl.oauthbearer.assertion.file"],
  ...["sasl.oauthbearer.assertion.algorithm", "sasl.oauthbearer.assertion.private.key.file"],
  ...["sasl.oauthbearer.assertion.private.key.passphrase", "sasl.oauthbearer.assertion.template.file"],
  ...["sasl.oauthbearer.assertion.claim.aud", "sasl.oauthbearer.assertion.claim.iss"],
  ...["sasl.oauthbearer.assertion.claim.sub", "sasl.oauthbearer.assertion.claim.jti.include"],
  ...["sasl.oauthbearer.assertion.claim.exp.seconds", "sasl.oauthbearer.assertion.claim.nbf.seconds"],
  ...["sasl.login.read.timeout.ms", "sasl.login.retry.backoff.ms", "sasl.login.retry.backoff.max.ms"],
  ...["sasl.login.refresh.window.factor", "sasl.login.refresh.window.jitter"],
  ...["sasl.login.refresh.min.period.seconds", "sasl.login.refresh.buffer.seconds"],
] as const;

type BearerSetting = (typeof BEARER_SETTINGS)[number];
/** Values of settings by their names; undefined for those that are not given. */
type BearerLookup = (name: BearerSetting) => string | undefined;
type Options = ReadonlyMap<string, string>;

/** Options of the login module of OAUTHBEARER. */
const OPTIONS =
  /^(?:clientId|clientSecret|scope|ssl\..+|extension_.+|unsecuredLogin(?:(?:String|Number|List)Claim_.+|Extension_.+|PrincipalClaimName|LifetimeSeconds|ScopeClaimName))$/;
const LIFETIME_SECONDS = 3600;

function refuse(message: string): never {
  throw new MalformedError(message);
}

/** Options whose names begin with `prefix`, by the rest of their names. */
function withPrefix(options: Options, prefix: string): [string, string][] {
  return [...options].flatMap(([name, value]): [string, string][] =>
    name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
  );
}

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) refuse(`${name} is a number, not "${text}"`);
  return value;
}

/** Reads a setting that is true or false. Throws `MalformedError`. */
export function flagOf(name: string, text = "false"): boolean {
  const value = text.toLowerCase();
  if (value !== "true" && value !== "false") refuse(`${name} is true or false, not "${text}"`);
  return value === "true";
}

/** Token without a signature from the options of the login module, for brokers of developers. */
function unsecuredSource(options: Options): TokenSource {
  const claims: Record<string, UnsecuredClaims[string]> = {};
  for (const [name, value] of withPrefix(options, "unsecuredLoginStringClaim_")) claims[name] = value;
  for (const [name, value] of withPrefix(options, "unsecuredLoginNumberClaim_")) claims[name] = numberOf(name, value);
  for (const [name, value] of withPrefix(options, "unsecuredLoginListClaim_")) {
    // The first character separates the others.
    claims[name] = value.length < 2 ? [] : value.slice(1).split(value.charAt(0));
  }
  const principal = options.get("unsecuredLoginPrincipalClaimName") ?? "sub";
  if (claims[principal] === undefined) {
    refuse(`OAUTHBEARER needs sasl.oauthbearer.token.endpoint.url, or unsecuredLoginStringClaim_${principal}="…"`);
  }
  if ("exp" in claims || "iat" in claims) refuse("the claims exp and iat of an unsecured token cannot be set");
  const lifetime = options.get("unsecuredLoginLifetimeSeconds");
  const seconds = lifetime === undefined ? LIFETIME_SECONDS : numberOf("unsecuredLoginLifetimeSeconds", lifetime);
  return ({ clock }) => Promise.resolve(unsecuredToken(claims, seconds, clock.now()));
}

const ASSERTION = "sasl.oauthbearer.assertion.";
const ASSERTIONS = BEARER_SETTINGS.filter(name => name.startsWith(ASSERTION));
const ALGORITHMS = ["RS256", "ES256"] as const;

/** Reads a number between two others; undefined if it is not set. */
function between(lookup: BearerLookup, name: BearerSetting, [least, most]: readonly [number, number]) {
  const text = lookup(name);
  if (text === undefined) return undefined;
  const value = numberOf(name, text);
  return value >= least && value <= most ? value : refuse(`${name} is between ${least} and ${most}, not ${text}`);
}

/** Assertion that settings describe; undefined: they have none (`ClientCredentialsRequestFormatterFactory`). */
function assertionOf(lookup: BearerLookup, isNeeded: boolean): Assertion | undefined {
  const given = ASSERTIONS.filter(name => lookup(name) !== undefined);
  const file = lookup(`${ASSERTION}file`);
  const other = given.find(name => name !== `${ASSERTION}file`);
  if (file !== undefined) {
    if (other !== undefined) refuse(`${other} has no effect with ${ASSERTION}file, which is signed already`);
    return { file };
  }
  if (other === undefined && !isNeeded) return undefined;
  const issuer = lookup(`${ASSERTION}claim.iss`);
  // Without it, Kafka takes the secret of the client.
  if (issuer === undefined && !isNeeded) refuse(`${other} has no effect without ${ASSERTION}claim.iss`);
  const keyFile = lookup(`${ASSERTION}private.key.file`);
  if (keyFile === undefined) return refuse(`an assertion needs ${ASSERTION}private.key.file, or ${ASSERTION}file`);
  const wanted = (lookup(`${ASSERTION}algorithm`) ?? "RS256").toUpperCase();
  const algorithm = ALGORITHMS.find(known => known === wanted);
  if (algorithm === undefined) refuse(`${ASSERTION}algorithm is one of ${ALGORITHMS.join(", ")}, not "${wanted}"`);
  return {
    keyFile,
    algorithm,
    issuer,
    passphrase: lookup(`${ASSERTION}private.key.passphrase`),
    audience: lookup(`${ASSERTION}claim.aud`),
    subject: lookup(`${ASSERTION}claim.sub`),
    expirySeconds: between(lookup, `${ASSERTION}claim.exp.seconds`, [0, 86_400]),
    notBeforeSeconds: between(lookup, `${ASSERTION}claim.nbf.seconds`, [0, 3600]),
    withId: flagOf(`${ASSERTION}claim.jti.include`, lookup(`${ASSERTION}claim.jti.include`)),
    templateFile: lookup(`${ASSERTION}template.file`),
  };
}

const PACKAGE = "org.apache.kafka.common.security.oauthbearer";
/** Classes of Kafka that get tokens, whose work is done here. */
export const JWT_RETRIEVERS = ["Default", "File", "ClientCredentials", "JwtBearer"].map(
  name => `${PACKAGE}.${name}JwtRetriever`,
);
const [DEFAULT, FROM_FILE, , BY_ASSERTION] = JWT_RETRIEVERS;

function sourceOf(options: Options, lookup: BearerLookup, tls: TlsClientOptions | undefined): TokenSource {
  const url = lookup("sasl.oauthbearer.token.endpoint.url");
  const retriever = lookup("sasl.oauthbearer.jwt.retriever.class") ?? DEFAULT;
  if (retriever === undefined || !JWT_RETRIEVERS.includes(retriever)) {
    return refuse(`sasl.oauthbearer.jwt.retriever.class has a class that is not available: ${retriever}`);
  }
  if (url === undefined) {
    const idle = ASSERTIONS.find(name => lookup(name) !== undefined);
    if (idle !== undefined) refuse(`${idle} needs sasl.oauthbearer.token.endpoint.url`);
    if (retriever !== DEFAULT) refuse(`${retriever} needs sasl.oauthbearer.token.endpoint.url`);
    return unsecuredSource(options);
  }
  const isFile = url.startsWith("file:");
  if (retriever !== DEFAULT && isFile !== (retriever === FROM_FILE)) {
    refuse(`sasl.oauthbearer.token.endpoint.url is ${isFile ? "a file" : "no file"}, which is not for ${retriever}`);
  }
  if (isFile) return env => fileText(env, url);
  if (!/^https?:\/\//.test(url)) refuse(`sasl.oauthbearer.token.endpoint.url is an address, not "${url}"`);
  const credential = (name: BearerSetting, option: string): string | undefined => {
    const value = lookup(name) ?? options.get(option);
    return value === "" ? undefined : value;
  };
  const clientId = credential("sasl.oauthbearer.client.credentials.client.id", "clientId");
  const clientSecret = credential("sasl.oauthbearer.client.credentials.client.secret", "clientSecret");
  const timeout = lookup("sasl.login.read.timeout.ms");
  const endpoint = {
    tokenEndpoint: url,
    scope: lookup("sasl.oauthbearer.scope") ?? options.get("scope"),
    timeoutMs: timeout === undefined ? undefined : numberOf("sasl.login.read.timeout.ms", timeout),
    tls,
  };
  const assertion = assertionOf(lookup, retriever === BY_ASSERTION);
  if (assertion !== undefined) {
    const grant = retriever === BY_ASSERTION ? "jwt-bearer" : "client_credentials";
    return assertedCredentials({ ...endpoint, clientId, assertion, grant });
  }
  const need = "OAUTHBEARER needs sasl.oauthbearer.client.credentials.client";
  return clientCredentials({
    ...endpoint,
    clientId: clientId ?? refuse(`${need}.id`),
    clientSecret: clientSecret ?? refuse(`${need}.secret`),
    encodeHeader: flagOf("sasl.oauthbearer.header.urlencode", lookup("sasl.oauthbearer.header.urlencode")),
  });
}

/** Times at which tokens are fetched anew (`ExpiringCredentialRefreshConfig`), and pauses after failures. */
function refreshOf(lookup: BearerLookup): RefreshOptions {
  const LONGEST_MS = 2 ** 31 - 1;
  return {
    backoffMs: between(lookup, "sasl.login.retry.backoff.ms", [1, LONGEST_MS]),
    backoffMaxMs: between(lookup, "sasl.login.retry.backoff.max.ms", [1, LONGEST_MS]),
    windowFactor: between(lookup, "sasl.login.refresh.window.factor", [0.5, 1]),
    windowJitter: between(lookup, "sasl.login.refresh.window.jitter", [0, 0.25]),
    minPeriodSeconds: between(lookup, "sasl.login.refresh.min.period.seconds", [0, 900]),
    bufferSeconds: between(lookup, "sasl.login.refresh.buffer.seconds", [0, 3600]),
  };
}

/**
 * Credentials of a client of OAUTHBEARER, from the options of its login module in JAAS and its settings. `tls` is for
 * the token endpoint unless options begin with `ssl.`. Throws `MalformedError`.
 */
export function bearerCredentials(
  options: Options,
  lookup: BearerLookup,
  tls?: TlsClientOptions,
): Extract<SaslCredentials, { mechanism: "OAUTHBEARER" }> {
  const unknown = [...options.keys()].find(name => !OPTIONS.test(name));
  if (unknown !== undefined) refuse(`sasl.jaas.config has no option ${unknown}`);
  const extensions = [...withPrefix(options, "extension_"), ...withPrefix(options, "unsecuredLoginExtension_")];
  const tokens = new BearerTokens(sourceOf(options, lookup, jaasTls(options) ?? tls), refreshOf(lookup));
  return { mechanism: "OAUTHBEARER", tokens, extensions: Object.fromEntries(extensions) };
}
