/**
 * Way of connecting to a broker with security. Names of files, users and passwords are absent where the client has none.
 * Walks in other languages read it as JSON.
 */
export interface SecuredCase {
  readonly name: string;
  readonly server: string;
  readonly topic: string;
  readonly tls: boolean;
  /** File with the certificate of the trusted authority, PEM. */
  readonly ca?: string;
  /** Files with the certificate of the client and its key, PEM, and one with both. */
  readonly cert?: string;
  readonly key?: string;
  readonly keystore?: string;
  readonly mechanism?: string;
  readonly username?: string;
  readonly password?: string;
  /** Token of an issuer, for OAUTHBEARER. */
  readonly token?: string;
  /** The same as a file of properties, for clients of Java. */
  readonly properties?: string;
  /** Part that the broker, or the client, refuses; absent if a record can be sent and read. */
  readonly refused?: "credentials" | "tls";
}
