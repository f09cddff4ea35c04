import { METADATA_TOPIC_ID, ZERO_UUID } from "@samsa/base";
import { Apis, Errors } from "@samsa/protocol";
import { METADATA_TOPIC } from "@samsa/quorum";
import { describe, expect, test } from "vitest";
import type { RaftApi, RaftRequest, RaftResponse } from "../src/index.ts";
import { type Replica, TestQuorum } from "./cluster.ts";

/** Sends a request to a replica as it would come from the wire, and returns the answer, which must come at once. */
function ask<N extends RaftApi>(replica: Replica, api: N, request: object, version?: number): RaftResponse<N> {
  let answer: RaftResponse<N> | undefined;
  const whole = Apis[api].request.defaults(request as never) as RaftRequest<N>;
  replica.client?.handle(api, whole, version ?? Apis[api].lastStable, response => void (answer = response));
  if (answer === undefined) throw new Error(`no answer to ${api}`);
  return answer;
}

async function elected(seed = 1) {
  const quorum = new TestQuorum(seed, { voters: 3, observers: 1 });
  const leader = await quorum.elected();
  const [follower] = quorum.replicas.filter(replica => replica !== leader) as [Replica];
  quorum.propose();
  await quorum.caughtUp(1);
  return { quorum, leader, follower, epoch: leader.client?.epoch ?? 0 };
}

/** Requests of each API for the metadata partition, and what makes another of them. */
const REQUESTS = {
  Vote: (partition: object = {}) => ({
    topics: [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0, replicaId: 9, ...partition }] }],
  }),
  BeginQuorumEpoch: (partition: object = {}) => ({
    topics: [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0, leaderId: 9, ...partition }] }],
  }),
  EndQuorumEpoch: (partition: object = {}) => ({
    topics: [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0, leaderId: 9, ...partition }] }],
  }),
  Fetch: (partition: object = {}) => ({
    topics: [{ topicId: METADATA_TOPIC_ID, partitions: [{ partition: 0, lastFetchedEpoch: 0, ...partition }] }],
  }),
  FetchSnapshot: (partition: object = {}) => ({
    topics: [{ name: METADATA_TOPIC, partitions: [{ partition: 0, ...partition }] }],
  }),
} as const;
const NAMES = Object.keys(REQUESTS) as (keyof typeof REQUESTS)[];

describe("a request of a replica", () => {
  test("for another cluster or another partition is refused as a whole", async () => {
    const { leader } = await elected();
    for (const api of NAMES) {
      const right = REQUESTS[api]();
      const [topic] = right.topics;
      const two = { topics: [...right.topics, ...right.topics] };
      const partitions = [...topic!.partitions, ...topic!.partitions];
      const index = api === "Fetch" || api === "FetchSnapshot" ? "partition" : "partitionIndex";
      const name = { Fetch: { topicId: ZERO_UUID }, FetchSnapshot: { name: "t" } }[api as "Fetch"];
      const elsewhere = { topics: [{ ...topic, ...(name ?? { topicName: "t" }) }] };
      const second = { topics: [{ ...topic, partitions: [{ ...topic!.partitions[0], [index]: 1 }] }] };
      for (const wrong of [{ topics: [] }, two, { topics: [{ ...topic, partitions }] }, elsewhere, second]) {
        expect(ask(leader, api, wrong).errorCode, api).toBe(Errors.INVALID_REQUEST.code);
      }
      const other = ask(leader, api, { ...right, clusterId: "other" });
      expect(other.errorCode, api).toBe(Errors.INCONSISTENT_CLUSTER_ID.code);
      expect(ask(leader, api, { ...right, clusterId: "c" }).errorCode, api).toBe(0);
    }
  });

  test("names the leader and its endpoint in its answer", async () => {
    const { follower, leader, epoch } = await elected();
    const nodes = [{ nodeId: leader.id, host: leader.name, port: 9093 }];
    const vote = ask(follower, "Vote", REQUESTS.Vote({ replicaEpoch: epoch, lastOffset: 1, lastOffsetEpoch: 0 }));
    expect(vote.topics[0]?.partitions[0]).toMatchObject({
      leaderId: leader.id,
      leaderEpoch: epoch,
      voteGranted: false,
    });
    expect(vote.nodeEndpoints).toEqual(nodes);
    const fetch = ask(follower, "Fetch", REQUESTS.Fetch({ currentLeaderEpoch: epoch, fetchOffset: 0 }));
    expect(fetch.responses[0]?.partitions[0]).toMatchObject({
      errorCode: Errors.NOT_LEADER_OR_FOLLOWER.code,
      currentLeader: { leaderId: leader.id, leaderEpoch: epoch },
    });
    expect(fetch.nodeEndpoints).toEqual([{ ...nodes[0], rack: null }]);
  });

  test("reads a snapshot only if the leader has it, and within its size", async () => {
    const { quorum, leader, epoch } = await elected();
    const code = (partition: object): number | undefined =>
      ask(leader, "FetchSnapshot", REQUESTS.FetchSnapshot({ currentLeaderEpoch: epoch, ...partition })).topics[0]
        ?.partitions[0]?.errorCode;
    quorum.snapshot(leader);
    await quorum.world.runUntil(() => !leader.snapshotting);
    const snapshotId = { endOffset: leader.last.offset + 1, epoch: leader.last.epoch };
    expect([
      code({ snapshotId, position: 0 }),
      code({ snapshotId, position: 1e6 }),
      code({ snapshotId, position: -1 }),
      code({ snapshotId: { endOffset: 1, epoch: 1 }, position: 0 }),
      code({ snapshotId: { endOffset: 0, epoch: 0 }, position: 0 }),
      code({ snapshotId, position: 0, currentLeaderEpoch: epoch + 1 }),
    ]).toEqual([
      0,
      Errors.POSITION_OUT_OF_RANGE.code,
      Errors.POSITION_OUT_OF_RANGE.code,
      Errors.SNAPSHOT_NOT_FOUND.code,
      Errors.SNAPSHOT_NOT_FOUND.code,
      Errors.UNKNOWN_LEADER_EPOCH.code,
    ]);
    // A new replica reads the snapshot first, even if the log has everything.
    const fetch = ask(leader, "Fetch", REQUESTS.Fetch({ currentLeaderEpoch: epoch, fetchOffset: 0 }));
    expect(fetch.responses[0]?.partitions[0]?.snapshotId).toEqual(snapshotId);
  });

  test("that waits is answered when the replica stops, and later ones at once", async () => {
    const { leader, epoch } = await elected();
    const { client } = leader;
    if (client === undefined) throw new Error("no leader");
    const end = { fetchOffset: client.endOffset, lastFetchedEpoch: epoch, currentLeaderEpoch: epoch };
    const request = {
      maxWaitMs: 500,
      replicaState: { replicaId: 77 },
      ...REQUESTS.Fetch({ ...end, highWatermark: 99n }),
    };
    const codes: (number | undefined)[] = [];
    client.handle("Fetch", Apis.Fetch.request.defaults(request as never) as never, 18, ({ responses }) =>
      codes.push(responses[0]?.partitions[0]?.errorCode),
    );
    expect(codes).toEqual([]);
    client.close().catch((error: unknown) => expect(error).toBeUndefined());
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
    expect(codes).toEqual([Errors.NOT_LEADER_OR_FOLLOWER.code]);
  });

  test("is refused before the start and after the end", async () => {
    const { quorum, leader } = await elected();
    const { client } = leader;
    let isClosed = false;
    client?.close().then(
      () => void (isClosed = true),
      (error: unknown) => expect(error).toBeUndefined(),
    );
    await quorum.world.runUntil(() => isClosed);
    for (const api of NAMES) expect(ask(leader, api, REQUESTS[api]()).errorCode).toBe(Errors.BROKER_NOT_AVAILABLE.code);
    expect(() => client?.append([], 0)).toThrow("does not lead");
  });
});

test("DescribeQuorum tells how far the others are, and when they were heard", async () => {
  const { quorum, leader, follower } = await elected();
  const topics = [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0 }] }];
  quorum.isolate(follower);
  await quorum.world.runFor(1500);
  const wall = Math.floor(quorum.world.wall());
  const described = ask(leader, "DescribeQuorum", { topics }).topics[0]?.partitions[0];
  const behind = described?.currentVoters.find(({ replicaId }) => replicaId === follower.id);
  const near = described?.currentVoters.filter(({ replicaId }) => replicaId !== follower.id) ?? [];
  expect(near.map(({ logEndOffset }) => logEndOffset)).toEqual([leader.client?.endOffset, leader.client?.endOffset]);
  for (const { lastFetchTimestamp, lastCaughtUpTimestamp } of near) {
    expect(wall - Number(lastFetchTimestamp)).toBeLessThan(1000);
    expect(wall - Number(lastCaughtUpTimestamp)).toBeLessThan(1000);
  }
  expect(wall - Number(behind?.lastFetchTimestamp)).toBeGreaterThan(900);
  expect(described?.observers.map(({ replicaId }) => replicaId)).toEqual([4]);
  expect(described).toMatchObject({ leaderId: leader.id, highWatermark: leader.client?.highWatermark });
  const refused = ask(follower, "DescribeQuorum", { topics }).topics[0]?.partitions[0]?.errorCode;
  expect(refused).toBe(Errors.NOT_LEADER_OR_FOLLOWER.code);
  const nowhere = ask(leader, "DescribeQuorum", { topics: [{ topicName: "t", partitions: [{ partitionIndex: 0 }] }] });
  expect(nowhere.topics[0]?.partitions[0]?.errorCode).toBe(Errors.UNKNOWN_TOPIC_OR_PARTITION.code);
});
