import { type ByteReader, nearestNumber } from "@samsa/base";
import type { ShardContext } from "../group/context.ts";
import type { Group, GroupsOfType } from "../group/group.ts";
import type { GroupTable } from "../group/group-table.ts";
import { ClassicGroup, type Member, newClassicGroup, subscribedTopics } from "./group.ts";
import { type Joining, Membership } from "./membership.ts";
import { joinError, Rebalance, syncError } from "./rebalance.ts";
import { GROUP_METADATA, type GroupValue, newGroupRecord, parseGroupRecord } from "./records.ts";

/** Classic groups of a shard: their creation, the replay of their records, and their end. */
export class ClassicGroups implements GroupsOfType {
  readonly recordTypes = [GROUP_METADATA];
  readonly rebalance: Rebalance;
  readonly membership: Membership;
  readonly #context: ShardContext;
  readonly #table: GroupTable;

  constructor(context: ShardContext, table: GroupTable) {
    this.#context = context;
    this.#table = table;
    this.rebalance = new Rebalance(context, table);
    this.membership = new Membership(context, this.rebalance);
  }

  /** Creates a group for its first JoinGroup; it replaces the empty group `before` of another type, if any. */
  joinNew(before: Group | undefined, joining: Joining): void {
    const group = newClassicGroup(joining.request.groupId, this.#context.wall);
    this.#table.set(group);
    this.membership.join(group, joining);
    const records = [...(before?.tombstones() ?? []), newGroupRecord(group.id, group.stateTimestamp)];
    this.#context.append(records, (errorCode, isLate) => {
      if (errorCode === 0 || !this.#table.isCurrent(group)) return;
      this.#context.warn(`Failed to write the new group ${group.id}.`, errorCode);
      if (isLate) return this.rebalance.refuse(group, errorCode);
      this.rebalance.abandon(group, errorCode);
      if (before === undefined) this.#table.forget(group, this.#context.wall);
      else this.#table.set(before);
    });
  }

  /** Applies a record. The members of a known group are up to date from their requests. */
  replay(_recordType: number, key: ByteReader, bytes: Uint8Array | null): void {
    const { group: id, value } = parseGroupRecord(key, bytes);
    const known = this.#table.find(ClassicGroup, id);
    if (value === null) {
      if (known === undefined) return;
      this.#context.timeline.whenWritten(() => this.rebalance.cancelTimers(known));
      this.#table.forget(known, this.#context.wall);
      return;
    }
    // Requests have applied this change already, and the record lacks the requests that wait.
    if (known !== undefined && this.#context.isLive) return;
    this.#table.set(loadedGroup(id, value));
  }

  loaded(): void {
    for (const group of this.#table.all(ClassicGroup)) {
      for (const { id, sessionTimeoutMs } of group.members.values()) this.rebalance.touch(group, id, sessionTimeoutMs);
      // `group.max.size` may be lower than before: the members rejoin, as many as fit.
      if (group.members.size > this.#context.config.maxSize)
        this.rebalance.prepare(group, "it was loaded with more members than group.max.size");
    }
  }

  unload(errorCode: number): void {
    for (const group of this.#table.all(ClassicGroup)) {
      for (const member of group.members.values()) {
        this.rebalance.answerJoin(group, member, joinError(errorCode, member.id));
        this.rebalance.answerSync(member, syncError(errorCode));
      }
    }
  }
}

function loadedGroup(id: string, value: GroupValue): ClassicGroup {
  const group = new ClassicGroup(id, {
    state: value.members.length === 0 ? "Empty" : "Stable",
    stateTimestamp: nearestNumber(value.currentStateTimestamp),
  });
  group.generation = value.generation;
  group.protocolType = value.protocolType === "" ? null : value.protocolType;
  group.protocolName = value.protocol;
  for (const loaded of value.members) {
    const member: Member = {
      id: loaded.memberId,
      instanceId: loaded.groupInstanceId,
      clientId: loaded.clientId,
      clientHost: loaded.clientHost,
      rebalanceTimeoutMs: loaded.rebalanceTimeout === -1 ? loaded.sessionTimeout : loaded.rebalanceTimeout,
      sessionTimeoutMs: loaded.sessionTimeout,
      protocols: [{ name: value.protocol ?? "", metadata: Uint8Array.from(loaded.subscription) }],
      assignment: Uint8Array.from(loaded.assignment),
      joining: undefined,
      syncing: undefined,
      isNew: false,
    };
    group.add(member, value.protocolType);
  }
  group.leaderId = value.leader;
  group.subscribed = subscribedTopics(group);
  return group;
}
