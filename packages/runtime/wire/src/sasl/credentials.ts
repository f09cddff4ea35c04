import type { TlsClientOptions } from "@samsa/base";
import type { BearerTokens } from "./bearer-tokens.ts";

/** Way in which a connection authenticates (`sasl.mechanism` and `sasl.jaas.config`). */
export type SaslCredentials =
  | {
      /** The password is sent as it is: only over TLS. */
      readonly mechanism: "PLAIN";
      readonly username: string;
      readonly password: string;
    }
  | {
      readonly mechanism: "SCRAM-SHA-256" | "SCRAM-SHA-512";
      /** Name of the user, or id of the delegation token. */
      readonly username: string;
      /** Password of the user, or HMAC of the delegation token, in base64. */
      readonly password: string;
      /** True for a delegation token (KIP-48, `tokenauth`); false by default. */
      readonly delegationToken?: boolean | undefined;
    }
  | {
      readonly mechanism: "OAUTHBEARER";
      /** Source of tokens, which the connections of a client share. */
      readonly tokens: BearerTokens;
      /** SASL extensions (KIP-342), by their names. */
      readonly extensions?: Readonly<Record<string, string>> | undefined;
    };

/** Security of the connections of a client (`security.protocol`). Clear text without authentication by default. */
export interface Security {
  /** Speaks TLS; `{}` trusts the authorities that the host trusts. */
  readonly tls?: TlsClientOptions | undefined;
  readonly sasl?: SaslCredentials | undefined;
}
