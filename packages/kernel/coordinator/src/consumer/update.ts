import { MalformedError, sameItems, type Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { type AssignedMember, type Assignment, ASSIGNORS, NOTHING, sameAssignment } from "../assign/index.ts";
import type { ShardRecord } from "../shard/effects.ts";
import type { Client } from "../group/context.ts";
import type { GroupTable } from "../group/group-table.ts";
import { defaultAssignor } from "../group/config.ts";
import { type ConsumerContext, type Refusal, refusal } from "./context.ts";
import type { ConsumerGroup, Subscriptions } from "./group.ts";
import { type ConsumerMember, regexOf, samePlace, sameSubscription, STATE, isReconciled } from "./member.ts";
import { timerKey } from "../shard/timers.ts";
import { type ListedPartitions, reconcile } from "./reconcile.ts";
import { RegexResolver } from "./resolver.ts";
import {
  currentRecord,
  epochRecord,
  memberRecord,
  memberTombstones,
  partitionMetadataTombstone,
  regexTombstone,
  targetEpochRecord,
  targetRecord,
} from "./records.ts";

/** Refresh interval of topics that do not change. */
const REFRESH_MS = 2147483647;
/** Minimum interval between two resolutions of a group's patterns. */
const REGEX_REST_MS = 10_000;

/** A member's request: the member before and after it, and the records to write. */
export interface Change {
  readonly group: ConsumerGroup;
  /** Member that the group has, or a new one with default fields. */
  readonly before: ConsumerMember;
  /** Member with the fields of the request. */
  readonly after: ConsumerMember;
  readonly records: ShardRecord[];
  /** Client whose request it is: patterns that are resolved for it match only what it sees. */
  readonly client?: Client;
}

interface Epoch {
  readonly epoch: number;
  readonly subscriptionChanged: boolean;
}

/** Request fields for reconciliation: a changed subscription, and the partitions that the member reports to own. */
export interface Told {
  readonly changed: boolean;
  readonly owned: ListedPartitions | null;
}

/** Member as an assignor sees it. */
interface PlacedMember extends AssignedMember {
  /** Target that the log has for it; undefined: none. */
  readonly known: Assignment | undefined;
}

interface Share {
  readonly epoch: number;
  readonly target: Assignment;
}

/** Steps that a member's request may cause: a new group epoch, a new target assignment, reconciliation. */
export class ConsumerUpdates {
  readonly #context: ConsumerContext;
  readonly #table: GroupTable;

  constructor(context: ConsumerContext, table: GroupTable) {
    this.#context = context;
    this.#table = table;
  }

  /** Validates a pattern that is new to the group. */
  regexFault({ group, before, after }: Omit<Change, "records">): Refusal | undefined {
    const regex = regexOf(after);
    if (regex === undefined || regex === regexOf(before) || group.subscriptions.regexes.has(regex)) return undefined;
    try {
      this.#context.config.consumer.pattern(regex);
      return undefined;
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      const text = `SubscribedTopicRegex \`${regex}\` is not a valid regular expression: ${error.message}.`;
      return refusal(Errors.INVALID_REGULAR_EXPRESSION, text);
    }
  }

  /** Updates the member's subscription; returns the group epoch (`consumerGroupHeartbeat`, step 1). */
  subscribe(change: Change): Epoch {
    const { group, before, after, records } = change;
    if (!sameSubscription(before, after)) records.push(memberRecord(group.id, after));
    const namesChanged = !sameItems(before.topicNames, after.topicNames);
    const regexChanged = before.regex !== after.regex;
    const resolved = regexChanged && this.#changeRegex(change);
    this.#refreshRegexes(change);
    const fallback = this.#context.config.consumer.assignors[0];
    const assignor = group.preferredAssignor() ?? fallback;
    const bump = namesChanged || resolved || assignor !== (group.preferredAssignor(before, after) ?? fallback);
    const epoch = bump || this.isStale(group) ? this.#renew(change, bump) : group.epoch;
    return { epoch, subscriptionChanged: namesChanged || regexChanged };
  }

  /** True if the topics of the subscriptions must be checked again. */
  isStale(group: ConsumerGroup): boolean {
    return this.#context.wall >= group.refresh.at || group.epoch < group.refresh.epoch;
  }

  /** Erases a pattern without subscribers; true if the topics of the member's new subscription are already known. */
  #changeRegex({ group, before, after, records }: Change): boolean {
    const [old, next] = [regexOf(before), regexOf(after)];
    const { regexes } = group.subscriptions;
    if (old !== undefined && regexes.get(old) === 1) records.push(regexTombstone(group.id, old));
    if (next === undefined) return old !== undefined;
    return regexes.has(next) && group.resolved.has(next);
  }

  #refreshRegexes({ group, before, after, client }: Change): void {
    const { wall, newTopicsVersion, config } = this.#context;
    const { regexes } = group.subscriptionsWith([before], after);
    if (regexes.size === 0 || group.resolving) return;
    const [last] = group.resolved.values();
    if (last !== undefined) {
      const age = wall - last.timestamp;
      if (age >= 0 && age <= REGEX_REST_MS) return;
      const isOld = last.version < newTopicsVersion || age > config.consumer.regexRefreshMs;
      if (regexes.size === group.resolved.size && !isOld) return;
    }
    group.resolving = true;
    this.#resolve(group, client);
  }

  /** Resolves the patterns a step at a time, so that other requests are served meanwhile. */
  #resolve(group: ConsumerGroup, client: Client | undefined, begun?: RegexResolver): void {
    this.#context.after(timerKey("regex", group.id), 0, () => {
      // By now, the group has the member whose request started this, and its pattern.
      const resolver = begun ?? new RegexResolver(this.#context, group, client?.sees);
      const isCurrent = this.#table.isCurrent(group);
      if (isCurrent && !resolver.advance()) return this.#resolve(group, client, resolver);
      group.resolving = false;
      const records = isCurrent ? resolver.records(this.#context, group) : [];
      if (records.length === 0) return;
      this.#context.append(records, errorCode => {
        // The next heartbeat resolves them again.
        if (errorCode !== 0) this.#context.warn(`Failed to write resolved patterns of group ${group.id}.`, errorCode);
      });
    });
  }

  #renew({ group, before, after, records }: Change, bump: boolean): number {
    const subscriptions = group.subscriptionsWith([before], after);
    const hash = this.hashOf(group, subscriptions);
    const epoch = bump || hash !== group.metadataHash ? group.epoch + 1 : group.epoch;
    if (epoch > group.epoch) records.push(epochRecord(group.id, epoch, hash));
    group.refresh = { at: this.#context.wall + REFRESH_MS, epoch };
    if (group.hasPartitionMetadata) records.push(partitionMetadataTombstone(group.id));
    return epoch;
  }

  /** Hash of the topics that the group subscribes to; it changes when one of them changes. */
  hashOf(group: ConsumerGroup, subscriptions: Subscriptions): bigint {
    return this.#context.hashes.of(this.#context.topics, group.topicsOf(subscriptions));
  }

  /** Computes a new target assignment if the group epoch is ahead of it; returns the member's share (step 2). */
  assign(change: Change, epoch: number): Share {
    const { group, before, after, records } = change;
    if (group.assignmentEpoch >= epoch || !this.#mayAssign(group)) {
      const last = after.instanceId === null ? after.id : (group.staticMembers.get(after.instanceId) ?? "");
      return { epoch: group.assignmentEpoch, target: group.targetOf(last) };
    }
    const { config, topics, wall } = this.#context;
    const members = membersWith(group, after);
    const subscriptions = group.subscriptionsWith([before], after);
    const uniform = isUniform(subscriptions, members.length);
    const common = uniform ? this.topicIds(group, after) : undefined;
    const specs = members.map(member => this.#placed(group, member, after, common));
    const name = group.preferredAssignor(before, after) ?? defaultAssignor(config.consumer);
    const assignor = ASSIGNORS.get(name) ?? ASSIGNORS.get("uniform");
    const result = assignor?.({ members: specs, uniform, partitions: id => topics.partitions(id) });
    for (const { id, known } of specs) {
      const target = result?.get(id) ?? NOTHING;
      if (known === undefined || !sameAssignment(known, target)) records.push(targetRecord(group.id, id, target));
    }
    records.push(targetEpochRecord(group.id, epoch, wall));
    return { epoch, target: result?.get(after.id) ?? NOTHING };
  }

  /** True once the assignment interval has passed. A wall clock that was set back does not delay assignments. */
  #mayAssign(group: ConsumerGroup): boolean {
    const { now, wall, config } = this.#context;
    const { assignmentIntervalMs } = config.consumer.intervals(group.id);
    const { assignmentTimestamp, assignedAt } = group;
    if (assignmentTimestamp === 0 || assignmentIntervalMs === 0) return true;
    if (assignedAt !== undefined) return now >= assignedAt + assignmentIntervalMs;
    return wall >= assignmentTimestamp + assignmentIntervalMs || wall < assignmentTimestamp;
  }

  /** Member with its target so far. `topics` are those of all members, if they are alike. */
  #placed(
    group: ConsumerGroup,
    member: ConsumerMember,
    after: ConsumerMember,
    topics: ReadonlySet<Uuid> | undefined,
  ): PlacedMember {
    const { id, instanceId } = member;
    // The target assignment of a replaced static member has been copied to its new id already.
    const known = group.target.get((member === after ? replacedBy(group, after) : undefined) ?? id);
    return { id, instanceId, topics: topics ?? this.topicIds(group, member), assigned: known ?? NOTHING, known };
  }

  /** Ids of the existing topics that a member subscribes to. */
  topicIds(group: ConsumerGroup, member: ConsumerMember): Set<Uuid> {
    const ids = new Set<Uuid>();
    const add = (name: string): void => {
      const id = this.#context.topics.idOf(name);
      if (id !== undefined) ids.add(id);
    };
    member.topicNames.forEach(add);
    const regex = regexOf(member);
    if (regex !== undefined) for (const name of group.resolved.get(regex)?.topics ?? []) add(name);
    return ids;
  }

  /** Reconciles the member one step towards its target (step 3). */
  step(change: Change, { epoch, target }: Share, told: Told) {
    const { group, after, records } = change;
    if (!told.changed && isReconciled(after, epoch)) return after;
    const next = reconcile(after, {
      epoch,
      target,
      subscriptionChanged: told.changed,
      topics: this.topicIds(group, after),
      owned: told.owned,
      isOwned: (topic, partition) => group.isOwned(topic, partition),
    });
    if (!samePlace(after, next)) records.push(currentRecord(group.id, next));
    return next;
  }

  /** Removes members, then calls `done`. Converts a group whose other members are all classic to a classic group. */
  putOut(group: ConsumerGroup, members: readonly ConsumerMember[], done: (errorCode: number) => void): void {
    // A large group that ends loses one member after the other.
    if (group.classicMembers === 0) return this.#context.append(this.#fence(group, members), done);
    const { config } = this.#context;
    const staying = [...group.members.values()].filter(member => !members.includes(member));
    const isClassic = staying.length > 0 && staying.every(({ classic }) => classic !== null);
    if (isClassic && config.consumer.migration.downgrade && staying.length <= config.maxSize) {
      this.#context.downgrade(group, { records: [], staying, rebalance: true }, done);
    } else this.#context.append(this.#fence(group, members), done);
  }

  /** Records that remove members (`consumerGroupFenceMembers`). */
  #fence(group: ConsumerGroup, members: readonly ConsumerMember[]): ShardRecord[] {
    const records = members.flatMap(({ id }) => memberTombstones(group.id, id));
    const subscriptions = group.subscriptionsWith(members, undefined);
    for (const regex of group.subscriptions.regexes.keys()) {
      if (!subscriptions.regexes.has(regex)) records.push(regexTombstone(group.id, regex));
    }
    const epoch = group.epoch + 1;
    records.push(epochRecord(group.id, epoch, this.hashOf(group, subscriptions)));
    // An empty group has an up-to-date assignment, which must not delay that of the next member.
    if (members.length === group.members.size) records.push(targetEpochRecord(group.id, epoch, 0));
    return records;
  }

  /** True if this version of Samsa knows the member's state. */
  isKnownState(member: ConsumerMember): boolean {
    return member.state !== STATE.unknown;
  }
}

/** Id of the static member that another one replaces. */
function replacedBy(group: ConsumerGroup, { id, instanceId }: ConsumerMember): string | undefined {
  const old = instanceId === null ? undefined : group.staticMembers.get(instanceId);
  return old === id ? undefined : old;
}

/** Members after the change of one of them, which is the last if it is new. */
function membersWith(group: ConsumerGroup, after: ConsumerMember): ConsumerMember[] {
  const old = replacedBy(group, after);
  const members: ConsumerMember[] = [];
  let isThere = false;
  for (const member of group.members.values()) {
    if (member.id === after.id) {
      isThere = true;
      members.push(after);
    } else if (member.id !== old) members.push(member);
  }
  if (!isThere) members.push(after);
  return members;
}

/** True if all members subscribe to the same topics (`ConsumerGroup.subscriptionType`). */
function isUniform({ names, regexes }: Subscriptions, members: number): boolean {
  if (regexes.size === 0) return [...names.values()].every(count => count === members);
  const [count] = regexes.values();
  return count === members && names.size === 0;
}
