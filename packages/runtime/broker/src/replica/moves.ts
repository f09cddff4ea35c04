import {
  checkTransition,
  DiskError,
  type Env,
  guard,
  type PartitionIndex,
  type PreviousStates,
  type Timer,
  type Uuid,
} from "@samsa/base";
import { type LogDir, LogMove, type PartitionLog } from "@samsa/storage";
import type { ReplicationQuota } from "../quotas/replication-quota.ts";
import { logOf, type Partition } from "./partition.ts";

/** A replica of this broker and its directory. */
export interface Placed {
  readonly topicId: Uuid;
  readonly partition: PartitionIndex;
  readonly directory: Uuid;
}

/** Most bytes of a copy that may be unflushed before the copy waits for a flush. */
const UNFLUSHED = 128 << 20;
/** Flushes of a copy before its swap, while producers that wait for no acknowledgement go on. */
const MOST_FLUSHES = 20;

export interface MovesHost {
  readonly env: Env;
  /** Reports a replica's directory to the controller; resolves once the controller has stored it. */
  assign(placed: Placed): Promise<void>;
  /** `unsettled` has become smaller. */
  settled(): void;
  /**
   * Limit on the bytes per second of all copies, and the pause of a copy above it, in ms
   * (`replica.alter.log.dirs.io.max.bytes.per.second`, `replica.fetch.backoff.ms`); undefined: no limit.
   */
  readonly throttle?: {
    readonly quota: Pick<ReplicationQuota, "isExceeded" | "record">;
    readonly backoffMs: () => number;
  };
}

/** State of a move (`ReplicaAlterLogDirsThread.ReassignmentState`). */
export type MoveState = "RETURNING" | "COPYING" | "ASSIGNED" | "SWAPPED" | "CANCELLED";

/** Valid previous states of a move. */
export const PREVIOUS_MOVE_STATES: PreviousStates<MoveState> = {
  // A start found a copy in the directory that the metadata names; the copy may be incomplete.
  RETURNING: [],
  COPYING: ["RETURNING"],
  // The metadata names the directory of the copy, which is complete.
  ASSIGNED: ["COPYING"],
  SWAPPED: ["ASSIGNED"],
  CANCELLED: ["RETURNING", "COPYING", "ASSIGNED"],
};

/** Changes the state of a move. */
export function enter(move: { state: MoveState }, state: MoveState): void {
  checkTransition(PREVIOUS_MOVE_STATES, move.state, state);
  move.state = state;
}

interface Move {
  readonly partition: Partition;
  readonly work: LogMove;
  state: MoveState;
  /** True once the controller may have been told of the copy's directory. */
  isTold: boolean;
  /** Assignments that the controller has not answered. */
  requests: number;
}

/**
 * Moves partitions between log directories (`ReplicaAlterLogDirsManager`, KIP-113, KIP-858), one at a time: the log is
 * copied while appends continue, the controller is informed, and once both are durable the copy replaces the log.
 */
export class Moves {
  readonly #host: MovesHost;
  readonly #moves = new Map<Partition, Move>();
  /** Moves, cancelled ones too, of which the metadata may name the copy's directory before the replica is there. */
  readonly #unsettled = new Set<Move>();
  #running: Promise<void> | undefined;
  /** Pause of the copy that runs, while it is above the limit. */
  #pause: { readonly timer: Timer; readonly end: () => void } | undefined;
  #closed = false;

  constructor(host: MovesHost) {
    this.#host = host;
  }

  /**
   * Directories that the metadata may name for replicas that are still in another one. The controller must not hear that
   * one of them has failed before it knows where these replicas are, or it would take their leadership.
   */
  get unsettled(): ReadonlySet<Uuid> {
    return new Set([...this.#unsettled].map(({ work }) => work.copy.home.directoryId));
  }

  /** True if the partition is being moved to another directory. */
  isMoving(partition: Partition): boolean {
    return this.#moves.has(partition);
  }

  /** Path of the log directory that a partition is in. */
  directoryOf(partition: Partition): string {
    return logOf(partition).home.path;
  }

  /** Target directory of a partition that is being moved. */
  target(partition: Partition): string | undefined {
    return this.#moves.get(partition)?.work.copy.home.path;
  }

  /** Begins to move a partition to `dir`. Throws `DiskError` with the directory offline. */
  begin(partition: Partition, dir: LogDir): void {
    try {
      this.resume(partition, dir.createFuture(logOf(partition), partition.topicId), false);
    } catch (error) {
      if (error instanceof DiskError) dir.fail(error);
      throw error;
    }
  }

  /** Resumes an existing copy; `assigned`: the metadata already assigns the replica to the directory of the copy. */
  resume(partition: Partition, copy: PartitionLog, assigned: boolean): void {
    const work = new LogMove(logOf(partition), copy);
    const state = assigned ? "RETURNING" : "COPYING";
    const move: Move = { partition, work, state, isTold: assigned, requests: 0 };
    this.#moves.set(partition, move);
    if (assigned) this.#unsettled.add(move);
    this.#running ??= this.#runAll();
  }

  /** Cancels a move: the partition stays in its directory, and the copy is deleted. */
  cancel(partition: Partition): void {
    const move = this.#moves.get(partition);
    if (move === undefined) return;
    this.#moves.delete(partition);
    enter(move, "CANCELLED");
    this.#endPause();
    move.work.cancel();
    move.work.copy.delete();
    // A request that is under way is followed by one that takes it back.
    if (move.isTold && move.requests === 0) this.#takeBack(move);
  }

  /** Cancels the moves from or to directories that have failed. */
  cancelFailed(): void {
    for (const { partition, work } of [...this.#moves.values()]) {
      if (work.copy.home.offline) this.cancel(partition);
      // Keep the copy: it may be all that is left, and the next start decides.
      else if (partition.isOffline) this.#forget(partition);
    }
  }

  #forget(partition: Partition): void {
    const move = this.#moves.get(partition);
    if (move === undefined) return;
    this.#moves.delete(partition);
    enter(move, "CANCELLED");
    this.#endPause();
    move.work.cancel();
    this.#settle(move);
  }

  #takeBack(move: Move): void {
    this.#assigning(move, assign => assign(move.work.source.home.directoryId)).catch((error: unknown) => {
      this.#host.env.logger.error("a move was cancelled, and the controller was not told", { error });
    });
  }

  /** Runs `work`, which assigns the replica of a move to directories; the move is not settled before it ends. */
  async #assigning(move: Move, work: (assign: (directory: Uuid) => Promise<void>) => Promise<void>): Promise<void> {
    const { topicId, index: partition } = move.partition;
    move.isTold = true;
    move.requests++;
    this.#unsettled.add(move);
    try {
      await work(directory => this.#host.assign({ topicId, partition, directory }));
    } finally {
      move.requests--;
      this.#settle(move);
    }
  }

  /** Settles a move whose replica is where the metadata say. */
  #settle(move: Move): void {
    if (move.requests > 0 || move.state === "RETURNING" || move.state === "ASSIGNED") return;
    if (this.#unsettled.delete(move)) this.#host.settled();
  }

  async #runAll(): Promise<void> {
    // `#running` is set first and cleared as soon as no move is left, so a move that is added later starts a new run.
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
        // The next start continues the move of a partition that is no longer served.
        if (this.#moves.get(move.partition) === move) this.#forget(move.partition);
      } catch (error) {
        if (this.#closed) return;
        const { logger } = this.#host.env;
        logger.error("a partition could not be moved", { to: move.work.copy.path, error });
        guard(
          () => this.cancel(move.partition),
          reason => logger.error("a move could not be cancelled", { to: move.work.copy.path, error: reason }),
        );
        // The next move starts whether or not this one succeeds.
        this.#moves.delete(move.partition);
      }
    }
  }

  #isCancelled({ state }: Move): boolean {
    return state === "CANCELLED";
  }

  /** True if a move should continue; checked after each await. */
  #goesOn({ state, partition }: Move): boolean {
    return state !== "CANCELLED" && !this.#closed && !partition.isOffline;
  }

  async #run(move: Move): Promise<void> {
    const { partition, work } = move;
    if (move.state === "RETURNING") {
      // Until the copy is known to be complete again, the metadata must not name its directory.
      await this.#assigning(move, async assign => {
        await assign(work.source.home.directoryId);
        if (this.#goesOn(move)) enter(move, "COPYING");
      });
      if (!this.#goesOn(move)) return;
      move.isTold = false;
    }
    work.align();
    if (!(await this.#catchUp(move, "throttled"))) return;
    await work.secure();
    if (!this.#goesOn(move)) return;
    await this.#assigning(move, async assign => {
      await assign(work.copy.home.directoryId);
      if (this.#isCancelled(move)) await assign(work.source.home.directoryId);
      else enter(move, "ASSIGNED");
    });
    if (this.#isCancelled(move)) return;
    partition.hold();
    try {
      // Records appended during a flush are not acknowledged yet; copy and flush them too. A power cut after the rename may
      // leave both logs, and the start then needs a copy that has all that is in the files of the old log.
      for (let flushes = 0; flushes === 0 || (work.isBehind && flushes < MOST_FLUSHES); flushes++) {
        if (!(await this.#catchUp(move, "held"))) return;
      }
      while (this.#step(move));
      work.swap();
      enter(move, "SWAPPED");
      this.#settle(move);
      partition.replaceLog(work.copy);
      this.#moves.delete(partition);
      // Until the rename is durable, a power cut restores the old log, which may lack records of the copy.
      await work.copy.home.syncNames();
    } finally {
      partition.release();
    }
    work.source.delete();
  }

  /**
   * Copies all records and flushes them; false if the move has been cancelled. While the partition is held, producers wait
   * for the rest of the copy, which therefore counts but does not pause.
   */
  async #catchUp(move: Move, pace: "throttled" | "held"): Promise<boolean> {
    const { timers } = this.#host.env;
    const { copy } = move.work;
    for (let size = copy.size; this.#goesOn(move) && this.#step(move); ) {
      await new Promise<void>(resolve => timers.soon(resolve));
      while (pace === "throttled" && this.#host.throttle?.quota.isExceeded === true && this.#goesOn(move)) {
        await this.#pauseFor(this.#host.throttle.backoffMs());
      }
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

  /** Copies a slice, and counts it. False if the copy had caught up already. */
  #step({ work }: Move): boolean {
    const { size } = work.copy;
    const isBehind = work.step();
    // A copy that began anew has become smaller.
    this.#host.throttle?.quota.record(Math.max(0, work.copy.size - size));
    return isBehind;
  }

  #pauseFor(ms: number): Promise<void> {
    return new Promise(end => {
      this.#pause = { timer: this.#host.env.timers.after(ms, () => this.#endPause()), end };
    });
  }

  #endPause(): void {
    this.#pause?.timer.cancel();
    this.#pause?.end();
    this.#pause = undefined;
  }

  /** Stops, and leaves the moves for the next start to continue. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#endPause();
    await this.#running;
  }
}
