import type { TokenCredential } from "./scram-credential.ts";

/** Client that has proven who it is. */
export interface Identity {
  /** Name of the user. */
  readonly user: string;
  /** Time at which its credentials expire, in ms since the epoch; undefined: never. */
  readonly expiresAt?: number;
  /** True if it has used a delegation token (KIP-48). */
  readonly byToken?: true;
}

/** Outcome of the verification of a token. */
export type Verification =
  | Identity
  | {
      /** Status for the client (RFC 7628), as in invalid_token. */
      readonly refused: string;
      /** Reason for the log of the broker. */
      readonly reason: string;
    };

/** Effect that a `SaslServer` asks for. */
export type SaslServerStep =
  /** Send the bytes to the client, then call `received` with its answer. */
  | { readonly type: "challenge"; readonly bytes: Uint8Array }
  /** Find the credential of a delegation token, then carry out the step that `found` returns. It throws `SaslRefusal`. */
  | {
      readonly type: "find";
      readonly tokenId: string;
      readonly found: (credential: TokenCredential | undefined) => SaslServerStep;
    }
  /** Verify a token, then carry out the step that `verified` returns for the outcome. It throws `SaslRefusal`. */
  | {
      readonly type: "verify";
      readonly token: string;
      readonly verified: (outcome: Verification) => SaslServerStep;
    }
  /** Send the bytes to the client, which is authenticated. */
  | { readonly type: "done"; readonly bytes: Uint8Array; readonly identity: Identity };

/** Authentication of one client by a mechanism. Not used again after "done" or an error. */
export interface SaslServer {
  /** Takes a message of the client. Throws `SaslRefusal`. */
  received(message: Uint8Array): SaslServerStep;
}

/**
 * Refusal of a client. `told` is what the client may know; undefined: no more than that its credentials are invalid
 * (`SaslException`, in contrast to `SaslAuthenticationException`).
 */
export class SaslRefusal extends Error {
  readonly told: string | undefined;

  constructor(reason: string, told?: string) {
    super(reason);
    this.name = "SaslRefusal";
    this.told = told;
  }
}

/** Refuses with a reason that the client may know. */
export function refuseOpenly(reason: string): never {
  throw new SaslRefusal(reason, reason);
}

/** Message for a client that wants to act for another user. */
export const OTHER_AUTHORIZATION_ID =
  "Authentication failed: Client requested an authorization id that is different from username";
