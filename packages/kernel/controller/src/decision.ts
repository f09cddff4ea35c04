import type { Uuid } from "@samsa/base";
import type { MetadataImage } from "@samsa/metadata";
import { type CreateTopicsResponse, type ErrorName, Errors, type MetadataRecord } from "@samsa/protocol";
import type { ConfigRules } from "./configs.ts";

/** Records to append, all or none, and the answer to give once they are committed. */
export interface Decision<Reply> {
  readonly records: readonly MetadataRecord[];
  readonly reply: Reply;
}

export interface FeatureRange {
  readonly min: number;
  readonly max: number;
}

/** Settings of a topic that say who may lead its partitions. */
export interface ReplicationRules {
  /** `unclean.leader.election.enable` */
  readonly uncleanLeaderElection: boolean;
  /** `min.insync.replicas` */
  readonly minInsyncReplicas: number;
}

export interface ControllerSettings {
  readonly clusterId: string;
  /** `num.partitions` */
  readonly numPartitions: number;
  /** `default.replication.factor` */
  readonly replicationFactor: number;
  /** `min.insync.replicas` of the file. */
  readonly minInsyncReplicas: number;
  readonly configs: ConfigRules;
  /** What is in force for a topic. */
  readonly replication: (image: MetadataImage, topic: string) => ReplicationRules;
  /** Feature levels that this node can work at. */
  readonly features: ReadonlyMap<string, FeatureRange>;
  /** Those to which a feature may be raised; the others are here for clusters that have them already. */
  readonly offered: ReadonlyMap<string, FeatureRange>;
  readonly nodeId: number;
  /** The level of kraft.version, which the quorum keeps. */
  readonly kraftVersion: () => number;
  /** What the reply of CreateTopics says of a topic's settings, from those that differ from the defaults. */
  readonly describeTopic: (overrides: ReadonlyMap<string, string>) => NonNullable<TopicResult["configs"]>;
}

type TopicResult = CreateTopicsResponse["topics"][number];

/** What a decision takes from outside, so that it can be taken again. */
export interface Draw {
  /** A fresh id. */
  uuid(): Uuid;
  /** A whole number in [0, limit). */
  below(limit: number): number;
  /** The offset that the first record of the decision will get; broker epochs are made of it. */
  readonly nextOffset: number;
  /** Takes partitions, created or deleted, from what the client may change (KIP-599); false: he may change none now. */
  mutate(partitions: number): boolean;
}

export interface DecisionContext {
  readonly image: MetadataImage;
  readonly settings: ControllerSettings;
  readonly draw: Draw;
}

/** Why something is refused. */
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

/** Names or ids that occur more than once. */
export function duplicates<T>(values: Iterable<T>): Set<T> {
  const seen = new Set<T>();
  const twice = new Set<T>();
  for (const value of values) {
    if (seen.has(value)) twice.add(value);
    seen.add(value);
  }
  return twice;
}
