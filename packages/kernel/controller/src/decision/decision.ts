import type { BrokerId, Offset, Uuid } from "@samsa/base";
import type { BrokerImage, MetadataImage } from "@samsa/metadata";
import { type CreateTopicsResponse, type ErrorName, Errors, type MetadataRecord } from "@samsa/protocol";
import type { ScramHashes, TokenSecret } from "@samsa/sasl";
import type { BrokerPartitions } from "./broker-partitions.ts";
import type { BrokerSessions } from "./broker-sessions.ts";
import type { ConfigRules, PolicyRequest, PolicyVerdict } from "./rules.ts";

/** Records to append, all or none, and the reply to send once they are committed. */
export interface Decision<Reply> {
  readonly records: readonly MetadataRecord[];
  readonly reply: Reply;
}

/** Most records of a decision (`QuorumController.MAX_RECORDS_PER_USER_OP`). */
export const MAX_RECORDS = 10_000;

/** Range of supported levels of a feature, both ends inclusive. */
export interface FeatureRange {
  readonly min: number;
  readonly max: number;
}

/** Settings of a topic that govern the election of leaders. */
export interface ReplicationRules {
  /** `unclean.leader.election.enable` */
  readonly uncleanLeaderElection: boolean;
  /** `min.insync.replicas` */
  readonly minInsyncReplicas: number;
}

/** Settings of delegation tokens (`DelegationTokenManagerConfigs`). */
export interface TokenSettings {
  readonly secret: TokenSecret;
  /** `delegation.token.max.lifetime.ms` */
  readonly maxLifetimeMs: number;
  /** `delegation.token.expiry.time.ms`: time after which a token must be renewed. */
  readonly renewMs: number;
  /** `delegation.token.expiry.check.interval.ms` */
  readonly checkMs: number;
}

/** Settings of the controller. */
export interface ControllerSettings {
  readonly clusterId: string;
  /** `num.partitions` */
  readonly numPartitions: number;
  /** `default.replication.factor` */
  readonly replicationFactor: number;
  /** `min.insync.replicas` of the configuration file. */
  readonly minInsyncReplicas: number;
  readonly configs: ConfigRules;
  /** Returns the effective settings of a topic. */
  readonly replication: (image: MetadataImage, topic: string) => ReplicationRules;
  /** Feature levels that this node supports. */
  readonly features: ReadonlyMap<string, FeatureRange>;
  /** Feature levels to which an upgrade is allowed; `features` also has levels that only existing clusters may have. */
  readonly offered: ReadonlyMap<string, FeatureRange>;
  readonly nodeId: BrokerId;
  /** Returns the ids of the voters, whose registrations an update of a feature checks. */
  readonly quorumNodes: () => readonly BrokerId[];
  /** `broker.session.timeout.ms` */
  readonly sessionTimeoutMs: number;
  /** True if the process of a registration is known to have ended: its successor need not wait for its session. */
  readonly hasEnded: (broker: BrokerImage) => boolean;
  /** True if the registration is that of the broker in the process of this controller. */
  readonly isLocal: (broker: BrokerImage) => boolean;
  /**
   * `leader.imbalance.check.interval.seconds`, in milliseconds; undefined without `auto.leader.rebalance.enable`. As in
   * Kafka 4, the share of imbalanced partitions does not matter.
   */
  readonly preferredElectionIntervalMs: number | undefined;
  /** `unclean.leader.election.interval.ms`, an internal setting of Kafka. */
  readonly uncleanElectionIntervalMs: number;
  /** `metadata.max.idle.interval.ms`; 0: no empty records. */
  readonly maxIdleIntervalMs: number;
  /** Delegation tokens; undefined without `delegation.token.secret.key`. */
  readonly tokens: TokenSettings | undefined;
  /** Hash functions for credentials. */
  readonly hashes: ScramHashes;
  /** Returns the level of kraft.version, which the quorum keeps. */
  readonly kraftVersion: () => number;
  /** Returns the configs in a CreateTopics reply, from the settings that differ from the defaults. */
  readonly describeTopic: (overrides: ReadonlyMap<string, string>) => NonNullable<TopicResult["configs"]>;
}

type TopicResult = CreateTopicsResponse["topics"][number];

/** External input of a decision, so that the decision can be repeated. */
export interface Draw {
  /** Returns a new id. */
  uuid(): Uuid;
  /** Returns a whole number in [0, limit). */
  below(limit: number): number;
  /** Offset that the first record of the decision will get; broker epochs depend on it. */
  readonly nextOffset: Offset;
  /** Monotonic time in milliseconds. */
  readonly now: number;
  /** Time in milliseconds since the epoch. */
  readonly time: number;
  /** Charges created or deleted partitions to the client's mutation quota (KIP-599); false: the quota is exceeded. */
  mutate(partitions: number): boolean;
  /** Answer of a policy of the cluster. */
  judge(question: PolicyRequest): PolicyVerdict;
}

export interface DecisionContext {
  readonly image: MetadataImage;
  /** Partitions of `image` by broker. */
  readonly partitions: BrokerPartitions;
  /** Soft state of the brokers of `image`. */
  readonly sessions: BrokerSessions;
  readonly settings: ControllerSettings;
  readonly draw: Draw;
}

/** Error of a refused request. */
export interface Refusal {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

export function refusal(error: ErrorName, message: string | null = Errors[error].message): Refusal {
  return { errorCode: Errors[error].code, errorMessage: message };
}

export function isRefusal(result: object): result is Refusal {
  return "errorCode" in result;
}
