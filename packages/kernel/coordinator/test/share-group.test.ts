import type { Uuid } from "@samsa/base";
import { Errors, type ShareGroupHeartbeatRequest } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { append } from "./append.ts";
import { type GroupEffect, GroupShard, type Initialization, type ShareGroups } from "../src/index.ts";
import { type Assignment, assignShares } from "../src/share-group/assignor.ts";
import { config } from "./bench.ts";

const SESSION_MS = 45_000;
const RETRY_MS = 20_000;
const uuid = (n: number) => `AAAAAAAAAAAAAAAAAAAA${String.fromCharCode(65 + n)}A` as Uuid;

type TestTopics = Map<string, { readonly id: Uuid; readonly partitions: number }>;

interface Reply {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  readonly assignment: { topicPartitions: { topicId: Uuid; partitions: number[] }[] } | null;
}

/** Shard with a log, and a share coordinator that initializes partitions at once, unless `initializes` is set. */
class Bench {
  now = 1_000_000;
  topics: TestTopics = new Map([["t", { id: uuid(0), partitions: 3 }]]);
  /** Number of topic lookups by the shard. */
  questions = 0;
  #version = 0;
  readonly log: { key: Uint8Array; value: Uint8Array | null }[] = [];
  readonly replies: Reply[] = [];
  readonly asked: Initialization[] = [];
  initializes: "yes" | "no" | "never" = "yes";
  failing = 0;
  assignmentIntervalMs = 0;
  shard = this.#make();

  #make(): GroupShard {
    const shard = new GroupShard(config, () => "id", {
      sessionTimeoutMs: () => SESSION_MS,
      heartbeatIntervalMs: () => 5000,
      assignmentIntervalMs: () => this.assignmentIntervalMs,
      maxSize: () => 3,
      initializeRetryMs: () => RETRY_MS,
    });
    this.#show(shard);
    return shard;
  }

  constructor() {
    this.shard.loaded(this.now, []);
  }

  /** Passes the current topics to the shard. */
  #show(shard: GroupShard, changed: Iterable<string> = []): void {
    const topics = new Map(this.topics);
    const count = <V>(value: V): V => {
      this.questions++;
      return value;
    };
    const find = (id: Uuid) => [...topics].find(([, topic]) => topic.id === id);
    const directory = {
      version: ++this.#version,
      idOf: (name: string) => count(topics.get(name)?.id),
      nameOf: (id: Uuid) => count(find(id)?.[0]),
      partitions: (id: Uuid) => count(find(id)?.[1].partitions ?? 0),
      racks: () => [],
      names: () => topics.keys(),
    };
    shard.topicsChanged(directory, new Set(changed), true);
  }

  /** Sets a topic's number of partitions; 0 deletes it. */
  change(name: string, partitions: number, id = uuid(0)): void {
    if (partitions === 0) this.topics.delete(name);
    else this.topics.set(name, { id, partitions });
    this.#show(this.shard, [name]);
  }

  settle(effects: GroupEffect[]): void {
    for (let next = effects.shift(); next !== undefined; next = effects.shift()) {
      if (next.type === "reply") this.replies.push(next.response as Reply);
      else if (next.type === "append") {
        append(this.shard, this.now, { records: next.records, log: this.log, isWritten: this.failing === 0 });
        this.shard.appended(this.now, next.token, this.failing, effects);
      } else if (next.type === "initialize") this.#initialize(next.initialization, effects);
    }
  }

  #initialize(what: Initialization, out: GroupEffect[]): void {
    this.asked.push(what);
    if (this.initializes === "never") return;
    this.shard.forShares(this.now, out, shares => shares.initialized(what, this.initializes === "yes"));
  }

  run(action: (out: GroupEffect[]) => void): void {
    const out: GroupEffect[] = [];
    action(out);
    this.settle(out);
  }

  beat(memberId: string, memberEpoch: number, body: Partial<ShareGroupHeartbeatRequest> = {}): Reply {
    const subscribedTopicNames = memberEpoch === 0 ? ["t"] : null;
    const request = { groupId: "g", memberId, memberEpoch, rackId: null, subscribedTopicNames, ...body };
    const before = this.replies.length;
    this.run(out =>
      this.shard.request(this.now, 1, { type: "share", client: { id: "c", host: "/h" }, body: request }, out),
    );
    return this.replies[before];
  }

  /** Sends heartbeats until nothing changes; returns the member's epoch and partitions. */
  settled(memberId: string, memberEpoch: number): { epoch: number; has: string[] } {
    let epoch = memberEpoch;
    for (let i = 0; i < 5; i++) epoch = this.beat(memberId, epoch).memberEpoch;
    return { epoch, has: this.has(memberId) };
  }

  has(memberId: string): string[] {
    const member = this.shard.shares.view("g")?.members.find(one => one.memberId === memberId);
    return [...(member?.assigned ?? [])].flatMap(([id, partitions]) => [...partitions].map(p => `${id}-${p}`)).sort();
  }

  pass(ms: number): void {
    const until = this.now + ms;
    while (this.shard.nextDeadline() <= until) {
      this.now = Math.max(this.now, this.shard.nextDeadline());
      this.run(out => this.shard.tick(this.now, out));
    }
    this.now = until;
  }

  reload(): void {
    this.shard = this.#make();
    for (const record of this.log) this.shard.replay(this.now, record);
    this.run(out => this.shard.loaded(this.now, out));
  }
}

const all = (count: number, topic = 0) => Array.from({ length: count }, (_, i) => `${uuid(topic)}-${i}`);

describe("members of a share group", () => {
  test("get partitions once their states are initialized", () => {
    const bench = new Bench();
    const joined = bench.beat("a", 0);
    expect(joined).toMatchObject({ errorCode: 0, memberEpoch: 2, heartbeatIntervalMs: 5000 });
    expect(joined.assignment, "nothing to assign yet").toEqual({ topicPartitions: [] });
    const topics = [{ topicId: uuid(0), partitions: [0, 1, 2], startOffset: -1 }];
    expect(bench.asked).toEqual([{ groupId: "g", stateEpoch: 2, topics }]);
    const next = bench.beat("a", 2);
    expect(next).toMatchObject({ memberEpoch: 3 });
    expect(next.assignment?.topicPartitions).toEqual([{ topicId: uuid(0), partitions: [0, 1, 2] }]);
    expect(bench.beat("a", 3).assignment, "said once").toBeNull();
    expect(bench.beat("a", 3, { subscribedTopicNames: ["t"] }).assignment, "or when asked").not.toBeNull();
  });

  test("are given another assignment once the interval since the last is over", () => {
    const bench = new Bench();
    bench.settled("a", 0);
    bench.assignmentIntervalMs = 1000;
    const { memberEpoch } = bench.beat("b", 0);
    expect(bench.has("b"), "of the last assignment").toEqual([]);
    bench.pass(999);
    expect(bench.beat("b", memberEpoch)).toMatchObject({ memberEpoch, assignment: null });
    bench.reload();
    bench.pass(1);
    expect(bench.beat("b", memberEpoch).memberEpoch).toBe(memberEpoch + 1);
    expect(bench.has("b")).not.toEqual([]);
  });

  test("do not wait in a group that was empty", () => {
    const bench = new Bench();
    const a = bench.settled("a", 0);
    bench.assignmentIntervalMs = 1000;
    bench.beat("a", -1);
    bench.beat("b", 0);
    expect(bench.has("b")).toEqual(a.has);
  });

  test("share partitions out, and take over those of who leaves or is not heard of", () => {
    const bench = new Bench();
    const a = bench.settled("a", 0);
    const b = bench.settled("b", 0);
    bench.settled("a", a.epoch);
    expect(Math.min(bench.has("a").length, bench.has("b").length)).toBe(1);
    expect([...bench.has("a"), ...bench.has("b")].sort()).toEqual(all(3));
    expect(bench.beat("b", -1)).toMatchObject({ errorCode: 0, memberEpoch: -1 });
    expect(bench.settled("a", b.epoch).has).toEqual(all(3));
    const c = bench.settled("c", 0);
    bench.pass(SESSION_MS - 1);
    expect(bench.beat("c", c.epoch).errorCode).toBe(0);
    bench.pass(1);
    expect(bench.beat("a", c.epoch).errorCode).toBe(Errors.UNKNOWN_MEMBER_ID.code);
    expect(bench.settled("c", c.epoch).has).toEqual(all(3));
    bench.pass(SESSION_MS);
    const empty = bench.shard.shares.view("g");
    expect(empty).toMatchObject({ state: "Empty", members: [] });
    expect(empty?.assignmentEpoch, "of an empty group").toBe(empty?.epoch);
  });

  test("two that are not heard of are both out", () => {
    const bench = new Bench();
    bench.settled("a", 0);
    bench.settled("b", 0);
    bench.pass(SESSION_MS);
    expect(bench.shard.shares.view("g")?.members).toEqual([]);
  });

  test("hear of partitions that are added, which begin at their first record", () => {
    const bench = new Bench();
    const { epoch } = bench.settled("a", 0);
    bench.change("t", 5);
    expect(bench.settled("a", epoch).has).toEqual(all(5));
    expect(bench.asked.at(-1)?.topics).toEqual([{ topicId: uuid(0), partitions: [3, 4], startOffset: 0 }]);
  });

  test("lose the partitions of topics that are gone", () => {
    const bench = new Bench();
    const { epoch } = bench.settled("a", 0);
    bench.change("t", 0);
    expect(bench.settled("a", epoch).has).toEqual([]);
  });

  test("change what they subscribe to", () => {
    const bench = new Bench();
    bench.change("u", 2, uuid(1));
    const { epoch } = bench.settled("a", 0);
    const changed = bench.beat("a", epoch, { subscribedTopicNames: ["u"] });
    expect(bench.settled("a", changed.memberEpoch).has).toEqual(all(2, 1));
  });

  test("a state that could not be initialized is tried again", () => {
    const bench = new Bench();
    bench.initializes = "no";
    bench.beat("a", 0);
    expect(bench.asked).toHaveLength(1);
    bench.initializes = "never";
    const { memberEpoch } = bench.beat("a", 2);
    expect(bench.asked, "at once when it has failed").toHaveLength(2);
    bench.beat("a", memberEpoch);
    expect(bench.asked, "not while it is under way").toHaveLength(2);
    bench.pass(RETRY_MS);
    bench.initializes = "yes";
    expect(bench.settled("a", memberEpoch).has).toEqual(all(3));
    expect(bench.asked).toHaveLength(3);
  });

  test("ask for no topic, assignment or hash while nothing changes, however many they are", () => {
    const bench = new Bench();
    for (let i = 0; i < 50; i++) bench.change(`t${i}`, 4, `BBBBBBBBBBBBBBBBBB${String(100 + i)}A` as Uuid);
    const subscribedTopicNames = [...bench.topics.keys()];
    const epochs = new Map<string, number>();
    const beat = (id: string, body: object = {}): void =>
      void epochs.set(id, bench.beat(id, epochs.get(id) ?? 0, body).memberEpoch);
    for (const id of ["a", "b", "c"]) beat(id, { subscribedTopicNames });
    for (let round = 0; round < 3; round++) for (const id of epochs.keys()) beat(id);
    bench.questions = 0;
    const written = bench.log.length;
    for (let round = 0; round < 10; round++) for (const id of epochs.keys()) beat(id);
    expect(bench.questions).toBe(0);
    expect(bench.log).toHaveLength(written);
    bench.change("t7", 5, bench.topics.get("t7")?.id);
    beat("a");
    expect(bench.questions, "a change of a topic is looked at").toBeGreaterThan(0);
    for (let round = 0; round < 3; round++) for (const id of epochs.keys()) beat(id);
    const index = `${bench.topics.get("t7")?.id}-4`;
    expect([...epochs.keys()].flatMap(id => bench.has(id))).toContain(index);
  });

  test("have no partition of a topic that they do not subscribe to any more, before the next assignment", () => {
    const bench = new Bench();
    bench.change("u", 2, uuid(1));
    const joined = bench.beat("a", 0, { subscribedTopicNames: ["t", "u"] });
    const { epoch } = bench.settled("a", joined.memberEpoch);
    expect(bench.has("a")).toEqual([...all(3), ...all(2, 1)]);
    bench.assignmentIntervalMs = 1000;
    const changed = bench.beat("a", epoch, { subscribedTopicNames: ["u"] });
    expect(changed).toMatchObject({ memberEpoch: epoch });
    expect(bench.has("a")).toEqual(all(2, 1));
  });

  test("are put out later when that could not be written", () => {
    const bench = new Bench();
    bench.settled("a", 0);
    bench.failing = Errors.NOT_COORDINATOR.code;
    bench.pass(SESSION_MS);
    bench.failing = 0;
    expect(bench.shard.shares.view("g")?.members).toHaveLength(1);
    bench.pass(500);
    expect(bench.shard.shares.view("g")?.members).toEqual([]);
  });

  test("are told what is wrong", () => {
    const bench = new Bench();
    const refused = (code: number, errorMessage: string) => ({ errorCode: code, errorMessage });
    const { INVALID_REQUEST, GROUP_ID_NOT_FOUND, UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, GROUP_MAX_SIZE_REACHED } =
      Errors;
    const invalid = (message: string) => refused(INVALID_REQUEST.code, message);
    expect(bench.beat("", 0)).toMatchObject(invalid("MemberId can't be empty."));
    expect(bench.beat("a", 0, { groupId: "" })).toMatchObject(invalid("GroupId can't be empty."));
    expect(bench.beat("a", 0, { rackId: "" })).toMatchObject(invalid("RackId can't be empty."));
    expect(bench.beat("a", -2)).toMatchObject(invalid("MemberEpoch is invalid."));
    expect(bench.beat("a", 0, { subscribedTopicNames: [] })).toMatchObject(
      invalid("SubscribedTopicNames must be set in first request."),
    );
    expect(bench.beat("a", 1)).toMatchObject(refused(GROUP_ID_NOT_FOUND.code, "Share group g not found."));
    const { epoch } = bench.settled("a", 0);
    expect(bench.beat("b", 1)).toMatchObject(refused(UNKNOWN_MEMBER_ID.code, "Member b is not a member of group g."));
    expect(bench.beat("a", epoch + 1).errorCode).toBe(FENCED_MEMBER_EPOCH.code);
    expect(bench.beat("a", epoch - 1).errorCode, "its answer may have been lost").toBe(0);
    bench.settled("b", 0);
    bench.settled("c", 0);
    bench.settled("a", epoch);
    expect(bench.beat("a", epoch - 1).errorCode).toBe(FENCED_MEMBER_EPOCH.code);
    expect(bench.beat("d", 0)).toMatchObject(
      refused(GROUP_MAX_SIZE_REACHED.code, "The share group has reached its maximum capacity of 3 members."),
    );
    bench.failing = Errors.NOT_COORDINATOR.code;
    expect(bench.beat("a", 0, { subscribedTopicNames: ["u"] }).errorCode).toBe(Errors.NOT_COORDINATOR.code);
  });

  test("a group is of one type", () => {
    const bench = new Bench();
    const commit = { groupId: "g", generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null };
    const partition = { partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: "" };
    const topics = [{ name: "t", topicId: uuid(0), partitions: [partition] }];
    const body = { ...commit, retentionTimeMs: -1, topics };
    bench.run(out => bench.shard.request(bench.now, 1, { type: "commit", version: 9, body }, out));
    expect(bench.beat("a", 0)).toMatchObject({
      errorCode: Errors.GROUP_ID_NOT_FOUND.code,
      errorMessage: "Group g is not a share group.",
    });
    expect(bench.beat("a", 0, { groupId: "h" }).errorCode).toBe(0);
    const before = bench.replies.length;
    const other = { ...body, groupId: "h" };
    bench.run(out => bench.shard.request(bench.now, 1, { type: "commit", version: 9, body: other }, out));
    expect(bench.replies[before]).toMatchObject({
      topics: [{ partitions: [{ errorCode: Errors.GROUP_ID_NOT_FOUND.code }] }],
    });
  });

  test("are remembered", () => {
    const bench = new Bench();
    const { epoch } = bench.settled("a", 0);
    bench.settled("b", 0);
    bench.settled("a", epoch);
    const before = bench.shard.shares.view("g");
    bench.reload();
    expect(bench.shard.shares.view("g")).toEqual(before);
    expect(bench.shard.list()).toMatchObject([{ groupId: "g", groupType: "share" }]);
    bench.pass(SESSION_MS);
    expect(bench.shard.shares.view("g")?.members, "sessions count anew").toEqual([]);
  });
});

describe("states of a share group", () => {
  const empty = (): Bench => {
    const bench = new Bench();
    bench.settled("a", 0);
    bench.beat("a", -1);
    return bench;
  };
  const shares = <T>(
    bench: Bench,
    action: (shares: ShareGroups, done: (outcome: T) => void) => void,
  ): T | undefined => {
    let found: T | undefined;
    bench.run(out =>
      bench.shard.forShares(bench.now, out, groups => action(groups, outcome => void (found = outcome))),
    );
    return found;
  };
  const initialized = (bench: Bench) => [...bench.shard.shares.initializedOf("g")];

  test("are noted as going before they are deleted, and asked for again until they are", () => {
    const bench = empty();
    const wanted = new Set([uuid(0), uuid(5)]);
    const begin = () => shares(bench, (groups, done) => groups.beginForgetting("g", wanted, done));
    expect(begin()).toEqual(new Map([[uuid(0), new Set([0, 1, 2])]]));
    expect(initialized(bench)).toEqual([]);
    bench.reload();
    expect(begin(), "the deletion did not end").toEqual(new Map([[uuid(0), new Set([0, 1, 2])]]));
    expect(shares(bench, (groups, done) => groups.forgotten("g", wanted, done))).toBe(0);
    expect(begin()).toEqual(new Map());
  });

  test("go before their group does", () => {
    const bench = empty();
    const states = shares(bench, (groups, done) => groups.beginDeletion("g", done));
    expect(states).toEqual(new Map([[uuid(0), new Set([0, 1, 2])]]));
    bench.reload();
    expect(
      shares(bench, (groups, done) => groups.beginDeletion("g", done)),
      "once more",
    ).toEqual(states);
    const outcomes: number[] = [];
    bench.run(out => bench.shard.delete(bench.now, "g", out, errorCode => outcomes.push(errorCode)));
    expect(outcomes).toEqual([0]);
    expect(bench.shard.typeOf("g")).toBeUndefined();
    expect(shares(bench, (groups, done) => groups.beginDeletion("g", done))).toBe(Errors.GROUP_ID_NOT_FOUND.code);
  });

  test("are not deleted while there are members", () => {
    const bench = new Bench();
    bench.settled("a", 0);
    const refused = Errors.NON_EMPTY_GROUP.code;
    expect(shares(bench, (groups, done) => groups.beginDeletion("g", done))).toBe(refused);
    expect(shares(bench, (groups, done) => groups.beginForgetting("g", new Set(), done))).toBe(refused);
  });

  test("of a deleted topic are forgotten, also when the broker was killed before that was written", () => {
    const bench = empty();
    const log = bench.log.length;
    bench.change("t", 0);
    bench.run(out => bench.shard.topicsDeleted(bench.now, new Set(["t"]), out));
    expect(initialized(bench)).toEqual([]);
    bench.log.length = log;
    bench.reload();
    expect(initialized(bench)).toEqual([]);
    expect(bench.log).toHaveLength(log + 1);
  });

  test("that an administrator sets begin there, at the group's first epoch", () => {
    const bench = new Bench();
    const topics = [{ topicId: uuid(0), name: "t", offsets: new Map([[1, 7]]) }];
    const what = shares(bench, (groups, done) => groups.alter("g", topics, done));
    const starts = [{ topicId: uuid(0), partitions: [1], startOffset: 7 }];
    expect(what).toEqual({ groupId: "g", stateEpoch: 1, topics: starts });
  });
});

describe("the assignment", () => {
  const topicsOf = (sizes: readonly number[]): Assignment =>
    new Map(sizes.map((size, i) => [uuid(i), new Set(Array.from({ length: size }, (_, p) => p))]));
  const flat = (assignment: Assignment | undefined) =>
    [...(assignment ?? [])].flatMap(([id, partitions]) => [...partitions].map(p => `${id}-${p}`));
  const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 });

  test("gives every partition a member and every member a partition, evenly, and moves nothing without need", () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), (given, count, later) => {
        const topics = topicsOf(given);
        const partitions = flat(topics);
        const topicIds = new Set(topics.keys());
        let assigned = new Map<string, Assignment>();
        for (const size of [count, later, later]) {
          const before = assigned;
          const members = Array.from({ length: size }, (_, i) => `m${i}`);
          assigned = assignShares(
            members.map(memberId => ({ memberId, topicIds, assigned: before.get(memberId) ?? new Map() })),
            topics,
          );
          const all = members.flatMap(memberId => flat(assigned.get(memberId)));
          expect(new Set(all)).toEqual(new Set(partitions));
          const loads = members.map(memberId => flat(assigned.get(memberId)).length);
          expect(Math.min(...loads), "everybody has something to do").toBeGreaterThan(0);
          const most = Math.ceil((Math.ceil(size / partitions.length) * partitions.length) / size);
          expect(Math.max(...loads)).toBeLessThanOrEqual(most);
          if (size === later && before.size === later) {
            for (const memberId of members) {
              expect(new Set(flat(assigned.get(memberId)))).toEqual(new Set(flat(before.get(memberId))));
            }
          }
        }
      }),
    );
  });

  test("gives nobody what he does not want, and each topic to somebody who does", () => {
    fc.assert(
      fc.property(sizes, fc.array(fc.subarray([0, 1, 2, 3], { minLength: 1 }), { minLength: 1 }), (given, wants) => {
        const topics = topicsOf(given);
        const members = wants.map((want, i) => ({
          memberId: `m${i}`,
          topicIds: new Set(want.map(uuid)),
          assigned: new Map(),
        }));
        const assigned = assignShares(members, topics);
        for (const { memberId, topicIds } of members) {
          for (const topicId of assigned.get(memberId)?.keys() ?? []) expect(topicIds.has(topicId)).toBe(true);
        }
        for (const [topicId, partitions] of topics) {
          if (!members.some(({ topicIds }) => topicIds.has(topicId))) continue;
          const had = members.flatMap(({ memberId }) => [...(assigned.get(memberId)?.get(topicId) ?? [])]);
          expect(new Set(had)).toEqual(partitions);
        }
      }),
    );
  });
});
