import { timerKey } from "../shard/timers.ts";
import type { GroupTable } from "../group/group-table.ts";
import type { ConsumerContext } from "./context.ts";
import type { ConsumerGroup } from "./group.ts";
import { type ConsumerMember, JOINING_EPOCH, STATE } from "./member.ts";

/** Wait before the failed write of a member's removal is repeated. */
const RETRY_MS = 500;
const KINDS = ["session", "rebalance", "join", "sync"] as const;

type Kind = (typeof KINDS)[number];

const REASONS: Readonly<Record<Kind, string>> = {
  session: "its session has expired",
  rebalance: "it has not revoked its partitions in time",
  join: "it has not joined again in time",
  sync: "it has not synchronized in time",
};

/** Removes a member; `done` gets 0 or the error of the write. */
type PutOut = (group: ConsumerGroup, member: ConsumerMember, done: (errorCode: number) => void) => void;

/**
 * Timers of the members of consumer groups. Each removes its member when it fires: `session` if no heartbeat has come,
 * `rebalance` if the member has not revoked its partitions; for classic members, `join` and `sync` if the expected
 * JoinGroup or SyncGroup has not come. Timers are not in the log: after a restart they start anew.
 */
export class MemberTimers {
  readonly #context: ConsumerContext;
  readonly #table: GroupTable;
  readonly #putOut: PutOut;

  constructor(context: ConsumerContext, table: GroupTable, putOut: PutOut) {
    this.#context = context;
    this.#table = table;
    this.#putOut = putOut;
  }

  #schedule(kind: Kind, group: ConsumerGroup, memberId: string, delayMs: number): void {
    this.#context.after(timerKey(kind, group.id, memberId), delayMs, () => {
      const member = group.members.get(memberId);
      if (member === undefined || !this.#table.isCurrent(group)) return;
      this.#context.note("a member is put out of its group", {
        group: group.id,
        member: memberId,
        reason: REASONS[kind],
      });
      this.#putOut(group, member, errorCode => {
        if (errorCode === 0) return;
        this.#context.warn(`Failed to write the removal of member ${memberId} of group ${group.id}.`, errorCode);
        this.#schedule(kind, group, memberId, RETRY_MS);
      });
    });
  }

  #cancel(kind: Kind, group: ConsumerGroup, memberId: string): void {
    this.#context.cancel(timerKey(kind, group.id, memberId));
  }

  /** Starts the session of a member without one. */
  begin(group: ConsumerGroup, { id, classic }: ConsumerMember): void {
    if (this.#context.isScheduled(timerKey("session", group.id, id))) return;
    this.#schedule(
      "session",
      group,
      id,
      (classic ?? this.#context.config.consumer.intervals(group.id)).sessionTimeoutMs,
    );
  }

  /** Restarts the session of a member that has sent a request. */
  touch(group: ConsumerGroup, memberId: string, sessionTimeoutMs: number): void {
    this.#schedule("session", group, memberId, sessionTimeoutMs);
  }

  /** Starts the rebalance timeout of a member that must revoke partitions; cancels it for other members. */
  awaitRevocation(group: ConsumerGroup, member: ConsumerMember): void {
    const revokes = member.state === STATE.unrevoked && member.epoch >= JOINING_EPOCH && member.classic === null;
    if (revokes) this.#schedule("rebalance", group, member.id, member.rebalanceTimeoutMs);
    else this.#cancel("rebalance", group, member.id);
  }

  /** Starts the rebalance timeout of a classic member that was told to rejoin; later calls do not extend it. */
  awaitJoin(group: ConsumerGroup, { id, rebalanceTimeoutMs }: ConsumerMember): void {
    if (this.#context.isScheduled(timerKey("join", group.id, id))) return;
    this.#schedule("join", group, id, rebalanceTimeoutMs);
  }

  /** Waits for the SyncGroup of a classic member that has joined. */
  awaitSync(group: ConsumerGroup, memberId: string, rebalanceTimeoutMs: number): void {
    this.#cancel("join", group, memberId);
    this.#schedule("sync", group, memberId, rebalanceTimeoutMs);
  }

  synced(group: ConsumerGroup, memberId: string): void {
    this.#cancel("sync", group, memberId);
  }

  /** Cancels the timers of a removed member. */
  cancel(group: ConsumerGroup, memberId: string): void {
    for (const kind of KINDS) this.#cancel(kind, group, memberId);
  }
}
