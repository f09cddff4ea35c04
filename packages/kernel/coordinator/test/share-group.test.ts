import type { Uuid } from "@samsa/base";
import { Errors, type ShareGroupHeartbeatRequest } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type GroupEffect, GroupShard, type Initialization } from "../src/index.ts";
import { type Assignment, assignShares } from "../src/share-group/assignor.ts";
import { config } from "./bench.ts";

const SESSION_MS = 45_000;
const RETRY_MS = 30_000;
const uuid = (n: number) => `AAAAAAAAAAAAAAAAAAAA${String.fromCharCode(65 + n)}A` as Uuid;

interface Reply {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  readonly assignment: { topicPartitions: { topicId: Uuid; partitions: number[] }[] } | null;
}

/** A shard with a log, and a share coordinator that initializes what it is asked to unless it is told otherwise. */
class Bench {
  now = 1_000_000;
  topics = new Map<string, { id: Uuid; partitions: number }>([["t", { id: uuid(0), partitions: 3 }]]);
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
      topic: name => this.topics.get(name),
    });
    return shard;
  }

  constructor() {
    this.shard.loaded(this.now, []);
  }

  settle(effects: GroupEffect[]): void {
    for (let next = effects.shift(); next !== undefined; next = effects.shift()) {
      if (next.type === "reply") this.replies.push(next.response as Reply);
      else if (next.type === "append") {
        for (const record of this.failing === 0 ? next.records : []) {
          this.log.push(record);
          this.shard.replay(this.now, record);
        }
        this.shard.appended(this.now, next.token, this.failing, effects);
      }
    }
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
    for (const what of this.shard.shares.takeInitializations()) {
      this.asked.push(what);
      if (this.initializes === "never") continue;
      this.run(out =>
        this.shard.forShares(this.now, out, shares => shares.initialized(what, this.initializes === "yes")),
      );
    }
    return this.replies[before];
  }

  /** Beats until nothing changes any more; what the member has then. */
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
    this.shard.loaded(this.now, []);
  }
}

const all = (count: number, topic = 0) => Array.from({ length: count }, (_, i) => `${uuid(topic)}-${i}`);

describe("members of a share group", () => {
  test("get partitions once their states are initialized", () => {
    const bench = new Bench();
    const joined = bench.beat("a", 0);
    expect(joined).toMatchObject({ errorCode: 0, memberEpoch: 1, heartbeatIntervalMs: 5000 });
    expect(joined.assignment, "nothing to assign yet").toEqual({ topicPartitions: [] });
    const topics = [{ topicId: uuid(0), partitions: [0, 1, 2], startOffset: -1 }];
    expect(bench.asked).toEqual([{ groupId: "g", stateEpoch: 1, topics }]);
    const next = bench.beat("a", 1);
    expect(next).toMatchObject({ memberEpoch: 2 });
    expect(next.assignment?.topicPartitions).toEqual([{ topicId: uuid(0), partitions: [0, 1, 2] }]);
    expect(bench.beat("a", 2).assignment, "said once").toBeNull();
    expect(bench.beat("a", 2, { subscribedTopicNames: ["t"] }).assignment, "or when asked").not.toBeNull();
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
    bench.topics.set("t", { id: uuid(0), partitions: 5 });
    expect(bench.settled("a", epoch).has).toEqual(all(5));
    expect(bench.asked.at(-1)?.topics).toEqual([{ topicId: uuid(0), partitions: [3, 4], startOffset: 0 }]);
  });

  test("lose the partitions of topics that are gone", () => {
    const bench = new Bench();
    const { epoch } = bench.settled("a", 0);
    bench.topics.clear();
    expect(bench.settled("a", epoch).has).toEqual([]);
  });

  test("change what they subscribe to", () => {
    const bench = new Bench();
    bench.topics.set("u", { id: uuid(1), partitions: 2 });
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
    const { memberEpoch } = bench.beat("a", 1);
    expect(bench.asked, "at once when it has failed").toHaveLength(2);
    bench.beat("a", memberEpoch);
    expect(bench.asked, "not while it is under way").toHaveLength(2);
    bench.pass(RETRY_MS);
    bench.initializes = "yes";
    expect(bench.settled("a", memberEpoch).has).toEqual(all(3));
    expect(bench.asked).toHaveLength(3);
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
    expect(bench.shard.shares.ids).toEqual(["g"]);
    bench.pass(SESSION_MS);
    expect(bench.shard.shares.view("g")?.members, "sessions count anew").toEqual([]);
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
