import * as crypto from "node:crypto";

const BYTES = 16;

/** First half of a SHA-256, for `Crypto.digest`. */
export function nodeDigest(bytes: Uint8Array): Uint8Array {
  return crypto.hash("sha256", bytes, "buffer").subarray(0, BYTES);
}
