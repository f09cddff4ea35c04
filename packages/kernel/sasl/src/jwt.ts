import { duplicates, fromBase64Url, fromUtf8, toBase64Url, utf8 } from "@samsa/base";
import type { Identity } from "./sasl-server.ts";

/** Times of a token, in ms since the epoch. */
export interface TokenLifetime {
  /** Time of issue, if the token tells it. */
  readonly issuedAt: number | undefined;
  readonly expiresAt: number;
}

/** Claims of an unsecured token, but for its times. */
export type UnsecuredClaims = Readonly<Record<string, string | number | readonly string[]>>;

const MS = 1000;

/** Claims in the payload of a JSON Web Token; undefined if it is no JSON object. */
function claimsOf(payload: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const claims: unknown = JSON.parse(fromUtf8(payload));
    return typeof claims === "object" && claims !== null && !Array.isArray(claims) ? { ...claims } : undefined;
  } catch {
    return undefined;
  }
}

const isTime = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

/** Lifetime of a JSON Web Token (RFC 7519); undefined for other tokens, and for those that do not expire. */
export function bearerLifetime(token: string): TokenLifetime | undefined {
  const bytes = fromBase64Url(token.split(".")[1] ?? "");
  const { exp, iat } = (bytes && claimsOf(bytes)) ?? {};
  if (!isTime(exp)) return undefined;
  return { issuedAt: isTime(iat) ? iat * MS : undefined, expiresAt: exp * MS };
}

/** Claims that a broker expects in a token (`BrokerJwtValidator`). */
export interface ClaimRules {
  /** The token is for one of them; empty: for anybody. */
  readonly audiences: readonly string[];
  /** Issuer of the token; undefined: anybody. */
  readonly issuer: string | undefined;
  /** Greatest difference between the clocks of the issuer and of the broker, in ms. */
  readonly skewMs: number;
  /** Name of the claim with the scopes. */
  readonly scopeClaim: string;
  /** Name of the claim with the name of the user. */
  readonly userClaim: string;
}

/** Fault of the claims of a token, for the log of the broker: a client is told no more than that the token is invalid. */
export interface ClaimFault {
  readonly fault: string;
}

/** Says what is wrong with the scopes of a token; undefined: nothing. A token without them has none. */
function scopesFault(name: string, value: unknown): string | undefined {
  const scopes: readonly unknown[] = typeof value === "string" ? [value] : Array.isArray(value) ? value : [];
  const texts = scopes.map(scope => (typeof scope === "string" ? scope.trim() : ""));
  if (texts.includes("")) return `a scope in the claim ${name} is empty`;
  return duplicates(texts).size > 0 ? `a scope in the claim ${name} is there twice` : undefined;
}

/** Identity that the payload of a token proves, whose signature has been verified. `now` is in ms since the epoch. */
export function identityOf(payload: Uint8Array, rules: ClaimRules, now: number): Identity | ClaimFault {
  const claims = claimsOf(payload);
  if (claims === undefined) return { fault: "its payload is no JSON object" };
  const { audiences, issuer, skewMs, scopeClaim, userClaim } = rules;
  const { exp, iat, nbf, aud, iss } = claims;
  if (!isTime(exp) || exp < 0) return { fault: "it does not say when it expires (exp)" };
  if (!isTime(iat) || iat < 0) return { fault: "it does not say when it was issued (iat)" };
  if (now - skewMs >= exp * MS) return { fault: `it expired at ${exp} (exp)` };
  if (nbf !== undefined && !(isTime(nbf) && now + skewMs >= nbf * MS)) return { fault: `it is not valid yet (nbf)` };
  if (issuer !== undefined && iss !== issuer) return { fault: `its issuer is not ${issuer} (iss)` };
  const own: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (audiences.length > 0 && !own.some(one => typeof one === "string" && audiences.includes(one))) {
    return { fault: `it is not for ${audiences.join(" or ")} (aud)` };
  }
  const scopes = scopesFault(scopeClaim, Object.hasOwn(claims, scopeClaim) ? claims[scopeClaim] : undefined);
  if (scopes !== undefined) return { fault: scopes };
  const user = Object.hasOwn(claims, userClaim) ? claims[userClaim] : undefined;
  if (typeof user !== "string" || user.trim() === "") return { fault: `it names no user (${userClaim})` };
  return { user: user.trim(), expiresAt: exp * MS };
}

/**
 * Token without a signature, as brokers of developers accept it (`OAuthBearerUnsecuredLoginCallbackHandler`). `now` is
 * in ms since the epoch.
 */
export function unsecuredToken(claims: UnsecuredClaims, lifetimeSeconds: number, now: number): string {
  const times = { exp: now / MS + lifetimeSeconds, iat: now / MS };
  const part = (value: object): string => toBase64Url(utf8(JSON.stringify(value)));
  return `${part({ alg: "none" })}.${part({ ...claims, ...times })}.`;
}
