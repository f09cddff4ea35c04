import { DiskError, type Env, guard, type Uuid } from "@samsa/base";
import { type LogDir, LogMove, type PartitionLog } from "@samsa/storage";
import type { Partition } from "./partition.ts";

/** A replica of this broker and the directory that it is in. */
export interface Placed {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly directory: Uuid;
}

/** Bytes that a copy may be ahead of the device before it waits for it. */
const UNFLUSHED = 128 << 20;

export interface MovesHost {
  readonly env: Env;
  /** Has the controller note where a replica is; resolves once it has. */
  assign(placed: Placed): Promise<void>;
}

interface Move {
  readonly partition: Partition;
  readonly work: LogMove;
  /** The metadata says already that the replica is where the copy is. */
  assigned: boolean;
  cancelled: boolean;
}

/**
 * Moves partitions between log directories (`ReplicaAlterLogDirsManager`, KIP-113, KIP-858), one at a time: the log is
 * copied beside the appends to it, the controller is told, and when both are durable the copy takes the log's place.
 */
export class Moves {
  readonly #host: MovesHost;
  readonly #moves = new Map<Partition, Move>();
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(host: MovesHost) {
    this.#host = host;
  }

  /** Whether a partition is on its way to another directory, or between two. */
  isMoving(partition: Partition): boolean {
    return this.#moves.has(partition);
  }

  /** The directory that a partition is on its way to. */
  target(partition: Partition): string | undefined {
    return this.#moves.get(partition)?.work.copy.home.path;
  }

  /** Begins to move a partition to `dir`. Throws `DiskError`, with the directory offline. */
  begin(partition: Partition, dir: LogDir): void {
    try {
      this.resume(partition, dir.createFuture(partition.log, partition.topicId), false);
    } catch (error) {
      if (error instanceof DiskError) dir.fail(error);
      throw error;
    }
  }

  /** Goes on with a copy that is there; `assigned`: the metadata says already that the replica is where the copy is. */
  resume(partition: Partition, copy: PartitionLog, assigned: boolean): void {
    const work = new LogMove(partition.log, copy);
    this.#moves.set(partition, { partition, work, assigned, cancelled: false });
    this.#running ??= this.#runAll();
  }

  /** Ends a move; the partition stays where it is, and the copy is deleted. */
  cancel(partition: Partition): void {
    const move = this.#moves.get(partition);
    if (move === undefined) return;
    this.#moves.delete(partition);
    move.cancelled = true;
    move.work.cancel();
    move.work.copy.delete();
    if (move.assigned) this.#takeBack(move);
  }

  /** Ends the moves from or to directories that have failed. */
  cancelFailed(): void {
    for (const { partition, work } of [...this.#moves.values()]) {
      if (work.copy.home.offline) this.cancel(partition);
      // The copy may be all that is left; the next start will tell.
      else if (partition.fault !== 0) this.#forget(partition);
    }
  }

  #forget(partition: Partition): void {
    const move = this.#moves.get(partition);
    move?.work.cancel();
    if (move !== undefined) move.cancelled = true;
    this.#moves.delete(partition);
  }

  #takeBack({ partition, work }: Move): void {
    this.#assign(partition, work.source.home.directoryId).catch((error: unknown) => {
      this.#host.env.logger.error("a move was cancelled, and the controller was not told", { error });
    });
  }

  #assign({ topicId, log }: Partition, directory: Placed["directory"]): Promise<void> {
    return this.#host.assign({ topicId, partition: log.partition, directory });
  }

  async #runAll(): Promise<void> {
    // `#running` is set first, and cleared in the moment in which nothing is left: a move that is added then begins anew.
    await Promise.resolve();
    for (;;) {
      const next = this.#moves.values().next();
      if (next.done === true || this.#closed) {
        this.#running = undefined;
        return;
      }
      const move = next.value;
      try {
        await this.#run(move);
        // A move of a partition that is not served any more is left to the next start.
        if (this.#moves.get(move.partition) === move) this.#forget(move.partition);
      } catch (error) {
        if (this.#closed) return;
        const { logger } = this.#host.env;
        logger.error("a partition could not be moved", { to: move.work.copy.path, error });
        guard(
          () => this.cancel(move.partition),
          reason => logger.error("a move could not be cancelled", { to: move.work.copy.path, error: reason }),
        );
        // The next move gets its turn whether or not this one succeeds.
        this.#moves.delete(move.partition);
      }
    }
  }

  /** Whether a move goes on; asked again after each await. */
  #goesOn({ cancelled, partition }: Move): boolean {
    return !cancelled && !this.#closed && partition.fault === 0;
  }

  async #run(move: Move): Promise<void> {
    const { partition, work } = move;
    if (move.assigned) {
      // The copy is not to be taken for the log before it is known to have all again.
      await this.#assign(partition, work.source.home.directoryId);
      move.assigned = false;
      if (!this.#goesOn(move)) return;
    }
    work.align();
    if (!(await this.#catchUp(move))) return;
    await work.secure();
    if (!this.#goesOn(move)) return;
    await this.#assign(partition, work.copy.home.directoryId);
    move.assigned = true;
    if (move.cancelled) return this.#takeBack(move);
    partition.hold();
    try {
      if (!(await this.#catchUp(move))) return;
      // What was appended during the flush was not acknowledged.
      while (work.step());
      work.swap();
      partition.replaceLog(work.copy);
      this.#moves.delete(partition);
      // Until its name is durable a power cut brings back the log that it was, which may not have all that the copy has.
      await work.copy.home.syncNames();
    } finally {
      partition.release();
    }
    work.source.delete();
  }

  /** Copies what there is and has it flushed; false when the move has been ended. */
  async #catchUp(move: Move): Promise<boolean> {
    const { timers } = this.#host.env;
    const { copy } = move.work;
    for (let size = copy.size; this.#goesOn(move) && move.work.step(); ) {
      await new Promise<void>(resolve => timers.soon(resolve));
      if (!this.#goesOn(move)) break;
      await move.work.ready();
      if (copy.size - size < UNFLUSHED || !this.#goesOn(move)) continue;
      size = copy.size;
      await copy.flush();
    }
    if (!this.#goesOn(move)) return false;
    await copy.flush();
    return this.#goesOn(move);
  }

  /** Leaves the moves as they are, for the next start to go on with. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }
}
