import * as crypto from "node:crypto";
import type { ControllerSettings } from "@samsa/controller";

const NAMES = { "SHA-256": "sha256", "SHA-512": "sha512" } as const;

/** Hash functions of a controller. */
export const HASHES: ControllerSettings["hashes"] = {
  hash: (name, bytes) => crypto.createHash(NAMES[name]).update(bytes).digest(),
  hmac: (name, key, bytes) => crypto.createHmac(NAMES[name], key).update(bytes).digest(),
};
