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

export interface ControllerSettings {
  readonly clusterId: string;
  /** `num.partitions` */
  readonly numPartitions: number;
  /** `default.replication.factor` */
  readonly replicationFactor: number;
  readonly configs: ConfigRules;
  /** Feature levels that this node can work at. */
  readonly features: ReadonlyMap<string, FeatureRange>;
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
