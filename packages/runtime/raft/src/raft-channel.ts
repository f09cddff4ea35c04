import type { Env } from "@samsa/base";
import type { KraftVersionRange, RaftCall } from "@samsa/quorum";
import { BrokerLink, type Endpoint, type LinkOptions, WireError } from "@samsa/wire";
import { type CallContext, callPeer, kraftVersionsOf, type PeerAnswer } from "./raft-calls.ts";

/** Most nodes that a link is kept to. Peers name addresses, so their number must have a bound. */
const MOST_LINKS = 64;

/** Links to the other replicas of the quorum, by address (`KafkaNetworkChannel`). */
export class RaftChannel {
  readonly #env: Env;
  readonly #options: LinkOptions;
  /** Used last at the end. */
  readonly #links = new Map<string, BrokerLink>();
  #isClosed = false;

  constructor(env: Env, options: LinkOptions) {
    this.#env = env;
    this.#options = options;
  }

  #linkTo(endpoint: Endpoint): BrokerLink {
    const key = `${endpoint.host}:${endpoint.port}`;
    const link = this.#links.get(key) ?? new BrokerLink(this.#env, endpoint, this.#options);
    this.#links.delete(key);
    this.#links.set(key, link);
    for (const [oldest, unused] of this.#links) {
      if (this.#links.size <= MOST_LINKS) break;
      this.#links.delete(oldest);
      unused.disconnect();
    }
    return link;
  }

  /** Asks a node for its range of kraft.version; undefined if it tells none. Rejects with `WireError`. */
  async probe(endpoint: Endpoint): Promise<KraftVersionRange | undefined> {
    if (this.#isClosed) throw new Error("the replica has stopped");
    return kraftVersionsOf(await this.#linkTo(endpoint).ready());
  }

  /** Sends a request, and reads the response. A node that answers without sense loses its connection. */
  async call(endpoint: Endpoint, call: RaftCall, context: CallContext): Promise<PeerAnswer> {
    if (this.#isClosed) throw new Error("the replica has stopped");
    const link = this.#linkTo(endpoint);
    const connection = await link.ready();
    try {
      return await callPeer(connection, call, context);
    } catch (error) {
      if (!(error instanceof WireError)) connection.close();
      throw error;
    } finally {
      if (this.#isClosed) link.disconnect();
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const link of this.#links.values()) link.disconnect();
    this.#links.clear();
  }
}
