import type { ConsumerGroupConfig } from "./consumer/context.ts";
import type { ShardRecord, Ticket } from "./effects.ts";

export interface GroupConfig {
  readonly initialRebalanceDelayMs: number;
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  readonly maxSize: number;
  /** Longest metadata of a committed offset, in UTF-8 bytes. */
  readonly offsetMetadataMaxBytes: number;
  readonly offsetsRetentionMs: number;
  /** Of groups of the consumer protocol. */
  readonly consumer: ConsumerGroupConfig;
}

/** A group of any type, as far as its time goes. */
export interface Waking {
  readonly id: string;
  /** When the shard will look at it again. */
  wakeAt: number;
}

/** What the parts of a shard share: the time of the input at hand, and where effects go. */
export interface ShardContext {
  /** Only goes forward: deadlines are told by it. */
  readonly now: number;
  /** Milliseconds since 1970: what is written down is told by it. */
  readonly wall: number;
  readonly config: GroupConfig;
  reply(ticket: Ticket, response: object): void;
  /** Appends, then calls `done` with 0 or the error code for the client. */
  append(records: readonly ShardRecord[], done: (errorCode: number) => void): void;
  /** Looks at the group again at `at`. */
  wake(group: Waking, at: number): void;
  /** A member id nobody else has, beginning with `prefix`. */
  memberId(prefix: string): string;
  newId(): string;
}
