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
  /** A log has lost its end or its beginning, and the checkpoints say otherwise: they are to be written soon. */
  checkpointSoon(): void;
  /** Until they are written again the checkpoints say nothing true of the log, and a start must not believe them. */
  distrustCheckpoints(log: PartitionLog): void;
  /** The log is gone. */
  forget(log: PartitionLog): void;
  /** A copy has become the log. */
  promoted(log: PartitionLog): void;
}
