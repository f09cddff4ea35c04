import { MalformedError, messageOf, type TokenKeys, type VerifiedToken } from "@samsa/base";
import type { JSONWebKeySet, JWTVerifyGetKey } from "jose";

/** Algorithms with a public key. Those with a secret are left out: anybody can sign with the text of a public key. */
const ALGORITHMS = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
];

function parsed(json: string): JSONWebKeySet {
  let set: unknown;
  try {
    set = JSON.parse(json);
  } catch {
    throw new MalformedError("the key set is no JSON");
  }
  const { keys } = typeof set === "object" && set !== null ? (set as { readonly keys?: unknown }) : {};
  const isKey = (key: unknown): boolean => typeof key === "object" && key !== null && "kty" in key;
  if (!Array.isArray(keys) || !keys.every(isKey)) throw new MalformedError("the key set has no keys");
  return set as JSONWebKeySet;
}

/** Keys of an issuer of tokens. `jose` is loaded when the first token is verified. */
export function nodeTokenKeys(json: string): TokenKeys {
  const set = parsed(json);
  let keyOf: JWTVerifyGetKey | undefined;
  return {
    async verify(token): Promise<VerifiedToken> {
      const jose = await import("jose");
      const { compactVerify, createLocalJWKSet, decodeProtectedHeader, errors } = jose;
      try {
        keyOf ??= createLocalJWKSet(set);
        return { payload: (await compactVerify(token, keyOf, { algorithms: ALGORITHMS })).payload };
      } catch (error) {
        if (error instanceof errors.JWKSNoMatchingKey) {
          const { kid } = decodeProtectedHeader(token);
          const missingKey = typeof kid === "string" ? kid : "";
          return { fault: "its key is not in the key set of the issuer", missingKey };
        }
        if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return { fault: reasonOf(error) };
        // The token names no key.
        for await (const key of error) {
          try {
            return { payload: (await compactVerify(token, key, { algorithms: ALGORITHMS })).payload };
          } catch (other) {
            if (!(other instanceof errors.JWSSignatureVerificationFailed)) return { fault: reasonOf(other) };
          }
        }
        return { fault: "its signature is by no key of the issuer" };
      }
    },
  };
}

/** Any token is input of a client: none throws. */
function reasonOf(error: unknown): string {
  return `it cannot be verified: ${messageOf(error)}`;
}
