import { ConfigError, MalformedError, type TlsServerOptions } from "@samsa/base";
import { PrincipalRules, subjectName } from "@samsa/security";
import { tlsSettings } from "@samsa/wire";
import { listenerSetting } from "../config/listeners.ts";

/** TLS of a listener. */
export interface TlsListener {
  readonly options: TlsServerOptions;
  /**
   * Name of the user with a certificate in DER, by `ssl.principal.mapping.rules`. Throws `MalformedError` if no rule
   * matches.
   */
  userOf(certificate: Uint8Array): string;
}

const CLIENT_AUTH = ["none", "requested", "required"] as const;

function clientAuth(text: string): (typeof CLIENT_AUTH)[number] {
  const found = CLIENT_AUTH.find(name => name === text.toLowerCase());
  if (found === undefined)
    throw new MalformedError(`ssl.client.auth is one of ${CLIENT_AUTH.join(", ")}, not "${text}"`);
  return found;
}

/** Reads the TLS settings of a listener (`SslConfigs`). Throws `ConfigError`. */
export function tlsListener(given: ReadonlyMap<string, string>, listener: string): TlsListener {
  const setting = (name: string): string | undefined => listenerSetting(given, listener, name);
  try {
    const options = { ...tlsSettings(setting), clientAuth: clientAuth(setting("ssl.client.auth") ?? "none") };
    if (options.store === undefined && options.cert === undefined) {
      throw new MalformedError(
        "a listener that speaks TLS needs ssl.keystore.location, or a certificate and its key as text",
      );
    }
    if (options.clientAuth !== "none" && options.ca === undefined && options.trustStore === undefined) {
      throw new MalformedError(
        `ssl.client.auth=${options.clientAuth} needs ssl.truststore.location or ssl.truststore.certificates`,
      );
    }
    const rules = new PrincipalRules(setting("ssl.principal.mapping.rules") ?? "DEFAULT");
    const userOf = (certificate: Uint8Array): string => {
      const name = subjectName(certificate);
      const user = rules.userOf(name);
      if (user === undefined) throw new MalformedError(`no rule of ssl.principal.mapping.rules matches ${name}`);
      return user;
    };
    return { options, userOf };
  } catch (error) {
    if (error instanceof MalformedError) throw ConfigError.worded("ssl", `listener ${listener}: ${error.message}`);
    throw error;
  }
}
