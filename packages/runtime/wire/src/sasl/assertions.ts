import { type Env, fromBase64Url, fromUtf8, MalformedError, randomJavaUuid } from "@samsa/base";
import { WireError } from "../error/wire-error.ts";
import { textOfFile } from "./text-file.ts";

/** Assertion that a client signs itself (RFC 7523, KIP-1258). */
export interface SignedAssertion {
  /** File with the private key in PKCS8, as PEM (`sasl.oauthbearer.assertion.private.key.file`). */
  readonly keyFile: string;
  /** Passphrase of the key, if it is encrypted (`sasl.oauthbearer.assertion.private.key.passphrase`). */
  readonly passphrase?: string | undefined;
  /** `sasl.oauthbearer.assertion.algorithm`; RS256 by default. */
  readonly algorithm?: "RS256" | "ES256" | undefined;
  /** Audience: the issuer of tokens, most often (`sasl.oauthbearer.assertion.claim.aud`). */
  readonly audience?: string | undefined;
  /** `sasl.oauthbearer.assertion.claim.iss` */
  readonly issuer?: string | undefined;
  /** `sasl.oauthbearer.assertion.claim.sub` */
  readonly subject?: string | undefined;
  /** Time after which an assertion is over, in s (`sasl.oauthbearer.assertion.claim.exp.seconds`); 300 by default. */
  readonly expirySeconds?: number | undefined;
  /** Time before its making from which it is valid, in s (`sasl.oauthbearer.assertion.claim.nbf.seconds`); 60 by default. */
  readonly notBeforeSeconds?: number | undefined;
  /** Gives each assertion an id (`sasl.oauthbearer.assertion.claim.jti.include`); false by default. */
  readonly withId?: boolean | undefined;
  /**
   * File with a JSON object whose `header` and `payload` have more values, which come before those above but for the
   * times and the id (`sasl.oauthbearer.assertion.template.file`).
   */
  readonly templateFile?: string | undefined;
}

/** Assertion of a client: one that somebody else has signed, in a file (`sasl.oauthbearer.assertion.file`), or its own. */
export type Assertion = { readonly file: string } | SignedAssertion;

type Values = Readonly<Record<string, unknown>>;

const EXPIRY_SECONDS = 300;
const NOT_BEFORE_SECONDS = 60;

function objectOf(value: unknown): Values | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

/** JSON object in a text; undefined if there is none. */
export function jsonObject(text: string): Values | undefined {
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Object in a part of a token. */
function partOf(text: string | undefined): Values | undefined {
  const bytes = text === undefined ? undefined : fromBase64Url(text);
  try {
    return bytes && jsonObject(fromUtf8(bytes));
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}

async function ready({ disk }: Pick<Env, "disk">, file: string): Promise<string> {
  const token = await textOfFile(disk, file);
  const [header, payload, signature, ...others] = token.split(".");
  const isToken = partOf(header) !== undefined && partOf(payload) !== undefined && signature !== undefined;
  if (!isToken || others.length > 0) throw new MalformedError(`${file} has no JSON Web Token`);
  return token;
}

async function template({ disk }: Pick<Env, "disk">, file: string | undefined): Promise<readonly [Values, Values]> {
  if (file === undefined) return [{}, {}];
  const { header = {}, payload = {} } = jsonObject(await textOfFile(disk, file)) ?? {
    header: undefined,
    payload: null,
  };
  const [values, claims] = [objectOf(header), objectOf(payload)];
  if (values !== undefined && claims !== undefined) return [values, claims];
  throw new MalformedError(`${file} has no JSON object whose header and payload are objects`);
}

async function signed(env: Env, options: SignedAssertion): Promise<string> {
  const { audience, issuer, subject, expirySeconds = EXPIRY_SECONDS, notBeforeSeconds = NOT_BEFORE_SECONDS } = options;
  const [header, claims] = await template(env, options.templateFile);
  const key = await textOfFile(env.disk, options.keyFile);
  const now = Math.floor(env.clock.now() / 1000);
  const fixed = Object.entries({ aud: audience, iss: issuer, sub: subject }).filter(([, text]) => text !== undefined);
  const times = { iat: now, exp: now + expirySeconds, nbf: now - notBeforeSeconds };
  const id = options.withId === true ? { jti: randomJavaUuid(length => env.random.bytes(length)) } : {};
  return env.crypto.signToken({
    algorithm: options.algorithm ?? "RS256",
    header: { ...header, typ: "JWT" },
    payload: { ...Object.fromEntries(fixed), ...claims, ...times, ...id },
    key,
    passphrase: options.passphrase,
  });
}

/**
 * Assertion for one request; its files are read again each time, so that keys can be exchanged (`AssertionSupplierFactory`).
 * Rejects with `DiskError`, and with a `WireError` AUTHENTICATION_FAILED if a file has the wrong content.
 */
export async function assertionOf(env: Env, options: Assertion): Promise<string> {
  try {
    return "file" in options ? await ready(env, options.file) : await signed(env, options);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new WireError("AUTHENTICATION_FAILED", `there is no assertion: ${error.message}`);
  }
}
