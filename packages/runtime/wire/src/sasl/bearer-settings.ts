import { type Env, fromUtf8, MalformedError, type TlsClientOptions } from "@samsa/base";
import { unsecuredToken, type UnsecuredClaims } from "@samsa/sasl";
import { BearerTokens, type TokenSource } from "./bearer-tokens.ts";
import { clientCredentials } from "./client-credentials.ts";
import { jaasTls } from "../tls/tls-settings.ts";
import type { SaslCredentials } from "./credentials.ts";

/** Settings of Kafka about the tokens of a client of OAUTHBEARER. */
export const BEARER_SETTINGS = [
  ...["sasl.oauthbearer.token.endpoint.url", "sasl.oauthbearer.client.credentials.client.id"],
  ...["sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.scope"],
  ...["sasl.oauthbearer.header.urlencode", "sasl.login.read.timeout.ms"],
] as const;

type BearerSetting = (typeof BEARER_SETTINGS)[number];
/** Values of settings by their names; undefined for those that are not given. */
type BearerLookup = (name: BearerSetting) => string | undefined;
type Options = ReadonlyMap<string, string>;

/** Options of the login module of OAUTHBEARER. */
const OPTIONS =
  /^(?:clientId|clientSecret|scope|ssl\..+|extension_.+|unsecuredLogin(?:(?:String|Number|List)Claim_.+|Extension_.+|PrincipalClaimName|LifetimeSeconds|ScopeClaimName))$/;
const LIFETIME_SECONDS = 3600;
/** Size of the largest file with a token, in bytes. */
const MAX_FILE = 1 << 20;

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

/** Text in the file of an address with `file:`. Rejects with `DiskError`, and with `MalformedError` above 1 MiB. */
export async function fileText({ disk }: Pick<Env, "disk">, url: string): Promise<string> {
  const path = decodeURIComponent(url.replace(/^file:(?:\/\/)?/, ""));
  const file = disk.open(path, "read");
  try {
    const size = file.size();
    if (size > MAX_FILE) refuse(`${path} has more than ${MAX_FILE} bytes`);
    const bytes = new Uint8Array(size);
    return fromUtf8(bytes.subarray(0, await file.readLater(bytes, 0))).trim();
  } finally {
    file.close();
  }
}

function sourceOf(options: Options, lookup: BearerLookup, tls: TlsClientOptions | undefined): TokenSource {
  const url = lookup("sasl.oauthbearer.token.endpoint.url");
  if (url === undefined) return unsecuredSource(options);
  if (url.startsWith("file:")) return env => fileText(env, url);
  if (!/^https?:\/\//.test(url)) refuse(`sasl.oauthbearer.token.endpoint.url is an address, not "${url}"`);
  const credential = (name: BearerSetting, option: string): string => {
    const value = lookup(name) ?? options.get(option);
    return value === undefined || value === "" ? refuse(`OAUTHBEARER needs ${name}`) : value;
  };
  const timeout = lookup("sasl.login.read.timeout.ms");
  return clientCredentials({
    tokenEndpoint: url,
    clientId: credential("sasl.oauthbearer.client.credentials.client.id", "clientId"),
    clientSecret: credential("sasl.oauthbearer.client.credentials.client.secret", "clientSecret"),
    scope: lookup("sasl.oauthbearer.scope") ?? options.get("scope"),
    encodeHeader: flagOf("sasl.oauthbearer.header.urlencode", lookup("sasl.oauthbearer.header.urlencode")),
    timeoutMs: timeout === undefined ? undefined : numberOf("sasl.login.read.timeout.ms", timeout),
    tls,
  });
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
  const tokens = new BearerTokens(sourceOf(options, lookup, jaasTls(options) ?? tls));
  return { mechanism: "OAUTHBEARER", tokens, extensions: Object.fromEntries(extensions) };
}
