import { timerKey } from "../timers.ts";
import type { ConsumerContext } from "./context.ts";
import type { ConsumerGroup } from "./group.ts";
import { type ConsumerMember, JOINING_EPOCH, STATE } from "./member.ts";

/** Wait before a member is put out again whose removal could not be written. */
const RETRY_MS = 500;
const KINDS = ["session", "rebalance", "join", "sync"] as const;

type Kind = (typeof KINDS)[number];

/** Puts a member out; `done` gets 0 or the error of the write. */
type PutOut = (group: ConsumerGroup, member: ConsumerMember, done: (errorCode: number) => void) => void;

/**
 * Timers of the members of consumer groups. Each puts its member out when its time has come: `session` when the member is
 * not heard from, `rebalance` when it does not give up what it was asked to; for classic members, `join` and `sync` when
 * they do not send what they were told to. None is written down: after a restart they begin anew.
 */
export class MemberTimers {
  readonly #context: ConsumerContext;
  /** False for a group whose place another has taken: its timers do nothing. */
  readonly #isCurrent: (group: ConsumerGroup) => boolean;
  readonly #putOut: PutOut;

  constructor(context: ConsumerContext, isCurrent: (group: ConsumerGroup) => boolean, putOut: PutOut) {
    this.#context = context;
    this.#isCurrent = isCurrent;
    this.#putOut = putOut;
  }

  #schedule(kind: Kind, group: ConsumerGroup, memberId: string, delayMs: number): void {
    this.#context.after(timerKey(kind, group.id, memberId), delayMs, () => {
      const member = group.members.get(memberId);
      if (member === undefined || !this.#isCurrent(group)) return;
      this.#putOut(group, member, errorCode => {
        if (errorCode === 0) return;
        this.#context.warn(`Failed to write that member ${memberId} of group ${group.id} is out.`, errorCode);
        this.#schedule(kind, group, memberId, RETRY_MS);
      });
    });
  }

  #cancel(kind: Kind, group: ConsumerGroup, memberId: string): void {
    this.#context.cancel(timerKey(kind, group.id, memberId));
  }

  /** Begins the session of a member that has none. */
  begin(group: ConsumerGroup, { id, classic }: ConsumerMember): void {
    if (this.#context.isScheduled(timerKey("session", group.id, id))) return;
    this.#schedule(
      "session",
      group,
      id,
      (classic ?? this.#context.config.consumer.intervals(group.id)).sessionTimeoutMs,
    );
  }

  /** The member has been heard from. */
  touch(group: ConsumerGroup, memberId: string, sessionTimeoutMs: number): void {
    this.#schedule("session", group, memberId, sessionTimeoutMs);
  }

  /** A member that has been asked to give something up has its rebalance timeout for that. */
  awaitRevocation(group: ConsumerGroup, member: ConsumerMember): void {
    const revokes = member.state === STATE.unrevoked && member.epoch >= JOINING_EPOCH && member.classic === null;
    if (revokes) this.#schedule("rebalance", group, member.id, member.rebalanceTimeoutMs);
    else this.#cancel("rebalance", group, member.id);
  }

  /** A classic member has been told to join again: it has its rebalance timeout for that, from the first time on. */
  awaitJoin(group: ConsumerGroup, { id, rebalanceTimeoutMs }: ConsumerMember): void {
    if (this.#context.isScheduled(timerKey("join", group.id, id))) return;
    this.#schedule("join", group, id, rebalanceTimeoutMs);
  }

  /** A classic member has joined. */
  awaitSync(group: ConsumerGroup, memberId: string, rebalanceTimeoutMs: number): void {
    this.#cancel("join", group, memberId);
    this.#schedule("sync", group, memberId, rebalanceTimeoutMs);
  }

  synced(group: ConsumerGroup, memberId: string): void {
    this.#cancel("sync", group, memberId);
  }

  /** The member is out. */
  cancel(group: ConsumerGroup, memberId: string): void {
    for (const kind of KINDS) this.#cancel(kind, group, memberId);
  }
}
