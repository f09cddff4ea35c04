import type { Ticket } from "../effects.ts";
import type { StateBatch } from "../share-state/batches.ts";
import type { AbortedTransaction, AcquiredRecords, FetchedBatch } from "./fetched.ts";

/** What a share group is allowed at the moment. */
export interface SharePartitionSettings {
  /** `share.partition.max.record.locks`: most records in flight. */
  readonly maxRecordLocks: number;
  /** `share.delivery.count.limit`. */
  readonly deliveryCountLimit: number;
  /** `share.record.lock.duration.ms`. */
  readonly lockDurationMs: number;
  /** `share.renew.acknowledge.enable`. */
  readonly renewEnabled: boolean;
}

/** A state batch of offsets that a log can have. */
export type OffsetState = StateBatch & { readonly firstOffset: number; readonly lastOffset: number };

/** What is known of a share partition when it is loaded. */
export interface LoadedSharePartition {
  readonly startOffset: number;
  readonly batches: readonly OffsetState[];
}

/** What a member wants of the batches that were read for it. */
export interface AcquireRequest {
  readonly memberId: string;
  /** No more than `maxRecords`, even when that splits a batch (`ShareAcquireMode.RECORD_LIMIT`, KIP-1206). */
  readonly recordLimit: boolean;
  /** About how many records are acquired as one run. */
  readonly batchSize: number;
  /** Most records; of a batch all are acquired, unless `recordLimit`. */
  readonly maxRecords: number;
  /** Where the log was read from. */
  readonly fetchOffset: number;
  readonly batches: readonly FetchedBatch[];
  /** For a group that reads what is committed only. */
  readonly aborted: readonly AbortedTransaction[];
}

/** Acquisition of one request: how much it may still get, and its records so far. */
export interface Acquisition {
  readonly now: number;
  readonly request: AcquireRequest;
  readonly lastOffset: number;
  readonly limit: number;
  readonly records: AcquiredRecords[];
  left: number;
}

export interface Acquired {
  readonly records: readonly AcquiredRecords[];
  readonly count: number;
}

/** What a member says of records that it holds. */
export interface AcknowledgementBatch {
  readonly firstOffset: number;
  readonly lastOffset: number;
  /** One for all records, or one for each. */
  readonly acknowledgeTypes: readonly number[];
}

export type SharePartitionEffect =
  /** Write the state, then say `persisted(token, …)`. */
  | {
      readonly type: "persist";
      readonly token: number;
      readonly startOffset: number;
      readonly deliveryCompleteCount: number;
      readonly batches: readonly OffsetState[];
    }
  /** An acknowledgement or release has ended. */
  | { readonly type: "done"; readonly ticket: Ticket; readonly errorCode: number; readonly errorMessage: string | null }
  /** Who waits for records may find some now. */
  | { readonly type: "changed" };
