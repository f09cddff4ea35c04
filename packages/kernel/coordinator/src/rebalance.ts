import { Errors } from "@samsa/protocol";
import type { Ticket } from "./effects.ts";
import type { Group, Member } from "./group.ts";
import { groupRecord } from "./records.ts";
import type { ShardContext } from "./context.ts";

const NO_BYTES = new Uint8Array(0);

export function joinReply(group: Group, member: Member): object {
  const leads = group.leaderId === member.id;
  return {
    errorCode: 0,
    generationId: group.generation,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leader: group.leaderId ?? "",
    memberId: member.id,
    // Only the leader needs to know the others: it decides.
    members: leads
      ? [...group.members.values()].map(other => ({
          memberId: other.id,
          groupInstanceId: other.instanceId,
          metadata: group.metadataOf(other),
        }))
      : [],
  };
}

export function joinError(errorCode: number, memberId: string): object {
  return { errorCode, generationId: -1, protocolType: null, protocolName: null, leader: "", memberId, members: [] };
}

export function syncReply(group: Group, member: Member): object {
  return {
    errorCode: 0,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    assignment: member.assignment,
  };
}

export function syncError(errorCode: number): object {
  return { errorCode, assignment: NO_BYTES };
}

/** Ends the rounds that wait and begins another. */
export class Rebalance {
  readonly #context: ShardContext;

  constructor(context: ShardContext) {
    this.#context = context;
  }

  touch(group: Group, member: Member): void {
    member.expiresAt = this.#context.now + member.sessionTimeoutMs;
    this.#context.wake(group, member.expiresAt);
  }

  answerJoin(member: Member, response: object): void {
    if (member.joining === undefined) return;
    const ticket: Ticket = member.joining;
    member.joining = undefined;
    this.#context.reply(ticket, response);
  }

  answerSync(member: Member, response: object): void {
    if (member.syncing === undefined) return;
    const ticket: Ticket = member.syncing;
    member.syncing = undefined;
    this.#context.reply(ticket, response);
  }

  /** Begins a round if the group is between rounds, or ends the join phase if that was the last one missing. */
  prepareOrComplete(group: Group): void {
    if (group.state === "Empty" || group.state === "Stable" || group.state === "CompletingRebalance") {
      this.prepare(group);
    } else if (group.state === "PreparingRebalance" && group.generation !== 0 && group.allJoined()) {
      this.complete(group);
    }
  }

  prepare(group: Group): void {
    const context = this.#context;
    if (group.state === "CompletingRebalance") {
      for (const member of group.members.values()) {
        member.assignment = NO_BYTES;
        this.answerSync(member, syncError(Errors.REBALANCE_IN_PROGRESS.code));
      }
    }
    group.pendingSync.clear();
    const initial = group.state === "Empty";
    group.transition("PreparingRebalance", context.wall);
    if (initial) {
      const delay = context.config.initialRebalanceDelayMs;
      const remaining = Math.max(group.rebalanceTimeoutMs() - delay, 0);
      this.#waitInitial(group, delay, remaining);
    } else if (group.allJoined()) this.complete(group);
    else this.#waitJoin(group);
  }

  #waitInitial(group: Group, delay: number, remaining: number): void {
    const at = this.#context.now + delay;
    group.wait = { kind: "initial", at, delay, remaining };
    this.#context.wake(group, at);
  }

  #waitJoin(group: Group): void {
    const at = this.#context.now + group.rebalanceTimeoutMs();
    group.wait = { kind: "join", at };
    this.#context.wake(group, at);
  }

  /** The wait is over, as far as its time goes. */
  waited(group: Group): void {
    const { wait } = group;
    if (wait.kind === "initial") {
      if (group.newMemberAdded && wait.remaining > 0) {
        // Newcomers extend the wait, up to the longest rebalance timeout.
        group.newMemberAdded = false;
        const delay = Math.min(this.#context.config.initialRebalanceDelayMs, wait.remaining);
        this.#waitInitial(group, delay, Math.max(wait.remaining - wait.delay, 0));
      } else this.complete(group);
    } else if (wait.kind === "join") this.complete(group);
    else if (wait.kind === "sync") this.#expirePendingSync(group);
  }

  /** Ends the join phase: who has not rejoined is out, unless static. */
  complete(group: Group): void {
    const { now, wall } = this.#context;
    group.stopWaiting();
    group.pendingMembers.clear();
    for (const member of group.members.values()) {
      if (member.joining === undefined && member.instanceId === null) group.remove(member);
    }
    if (group.members.size > 0 && !group.electJoinedLeader()) {
      this.#waitJoin(group);
      return;
    }
    group.generation++;
    if (group.members.size === 0) {
      group.protocolName = null;
      group.leaderId = null;
      group.transition("Empty", wall);
      this.#context.append([groupRecord(group, new Map())], () => {});
      group.hasMetadataRecord = true;
      return;
    }
    group.protocolName = group.selectProtocol();
    group.transition("CompletingRebalance", wall);
    const replies = [...group.members.values()].map(member => [member, joinReply(group, member)] as const);
    for (const [member, reply] of replies) {
      member.assignment = NO_BYTES;
      this.answerJoin(member, reply);
      this.touch(group, member);
      group.pendingSync.add(member.id);
    }
    const at = now + group.rebalanceTimeoutMs();
    group.wait = { kind: "sync", at };
    this.#context.wake(group, at);
  }

  #expirePendingSync(group: Group): void {
    group.stopWaiting();
    if (group.pendingSync.size === 0) return;
    for (const id of group.pendingSync) {
      const member = group.members.get(id);
      if (member !== undefined && member.syncing === undefined) group.remove(member);
    }
    this.prepare(group);
  }

  /** The leader has spoken: its assignment is written first and handed out when that has succeeded. */
  persist(group: Group, assignments: ReadonlyMap<string, Uint8Array>): void {
    const { generation } = group;
    this.#context.append([groupRecord(group, assignments)], errorCode => {
      // Another round may have begun while the record was on its way.
      if (group.state !== "CompletingRebalance" || group.generation !== generation) return;
      if (errorCode !== 0) {
        for (const member of group.members.values()) this.answerSync(member, syncError(errorCode));
        this.prepare(group);
        return;
      }
      group.hasMetadataRecord = true;
      group.stopWaiting();
      group.pendingSync.clear();
      for (const member of group.members.values()) {
        member.assignment = assignments.get(member.id) ?? NO_BYTES;
      }
      group.transition("Stable", this.#context.wall);
      for (const member of group.members.values()) {
        if (member.syncing !== undefined) this.touch(group, member);
        this.answerSync(member, syncReply(group, member));
      }
    });
  }

  /** Takes a member out for good and lets the others go on. */
  remove(group: Group, member: Member): void {
    this.answerJoin(member, joinError(Errors.UNKNOWN_MEMBER_ID.code, member.id));
    this.answerSync(member, syncError(Errors.UNKNOWN_MEMBER_ID.code));
    group.remove(member);
    this.afterRemoval(group);
  }

  afterRemoval(group: Group): void {
    if (group.state === "Stable" || group.state === "CompletingRebalance") this.prepare(group);
    else if (group.state === "PreparingRebalance") this.prepareOrComplete(group);
  }

  /** Ends sessions whose time is up. */
  expireSessions(group: Group): void {
    const { now } = this.#context;
    let changed = false;
    for (const [id, until] of group.pendingMembers) {
      if (until <= now) {
        group.pendingMembers.delete(id);
        changed = true;
      } else this.#context.wake(group, until);
    }
    for (const member of group.members.values()) {
      // A member that waits for our answer is alive as far as we can know.
      if (member.joining !== undefined || member.syncing !== undefined) this.touch(group, member);
      else if (member.expiresAt <= now) {
        group.remove(member);
        changed = true;
      } else this.#context.wake(group, member.expiresAt);
    }
    if (changed) this.afterRemoval(group);
  }
}
