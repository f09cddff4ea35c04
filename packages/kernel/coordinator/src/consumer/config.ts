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
  intervals(groupId: string): ConsumerGroupIntervals;
  /** Compiles a regular expression; see `Env.pattern`. */
  readonly pattern: (expression: string) => Pattern;
}

/** Name of the assignor of a group whose members name none. */
export function defaultAssignor({ assignors }: ConsumerGroupConfig): string {
  const [first] = assignors;
  invariant(first !== undefined, "a coordinator has an assignor");
  return first;
}
