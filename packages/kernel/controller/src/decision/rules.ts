import type { BrokerId, PartitionIndex } from "@samsa/base";
import type { ErrorName } from "@samsa/protocol";

/** Error of invalid settings of a resource. */
export interface ConfigFault {
  readonly error: ErrorName;
  readonly message: string;
}

/** Rules of settings, which are declared outside of the controller. */
export interface ConfigRules {
  /** Validates all settings that a resource would have; undefined if they are valid. */
  validate(resourceType: number, resourceName: string, values: ReadonlyMap<string, string>): ConfigFault | undefined;
  /** True if the setting is a list, to which APPEND and SUBTRACT apply. */
  isList(resourceType: number, key: string): boolean;
  /** Value of an unset list before APPEND or SUBTRACT. */
  initial(resourceType: number, key: string): string | null;
}

/**
 * Topic that is about to be created, as a policy sees it (`CreateTopicPolicy.RequestMetadata`). Either the numbers are
 * null or the assignments. A class of a policy reads it, so it is a plain object.
 */
export interface TopicCreation {
  readonly topic: string;
  readonly numPartitions: number | null;
  readonly replicationFactor: number | null;
  /** Replicas by partition. */
  readonly replicasAssignments: Readonly<Record<PartitionIndex, readonly BrokerId[]>> | null;
  /** Settings in the request, without defaults. */
  readonly configs: Readonly<Record<string, string>>;
}

/** Settings that are about to change, as a policy sees them (`AlterConfigPolicy.RequestMetadata`). */
export interface ConfigAlteration {
  readonly resource: { readonly type: string; readonly name: string };
  /** New values of the settings that the request changes; null: the setting is deleted. */
  readonly configs: Readonly<Record<string, string | null>>;
}

/** Question to a policy (KIP-108, KIP-133). */
export type PolicyRequest =
  | { readonly policy: "createTopic"; readonly request: TopicCreation }
  | { readonly policy: "alterConfig"; readonly request: ConfigAlteration };

/** Objection of a policy; undefined: it has none. */
export type PolicyVerdict =
  | {
      readonly error: ErrorName;
      /** Null: clients see the general message of the error. */
      readonly message: string | null;
    }
  | undefined;

/** APIs whose decisions ask policies. */
export const JUDGED_APIS = ["CreateTopics", "IncrementalAlterConfigs", "AlterConfigs"] as const;
