import type { ConnectionOptions } from "node:tls";
import type { logLevel } from "../values/enums.ts";
import type { logCreator } from "../log/logger.ts";
import type { RetryOptions } from "./retry.ts";

/** Finds the addresses of brokers when a client connects. */
export type BrokersFunction = () => readonly string[] | Promise<readonly string[]>;

/** Token of OAuth. */
export interface OauthbearerProviderResponse {
  readonly value: string;
}

/** Credentials. */
export type SASLOptions =
  | {
      readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
      readonly username: string;
      readonly password: string;
    }
  | { readonly mechanism: "oauthbearer"; readonly oauthBearerProvider: () => Promise<OauthbearerProviderResponse> };

/** Settings of a client. Times are in ms. */
export interface KafkaConfig {
  /** Addresses of some brokers, as `host:port`, or a function that finds them at each `connect`. */
  readonly brokers: readonly string[] | BrokersFunction;
  /** TLS: `true`, or `ca`, `cert`, `key`, `passphrase`, `servername`, `rejectUnauthorized` and the like of Node. */
  readonly ssl?: ConnectionOptions | boolean;
  readonly sasl?: SASLOptions;
  /** Name that brokers show in logs, metrics and quotas; "kafkajs" by default. */
  readonly clientId?: string;
  /** Longest time to connect to a broker; 1 s by default. */
  readonly connectionTimeout?: number;
  /** Longest time of the authentication of a connection, on top of that; 10 s by default. */
  readonly authenticationTimeout?: number;
  /** Longest time from a request to its answer; 30 s by default. */
  readonly requestTimeout?: number;
  /** False: requests wait for their answers without an end. True by default. */
  readonly enforceRequestTimeout?: boolean;
  readonly retry?: RetryOptions;
  /** INFO by default. The variable KAFKAJS_LOG_LEVEL comes before it. */
  readonly logLevel?: logLevel;
  /** Writes the log; JSON on the console by default. */
  readonly logCreator?: logCreator;
}
