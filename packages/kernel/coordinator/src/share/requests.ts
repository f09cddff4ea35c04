import type { Offset } from "@samsa/base";
import type { DeadLetterCause } from "../dead-letters/dead-letter.ts";
import type { Ticket } from "../shard/effects.ts";
import type { StateBatch } from "../share-state/batches.ts";
import type { AbortedTransaction, AcquiredRecords, FetchedBatch } from "./fetched.ts";

/** Current limits of a share group. */
export interface SharePartitionSettings {
  /** `share.partition.max.record.locks`: maximum number of records in flight. */
  readonly maxRecordLocks: number;
  /** `share.delivery.count.limit`. */
  readonly deliveryCountLimit: number;
  /** `share.record.lock.duration.ms`. */
  readonly lockDurationMs: number;
  /** `share.renew.acknowledge.enable`. */
  readonly renewEnabled: boolean;
  /** True if records that are rejected, or have used up their deliveries, become dead letters (KIP-1191). */
  readonly deadLetters: boolean;
}

/** State batch with offsets of a log. */
export type OffsetState = StateBatch & { readonly firstOffset: Offset; readonly lastOffset: Offset };

/** Persisted state of a share partition, from ReadShareGroupState. */
export interface LoadedSharePartition {
  readonly startOffset: Offset;
  readonly batches: readonly OffsetState[];
}

/** Request of a member to acquire records of batches that were read for it. */
export interface AcquireRequest {
  readonly memberId: string;
  /** True: no more than `maxRecords`, even if that splits a batch (`ShareAcquireMode.RECORD_LIMIT`, KIP-1206). */
  readonly recordLimit: boolean;
  /** Approximate number of records that are acquired as one run. */
  readonly batchSize: number;
  /** Maximum number of records; the last batch is still acquired whole, unless `recordLimit`. */
  readonly maxRecords: number;
  /** Offset from which the log was read. */
  readonly fetchOffset: Offset;
  readonly batches: readonly FetchedBatch[];
  /** Aborted transactions to skip, if the group reads committed records only. */
  readonly aborted: readonly AbortedTransaction[];
}

/** Progress of one acquire request: its records so far, and the number that it may still get. */
export interface Acquisition {
  readonly now: number;
  readonly request: AcquireRequest;
  readonly lastOffset: Offset;
  readonly limit: number;
  readonly records: AcquiredRecords[];
  left: number;
}

export interface Acquired {
  readonly records: readonly AcquiredRecords[];
  readonly count: number;
}

/** Acknowledgement of records that a member has acquired. */
export interface AcknowledgementBatch {
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  /** Single type for all records, or a type for each record. */
  readonly acknowledgeTypes: readonly number[];
}

/** Records that become dead letters together. */
export interface Burial {
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  readonly deliveryCount: number;
  readonly cause: DeadLetterCause;
}

/** Effects of a `SharePartition`, for its host to carry out. */
export type SharePartitionEffect =
  /** Write the state (WriteShareGroupState), then call `persisted(token, …)`. */
  | {
      readonly type: "persist";
      readonly token: number;
      readonly startOffset: Offset;
      readonly deliveryCompleteCount: number;
      readonly batches: readonly OffsetState[];
    }
  /** Write dead letters of the records, then call `buried` with the token, whatever comes of it. */
  | { readonly type: "bury"; readonly token: number; readonly records: Burial }
  /** An acknowledgement or release has ended. */
  | { readonly type: "done"; readonly ticket: Ticket; readonly errorCode: number; readonly errorMessage: string | null }
  /** Records may have become available: try waiting fetches again. */
  | { readonly type: "changed" };
