import { ConfigError, type Env, splitList, toBase64Url } from "@samsa/base";
import { type MetadataImage, scramKey } from "@samsa/metadata";
import {
  OAuthBearerServer,
  PlainServer,
  type SaslServer,
  SCRAM_MECHANISMS,
  type ScramMechanism,
  ScramServer,
  type TokenCredential,
  type Verification,
} from "@samsa/sasl";
import type { BrokerConfig } from "../config/configs.ts";
import { listenerSetting } from "../config/listeners.ts";
import { type BearerListener, bearerListener, verifyToken } from "./bearer-listener.ts";
import type { DelegationTokens } from "./delegation-tokens.ts";
import type { IssuerKeys, IssuerKeysOptions } from "./issuer-keys.ts";
import { isMechanism, jaasSetting, MECHANISMS } from "./jaas-setting.ts";
import { type TlsListener, tlsListener } from "./tls-listener.ts";

/** SASL of a listener. */
export interface SaslListener {
  readonly mechanisms: readonly string[];
  /** `sasl.server.max.receive.size`: most bytes of a request before authentication. */
  readonly maxReceiveBytes: number;
  /** `connection.failed.authentication.delay.ms` */
  readonly failureDelayMs: number;
  /** Begins the authentication of a client by one of the mechanisms. */
  serverOf(mechanism: string): SaslServer;
  /** Undefined on a listener without OAUTHBEARER. */
  readonly bearer: BearerListener | undefined;
  /** Credential of a delegation token for a mechanism of SCRAM; undefined: there is no such token. */
  tokenCredential(mechanism: string, tokenId: string): Promise<TokenCredential | undefined>;
  /** Verifies a token of OAUTHBEARER. */
  verify(token: string): Promise<Verification>;
  /** `connections.max.reauth.ms` of a mechanism; sessions do not end unless it is positive. */
  maxReauthMs(mechanism: string): number;
}

/** Means of the security of listeners. */
export interface SecurityHost {
  readonly env: Pick<Env, "clock" | "crypto" | "random">;
  readonly config: BrokerConfig;
  /** Secret of this process, from which SCRAM makes the salts of unknown users. */
  readonly secret: Uint8Array;
  /** The settings as the user wrote them. */
  readonly given: ReadonlyMap<string, string>;
  readonly image: () => MetadataImage;
  /** Delegation tokens; undefined without `delegation.token.secret.key`. */
  readonly tokens: DelegationTokens | undefined;
  /** Keys of an issuer of tokens. */
  readonly keysOf: (issuer: IssuerKeysOptions) => Pick<IssuerKeys, "verify">;
}

/** Prefix of an option of `PlainLoginModule` that names a user. */
const USER = "user_";
const NONCE_BYTES = 18;

/** Users of PLAIN with their passwords. Throws `ConfigError`. */
function plainUsers(given: ReadonlyMap<string, string>, listener: string): ReadonlyMap<string, string> {
  const setting = {
    given,
    listener,
    mechanism: "PLAIN",
    need: "PLAIN needs users",
    example: 'user_alice="secret"',
  } as const;
  return jaasSetting(setting, options => {
    const users = [...options].filter(([option]) => option.startsWith(USER));
    return new Map(users.map(([option, password]) => [option.slice(USER.length), password]));
  });
}

function mechanismsOf(given: ReadonlyMap<string, string>, listener: string): readonly string[] {
  const name = "sasl.enabled.mechanisms";
  const text = listenerSetting(given, listener, name) ?? "GSSAPI";
  const mechanisms = splitList(text);
  const unknown = mechanisms.find(mechanism => !isMechanism(mechanism));
  const why = `the SASL mechanisms of the listener ${listener} must be among ${MECHANISMS.join(", ")}`;
  if (mechanisms.length === 0 || unknown !== undefined) throw new ConfigError(name, text, why);
  return mechanisms;
}

/** Security of a listener. */
export interface ListenerSecurity {
  /** Security protocol, as in "SASL_SSL". */
  readonly protocol: string;
  readonly tls: TlsListener | undefined;
  readonly sasl: SaslListener | undefined;
}

/** Security of listeners, by name. Throws `ConfigError`. */
export function listenerSecurity(
  host: SecurityHost,
  listeners: Iterable<{ readonly name: string; readonly protocol: string | undefined }>,
): ReadonlyMap<string, ListenerSecurity> {
  const found = new Map<string, ListenerSecurity>();
  for (const { name, protocol = "PLAINTEXT" } of listeners) {
    found.set(name, {
      protocol,
      tls: protocol.endsWith("SSL") ? tlsListener(host.given, name) : undefined,
      sasl: protocol.startsWith("SASL_") ? saslListener(host, name) : undefined,
    });
  }
  return found;
}

/** Reads the SASL settings of a listener. Throws `ConfigError`. */
function saslListener(
  { env, config, secret, given, image, tokens, keysOf }: SecurityHost,
  listener: string,
): SaslListener {
  const { crypto, random } = env;
  const mechanisms = mechanismsOf(given, listener);
  const users = mechanisms.includes("PLAIN") ? plainUsers(given, listener) : new Map<string, string>();
  const bearer = mechanisms.includes("OAUTHBEARER") ? bearerListener(given, listener) : undefined;
  const digest = (bytes: Uint8Array): Uint8Array => crypto.hash("SHA-256", bytes);
  const scram = ({ hash, code }: ScramMechanism): SaslServer =>
    new ScramServer({
      hash,
      hashes: crypto,
      credentialOf: user => image().scram.get(scramKey(code, user)),
      nonce: toBase64Url(random.bytes(NONCE_BYTES)),
      secret,
    });
  return {
    mechanisms,
    maxReceiveBytes: Number(
      listenerSetting(given, listener, "sasl.server.max.receive.size") ?? config["sasl.server.max.receive.size"],
    ),
    failureDelayMs: config["connection.failed.authentication.delay.ms"],
    bearer,
    tokenCredential: async (name, tokenId) => {
      const mechanism = SCRAM_MECHANISMS.find(known => known.name === name);
      return mechanism && tokens?.credentialOf(tokenId, mechanism);
    },
    verify: async token => {
      if (bearer === undefined) return { refused: "invalid_token", reason: "the listener has no OAUTHBEARER" };
      return verifyToken(token, { rules: bearer.rules, keys: keysOf(bearer.issuer) }, () => env.clock.now());
    },
    serverOf: mechanism => {
      if (mechanism === "OAUTHBEARER") return new OAuthBearerServer();
      const known = SCRAM_MECHANISMS.find(({ name }) => name === mechanism);
      return known === undefined ? new PlainServer(user => users.get(user), digest) : scram(known);
    },
    maxReauthMs: mechanism => Number(listenerSetting(given, listener, "connections.max.reauth.ms", mechanism) ?? 0),
  };
}
