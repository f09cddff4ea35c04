import { ZERO_UUID } from "@samsa/base";
import fc from "fast-check";
import { expect, test } from "vitest";
import { append } from "./append.ts";
import { type GroupEffect, type GroupRequest, GroupShard } from "../src/index.ts";
import { config, noShares } from "./bench.ts";
import { ClassicModel, type Outcome } from "./classic-model.ts";
import {
  type Identity,
  type JoinInput,
  type ModelRecord,
  type ModelReply,
  type SyncInput,
} from "./classic-model-group.ts";
import { parseRecord } from "./records.ts";

const text = (bytes: unknown): string => Buffer.from(bytes as Uint8Array).toString();

/** Record in the form of the model. */
function modelRecord({ key, value }: { readonly key: Uint8Array; readonly value: Uint8Array | null }): ModelRecord {
  const record = parseRecord({ key, value });
  if (record.type === "offset") {
    if (record.value === null) return { of: "offset", value: null };
    return {
      of: "offset",
      value: { offset: Number(record.value.offset), timestamp: Number(record.value.commitTimestamp) },
    };
  }
  if (record.type !== "group") throw new Error(`a record of a classic group, not ${record.type}`);
  if (record.value === null) return { of: "group", value: null };
  const { generation, protocolType, protocol, leader, currentStateTimestamp, members } = record.value;
  return {
    of: "group",
    value: {
      generation,
      protocolType,
      protocol,
      leader,
      timestamp: Number(currentStateTimestamp),
      members: members.map(member => [
        member.memberId,
        member.clientId,
        JSON.stringify([member.groupInstanceId, member.rebalanceTimeout, member.sessionTimeout]),
        JSON.stringify([text(member.subscription), text(member.assignment)]),
      ]),
    },
  };
}

type Kind = "join" | "sync" | "heartbeat" | "leave" | "commit";

/** Reply in the form of the model. */
function modelReply(kind: Kind, response: Record<string, unknown>): ModelReply {
  const { errorCode: error, memberId } = response;
  switch (kind) {
    case "join": {
      if (error !== 0) return { error, memberId };
      const { generationId: generation, protocolName, protocolType, leader, skipAssignment = false } = response;
      const members = (response.members as Record<string, unknown>[]).map(member => {
        return [member.memberId, member.groupInstanceId, text(member.metadata)];
      });
      return { error, memberId, generation, protocolName, protocolType, leader, skipAssignment, members };
    }
    case "sync": {
      if (error !== 0) return { error };
      const { protocolName, protocolType, assignment } = response;
      return { error, protocolName, protocolType, assignment: text(assignment) };
    }
    case "leave":
      return { error, members: (response.members as { errorCode: number }[]).map(({ errorCode }) => errorCode) };
    case "commit":
      return { error: (response.topics as { partitions: { errorCode: number }[] }[])[0].partitions[0].errorCode };
    default:
      return { error };
  }
}

/** Part of a reply to compare: of a failed join, only the error code and the member id. */
function shown(kind: Kind | undefined, reply: ModelReply): ModelReply {
  return kind === "join" && reply.error !== 0 ? { error: reply.error, memberId: reply.memberId } : reply;
}

/** Runs the same schedule against a shard and the model. */
class Duel {
  now = 1_000_000;
  ids = 0;
  tickets = 0;
  #outcomes: { readonly shard: Iterator<Outcome>; readonly model: Iterator<Outcome> };
  readonly kinds = new Map<number, Kind>();
  readonly replies = new Map<number, ModelReply>();
  readonly tried: ModelRecord[][] = [];
  readonly log: { readonly key: Uint8Array; readonly value: Uint8Array | null }[] = [];
  held: number[] = [];
  shard: GroupShard;
  readonly model: ClassicModel;

  constructor(outcomes: readonly Outcome[]) {
    this.#outcomes = { shard: endless(outcomes), model: endless(outcomes) };
    const { initialRebalanceDelayMs: initialDelay, maxSize, offsetsRetentionMs: retention } = config;
    this.model = new ClassicModel({ initialDelay, maxSize, retention }, this.now, () => nextOf(this.#outcomes.model));
    this.shard = this.#load();
  }

  #load(): GroupShard {
    const shard = new GroupShard(config, () => `id${++this.ids}`, noShares);
    shard.wallAhead = this.model.wall - this.model.now;
    for (const record of this.log) shard.replay(this.now, record);
    const out: GroupEffect[] = [];
    shard.loaded(this.now, out);
    this.shard = shard;
    this.settle(out);
    return shard;
  }

  settle(effects: GroupEffect[]): void {
    for (let next = effects.shift(); next !== undefined; next = effects.shift()) {
      if (next.type === "warn" || next.type === "note" || next.type === "initialize") continue;
      if (next.type === "reply") {
        expect(this.replies.has(next.ticket), "one reply a ticket").toBe(false);
        const kind = this.kinds.get(next.ticket) as Kind;
        this.replies.set(next.ticket, modelReply(kind, next.response as Record<string, unknown>));
        continue;
      }
      this.tried.push(next.records.map(modelRecord));
      const outcome = nextOf(this.#outcomes.shard);
      append(this.shard, this.now, { records: next.records, log: this.log, isWritten: typeof outcome === "string" });
      if (typeof outcome === "number") {
        this.shard.appended(this.now, next.token, outcome, effects);
        continue;
      }
      if (outcome === "ok") this.shard.appended(this.now, next.token, 0, effects);
      else this.held.push(next.token);
    }
  }

  run(action: (out: GroupEffect[]) => void): void {
    const out: GroupEffect[] = [];
    action(out);
    this.settle(out);
  }

  ask(kind: Kind, request: GroupRequest, model: (ticket: number) => void): void {
    const ticket = ++this.tickets;
    this.kinds.set(ticket, kind);
    this.run(out => this.shard.request(this.now, ticket, request, out));
    model(ticket);
  }

  join(input: JoinInput): void {
    const { memberId, instance: groupInstanceId, session: sessionTimeoutMs, rebalance: rebalanceTimeoutMs } = input;
    const protocols = input.protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) }));
    const names = {
      groupId: "g",
      memberId,
      groupInstanceId,
      protocolType: input.protocolType,
      protocols,
      reason: null,
    };
    const body = { ...names, sessionTimeoutMs, rebalanceTimeoutMs };
    const client = { id: input.clientId, host: "/h" };
    // Version 0 has the session timeout for both.
    const known = input.version === 0 ? { ...input, rebalance: input.session } : input;
    this.ask("join", { type: "join", version: input.version, client, body }, ticket => this.model.join(ticket, known));
  }

  sync(input: SyncInput): void {
    const { memberId, instance: groupInstanceId, generation: generationId, protocolName } = input;
    const assignments = [...input.assignments].map(([id, assigned]) => {
      return { memberId: id, assignment: Buffer.from(assigned) };
    });
    const body = {
      groupId: "g",
      memberId,
      groupInstanceId,
      generationId,
      protocolName,
      protocolType: null,
      assignments,
    };
    this.ask("sync", { type: "sync", body }, ticket => this.model.sync(ticket, input));
  }

  heartbeat({ memberId, instance: groupInstanceId }: Identity, generationId: number): void {
    const body = { groupId: "g", memberId, groupInstanceId, generationId };
    this.ask("heartbeat", { type: "heartbeat", body }, ticket =>
      this.model.heartbeat(ticket, memberId, groupInstanceId, generationId),
    );
  }

  leave(identities: readonly Identity[]): void {
    const members = identities.map(({ memberId, instance }) => ({ memberId, groupInstanceId: instance, reason: null }));
    const body = { groupId: "g", memberId: "", members };
    this.ask("leave", { type: "leave", version: 5, body }, ticket => this.model.leave(ticket, identities));
  }

  commit(identity: Identity, generation: number, offset: number): void {
    const { memberId, instance: groupInstanceId } = identity;
    const place = { partitionIndex: 0, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: "" };
    const topics = [{ name: "t", topicId: ZERO_UUID, partitions: [place] }];
    const body = {
      groupId: "g",
      memberId,
      groupInstanceId,
      generationIdOrMemberEpoch: generation,
      retentionTimeMs: -1,
    };
    this.ask("commit", { type: "commit", version: 9, body: { ...body, topics } }, ticket =>
      this.model.commit(ticket, identity, generation, offset),
    );
  }

  delete(): void {
    const codes: { shard?: number; model?: number } = {};
    this.run(out =>
      this.shard.delete(this.now, "g", out, code => {
        codes.shard = code;
      }),
    );
    this.model.deleteGroup(code => {
      codes.model = code;
    });
    expect(codes.shard).toBe(codes.model);
  }

  cleanUp(): void {
    this.run(out => this.shard.cleanUp(this.now, out));
    this.model.cleanUp();
  }

  /** Lets time pass without a tick in between: all due timers run at its end. */
  advance(ms: number): void {
    this.now += ms;
    this.model.now = this.now;
    this.model.wall += ms;
    // A timer that is scheduled in a tick waits for a later one: go on only if the tick has stopped early.
    for (let ticks = 0; this.shard.nextDeadline() <= this.now; ticks++) {
      if (ticks > 0 && this.shard.nextDeadline() !== -Infinity) break;
      this.run(out => this.shard.tick(this.now, out));
    }
    if (this.model.next() <= this.now) this.model.tick(this.now);
  }

  jumpWall(ms: number): void {
    this.model.wall += ms;
    this.shard.wallAhead += ms;
  }

  finishHeld(error: number): void {
    const token = this.held.shift();
    if (token === undefined) return;
    this.run(out => this.shard.appended(this.now, token, error, out));
    this.model.finishHeld(error);
  }

  reload(): void {
    this.held = [];
    const out: GroupEffect[] = [];
    this.shard.unload(this.now, 16, out);
    // A lost partition takes no appends.
    this.settle(out.filter(({ type }) => type === "reply"));
    this.#load();
    this.model.reload(16);
  }

  compare(): void {
    expect(this.tried, "what is appended").toEqual(this.model.tried);
    const replies = [...this.model.replies].map(([ticket, reply]) => [ticket, shown(this.kinds.get(ticket), reply)]);
    expect(new Map(this.replies)).toEqual(new Map(replies as [number, ModelReply][]));
    expect(this.shard.nextDeadline(), "the next timer").toBe(this.model.next());
    const { group } = this.model;
    // The model has no versions: whatever has changed counts as committed.
    this.shard.timeline.written(this.log.length);
    this.shard.timeline.committed(this.log.length);
    const view = this.shard.view("g");
    expect(view?.state).toBe(group?.state);
    if (group === undefined || view === undefined) return;
    expect(
      view.members.map(({ id, clientId, rebalanceTimeoutMs: rebalance, sessionTimeoutMs: session, assignment }) => {
        return { id, clientId, rebalance, session, assignment: text(assignment) };
      }),
    ).toEqual(
      [...group.members.values()].map(({ id, clientId, rebalance, session, assignment }) => {
        return { id, clientId, rebalance, session, assignment };
      }),
    );
  }
}

function* endless(outcomes: readonly Outcome[]): Generator<Outcome, never> {
  for (;;) yield* outcomes;
}

function nextOf(outcomes: Iterator<Outcome>): Outcome {
  return outcomes.next().value as Outcome;
}

const METADATA = ["m", "n"];
const PROTOCOLS = [["range"], ["range", "sticky"], ["sticky", "range"], ["sticky"]] as const;
const INSTANCES = ["i", "j"];

const session = fc.constantFrom(6000, 10_000, 30_000, 1_800_000);
const rebalance = fc.constantFrom(0, -1, -2_147_483_648, 1, 1000, 5000, 20_000, 700_000, 2_147_483_647);
/** Picks a member id, of a present member in most cases, or an id that was given out before. */
const who = fc.nat(30);
const settings = {
  session,
  rebalance,
  metadata: fc.constantFrom(...METADATA),
  protocols: fc.constantFrom(...PROTOCOLS, PROTOCOLS[1], PROTOCOLS[1]),
  version: fc.constantFrom(0, 3, 4, 8, 9),
  clientId: fc.constantFrom("c", "d"),
};

/** Difference from the current generation. */
const drift = fc.constantFrom(0, 0, 0, 0, 0, 0, -1, 1);

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("new" as const),
      type: fc.constantFrom("t", "t", "t", "t", "u", ""),
      ...settings,
    }),
  },
  { weight: 7, arbitrary: fc.record({ do: fc.constant("static" as const), instance: fc.nat(1), ...settings }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("rejoin" as const),
      who,
      claims: fc.constantFrom("own", "own", "own", "own", "none", "i"),
      ...settings,
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("come back" as const), ...settings }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("settle" as const),
      members: fc.nat(3),
      instance: fc.option(fc.nat(1)),
      but: fc.constantFrom(9, 9, 0, 1),
      ...settings,
      protocols: fc.constant(PROTOCOLS[1]),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("sync" as const),
      who,
      drift,
      protocol: fc.constantFrom(null, null, null, "range", "sticky"),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("sync all" as const), but: fc.constantFrom(9, 9, 9, 0, 1) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("heartbeat" as const), who, drift }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("leave" as const),
      all: fc.array(fc.tuple(who, fc.constantFrom("id", "id", "instance", "both")), { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("commit" as const), who: fc.option(who), drift, generation: fc.boolean() }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("advance" as const),
      ms: fc.constantFrom(0, 1, 10, 500, 500, 999, 2000, 3000, 6000, 20_000, 300_000, 2_147_483_647),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("next timer" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("wall" as const), ms: fc.constantFrom(-5_000_000, -1, 1000, 2_000_000) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("written" as const), error: fc.constantFrom(0, 0, 0, 15) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reload" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("clean up" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("delete" as const) }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type Settings = Pick<Extract<Step, { do: "new" }>, Exclude<keyof typeof settings, "protocols">> & {
  readonly protocols: readonly string[];
};

function joinInput({ protocols, metadata, ...rest }: Settings) {
  const named = protocols.map(name => ({ name, metadata: `${name}-${metadata}` }));
  const { session: sessionMs, rebalance: rebalanceMs, version, clientId } = rest;
  return { version, session: sessionMs, rebalance: rebalanceMs, protocols: named, clientId, protocolType: "t" };
}

/** Member by index: members first, then pending member ids, then an unknown id. */
function identity({ model: { group } }: Duel, index: number): Identity {
  const members = [...(group?.members.values() ?? [])].map(({ id, instance }) => ({ memberId: id, instance }));
  const pending = [...(group?.pendingJoin ?? [])].map(memberId => ({ memberId, instance: null }));
  const all = [...members, ...pending, { memberId: "nobody", instance: null }];
  return all[index % all.length];
}

/** Joins the pending members, and all others if the group waits for them. */
function comeBack(duel: Duel, settings: Settings): void {
  const { group } = duel.model;
  const waiting = [...(group?.pendingJoin ?? [])];
  const absent = [...(group?.members.values() ?? [])].filter(({ awaitingJoin }) => awaitingJoin === undefined);
  for (const memberId of waiting) duel.join({ ...joinInput(settings), memberId, instance: null });
  if (group?.state !== "PreparingRebalance") return;
  for (const { id, instance } of absent) duel.join({ ...joinInput(settings), memberId: id, instance });
}

/** Sends SyncGroup for all members but one, the leader last. */
function syncAll(duel: Duel, but: number): void {
  const { group } = duel.model;
  const members = [...(group?.members.values() ?? [])].sort(
    (a, b) => Number(a.id === group?.leaderId) - Number(b.id === group?.leaderId),
  );
  members.forEach(({ id, instance }, index) => {
    if (index === but) return;
    const of = { memberId: id, instance, generation: group?.generation ?? 0, protocolName: null };
    duel.sync({ ...of, assignments: assignmentsOf(duel) });
  });
}

function toNextTimer(duel: Duel): void {
  const next = duel.model.next();
  duel.advance(next === Infinity ? 1 : Math.max(0, next - duel.now));
}

function play(duel: Duel, step: Step): void {
  const { model } = duel;
  const generation = model.group?.generation ?? 0;
  switch (step.do) {
    case "new":
      return duel.join({ ...joinInput(step), memberId: "", instance: null, protocolType: step.type });
    case "static":
      return duel.join({ ...joinInput(step), memberId: "", instance: INSTANCES[step.instance] });
    case "rejoin": {
      const { memberId, instance } = identity(duel, step.who);
      const claimed = step.claims === "own" ? instance : step.claims === "none" ? null : step.claims;
      return duel.join({ ...joinInput(step), memberId, instance: claimed });
    }
    case "come back":
      return comeBack(duel, step);
    case "settle": {
      for (let i = 0; i < step.members; i++) {
        duel.join({ ...joinInput(step), version: 4, memberId: "", instance: null });
      }
      if (step.instance !== null) duel.join({ ...joinInput(step), memberId: "", instance: INSTANCES[step.instance] });
      comeBack(duel, step);
      for (let i = 0; i < 4 && model.group?.state === "PreparingRebalance"; i++) toNextTimer(duel);
      return syncAll(duel, step.but);
    }
    case "sync": {
      const { memberId, instance } = identity(duel, step.who);
      const input = { memberId, instance, generation: generation + step.drift, protocolName: step.protocol };
      return duel.sync({ ...input, assignments: assignmentsOf(duel) });
    }
    case "sync all":
      return syncAll(duel, step.but);
    case "heartbeat":
      return duel.heartbeat(identity(duel, step.who), generation + step.drift);
    case "leave":
      return duel.leave(
        step.all.map(([index, by]) => {
          const { memberId, instance } = identity(duel, index);
          return { memberId: by === "instance" ? "" : memberId, instance: by === "id" ? null : instance };
        }),
      );
    case "commit": {
      const nobody = { memberId: "", instance: null };
      const by = step.who === null ? nobody : identity(duel, step.who);
      return duel.commit(by, step.generation ? generation + step.drift : -1, duel.tickets);
    }
    case "advance":
      return duel.advance(step.ms);
    case "next timer":
      return toNextTimer(duel);
    default:
      return disturb(duel, step);
  }
}

function disturb(duel: Duel, step: Step): void {
  switch (step.do) {
    case "wall":
      return duel.jumpWall(step.ms);
    case "written":
      return duel.finishHeld(step.error);
    case "reload":
      return duel.reload();
    case "clean up":
      return duel.cleanUp();
    case "delete":
      return duel.delete();
    default:
      throw new Error(step.do);
  }
}

/** Assignments for every member but the last, and for an id that is no member. */
function assignmentsOf({ model: { group }, tickets }: Duel): Map<string, string> {
  const ids = [...(group?.members.keys() ?? [])];
  return new Map([...ids.slice(0, Math.max(1, ids.length - 1)), "nobody"].map(id => [id, `${tickets} to ${id}`]));
}

const outcome = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Outcome>("ok") },
  { weight: 3, arbitrary: fc.constant<Outcome>("hold") },
  { weight: 2, arbitrary: fc.constant<Outcome>(15) },
);

test("a classic group answers, writes and waits as Kafka's does, whatever is done to it", () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 60, size: "max" }),
      fc.array(outcome, { minLength: 1, maxLength: 12 }),
      (steps, outcomes) => {
        const duel = new Duel(outcomes);
        for (const next of steps) {
          play(duel, next);
          duel.compare();
        }
      },
    ),
    { numRuns: 1200 },
  );
});
