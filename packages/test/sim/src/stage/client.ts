import type { Env, LeaderEpoch, PartitionIndex, Uuid } from "@samsa/base";
import type { ApiName } from "@samsa/protocol";
import { BrokerLink, type Endpoint, type RequestOf, type ResponseOf, WireError } from "@samsa/wire";
import { Violation } from "../ledgers/rules.ts";

/** API at the single version that the simulation uses. */
export interface Call<N extends ApiName> {
  readonly api: N;
  readonly version: number;
}

/**
 * Timeouts and backoff of a connection. They are short, so that a lost answer costs little time, but a request may take
 * longer than any wait that a scenario asks for.
 */
const TIMES = {
  setupTimeoutMs: 200,
  maxSetupTimeoutMs: 400,
  requestTimeoutMs: 400,
  reconnectBackoffMs: 5,
  maxReconnectBackoffMs: 20,
};

/**
 * Client without retries. Connects on demand; concurrent requests share the connection. A missing answer (connection
 * refused, reset or timeout) is `undefined`: the broker may or may not have acted. Rejects with a `Violation` if the
 * broker replies out of order.
 */
export class Client {
  readonly env: Env;
  readonly name: string;
  readonly #links = new Map<string, BrokerLink>();
  readonly #server: Endpoint;
  #quiet = false;

  constructor(env: Env, name: string, server: Endpoint) {
    this.env = env;
    this.name = name;
    this.#server = server;
  }

  async ask<N extends ApiName>(call: Call<N>, body: RequestOf<N>): Promise<ResponseOf<N> | undefined> {
    if (this.#quiet) return undefined;
    const server = await this.serverOf(call, body);
    return server === undefined ? undefined : this.askOf(server, call, body);
  }

  /** Sends a request to one server. */
  protected async askOf<N extends ApiName>(
    server: Endpoint,
    { api, version }: Call<N>,
    body: RequestOf<N>,
  ): Promise<ResponseOf<N> | undefined> {
    if (this.#quiet) return undefined;
    try {
      return await this.#linkTo(server).call(api, body, { version });
    } catch (error) {
      return lost(error);
    }
  }

  /** Sends a request without a response: Produce with acks=0. False without a connection. */
  async tell<N extends ApiName>(call: Call<N>, body: RequestOf<N>): Promise<boolean> {
    if (this.#quiet) return false;
    const server = await this.serverOf(call, body);
    if (server === undefined) return false;
    try {
      await this.#linkTo(server).tell(call.api, body, { version: call.version });
      return true;
    } catch (error) {
      lost(error);
      return false;
    }
  }

  /** Server of a request; undefined if none is known. */
  protected serverOf<N extends ApiName>(_call: Call<N>, _body: RequestOf<N>): Promise<Endpoint | undefined> {
    return Promise.resolve(this.#server);
  }

  #linkTo(server: Endpoint): BrokerLink {
    const key = `${server.host}:${server.port}`;
    const known = this.#links.get(key);
    if (known !== undefined) return known;
    const software = { name: "sim", version: "1" };
    const link = new BrokerLink(this.env, server, { clientId: this.name, software, maxInFlight: 100, ...TIMES });
    this.#links.set(key, link);
    return link;
  }

  /** Epoch of the leader that this client knows, for requests that only that leader may answer; −1: none is known. */
  leaderEpoch(_topicId: Uuid, _partition: PartitionIndex): LeaderEpoch {
    return -1;
  }

  /** While quiet, the client is disconnected and sends nothing. */
  set quiet(quiet: boolean) {
    this.#quiet = quiet;
    if (quiet) this.disconnect();
  }

  disconnect(): void {
    for (const link of this.#links.values()) link.disconnect();
  }
}

/** Failures that a broker, a disk or a network may cause in a scenario. */
const EXPECTED = new Set(["CONNECTION_FAILED", "SETUP_TIMED_OUT", "REQUEST_TIMED_OUT", "DISCONNECTED", "CLOSED"]);

/** Returns undefined for an error that leaves the outcome open, and throws all others. */
function lost(error: unknown): undefined {
  if (!(error instanceof WireError)) throw error;
  if (error.code === "CORRELATION_MISMATCH") throw new Violation("an answer to another question", error.message);
  if (!EXPECTED.has(error.code)) throw error;
}
