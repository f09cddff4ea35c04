import type { TlsClientOptions } from "@samsa/base";
import { KafkaError } from "@samsa/client-kernel";
import {
  type AssertedCredentials,
  assertedCredentials,
  BearerTokens,
  clientCredentials,
  type ClientCredentials,
  type SaslCredentials,
  type Security,
} from "@samsa/wire";

/** Access to a server of OAuth tokens by the credentials of a program: its secret, or an assertion that a key has signed. */
export type OAuthOptions = (Omit<ClientCredentials, "tls"> | Omit<AssertedCredentials, "tls">) & {
  /** TLS of the token endpoint; that of the brokers by default. */
  readonly ssl?: TlsClientOptions | undefined;
};

/** SASL authentication (`sasl.mechanism`, `sasl.jaas.config`). */
export type SaslOptions =
  | Exclude<SaslCredentials, { mechanism: "OAUTHBEARER" }>
  | {
      readonly mechanism: "OAUTHBEARER";
      /**
       * A token, a function that gets one, or an endpoint to ask. A JSON Web Token is used again until most of its
       * lifetime is over; other tokens are asked for at each connection.
       */
      readonly token: string | (() => string | Promise<string>) | OAuthOptions;
      /** SASL extensions (KIP-342), by their names. */
      readonly extensions?: Readonly<Record<string, string>> | undefined;
    };

/** Options of a client about security. Clear text without authentication by default. */
export interface SecurityOptions {
  /** TLS; `true` trusts the authorities that Node trusts. */
  readonly ssl?: boolean | TlsClientOptions | undefined;
  readonly sasl?: SaslOptions | undefined;
}

/** SASL mechanisms that are available. */
export const SASL_MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] as const;

function refuse(message: string): never {
  throw new KafkaError("INVALID_ARGUMENT", message);
}

function credentialsOf(sasl: SaslOptions, tls: TlsClientOptions | undefined): SaslCredentials {
  const { mechanism } = sasl;
  if (!SASL_MECHANISMS.includes(mechanism)) {
    refuse(`sasl.mechanism is one of ${SASL_MECHANISMS.join(", ")}, not "${String(mechanism)}"`);
  }
  if (sasl.mechanism !== "OAUTHBEARER") {
    for (const name of ["username", "password"] as const) {
      if (typeof sasl[name] !== "string" || sasl[name] === "") refuse(`${mechanism} needs sasl.${name}, a text`);
    }
    return sasl;
  }
  const { token, extensions } = sasl;
  if (typeof token === "string") {
    return { mechanism: "OAUTHBEARER", tokens: new BearerTokens(() => Promise.resolve(token)), extensions };
  }
  if (typeof token === "function") {
    return { mechanism: "OAUTHBEARER", tokens: new BearerTokens(async () => token()), extensions };
  }
  if (typeof token !== "object") refuse("OAUTHBEARER needs sasl.token: a text, a function, or an endpoint");
  const { ssl = tls, ...endpoint } = token;
  if (!/^https?:\/\//.test(endpoint.tokenEndpoint)) {
    refuse(`sasl.token.tokenEndpoint is an address with http or https, not "${endpoint.tokenEndpoint}"`);
  }
  const source =
    "assertion" in endpoint
      ? assertedCredentials({ ...endpoint, tls: ssl })
      : clientCredentials({ ...endpoint, tls: ssl });
  const tokens = new BearerTokens(source);
  return { mechanism: "OAUTHBEARER", tokens, extensions };
}

/** Security of connections. Throws `KafkaError` INVALID_ARGUMENT. */
export function securityOf({ ssl, sasl }: SecurityOptions): Security {
  const tls = ssl === true ? {} : ssl === false ? undefined : ssl;
  if (tls !== undefined && (tls.cert === undefined) !== (tls.key === undefined)) {
    refuse("ssl.cert and ssl.key are given together");
  }
  return {
    ...(tls === undefined ? {} : { tls }),
    ...(sasl === undefined ? {} : { sasl: credentialsOf(sasl, tls) }),
  };
}
