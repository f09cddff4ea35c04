import { describe, expect, test } from "vitest";
import type { GroupEffect, GroupRequest } from "../src/index.ts";
import { Bench, config, type Reply } from "./bench.ts";

interface JoinOptions {
  readonly memberId?: string;
  readonly instance?: string;
  readonly metadata?: string;
  readonly version?: number;
  readonly protocols?: readonly string[];
  readonly session?: number;
  readonly protocolType?: string;
}

function join(options: JoinOptions = {}): GroupRequest {
  const metadata = Buffer.from(options.metadata ?? "m");
  return {
    type: "join",
    version: options.version ?? 9,
    client: { id: "c", host: "/127.0.0.1" },
    body: {
      groupId: "g",
      sessionTimeoutMs: options.session ?? 10_000,
      rebalanceTimeoutMs: 20_000,
      memberId: options.memberId ?? "",
      groupInstanceId: options.instance ?? null,
      protocolType: options.protocolType ?? "test",
      protocols: (options.protocols ?? ["range"]).map(name => ({ name, metadata })),
      reason: null,
    },
  };
}

function sync(memberId: string, generationId: number, assignments: Record<string, string> = {}): GroupRequest {
  return {
    type: "sync",
    body: {
      groupId: "g",
      generationId,
      memberId,
      groupInstanceId: null,
      protocolType: "test",
      protocolName: "range",
      assignments: Object.entries(assignments).map(([id, text]) => ({ memberId: id, assignment: Buffer.from(text) })),
    },
  };
}

function heartbeat(memberId: string, generationId: number, instance: string | null = null): GroupRequest {
  return { type: "heartbeat", body: { groupId: "g", memberId, generationId, groupInstanceId: instance } };
}

function commit(memberId: string, generation: number, offset: number, metadata: string | null = ""): GroupRequest {
  return {
    type: "commit",
    version: 8,
    body: {
      groupId: "g",
      generationIdOrMemberEpoch: generation,
      memberId,
      groupInstanceId: null,
      retentionTimeMs: -1,
      topics: [
        {
          name: "t",
          topicId: "AAAAAAAAAAAAAAAAAAAAAA" as never,
          partitions: [
            { partitionIndex: 0, committedOffset: offset, committedLeaderEpoch: 3, committedMetadata: metadata },
          ],
        },
      ],
    },
  };
}

function leave(memberId: string, instance: string | null = null): GroupRequest {
  const members = [{ memberId, groupInstanceId: instance, reason: null }];
  return { type: "leave", version: 5, body: { groupId: "g", memberId: "", members } };
}

/** Member id of a new member, from a MEMBER_ID_REQUIRED response. */
function newId(bench: Bench): string {
  const reply = bench.ask(join());
  expect(reply.errorCode).toBe(79);
  return reply.memberId;
}

/** A stable group of `count` members, the first of them leader. */
function stable(bench: Bench, count: number): string[] {
  const ids = Array.from({ length: count }, () => newId(bench));
  const tickets = ids.map(memberId => bench.send(join({ memberId })));
  bench.pass(6000);
  const generation = bench.replies.get(tickets[0])?.generationId ?? -1;
  const assignments = Object.fromEntries(ids.map(id => [id, `to ${id}`]));
  for (const id of ids.slice(1)) bench.send(sync(id, generation));
  bench.send(sync(ids[0], generation, assignments));
  expect(bench.shard.view("g")?.state).toBe("Stable");
  return ids;
}

function firstOffset(bench: Bench): number {
  const topics = bench.shard.committed.fetch(
    "g",
    [{ name: "t", topicId: "AAAAAAAAAAAAAAAAAAAAAA" as never, partitionIndexes: [0] }],
    false,
  );
  return Number(topics[0].partitions[0].committedOffset);
}

describe("a round", () => {
  test("new members get an id first, then all join, sync and are stable", () => {
    const bench = new Bench();
    const [a, b] = [newId(bench), newId(bench)];
    const joins = [bench.send(join({ memberId: a })), bench.send(join({ memberId: b, metadata: "n" }))];
    expect(bench.replies.has(joins[0])).toBe(false);
    bench.pass(6000);
    const [leader, follower] = joins.map(ticket => bench.replies.get(ticket) as Reply);
    expect(leader).toMatchObject({ errorCode: 0, generationId: 1, leader: a, memberId: a, protocolName: "range" });
    expect(leader.members).toHaveLength(2);
    expect(follower).toMatchObject({ errorCode: 0, generationId: 1, leader: a, members: [] });
    const waiting = bench.send(sync(b, 1));
    expect(bench.replies.has(waiting)).toBe(false);
    expect(bench.ask(sync(a, 1, { [a]: "x", [b]: "y" })).assignment).toEqual(Uint8Array.of(120));
    expect(Buffer.from(bench.replies.get(waiting)?.assignment as Uint8Array).toString()).toBe("y");
    expect(bench.ask(heartbeat(b, 1)).errorCode).toBe(0);
  });

  test("a newcomer makes everyone rejoin; who does not is out", () => {
    const bench = new Bench();
    const [a, b] = stable(bench, 2);
    const c = newId(bench);
    const joined = bench.send(join({ memberId: c }));
    expect(bench.ask(heartbeat(a, 1)).errorCode).toBe(27);
    expect(bench.ask(sync(a, 1)).errorCode).toBe(27);
    const again = bench.send(join({ memberId: a }));
    for (let i = 0; i < 4; i++) {
      bench.pass(5000);
      bench.send(heartbeat(b, 1));
    }
    bench.pass(1);
    expect(bench.replies.get(joined)).toMatchObject({ errorCode: 0, generationId: 2 });
    expect(bench.replies.get(again)).toMatchObject({ leader: a });
    expect(bench.ask(heartbeat(b, 1)).errorCode).toBe(25);
  });

  test("the leader's assignment that cannot be written begins another round", () => {
    const bench = new Bench();
    const id = newId(bench);
    const joined = bench.send(join({ memberId: id }));
    bench.pass(3000);
    expect(bench.replies.get(joined)?.generationId).toBe(1);
    bench.failing = 16;
    expect(bench.ask(sync(id, 1, { [id]: "x" })).errorCode).toBe(16);
    expect(bench.shard.view("g")?.state).toBe("PreparingRebalance");
  });

  test("an assignment is given out only once it is written", () => {
    const bench = new Bench();
    const id = newId(bench);
    bench.send(join({ memberId: id }));
    bench.pass(3000);
    bench.hold = true;
    const ticket = bench.send(sync(id, 1, { [id]: "x" }));
    expect(bench.replies.has(ticket)).toBe(false);
    const out: GroupEffect[] = [];
    bench.shard.appended(bench.now, bench.held[0], 0, out);
    bench.settle(out);
    expect(bench.replies.get(ticket)?.errorCode).toBe(0);
  });

  test("a member that joins and never syncs is put out", () => {
    const bench = new Bench();
    const [a, b] = [newId(bench), newId(bench)];
    bench.send(join({ memberId: a }));
    bench.send(join({ memberId: b }));
    bench.pass(6000);
    const waiting = bench.send(sync(b, 1));
    for (let i = 0; i < 5; i++) {
      bench.send(heartbeat(a, 1));
      bench.pass(4500);
    }
    expect(bench.replies.get(waiting)?.errorCode).toBe(27);
    expect(bench.shard.view("g")?.members.map(m => m.id)).toEqual([b]);
  });
});

describe("sessions", () => {
  test("a silent member expires, one that is heard of does not", () => {
    const bench = new Bench();
    const [a, b] = stable(bench, 2);
    for (let i = 0; i < 3; i++) {
      bench.pass(6000);
      bench.send(heartbeat(a, 1));
    }
    expect(bench.shard.view("g")?.members.map(m => m.id)).toEqual([a]);
    expect(bench.ask(heartbeat(b, 1)).errorCode).toBe(25);
  });

  test("an id that was handed out and never used expires", () => {
    const bench = new Bench();
    const [a] = stable(bench, 1);
    newId(bench);
    const again = bench.send(join({ memberId: a }));
    expect(bench.replies.has(again), "the one who has an id is waited for").toBe(false);
    bench.pass(10_000);
    expect(bench.replies.get(again)?.errorCode).toBe(0);
  });

  test("the wall clock says how old an offset is, and ends no session", () => {
    const bench = new Bench();
    const [a] = stable(bench, 1);
    bench.ask(commit(a, 1, 5));
    bench.shard.wallAhead += config.offsetsRetentionMs;
    bench.pass(1000);
    expect(bench.ask(heartbeat(a, 1)).errorCode).toBe(0);
    bench.ask(leave(a));
    bench.shard.wallAhead += config.offsetsRetentionMs;
    const out: GroupEffect[] = [];
    bench.shard.cleanUp(bench.now, out);
    bench.settle(out);
    expect(bench.shard.view("g")).toBeUndefined();
  });

  test("the last one out leaves an empty group, which expires when it has no offsets", () => {
    const bench = new Bench();
    const [a] = stable(bench, 1);
    expect(bench.ask(leave(a)).members).toEqual([{ memberId: a, groupInstanceId: null, errorCode: 0 }]);
    expect(bench.shard.view("g")?.state).toBe("Empty");
    const out: GroupEffect[] = [];
    bench.shard.cleanUp(bench.now, out);
    bench.settle(out);
    expect(bench.shard.view("g")).toBeUndefined();
  });
});

test.each([
  ["no group id", { ...join(), body: { ...(join() as { body: object }).body, groupId: "" } } as GroupRequest, 24],
  ["a session too short", join({ session: 5999 }), 26],
  ["a session too long", join({ session: 1_800_001 }), 26],
  ["an id from nowhere", join({ memberId: "x" }), 25],
  ["a heartbeat without a group", heartbeat("x", 1), 25],
  ["a sync without a group", sync("x", 1), 25],
])("%s is refused", (_, request, code) => {
  const bench = new Bench();
  expect(bench.ask(request).errorCode).toBe(code);
  expect(bench.shard.list()).toEqual([]);
});

test.each([
  ["no protocols", join({ protocols: [] })],
  ["no protocol type", join({ protocolType: "" })],
])("%s is refused, and leaves a group that is empty, as Kafka does", (_, request) => {
  const bench = new Bench();
  expect(bench.ask(request)).toMatchObject({ errorCode: 23, memberId: "" });
  expect(bench.shard.list()).toMatchObject([{ groupId: "g", groupState: "Empty" }]);
});

test("what does not fit a stable group is refused", () => {
  const bench = new Bench();
  const [a] = stable(bench, 3);
  expect(bench.ask(join({ protocols: ["other"] })).errorCode).toBe(81);
  expect(bench.ask(heartbeat(a, 9)).errorCode).toBe(22);
  expect(bench.ask(sync(a, 9)).errorCode).toBe(22);
  expect(bench.ask(leave("nobody")).members).toMatchObject([{ errorCode: 25 }]);
  const small = new Bench();
  stable(small, 1);
  expect(small.ask(join({ protocols: ["other"] })).errorCode).toBe(23);
  expect(small.ask(join({ protocolType: "connect" })).errorCode).toBe(23);
});

describe("static members", () => {
  function stableStatic(bench: Bench): string {
    const ticket = bench.send(join({ instance: "i" }));
    bench.pass(3000);
    const { memberId } = bench.replies.get(ticket) as Reply;
    bench.send({ ...sync(memberId, 1, { [memberId]: "x" }) });
    return memberId;
  }

  test("the same instance comes back under a new id, without a round, and the old id is fenced", () => {
    const bench = new Bench();
    const old = stableStatic(bench);
    const reply = bench.ask(join({ instance: "i" }));
    expect(reply).toMatchObject({ errorCode: 0, generationId: 1, skipAssignment: true, leader: reply.memberId });
    expect(reply.memberId).not.toBe(old);
    expect(bench.ask(heartbeat(old, 1, "i")).errorCode).toBe(82);
    expect(bench.ask(heartbeat(reply.memberId, 1, "i")).errorCode).toBe(0);
    bench.reload();
    expect(bench.ask(heartbeat(reply.memberId, 1, "i")).errorCode).toBe(0);
  });

  test("a replacement that cannot be written is taken back", () => {
    const bench = new Bench();
    const old = stableStatic(bench);
    bench.failing = 15;
    expect(bench.ask(join({ instance: "i" })).errorCode).toBe(15);
    bench.failing = 0;
    expect(bench.ask(heartbeat(old, 1, "i")).errorCode).toBe(0);
  });

  test("an administrator removes it by its instance", () => {
    const bench = new Bench();
    stableStatic(bench);
    expect(bench.ask(leave("", "i")).members).toMatchObject([{ errorCode: 0 }]);
    expect(bench.shard.view("g")?.state).toBe("Empty");
  });
});

describe("offsets", () => {
  test("a member commits in its generation, and nobody else", () => {
    const bench = new Bench();
    const [a] = stable(bench, 1);
    const codes = (reply: Reply) =>
      (reply.topics as { partitions: { errorCode: number }[] }[])[0].partitions[0].errorCode;
    expect(codes(bench.ask(commit(a, 1, 42)))).toBe(0);
    expect(firstOffset(bench)).toBe(42);
    expect(codes(bench.ask(commit(a, 0, 43)))).toBe(22);
    expect(codes(bench.ask(commit("x", 1, 43)))).toBe(25);
    expect(codes(bench.ask(commit("", -1, 43)))).toBe(25);
    expect(codes(bench.ask(commit(a, 1, 43, "x".repeat(17))))).toBe(12);
    bench.failing = 15;
    expect(codes(bench.ask(commit(a, 1, 44)))).toBe(15);
    expect(firstOffset(bench)).toBe(42);
  });

  test("a group of offsets only: commit, reload, expire, gone", () => {
    const bench = new Bench();
    bench.ask(commit("", -1, 7, null));
    bench.reload();
    expect(firstOffset(bench)).toBe(7);
    for (const [wait, left] of [
      [999_000, 7],
      [2000, -1],
    ] as const) {
      bench.pass(wait);
      const out: GroupEffect[] = [];
      bench.shard.cleanUp(bench.now, out);
      bench.settle(out);
      expect(firstOffset(bench)).toBe(left);
    }
    expect(bench.shard.list()).toEqual([]);
    bench.reload();
    expect(bench.shard.list()).toEqual([]);
  });

  test("a reloaded group keeps its members, generation and offsets", () => {
    const bench = new Bench();
    const [a, b] = stable(bench, 2);
    bench.ask(commit(b, 1, 5));
    bench.reload();
    expect(bench.shard.view("g")?.state).toBe("Stable");
    expect(bench.ask(heartbeat(a, 1)).errorCode).toBe(0);
    expect(Buffer.from(bench.ask(sync(b, 1)).assignment as Uint8Array).toString()).toBe(`to ${b}`);
    expect(firstOffset(bench)).toBe(5);
    const out: GroupEffect[] = [];
    bench.topic("t", 1);
    bench.topic("t", 0);
    bench.shard.topicsDeleted(bench.now, new Set(["t"]), out);
    bench.settle(out);
    expect(firstOffset(bench)).toBe(-1);
  });

  test("only an empty group is deleted", () => {
    const bench = new Bench();
    const [a] = stable(bench, 1);
    const codes: number[] = [];
    const remove = (id: string) => {
      const out: GroupEffect[] = [];
      bench.shard.delete(bench.now, id, out, code => codes.push(code));
      bench.settle(out);
    };
    remove("g");
    remove("nobody");
    bench.ask(commit(a, 1, 5));
    bench.ask(leave(a));
    remove("g");
    expect(codes).toEqual([68, 69, 0]);
    bench.reload();
    expect(bench.shard.list()).toEqual([]);
  });
});

test("losing the partition answers everyone who waits", () => {
  const bench = new Bench();
  const id = newId(bench);
  const ticket = bench.send(join({ memberId: id }));
  const out: GroupEffect[] = [];
  bench.shard.unload(bench.now, 16, out);
  bench.settle(out);
  expect(bench.replies.get(ticket)?.errorCode).toBe(16);
});
