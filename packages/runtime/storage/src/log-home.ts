import type { BufferPool, DiskError, Env, Offset, Uuid } from "@samsa/base";
import type { TailPool } from "./tail.ts";

/** Services of a log directory for its logs; `Log` is their class. */
export interface LogHome<Log = unknown> {
  readonly env: Env;
  readonly path: string;
  readonly directoryId: Uuid;
  /** True if the last shutdown was clean. */
  readonly cleanStart: boolean;
  readonly tails: TailPool;
  readonly buffers: BufferPool;
  readonly offline: boolean;
  /** Counts a flush of the files of a log, which has taken `ms`. */
  readonly flushed: (ms: number) => void;
  /** Takes the directory offline, since a failed disk may have lost any write. */
  fail(error: DiskError): void;
  /** Handles errors of background work. */
  readonly failed: (error: unknown) => void;
  /** Removes a file or directory at `at`, in milliseconds of the monotonic clock. */
  removeLater(path: string, at: number): void;
  /** Writes the log's `partition.metadata` in the background, unless its first record comes first. */
  nameLater(log: Log): void;
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
  markCut(log: Log, offset: Offset): void;
  /** Called when a segment of the log was closed and the next one is about to be created. */
  sealing(log: Log): void;
  /**
   * Resolves when a restart would know that everything below `offset` was flushed, unless the log is truncated
   * meanwhile.
   */
  secure(log: Log, offset: Offset): Promise<void>;
  /** Notes that the log was deleted or put aside. */
  forget(log: Log): void;
  /** Notes that a copy has become the log; `before` was the path of its directory. */
  promoted(log: Log, before: string): void;
}
