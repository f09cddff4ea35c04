import type { BufferPool, DiskError, Env, Uuid } from "@samsa/base";
import type { PartitionLog } from "./log.ts";
import type { TailPool } from "./tail.ts";

export interface ReadOptions {
  readonly offset: number;
  readonly maxBytes: number;
  /** Give the first batch even when it is larger than `maxBytes`. */
  readonly minOneMessage: boolean;
  /** Batches that begin at or after this are left out: the high watermark, the last stable offset, or the end. */
  readonly limitOffset: number;
}

export interface ReadResult {
  /** 0, or OFFSET_OUT_OF_RANGE (1). */
  readonly error: number;
  /** Whole batches, one after the other, beginning with the one that contains the offset. */
  readonly chunks: Uint8Array[];
  readonly size: number;
  /** The offset after the last batch; the offset asked for when there is none. */
  readonly nextOffset: number;
  /** To be called once nobody looks at `chunks` any more, where their memory can be used again. */
  readonly release?: () => void;
}

/** What a log needs from its directory. */
export interface LogHome {
  readonly env: Env;
  readonly path: string;
  readonly directoryId: Uuid;
  /** The last stop was clean. */
  readonly cleanStart: boolean;
  readonly tails: TailPool;
  readonly buffers: BufferPool;
  readonly offline: boolean;
  /** The disk has failed: nothing in the directory can be trusted to be written. */
  fail(error: DiskError): void;
  /** What becomes of an error in work that nobody waits for. */
  readonly failed: (error: unknown) => void;
  /** Removes a file or directory at `at`, in milliseconds since the epoch. */
  removeLater(path: string, at: number): void;
  /** Makes the names of the logs' own directories durable. */
  syncNames(): Promise<void>;
  /** A log has lost its end or its beginning, or a segment of it was flushed: write the checkpoints at the next tick. */
  checkpointSoon(): void;
  /** Resolves once recovery points, starts and high watermarks of all logs are written down as they are now. */
  checkpoint(): Promise<void>;
  /** The log was cut to `offset`: until the checkpoints are written again a start must not believe more than that. */
  markCut(log: PartitionLog, offset: number): void;
  /** A segment of the log is about to be followed by another. */
  sealing(log: PartitionLog): void;
  /** Resolves once a start would know that everything before `offset` was flushed, unless the log is cut meanwhile. */
  secure(log: PartitionLog, offset: number): Promise<void>;
  /** The log is gone. */
  forget(log: PartitionLog): void;
  /** A copy has become the log; its directory was `before`. */
  promoted(log: PartitionLog, before: string): void;
}
