import { ConfigError, type Env, MalformedError } from "@samsa/base";
import { parseJaas } from "@samsa/sasl";
import { type Introduction, type Security, tlsClientSettings, WireError, type WireErrorCode } from "@samsa/wire";
import type { BrokerConfig } from "../config/configs.ts";
import { listenerSetting } from "../config/listeners.ts";

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

const PACKAGE = "org.apache.kafka.common.security";
/** Login module of each mechanism that this node can use. */
const MODULES: Readonly<Record<"PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512", string>> = {
  PLAIN: `${PACKAGE}.plain.PlainLoginModule`,
  "SCRAM-SHA-256": `${PACKAGE}.scram.ScramLoginModule`,
  "SCRAM-SHA-512": `${PACKAGE}.scram.ScramLoginModule`,
};

const isMechanism = (name: string): name is keyof typeof MODULES => Object.hasOwn(MODULES, name);

/** Reads how this node introduces itself to other nodes. Throws `ConfigError`. */
export function introductionsOf({ env, software, config, given, protocolOf }: Source): Introductions {
  const between = (config["inter.broker.listener.name"] ?? config["security.inter.broker.protocol"]).toUpperCase();
  const [ofControllers] = config["controller.listener.names"];
  const security = (listener: string, setting: keyof typeof MECHANISMS): Security | undefined => {
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
const MECHANISMS = {
  "sasl.mechanism.inter.broker.protocol": "inter-broker communication",
  "sasl.mechanism.controller.protocol": "communication with controllers",
} as const;

function credentials(
  given: ReadonlyMap<string, string>,
  listener: string,
  setting: keyof typeof MECHANISMS,
  mechanism: string,
): NonNullable<Security["sasl"]> {
  if (!isMechanism(mechanism)) {
    const known = Object.keys(MODULES).join(", ");
    throw new ConfigError(setting, mechanism, `connections to the listener ${listener} need one of ${known}`);
  }
  const enabled = listenerSetting(given, listener, "sasl.enabled.mechanisms")
    ?.split(",")
    .map(name => name.trim());
  if (setting === "sasl.mechanism.inter.broker.protocol" && enabled?.includes(mechanism) !== true) {
    const why = `${setting} must be included in sasl.enabled.mechanisms when SASL is used for ${MECHANISMS[setting]}`;
    throw ConfigError.worded(setting, why);
  }
  const name = `listener.name.${listener.toLowerCase()}.${mechanism.toLowerCase()}.sasl.jaas.config`;
  const text = given.get(name);
  const example = `${MODULES[mechanism]} required username="broker" password="secret";`;
  if (text === undefined)
    throw new ConfigError(name, "", `connections to other nodes need credentials, as in ${example}`);
  try {
    const { module, options } = parseJaas(text);
    if (module !== MODULES[mechanism])
      throw new MalformedError(`the login module of ${mechanism} is ${MODULES[mechanism]}`);
    const username = options.get("username");
    const password = options.get("password");
    if (username === undefined || password === undefined) {
      throw new MalformedError(`connections to other nodes need a username and a password, as in ${example}`);
    }
    return { mechanism, username, password };
  } catch (error) {
    if (error instanceof MalformedError) throw ConfigError.worded(name, error.message);
    throw error;
  }
}
