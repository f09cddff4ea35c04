import { ZERO_UUID } from "@samsa/base";
import { bootstrapRecords, listPartitionReassignments } from "@samsa/controller";
import { METADATA_VERSION, type PartitionImage, topicNamed } from "@samsa/metadata";
import {
  alterPartitionReassignmentsRequest,
  createTopicsRequest,
  electLeadersRequest,
  errorOf,
  incrementalAlterConfigsRequest,
  metadataRecord,
} from "@samsa/protocol";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { FEATURES, Fixture, id } from "./fixture.ts";

let cluster: Fixture;
let epochs: Map<number, number>;

/** Cluster of four brokers with a topic `t` on the first three, with or without eligible leader replicas. */
function begin(elr: boolean): void {
  cluster = new Fixture();
  const features = new Map([...FEATURES].filter(([name]) => elr || name !== "eligible.leader.replicas.version"));
  cluster.append(bootstrapRecords({ metadataVersion: METADATA_VERSION.latest, features }));
  epochs = new Map([1, 2, 3, 4].map(id => [id, cluster.join(id)]));
  for (const [id, epoch] of epochs) cluster.beat(id, epoch);
  const assignments = [{ partitionIndex: 0, brokerIds: [1, 2, 3] }];
  const topic = { name: "t", numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  cluster.run("CreateTopics", createTopicsRequest.defaults({ topics: [topic] }));
}
beforeEach(() => begin(false));

const partition = (): PartitionImage => {
  const found = topicNamed(cluster.controller.image, "t")?.partitions.get(0);
  if (found === undefined) throw new Error("t-0 is gone");
  return found;
};
const shown = () => {
  const { replicas, isr, leader, addingReplicas: adding, removingReplicas: removing } = partition();
  return { replicas, isr, leader, adding, removing };
};

function set(name: string, value: string): void {
  const configs = [{ name, configOperation: 0, value }];
  const resources = [{ resourceType: 2, resourceName: "t", configs }];
  cluster.run("IncrementalAlterConfigs", incrementalAlterConfigsRequest.defaults({ resources }));
}

/** Sets the ISR, as AlterPartition of the leader would. */
function inSync(...isr: number[]): void {
  const topicId = topicNamed(cluster.controller.image, "t")?.id;
  if (topicId === undefined) throw new Error("t is gone");
  cluster.append([metadataRecord("PartitionChangeRecord", 2, { topicId, partitionId: 0, isr })]);
}

function reassign(replicas: number[] | null, allowReplicationFactorChange = true, index = 0, name = "t") {
  const topics = [{ name, partitions: [{ partitionIndex: index, replicas }] }];
  const request = alterPartitionReassignmentsRequest.defaults({ topics, allowReplicationFactorChange });
  const { errorCode, errorMessage } = cluster.run("AlterPartitionReassignments", request).responses[0].partitions[0];
  return [errorOf(errorCode).name, errorMessage];
}

function elect(electionType: number, partitions: number[] | null = [0], topic = "t") {
  const topicPartitions = partitions === null ? null : [{ topic, partitions }];
  const reply = cluster.run("ElectLeaders", electLeadersRequest.defaults({ electionType, topicPartitions }));
  return reply.replicaElectionResults.flatMap(({ partitionResult }) =>
    partitionResult.map(({ errorCode, errorMessage }) => [errorOf(errorCode).name, errorMessage]),
  );
}

const fence = (id: number) => cluster.beat(id, epochs.get(id) ?? -1, { wantFence: true });
const unfence = (id: number) => cluster.beat(id, epochs.get(id) ?? -1);

describe("AlterPartitionReassignments", () => {
  test.each<[number[] | null, string, string | null]>([
    [null, "NO_REASSIGNMENT_IN_PROGRESS", null],
    [[], "INVALID_REPLICA_ASSIGNMENT", "The manual partition assignment includes an empty replica list."],
    [
      [9],
      "INVALID_REPLICA_ASSIGNMENT",
      "The manual partition assignment includes broker 9, but no such broker is registered.",
    ],
    [[1, 1], "INVALID_REPLICA_ASSIGNMENT", "The manual partition assignment includes the broker 1 more than once."],
    [[1, 2, 3], "NONE", null],
  ])("%j: %s", (replicas, error, message) => {
    const before = cluster.log.length;
    expect(reassign(replicas)).toEqual([error, message]);
    expect(cluster.log.length).toBe(before);
  });

  test("what is not there", () => {
    expect(reassign([1], true, 0, "u")).toEqual(["UNKNOWN_TOPIC_OR_PARTITION", "Unable to find a topic named u."]);
    expect(reassign([1], true, 7)).toEqual(["UNKNOWN_TOPIC_OR_PARTITION", "Unable to find partition t:7."]);
  });

  test("another number of replicas only where it is allowed (KIP-860)", () => {
    expect(reassign([1, 2], false)).toEqual([
      "INVALID_REPLICATION_FACTOR",
      "The replication factor is changed from 3 to 2",
    ]);
    expect(reassign([1, 2])).toEqual(["NONE", null]);
    expect(shown()).toEqual({ replicas: [1, 2], isr: [1, 2], leader: 1, adding: [], removing: [] });
    expect(partition().leaderEpoch).toBe(1);
  });

  test("another order is done at once, without a new leader's epoch", () => {
    expect(reassign([3, 2, 1])).toEqual(["NONE", null]);
    expect(shown()).toEqual({ replicas: [3, 2, 1], isr: [1, 2, 3], leader: 1, adding: [], removing: [] });
    expect(partition().leaderEpoch).toBe(0);
    expect(elect(0)).toEqual([["NONE", null]]);
    expect(partition()).toMatchObject({ leader: 3, leaderEpoch: 1 });
  });

  test("a new replica has to catch up; then those that are to go, go", () => {
    expect(reassign([4, 2])).toEqual(["NONE", null]);
    expect(shown()).toEqual({ replicas: [4, 2, 1, 3], isr: [1, 2, 3], leader: 1, adding: [4], removing: [1, 3] });
    expect(partition().directories).toHaveLength(4);
    expect(listPartitionReassignments(cluster.controller.image, { topics: null, timeoutMs: 1 }).topics).toEqual([
      {
        name: "t",
        partitions: [{ partitionIndex: 0, replicas: [4, 2, 1, 3], addingReplicas: [4], removingReplicas: [1, 3] }],
      },
    ]);
    const other = [{ name: "t", partitionIndexes: [1] }];
    expect(listPartitionReassignments(cluster.controller.image, { topics: other, timeoutMs: 1 }).topics).toEqual([]);
    inSync(1, 2, 3, 4);
    // The next change of the partition completes the reassignment.
    fence(1);
    expect(shown()).toEqual({ replicas: [4, 2], isr: [2, 4], leader: 4, adding: [], removing: [] });
  });

  test.each<[target: number[], shown: object, inSync: number[]]>([
    [[1, 2, 3], { replicas: [1, 2, 3], adding: [], removing: [] }, [1, 2, 3]],
    [[1, 2, 3, 4], { replicas: [1, 2, 3, 4], adding: [4], removing: [] }, [1, 2, 3, 4]],
    [[4, 2], { replicas: [4, 2, 1, 3], adding: [4], removing: [1, 3] }, [2, 4]],
    [[2], { replicas: [2], adding: [], removing: [] }, [2]],
  ])("may be replaced by another one, to %j", (target, expected, end) => {
    expect(reassign([1, 4])).toEqual(["NONE", null]);
    expect(shown()).toMatchObject({ replicas: [1, 4, 2, 3], adding: [4], removing: [2, 3] });
    expect(reassign(target)).toEqual(["NONE", null]);
    expect(shown()).toMatchObject(expected);
    inSync(...partition().replicas);
    fence(3);
    const left = end.filter(id => id !== 3);
    expect(shown()).toMatchObject({ adding: [], removing: [] });
    expect(new Set(partition().isr)).toEqual(new Set(left));
    expect(new Set(partition().replicas)).toEqual(new Set(end));
  });

  test("may be called off", () => {
    reassign([4]);
    expect(reassign(null)).toEqual(["NONE", null]);
    expect(shown()).toEqual({ replicas: [1, 2, 3], isr: [1, 2, 3], leader: 1, adding: [], removing: [] });
  });

  test("not called off where only the new replica has everything, unless loss is allowed", () => {
    reassign([4]);
    // As if the three replicas had left the ISR before the fourth.
    inSync(4);
    expect(reassign(null)).toEqual([
      "INVALID_REPLICA_ASSIGNMENT",
      "Unable to revert partition assignment for t:0 because it would require an unclean leader election.",
    ]);
    set("unclean.leader.election.enable", "true");
    expect(reassign(null)).toEqual(["NONE", null]);
    expect(shown().replicas).toEqual([1, 2, 3]);
  });
});

describe("ElectLeaders", () => {
  test("what is not there, what is not known, what is so already", () => {
    expect(elect(0, [7])).toEqual([["UNKNOWN_TOPIC_OR_PARTITION", "No such partition as t-7"]]);
    expect(elect(0, [0], "u")).toEqual([["UNKNOWN_TOPIC_OR_PARTITION", "No such topic as u"]]);
    expect(elect(9).map(([name]) => name)).toEqual(["INVALID_REQUEST"]);
    expect(elect(0).map(([name]) => name)).toEqual(["ELECTION_NOT_NEEDED"]);
    expect(elect(1).map(([name]) => name)).toEqual(["ELECTION_NOT_NEEDED"]);
    expect(elect(0, null)).toEqual([]);
  });

  test("the preferred one when it is back in sync", () => {
    fence(1);
    expect(shown()).toMatchObject({ leader: 2, isr: [2, 3] });
    expect(elect(0).map(([name]) => name)).toEqual(["PREFERRED_LEADER_NOT_AVAILABLE"]);
    unfence(1);
    inSync(2, 3, 1);
    expect(elect(0, null)).toEqual([["NONE", null]]);
    expect(shown().leader).toBe(1);
  });

  test("an unclean one only when it is asked for or allowed, and then it is marked", () => {
    for (const id of [1, 2, 3]) fence(id);
    expect(shown()).toMatchObject({ leader: -1, isr: [3] });
    expect(elect(1).map(([name]) => name)).toEqual(["ELIGIBLE_LEADERS_NOT_AVAILABLE"]);
    unfence(2);
    expect(shown().leader).toBe(-1);
    expect(elect(1)).toEqual([["NONE", null]]);
    expect(partition()).toMatchObject({ leader: 2, isr: [2], leaderRecoveryState: 1 });
    set("unclean.leader.election.enable", "true");
    fence(2);
    unfence(1);
    expect(partition()).toMatchObject({ leader: 1, isr: [1] });
  });
});

describe("eligible leader replicas (KIP-966)", () => {
  beforeEach(() => {
    begin(true);
    set("min.insync.replicas", "2");
  });

  test("who leaves a small ISR stays eligible, and leads again when the ISR is empty", () => {
    fence(1);
    expect(partition()).toMatchObject({ isr: [2, 3], eligibleLeaderReplicas: [] });
    fence(2);
    expect(partition()).toMatchObject({ leader: 3, isr: [3], eligibleLeaderReplicas: [2] });
    fence(3);
    expect(partition()).toMatchObject({ leader: -1, isr: [], eligibleLeaderReplicas: [2, 3], lastKnownElr: [3] });
    unfence(2);
    expect(partition()).toMatchObject({ leader: 2, isr: [2], eligibleLeaderReplicas: [3], lastKnownElr: [] });
    expect(partition().leaderRecoveryState).toBe(0);
  });

  test("who crashed is no longer eligible; a clean restart is", () => {
    for (const id of [1, 2]) fence(id);
    expect(partition()).toMatchObject({ isr: [3], eligibleLeaderReplicas: [2] });
    cluster.join(2, 12);
    expect(partition()).toMatchObject({ isr: [3], eligibleLeaderReplicas: [] });
    cluster.join(3, 13, epochs.get(3));
    expect(partition()).toMatchObject({ leader: -1, isr: [], eligibleLeaderReplicas: [3] });
  });

  test("the last known leader leads, marked, when nobody is eligible", () => {
    for (const id of [1, 2]) fence(id);
    for (const [id, incarnation] of [
      [2, 12],
      [3, 13],
    ]) {
      epochs.set(id, cluster.join(id, incarnation));
    }
    expect(partition()).toMatchObject({ leader: -1, isr: [], eligibleLeaderReplicas: [], lastKnownElr: [3] });
    unfence(2);
    expect(partition().leader).toBe(-1);
    unfence(3);
    expect(partition()).toMatchObject({ leader: 3, isr: [3], leaderRecoveryState: 1, lastKnownElr: [] });
  });

  test("the last known leader waits while another is eligible: that one has all records", () => {
    for (const id of [1, 2, 3]) fence(id);
    epochs.set(3, cluster.join(3, 13));
    expect(partition()).toMatchObject({ leader: -1, eligibleLeaderReplicas: [2], lastKnownElr: [3] });
    unfence(3);
    expect(partition()).toMatchObject({ leader: -1, isr: [], eligibleLeaderReplicas: [2] });
    unfence(2);
    expect(partition()).toMatchObject({ leader: 2, isr: [2], leaderRecoveryState: 0 });
  });

  test("nobody is eligible beside an ISR as large as the topic may want, which is as its first partition is", () => {
    const topicId = id(77);
    cluster.append([metadataRecord("TopicRecord", 0, { name: "u", topicId })]);
    for (const [partitionId, replicas] of [[1], [1, 2, 3]].entries()) {
      const directories = replicas.map(replica => id(2000 + replica));
      const led = {
        leader: 1,
        isr: replicas,
        addingReplicas: [],
        removingReplicas: [],
        leaderEpoch: 0,
        partitionEpoch: 0,
      };
      cluster.append([metadataRecord("PartitionRecord", 2, { topicId, partitionId, replicas, directories, ...led })]);
    }
    const configs = [{ name: "min.insync.replicas", configOperation: 0, value: "2" }];
    const resources = [{ resourceType: 2, resourceName: "u", configs }];
    cluster.run("IncrementalAlterConfigs", incrementalAlterConfigsRequest.defaults({ resources }));
    for (const broker of [2, 3]) fence(broker);
    expect(topicNamed(cluster.controller.image, "u")?.partitions.get(1)).toMatchObject({
      ...{ isr: [1], eligibleLeaderReplicas: [] },
    });
  });
});

test("an unregistered broker is out of everything", () => {
  begin(true);
  set("min.insync.replicas", "2");
  for (const id of [1, 2]) fence(id);
  expect(cluster.run("UnregisterBroker", { brokerId: 9 })).toMatchObject({
    errorCode: 102,
    errorMessage: "Broker ID 9 is not currently registered",
  });
  expect(cluster.run("UnregisterBroker", { brokerId: 3 })).toMatchObject({ errorCode: 0, errorMessage: null });
  expect(cluster.controller.image.brokers.has(3)).toBe(false);
  expect(partition()).toMatchObject({ leader: -1, isr: [] });
});

test("whatever happens, a leader is in sync, and nobody is both in sync and eligible", () => {
  const broker = fc.integer({ min: 1, max: 4 });
  const step = fc.oneof(
    fc.record({ kind: fc.constant("fence" as const), broker }),
    fc.record({ kind: fc.constant("unfence" as const), broker }),
    fc.record({ kind: fc.constant("restart" as const), broker, clean: fc.boolean() }),
    fc.record({ kind: fc.constant("elect" as const), type: fc.integer({ min: 0, max: 1 }) }),
    fc.record({
      kind: fc.constant("reassign" as const),
      replicas: fc.option(fc.uniqueArray(broker, { minLength: 1, maxLength: 3 })),
    }),
  );
  fc.assert(
    fc.property(fc.boolean(), fc.boolean(), fc.array(step, { maxLength: 25 }), (elr, unclean, steps) => {
      begin(elr);
      set("min.insync.replicas", "2");
      if (unclean) set("unclean.leader.election.enable", "true");
      let incarnation = 100;
      for (const next of steps) {
        if (next.kind === "fence") fence(next.broker);
        else if (next.kind === "unfence") unfence(next.broker);
        else if (next.kind === "elect") elect(next.type, null);
        else if (next.kind === "reassign") reassign(next.replicas);
        else {
          const previous = next.clean ? epochs.get(next.broker) : -1;
          epochs.set(next.broker, cluster.join(next.broker, incarnation++, previous));
        }
        const { leader, isr, replicas, eligibleLeaderReplicas, directories } = partition();
        if (leader >= 0) {
          expect(isr).toContain(leader);
          expect(cluster.controller.image.brokers.get(leader)?.fenced).toBe(false);
        }
        for (const id of isr) expect(replicas).toContain(id);
        expect(isr.filter(id => eligibleLeaderReplicas.includes(id))).toEqual([]);
        expect(directories).toHaveLength(replicas.length);
        if (!elr) expect(isr.length).toBeGreaterThan(0);
      }
    }),
    { numRuns: 60 },
  );
});

test("a replica that a reassignment removes is not eligible any more", () => {
  begin(true);
  set("min.insync.replicas", "3");
  reassign([4]);
  inSync(1, 2, 3, 4);
  fence(1);
  expect(partition()).toMatchObject({ replicas: [4], isr: [4], leader: 4, eligibleLeaderReplicas: [] });
});

test("an unclean election makes no other replica eligible", () => {
  begin(true);
  set("min.insync.replicas", "3");
  set("unclean.leader.election.enable", "true");
  fence(1);
  fence(3);
  inSync(2);
  fence(2);
  expect(partition()).toMatchObject({ isr: [], leader: -1, eligibleLeaderReplicas: [1, 3, 2] });
  const topicId = topicNamed(cluster.controller.image, "t")?.id ?? ZERO_UUID;
  const change = { topicId, partitionId: 0, eligibleLeaderReplicas: [1, 3] };
  cluster.append([metadataRecord("PartitionChangeRecord", 2, change)]);
  unfence(2);
  expect(partition()).toMatchObject({ isr: [2], leader: 2, leaderRecoveryState: 1, eligibleLeaderReplicas: [] });
});

test("a preferred leader that is eligible waits while another is in sync", () => {
  begin(true);
  set("min.insync.replicas", "3");
  fence(1);
  unfence(1);
  expect(partition()).toMatchObject({ isr: [2, 3], leader: 2, eligibleLeaderReplicas: [1] });
  expect(elect(0)[0][0]).toBe("PREFERRED_LEADER_NOT_AVAILABLE");
  expect(partition().leader).toBe(2);
});
