import { ConfigError, MalformedError, splitList } from "@samsa/base";
import { bearerCredentials, type Security, tlsClientSettings } from "@samsa/wire";
import { type ListenerSettings, listenerSetting, protocolOf } from "../config/listeners.ts";
import { isMechanism, jaasSetting, MECHANISMS } from "./jaas-setting.ts";

/** Settings that name the mechanism of this node's connections, with Kafka's words for them. */
const PEERS = {
  "sasl.mechanism.inter.broker.protocol": "inter-broker communication",
  "sasl.mechanism.controller.protocol": "communication with controllers",
} as const;

interface Securities {
  readonly brokers: Security;
  /** Undefined if no listener of controllers is named. */
  readonly controllers: Security | undefined;
}

/** Reads the security of this node's connections to brokers and to controllers. Throws `ConfigError`. */
export function peerSecurities(given: ReadonlyMap<string, string>, settings: ListenerSettings): Securities {
  const security = (listener: string, setting: keyof typeof PEERS): Security => {
    const protocol = protocolOf(settings, listener) ?? "PLAINTEXT";
    const tls = protocol.endsWith("SSL") ? tlsOf(given, listener) : undefined;
    const sasl = protocol.startsWith("SASL_") ? credentials(given, listener, setting) : undefined;
    return { tls, sasl };
  };
  const between = (settings.interBrokerName ?? settings.interBrokerProtocol).toUpperCase();
  const [ofControllers] = settings.controllerNames;
  return {
    brokers: security(between, "sasl.mechanism.inter.broker.protocol"),
    controllers:
      ofControllers === undefined
        ? undefined
        : security(ofControllers.toUpperCase(), "sasl.mechanism.controller.protocol"),
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

function credentials(
  given: ReadonlyMap<string, string>,
  listener: string,
  setting: keyof typeof PEERS,
): NonNullable<Security["sasl"]> {
  const mechanism = given.get(setting) ?? "GSSAPI";
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
  if (mechanism === "OAUTHBEARER") {
    const bearer = 'clientId="broker" clientSecret="secret"';
    return jaasSetting({ given, listener, mechanism, need, example: bearer }, options =>
      bearerCredentials(options, name => listenerSetting(given, listener, name, mechanism)),
    );
  }
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
