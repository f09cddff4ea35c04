import { createPrivateKey, type KeyObject } from "node:crypto";
import { MalformedError, messageOf, type UnsignedToken, utf8 } from "@samsa/base";

/** Types of keys, by algorithm. */
const TYPES = { RS256: "rsa", ES256: "ec" } as const;

function keyOf({ key, passphrase, algorithm }: UnsignedToken): KeyObject {
  // As in Kafka, the lines around the base64 may be missing.
  const der = { key: Buffer.from(key, "base64"), format: "der", type: "pkcs8" } as const;
  const found = createPrivateKey({ ...(key.includes("-----BEGIN") ? { key } : der), passphrase });
  const wanted = TYPES[algorithm];
  if (found.asymmetricKeyType === wanted) return found;
  throw new Error(`${algorithm} needs a key of type ${wanted}, not ${found.asymmetricKeyType}`);
}

/** Signs a token. `jose` is loaded when the first one is signed. */
export async function nodeSignToken(token: UnsignedToken): Promise<string> {
  try {
    const key = keyOf(token);
    const { CompactSign } = await import("jose");
    const signer = new CompactSign(utf8(JSON.stringify(token.payload)));
    return await signer.setProtectedHeader({ ...token.header, alg: token.algorithm }).sign(key);
  } catch (error) {
    const why = messageOf(error);
    throw new MalformedError(`the private key cannot be used: ${why}`);
  }
}
