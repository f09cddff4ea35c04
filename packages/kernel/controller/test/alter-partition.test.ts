import { type Uuid, ZERO_UUID } from "@samsa/base";
import { bootstrapRecords } from "@samsa/controller";
import { METADATA_VERSION, type PartitionImage, topicNamed } from "@samsa/metadata";
import {
  alterPartitionReassignmentsRequest,
  alterPartitionRequest,
  createTopicsRequest,
  errorOf,
  metadataRecord,
  type PartitionChangeRecord,
} from "@samsa/protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { FEATURES, Fixture, id } from "./fixture.ts";

let cluster: Fixture;
let epochs: number[];

/** Cluster of the brokers 1 to 4 with a topic `t` on the first three. */
function begin(metadataVersion: number = METADATA_VERSION.latest): void {
  cluster = new Fixture();
  const features = new Map([...FEATURES].filter(([name]) => name !== "eligible.leader.replicas.version"));
  cluster.append(bootstrapRecords({ metadataVersion, features }));
  epochs = [-1, ...[1, 2, 3, 4].map(broker => cluster.join(broker))];
  for (const broker of [1, 2, 3, 4]) cluster.beat(broker, epochs[broker]);
  const assignments = [{ partitionIndex: 0, brokerIds: [1, 2, 3] }];
  const topic = { name: "t", numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  cluster.run("CreateTopics", createTopicsRequest.defaults({ topics: [topic] }));
}
beforeEach(() => begin());

function partition(): PartitionImage {
  const found = topicNamed(cluster.controller.image, "t")?.partitions.get(0);
  if (found === undefined) throw new Error("t-0 is gone");
  return found;
}
const topicId = () => topicNamed(cluster.controller.image, "t")?.id ?? ZERO_UUID;

function change(draft: Partial<PartitionChangeRecord>): void {
  cluster.append([metadataRecord("PartitionChangeRecord", 2, { topicId: topicId(), partitionId: 0, ...draft })]);
}

interface Ask {
  readonly from?: number;
  readonly epoch?: number;
  readonly topicId?: Uuid;
  readonly partitionIndex?: number;
  /** Distance from the current epochs. */
  readonly leaderEpoch?: number;
  readonly partitionEpoch?: number;
  readonly recovery?: number;
  /** Epochs of the ISR that are not those of the registrations. */
  readonly epochs?: Readonly<Record<number, number>>;
  /** Version 2: without epochs. */
  readonly old?: boolean;
}

function alter(isr: number[], ask: Ask = {}) {
  const { from = 1, partitionIndex = 0 } = ask;
  const now = partition();
  const wanted = {
    partitionIndex,
    leaderEpoch: now.leaderEpoch + (ask.leaderEpoch ?? 0),
    partitionEpoch: now.partitionEpoch + (ask.partitionEpoch ?? 0),
    leaderRecoveryState: ask.recovery ?? 0,
    newIsr: ask.old === true ? isr : [],
    newIsrWithEpochs:
      ask.old === true ? [] : isr.map(b => ({ brokerId: b, brokerEpoch: ask.epochs?.[b] ?? epochs[b] ?? 1 })),
  };
  const body = {
    brokerId: from,
    brokerEpoch: ask.epoch ?? epochs[from],
    topics: [{ topicId: ask.topicId ?? topicId(), partitions: [wanted] }],
  };
  const reply = cluster.run("AlterPartition", alterPartitionRequest.defaults(body));
  const [answer] = reply.topics.flatMap(({ partitions }) => partitions);
  return { error: errorOf(answer?.errorCode ?? reply.errorCode).name, answer };
}

describe("AlterPartition", () => {
  test("a leader removes a follower from the ISR and adds it again, without a new leader epoch", () => {
    expect(alter([1, 2])).toEqual({
      error: "NONE",
      answer: {
        partitionIndex: 0,
        errorCode: 0,
        leaderId: 1,
        leaderEpoch: 0,
        isr: [1, 2],
        leaderRecoveryState: 0,
        partitionEpoch: 1,
      },
    });
    expect(partition()).toMatchObject({ isr: [1, 2], leader: 1, leaderEpoch: 0, partitionEpoch: 1 });
    expect(alter([1, 2, 3], { old: true }).error).toBe("NONE");
    expect(partition()).toMatchObject({ isr: [1, 2, 3], leaderEpoch: 0, partitionEpoch: 2 });
  });

  test("what is so already gets the state without a record", () => {
    const before = cluster.log.length;
    expect(alter([1, 2, 3])).toMatchObject({ error: "NONE", answer: { isr: [1, 2, 3], partitionEpoch: 0 } });
    expect(cluster.log.length).toBe(before);
  });

  test("a smaller ISR is a new leader epoch at the levels whose brokers need one", () => {
    begin(METADATA_VERSION.noEpochPerIsr - 1);
    expect(alter([1, 2]).answer).toMatchObject({ leaderId: 1, leaderEpoch: 1 });
  });

  test.each<[string, number[], Ask]>([
    ["STALE_BROKER_EPOCH", [1, 2], { epoch: 999 }],
    ["STALE_BROKER_EPOCH", [1, 2], { from: 9, epoch: 1 }],
    ["UNKNOWN_TOPIC_ID", [1, 2], { topicId: ZERO_UUID }],
    ["UNKNOWN_TOPIC_ID", [1, 2], { topicId: id(9999) }],
    ["UNKNOWN_TOPIC_OR_PARTITION", [1, 2], { partitionIndex: 7 }],
    ["NOT_CONTROLLER", [1, 2], { leaderEpoch: 1 }],
    ["NOT_CONTROLLER", [1, 2], { partitionEpoch: 1 }],
    ["NOT_CONTROLLER", [1, 2], { partitionEpoch: 1, leaderEpoch: -1 }],
    ["FENCED_LEADER_EPOCH", [1, 2], { leaderEpoch: -1 }],
    ["FENCED_LEADER_EPOCH", [1, 2], { leaderEpoch: -1, partitionEpoch: -1, from: 2 }],
    ["INVALID_REQUEST", [1, 2], { from: 2 }],
    ["INVALID_UPDATE_VERSION", [1, 2], { partitionEpoch: -1 }],
    ["INVALID_REQUEST", [], {}],
    ["INVALID_REQUEST", [2, 3], {}],
    ["INVALID_REQUEST", [1, 4], {}],
    ["INVALID_REQUEST", [1, 1], {}],
    ["INVALID_REQUEST", [1, -1], {}],
    ["INVALID_REQUEST", [1], { recovery: 1 }],
    ["INVALID_REQUEST", [1], { recovery: 7 }],
    ["INELIGIBLE_REPLICA", [1, 2], { epochs: { 2: 999 } }],
    ["NONE", [1, 2], { epochs: { 2: -1 } }],
  ])("%s for the ISR %j with %j", (error, isr, ask) => {
    const before = cluster.log.length;
    expect(alter(isr, ask).error).toBe(error);
    expect(cluster.log.length > before).toBe(error === "NONE");
  });

  test("a broker that is fenced, stops or is not registered stays out of the ISR", () => {
    cluster.beat(3, epochs[3], { wantFence: true });
    expect(partition().isr).toEqual([1, 2]);
    expect(alter([1, 2, 3]).error).toBe("INELIGIBLE_REPLICA");
    cluster.beat(3, epochs[3]);
    expect(alter([1, 2, 3]).error).toBe("NONE");
    const assignments = [{ partitionIndex: 0, brokerIds: [3] }];
    const topic = { name: "led-by-3", numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
    cluster.run("CreateTopics", createTopicsRequest.defaults({ topics: [topic] }));
    expect(cluster.beat(3, epochs[3], { wantShutDown: true })).toMatchObject({ isFenced: false });
    expect(partition().isr).toEqual([1, 2]);
    expect(alter([1, 2, 3]).error).toBe("INELIGIBLE_REPLICA");
    cluster.run("UnregisterBroker", { brokerId: 3 });
    expect(alter([1, 2, 3]).error).toBe("INELIGIBLE_REPLICA");
  });

  test("a new incarnation joins with its own epoch only", () => {
    cluster.beat(3, epochs[3], { wantFence: true });
    const old = epochs[3];
    epochs[3] = cluster.join(3, 33);
    cluster.beat(3, epochs[3]);
    expect(alter([1, 2, 3], { epochs: { 3: old } }).error).toBe("INELIGIBLE_REPLICA");
    expect(alter([1, 2, 3]).error).toBe("NONE");
  });

  test("a leader that recovers is alone until it has recovered", () => {
    change({ leader: 1, isr: [1], leaderRecoveryState: 1 });
    expect(alter([1, 2], { recovery: 1 }).error).toBe("INVALID_REQUEST");
    expect(alter([1], { recovery: 1 }).error).toBe("NONE");
    expect(partition().leaderRecoveryState).toBe(1);
    expect(alter([1, 2]).answer).toMatchObject({ errorCode: 0, leaderRecoveryState: 0, isr: [1, 2] });
    expect(partition()).toMatchObject({ leaderRecoveryState: 0, leaderEpoch: 1 });
  });

  test("an ISR with all added replicas completes the reassignment", () => {
    reassign([1, 2, 4]);
    expect(partition()).toMatchObject({ replicas: [1, 2, 4, 3], addingReplicas: [4], removingReplicas: [3] });
    expect(alter([1, 2, 3, 4]).answer).toMatchObject({ errorCode: 0, isr: [1, 2, 4], leaderId: 1, leaderEpoch: 1 });
    expect(partition()).toMatchObject({ replicas: [1, 2, 4], addingReplicas: [], removingReplicas: [] });
  });

  test("a leader whose replica is removed by that hears of the new leader", () => {
    reassign([2, 4]);
    expect(alter([1, 2, 3, 4]).error).toBe("NEW_LEADER_ELECTED");
    expect(partition()).toMatchObject({ replicas: [2, 4], isr: [2, 4], leader: 2, leaderEpoch: 1 });
  });

  test("a partition that is named twice changes once", () => {
    const wanted = {
      partitionIndex: 0,
      leaderEpoch: 0,
      partitionEpoch: 0,
      newIsrWithEpochs: [{ brokerId: 1, brokerEpoch: -1 }],
    };
    const topics = [{ topicId: topicId(), partitions: [wanted, wanted] }];
    const request = alterPartitionRequest.defaults({ brokerId: 1, brokerEpoch: epochs[1], topics });
    const { partitions } = cluster.run("AlterPartition", request).topics[0];
    expect(partitions.map(({ errorCode }) => errorOf(errorCode).name)).toEqual(["NONE", "INVALID_UPDATE_VERSION"]);
    expect(partition().partitionEpoch).toBe(1);
  });
});

function reassign(replicas: number[]): void {
  const topics = [{ name: "t", partitions: [{ partitionIndex: 0, replicas }] }];
  const request = alterPartitionReassignmentsRequest.defaults({ topics, allowReplicationFactorChange: true });
  expect(cluster.run("AlterPartitionReassignments", request).responses[0].partitions[0].errorCode).toBe(0);
}
