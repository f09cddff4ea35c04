import { ByteReader, ByteWriter, ZERO_UUID } from "@samsa/base";
import { consumerProtocolAssignment, consumerProtocolSubscription } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import type { GroupRequest } from "../src/index.ts";
import { Bench, config, LATE, type Reply } from "./bench.ts";
import { heartbeat, leave } from "./classic-requests.ts";
import { ask } from "./consumer-requests.ts";

const REJOIN = 27;

function subscription(
  topics: readonly string[],
  owned: readonly number[] = [],
  userData: Uint8Array | null = null,
): Uint8Array {
  const writer = new ByteWriter();
  writer.i16(1);
  const ownedPartitions = owned.length === 0 ? [] : [{ topic: "t", partitions: [...owned] }];
  consumerProtocolSubscription.encode(writer, { topics: [...topics], userData, ownedPartitions }, 1);
  return writer.finish();
}

function assignment(partitions: readonly number[], userData: Uint8Array | null = null): Uint8Array {
  const writer = new ByteWriter();
  writer.i16(1);
  consumerProtocolAssignment.encode(
    writer,
    { assignedPartitions: [{ topic: "t", partitions: [...partitions] }], userData },
    1,
  );
  return writer.finish();
}

function partitionsOf(reply: Reply): number[] {
  const reader = new ByteReader(reply.assignment as Uint8Array);
  const { assignedPartitions } = consumerProtocolAssignment.decode(reader, reader.i16());
  return assignedPartitions.flatMap(({ partitions }) => partitions);
}

function join(
  memberId: string,
  owned: readonly number[] = [],
  protocolType = "consumer",
  instance: string | null = null,
): GroupRequest {
  return {
    type: "join",
    version: 9,
    client: { id: "c", host: "/127.0.0.1" },
    body: {
      groupId: "g",
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 20_000,
      memberId,
      groupInstanceId: instance,
      protocolType,
      protocols: [{ name: "range", metadata: subscription(["t"], owned) }],
      reason: null,
    },
  };
}

function sync(
  memberId: string,
  generationId: number,
  assignments: { memberId: string; assignment: Uint8Array }[] = [],
): GroupRequest {
  const body = {
    groupId: "g",
    generationId,
    memberId,
    groupInstanceId: null,
    protocolType: "consumer",
    protocolName: "range",
  };
  return { type: "sync", body: { ...body, assignments } };
}

/** A stable classic group of one member that has four partitions. */
function classic(bench: Bench, userData: Uint8Array | null = null): string {
  const { memberId } = bench.ask(join(""));
  const ticket = bench.send(join(memberId));
  bench.pass(6000);
  const generation = bench.replies.get(ticket)?.generationId ?? -1;
  bench.ask(sync(memberId, generation, [{ memberId, assignment: assignment([0, 1, 2, 3], userData) }]));
  expect(bench.shard.view("g")).toMatchObject({ state: "Stable" });
  return memberId;
}

const joining = { memberId: "n", rebalanceTimeoutMs: 10_000, topicPartitions: [], subscribedTopicNames: ["t"] };
const count = (answer: ReturnType<typeof ask>): number =>
  answer.assignment?.topicPartitions.flatMap(({ partitions }) => partitions).length ?? 0;

/** Group of a classic member and a member of the consumer protocol, with two partitions each. */
function mixed(bench: Bench): { readonly old: string; readonly epoch: number } {
  bench.topic("t", 4);
  const old = classic(bench);
  expect(ask(bench, joining)).toMatchObject({ errorCode: 0, memberEpoch: 2 });
  expect(bench.shard.list()).toMatchObject([{ groupType: "consumer", groupState: "Reconciling" }]);
  expect(heartbeat(bench, old, 1)).toBe(REJOIN);
  // The classic member reports its partitions, must revoke half of them, and rejoins after that.
  const asked = bench.ask(join(old, [0, 1, 2, 3]));
  expect(asked).toMatchObject({ errorCode: 0, generationId: 1, protocolName: "range", memberId: old });
  const kept = partitionsOf(bench.ask(sync(old, 1)));
  expect(kept).toHaveLength(2);
  expect(heartbeat(bench, old, 1)).toBe(REJOIN);
  expect(bench.ask(join(old, kept))).toMatchObject({ errorCode: 0, generationId: 2 });
  expect(partitionsOf(bench.ask(sync(old, 2)))).toEqual(kept);
  expect(heartbeat(bench, old, 2)).toBe(0);
  expect(count(ask(bench, { memberId: "n", memberEpoch: 2 }))).toBe(2);
  expect(bench.shard.list()).toMatchObject([{ groupState: "Stable" }]);
  return { old, epoch: 2 };
}

describe("from classic to consumer", () => {
  test("succeeds if all classic members have left before the first generation", () => {
    const bench = new Bench();
    bench.topic("t", 2);
    const { memberId } = bench.ask(join(""));
    bench.send(join(memberId));
    leave(bench, memberId);
    expect(ask(bench, { subscribedTopicNames: ["t"], rebalanceTimeoutMs: 20_000, topicPartitions: [] }).errorCode).toBe(
      0,
    );
    bench.pass(60_000);
    expect(bench.shard.typeOf("g")).toBe("consumer");
  });

  test("a member of the new protocol takes the group along, and partitions move one by one", () => {
    const bench = new Bench();
    const { old } = mixed(bench);
    const before = bench.shard.consumerView("g");
    bench.reload();
    expect(bench.shard.consumerView("g")).toEqual(before);
    expect(heartbeat(bench, old, 2)).toBe(0);
    expect(before).toMatchObject({ members: [{ memberType: 0 }, { memberType: 1 }] });
  });

  test("a conversion that cannot be written leaves the group as it is, with its sessions", () => {
    const bench = new Bench();
    bench.topic("t", 4);
    const old = classic(bench);
    bench.failing = 15;
    expect(ask(bench, joining).errorCode).toBe(15);
    bench.failing = 0;
    expect(bench.shard.view("g")).toMatchObject({ state: "Stable", members: [{ id: old }] });
    bench.pass(60_000);
    expect(bench.shard.view("g")).toMatchObject({ state: "Empty", members: [] });
    expect(ask(bench, joining)).toMatchObject({ errorCode: 0 });
  });

  test("a classic member joins, syncs, is checked, and is out when it is silent", () => {
    const bench = new Bench();
    const { old } = mixed(bench);
    const { memberId } = bench.ask(join(""));
    expect(bench.ask(join(""))).toMatchObject({ errorCode: 79 });
    bench.pass(1000);
    expect(bench.ask(join(memberId))).toMatchObject({ errorCode: 0, generationId: 3 });
    expect(bench.ask(join(memberId, [], "connect")).errorCode).toBe(23);
    const codes = [sync("x", 3), sync("n", 3), sync(memberId, 2), sync(memberId, 3)].map(r => bench.ask(r).errorCode);
    expect(codes).toEqual([25, 25, 22, 0]);
    expect([heartbeat(bench, "x", 3), heartbeat(bench, memberId, 9), heartbeat(bench, memberId, 3)]).toEqual([
      25, 22, 0,
    ]);
    expect(heartbeat(bench, old, 2)).toBe(REJOIN);
    bench.pass(10_001);
    ask(bench, { memberId: "n", memberEpoch: 2 });
    expect([heartbeat(bench, memberId, 3), heartbeat(bench, old, 2)]).toEqual([25, 25]);
  });

  test.each([
    ["protocol", (bench: Bench) => bench.ask(join("", [], "connect")), "does not use the consumer embedded protocol"],
    ["assignor", (bench: Bench) => classic(bench, Uint8Array.of(1)), "an unsupported custom assignor is in use"],
  ])("it stays as it is for its %s", (_, begin, why) => {
    const bench = new Bench();
    bench.topic("t", 4);
    begin(bench);
    if (bench.shard.view("g")?.state === "Empty") {
      const { memberId } = bench.ask(join("", [], "connect"));
      bench.send(join(memberId, [], "connect"));
    }
    const answer = ask(bench, joining);
    expect(answer.errorCode).toBe(69);
    expect(answer.errorMessage).toContain(why);
    expect(bench.shard.list()).toMatchObject([{ groupType: "classic" }]);
  });
});

describe("from consumer to classic", () => {
  test.each([
    ["leaves", true],
    ["leaves", false],
    ["is silent", true],
  ])("when the last of the new protocol %s (reloaded: %s)", (how, reloads) => {
    const bench = new Bench();
    const { old } = mixed(bench);
    if (how === "leaves") expect(ask(bench, { memberId: "n", memberEpoch: -1 }).errorCode).toBe(0);
    else {
      for (let i = 0; i < 10; i++) {
        bench.pass(5000);
        heartbeat(bench, old, 2);
      }
    }
    expect(bench.shard.list()).toMatchObject([{ groupType: "classic", groupState: "PreparingRebalance" }]);
    expect(heartbeat(bench, old, 2)).toBe(REJOIN);
    if (reloads) bench.reload();
    if (reloads) expect(bench.shard.view("g")).toMatchObject({ state: "Stable", protocol: "range" });
    const again = bench.ask(join(old));
    expect(again).toMatchObject({ errorCode: 0, leader: old });
    expect(
      bench.ask(sync(old, again.generationId, [{ memberId: old, assignment: assignment([0, 1, 2, 3]) }])).errorCode,
    ).toBe(0);
    expect(bench.shard.list()).toMatchObject([{ groupType: "classic", groupState: "Stable" }]);
    // Upgrade the group again.
    bench.pass(1000);
    expect(ask(bench, { ...joining, memberId: "o" })).toMatchObject({ errorCode: 0 });
    expect(heartbeat(bench, old, again.generationId)).toBe(REJOIN);
  });

  // Leaders of Kafka's own clients assign without user data; those of librdkafka return each member's user data.
  test.each([
    ["may turn back though a member tells user data", null, 0, "consumer"],
    ["may not turn back once an assignment has user data", Uint8Array.of(1), 69, "classic"],
  ])("%s", (_, echoed, errorCode, groupType) => {
    const bench = new Bench();
    const { old } = mixed(bench);
    ask(bench, { memberId: "n", memberEpoch: -1 });
    const sticky = [{ name: "range", metadata: subscription(["t"], [0, 1], Uint8Array.of(1)) }];
    const rejoin = join(old);
    if (rejoin.type !== "join") throw new Error("not a join");
    const { generationId } = bench.ask({ ...rejoin, body: { ...rejoin.body, protocols: sticky } });
    bench.ask(sync(old, generationId, [{ memberId: old, assignment: assignment([0, 1, 2, 3], echoed) }]));
    bench.reload();
    const answer = ask(bench, { ...joining, memberId: "o" });
    expect(answer.errorCode).toBe(errorCode);
    expect(bench.shard.list()).toMatchObject([{ groupType }]);
    // A refused member does not affect the others.
    expect(heartbeat(bench, old, generationId)).toBe(errorCode === 0 ? REJOIN : 0);
    if (errorCode === 0) return;
    expect(answer.errorMessage).toBe(
      "Cannot upgrade classic group g to consumer group because an unsupported custom assignor is in use. " +
        "Please refer to the documentation or switch to a default assignor before re-attempting the upgrade.",
    );
  });

  describe("when a static member replaces the last of the new protocol", () => {
    /** A group of a classic member and a static member of the consumer protocol. */
    function withStatic(bench: Bench): { old: string; epoch: number; kept: number[] } {
      bench.topic("t", 4);
      const old = classic(bench);
      ask(bench, { ...joining, instanceId: "i" });
      const kept = partitionsOf((bench.ask(join(old, [0, 1, 2, 3])), bench.ask(sync(old, 1))));
      bench.ask(join(old, kept));
      bench.ask(sync(old, 2));
      expect(count(ask(bench, { memberId: "n", memberEpoch: 2, instanceId: "i" }))).toBe(2);
      expect(bench.shard.list()).toMatchObject([{ groupType: "consumer", groupState: "Stable" }]);
      return { old, epoch: 2, kept };
    }

    test.each([false, true])("the group turns, and nobody loses anything (reloaded: %s)", reloads => {
      const bench = new Bench();
      const { old, epoch, kept } = withStatic(bench);
      const reply = bench.ask(join("", [], "consumer", "i"));
      expect(reply).toMatchObject({
        errorCode: 0,
        generationId: epoch,
        protocolName: "range",
        leader: "",
        members: [],
      });
      expect(bench.shard.list()).toMatchObject([{ groupType: "classic", groupState: "Stable" }]);
      if (reloads) bench.reload();
      expect(bench.shard.list()).toMatchObject([{ groupType: "classic", groupState: "Stable" }]);
      expect(bench.shard.view("g")?.members).toHaveLength(2);
      expect([old, reply.memberId].map(id => heartbeat(bench, id, epoch))).toEqual([0, 0]);
      const others = partitionsOf(bench.ask(sync(reply.memberId, epoch)));
      expect(new Set([...kept, ...others])).toEqual(new Set([0, 1, 2, 3]));
      expect(ask(bench, { memberId: "n", memberEpoch: epoch, instanceId: "i" }).errorCode).toBe(69);
    });

    test("the group rebalances where the member subscribes to something else", () => {
      const bench = new Bench();
      const { old, epoch } = withStatic(bench);
      bench.topic("u", 1);
      const other = join("", [], "consumer", "i");
      if (other.type !== "join") throw new Error("not a join");
      const protocols = [{ name: "range", metadata: subscription(["t", "u"]) }];
      const reply = bench.ask({ ...other, body: { ...other.body, protocols } });
      expect(reply.errorCode).toBe(0);
      expect(bench.shard.list()).toMatchObject([{ groupType: "classic", groupState: "PreparingRebalance" }]);
      expect(heartbeat(bench, old, epoch)).toBe(REJOIN);
    });

    test("it stays as it is when that cannot be written", () => {
      const bench = new Bench();
      const { old, epoch } = withStatic(bench);
      bench.failing = 15;
      expect(bench.ask(join("", [], "consumer", "i")).errorCode).toBe(15);
      bench.failing = 0;
      expect(bench.shard.list()).toMatchObject([{ groupType: "consumer", groupState: "Stable" }]);
      expect(heartbeat(bench, old, epoch)).toBe(0);
      expect(ask(bench, { memberId: "n", memberEpoch: epoch, instanceId: "i" }).errorCode).toBe(0);
      bench.pass(10_001);
      expect(heartbeat(bench, old, epoch)).toBe(25);
    });

    test("it is converted even if that is not committed in time", () => {
      const bench = new Bench();
      const { old } = withStatic(bench);
      bench.failing = LATE;
      expect(bench.ask(join("", [], "consumer", "i")).errorCode).toBe(15);
      bench.failing = 0;
      expect(bench.shard.typeOf("g")).toBe("classic");
      const members = bench.shard.view("g")?.members.map(({ id }) => id);
      expect(members).toContain(old);
      bench.reload();
      expect(bench.shard.view("g")?.members.map(({ id }) => id)).toEqual(members);
    });

    test("not while another speaks it too", () => {
      const bench = new Bench();
      withStatic(bench);
      ask(bench, { ...joining, memberId: "o" });
      bench.pass(1000);
      expect(bench.ask(join("", [], "consumer", "i")).errorCode).toBe(0);
      expect(bench.shard.list()).toMatchObject([{ groupType: "consumer" }]);
    });
  });

  test("a static member of the new protocol takes a classic group along, in the place of its classic self", () => {
    const bench = new Bench();
    bench.topic("t", 4);
    const ticket = bench.send(join("", [], "consumer", "i"));
    bench.pass(6000);
    const { memberId, generationId } = bench.replies.get(ticket) as Reply;
    bench.ask({ ...sync(memberId, generationId, [{ memberId, assignment: assignment([0, 1, 2, 3]) }]) });
    const answer = ask(bench, { ...joining, instanceId: "i" });
    expect(answer).toMatchObject({ errorCode: 0, memberId: "n" });
    expect(count(answer)).toBe(4);
    expect(bench.shard.list()).toMatchObject([{ groupType: "consumer" }]);
    expect(heartbeat(bench, memberId, generationId)).toBe(25);
    bench.reload();
    expect(bench.shard.consumerView("g")).toMatchObject({ members: [{ memberId: "n", memberType: 1 }] });
  });

  test("when the group is empty, whoever comes first says what it is", () => {
    const bench = new Bench();
    bench.topic("t", 4);
    ask(bench, joining);
    ask(bench, { memberId: "n", memberEpoch: -1 });
    classic(bench);
    bench.reload();
    expect(bench.shard.list()).toMatchObject([{ groupType: "classic", groupState: "Stable" }]);
  });

  test("when the group is empty, its offsets stay, also after a reload, and no timer of the old one", () => {
    const bench = new Bench();
    bench.topic("t", 1);
    const partitions = [{ partitionIndex: 0, committedOffset: 7, committedLeaderEpoch: -1, committedMetadata: "" }];
    const commit = { groupId: "g", generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null };
    const topics = [{ name: "t", topicId: ZERO_UUID, partitions }];
    bench.ask({ type: "commit", version: 9, body: { ...commit, retentionTimeMs: -1, topics } });
    const offset = (): number =>
      Number(bench.shard.committed.fetch("g", null, false)[0]?.partitions[0]?.committedOffset);
    // A pending member id has a session of ten seconds.
    bench.ask(join(""));
    const pending = bench.shard.nextDeadline();
    expect(
      ask(bench, { memberId: "new", rebalanceTimeoutMs: 5000, subscribedTopicNames: ["t"], topicPartitions: [] })
        .errorCode,
    ).toBe(0);
    expect([bench.shard.typeOf("g"), offset()]).toEqual(["consumer", 7]);
    expect(bench.shard.nextDeadline()).toBeGreaterThan(pending);
    bench.reload();
    expect([bench.shard.typeOf("g"), offset()]).toEqual(["consumer", 7]);
    // The classic member finds the offsets after a downgrade, too.
    ask(bench, { memberId: "new", memberEpoch: -1 });
    bench.ask(join(""));
    expect([bench.shard.typeOf("g"), offset()]).toEqual(["classic", 7]);
    bench.reload();
    expect([bench.shard.typeOf("g"), offset()]).toEqual(["classic", 7]);
  });

  test("a classic member that leaves leaves the others as they are", () => {
    const bench = new Bench();
    const { old } = mixed(bench);
    expect(leave(bench, "x").members).toMatchObject([{ errorCode: 25 }]);
    expect(leave(bench, old)).toMatchObject({ errorCode: 0, members: [{ errorCode: 0 }] });
    bench.pass(1000);
    expect(count(ask(bench, { memberId: "n", memberEpoch: 2 }))).toBe(4);
    expect(bench.shard.list()).toMatchObject([{ groupType: "consumer" }]);
  });
});

test("nothing turns where settings say so", () => {
  const migration = config.consumer.migration as { upgrade: boolean; downgrade: boolean };
  Object.assign(migration, { upgrade: false, downgrade: false });
  try {
    const bench = new Bench();
    bench.topic("t", 4);
    classic(bench);
    expect(ask(bench, joining)).toMatchObject({ errorCode: 69 });
    const other = new Bench();
    other.topic("t", 4);
    ask(other, joining);
    expect(other.ask(join("")).errorCode).toBe(23);
  } finally {
    Object.assign(migration, { upgrade: true, downgrade: true });
  }
});
