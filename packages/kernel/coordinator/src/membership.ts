import {
  Errors,
  type HeartbeatRequest,
  type JoinGroupRequest,
  type LeaveGroupRequest,
  type SyncGroupRequest,
} from "@samsa/protocol";
import type { ShardContext } from "./context.ts";
import type { Ticket } from "./effects.ts";
import { type Group, type Member, sameProtocols } from "./group.ts";
import { groupRecord } from "./records.ts";
import { joinError, joinReply, type Rebalance, syncError, syncReply } from "./rebalance.ts";

export interface Client {
  readonly id: string;
  /** As Kafka writes it: with a leading slash. */
  readonly host: string;
}

/** First version of JoinGroup whose new members must come back with the id they are given (KIP-394). */
const KNOWN_MEMBER_ID_VERSION = 4;
/** First version of JoinGroup whose leader can be told to keep the assignment (KIP-814). */
const SKIP_ASSIGNMENT_VERSION = 9;

/** What a JoinGroup brings along. */
interface Joining {
  readonly ticket: Ticket;
  readonly version: number;
  readonly client: Client;
  readonly request: JoinGroupRequest;
}

/** The classic membership protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup (`GroupMetadataManager`). */
export class Membership {
  readonly #context: ShardContext;
  readonly #rebalance: Rebalance;

  constructor(context: ShardContext, rebalance: Rebalance) {
    this.#context = context;
    this.#rebalance = rebalance;
  }

  /** The error of a member that is not (any more) who it says, or 0. */
  validate(group: Group, memberId: string, instanceId: string | null): number {
    if (group.state === "Dead") return Errors.COORDINATOR_NOT_AVAILABLE.code;
    if (instanceId !== null) {
      const known = group.staticMembers.get(instanceId);
      if (known === undefined) return Errors.UNKNOWN_MEMBER_ID.code;
      if (known !== memberId) return Errors.FENCED_INSTANCE_ID.code;
    }
    return group.members.has(memberId) ? 0 : Errors.UNKNOWN_MEMBER_ID.code;
  }

  join(group: Group, joining: Joining): void {
    const { request, ticket } = joining;
    const refuse = (code: number, memberId = request.memberId): void =>
      this.#context.reply(ticket, joinError(code, memberId));
    if (!this.#hasRoom(group, request.memberId)) {
      const member = group.members.get(request.memberId);
      if (member !== undefined) group.remove(member);
      refuse(Errors.GROUP_MAX_SIZE_REACHED.code, "");
    } else if (!group.supports(request.protocolType, request.protocols)) {
      refuse(Errors.INCONSISTENT_GROUP_PROTOCOL.code);
    } else if (request.memberId === "") {
      if (request.groupInstanceId !== null) this.#joinStatic(group, joining, request.groupInstanceId);
      else this.#joinDynamic(group, joining);
    } else if (group.pendingMembers.has(request.memberId)) {
      if (request.groupInstanceId !== null) refuse(Errors.UNKNOWN_MEMBER_ID.code);
      else this.#add(group, joining, request.memberId);
    } else {
      const error = this.validate(group, request.memberId, request.groupInstanceId);
      if (error !== 0) refuse(error);
      else this.#rejoin(group, joining, group.members.get(request.memberId) as Member);
    }
  }

  #hasRoom(group: Group, memberId: string): boolean {
    const { maxSize } = this.#context.config;
    if (group.state === "Empty") return true;
    const member = group.members.get(memberId);
    if (group.state === "PreparingRebalance") return member?.joining !== undefined || group.awaitingJoin() < maxSize;
    return member !== undefined || group.members.size < maxSize;
  }

  #joinDynamic(group: Group, joining: Joining): void {
    const memberId = this.#context.memberId(joining.client.id);
    if (joining.version < KNOWN_MEMBER_ID_VERSION) {
      this.#add(group, joining, memberId);
      return;
    }
    const until = this.#context.now + joining.request.sessionTimeoutMs;
    group.pendingMembers.set(memberId, until);
    this.#context.wake(group, until);
    this.#context.reply(joining.ticket, joinError(Errors.MEMBER_ID_REQUIRED.code, memberId));
  }

  #joinStatic(group: Group, joining: Joining, instanceId: string): void {
    const memberId = this.#context.memberId(instanceId);
    const oldId = group.staticMembers.get(instanceId);
    const old = oldId === undefined ? undefined : group.members.get(oldId);
    if (old === undefined) this.#add(group, joining, memberId);
    else this.#replaceStatic(group, joining, old, memberId);
  }

  #newMember(joining: Joining, id: string): Member {
    const { request, client, ticket } = joining;
    return {
      id,
      instanceId: request.groupInstanceId,
      clientId: client.id,
      clientHost: client.host,
      // Version 0 has no rebalance timeout: the session timeout serves for both.
      rebalanceTimeoutMs: request.rebalanceTimeoutMs === -1 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs,
      sessionTimeoutMs: request.sessionTimeoutMs,
      protocols: request.protocols,
      assignment: new Uint8Array(0),
      joining: ticket,
      syncing: undefined,
      expiresAt: 0,
    };
  }

  #add(group: Group, joining: Joining, id: string): void {
    if (group.state === "PreparingRebalance" && group.generation === 0) group.newMemberAdded = true;
    const member = this.#newMember(joining, id);
    group.add(member, joining.request.protocolType);
    this.#rebalance.touch(group, member);
    this.#rebalance.prepareOrComplete(group);
  }

  #update(group: Group, joining: Joining, member: Member): void {
    const { request, client, ticket } = joining;
    const fresh = this.#newMember(joining, member.id);
    // A second join of the same member takes the place of the first, which nobody reads any more.
    this.#rebalance.answerJoin(member, joinError(Errors.UNKNOWN_MEMBER_ID.code, member.id));
    member.protocols = request.protocols;
    member.rebalanceTimeoutMs = fresh.rebalanceTimeoutMs;
    member.sessionTimeoutMs = fresh.sessionTimeoutMs;
    member.clientId = client.id;
    member.clientHost = client.host;
    member.joining = ticket;
    this.#rebalance.touch(group, member);
    this.#rebalance.prepareOrComplete(group);
  }

  #rejoin(group: Group, joining: Joining, member: Member): void {
    const same = sameProtocols(member.protocols, joining.request.protocols);
    if (group.state === "Empty") {
      this.#context.reply(joining.ticket, joinError(Errors.UNKNOWN_MEMBER_ID.code, member.id));
    } else if (group.state === "CompletingRebalance" && same) {
      // The answer of the join before was lost.
      this.#context.reply(joining.ticket, joinReply(group, member));
    } else if (group.state === "Stable" && same && group.leaderId !== member.id) {
      this.#context.reply(joining.ticket, joinReply(group, member));
    } else this.#update(group, joining, member);
  }

  /** The same instance under a new id: its old id is fenced, and a stable group need not rebalance for it. */
  #replaceStatic(group: Group, joining: Joining, old: Member, id: string): void {
    const oldLeader = group.leaderId;
    this.#rebalance.answerJoin(old, joinError(Errors.FENCED_INSTANCE_ID.code, old.id));
    this.#rebalance.answerSync(old, syncError(Errors.FENCED_INSTANCE_ID.code));
    const member: Member = { ...this.#newMember(joining, id), assignment: old.assignment };
    const protocolBefore = group.protocolName;
    const leads = oldLeader === old.id;
    group.remove(old);
    group.add(member, joining.request.protocolType);
    if (leads) group.leaderId = id;
    this.#rebalance.touch(group, member);
    if (group.state === "Stable" && group.selectProtocol() === protocolBefore) {
      this.#keepStatic(group, joining, { member, old, leads });
    } else if (group.state === "PreparingRebalance") this.#rebalance.prepareOrComplete(group);
    else this.#rebalance.prepare(group);
  }

  /** Writes the new id before it is given out; takes the replacement back if that fails. */
  #keepStatic(group: Group, joining: Joining, swap: { member: Member; old: Member; leads: boolean }): void {
    const { member, old, leads } = swap;
    const assignments = new Map([...group.members.values()].map(m => [m.id, m.assignment]));
    this.#context.append([groupRecord(group, assignments)], errorCode => {
      if (errorCode !== 0) {
        if (group.members.get(member.id) === member) {
          group.remove(member);
          group.add(old, group.protocolType ?? "");
          if (leads) group.leaderId = old.id;
        }
        this.#rebalance.answerJoin(member, joinError(errorCode, ""));
        return;
      }
      const skip = leads && joining.version >= SKIP_ASSIGNMENT_VERSION;
      const reply = skip ? { ...joinReply(group, member), skipAssignment: true } : joinReply(group, member);
      // Without skipAssignment a leader that sees itself as leader would assign anew: it is told of the old one.
      const shown = leads && !skip ? { ...reply, leader: old.id, members: [] } : reply;
      this.#rebalance.answerJoin(member, shown);
    });
  }

  sync(group: Group, ticket: Ticket, request: SyncGroupRequest): void {
    const error = this.#syncFault(group, request);
    const refuse = (code: number): void => this.#context.reply(ticket, syncError(code));
    if (error !== 0) {
      refuse(error);
      return;
    }
    const member = group.members.get(request.memberId) as Member;
    if (group.state === "Empty") refuse(Errors.UNKNOWN_MEMBER_ID.code);
    else if (group.state === "PreparingRebalance") refuse(Errors.REBALANCE_IN_PROGRESS.code);
    else if (group.state === "Stable") {
      this.#rebalance.touch(group, member);
      this.#context.reply(ticket, syncReply(group, member));
    } else {
      this.#rebalance.answerSync(member, syncError(Errors.REBALANCE_IN_PROGRESS.code));
      member.syncing = ticket;
      group.pendingSync.delete(member.id);
      if (group.leaderId !== member.id) return;
      this.#rebalance.persist(
        group,
        new Map(request.assignments.map(a => [a.memberId, Uint8Array.from(a.assignment)])),
      );
    }
  }

  #syncFault(group: Group, request: SyncGroupRequest): number {
    const error = this.validate(group, request.memberId, request.groupInstanceId);
    if (error !== 0) return error;
    if (request.generationId !== group.generation) return Errors.ILLEGAL_GENERATION.code;
    const { protocolType, protocolName } = request;
    const differs =
      (protocolType !== null && group.protocolType !== null && protocolType !== group.protocolType) ||
      (protocolName !== null && group.protocolName !== null && protocolName !== group.protocolName);
    return differs ? Errors.INCONSISTENT_GROUP_PROTOCOL.code : 0;
  }

  heartbeat(group: Group, request: HeartbeatRequest): number {
    const error = this.validate(group, request.memberId, request.groupInstanceId);
    if (error !== 0) return error;
    if (request.generationId !== group.generation) return Errors.ILLEGAL_GENERATION.code;
    if (group.state === "Empty") return Errors.UNKNOWN_MEMBER_ID.code;
    this.#rebalance.touch(group, group.members.get(request.memberId) as Member);
    return group.state === "PreparingRebalance" ? Errors.REBALANCE_IN_PROGRESS.code : 0;
  }

  /** The outcome for each identity, in order. */
  leave(
    group: Group,
    identities: LeaveGroupRequest["members"],
  ): { memberId: string; groupInstanceId: string | null; errorCode: number }[] {
    let removed = false;
    const results = identities.map(({ memberId, groupInstanceId }) => {
      const result = (errorCode: number) => ({ memberId, groupInstanceId, errorCode });
      // An administrator knows static members by their instance only.
      const id = memberId === "" && groupInstanceId !== null ? group.staticMembers.get(groupInstanceId) : memberId;
      if (id !== undefined && groupInstanceId === null && group.pendingMembers.delete(id)) {
        removed = true;
        return result(0);
      }
      const error = id === undefined ? Errors.UNKNOWN_MEMBER_ID.code : this.validate(group, id, groupInstanceId);
      if (error !== 0) return result(error);
      const member = group.members.get(id as string) as Member;
      this.#rebalance.answerJoin(member, joinError(Errors.UNKNOWN_MEMBER_ID.code, member.id));
      this.#rebalance.answerSync(member, syncError(Errors.UNKNOWN_MEMBER_ID.code));
      group.remove(member);
      removed = true;
      return result(0);
    });
    if (removed) this.#rebalance.afterRemoval(group);
    return results;
  }
}
