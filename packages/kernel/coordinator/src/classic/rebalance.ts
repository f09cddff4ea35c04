import { Errors } from "@samsa/protocol";
import type { Ticket } from "../shard/effects.ts";
import { type ClassicGroup, type Member, subscribedTopics } from "./group.ts";
import type { ShardContext } from "../group/context.ts";
import type { GroupTable } from "../group/group-table.ts";
import { timerKey } from "../shard/timers.ts";

const NO_BYTES = new Uint8Array(0);
/** Longest wait of a member that does not know its id yet (`CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS`). */
const NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000;

export function joinReply(group: ClassicGroup, member: Member) {
  const leads = group.leaderId === member.id;
  return {
    errorCode: 0,
    generationId: group.generation,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leader: group.leaderId ?? "",
    memberId: member.id,
    // Only the leader gets the members: it computes the assignment.
    members: leads
      ? [...group.members.values()].map(other => ({
          memberId: other.id,
          groupInstanceId: other.instanceId,
          metadata: group.metadataOf(other),
        }))
      : [],
  };
}

/** JoinGroup response with an error code. */
export function joinError(errorCode: number, memberId: string) {
  return { errorCode, generationId: -1, protocolType: null, protocolName: null, leader: "", memberId, members: [] };
}

export function syncReply(group: ClassicGroup, member: Member) {
  return {
    errorCode: 0,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    assignment: member.assignment,
  };
}

/** SyncGroup response with an error code. */
export function syncError(errorCode: number) {
  return { errorCode, assignment: NO_BYTES };
}

/** Gets 0 once the change of the group is written, or the error code for the client. */
type Done = (errorCode: number) => void;

/**
 * Rebalances classic groups: join phase, sync phase, sessions (`GroupMetadataManager`). Timers by key: `session` for
 * each member and pending member, `join` and `sync` for each group.
 */
export class Rebalance {
  readonly #context: ShardContext;
  readonly #table: GroupTable;

  constructor(context: ShardContext, table: GroupTable) {
    this.#context = context;
    this.#table = table;
  }

  #after(group: ClassicGroup, key: string, delayMs: number, run: () => void): void {
    this.#context.after(key, delayMs, () => {
      if (this.#table.isCurrent(group)) run();
    });
  }

  /** Restarts the session of a member or of a pending member id. */
  touch(group: ClassicGroup, memberId: string, sessionTimeoutMs: number): void {
    const key = timerKey("session", group.id, memberId);
    this.#after(group, key, sessionTimeoutMs, () => this.#expire(group, memberId));
  }

  /** Starts the session of a new member. It cannot send heartbeats without its id, so the session covers its join. */
  touchNew(group: ClassicGroup, member: Member): void {
    this.touch(group, member.id, NEW_MEMBER_JOIN_TIMEOUT_MS);
  }

  endSession(group: ClassicGroup, memberId: string): void {
    this.#context.cancel(timerKey("session", group.id, memberId));
  }

  /** Cancels the timers of a group that is replaced, and answers its waiting requests. */
  abandon(group: ClassicGroup, errorCode: number): void {
    this.refuse(group, errorCode);
    this.cancelTimers(group);
  }

  /** Answers the waiting requests of a group with the error. */
  refuse(group: ClassicGroup, errorCode: number): void {
    for (const member of group.members.values()) {
      this.answerJoin(group, member, joinError(errorCode, ""));
      this.answerSync(member, syncError(errorCode));
    }
  }

  cancelTimers(group: ClassicGroup): void {
    this.#context.cancel(timerKey("join", group.id));
    this.#context.cancel(timerKey("sync", group.id));
    for (const id of group.members.keys()) this.endSession(group, id);
    for (const id of group.pendingMembers) this.endSession(group, id);
  }

  answerJoin(group: ClassicGroup, member: Member, response: object): void {
    if (member.joining === undefined) return;
    const ticket: Ticket = member.joining;
    group.setJoining(member, undefined);
    this.#context.reply(ticket, response);
  }

  answerSync(member: Member, response: object): void {
    if (member.syncing === undefined) return;
    const ticket: Ticket = member.syncing;
    member.syncing = undefined;
    this.#context.reply(ticket, response);
  }

  /** Begins a rebalance, or completes the join phase of the current one if all members have joined. */
  prepareOrComplete(group: ClassicGroup, reason: string): void {
    if (group.state !== "PreparingRebalance") this.prepare(group, reason);
    else this.completeIfReady(group);
  }

  /** Completes the join phase if all members have joined; calls `done` when the result is written. */
  completeIfReady(group: ClassicGroup, done?: Done): void {
    const ready = group.state === "PreparingRebalance" && !group.isInitialRebalance && group.allJoined();
    if (ready) this.#complete(group, done);
    else done?.(0);
  }

  /** Begins a rebalance, for a reason that the log gets. */
  prepare(group: ClassicGroup, reason: string, done?: Done): void {
    const { config, wall } = this.#context;
    const { id, generation, members } = group;
    this.#context.note("a group rebalances", { group: id, generation, members: members.size, reason });
    if (group.state === "CompletingRebalance") {
      for (const member of group.members.values()) {
        member.assignment = NO_BYTES;
        const waited = member.syncing !== undefined;
        this.answerSync(member, syncError(Errors.REBALANCE_IN_PROGRESS.code));
        if (waited) this.touch(group, member.id, member.sessionTimeoutMs);
      }
    }
    group.pendingSync.clear();
    this.#context.cancel(timerKey("sync", group.id));
    group.transition("PreparingRebalance", wall);
    if (group.isInitialRebalance) {
      const delay = config.initialRebalanceDelayMs;
      this.#awaitFirst(group, delay, Math.max(group.rebalanceTimeoutMs() - delay, 0));
      done?.(0);
    } else if (group.allJoined()) this.#complete(group, done);
    else {
      this.#awaitJoins(group);
      done?.(0);
    }
  }

  /** Waits for the first members of a group; each wait with a new member extends it, up to the rebalance timeout. */
  #awaitFirst(group: ClassicGroup, delay: number, remaining: number): void {
    this.#after(group, timerKey("join", group.id), delay, () => {
      if (!group.newMemberAdded || remaining === 0) return this.#complete(group);
      group.newMemberAdded = false;
      const next = Math.min(this.#context.config.initialRebalanceDelayMs, remaining);
      this.#awaitFirst(group, next, Math.max(remaining - delay, 0));
    });
  }

  #awaitJoins(group: ClassicGroup): void {
    this.#after(group, timerKey("join", group.id), group.rebalanceTimeoutMs(), () => this.#complete(group));
  }

  /** Ends the join phase: removes dynamic members that have not joined, and begins the next generation. */
  #complete(group: ClassicGroup, done?: Done): void {
    const { wall } = this.#context;
    this.#context.cancel(timerKey("join", group.id));
    for (const member of group.members.values()) {
      if (member.joining !== undefined || member.instanceId !== null) continue;
      group.remove(member.id);
      this.endSession(group, member.id);
    }
    if (group.members.size > 0 && !group.electJoinedLeader()) {
      // Absent static members keep the group waiting until their sessions end.
      this.#awaitJoins(group);
      return done?.(0);
    }
    group.generation++;
    if (group.members.size === 0) {
      group.protocolName = null;
      group.subscribed = subscribedTopics(group);
      group.transition("Empty", wall);
      return this.#writeEmpty(group, done);
    }
    group.protocolName = group.selectProtocol();
    group.subscribed = subscribedTopics(group);
    group.transition("CompletingRebalance", wall);
    group.pendingSync.clear();
    // Build all responses before the first is sent: that of the leader lists all members.
    const replies = [...group.members.values()].map(member => [member, joinReply(group, member)] as const);
    for (const [member, reply] of replies) {
      this.answerJoin(group, member, reply);
      this.touch(group, member.id, member.sessionTimeoutMs);
      member.isNew = false;
      group.pendingSync.add(member.id);
    }
    this.#awaitSyncs(group);
    done?.(0);
  }

  /**
   * Writes a group without members. If the record is lost, a restart loads the previous generation, and the sessions of
   * its members expire. So only a request that waits for the record gets the error.
   */
  #writeEmpty(group: ClassicGroup, done: Done | undefined): void {
    this.#context.append([group.record(new Map())], errorCode => {
      if (errorCode !== 0) this.#context.warn(`Failed to write the empty group ${group.id}.`, errorCode);
      done?.(errorCode);
    });
  }

  #awaitSyncs(group: ClassicGroup): void {
    const { generation } = group;
    this.#after(group, timerKey("sync", group.id), group.rebalanceTimeoutMs(), () => {
      if (group.generation === generation) this.#expirePendingSync(group);
    });
  }

  /** Removes members that have not sent SyncGroup, also from a group that is stable without them. */
  #expirePendingSync(group: ClassicGroup): void {
    const isWaiting = group.state === "CompletingRebalance" || group.state === "Stable";
    if (!isWaiting || group.pendingSync.size === 0) return;
    const late = [...group.pendingSync];
    for (const id of late) {
      group.remove(id);
      this.endSession(group, id);
    }
    this.prepare(group, `${late.length} members have not synchronized in time, ${late[0]} among them`);
  }

  /** Notes that a member of this generation has sent SyncGroup. */
  synced(group: ClassicGroup, memberId: string): void {
    group.pendingSync.delete(memberId);
    if (group.pendingSync.size === 0) this.#context.cancel(timerKey("sync", group.id));
  }

  /** Writes the leader's assignment, and returns it to the members once it is written. */
  persist(group: ClassicGroup, assignments: ReadonlyMap<string, Uint8Array>): void {
    const { generation } = group;
    this.#context.append([group.record(assignments)], errorCode => {
      // Another rebalance may have begun while the record was on its way, or the group may be gone.
      if (!this.#table.isCurrent(group) || group.state !== "CompletingRebalance" || group.generation !== generation)
        return;
      for (const member of group.members.values()) {
        member.assignment = errorCode === 0 ? (assignments.get(member.id) ?? NO_BYTES) : NO_BYTES;
        if (member.syncing === undefined) continue;
        this.answerSync(member, errorCode === 0 ? syncReply(group, member) : syncError(errorCode));
        // A session that expired while the member waited had no effect: restart it.
        this.touch(group, member.id, member.sessionTimeoutMs);
      }
      if (errorCode !== 0) return this.prepare(group, `the assignment could not be written, error ${errorCode}`);
      group.transition("Stable", this.#context.wall);
      this.#context.note("a group is stable", { group: group.id, generation, members: group.members.size });
    });
  }

  /** Handles the end of a session. */
  #expire(group: ClassicGroup, memberId: string): void {
    const member = group.members.get(memberId);
    if (member === undefined) {
      if (!group.pendingMembers.has(memberId)) return;
      group.remove(memberId);
      return this.#completeWithout(group);
    }
    // A member that waits for a response counts as alive; the response restarts its session.
    if (!member.isNew && (member.joining !== undefined || member.syncing !== undefined)) return;
    this.removeMember(group, member);
    const reason = `the session of member ${memberId} has expired`;
    if (group.state === "Stable" || group.state === "CompletingRebalance") this.prepare(group, reason);
    else this.#completeWithout(group);
  }

  /** Completes the join phase, also the initial one, if it has waited for the removed member only. */
  #completeWithout(group: ClassicGroup): void {
    if (group.state === "PreparingRebalance" && group.allJoined()) this.#complete(group);
  }

  /** Removes a member and answers its waiting requests. */
  removeMember(group: ClassicGroup, member: Member): void {
    this.answerJoin(group, member, joinError(Errors.UNKNOWN_MEMBER_ID.code, ""));
    // Kafka leaves this request without a response.
    this.answerSync(member, syncError(Errors.UNKNOWN_MEMBER_ID.code));
    group.remove(member.id);
    this.endSession(group, member.id);
  }

  /** Continues after members have left; calls `done` when the result is written. */
  afterLeaving(group: ClassicGroup, done: Done): void {
    if (group.state === "Stable" || group.state === "CompletingRebalance")
      this.prepare(group, "members have left", done);
    else this.completeIfReady(group, done);
  }
}
