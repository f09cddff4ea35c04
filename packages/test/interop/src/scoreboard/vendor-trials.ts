/** Trials of clusters in which nodes of both vendors hand over to each other. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { ClusterPlan, MixedCluster } from "../cluster/mixed-cluster.ts";
import type { NodePlan, Vendor } from "../cluster/mixed-node.ts";
import { segmentsHash } from "../cluster/segments.ts";
import { until } from "../processes/until.ts";
import { createTopic, type Stage, trial, underLoad } from "./cluster-trials.ts";
import type { Trial } from "./scoreboard.ts";
import { TOOLS } from "../tools/tool-check.ts";

const PARTITIONS = [0, 1, 2];
/** Batches of topics, and the time that a controller has to write a snapshot after each. */
const BATCHES = 4;
const SNAPSHOT_MS = 2000;
/** Kafka deletes snapshots once a minute. */
const LONG_MS = 150_000;

const BOTH: ClusterPlan = {
  voters: "changing",
  nodes: [
    { id: 1, vendor: "kafka", roles: "broker,controller", format: ["--standalone"] },
    ...[11, 12].map((id): NodePlan => ({ id, vendor: "samsa", roles: "broker" })),
  ],
  settings: ["offsets.topic.replication.factor=2"],
};

async function reassign(cluster: MixedCluster, topic: string, replicas: readonly number[]): Promise<void> {
  const partitions = PARTITIONS.map(partitionIndex => ({ partitionIndex, replicas: [...replicas] }));
  const body = { timeoutMs: 30_000, topics: [{ name: topic, partitions }] };
  const { errorCode, responses } = await cluster.ask(11, "AlterPartitionReassignments", 0, body);
  const codes = [errorCode, ...responses.flatMap(made => made.partitions.map(partition => partition.errorCode))];
  if (codes.some(code => code !== 0)) throw new Error(`the reassignment is refused with ${codes.join()}`);
  await until("the reassignment ends", async () => {
    const { topics } = await cluster.ask(11, "ListPartitionReassignments", 0, { timeoutMs: 10_000, topics: null });
    return topics.length === 0;
  });
  await cluster.inSync(11, topic, replicas.length);
}

const moves = trial("cluster: replicas move between vendors", BOTH, async stage => {
  const { cluster, step } = stage;
  await underLoad(stage, 2, async more => {
    for (const [replicas, what] of [
      [[1], "to Kafka alone"],
      [[11, 12], "from Kafka to Samsa"],
      [[1, 11], "back"],
    ] as const) {
      await step(`replicas move ${what}`, () => reassign(cluster, "t", replicas));
      await more(`after the move ${what}`);
    }
  });
  await step("replicas of both vendors are the same", () =>
    until("equal replicas", () =>
      Promise.resolve(
        PARTITIONS.every(partition => {
          const hashes = [1, 11].map(id => segmentsHash(cluster.node(id).directory, "t", partition));
          return new Set(hashes).size === 1;
        }),
      ),
    ),
  );
});

/** A controller of one vendor, whose log has lost its beginning, and late nodes of the other one. */
function snapshotPlan(vendor: Vendor, other: Vendor): ClusterPlan {
  return {
    voters: "changing",
    nodes: [
      { id: 1, vendor, roles: "controller", format: ["--standalone"] },
      { id: 11, vendor: other, roles: "broker" },
      { id: 12, vendor: other, roles: "broker", isLate: true },
      { id: 21, vendor: other, roles: "controller", format: ["--no-initial-controllers"], isLate: true },
    ],
    settings: [
      "offsets.topic.replication.factor=1",
      "metadata.log.max.record.bytes.between.snapshots=4000",
      "metadata.max.retention.bytes=6000",
    ],
  };
}

/** Names of the files of a node's metadata log. */
function metadataFiles(cluster: MixedCluster, id: number): string[] {
  return readdirSync(join(cluster.node(id).directory, "__cluster_metadata-0"));
}

function begins(files: readonly string[]): number {
  return Math.min(...files.filter(name => name.endsWith(".log")).map(name => Number.parseInt(name, 10)));
}

async function fetchSnapshots({ cluster, step }: Stage): Promise<void> {
  let count = 0;
  const createMore = async (): Promise<void> => {
    const topics = Array.from({ length: 20 }, () => ({
      ...{ name: `t${count++}`, numPartitions: 3, replicationFactor: 1, assignments: [], configs: [] },
    }));
    await cluster.ask(11, "CreateTopics", 7, { topics, timeoutMs: 30_000, validateOnly: false });
  };
  await step("the controller deletes the beginning of its log", async () => {
    for (let batch = 0; batch < BATCHES; batch++) {
      await createMore();
      await new Promise(resolve => setTimeout(resolve, SNAPSHOT_MS));
    }
    const isThere = (): boolean => metadataFiles(cluster, 1).some(name => name.startsWith("00000000000000000000-"));
    await until("the first snapshot is deleted", () => !isThere(), LONG_MS);
  });
  for (const [id, what] of [
    [21, "a standby controller"],
    [12, "a broker"],
  ] as const) {
    await step(`${what} starts with a snapshot`, async () => {
      await cluster.node(id).start();
      await until("a log that begins with a snapshot", () => {
        const files = metadataFiles(cluster, id);
        const isFetched = files.some(name => name.endsWith(".checkpoint") && !name.startsWith("0".repeat(20)));
        return Promise.resolve(isFetched && begins(files) > 0);
      });
    });
  }
  await step("the broker knows all topics", () =>
    until("all topics", async () => {
      const { topics } = await cluster.ask(12, "Metadata", 12, { topics: null, allowAutoTopicCreation: false });
      return topics.filter(({ name }) => name?.startsWith("t") === true).length === count;
    }),
  );
  await step("the standby becomes a voter and leads", async () => {
    const server = ["--bootstrap-server", cluster.brokers];
    const quorum = (...args: string[]): Promise<string> => cluster.tool(`${TOOLS}.MetadataQuorumCommand`, ...args);
    await until("the standby has caught up", async () =>
      (await cluster.quorum(11)).observers.some(({ replicaId }) => replicaId === 21),
    );
    await quorum(...server, "--command-config", cluster.node(21).file, "add-controller");
    await cluster.node(1).stop();
    // Two voters need each other: the first comes back as a follower of the other vendor.
    await cluster.node(1).start();
    await until("a leader", async () => (await cluster.quorum(12)).leaderId >= 0);
    await createTopic(cluster, "after", 1);
  });
}

const ours = trial(
  "cluster: Kafka's nodes start with Samsa's snapshots",
  snapshotPlan("samsa", "kafka"),
  fetchSnapshots,
);
const theirs = trial(
  "cluster: Samsa's nodes start with Kafka's snapshots",
  snapshotPlan("kafka", "samsa"),
  fetchSnapshots,
);

const VOTERS: ClusterPlan = {
  voters: "changing",
  nodes: [
    { id: 1, vendor: "kafka", roles: "controller", format: ["--standalone"] },
    ...[2, 3].map(
      (id): NodePlan => ({
        ...{ id, vendor: "kafka", roles: "controller", format: ["--no-initial-controllers"] },
      }),
    ),
    ...[11, 12].map((id): NodePlan => ({ id, vendor: "samsa", roles: "broker" })),
  ],
  settings: ["offsets.topic.replication.factor=2"],
};

const voters = trial("cluster: Kafka's controllers change under Samsa's brokers", VOTERS, async stage => {
  const { cluster, step } = stage;
  const quorum = (...args: string[]): Promise<string> =>
    cluster.tool(`${TOOLS}.MetadataQuorumCommand`, "--bootstrap-server", cluster.brokers, ...args);
  const votersOf = async (): Promise<number> => (await cluster.quorum(11)).currentVoters.length;
  await underLoad(stage, 2, async more => {
    for (const id of [2, 3]) {
      await step(`controller ${id} becomes a voter`, () =>
        quorum("--command-config", cluster.node(id).file, "add-controller"),
      );
    }
    await step("there are three voters", () => until("three voters", async () => (await votersOf()) === 3));
    await more("with three voters");
    await cluster.node(1).kill();
    await step("another controller leads", () =>
      until("another leader", async () => (await cluster.quorum(12)).leaderId !== 1),
    );
    await more("without the first controller");
    await step("the first controller is removed", async () => {
      const gone = (await cluster.quorum(11)).currentVoters.find(({ replicaId }) => replicaId === 1);
      const args = ["--controller-id", "1", "--controller-directory-id", gone?.replicaDirectoryId ?? ""];
      await quorum("remove-controller", ...args);
      await until("two voters", async () => (await votersOf()) === 2);
    });
    await step("create a topic after that", () => createTopic(cluster, "after", 2));
    await more("with two voters");
  });
});

/** Trials of clusters with both vendors. */
export const VENDOR_TRIALS: readonly Trial[] = [moves, ours, theirs, voters];
