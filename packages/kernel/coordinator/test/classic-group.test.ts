import { describe, expect, test } from "vitest";
import type { GroupEffect, GroupRequest } from "../src/index.ts";
import { ClassicGroup } from "../src/classic/group.ts";
import { Bench, config, LATE, type Reply } from "./bench.ts";
import { heartbeat, leave } from "./classic-requests.ts";
import { parseRecord } from "./records.ts";

interface JoinOptions {
  readonly memberId?: string;
  readonly instance?: string;
  readonly rebalance?: number;
  readonly session?: number;
  readonly version?: number;
  readonly metadata?: string;
  readonly protocolType?: string;
  readonly clientId?: string;
}

function join(options: JoinOptions = {}): GroupRequest {
  return {
    type: "join",
    version: options.version ?? 9,
    client: { id: options.clientId ?? "c", host: "/127.0.0.1" },
    body: {
      groupId: "g",
      sessionTimeoutMs: options.session ?? 30_000,
      rebalanceTimeoutMs: options.rebalance ?? 20_000,
      memberId: options.memberId ?? "",
      groupInstanceId: options.instance ?? null,
      protocolType: options.protocolType ?? "test",
      protocols: [{ name: "range", metadata: Buffer.from(options.metadata ?? "m", "latin1") }],
      reason: null,
    },
  };
}

function sync(memberId: string, generationId: number, all: readonly string[] = []): GroupRequest {
  const assignments = all.map(id => ({ memberId: id, assignment: Buffer.from(`to ${id}`) }));
  const body = { groupId: "g", generationId, memberId, groupInstanceId: null, assignments };
  return { type: "sync", body: { ...body, protocolType: null, protocolName: null } };
}

function newId(bench: Bench, options: JoinOptions = {}): string {
  return bench.ask(join(options)).memberId;
}

/** Stable members of generation 1, the first of them leader. */
function stable(bench: Bench, count: number, options: JoinOptions = {}): string[] {
  const ids = Array.from({ length: count }, () => newId(bench, options));
  const tickets = ids.map(memberId => bench.send(join({ ...options, memberId })));
  bench.pass(3000);
  if (count > 1) bench.pass(3000);
  expect(bench.replies.get(tickets[0])).toMatchObject({ errorCode: 0, leader: ids[0] });
  const generation = bench.replies.get(tickets[0])?.generationId ?? -1;
  for (const id of ids.slice(1)) bench.send(sync(id, generation));
  expect(bench.ask(sync(ids[0], generation, ids)).errorCode).toBe(0);
  return ids;
}

/** ClassicGroup records in the log: generation and number of members, or null for a tombstone. */
function written(bench: Bench): (readonly [number, number] | null)[] {
  return bench.log.flatMap(({ key, value }) => {
    const record = parseRecord({ key, value });
    if (record.type !== "group") return [];
    return [record.value === null ? null : ([record.value.generation, record.value.members.length] as const)];
  });
}

const MEMBER = {
  instanceId: null,
  clientId: "c",
  clientHost: "/127.0.0.1",
  rebalanceTimeoutMs: 1000,
  sessionTimeoutMs: 1000,
  assignment: new Uint8Array(0),
  joining: undefined,
  syncing: undefined,
  isNew: false,
};

function cleanUp(bench: Bench): void {
  const out: GroupEffect[] = [];
  bench.shard.cleanUp(bench.now, out);
  bench.settle(out);
}

describe("a group that has been created", () => {
  test("by a join that is abandoned is written, and cleaned up", () => {
    const bench = new Bench();
    newId(bench);
    expect(written(bench)).toEqual([[0, 0]]);
    bench.pass(30_001);
    expect(bench.shard.nextDeadline()).toBe(Infinity);
    expect(bench.shard.list()).toMatchObject([{ groupId: "g", groupState: "Empty", protocolType: "" }]);
    cleanUp(bench);
    expect(bench.shard.list()).toEqual([]);
    expect(written(bench)).toEqual([[0, 0], null]);
    bench.reload();
    expect(bench.shard.list()).toEqual([]);
  });

  test("and cannot be written is gone, and its waiting members are told", () => {
    const bench = new Bench();
    bench.hold = true;
    const waiting = bench.send(join({ version: 3 }));
    expect(bench.replies.has(waiting)).toBe(false);
    const out: GroupEffect[] = [];
    bench.shard.appended(bench.now, bench.held[0], 15, out);
    bench.settle(out);
    expect(bench.replies.get(waiting)).toMatchObject({ errorCode: 15, memberId: "" });
    expect(bench.shard.list()).toEqual([]);
    expect(bench.shard.nextDeadline()).toBe(Infinity);
    expect(bench.warnings).toHaveLength(1);
  });

  test("and is not committed in time stays, and its waiting members are told", () => {
    const bench = new Bench();
    bench.failing = LATE;
    expect(bench.ask(join({ version: 3 }))).toMatchObject({ errorCode: 15, memberId: "" });
    bench.failing = 0;
    expect(bench.warnings).toHaveLength(1);
    expect(bench.shard.typeOf("g")).toBe("classic");
    bench.pass(config.initialRebalanceDelayMs);
    bench.reload();
    expect(bench.shard.list()).toMatchObject([{ groupId: "g", groupState: "Empty" }]);
  });

  test("is written once for each step of a member that joins, syncs and leaves", () => {
    const bench = new Bench();
    const [a] = stable(bench, 1);
    leave(bench, a);
    expect(written(bench)).toEqual([
      [0, 0],
      [1, 1],
      [2, 0],
    ]);
  });

  test("may be deleted while ids are pending", () => {
    const bench = new Bench();
    const pending = newId(bench);
    const codes: number[] = [];
    const out: GroupEffect[] = [];
    bench.shard.delete(bench.now, "g", out, code => codes.push(code));
    bench.settle(out);
    expect(codes).toEqual([0]);
    expect(bench.ask(join({ memberId: pending })).errorCode).toBe(25);
    expect(bench.shard.nextDeadline()).toBe(Infinity);
  });
});

describe("rebalance timeouts", () => {
  test.each([0, -1, -2147483648])("%d: a rebalance waits a millisecond for the others", rebalance => {
    const bench = new Bench();
    const [a, b] = stable(bench, 2, { rebalance: 20_000 });
    const low = [a, b].map(memberId => bench.send(join({ memberId, rebalance, metadata: "n" })));
    expect(low.map(ticket => bench.replies.get(ticket)?.generationId)).toEqual([2, 2]);
    const again = bench.send(join({ memberId: a, rebalance, metadata: "o" }));
    expect(bench.replies.has(again)).toBe(false);
    bench.pass(1);
    expect(bench.replies.get(again)).toMatchObject({ errorCode: 0, generationId: 3 });
    expect(heartbeat(bench, b, 2)).toBe(25);
    bench.pass(1);
    expect(heartbeat(bench, a, 3)).toBe(25);
  });

  test("of 0 with a static member that is away does not hold up a tick", () => {
    const bench = new Bench();
    const joined = bench.send(join({ instance: "i", session: 300_000 }));
    bench.pass(3000);
    const { memberId } = bench.replies.get(joined) as Reply;
    bench.ask({ ...sync(memberId, 1, [memberId]) });
    const { memberId: again } = bench.ask(join({ instance: "i", session: 300_000, rebalance: 0 }));
    expect(heartbeat(bench, again, 1)).toBe(0);
    const other = newId(bench, { session: 300_000 });
    bench.send(join({ memberId: other, session: 300_000, rebalance: 0 }));
    let ticks = 0;
    while (bench.shard.nextDeadline() <= bench.now + 10 && ticks < 100) {
      bench.now = Math.max(bench.now, bench.shard.nextDeadline());
      const out: GroupEffect[] = [];
      bench.shard.tick(bench.now, out);
      bench.settle(out);
      ticks++;
    }
    expect(ticks).toBeLessThanOrEqual(12);
  });
});

describe("the initial delay", () => {
  test("counts from Empty, not from the first generation", () => {
    const bench = new Bench();
    const [a] = stable(bench, 1);
    leave(bench, a);
    const b = bench.send(join({ memberId: newId(bench) }));
    bench.pass(1000);
    const c = bench.send(join({ memberId: newId(bench) }));
    bench.pass(1999);
    expect(bench.replies.has(b)).toBe(false);
    bench.pass(1);
    const d = bench.send(join({ memberId: newId(bench) }));
    bench.pass(6000);
    expect(bench.replies.get(b)).toMatchObject({ errorCode: 0, generationId: 3 });
    expect(bench.replies.get(b)?.members).toHaveLength(3);
    expect([c, d].every(ticket => bench.replies.get(ticket)?.generationId === 3)).toBe(true);
  });
});

describe("a pending member", () => {
  test("that is abandoned does not rebalance a stable group", () => {
    const bench = new Bench();
    const [a] = stable(bench, 1);
    newId(bench, { session: 6000 });
    bench.pass(7000);
    expect(heartbeat(bench, a, 1)).toBe(0);
    bench.pass(7000);
    expect(heartbeat(bench, a, 1)).toBe(0);
  });

  test("that leaves a stable group makes it rebalance, as in Kafka", () => {
    const bench = new Bench();
    const [a] = stable(bench, 1);
    expect(leave(bench, newId(bench)).members).toMatchObject([{ errorCode: 0 }]);
    expect(heartbeat(bench, a, 1)).toBe(27);
  });

  test("that is abandoned ends a join phase that waits for it only", () => {
    const bench = new Bench();
    const [a] = stable(bench, 1);
    newId(bench, { session: 6000 });
    const again = bench.send(join({ memberId: a, metadata: "n" }));
    bench.pass(5999);
    expect(bench.replies.has(again)).toBe(false);
    bench.pass(1);
    expect(bench.replies.get(again)).toMatchObject({ errorCode: 0, generationId: 2 });
  });

  test("is still pending when a generation begins without it", () => {
    const bench = new Bench();
    const a = newId(bench);
    const joined = bench.send(join({ memberId: a }));
    const b = newId(bench);
    bench.pass(3000);
    expect(bench.replies.get(joined)).toMatchObject({ errorCode: 0, generationId: 1 });
    const late = bench.send(join({ memberId: b }));
    expect(bench.replies.has(late)).toBe(false);
    expect(heartbeat(bench, a, 1)).toBe(27);
  });
});

describe("members that do not answer", () => {
  test("a member that never syncs is removed from a stable group", () => {
    const bench = new Bench();
    const [a, b] = [newId(bench), newId(bench)];
    const joins = [a, b].map(memberId => bench.send(join({ memberId, rebalance: 5000 })));
    bench.pass(5000);
    expect(bench.replies.get(joins[0])).toMatchObject({ generationId: 1, leader: a });
    expect(bench.ask(sync(a, 1, [a, b])).errorCode).toBe(0);
    bench.pass(2500);
    expect([a, b].map(id => heartbeat(bench, id, 1))).toEqual([0, 0]);
    bench.pass(2500);
    expect(heartbeat(bench, a, 1)).toBe(27);
    expect(heartbeat(bench, b, 1)).toBe(25);
  });

  test("a sync in a stable group counts, and does not renew the session", () => {
    const bench = new Bench();
    const [a, b] = [newId(bench), newId(bench)];
    for (const memberId of [a, b]) bench.send(join({ memberId, rebalance: 5000, session: 9000 }));
    bench.pass(5000);
    bench.ask(sync(a, 1, [a, b]));
    bench.pass(4000);
    expect(bench.ask(sync(b, 1)).errorCode).toBe(0);
    expect(heartbeat(bench, a, 1)).toBe(0);
    bench.pass(5000);
    expect(heartbeat(bench, b, 1)).toBe(25);
    expect(heartbeat(bench, a, 1)).toBe(27);
  });

  test("a new member that waits for longer than five minutes is removed", () => {
    const bench = new Bench();
    stable(bench, 1, { rebalance: 1_000_000, session: 1_000_000 });
    const waiting = bench.send(join({ version: 3, rebalance: 1_000_000, session: 1_000_000 }));
    bench.pass(299_999);
    expect(bench.replies.has(waiting)).toBe(false);
    bench.pass(1);
    expect(bench.replies.get(waiting)).toMatchObject({ errorCode: 25, memberId: "" });
  });
});

describe("replies and records", () => {
  test("the answer to the last member that leaves follows the record", () => {
    const bench = new Bench();
    const [a] = stable(bench, 1);
    bench.hold = true;
    const members = [{ memberId: a, groupInstanceId: null, reason: null }];
    const left = bench.send({ type: "leave", version: 5, body: { groupId: "g", memberId: "", members } });
    expect(bench.replies.has(left)).toBe(false);
    const out: GroupEffect[] = [];
    bench.shard.appended(bench.now, bench.held[0], 15, out);
    bench.settle(out);
    expect(bench.replies.get(left)).toMatchObject({ errorCode: 15, members: [] });
    expect(bench.warnings).toHaveLength(1);
  });

  test("a static member keeps the client id and host of its first join", () => {
    const bench = new Bench();
    const joined = bench.send(join({ instance: "i", clientId: "first" }));
    bench.pass(3000);
    const { memberId } = bench.replies.get(joined) as Reply;
    bench.ask(sync(memberId, 1, [memberId]));
    bench.ask(join({ instance: "i", clientId: "second" }));
    expect(bench.shard.view("g")?.members.map(member => member.clientId)).toEqual(["first"]);
  });

  test("a group above the size that is allowed now rebalances when it is loaded", () => {
    const bench = new Bench();
    const ids = stable(bench, 3);
    bench.maxSize = 2;
    bench.reload();
    expect(heartbeat(bench, ids[0], 1)).toBe(27);
    const joins = ids.map(memberId => bench.send(join({ memberId })));
    expect(bench.replies.get(joins[2])).toMatchObject({ errorCode: 81, memberId: "" });
    bench.pass(20_000);
    expect(bench.replies.get(joins[0])).toMatchObject({ errorCode: 0, generationId: 2 });
  });
});

test("the protocol that most prefer is chosen, of equals the first in a HashMap of Java", () => {
  const chosen = (...preferences: readonly (readonly string[])[]): string | null => {
    const group = new ClassicGroup("g", { state: "Empty", stateTimestamp: 0 });
    preferences.forEach((names, i) => {
      const id = `member ${i}`;
      const protocols = names.map(name => ({ name, metadata: new Uint8Array(0) }));
      group.add({ ...MEMBER, id, protocols }, "consumer");
    });
    return group.selectProtocol();
  };
  const pairs = ["a", "b", "sticky", "range", "roundrobin", "cooperative-sticky"];
  for (const [i, first] of pairs.entries()) {
    for (const second of pairs.slice(i + 1)) {
      expect(chosen([first, second], [second, first])).toBe(first);
      expect(chosen([second, first], [first, second])).toBe(first);
      expect(chosen([first, second], [second, first], [second, first])).toBe(second);
    }
  }
  // A Java `HashMap` with more than twelve names has a larger table.
  const many = Array.from({ length: 40 }, (_, i) => `protocol-${i}`);
  expect(chosen(...many.map((_, i) => [...many.slice(i), ...many.slice(0, i)]))).toBe("protocol-25");
});

/** Partition error codes of deleting the offsets of `t` and `u`. */
function deletion(bench: Bench): number[] {
  const topics = ["t", "u"].map(name => ({ name, partitions: [{ partitionIndex: 0 }] }));
  const codes: number[] = [];
  const out: GroupEffect[] = [];
  bench.shard.deleteOffsets(bench.now, { groupId: "g", topics }, out, (_, results) => {
    codes.push(...results.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode)));
  });
  bench.settle(out);
  return codes;
}

describe("what a consumer subscribes to", () => {
  const SUBSCRIBED = 86;
  const topicT = "\0\0\0\x01\0\x01t";
  test.each([
    ["version 0", `\0\0${topicT}\xff\xff\xff\xff`, [SUBSCRIBED, 0]],
    ["a negative version", `\xef\x53${topicT}\xff\xff\xff\xff`, [SUBSCRIBED, 0]],
    ["a later version", `\x7f\xff${topicT}\xff\xff\xff\xffmore`, [SUBSCRIBED, 0]],
    ["a list cut short", "\0\0\0\0\0\x02", [SUBSCRIBED, SUBSCRIBED]],
    ["nothing", "", [SUBSCRIBED, SUBSCRIBED]],
  ])("is read as version 0 whatever it says: %s", (_, metadata, expected) => {
    const bench = new Bench();
    stable(bench, 1, { metadata, protocolType: "consumer" });
    expect(deletion(bench)).toEqual(expected);
  });
});

describe("notes for an operator", () => {
  const reasons = (bench: Bench): unknown[] =>
    (bench.notes as { message: string; reason?: string }[]).map(({ message, reason }) => reason ?? message);

  test("say why a group rebalances, and when it is stable", () => {
    const bench = new Bench();
    const [leader, other] = stable(bench, 2);
    expect(bench.notes).toEqual([
      { message: "a group rebalances", group: "g", generation: 0, members: 1, reason: `member ${leader} joins` },
      { message: "a group is stable", group: "g", generation: 1, members: 2 },
    ]);
    bench.notes.length = 0;
    bench.send(join({ memberId: leader }));
    leave(bench, other);
    expect(reasons(bench)).toEqual([`member ${leader} asks for a new assignment`]);
    bench.pass(1);
    bench.ask(sync(leader, 2, [leader]));
    leave(bench, leader);
    expect(reasons(bench).slice(1)).toEqual(["a group is stable", "members have left"]);
  });

  test("say which session has expired", () => {
    const bench = new Bench();
    const [first] = stable(bench, 1, { session: 10_000 });
    bench.notes.length = 0;
    bench.pass(10_001);
    expect(reasons(bench)).toEqual([`the session of member ${first} has expired`]);
  });
});
