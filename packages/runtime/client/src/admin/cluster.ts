import {
  type BrokerId,
  type Int64,
  type LeaderEpoch,
  nearestNumber,
  type Offset,
  type Uuid,
  ZERO_UUID,
} from "@samsa/base";
import { KafkaError } from "@samsa/client-kernel";
import type { ResponseOf } from "@samsa/wire";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { CONTROLLER_ENDPOINTS } from "../cluster/cluster-settings.ts";
import { type AdminOptions, check, drive, operationsOf, outcomeOf, together } from "./drive.ts";
import { type Outcome, Outcomes } from "./outcomes.ts";

/** A node of the cluster. */
export interface DescribedNode {
  readonly id: BrokerId;
  readonly host: string;
  readonly port: number;
  readonly rack: string | undefined;
  readonly isFenced: boolean;
}

/** The cluster. */
export interface DescribedCluster {
  readonly clusterId: string;
  /** −1: none. With KRaft, a broker that forwards to the active controller. */
  readonly controllerId: BrokerId;
  readonly nodes: readonly DescribedNode[];
  /** Operations on the cluster that the caller may do; undefined unless asked for. */
  readonly authorizedOperations: readonly string[] | undefined;
}

/** Replica of the metadata log. */
export interface QuorumReplica {
  readonly id: BrokerId;
  readonly directoryId: Uuid;
  readonly logEndOffset: Offset;
  /** In ms since the epoch; −1: not known. */
  readonly lastFetchTimestamp: Int64;
  readonly lastCaughtUpTimestamp: Int64;
}

/** Quorum of the metadata log (KIP-595). */
export interface DescribedQuorum {
  readonly leaderId: BrokerId;
  readonly leaderEpoch: LeaderEpoch;
  readonly highWatermark: Offset;
  readonly voters: readonly QuorumReplica[];
  readonly observers: readonly QuorumReplica[];
  /** Addresses of the voters, by their ids; empty from brokers before Kafka 3.9. */
  readonly endpoints: ReadonlyMap<BrokerId, readonly VoterListener[]>;
}

/** Address of a voter on a listener. */
export interface VoterListener {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** Levels of a feature. */
export interface FeatureLevels {
  /** Level of the cluster; 0: not finalized. */
  readonly finalized: number;
  readonly minSupported: number;
  readonly maxSupported: number;
}

/** Change of a feature's level (KIP-584). */
export interface FeatureUpdate {
  readonly level: number;
  /** "upgrade" by default. An unsafe downgrade may lose metadata. */
  readonly type?: keyof typeof UPGRADE_TYPES;
}

const UPGRADE_TYPES = { upgrade: 1, "safe-downgrade": 2, "unsafe-downgrade": 3 } as const;
const METADATA_TOPIC = "__cluster_metadata";

/** The cluster, its features and its quorum: Java's `Admin.describeCluster` and its like. */
export class ClusterAdmin {
  readonly #client: ClusterClient;

  constructor(client: ClusterClient) {
    this.#client = client;
  }

  async describe(
    options: AdminOptions & { readonly authorizedOperations?: boolean; readonly includeFenced?: boolean } = {},
  ): Promise<DescribedCluster> {
    const { authorizedOperations = false, includeFenced = false } = options;
    const answer = await this.#once(options, "the cluster", () =>
      this.#client.callAny("DescribeCluster", version => ({
        includeClusterAuthorizedOperations: authorizedOperations,
        ...(this.#client.settings.nodes === "controllers" ? { endpointType: CONTROLLER_ENDPOINTS } : {}),
        ...(version < 2 ? {} : { includeFencedBrokers: includeFenced }),
      })),
    );
    return {
      clusterId: answer.clusterId,
      controllerId: answer.controllerId,
      nodes: answer.brokers.map(({ brokerId: id, host, port, rack, isFenced }) => ({
        ...{ id, host, port, rack: rack ?? undefined, isFenced },
      })),
      authorizedOperations: authorizedOperations ? operationsOf(answer.clusterAuthorizedOperations) : undefined,
    };
  }

  /** Describes the quorum of the controllers. */
  async describeQuorum(options: AdminOptions = {}): Promise<DescribedQuorum> {
    const topics = [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0 }] }];
    const answer = await this.#once(options, "the quorum", () => this.#client.callAny("DescribeQuorum", { topics }));
    const quorum = answer.topics[0]?.partitions[0];
    if (quorum === undefined) throw new KafkaError("PROTOCOL_VIOLATION", "the broker's answer leaves out the quorum");
    check(quorum, "the quorum");
    return {
      leaderId: quorum.leaderId,
      leaderEpoch: quorum.leaderEpoch,
      highWatermark: nearestNumber(quorum.highWatermark),
      voters: quorum.currentVoters.map(replicaOf),
      observers: quorum.observers.map(replicaOf),
      endpoints: new Map(answer.nodes.map(({ nodeId, listeners }) => [nodeId, listeners])),
    };
  }

  /** Adds a voter to the quorum (KIP-853). */
  async addVoter(
    voter: { readonly id: BrokerId; readonly directoryId: Uuid; readonly listeners: readonly VoterListener[] },
    options: AdminOptions & { readonly clusterId?: string } = {},
  ): Promise<void> {
    await this.#once(options, `voter ${voter.id}`, () =>
      this.#client.callAny("AddRaftVoter", {
        clusterId: options.clusterId ?? null,
        timeoutMs: this.#client.settings.requestTimeoutMs,
        voterId: voter.id,
        voterDirectoryId: voter.directoryId,
        listeners: voter.listeners,
      }),
    );
  }

  /** Removes a voter from the quorum (KIP-853). */
  async removeVoter(
    voter: { readonly id: BrokerId; readonly directoryId: Uuid },
    options: AdminOptions & { readonly clusterId?: string } = {},
  ): Promise<void> {
    await this.#once(options, `voter ${voter.id}`, () =>
      this.#client.callAny("RemoveRaftVoter", {
        clusterId: options.clusterId ?? null,
        voterId: voter.id,
        voterDirectoryId: voter.directoryId,
      }),
    );
  }

  /** Removes the registration of a broker that will not come back. */
  async unregisterBroker(id: BrokerId, options: AdminOptions = {}): Promise<void> {
    await this.#once(options, `broker ${id}`, () => this.#client.callAny("UnregisterBroker", { brokerId: id }));
  }

  /** Removes the registration of a controller that is no voter any more. */
  async unregisterController(id: BrokerId, options: AdminOptions = {}): Promise<void> {
    await this.#once(options, `controller ${id}`, () =>
      this.#client.callAny("UnregisterController", { controllerId: id }),
    );
  }

  /** Features of the cluster, by name. */
  async describeFeatures(
    options: AdminOptions & { readonly node?: BrokerId } = {},
  ): Promise<Map<string, FeatureLevels>> {
    return (await this.describeFeatureState(options)).features;
  }

  /** Features of the cluster with the epoch of their levels (−1: none), as a node tells them; any by default. */
  async describeFeatureState(
    options: AdminOptions & { readonly node?: BrokerId } = {},
  ): Promise<{ readonly epoch: Int64; readonly features: Map<string, FeatureLevels> }> {
    const { node } = options;
    if (node !== undefined) await this.#client.ready(this.#client.patience(options));
    const answer = await this.#once(options, "the features", () => this.#client.apiVersions(node));
    const finalized = new Map(answer.finalizedFeatures.map(({ name, maxVersionLevel }) => [name, maxVersionLevel]));
    const features = new Map(
      answer.supportedFeatures.map(({ name, minVersion, maxVersion }) => [
        name,
        { finalized: finalized.get(name) ?? 0, minSupported: minVersion, maxSupported: maxVersion },
      ]),
    );
    return { epoch: answer.finalizedFeaturesEpoch, features };
  }

  /** Changes levels of features, all or none of them. */
  async updateFeatures(
    updates: Readonly<Record<string, FeatureUpdate>>,
    options: AdminOptions & { readonly validateOnly?: boolean } = {},
  ): Promise<void> {
    await this.#once(options, "the features", async () => {
      const answer = await this.#client.callAny("UpdateFeatures", version => ({
        timeoutMs: this.#client.settings.requestTimeoutMs,
        featureUpdates: Object.entries(updates).map(([feature, { level, type = "upgrade" }]) => ({
          feature,
          maxVersionLevel: level,
          ...(version === 0 ? { allowDowngrade: type !== "upgrade" } : { upgradeType: UPGRADE_TYPES[type] }),
        })),
        ...(version === 0 ? {} : { validateOnly: options.validateOnly === true }),
      }));
      for (const result of answer.results) check(result, `feature ${result.feature}`);
      return answer;
    });
  }

  /** Id under which the cluster keeps metrics of this client (KIP-714). */
  async clientInstanceId(options: AdminOptions = {}): Promise<Uuid> {
    const answer = await this.#once(options, "the telemetry", () =>
      this.#client.callAny("GetTelemetrySubscriptions", { clientInstanceId: ZERO_UUID }),
    );
    return answer.clientInstanceId;
  }

  /** Quotas of clients (KIP-546): those that match all components. */
  async describeQuotas(
    filter: { readonly components?: readonly QuotaComponent[]; readonly strict?: boolean } = {},
    options: AdminOptions = {},
  ): Promise<ClientQuota[]> {
    const { components = [], strict = false } = filter;
    const answer = await this.#once(options, "the quotas", () =>
      this.#client.callAny("DescribeClientQuotas", {
        components: components.map(({ type, match }) => ({
          entityType: type,
          matchType: match === "any" ? 2 : match === "default" ? 1 : 0,
          match: typeof match === "string" ? null : match.name,
        })),
        strict,
      }),
    );
    return (answer.entries ?? []).map(({ entity, values }) => ({
      entity: Object.fromEntries(entity.map(({ entityType, entityName }) => [entityType, entityName])),
      values: Object.fromEntries(values.map(({ key, value }) => [key, value])),
    }));
  }

  /** Changes quotas of clients; null removes one. */
  async alterQuotas(
    changes: readonly ClientQuotaChange[],
    options: AdminOptions & { readonly validateOnly?: boolean } = {},
  ): Promise<Outcomes<ClientQuotaChange, true>> {
    const ask = async (open: readonly ClientQuotaChange[]) => {
      const { entries } = await this.#client.callAny("AlterClientQuotas", {
        entries: open.map(({ entity, values }) => ({
          entity: Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName })),
          ops: Object.entries(values).map(([key, value]) => ({ key, value: value ?? 0, remove: value === null })),
        })),
        validateOnly: options.validateOnly === true,
      });
      const byEntity = new Map(entries.map(entry => [entityKey(entry.entity), entry]));
      const found = new Map<ClientQuotaChange, Outcome<true>>();
      for (const change of open) {
        const asked = Object.entries(change.entity).map(([entityType, entityName]) => ({ entityType, entityName }));
        const entry = byEntity.get(entityKey(asked));
        if (entry !== undefined)
          found.set(
            change,
            outcomeOf(entry, "the quota", () => true as const),
          );
      }
      return found;
    };
    return new Outcomes(await drive(this.#client, this.#client.patience(options), together(changes, ask)));
  }

  #once<R extends { readonly errorCode?: number; readonly errorMessage?: string | null }>(
    options: AdminOptions,
    what: string,
    ask: () => Promise<R>,
  ): Promise<R> {
    return this.#client.retrying(this.#client.patience(options), async () => {
      const answer = await ask();
      const { errorCode = 0, errorMessage = null } = answer;
      check({ errorCode, errorMessage }, what);
      return answer;
    });
  }
}

/** Part of an entity with quotas: one of this name, the default of its type, or any. */
export interface QuotaComponent {
  readonly type: "user" | "client-id" | "ip";
  readonly match: { readonly name: string } | "default" | "any";
}

/** Entity with quotas: names by type; null is the default of the type. */
export type QuotaEntity = Readonly<Record<string, string | null>>;

/** Quotas of an entity, as in `producer_byte_rate`. */
export interface ClientQuota {
  readonly entity: QuotaEntity;
  readonly values: Readonly<Record<string, number>>;
}

/** Change of the quotas of an entity; null removes a quota. */
export interface ClientQuotaChange {
  readonly entity: QuotaEntity;
  readonly values: Readonly<Record<string, number | null>>;
}

function entityKey(entity: readonly { readonly entityType: string; readonly entityName: string | null }[]): string {
  const parts = entity.map(({ entityType, entityName }) => JSON.stringify([entityType, entityName]));
  return parts.sort((a, b) => (a < b ? -1 : 1)).join();
}

type Replica = ResponseOf<"DescribeQuorum">["topics"][number]["partitions"][number]["currentVoters"][number];

function replicaOf(replica: Replica): QuorumReplica {
  const { replicaId: id, replicaDirectoryId: directoryId, lastFetchTimestamp, lastCaughtUpTimestamp } = replica;
  return {
    id,
    directoryId,
    logEndOffset: nearestNumber(replica.logEndOffset),
    lastFetchTimestamp,
    lastCaughtUpTimestamp,
  };
}
