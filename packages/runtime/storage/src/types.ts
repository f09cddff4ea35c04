import type { BufferPool, DiskError, Env, Uuid } from "@samsa/base";
import type { PartitionLog } from "./log.ts";
import type { TailPool } from "./tail.ts";

/** Range and size of a read from a log. */
export interface ReadOptions {
  readonly offset: number;
  readonly maxBytes: number;
  /** Returns the first batch even if it is larger than `maxBytes`. */
  readonly minOneMessage: boolean;
  /**
   * Batches whose base offset is at or above this are left out: the high watermark, last stable offset or log end
   * offset.
   */
  readonly limitOffset: number;
}

/** Batches from a log, or an error. */
export interface ReadResult {
  /** 0, or OFFSET_OUT_OF_RANGE (1). */
  readonly error: number;
  /** Whole batches in order, beginning with the one that contains the offset. */
  readonly chunks: Uint8Array[];
  readonly size: number;
  /** Offset after the last batch; the requested offset if there is none. */
  readonly nextOffset: number;
  /** Gives the memory of `chunks` back for reuse. The caller calls it when it no longer reads them. */
  readonly release?: () => void;
}

/** Services of a log directory for its logs. */
export interface LogHome {
  readonly env: Env;
  readonly path: string;
  readonly directoryId: Uuid;
  /** True if the last shutdown was clean. */
  readonly cleanStart: boolean;
  readonly tails: TailPool;
  readonly buffers: BufferPool;
  readonly offline: boolean;
  /** Takes the directory offline, since a failed disk may have lost any write. */
  fail(error: DiskError): void;
  /** Handles errors of background work. */
  readonly failed: (error: unknown) => void;
  /** Removes a file or directory at `at`, in milliseconds of the monotonic clock. */
  removeLater(path: string, at: number): void;
  /** Makes the names of the logs' directories durable. */
  syncNames(): Promise<void>;
  /** Writes the checkpoints at the next tick: a log was truncated, its start moved, or a segment of it was flushed. */
  checkpointSoon(): void;
  /** Resolves when the current recovery points, log start offsets and high watermarks of all logs are written. */
  checkpoint(): Promise<void>;
  /**
   * Notes that the log was truncated to `offset`: until the checkpoints are written again, recovery must not trust
   * higher ones.
   */
  markCut(log: PartitionLog, offset: number): void;
  /** Called when a segment of the log was closed and the next one is about to be created. */
  sealing(log: PartitionLog): void;
  /**
   * Resolves when a restart would know that everything below `offset` was flushed, unless the log is truncated
   * meanwhile.
   */
  secure(log: PartitionLog, offset: number): Promise<void>;
  /** Notes that the log was deleted or put aside. */
  forget(log: PartitionLog): void;
  /** Notes that a copy has become the log; `before` was the path of its directory. */
  promoted(log: PartitionLog, before: string): void;
}
