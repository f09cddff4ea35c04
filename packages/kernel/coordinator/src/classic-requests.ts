import {
  Errors,
  type HeartbeatRequest,
  type JoinGroupRequest,
  type LeaveGroupRequest,
  type SyncGroupRequest,
} from "@samsa/protocol";
import type { ClassicGroups } from "./classic/classic-groups.ts";
import { ClassicGroup } from "./classic/group.ts";
import { joinError, syncError } from "./classic/rebalance.ts";
import { ClassicMembers } from "./consumer/classic-members.ts";
import type { ConsumerGroups } from "./consumer/consumer-groups.ts";
import type { ConsumerContext } from "./consumer/context.ts";
import { ConsumerGroup } from "./consumer/group.ts";
import type { Client } from "./group/context.ts";
import type { Ticket } from "./shard/effects.ts";
import type { GroupTable } from "./group/group-table.ts";

/** First version of LeaveGroup that names several members. */
const MANY_MEMBERS_VERSION = 3;

/** JoinGroup with its version and client. */
export interface JoinInput {
  readonly version: number;
  readonly client: Client;
  readonly body: JoinGroupRequest;
}

/**
 * Answers requests of the classic protocol: a member may be in a classic group, or in a consumer group that it shares
 * with members of the consumer protocol. Groups of other types have no such members.
 */
export class ClassicRequests {
  readonly #context: ConsumerContext;
  readonly #table: GroupTable;
  readonly #classic: ClassicGroups;
  readonly #consumers: ConsumerGroups;
  readonly #members: ClassicMembers;

  constructor(
    context: ConsumerContext,
    table: GroupTable,
    { classic, consumers }: { readonly classic: ClassicGroups; readonly consumers: ConsumerGroups },
  ) {
    this.#context = context;
    this.#table = table;
    this.#classic = classic;
    this.#consumers = consumers;
    this.#members = new ClassicMembers(context, consumers);
  }

  join(ticket: Ticket, { version, client, body }: JoinInput): void {
    const { config } = this.#context;
    const refuse = (code: number, memberId = body.memberId): void =>
      this.#context.reply(ticket, joinError(code, memberId));
    if (body.groupId === "") return refuse(Errors.INVALID_GROUP_ID.code);
    if (body.sessionTimeoutMs < config.minSessionTimeoutMs || body.sessionTimeoutMs > config.maxSessionTimeoutMs) {
      return refuse(Errors.INVALID_SESSION_TIMEOUT.code);
    }
    const known = this.#table.get(body.groupId);
    // The request's bytes are slices of a receive buffer, which must not live as long as the group.
    const protocols = body.protocols.map(({ name, metadata }) => ({ name, metadata: Uint8Array.from(metadata) }));
    // Version 0 has no rebalance timeout: the session timeout serves for both.
    const rebalanceTimeoutMs = version === 0 ? body.sessionTimeoutMs : body.rebalanceTimeoutMs;
    const joining = { ticket, version, client, request: { ...body, protocols, rebalanceTimeoutMs } };
    if (known instanceof ClassicGroup) return this.#classic.membership.join(known, joining);
    if (known instanceof ConsumerGroup && !known.isEmpty) return this.#members.join(known, joining);
    if (known !== undefined && !(known instanceof ConsumerGroup)) {
      return refuse(Errors.INCONSISTENT_GROUP_PROTOCOL.code, "");
    }
    if (body.memberId !== "") return refuse(Errors.UNKNOWN_MEMBER_ID.code);
    this.#classic.joinNew(known, joining);
  }

  sync(ticket: Ticket, body: SyncGroupRequest): void {
    const refuse = (code: number): void => this.#context.reply(ticket, syncError(code));
    if (body.groupId === "") return refuse(Errors.INVALID_GROUP_ID.code);
    const group = this.#table.get(body.groupId);
    if (group instanceof ConsumerGroup) return this.#members.sync(group, ticket, body);
    if (group instanceof ClassicGroup) return this.#classic.membership.sync(group, ticket, body);
    refuse(Errors.UNKNOWN_MEMBER_ID.code);
  }

  heartbeat(ticket: Ticket, body: HeartbeatRequest): void {
    this.#context.reply(ticket, { errorCode: this.#heartbeat(body) });
  }

  #heartbeat(body: HeartbeatRequest): number {
    if (body.groupId === "") return Errors.INVALID_GROUP_ID.code;
    const group = this.#table.get(body.groupId);
    if (group instanceof ConsumerGroup) return this.#members.heartbeat(group, body);
    if (group instanceof ClassicGroup) return this.#classic.membership.heartbeat(group, body);
    return Errors.UNKNOWN_MEMBER_ID.code;
  }

  leave(ticket: Ticket, version: number, body: LeaveGroupRequest): void {
    const hasMany = version >= MANY_MEMBERS_VERSION;
    const identities = hasMany ? body.members : [{ memberId: body.memberId, groupInstanceId: null, reason: null }];
    const refuse = (errorCode: number): void => this.#context.reply(ticket, { errorCode, members: [] });
    const answer = (members: readonly { readonly errorCode: number }[]): void => {
      if (hasMany) return this.#context.reply(ticket, { errorCode: 0, members });
      // Older versions name one member, whose outcome is that of the request.
      for (const { errorCode } of members) this.#context.reply(ticket, { errorCode });
    };
    if (body.groupId === "") return refuse(Errors.INVALID_GROUP_ID.code);
    const group = this.#table.get(body.groupId);
    if (group instanceof ConsumerGroup) {
      const { members, outcomes } = this.#members.leaving(group, identities);
      if (members.length === 0) return answer(outcomes);
      const done = (errorCode: number): void => (errorCode === 0 ? answer(outcomes) : refuse(errorCode));
      return this.#consumers.updates.putOut(group, members, done);
    }
    if (group instanceof ClassicGroup) {
      return this.#classic.membership.leave(group, identities, (errorCode, outcomes) =>
        errorCode === 0 ? answer(outcomes) : refuse(errorCode),
      );
    }
    const { code: errorCode } = Errors.UNKNOWN_MEMBER_ID;
    answer(identities.map(({ memberId, groupInstanceId }) => ({ memberId, groupInstanceId, errorCode })));
  }
}
