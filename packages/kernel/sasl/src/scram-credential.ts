/** Credential of a user as it is stored: not the password (RFC 5802; `ScramCredential`). */
export interface ScramCredential {
  readonly salt: Uint8Array;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
  readonly iterations: number;
}

/** Credential of a delegation token (KIP-48). */
export interface TokenCredential extends ScramCredential {
  /** Name of the user that the token stands for. */
  readonly owner: string;
  /** In ms since the epoch. */
  readonly expiresAt: number;
}
