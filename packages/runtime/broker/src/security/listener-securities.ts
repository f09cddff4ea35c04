import { ConfigError, type TlsServerOptions } from "@samsa/base";
import { configsOf, type MetadataImage, RESOURCE_TYPE } from "@samsa/metadata";
import { isListenerSetting } from "../config/config-checks.ts";
import { type ListenerSecurity, listenerSecurity, type SecurityHost } from "./listener-security.ts";

interface Host extends Omit<SecurityHost, "secret"> {
  readonly nodeId: number;
  readonly listeners: readonly { readonly name: string; readonly protocol: string | undefined }[];
}

const SECRET_BYTES = 32;

/** Replaces the certificates of a listener for later connections. */
type Secure = (listener: string, options: TlsServerOptions) => void;

/**
 * Security of the listeners of a node, which settings of a listener may change at run time (`DynamicBrokerConfig`,
 * `ListenerReconfigurable`): for later connections and authentications.
 */
export class ListenerSecurities {
  readonly #host: Host & SecurityHost;
  /** Dynamic settings of listeners in force, as text to compare. */
  #applied = "[]";
  #found: ReadonlyMap<string, ListenerSecurity>;

  /** Throws `ConfigError`. */
  constructor(host: Host) {
    this.#host = { ...host, secret: host.env.random.bytes(SECRET_BYTES) };
    this.#found = listenerSecurity(this.#host, host.listeners);
  }

  /** Security of a listener; undefined if the node has no such listener. */
  of(listener: string): ListenerSecurity | undefined {
    return this.#found.get(listener);
  }

  /** Validates dynamic settings; returns why they cannot be used, or undefined. */
  fault(values: ReadonlyMap<string, string>): string | undefined {
    try {
      this.#with(values);
      return undefined;
    } catch (error) {
      if (error instanceof ConfigError) return error.message;
      throw error;
    }
  }

  /**
   * Takes over the settings of the metadata, if they have changed. Files are read again whenever a setting changes, even if
   * their names stay, as in Kafka. Throws `ConfigError` if they cannot be used, or the error of `secure`; what is not yet
   * changed stays as it was.
   */
  follow(image: MetadataImage, secure: Secure): void {
    const values = configsOf(image, RESOURCE_TYPE.broker, String(this.#host.nodeId));
    const own = [...values].filter(([name]) => isListenerSetting(name));
    const text = JSON.stringify(own);
    if (text === this.#applied) return;
    this.#applied = text;
    const found = this.#with(new Map(own));
    for (const [name, { tls }] of found) if (tls !== undefined) secure(name, tls.options);
    this.#found = found;
  }

  #with(values: ReadonlyMap<string, string>): ReadonlyMap<string, ListenerSecurity> {
    const own = [...values].filter(([name]) => isListenerSetting(name));
    const { given, listeners } = this.#host;
    return listenerSecurity({ ...this.#host, given: new Map([...given, ...own]) }, listeners);
  }
}
