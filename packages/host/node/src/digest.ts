import { type Crypto, type Digest128, type HashName, sipHash128 } from "@samsa/base";
import * as crypto from "node:crypto";

const NODE_NAMES = { "SHA-256": "sha256", "SHA-512": "sha512" } as const satisfies Record<HashName, string>;
const LENGTHS = { "SHA-256": 32, "SHA-512": 64 } as const satisfies Record<HashName, number>;

const KEY_BYTES = 16;

/** Digest with a key of its own, for `Crypto.digest`. */
export const nodeDigest = (): Digest128 => sipHash128(crypto.randomBytes(KEY_BYTES));

/** Hashes of SCRAM over Node. Keys are derived on another thread. */
export const nodeHashes: Pick<Crypto, "hash" | "hmac" | "deriveKey"> = {
  hash: (name, bytes) => crypto.hash(NODE_NAMES[name], bytes, "buffer"),
  hmac: (name, key, bytes) => crypto.createHmac(NODE_NAMES[name], key).update(bytes).digest(),
  deriveKey: (name, password, salt, iterations) =>
    new Promise((resolve, reject) => {
      crypto.pbkdf2(password, salt, iterations, LENGTHS[name], NODE_NAMES[name], (error, key) => {
        if (error === null) resolve(key);
        else reject(error);
      });
    }),
};

/** `nodeHashes` whose `deriveKey` blocks, so that a simulation does not depend on threads. */
export const blockingHashes: Pick<Crypto, "hash" | "hmac" | "deriveKey"> = {
  ...nodeHashes,
  deriveKey: async (name, password, salt, iterations) =>
    crypto.pbkdf2Sync(password, salt, iterations, LENGTHS[name], NODE_NAMES[name]),
};
