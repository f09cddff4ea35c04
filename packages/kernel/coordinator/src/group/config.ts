import { invariant, type Pattern } from "@samsa/base";

/** Timeouts and intervals of a group, in milliseconds; group configs may override those of the broker. */
export interface ConsumerGroupIntervals {
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly assignmentIntervalMs: number;
}

/** Settings of consumer groups (`group.consumer.*`). */
export interface ConsumerGroupConfig {
  readonly maxSize: number;
  /** Names of the assignors that members may choose; the first is the default. */
  readonly assignors: readonly string[];
  /** Conversions that are allowed while a group has members (`group.consumer.migration.policy`). */
  readonly migration: { readonly upgrade: boolean; readonly downgrade: boolean };
  /** `group.consumer.regex.refresh.interval.ms` */
  readonly regexRefreshMs: number;
  intervals(groupId: string): ConsumerGroupIntervals;
  /** Compiles a regular expression; see `Env.pattern`. */
  readonly pattern: (expression: string) => Pattern;
}

/** Settings of the group coordinator; durations in milliseconds (`GroupCoordinatorConfig`). */
export interface GroupConfig {
  readonly initialRebalanceDelayMs: number;
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  readonly maxSize: number;
  /** Longest metadata of a committed offset, in UTF-16 code units (`String.length` in Java). */
  readonly offsetMetadataMaxLength: number;
  readonly offsetsRetentionMs: number;
  /** Settings of groups of the consumer protocol. */
  readonly consumer: ConsumerGroupConfig;
}

/** Name of the assignor of a group whose members name none. */
export function defaultAssignor({ assignors }: ConsumerGroupConfig): string {
  const [first] = assignors;
  invariant(first !== undefined, "a coordinator has an assignor");
  return first;
}
