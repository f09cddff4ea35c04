import type { BrokerId, Env } from "@samsa/base";
import type { ApiName } from "@samsa/protocol";
import { BrokerLink, type Endpoint, type Introduction, type RequestOf, type ResponseOf, WireError } from "@samsa/wire";
import type { BrokerConfig } from "../config/configs.ts";
import { setupTimes } from "../config/server-configs.ts";

interface Host {
  readonly env: Env;
  readonly nodeId: BrokerId;
  readonly introduction: Introduction;
  /** Returns the endpoint of an unfenced broker for other brokers; undefined: there is none. */
  readonly endpointOf: (id: BrokerId) => Endpoint | undefined;
  readonly config: () => BrokerConfig;
}

interface Peer {
  readonly endpoint: Endpoint;
  readonly link: BrokerLink;
}

/** Requests to other brokers, each broker over one connection that is opened when it is needed (`InterBrokerSendThread`). */
export class BrokerPeers {
  readonly #host: Host;
  readonly #peers = new Map<BrokerId, Peer>();
  #isClosed = false;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Sends a request at the highest version that both brokers know. Rejects with a `WireError`; does not repeat it. */
  async call<N extends ApiName>(id: BrokerId, api: N, request: RequestOf<N>): Promise<ResponseOf<N>> {
    const link = this.#linkTo(id);
    return link.call(api, request, { timeoutMs: this.#host.config()["request.timeout.ms"] });
  }

  #linkTo(id: BrokerId): BrokerLink {
    const endpoint = this.#isClosed ? undefined : this.#host.endpointOf(id);
    const known = this.#peers.get(id);
    if (endpoint !== undefined && known?.endpoint.host === endpoint.host && known.endpoint.port === endpoint.port) {
      return known.link;
    }
    known?.link.disconnect();
    this.#peers.delete(id);
    if (endpoint === undefined) throw new WireError("CONNECTION_FAILED", `broker ${id} is not available`);
    const { env, nodeId, introduction, config } = this.#host;
    const link = new BrokerLink(env, endpoint, { clientId: String(nodeId), ...introduction, ...setupTimes(config()) });
    this.#peers.set(id, { endpoint, link });
    return link;
  }

  /** Closes all connections; later requests fail. */
  close(): void {
    this.#isClosed = true;
    for (const { link } of this.#peers.values()) link.disconnect();
    this.#peers.clear();
  }
}
