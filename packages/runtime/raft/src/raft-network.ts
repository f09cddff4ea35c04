import type { BrokerId, Env, LeaderEpoch } from "@samsa/base";
import type { KraftVersionRange, RaftCall, RaftTimes } from "@samsa/quorum";
import type { Tools, VoterDescription, VoterEndpoint } from "@samsa/records";
import type { Endpoint, Introduction } from "@samsa/wire";
import type { NodeEndpoint, PeerAnswer } from "./raft-calls.ts";
import { RaftChannel } from "./raft-channel.ts";

/** Bytes of a response besides its limit: a batch that is larger than the limit is sent nevertheless. */
const RESPONSE_OVERHEAD = 16 * 1024 * 1024;
const MAX_RECONNECT_BACKOFF_MS = 500;

/** Settings `controller.quorum.*`. */
export interface QuorumSettings extends RaftTimes {
  readonly fetchMaxBytes: number;
  readonly fetchSnapshotMaxBytes: number;
  /** Longest time to connect, in ms, within `requestTimeoutMs`. */
  readonly setupTimeoutMs: number;
  readonly maxSetupTimeoutMs: number;
}

interface NetworkOptions {
  readonly tools: Tools;
  readonly nodeId: BrokerId;
  readonly clusterId: string;
  readonly introduction: Introduction;
  readonly listenerNames: readonly string[];
  readonly bootstrapServers: readonly Endpoint[];
  readonly settings: QuorumSettings;
}

/** Endpoint of a leader that it, or a peer, has told. */
interface Learned extends NodeEndpoint {
  readonly epoch: LeaderEpoch;
}

/** Addresses of the other replicas, and the way to them. */
export class RaftNetwork {
  readonly #options: NetworkOptions;
  readonly #voters: () => readonly VoterDescription[];
  readonly #channel: RaftChannel;
  #learned: Learned | undefined;
  /** Endpoints of this replica's controller listeners. */
  endpoints: readonly VoterEndpoint[] = [];

  /** `voters` returns the voters of the log. */
  constructor(env: Env, options: NetworkOptions, voters: () => readonly VoterDescription[]) {
    this.#options = options;
    this.#voters = voters;
    const { nodeId, introduction, settings } = options;
    const { requestTimeoutMs, setupTimeoutMs, maxSetupTimeoutMs, fetchMaxBytes, fetchSnapshotMaxBytes } = settings;
    this.#channel = new RaftChannel(env, {
      clientId: `raft-client-${nodeId}`,
      ...introduction,
      requestTimeoutMs,
      setupTimeoutMs,
      maxSetupTimeoutMs,
      maxReconnectBackoffMs: MAX_RECONNECT_BACKOFF_MS,
      maxResponseBytes: Math.max(fetchMaxBytes, fetchSnapshotMaxBytes) + RESPONSE_OVERHEAD,
    });
  }

  /** Negative ids of the bootstrap servers, which Kafka counts down from −2. */
  get bootstrapIds(): readonly BrokerId[] {
    return this.#options.bootstrapServers.map((_, index) => -2 - index);
  }

  /** Takes the address of the leader of an epoch. */
  learn(epoch: LeaderEpoch, { nodeId, host, port }: NodeEndpoint): void {
    if (host === "" || port <= 0 || port > 0xffff) return;
    if (this.#learned === undefined || epoch >= this.#learned.epoch) this.#learned = { epoch, nodeId, host, port };
  }

  /** Takes the endpoints of the leader of an epoch, of which one is that of a controller listener. */
  learnListeners(epoch: LeaderEpoch, nodeId: BrokerId, endpoints: readonly VoterEndpoint[]): void {
    const found = this.#listenerOf(endpoints);
    if (found !== undefined) this.learn(epoch, { nodeId, host: found.host, port: found.port });
  }

  #listenerOf(endpoints: readonly VoterEndpoint[]): VoterEndpoint | undefined {
    return endpoints.find(({ name }) => this.#options.listenerNames.includes(name)) ?? endpoints[0];
  }

  /** Address of a node; undefined if it is not known. */
  endpointOf(id: BrokerId): NodeEndpoint | undefined {
    const server = this.#options.bootstrapServers[-2 - id];
    if (server !== undefined) return { nodeId: id, host: server.host, port: server.port };
    const learned = this.#learned;
    if (id === learned?.nodeId) return { nodeId: id, host: learned.host, port: learned.port };
    const isSelf = id === this.#options.nodeId;
    const endpoints = isSelf ? this.endpoints : this.#voters().find(voter => voter.id === id)?.endpoints;
    const found = this.#listenerOf(endpoints ?? []);
    return found && { nodeId: id, host: found.host, port: found.port };
  }

  /** True if one of the endpoints is that of a controller listener. */
  hasListener(endpoints: readonly VoterEndpoint[]): boolean {
    return endpoints.some(({ name }) => name === this.#options.listenerNames[0]);
  }

  /** Asks a new voter for its range of kraft.version; undefined if it tells none. */
  async probe({ endpoints }: VoterDescription): Promise<KraftVersionRange | undefined> {
    const endpoint = this.#listenerOf(endpoints);
    return endpoint && this.#channel.probe({ host: endpoint.host, port: endpoint.port });
  }

  /** Sends a request to a node, and reads the response. `epoch` is that of this replica. */
  async call(to: BrokerId, request: RaftCall, epoch: LeaderEpoch): Promise<PeerAnswer> {
    const endpoint = this.endpointOf(to);
    if (endpoint === undefined) throw new Error(`no endpoint of node ${to} is known`);
    const { clusterId, tools, settings } = this.#options;
    return this.#channel.call(endpoint, request, {
      clusterId,
      tools,
      endpoints: this.endpoints,
      fetchMaxBytes: settings.fetchMaxBytes,
      snapshotMaxBytes: settings.fetchSnapshotMaxBytes,
      timeoutMs: settings.requestTimeoutMs,
      epoch,
    });
  }

  close(): void {
    this.#channel.close();
  }
}
