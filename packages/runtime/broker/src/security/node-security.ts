import { ConfigError, type Env, invariant, messageOf, TlsError, type TlsServerOptions } from "@samsa/base";
import type { TokenSettings } from "@samsa/controller";
import { configsOf, type MetadataImage, RESOURCE_TYPE } from "@samsa/metadata";
import type { Introduction, Security } from "@samsa/wire";
import type { BrokerConfig } from "../config/configs.ts";
import { type Endpoint, type ListenerSettings, parseEndpoint, planListeners, protocolOf } from "../config/listeners.ts";
import { complaints } from "./complaints.ts";
import { DelegationTokens } from "./delegation-tokens.ts";
import { IssuerKeys, type IssuerKeysOptions } from "./issuer-keys.ts";
import { type ListenerSecurity, listenerSecurity } from "./listener-security.ts";
import { peerSecurities } from "./peer-security.ts";
import { ShownCertificates } from "./shown-certificates.ts";
import { strangersFault } from "./strangers.ts";

interface Host {
  readonly env: Env;
  readonly config: BrokerConfig;
  /** The settings as the user wrote them. */
  readonly given: ReadonlyMap<string, string>;
  readonly software: Introduction["software"];
  /** See `NodeOptions.refusesStrangers`. */
  readonly refusesStrangers: boolean;
  readonly image: () => MetadataImage;
}

/** Replaces the certificates of an open listener for later connections; does nothing for others. Throws `TlsError`. */
type Secure = (listener: string, options: TlsServerOptions) => void;

interface Found {
  readonly listeners: ReadonlyMap<string, ListenerSecurity>;
  readonly brokers: Security;
  readonly controllers: Security | undefined;
}

interface Issuer {
  readonly keys: IssuerKeys;
  /** Settles once the keys have been fetched for the first time. */
  readonly loaded: Promise<void>;
}

/** Settings that do not change at run time. */
const FIXED = /(?:^|\.)(?:sasl\.(?:oauthbearer|login(?!\.refresh)|server\.callback)|ssl\.allow)\./;
const SECRET_BYTES = 32;

const placeOf = ({ name, host }: Endpoint): string => `${name}://${host}`;

/**
 * Security of a node's listeners and of its connections to other nodes. Settings may change it at run time, for later
 * connections and authentications (`DynamicBrokerConfig`, `ListenerReconfigurable`).
 */
export class NodeSecurity {
  readonly #host: Host;
  readonly #secret: Uint8Array;
  readonly #listeners: Map<string, ListenerSecurity>;
  readonly #shown: ShownCertificates;
  /** Listeners of the file, as it writes them. */
  readonly #ofFile: ReadonlySet<string>;
  /** Delegation tokens; undefined without `delegation.token.secret.key`. */
  readonly tokens: DelegationTokens | undefined;
  /** Keys of issuers of tokens, by their options. */
  readonly #issuers = new Map<string, Issuer>();
  #peers: Pick<Found, "brokers" | "controllers">;
  /** Ways in which this node introduces itself to brokers and to controllers. */
  readonly introductions: { readonly brokers: Introduction; readonly controllers: Introduction };

  /** Throws `ConfigError`. */
  constructor(host: Host, settings: ListenerSettings) {
    this.#host = host;
    this.#ofFile = new Set(settings.listeners.map(text => placeOf(parseEndpoint("listeners", text))));
    this.#shown = new ShownCertificates(host.given);
    this.#secret = host.env.random.bytes(SECRET_BYTES);
    const key = host.config["delegation.token.secret.key"] ?? "";
    this.tokens = key === "" ? undefined : new DelegationTokens(host, key);
    const found = this.#with(new Map(), settings);
    this.#listeners = new Map(found.listeners);
    this.#peers = found;
    const failed = complaints(host.env);
    const { software } = host;
    this.introductions = {
      brokers: { software, failed, security: () => this.#peers.brokers },
      controllers: { software, failed, security: () => this.#peers.controllers },
    };
  }

  /** Settings of delegation tokens for the controller; undefined without tokens. */
  get tokenSettings(): TokenSettings | undefined {
    const { config } = this.#host;
    return (
      this.tokens && {
        secret: this.tokens.secret,
        maxLifetimeMs: config["delegation.token.max.lifetime.ms"],
        renewMs: config["delegation.token.expiry.time.ms"],
        checkMs: config["delegation.token.expiry.check.interval.ms"],
      }
    );
  }

  /** Fetches the keys by which tokens are verified. Throws `ConfigError` if they cannot be had. */
  async load(): Promise<void> {
    for (const { sasl } of this.#listeners.values()) {
      if (sasl?.bearer === undefined) continue;
      try {
        await this.#loading(sasl.bearer.issuer).loaded;
      } catch (error) {
        const reason = messageOf(error);
        throw ConfigError.worded("sasl.oauthbearer.jwks.endpoint.url", `the keys of tokens cannot be had: ${reason}`);
      }
    }
  }

  /** Stops fetching keys. */
  close(): void {
    for (const { keys } of this.#issuers.values()) keys.close();
  }

  #loading(issuer: IssuerKeysOptions): Issuer {
    const name = JSON.stringify(issuer);
    let known = this.#issuers.get(name);
    if (known === undefined) {
      const keys = new IssuerKeys(this.#host.env, issuer);
      const loaded = keys.load();
      loaded.catch((error: unknown) => {
        const reason = messageOf(error);
        this.#host.env.logger.warn("the keys of an issuer of tokens cannot be had", { url: issuer.url, reason });
      });
      known = { keys, loaded };
      this.#issuers.set(name, known);
    }
    return known;
  }

  /** Security of a listener of this node. A listener without one must not be opened. */
  of(listener: string): ListenerSecurity {
    const found = this.#listeners.get(listener);
    invariant(found !== undefined, "the security of a listener is known before it is opened");
    return found;
  }

  /**
   * TLS with which a listener is opened; undefined: it speaks clear text. Its certificate is the one that later ones are
   * compared with. Throws `TlsError`.
   */
  open(listener: string): TlsServerOptions | undefined {
    const { tls } = this.of(listener);
    if (tls === undefined) return undefined;
    this.#shown.open(listener, this.#certificateOf(tls.options));
    return tls.options;
  }

  #certificateOf(options: TlsServerOptions): Uint8Array | undefined {
    return this.#host.env.network.checkTls?.(options);
  }

  /** Says why the settings in `values`, by which the listeners are `settings`, cannot be used; undefined: they can. */
  fault(values: ReadonlyMap<string, string>, settings: ListenerSettings): string | undefined {
    const now = this.#configs(this.#host.image());
    // Whoever may change settings is not to make the broker send requests anywhere.
    const fixed = [...values].find(([name, value]) => FIXED.test(name) && now.get(name) !== value)?.[0];
    if (fixed !== undefined) return `${fixed} cannot be changed at run time: set it in the properties of the broker`;
    try {
      const { listeners } = this.#with(values, settings);
      for (const text of settings.listeners) {
        const strangers = this.#strangersFault(parseEndpoint("listeners", text), listeners);
        if (strangers !== undefined) return strangers;
      }
      for (const [name, { tls }] of listeners) {
        const fault = this.#changeFault(name, listeners);
        if (fault !== undefined) return fault;
        const change = tls && this.#shown.fault(name, this.#certificateOf(tls.options));
        if (change !== undefined) return change;
      }
      return undefined;
    } catch (error) {
      if (error instanceof ConfigError || error instanceof TlsError) return error.message;
      throw error;
    }
  }

  /** Says why a listener that the metadata add must not be opened; undefined: it may. */
  refusal(endpoint: Endpoint): string | undefined {
    return this.#strangersFault(endpoint, this.#listeners);
  }

  #strangersFault(endpoint: Endpoint, listeners: Found["listeners"]): string | undefined {
    const security = listeners.get(endpoint.name);
    if (!this.#host.refusesStrangers || security === undefined || this.#ofFile.has(placeOf(endpoint))) return undefined;
    return strangersFault(endpoint, security);
  }

  /** Says why an open listener cannot change so. */
  #changeFault(name: string, found: Found["listeners"]): string | undefined {
    const [now, then] = [this.#listeners.get(name), found.get(name)];
    if (now === undefined || then === undefined) return undefined;
    if (now.protocol !== then.protocol) return `Security protocol cannot be updated for existing listener ${name}`;
    const trusts = (options?: TlsServerOptions): boolean => (options?.ca ?? options?.trustStore) !== undefined;
    if (trusts(then.tls?.options) && !trusts(now.tls?.options)) {
      return `Cannot add SSL truststore to the existing listener ${name} for which no truststore was configured`;
    }
    if (now.tls?.options.clientAuth === then.tls?.options.clientAuth) return undefined;
    const what = "ssl.client.auth cannot be updated dynamically for existing listener";
    return `${what} ${name}, restart broker or create a new listener for update`;
  }

  /**
   * Takes over the settings of the metadata, by which the listeners are `settings`, and reads all files again, as Kafka
   * does. Throws `ConfigError` if they cannot be used, or the error of `secure`; what is not yet changed stays as it was.
   */
  follow(image: MetadataImage, settings: ListenerSettings, secure: Secure): void {
    const { listeners, brokers, controllers } = this.#with(this.#configs(image), settings);
    this.#peers = { brokers, controllers };
    for (const name of this.#listeners.keys()) {
      if (listeners.has(name)) continue;
      this.#listeners.delete(name);
      this.#shown.close(name);
    }
    for (const [name, found] of listeners) {
      const fault = this.#changeFault(name, listeners);
      if (fault !== undefined) throw ConfigError.worded("listeners", fault);
      if (found.tls !== undefined) this.#secure(name, found.tls.options, secure);
      this.#listeners.set(name, found);
    }
  }

  #secure(listener: string, options: TlsServerOptions, secure: Secure): void {
    const certificate = this.#certificateOf(options);
    const fault = this.#shown.fault(listener, certificate);
    if (fault !== undefined) throw ConfigError.worded("ssl", fault);
    secure(listener, options);
    this.#shown.change(listener, certificate);
  }

  /** Settings of this node in the metadata. */
  #configs(image: MetadataImage): ReadonlyMap<string, string> {
    return configsOf(image, RESOURCE_TYPE.broker, String(this.#host.config["node.id"]));
  }

  #with(values: ReadonlyMap<string, string>, settings: ListenerSettings): Found {
    const { env, config, image } = this.#host;
    const dynamic = [...values].filter(([name]) => !FIXED.test(name));
    const given = new Map([...this.#host.given, ...dynamic]);
    const { broker, controller } = planListeners(settings);
    const named = [...broker.listen, ...controller.listen].map(({ name }) => ({
      name,
      protocol: protocolOf(settings, name),
    }));
    const keysOf = (issuer: IssuerKeysOptions): IssuerKeys => this.#loading(issuer).keys;
    const listeners = listenerSecurity(
      { env, config, given, image, secret: this.#secret, tokens: this.tokens, keysOf },
      named,
    );
    return { listeners, ...peerSecurities(given, settings) };
  }
}
