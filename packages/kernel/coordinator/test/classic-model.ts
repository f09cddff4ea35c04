/**
 * Model of a classic group by the rules of Apache Kafka 4.4 (`ClassicGroup`, `GroupMetadataManager`), without any code
 * of Samsa. Requests that Kafka never answers are answered as Samsa does; a comment marks each such place.
 */
import {
  type Identity,
  type JoinInput,
  type ModelConfig,
  ModelGroup,
  type ModelMember,
  type ModelRecord,
  type ModelReply,
  type SyncInput,
} from "./classic-model-group.ts";

interface Timer {
  readonly key: string;
  readonly at: number;
  readonly order: number;
  readonly group: ModelGroup;
  readonly memberId: string | undefined;
  readonly run: () => void;
}

interface Append {
  readonly records: readonly ModelRecord[];
  readonly done: (error: number) => void;
}

const NEW_MEMBER_JOIN_TIMEOUT = 300_000;
const UNKNOWN = 25;
const REBALANCING = 27;

/** Outcome of an append: refused with an error, written, or written with the outcome still to come. */
export type Outcome = "ok" | "hold" | number;

export class ClassicModel {
  readonly config: ModelConfig;
  readonly nextOutcome: () => Outcome;
  group: ModelGroup | undefined;
  offset: { readonly offset: number; readonly timestamp: number } | undefined;
  now: number;
  wall: number;
  ids = 0;
  readonly replies = new Map<number, ModelReply>();
  readonly log: ModelRecord[] = [];
  /** Appended records, including those of failed appends. */
  readonly tried: ModelRecord[][] = [];
  held: Append[] = [];
  #timers: Timer[] = [];
  #order = 0;
  #appends: Append[] = [];

  constructor(config: ModelConfig, now: number, nextOutcome: () => Outcome) {
    this.config = config;
    this.now = now;
    this.wall = now;
    this.nextOutcome = nextOutcome;
  }

  // --- environment of a group: timers, appends, load

  #schedule(key: string, delay: number, group: ModelGroup, run: () => void, memberId?: string): void {
    this.#cancel(key);
    // Samsa lets a millisecond pass between two runs of a timer.
    this.#timers.push({ key, at: this.now + Math.max(delay, 1), order: ++this.#order, group, memberId, run });
  }

  #cancel(key: string): void {
    this.#timers = this.#timers.filter(timer => timer.key !== key);
  }

  /** Kafka leaves the timers of removed members, which find no member when they fire. */
  #hasEffect({ group, memberId }: Timer): boolean {
    if (group !== this.group) return false;
    return memberId === undefined || group.members.has(memberId) || group.pendingJoin.has(memberId);
  }

  next(): number {
    return Math.min(Infinity, ...this.#timers.filter(timer => this.#hasEffect(timer)).map(({ at }) => at));
  }

  tick(now: number): void {
    this.now = now;
    const due = this.#timers.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at || a.order - b.order);
    for (const timer of due) {
      if (!this.#timers.includes(timer)) continue;
      this.#timers = this.#timers.filter(other => other !== timer);
      if (this.#hasEffect(timer)) timer.run();
      this.settle();
    }
  }

  #append(records: readonly ModelRecord[], done: (error: number) => void): void {
    this.#appends.push({ records, done });
  }

  settle(): void {
    for (let next = this.#appends.shift(); next !== undefined; next = this.#appends.shift()) {
      this.tried.push([...next.records]);
      const outcome = this.nextOutcome();
      if (typeof outcome === "number") {
        next.done(outcome);
        continue;
      }
      for (const record of next.records) {
        this.log.push(record);
        this.#replay(record);
      }
      if (outcome === "ok") next.done(0);
      else this.held.push(next);
    }
  }

  finishHeld(error: number): void {
    this.held.shift()?.done(error);
    this.settle();
  }

  #replay(record: ModelRecord): void {
    if (record.of === "offset") {
      this.offset = record.value ?? undefined;
      if (record.value !== null) this.group ??= new ModelGroup(this.wall);
    } else if (record.value === null) this.#forget();
  }

  /** Removes the group. A remaining offset stays in an empty group; Kafka keeps it without a group. */
  #forget(): void {
    this.group = this.offset === undefined ? undefined : new ModelGroup(this.wall);
  }

  /** Moves the coordinator away and back: answers all waiting requests, then loads the log. */
  reload(error: number): void {
    for (let next = this.held.shift(); next !== undefined; next = this.held.shift()) next.done(error);
    while (this.#appends.length > 0) this.#appends.shift()?.done(error);
    for (const member of this.group?.members.values() ?? []) {
      this.#answerJoin(member, { error, memberId: member.id });
      this.#answerSync(member, { error });
    }
    this.#timers = [];
    this.group = undefined;
    this.offset = undefined;
    for (const record of this.log) {
      if (record.of === "group" && record.value !== null) this.#load(record.value);
      else this.#replay(record);
    }
    if (this.group !== undefined) this.#begin(this.group);
  }

  #begin(group: ModelGroup): void {
    for (const member of group.members.values()) this.#rescheduleHeartbeat(group, member.id, member.session);
    if (group.members.size > this.config.maxSize) this.#prepareRebalance(group);
    this.settle();
  }

  #load(value: NonNullable<Extract<ModelRecord, { of: "group" }>["value"]>): void {
    const group = new ModelGroup(value.timestamp);
    for (const [id, client, timeouts, bytes] of value.members) {
      const [instance, rebalance, session] = JSON.parse(timeouts) as [string | null, number, number];
      const [metadata, assignment] = JSON.parse(bytes) as [string, string];
      group.add(
        {
          id,
          instance,
          clientId: client,
          // In the record, −1 means the session timeout.
          rebalance: rebalance === -1 ? session : rebalance,
          session,
          protocols: [{ name: value.protocol ?? "", metadata }],
          assignment,
          awaitingJoin: undefined,
          awaitingSync: undefined,
          isNew: false,
        },
        value.protocolType,
      );
    }
    group.state = value.members.length === 0 ? "Empty" : "Stable";
    group.generation = value.generation;
    group.protocolType = value.protocolType === "" ? null : value.protocolType;
    group.protocolName = value.protocol;
    group.leaderId = value.leader;
    this.group = group;
  }

  #groupRecord(group: ModelGroup, assignments: ReadonlyMap<string, string>): ModelRecord {
    const members = [...group.members.values()].map(member => {
      const metadata = member.protocols.find(({ name }) => name === group.protocolName)?.metadata ?? "";
      const timeouts = JSON.stringify([member.instance, member.rebalance, member.session]);
      const bytes = JSON.stringify([metadata, assignments.get(member.id) ?? ""]);
      return [member.id, member.clientId, timeouts, bytes] as const;
    });
    return {
      of: "group",
      value: {
        generation: group.generation,
        protocolType: group.protocolType ?? "",
        protocol: group.protocolName,
        leader: group.leaderId,
        timestamp: group.timestamp,
        members,
      },
    };
  }

  #reply(ticket: number, reply: ModelReply): void {
    this.replies.set(ticket, reply);
  }

  #answerJoin(member: ModelMember, reply: ModelReply): void {
    if (member.awaitingJoin === undefined) return;
    const ticket = member.awaitingJoin;
    member.awaitingJoin = undefined;
    this.#reply(ticket, reply);
  }

  #answerSync(member: ModelMember, reply: ModelReply): void {
    if (member.awaitingSync === undefined) return;
    const ticket = member.awaitingSync;
    member.awaitingSync = undefined;
    this.#reply(ticket, reply);
  }

  // --- JoinGroup

  join(ticket: number, input: JoinInput): void {
    const { memberId } = input;
    const isUnknown = memberId === "";
    const isNewGroup = this.group === undefined;
    if (this.group === undefined) {
      if (!isUnknown) return this.#reply(ticket, { error: UNKNOWN, memberId });
      this.group = new ModelGroup(this.wall);
    }
    const { group } = this;
    if (!this.#acceptJoiningMember(group, memberId)) {
      group.remove(memberId);
      this.#reply(ticket, { error: 81, memberId: "" });
    } else if (isUnknown) this.#joinNew(ticket, input, group);
    else this.#joinExisting(ticket, input, group);
    if (isNewGroup) this.#writeNewGroup(group);
    this.settle();
  }

  #writeNewGroup(group: ModelGroup): void {
    const value = { generation: 0, protocolType: "", protocol: null, leader: null, members: [] };
    this.#append([{ of: "group", value: { ...value, timestamp: group.timestamp } }], error => {
      if (error === 0 || this.group !== group) return;
      // Kafka answers the first request only; the others wait forever.
      for (const member of group.members.values()) {
        this.#answerJoin(member, { error, memberId: "" });
        this.#answerSync(member, { error });
      }
      this.#forget();
    });
  }

  #acceptJoiningMember(group: ModelGroup, memberId: string): boolean {
    const member = group.members.get(memberId);
    switch (group.state) {
      case "Empty":
        return true;
      case "PreparingRebalance":
        return member?.awaitingJoin !== undefined || group.awaitingJoin < this.config.maxSize;
      default:
        return member !== undefined || group.members.size < this.config.maxSize;
    }
  }

  #joinNew(ticket: number, input: JoinInput, group: ModelGroup): void {
    if (!group.supportsProtocols(input.protocolType, input.protocols)) {
      return this.#reply(ticket, { error: 23, memberId: "" });
    }
    const id = `${input.instance ?? input.clientId}-id${++this.ids}`;
    if (input.instance !== null) {
      const existing = group.staticMembers.get(input.instance);
      if (existing === undefined) this.#addMember(ticket, input, group, id);
      else this.#updateStaticMember(ticket, input, { group, oldId: existing, newId: id });
    } else if (input.version >= 4) {
      group.pendingJoin.add(id);
      this.#rescheduleHeartbeat(group, id, input.session);
      this.#reply(ticket, { error: 79, memberId: id });
    } else this.#addMember(ticket, input, group, id);
  }

  #joinExisting(ticket: number, input: JoinInput, group: ModelGroup): void {
    const { memberId, instance } = input;
    if (!group.supportsProtocols(input.protocolType, input.protocols)) {
      return this.#reply(ticket, { error: 23, memberId });
    }
    if (group.pendingJoin.has(memberId)) {
      if (instance !== null) return this.#reply(ticket, { error: -1, memberId: "" });
      return this.#addMember(ticket, input, group, memberId);
    }
    const error = this.#validateMember(group, memberId, instance);
    if (error !== 0) return this.#reply(ticket, { error, memberId });
    const member = group.members.get(memberId) as ModelMember;
    const matches = JSON.stringify(member.protocols) === JSON.stringify(input.protocols);
    switch (group.state) {
      case "PreparingRebalance":
        return this.#updateMember(ticket, input, group, member);
      case "CompletingRebalance":
        if (matches) return this.#reply(ticket, this.#joinResponse(group, member, group.leaderId === memberId));
        return this.#updateMember(ticket, input, group, member);
      case "Stable":
        if (group.leaderId === memberId || !matches) return this.#updateMember(ticket, input, group, member);
        return this.#reply(ticket, this.#joinResponse(group, member, false));
      default:
        return this.#reply(ticket, { error: UNKNOWN, memberId });
    }
  }

  #validateMember(group: ModelGroup, memberId: string, instance: string | null): number {
    if (instance !== null) {
      const existing = group.staticMembers.get(instance);
      if (existing === undefined) return UNKNOWN;
      if (existing !== memberId) return 82;
    }
    return group.members.has(memberId) ? 0 : UNKNOWN;
  }

  #joinResponse(group: ModelGroup, member: ModelMember, withMembers: boolean): ModelReply {
    const members = [...group.members.values()].map(({ id, instance, protocols }) => {
      return [id, instance, protocols.find(({ name }) => name === group.protocolName)?.metadata ?? ""];
    });
    return {
      error: 0,
      memberId: member.id,
      generation: group.generation,
      protocolName: group.protocolName,
      protocolType: group.protocolType,
      leader: group.leaderId,
      skipAssignment: false,
      members: withMembers ? members : [],
    };
  }

  #addMember(ticket: number, input: JoinInput, group: ModelGroup, id: string): void {
    if (group.state === "PreparingRebalance" && group.previousState === "Empty") group.newMemberAdded = true;
    group.add(
      {
        id,
        instance: input.instance,
        clientId: input.clientId,
        rebalance: input.rebalance,
        session: input.session,
        protocols: input.protocols,
        assignment: "",
        awaitingJoin: ticket,
        awaitingSync: undefined,
        isNew: true,
      },
      input.protocolType,
    );
    this.#rescheduleHeartbeat(group, id, NEW_MEMBER_JOIN_TIMEOUT);
    this.#maybePrepareRebalanceOrCompleteJoin(group);
  }

  #setJoin(ticket: number | undefined, member: ModelMember, input: JoinInput): void {
    // Kafka drops the waiting request without a response.
    this.#answerJoin(member, { error: UNKNOWN, memberId: member.id });
    member.protocols = input.protocols;
    member.rebalance = input.rebalance;
    member.session = input.session;
    member.awaitingJoin = ticket;
  }

  #updateMember(ticket: number, input: JoinInput, group: ModelGroup, member: ModelMember): void {
    this.#setJoin(ticket, member, input);
    this.#maybePrepareRebalanceOrCompleteJoin(group);
  }

  #replaceStaticMember(group: ModelGroup, oldId: string, newId: string): ModelMember {
    const removed = group.members.get(oldId) as ModelMember;
    group.members.delete(oldId);
    this.#answerJoin(removed, { error: 82, memberId: oldId });
    this.#answerSync(removed, { error: 82 });
    const member: ModelMember = { ...removed, id: newId, isNew: false };
    group.members.set(newId, member);
    if (group.leaderId === oldId) group.leaderId = newId;
    group.staticMembers.set(removed.instance as string, newId);
    return member;
  }

  #updateStaticMember(
    ticket: number,
    input: JoinInput,
    { group, oldId, newId }: { group: ModelGroup; oldId: string; newId: string },
  ): void {
    const currentLeader = group.leaderId;
    const member = this.#replaceStaticMember(group, oldId, newId);
    this.#rescheduleHeartbeat(group, newId, member.session);
    const old = { protocols: member.protocols, rebalance: member.rebalance, session: member.session };
    this.#setJoin(ticket, member, input);
    if (group.state === "CompletingRebalance") return this.#prepareRebalance(group);
    if (group.state !== "Stable") return this.#maybeCompleteJoinPhase(group);
    if (group.protocolName !== group.selectProtocol()) return this.#maybePrepareRebalanceOrCompleteJoin(group);
    const assignments = new Map([...group.members.values()].map(({ id, assignment }) => [id, assignment]));
    this.#append([this.#groupRecord(group, assignments)], error => {
      // Samsa sends no response here if a rebalance has begun and answered meanwhile.
      if (member.awaitingJoin !== ticket) return;
      if (error !== 0) {
        const reply = { ...this.#joinResponse(group, member, false), leader: currentLeader };
        this.#answerJoin(member, { ...reply, error, memberId: "" });
        if (group.members.get(newId) !== member) return;
        Object.assign(member, old);
        this.#replaceStaticMember(group, newId, oldId);
        this.#rescheduleHeartbeat(group, oldId, old.session);
      } else if (input.version >= 9) {
        const isLeader = group.leaderId === newId;
        this.#answerJoin(member, { ...this.#joinResponse(group, member, isLeader), skipAssignment: isLeader });
      } else this.#answerJoin(member, { ...this.#joinResponse(group, member, false), leader: currentLeader });
    });
  }

  // --- generations

  #maybePrepareRebalanceOrCompleteJoin(group: ModelGroup, done?: (error: number) => void): void {
    if (group.state !== "PreparingRebalance") this.#prepareRebalance(group, done);
    else this.#maybeCompleteJoinPhase(group, done);
  }

  #maybeCompleteJoinPhase(group: ModelGroup, done?: (error: number) => void): void {
    const isReady =
      group.state === "PreparingRebalance" && group.previousState !== "Empty" && group.hasAllMembersJoined();
    if (isReady) this.#completeJoin(group, done);
    else done?.(0);
  }

  #prepareRebalance(group: ModelGroup, done?: (error: number) => void): void {
    if (group.state === "CompletingRebalance") {
      for (const member of group.members.values()) member.assignment = "";
      this.#propagateAssignment(group, REBALANCING);
    }
    group.pendingSync.clear();
    this.#cancel("sync");
    const isInitial = group.state === "Empty";
    if (isInitial) {
      const delay = this.config.initialDelay;
      const remaining = Math.max(group.rebalanceTimeout() - delay, 0);
      this.#schedule("join", delay, group, () => this.#tryCompleteInitial(group, delay, remaining));
    }
    group.transition("PreparingRebalance", this.wall);
    if (!isInitial && group.hasAllMembersJoined()) return this.#completeJoin(group, done);
    if (!isInitial) this.#schedule("join", group.rebalanceTimeout(), group, () => this.#completeJoin(group));
    done?.(0);
  }

  #tryCompleteInitial(group: ModelGroup, delay: number, remaining: number): void {
    if (!group.newMemberAdded || remaining === 0) return this.#completeJoin(group);
    group.newMemberAdded = false;
    const nextDelay = Math.min(this.config.initialDelay, remaining);
    const nextRemaining = Math.max(remaining - delay, 0);
    this.#schedule("join", nextDelay, group, () => this.#tryCompleteInitial(group, nextDelay, nextRemaining));
  }

  #completeJoin(group: ModelGroup, done?: (error: number) => void): void {
    this.#cancel("join");
    for (const member of [...group.members.values()]) {
      if (member.awaitingJoin === undefined && member.instance === null) group.remove(member.id);
    }
    if (group.members.size > 0 && !this.#maybeElectNewJoinedLeader(group)) {
      this.#schedule("join", group.rebalanceTimeout(), group, () => this.#completeJoin(group));
      return done?.(0);
    }
    group.generation++;
    group.protocolName = group.members.size === 0 ? null : group.selectProtocol();
    group.transition(group.members.size === 0 ? "Empty" : "CompletingRebalance", this.wall);
    group.pendingSync.clear();
    if (group.state === "Empty") {
      return this.#append([this.#groupRecord(group, new Map())], error => done?.(error));
    }
    for (const member of group.members.values()) {
      this.#answerJoin(member, this.#joinResponse(group, member, group.leaderId === member.id));
      this.#rescheduleHeartbeat(group, member.id, member.session);
      member.isNew = false;
      group.pendingSync.add(member.id);
    }
    const { generation } = group;
    this.#schedule("sync", group.rebalanceTimeout(), group, () => this.#expirePendingSync(group, generation));
    done?.(0);
  }

  #maybeElectNewJoinedLeader(group: ModelGroup): boolean {
    const leader = group.members.get(group.leaderId ?? "");
    if (leader?.awaitingJoin !== undefined) return true;
    const joined = [...group.members.values()].find(member => member.awaitingJoin !== undefined);
    if (joined === undefined) return false;
    group.leaderId = joined.id;
    return true;
  }

  #propagateAssignment(group: ModelGroup, error: number): void {
    for (const member of group.members.values()) {
      if (member.awaitingSync === undefined) continue;
      this.#answerSync(member, error === 0 ? this.#syncResponse(group, member) : { error });
      this.#rescheduleHeartbeat(group, member.id, member.session);
    }
  }

  #rescheduleHeartbeat(group: ModelGroup, id: string, timeout: number): void {
    this.#schedule(`heartbeat-${id}`, timeout, group, () => this.#expireHeartbeat(group, id), id);
  }

  #expireHeartbeat(group: ModelGroup, id: string): void {
    if (group.pendingJoin.has(id)) {
      group.remove(id);
      if (group.state === "PreparingRebalance" && group.hasAllMembersJoined()) this.#completeJoin(group);
      return;
    }
    const member = group.members.get(id);
    if (member === undefined) return;
    const isSatisfied = !member.isNew && (member.awaitingJoin !== undefined || member.awaitingSync !== undefined);
    if (isSatisfied) return;
    this.#answerJoin(member, { error: UNKNOWN, memberId: "" });
    this.#answerSync(member, { error: UNKNOWN });
    group.remove(id);
    if (group.state === "Stable" || group.state === "CompletingRebalance") {
      this.#maybePrepareRebalanceOrCompleteJoin(group);
    } else if (group.state === "PreparingRebalance" && group.hasAllMembersJoined()) this.#completeJoin(group);
  }

  #expirePendingSync(group: ModelGroup, generation: number): void {
    if (generation !== group.generation) return;
    if (group.state !== "CompletingRebalance" && group.state !== "Stable") return;
    if (group.pendingSync.size === 0) return;
    for (const id of [...group.pendingSync]) group.remove(id);
    this.#prepareRebalance(group);
  }

  // --- SyncGroup, Heartbeat, LeaveGroup, OffsetCommit

  #syncResponse(group: ModelGroup, member: ModelMember): ModelReply {
    const { protocolName, protocolType } = group;
    return { error: 0, protocolName, protocolType, assignment: member.assignment };
  }

  sync(ticket: number, { memberId, instance, generation, protocolName, assignments }: SyncInput): void {
    const { group } = this;
    if (group === undefined || group.state === "Empty") return this.#reply(ticket, { error: UNKNOWN });
    const error = this.#validateMember(group, memberId, instance);
    if (error !== 0) return this.#reply(ticket, { error });
    if (generation !== group.generation) return this.#reply(ticket, { error: 22 });
    if (protocolName !== null && group.protocolName !== null && protocolName !== group.protocolName) {
      return this.#reply(ticket, { error: 23 });
    }
    const member = group.members.get(memberId) as ModelMember;
    if (group.state === "PreparingRebalance") return this.#reply(ticket, { error: REBALANCING });
    if (group.state === "CompletingRebalance") {
      // Kafka drops the waiting request without a response.
      this.#answerSync(member, { error: REBALANCING });
      member.awaitingSync = ticket;
    }
    group.pendingSync.delete(memberId);
    if (group.pendingSync.size === 0) this.#cancel("sync");
    if (group.state === "Stable") return this.#reply(ticket, this.#syncResponse(group, member));
    if (group.leaderId !== memberId) return;
    this.#append([this.#groupRecord(group, assignments)], failure => {
      // Samsa ignores a removed group, where Kafka restarts timers of the next group with its id.
      if (group !== this.group) return;
      if (group.state !== "CompletingRebalance" || group.generation !== generation) return;
      for (const each of group.members.values()) {
        each.assignment = failure === 0 ? (assignments.get(each.id) ?? "") : "";
      }
      this.#propagateAssignment(group, failure);
      if (failure === 0) group.transition("Stable", this.wall);
      else this.#maybePrepareRebalanceOrCompleteJoin(group);
    });
    this.settle();
  }

  heartbeat(ticket: number, memberId: string, instance: string | null, generation: number): void {
    const { group } = this;
    if (group === undefined) return this.#reply(ticket, { error: UNKNOWN });
    const fault = this.#validateMember(group, memberId, instance);
    if (fault !== 0) return this.#reply(ticket, { error: fault });
    if (generation !== group.generation) return this.#reply(ticket, { error: 22 });
    this.#rescheduleHeartbeat(group, memberId, (group.members.get(memberId) as ModelMember).session);
    this.#reply(ticket, { error: group.state === "PreparingRebalance" ? REBALANCING : 0 });
  }

  leave(ticket: number, identities: readonly Identity[]): void {
    const { group } = this;
    if (group === undefined) return this.#reply(ticket, { error: 0, members: identities.map(() => UNKNOWN) });
    const members = identities.map(({ memberId, instance }) => {
      if (memberId === "") {
        const id = group.staticMembers.get(instance ?? "");
        if (instance === null || id === undefined) return UNKNOWN;
        return this.#removeCurrentMember(group, id);
      }
      if (group.pendingJoin.has(memberId)) {
        group.remove(memberId);
        return 0;
      }
      const error = this.#validateMember(group, memberId, instance);
      return error === 0 ? this.#removeCurrentMember(group, memberId) : error;
    });
    const done = (error: number): void =>
      this.#reply(ticket, error === 0 ? { error: 0, members } : { error, members: [] });
    if (!members.includes(0) || group.state === "Empty") done(0);
    else if (group.state === "PreparingRebalance") this.#maybeCompleteJoinPhase(group, done);
    else this.#maybePrepareRebalanceOrCompleteJoin(group, done);
    this.settle();
  }

  #removeCurrentMember(group: ModelGroup, id: string): number {
    const member = group.members.get(id) as ModelMember;
    this.#answerJoin(member, { error: UNKNOWN, memberId: "" });
    // Kafka drops a waiting SyncGroup without a response.
    this.#answerSync(member, { error: UNKNOWN });
    group.remove(id);
    return 0;
  }

  commit(ticket: number, { memberId, instance }: Identity, generation: number, offset: number): void {
    const fault = this.#commitFault(memberId, instance, generation);
    if (fault !== 0) return this.#reply(ticket, { error: fault });
    this.#append([{ of: "offset", value: { offset, timestamp: this.wall } }], error => this.#reply(ticket, { error }));
    this.settle();
  }

  #commitFault(memberId: string, instance: string | null, generation: number): number {
    const { group } = this;
    if (group === undefined) return generation < 0 ? 0 : 69;
    if (generation < 0 && group.state === "Empty") return 0;
    if (generation < 0 && memberId === "" && instance === null) return UNKNOWN;
    const fault = this.#validateMember(group, memberId, instance);
    if (fault !== 0) return fault;
    if (generation !== group.generation) return 22;
    if (group.state === "CompletingRebalance") return REBALANCING;
    this.#rescheduleHeartbeat(group, memberId, (group.members.get(memberId) as ModelMember).session);
    return 0;
  }

  // --- deletion

  deleteGroup(done: (error: number) => void): void {
    const { group } = this;
    if (group === undefined) return done(69);
    if (group.state !== "Empty") return done(68);
    const records: ModelRecord[] = this.offset === undefined ? [] : [{ of: "offset", value: null }];
    this.#append([...records, { of: "group", value: null }], done);
    this.settle();
  }

  cleanUp(): void {
    const { group, offset } = this;
    if (group === undefined) return;
    const records: ModelRecord[] = [];
    let allExpired = true;
    if (offset !== undefined) {
      const hasType = group.protocolType !== null;
      // Groups of another protocol than "consumer" keep their offsets while they have members.
      const base = hasType ? group.timestamp : offset.timestamp;
      allExpired = !(hasType && group.state !== "Empty") && this.wall - base >= this.config.retention;
      if (allExpired) records.push({ of: "offset", value: null });
    }
    if (allExpired && group.state === "Empty") records.push({ of: "group", value: null });
    if (records.length === 0) return;
    this.#append(records, () => undefined);
    this.settle();
  }
}
