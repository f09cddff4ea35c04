import { decodeAssignment, encodeSubscription } from "@samsa/assign";
import { ZERO_UUID } from "@samsa/base";
import { describe, expect, test } from "vitest";
import type { ClusterView } from "../../src/cluster/cluster-view.ts";
import { ClassicLeader } from "../../src/group/classic-leader.ts";

/** Cluster of topics with the replicas of each partition, and the racks of the brokers that are up. */
function cluster(
  topics: Readonly<Record<string, readonly (readonly number[])[]>>,
  racks: Readonly<Record<number, string | null>> = { 1: "x", 2: "y", 3: "z" },
): ClusterView {
  const view = (name: string) => {
    const partitions = topics[name]?.map((replicas, index) => ({
      ...{ index, leaderId: replicas[0] ?? -1, leaderEpoch: 0, replicas, inSync: replicas, offline: [] },
    }));
    return partitions && { name, id: ZERO_UUID, isInternal: false, partitions };
  };
  return {
    version: 1,
    topic: view,
    topicOf: () => undefined,
    broker: id => (racks[id] === undefined ? undefined : { id, host: "h", port: 1, rack: racks[id] }),
  };
}

const member = (
  memberId: string,
  topics: readonly string[],
  rack: string | null = null,
  groupInstanceId: string | null = null,
) => ({
  ...{ memberId, groupInstanceId },
  metadata: encodeSubscription({ topics, userData: null, owned: [], generation: -1, rack }),
});

const given = (assignments: ReturnType<ClassicLeader["assign"]>) =>
  Object.fromEntries(
    assignments.map(({ memberId, assignment }) => [
      memberId,
      decodeAssignment(assignment)
        .partitions.map(({ topic, partition }) => `${topic}-${partition}`)
        .toSorted(),
    ]),
  );

describe("the leader of a classic group", () => {
  test("assigns all partitions of the topics that members want and that there are", () => {
    const leader = new ClassicLeader([member("a", ["t", "gone"]), member("b", ["t", "u"])]);
    expect(leader.topics.toSorted()).toEqual(["gone", "t", "u"]);
    const view = cluster({ t: [[1], [2], [3], [1]], u: [[1]], other: [[1]] });
    expect(given(leader.assign("range", view))).toEqual({ a: ["t-0", "t-1"], b: ["t-2", "t-3", "u-0"] });
    expect(given(leader.assign("roundrobin", view)).a).toHaveLength(2);
  });

  test("gives members nothing whose subscriptions cannot be read, and goes on", () => {
    const leader = new ClassicLeader([
      member("a", ["t"]),
      { memberId: "b", groupInstanceId: null, metadata: Uint8Array.of(0, 9, 9) },
    ]);
    expect(leader.unreadable).toEqual(["b"]);
    expect(given(leader.assign("range", cluster({ t: [[1], [2]] })))).toEqual({ a: ["t-0", "t-1"], b: [] });
    expect(new ClassicLeader([member("a", ["t"])]).unreadable).toEqual([]);
  });

  test("assigns partitions to members on the racks of their replicas", () => {
    const leader = new ClassicLeader([member("a", ["t"], "y"), member("b", ["t"], "x")]);
    expect(given(leader.assign("range", cluster({ t: [[1], [2]] })))).toEqual({ a: ["t-1"], b: ["t-0"] });
  });

  describe("assigns again", () => {
    const BEFORE = { t: [[1, 2], [2]] };
    const observed = (rack: string | null, view = cluster(BEFORE)): ClassicLeader => {
      const leader = new ClassicLeader([member("a", ["t", "u"], rack)]);
      leader.observe(view);
      return leader;
    };

    test.each<[string, ClusterView, boolean]>([
      ["nothing changes", cluster(BEFORE), false],
      ["a topic that nobody wants comes", cluster({ ...BEFORE, other: [[1]] }), false],
      ["a topic comes", cluster({ ...BEFORE, u: [[1]] }), true],
      ["a topic goes", cluster({}), true],
      ["partitions come", cluster({ t: [[1, 2], [2], [3]] }), true],
      ["another topic comes in its place", cluster({ u: [[1], [1]] }), true],
      ["only replicas move", cluster({ t: [[1, 3], [2]] }), false],
    ])("unless members have racks, if %s", (_what, now, isChanged) => {
      expect(observed(null).hasChanged(now)).toBe(isChanged);
    });

    test.each<[string, ClusterView, boolean]>([
      ["nothing changes", cluster(BEFORE), false],
      ["a replica moves to another rack", cluster({ t: [[1, 3], [2]] }), true],
      ["a replica comes", cluster({ t: [[1, 2, 3], [2]] }), true],
      ["a replica goes", cluster({ t: [[1], [2]] }), true],
      ["a replica moves within its rack", cluster({ t: [[1, 4], [2]] }, { 1: "x", 2: "y", 4: "y" }), false],
      ["replicas change their order", cluster({ t: [[2, 1], [2]] }), false],
      ["a broker is down for a while", cluster(BEFORE, { 1: "x" }), false],
      [
        "a broker without a rack has a replica more",
        cluster({ t: [[1, 2, 5], [2]] }, { 1: "x", 2: "y", 5: null }),
        false,
      ],
      ["a broker gets another rack", cluster(BEFORE, { 1: "x", 2: "w" }), true],
    ])("with racks, if %s", (_what, now, isChanged) => {
      expect(observed("x").hasChanged(now)).toBe(isChanged);
    });

    test("for what was there when it assigned", () => {
      const leader = observed("x");
      const later = cluster({ t: [[1], [2], [3]] });
      expect(leader.hasChanged(later)).toBe(true);
      leader.assign("range", later);
      expect(leader.hasChanged(later)).toBe(false);
      // A broker that comes back with the rack that it had is not news either.
      const down = observed("x", cluster(BEFORE, { 1: "x" }));
      expect(down.hasChanged(cluster(BEFORE))).toBe(false);
    });
  });
});
