import { fromBase64Url, fromUtf8, toBase64Url, utf8 } from "@samsa/base";

/** Times of a token, in ms since the epoch. */
export interface TokenLifetime {
  /** Time of issue, if the token tells it. */
  readonly issuedAt: number | undefined;
  readonly expiresAt: number;
}

/** Claims of an unsecured token, but for its times. */
export type UnsecuredClaims = Readonly<Record<string, string | number | readonly string[]>>;

const MS = 1000;

/** Lifetime of a JSON Web Token (RFC 7519); undefined for other tokens, and for those that do not expire. */
export function bearerLifetime(token: string): TokenLifetime | undefined {
  const bytes = fromBase64Url(token.split(".")[1] ?? "");
  if (bytes === undefined) return undefined;
  let claims: unknown;
  try {
    claims = JSON.parse(fromUtf8(bytes));
  } catch {
    return undefined;
  }
  if (typeof claims !== "object" || claims === null) return undefined;
  const { exp, iat } = claims as { readonly exp?: unknown; readonly iat?: unknown };
  if (typeof exp !== "number" || !Number.isFinite(exp)) return undefined;
  return { issuedAt: typeof iat === "number" ? iat * MS : undefined, expiresAt: exp * MS };
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
