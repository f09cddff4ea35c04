import {
  Errors,
  type HeartbeatRequest,
  type JoinGroupRequest,
  type LeaveGroupRequest,
  type SyncGroupRequest,
} from "@samsa/protocol";
import type { Client, ShardContext } from "../group/context.ts";
import type { Ticket } from "../shard/effects.ts";
import { type ClassicGroup, type Member, sameProtocols } from "./group.ts";
import { joinError, joinReply, type Rebalance, syncError, syncReply } from "./rebalance.ts";

/** Outcome for a member that a LeaveGroup names. */
export interface Departure {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly errorCode: number;
}

/** First version of JoinGroup whose new members must come back with the id they are given (KIP-394). */
const KNOWN_MEMBER_ID_VERSION = 4;
/** First version of JoinGroup whose leader can be told to keep the assignment (KIP-814). */
const SKIP_ASSIGNMENT_VERSION = 9;

/** JoinGroup with its client. */
export interface Joining {
  readonly ticket: Ticket;
  readonly version: number;
  readonly client: Client;
  /** Owns its bytes: the group keeps them. */
  readonly request: JoinGroupRequest;
}

/** Serves classic members: JoinGroup, SyncGroup, Heartbeat, LeaveGroup (`GroupMetadataManager`). */
export class Membership {
  readonly #context: ShardContext;
  readonly #rebalance: Rebalance;

  constructor(context: ShardContext, rebalance: Rebalance) {
    this.#context = context;
    this.#rebalance = rebalance;
  }

  join(group: ClassicGroup, joining: Joining): void {
    const { request, ticket } = joining;
    const { memberId, groupInstanceId: instanceId } = request;
    const refuse = (code: number, shown = memberId): void => this.#context.reply(ticket, joinError(code, shown));
    if (!this.#hasRoom(group, memberId)) {
      group.remove(memberId);
      this.#rebalance.endSession(group, memberId);
      refuse(Errors.GROUP_MAX_SIZE_REACHED.code, "");
    } else if (!group.supports(request.protocolType, request.protocols)) {
      refuse(Errors.INCONSISTENT_GROUP_PROTOCOL.code);
    } else if (memberId === "") {
      if (instanceId !== null) this.#joinStatic(group, joining, instanceId);
      else this.#joinDynamic(group, joining);
    } else if (group.pendingMembers.has(memberId)) {
      // MEMBER_ID_REQUIRED goes to dynamic members only; Kafka fails on an invariant here.
      if (instanceId !== null) refuse(Errors.UNKNOWN_SERVER_ERROR.code, "");
      else this.#add(group, joining, memberId);
    } else {
      const error = group.validateMember(memberId, instanceId);
      if (error !== 0) refuse(error);
      else this.#rejoin(group, joining, group.members.get(memberId) as Member);
    }
  }

  #hasRoom(group: ClassicGroup, memberId: string): boolean {
    const { maxSize } = this.#context.config;
    if (group.state === "Empty") return true;
    const member = group.members.get(memberId);
    // If `group.max.size` is lower than before, the last members to rejoin are refused.
    if (group.state === "PreparingRebalance") return member?.joining !== undefined || group.awaitingJoin < maxSize;
    return member !== undefined || group.members.size < maxSize;
  }

  #joinDynamic(group: ClassicGroup, joining: Joining): void {
    const memberId = this.#context.memberId(joining.client.id);
    if (joining.version < KNOWN_MEMBER_ID_VERSION) return this.#add(group, joining, memberId);
    group.pendingMembers.add(memberId);
    this.#rebalance.touch(group, memberId, joining.request.sessionTimeoutMs);
    this.#context.reply(joining.ticket, joinError(Errors.MEMBER_ID_REQUIRED.code, memberId));
  }

  #joinStatic(group: ClassicGroup, joining: Joining, instanceId: string): void {
    const memberId = this.#context.memberId(instanceId);
    const oldId = group.staticMembers.get(instanceId);
    const old = oldId === undefined ? undefined : group.members.get(oldId);
    if (old === undefined) this.#add(group, joining, memberId);
    else this.#replaceStatic(group, joining, old, memberId);
  }

  #add(group: ClassicGroup, { request, client, ticket }: Joining, id: string): void {
    if (group.isInitialRebalance) group.newMemberAdded = true;
    const member: Member = {
      id,
      instanceId: request.groupInstanceId,
      clientId: client.id,
      clientHost: client.host,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      sessionTimeoutMs: request.sessionTimeoutMs,
      protocols: request.protocols,
      assignment: new Uint8Array(0),
      joining: ticket,
      syncing: undefined,
      isNew: true,
    };
    group.add(member, request.protocolType);
    this.#rebalance.touchNew(group, member);
    this.#rebalance.prepareOrComplete(group, `member ${id} joins`);
  }

  /** Updates the member from the request. Its client id and host stay those of its first join. */
  #update(group: ClassicGroup, { request, ticket }: Joining, member: Member): void {
    // A second join of a member replaces the first, which Kafka leaves without a response.
    this.#rebalance.answerJoin(group, member, joinError(Errors.UNKNOWN_MEMBER_ID.code, member.id));
    group.setProtocols(member, request.protocols);
    member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
    member.sessionTimeoutMs = request.sessionTimeoutMs;
    group.setJoining(member, ticket);
  }

  #rejoin(group: ClassicGroup, joining: Joining, member: Member): void {
    const same = sameProtocols(member.protocols, joining.request.protocols);
    const { state } = group;
    if (state === "Empty") {
      this.#context.reply(joining.ticket, joinError(Errors.UNKNOWN_MEMBER_ID.code, member.id));
    } else if (same && (state === "CompletingRebalance" || (state === "Stable" && group.leaderId !== member.id))) {
      // The last response may have been lost. A leader that joins a stable group asks for a new assignment.
      this.#context.reply(joining.ticket, joinReply(group, member));
    } else {
      this.#update(group, joining, member);
      const change = same ? "asks for a new assignment" : "has another subscription";
      this.#rebalance.prepareOrComplete(group, `member ${member.id} ${change}`);
    }
  }

  /** Replaces a static member by one with a new id: fences the old id; a stable group need not rebalance. */
  #replaceStatic(group: ClassicGroup, joining: Joining, old: Member, id: string): void {
    const leaderBefore = group.leaderId;
    this.#rebalance.answerJoin(group, old, joinError(Errors.FENCED_INSTANCE_ID.code, old.id));
    this.#rebalance.answerSync(old, syncError(Errors.FENCED_INSTANCE_ID.code));
    const member: Member = { ...old, id, isNew: false };
    group.replace(old, member);
    // Kafka leaves the timer of the old id, which finds no member when it fires.
    this.#rebalance.endSession(group, old.id);
    this.#rebalance.touch(group, id, member.sessionTimeoutMs);
    this.#update(group, joining, member);
    const reason = `static member ${member.instanceId} joins again`;
    if (group.state === "CompletingRebalance") this.#rebalance.prepare(group, reason);
    else if (group.state === "Stable" && group.selectProtocol() === group.protocolName) {
      this.#keepStatic(group, joining, { member, old, leaderBefore });
    } else this.#rebalance.prepareOrComplete(group, reason);
  }

  /** Writes the new id before it answers; undoes the replacement if the write fails. */
  #keepStatic(
    group: ClassicGroup,
    { ticket, version }: Joining,
    { member, old, leaderBefore }: { member: Member; old: Member; leaderBefore: string | null },
  ): void {
    const assignments = new Map([...group.members.values()].map(({ id, assignment }) => [id, assignment]));
    this.#context.append([group.record(assignments)], errorCode => {
      // A rebalance may have begun and answered meanwhile.
      if (member.joining !== ticket) return;
      if (errorCode !== 0) {
        const reply = { ...joinReply(group, member), leader: leaderBefore ?? "", members: [] };
        this.#rebalance.answerJoin(group, member, { ...reply, errorCode, memberId: "" });
        if (group.members.get(member.id) !== member) return;
        old.assignment = member.assignment;
        group.replace(member, old);
        this.#rebalance.endSession(group, member.id);
        this.#rebalance.touch(group, old.id, old.sessionTimeoutMs);
        return;
      }
      const leads = group.leaderId === member.id;
      if (version >= SKIP_ASSIGNMENT_VERSION) {
        return this.#rebalance.answerJoin(group, member, { ...joinReply(group, member), skipAssignment: leads });
      }
      // A client that learns that it leads would compute a new assignment: return the old leader id.
      const reply = { ...joinReply(group, member), leader: leaderBefore ?? "", members: [] };
      this.#rebalance.answerJoin(group, member, reply);
    });
  }

  sync(group: ClassicGroup, ticket: Ticket, request: SyncGroupRequest): void {
    const error = this.#syncFault(group, request);
    const refuse = (code: number): void => this.#context.reply(ticket, syncError(code));
    if (error !== 0) {
      refuse(error);
      return;
    }
    const member = group.members.get(request.memberId) as Member;
    if (group.state === "PreparingRebalance") return refuse(Errors.REBALANCE_IN_PROGRESS.code);
    if (group.state === "Stable") {
      this.#rebalance.synced(group, member.id);
      return this.#context.reply(ticket, syncReply(group, member));
    }
    // A second sync of a member replaces the first, which Kafka leaves without a response.
    this.#rebalance.answerSync(member, syncError(Errors.REBALANCE_IN_PROGRESS.code));
    member.syncing = ticket;
    this.#rebalance.synced(group, member.id);
    if (group.leaderId !== member.id) return;
    this.#rebalance.persist(group, new Map(request.assignments.map(a => [a.memberId, Uint8Array.from(a.assignment)])));
  }

  #syncFault(group: ClassicGroup, request: SyncGroupRequest): number {
    const error = group.validateMember(request.memberId, request.groupInstanceId);
    if (error !== 0) return error;
    if (request.generationId !== group.generation) return Errors.ILLEGAL_GENERATION.code;
    const { protocolType, protocolName } = request;
    const differs =
      (protocolType !== null && group.protocolType !== null && protocolType !== group.protocolType) ||
      (protocolName !== null && group.protocolName !== null && protocolName !== group.protocolName);
    return differs ? Errors.INCONSISTENT_GROUP_PROTOCOL.code : 0;
  }

  heartbeat(group: ClassicGroup, request: HeartbeatRequest): number {
    const error = group.validateMember(request.memberId, request.groupInstanceId);
    if (error !== 0) return error;
    if (request.generationId !== group.generation) return Errors.ILLEGAL_GENERATION.code;
    this.touch(group, request.memberId);
    return group.state === "PreparingRebalance" ? Errors.REBALANCE_IN_PROGRESS.code : 0;
  }

  /** Restarts the session of a member. */
  touch(group: ClassicGroup, memberId: string): void {
    const member = group.members.get(memberId);
    if (member !== undefined) this.#rebalance.touch(group, memberId, member.sessionTimeoutMs);
  }

  /** Removes members; once the change is written, `done` gets an outcome per identity, in order, or an error code. */
  leave(
    group: ClassicGroup,
    identities: LeaveGroupRequest["members"],
    done: (errorCode: number, outcomes: readonly Departure[]) => void,
  ): void {
    const outcomes = identities.map(({ memberId, groupInstanceId }) => {
      return { memberId, groupInstanceId, errorCode: this.#leaveOne(group, memberId, groupInstanceId) };
    });
    if (outcomes.every(({ errorCode }) => errorCode !== 0)) return done(0, outcomes);
    this.#rebalance.afterLeaving(group, errorCode => done(errorCode, outcomes));
  }

  #leaveOne(group: ClassicGroup, memberId: string, instanceId: string | null): number {
    if (group.pendingMembers.has(memberId)) {
      group.remove(memberId);
      this.#rebalance.endSession(group, memberId);
      return 0;
    }
    // Admin clients name static members by instance id only.
    const id = memberId === "" && instanceId !== null ? (group.staticMembers.get(instanceId) ?? "") : memberId;
    const error = group.validateMember(id, instanceId);
    if (error === 0) this.#rebalance.removeMember(group, group.members.get(id) as Member);
    return error;
  }
}
