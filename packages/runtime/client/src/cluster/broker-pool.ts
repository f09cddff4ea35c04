import { type BrokerId, type Env, type Timer } from "@samsa/base";
import type { BrokerView } from "@samsa/client-kernel";
import { BrokerLink, type Endpoint, type ExpectedNode, type LinkOptions } from "@samsa/wire";
import type { ClusterSettings } from "./cluster-settings.ts";

/**
 * Use of a connection. Answers come in the order of the requests, so a fetch that waits for records would hold up
 * everything behind it: fetches have connections of their own.
 */
export type LinkUse = "requests" | "fetches";

interface Kept {
  readonly link: BrokerLink;
  readonly endpoint: Endpoint;
  usedAt: number;
}

/** Owner of a pool, as far as the pool needs it. */
export interface PoolHooks {
  /** Called after each connection that was made. */
  readonly connected: () => void;
  /** Id of the cluster; undefined: it is not known. */
  readonly clusterId: () => string | undefined;
}

/** Connections to the brokers of a cluster, made when they are needed and closed when they are idle. */
export class BrokerPool {
  readonly #env: Env;
  readonly #settings: ClusterSettings;
  readonly #hooks: PoolHooks;
  readonly #options: LinkOptions;
  readonly #bootstrap: Kept[];
  readonly #brokers: Record<LinkUse, Map<BrokerId, Kept>> = { requests: new Map(), fetches: new Map() };
  #timer: Timer | undefined;

  constructor(env: Env, settings: ClusterSettings, hooks: PoolHooks) {
    this.#env = env;
    this.#hooks = hooks;
    this.#settings = settings;
    const { clientId, software, requestTimeoutMs, maxInFlight, setupTimeoutMs } = settings;
    this.#options = {
      ...{ clientId, software, requestTimeoutMs, maxInFlight, setupTimeoutMs },
      ...{ security: () => settings.security, observer: settings.observer },
      maxSetupTimeoutMs: settings.setupTimeoutMaxMs,
      reconnectBackoffMs: settings.reconnectBackoffMs,
      maxReconnectBackoffMs: settings.reconnectBackoffMaxMs,
      connected: hooks.connected,
    };
    this.#bootstrap = settings.bootstrapServers.map(endpoint => this.#keep(endpoint));
  }

  /** Connection to a broker. */
  link({ id, host, port }: BrokerView, use: LinkUse): BrokerLink {
    const links = this.#brokers[use];
    let kept = links.get(id);
    if (kept === undefined || kept.endpoint.host !== host || kept.endpoint.port !== port) {
      kept?.link.disconnect();
      links.set(id, (kept = this.#keep({ host, port }, id)));
    }
    return this.#use(kept);
  }

  /**
   * Connection for a request that any broker may answer: an open one with the fewest requests; else to a broker that
   * has not just refused a connection, chosen by chance. Bootstrap servers serve until a broker is known.
   */
  leastLoaded(brokers: Iterable<BrokerView>): BrokerLink {
    const known = [...brokers].map(broker => this.link(broker, "requests"));
    const links = known.length > 0 ? known : this.#bootstrap.map(kept => kept.link);
    const open = links.filter(({ isConnected }) => isConnected);
    const best = open.reduce<BrokerLink | undefined>(
      (least, link) => (least === undefined || link.pendingRequests < least.pendingRequests ? link : least),
      undefined,
    );
    if (best !== undefined) return best;
    const ready = links.filter(({ isBackingOff }) => !isBackingOff);
    const among = ready.length > 0 ? ready : links;
    const chosen = among[Math.floor(this.#env.random.next() * among.length)];
    if (chosen === undefined) throw new RangeError("a client has at least one bootstrap server");
    return chosen;
  }

  /** Connections to the bootstrap servers. */
  get bootstrap(): BrokerLink[] {
    return this.#bootstrap.map(({ link }) => link);
  }

  /** True if the last attempt to connect has failed for each broker. */
  areAllLost(brokers: Iterable<BrokerView>): boolean {
    for (const broker of brokers) if (!this.link(broker, "requests").hasFailed) return false;
    return true;
  }

  /** Closes connections to brokers that the cluster no longer has. */
  retain(brokers: ReadonlyMap<BrokerId, BrokerView>): void {
    for (const links of Object.values(this.#brokers)) {
      for (const [id, { link }] of links) {
        if (brokers.has(id)) continue;
        link.disconnect();
        links.delete(id);
      }
    }
    // Brokers are known by their ids from now on; the addresses of the bootstrap servers may be those of others.
    if (brokers.size > 0) for (const { link } of this.#bootstrap) if (link.pendingRequests === 0) link.disconnect();
  }

  /** Closes all connections. Calls make new ones. */
  disconnect(): void {
    for (const { link } of this.#bootstrap) link.disconnect();
    for (const links of Object.values(this.#brokers)) {
      for (const { link } of links.values()) link.disconnect();
      links.clear();
    }
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Link to a broker; without an id, to a bootstrap server. */
  #keep(endpoint: Endpoint, nodeId?: BrokerId): Kept {
    const { checkCluster, rebootstrapTriggerMs } = this.#settings;
    const expected = (): ExpectedNode | undefined => {
      const clusterId = this.#hooks.clusterId();
      return clusterId === undefined || nodeId === undefined ? undefined : { clusterId, nodeId };
    };
    const isChecked = checkCluster && rebootstrapTriggerMs !== undefined;
    const options = isChecked ? { ...this.#options, expected } : this.#options;
    return { endpoint, link: new BrokerLink(this.#env, endpoint, options), usedAt: this.#env.clock.monotonic() };
  }

  #use(kept: Kept): BrokerLink {
    kept.usedAt = this.#env.clock.monotonic();
    this.#timer ??= this.#env.timers.after(this.#settings.maxIdleConnectionMs, () => this.#closeIdle());
    return kept.link;
  }

  #closeIdle(): void {
    this.#timer = undefined;
    const idleSince = this.#env.clock.monotonic() - this.#settings.maxIdleConnectionMs;
    let isAnyOpen = false;
    for (const links of Object.values(this.#brokers)) {
      for (const { link, usedAt } of links.values()) {
        if (usedAt <= idleSince && link.pendingRequests === 0) link.disconnect();
        isAnyOpen ||= link.isConnected;
      }
    }
    if (!isAnyOpen) return;
    this.#timer = this.#env.timers.after(this.#settings.maxIdleConnectionMs, () => this.#closeIdle());
  }
}
