import type { HashName } from "@samsa/base";

/** Effect that a `SaslClient` asks for. */
export type SaslStep =
  /** Send the bytes to the broker, then call `received` with its answer. */
  | { readonly type: "send"; readonly bytes: Uint8Array }
  /** Derive a key from a password (PBKDF2), then call `derived` with it. */
  | {
      readonly type: "derive";
      readonly hash: HashName;
      readonly password: Uint8Array;
      readonly salt: Uint8Array;
      readonly iterations: number;
    }
  /** Both sides are satisfied. */
  | { readonly type: "done" };

/** Authentication by a mechanism, from its `start` to `done`. Not used again. */
export interface SaslClient {
  readonly mechanism: string;
  start(): SaslStep;
  /** Takes an answer of the broker. Throws `SaslError`. */
  received(challenge: Uint8Array): SaslStep;
  /** Takes the key that was asked for. */
  derived(key: Uint8Array): SaslStep;
}

/** Failure of an authentication that this side finds: a sentence about the broker or the credentials. */
export class SaslError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "SaslError";
  }
}
