import { ConfigError, type Env, MalformedError, splitList } from "@samsa/base";
import { type Introduction, type Security, tlsClientSettings, WireError, type WireErrorCode } from "@samsa/wire";
import type { BrokerConfig } from "../config/configs.ts";
import { listenerSetting } from "../config/listeners.ts";
import { isMechanism, jaasSetting, MECHANISMS } from "./jaas-setting.ts";

/** Ways in which this node connects to others. */
export interface Introductions {
  /** To brokers, over the listener between brokers. */
  readonly brokers: Introduction;
  /** To controllers. */
  readonly controllers: Introduction;
}

interface Source {
  readonly env: Pick<Env, "clock" | "logger">;
  readonly software: Introduction["software"];
  readonly config: BrokerConfig;
  /** The settings as the user wrote them. */
  readonly given: ReadonlyMap<string, string>;
  /** Security protocol of a listener. */
  readonly protocolOf: (listener: string) => string | undefined;
}

/** Reads how this node introduces itself to other nodes. Throws `ConfigError`. */
export function introductionsOf({ env, software, config, given, protocolOf }: Source): Introductions {
  const between = (config["inter.broker.listener.name"] ?? config["security.inter.broker.protocol"]).toUpperCase();
  const [ofControllers] = config["controller.listener.names"];
  const security = (listener: string, setting: keyof typeof PEERS): Security | undefined => {
    const protocol = protocolOf(listener) ?? "PLAINTEXT";
    const tls = protocol.endsWith("SSL") ? tlsOf(given, listener) : undefined;
    const sasl = protocol.startsWith("SASL_") ? credentials(given, listener, setting, config[setting]) : undefined;
    return { tls, sasl };
  };
  const brokers = security(between, "sasl.mechanism.inter.broker.protocol");
  const controllers =
    ofControllers === undefined
      ? undefined
      : security(ofControllers.toUpperCase(), "sasl.mechanism.controller.protocol");
  const failed = complaints(env);
  return { brokers: { software, security: brokers, failed }, controllers: { software, security: controllers, failed } };
}

/** Failures that last until somebody changes credentials, certificates or settings. */
const LASTING: readonly WireErrorCode[] = [
  "AUTHENTICATION_FAILED",
  "ILLEGAL_SASL_STATE",
  "TLS_FAILED",
  "UNSUPPORTED_MECHANISM",
];
/** Time between two warnings with the same words, in ms. */
const WARN_AGAIN_MS = 60_000;
/** Most warnings that are remembered. */
const WARNINGS = 100;

/** Warns of failures of security, which the log would not tell from a node that is away. */
function complaints({ clock, logger }: Source["env"]): (error: unknown) => void {
  const told = new Map<string, number>();
  return error => {
    if (!(error instanceof WireError) || !LASTING.includes(error.code)) return;
    const [now, last = -Infinity] = [clock.monotonic(), told.get(error.message)];
    if (now - last < WARN_AGAIN_MS) return;
    if (told.size >= WARNINGS) told.clear();
    told.set(error.message, now);
    logger.warn("there is no connection to another node", { reason: error.message });
  };
}

function tlsOf(given: ReadonlyMap<string, string>, listener: string): NonNullable<Security["tls"]> {
  try {
    return tlsClientSettings(name => listenerSetting(given, listener, name));
  } catch (error) {
    if (error instanceof MalformedError) throw ConfigError.worded("ssl", `listener ${listener}: ${error.message}`);
    throw error;
  }
}

/** Settings that name the mechanism of this node's connections, with Kafka's words for them. */
const PEERS = {
  "sasl.mechanism.inter.broker.protocol": "inter-broker communication",
  "sasl.mechanism.controller.protocol": "communication with controllers",
} as const;

function credentials(
  given: ReadonlyMap<string, string>,
  listener: string,
  setting: keyof typeof PEERS,
  mechanism: string,
): NonNullable<Security["sasl"]> {
  if (!isMechanism(mechanism)) {
    const known = MECHANISMS.join(", ");
    throw new ConfigError(setting, mechanism, `connections to the listener ${listener} need one of ${known}`);
  }
  const enabled = splitList(listenerSetting(given, listener, "sasl.enabled.mechanisms") ?? "");
  if (setting === "sasl.mechanism.inter.broker.protocol" && !enabled.includes(mechanism)) {
    const why = `${setting} must be included in sasl.enabled.mechanisms when SASL is used for ${PEERS[setting]}`;
    throw ConfigError.worded(setting, why);
  }
  const need = "connections to other nodes need credentials";
  const example = 'username="broker" password="secret"';
  return jaasSetting({ given, listener, mechanism, need, example }, options => {
    const username = options.get("username");
    const password = options.get("password");
    if (username === undefined || password === undefined) {
      throw new MalformedError("connections to other nodes need a username and a password");
    }
    return { mechanism, username, password };
  });
}
