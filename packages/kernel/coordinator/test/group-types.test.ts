import { ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import type { GroupEffect, GroupRequest, GroupType } from "../src/index.ts";
import { Bench, config } from "./bench.ts";
import { ask } from "./consumer-requests.ts";

const CLIENT = { id: "c", host: "/h" };
const { GROUP_ID_NOT_FOUND, INCONSISTENT_GROUP_PROTOCOL, NON_EMPTY_GROUP, UNKNOWN_MEMBER_ID } = Errors;

/** Requests of a member `a` of the group `g`, for each type of group. */
interface Type {
  readonly type: GroupType;
  /** State of the group while it has the member. */
  readonly state: string;
  readonly protocolType: string;
  /** Names in the reasons that refuse a group. */
  readonly others: readonly GroupType[];
  /** True if the expiry of offsets erases an empty group. */
  readonly expires: boolean;
  /** Outcome of a commit by a client that is no member, once the group is empty. */
  readonly commit: number;
  join(bench: Bench): string;
  leave(bench: Bench, memberId: string): void;
}

const classicJoin = (memberId = ""): GroupRequest => ({
  type: "join",
  version: 3,
  client: CLIENT,
  body: {
    groupId: "g",
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    memberId,
    groupInstanceId: null,
    protocolType: "connect",
    protocols: [{ name: "p", metadata: new Uint8Array(1) }],
    reason: null,
  },
});

const share = (memberEpoch: number): GroupRequest => ({
  type: "share",
  client: CLIENT,
  body: { groupId: "g", memberId: "a", memberEpoch, rackId: null, subscribedTopicNames: ["t"] },
});

const TYPES: readonly Type[] = [
  {
    type: "classic",
    state: "CompletingRebalance",
    protocolType: "connect",
    others: ["consumer", "share"],
    expires: true,
    commit: 0,
    join(bench) {
      const ticket = bench.send(classicJoin());
      bench.pass(config.initialRebalanceDelayMs);
      return bench.replies.get(ticket)?.memberId ?? "";
    },
    leave(bench, memberId) {
      bench.ask({ type: "leave", version: 0, body: { groupId: "g", memberId, members: [] } });
    },
  },
  {
    type: "consumer",
    state: "Stable",
    protocolType: "consumer",
    others: ["classic", "share"],
    expires: true,
    commit: 0,
    join(bench) {
      const joining = { rebalanceTimeoutMs: 10_000, topicPartitions: [], subscribedTopicNames: ["t"] };
      return ask(bench, { memberId: "a", ...joining }).memberId;
    },
    leave(bench, memberId) {
      ask(bench, { memberId, memberEpoch: -1 });
    },
  },
  {
    type: "share",
    state: "Stable",
    protocolType: "share",
    others: ["classic", "consumer"],
    expires: false,
    commit: GROUP_ID_NOT_FOUND.code,
    join(bench) {
      return bench.ask(share(0)).memberId;
    },
    leave(bench) {
      bench.ask(share(-1));
    },
  },
];

function run(bench: Bench, action: (out: GroupEffect[]) => void): void {
  const out: GroupEffect[] = [];
  action(out);
  bench.settle(out);
}

function deleted(bench: Bench): number | undefined {
  let outcome: number | undefined;
  run(bench, out => bench.shard.delete(bench.now, "g", out, errorCode => (outcome = errorCode)));
  return outcome;
}

function commit(bench: Bench): number | undefined {
  const partition = {
    partitionIndex: 0,
    committedOffset: 5,
    committedLeaderEpoch: -1,
    commitTimestamp: -1,
    committedMetadata: null,
  };
  const topics = [{ name: "t", topicId: ZERO_UUID, partitions: [partition] }];
  const member = { memberId: "", groupInstanceId: null, generationIdOrMemberEpoch: -1 };
  const body = { groupId: "g", ...member, retentionTimeMs: -1, topics };
  const reply = bench.ask({ type: "commit", version: 9, body }) as unknown as {
    readonly topics: readonly { readonly partitions: readonly { readonly errorCode: number }[] }[];
  };
  return reply.topics[0]?.partitions[0]?.errorCode;
}

describe.each(TYPES)("a $type group", ({ type, state, protocolType, others, expires, commit: outcome, ...member }) => {
  const withMember = (): { readonly bench: Bench; readonly memberId: string } => {
    const bench = new Bench();
    bench.topic("t", 1);
    return { bench, memberId: member.join(bench) };
  };
  const empty = (): Bench => {
    const { bench, memberId } = withMember();
    member.leave(bench, memberId);
    return bench;
  };

  test("is listed with its type and state, also after a load", () => {
    const { bench, memberId } = withMember();
    expect(bench.shard.list()).toEqual([{ groupId: "g", groupState: state, groupType: type, protocolType }]);
    member.leave(bench, memberId);
    const listed = [{ groupId: "g", groupState: "Empty", groupType: type, protocolType }];
    expect(bench.shard.list()).toEqual(listed);
    bench.reload();
    expect(bench.shard.list()).toEqual(listed);
  });

  test("is deleted once it has no members", () => {
    const { bench, memberId } = withMember();
    expect(deleted(bench)).toBe(NON_EMPTY_GROUP.code);
    member.leave(bench, memberId);
    expect(deleted(bench)).toBe(0);
    expect(bench.shard.list()).toEqual([]);
    expect(deleted(bench)).toBe(GROUP_ID_NOT_FOUND.code);
    bench.reload();
    expect(bench.shard.list()).toEqual([]);
  });

  test("is not described as another type", () => {
    const { bench } = withMember();
    for (const other of others) expect(bench.shard.absence(other, "g")).toBe(`Group g is not a ${other} group.`);
    expect(bench.shard.absence(type, "h")).toBe("Group h not found.");
    expect(bench.shard.view("g") !== undefined).toBe(type === "classic");
    expect(bench.shard.consumerView("g").errorCode === 0).toBe(type === "consumer");
    expect(bench.shard.shares.view("g") !== undefined).toBe(type === "share");
  });

  test("keeps its id from the other types", () => {
    const { bench } = withMember();
    const beat = { memberId: "b", rebalanceTimeoutMs: 10_000, topicPartitions: [], subscribedTopicNames: ["t"] };
    if (type !== "consumer") {
      const { errorCode, errorMessage } = ask(bench, beat);
      expect(errorCode).toBe(GROUP_ID_NOT_FOUND.code);
      expect(errorMessage).toMatch(/is not a consumer group|Cannot upgrade classic group/);
    }
    if (type !== "share") {
      const refused = { errorCode: GROUP_ID_NOT_FOUND.code, errorMessage: "Group g is not a share group." };
      expect(bench.ask(share(0))).toMatchObject(refused);
    }
    if (type !== "classic") {
      expect(bench.ask(classicJoin())).toMatchObject({ errorCode: INCONSISTENT_GROUP_PROTOCOL.code, memberId: "" });
      const heartbeat = { groupId: "g", memberId: "x", generationId: 1, groupInstanceId: null };
      expect(bench.ask({ type: "heartbeat", body: heartbeat }).errorCode).toBe(UNKNOWN_MEMBER_ID.code);
    }
    expect(bench.shard.typeOf("g")).toBe(type);
  });

  test("takes committed offsets if its type has them, until it is deleted", () => {
    const bench = empty();
    expect(commit(bench)).toBe(outcome);
    const topics = [{ name: "t", topicId: ZERO_UUID, partitionIndexes: [0] }];
    const fetched = () => bench.shard.committed.fetch("g", topics, false)[0]?.partitions[0]?.committedOffset;
    expect(bench.shard.committed.fetchFault("g", null, { memberEpoch: -1, stable: false })).toBe(0);
    expect(fetched()).toBe(outcome === 0 ? 5 : -1);
    expect(deleted(bench)).toBe(0);
    expect(fetched()).toBe(-1);
  });

  test("is erased with its last offset, if its type expires", () => {
    const bench = empty();
    bench.shard.wallAhead += config.offsetsRetentionMs;
    run(bench, out => bench.shard.cleanUp(bench.now, out));
    expect(bench.shard.typeOf("g")).toBe(expires ? undefined : type);
  });
});
