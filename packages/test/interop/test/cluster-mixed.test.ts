import { expect, type TestContext, test } from "vitest";
import { type ClusterPlan, MixedCluster } from "../src/cluster/mixed-cluster.ts";
import { segmentsHash } from "../src/cluster/segments.ts";
import { VerifiableJudge } from "../src/judges/java-judges.ts";
import type { Acknowledged } from "../src/judges/judge.ts";
import { until } from "../src/processes/until.ts";
import { findJava } from "../src/processes/runtimes.ts";
import { need } from "./scenarios.ts";

const TOOLS = "org.apache.kafka.tools";
const PARTITIONS = 3;

/** Runs `body` with a cluster. On a failure, the standard error of all nodes is shown. */
async function withCluster(
  plan: ClusterPlan,
  context: TestContext,
  body: (cluster: MixedCluster) => Promise<void>,
): Promise<void> {
  need(await findJava(), context);
  const cluster = await MixedCluster.start(plan);
  try {
    await body(cluster);
  } catch (error) {
    console.error(cluster.log());
    throw error;
  } finally {
    await cluster.dispose();
  }
}

function createTopic(cluster: MixedCluster, topic: string, replicas: number): Promise<string> {
  const args = ["--topic", topic, "--partitions", String(PARTITIONS), "--replication-factor", String(replicas)];
  return cluster.tool(`${TOOLS}.TopicCommand`, "--bootstrap-server", cluster.brokers, "--create", ...args);
}

const MIXED: ClusterPlan = {
  voters: "changing",
  nodes: [
    { id: 1, vendor: "kafka", roles: "broker,controller", format: ["--standalone"] },
    { id: 11, vendor: "samsa", roles: "broker" },
    { id: 12, vendor: "samsa", roles: "broker" },
  ],
  settings: ["offsets.topic.replication.factor=3", "min.insync.replicas=2"],
};

test("brokers of both vendors replicate, and lose nothing when either is killed", async context => {
  await withCluster(MIXED, context, async cluster => {
    await createTopic(cluster, "t", 3);
    await cluster.inSync(11, "t", 3);
    const observers = (await cluster.quorum(11)).observers.map(({ replicaId }) => replicaId);
    expect(observers.toSorted((a, b) => a - b)).toEqual([11, 12]);

    const acknowledged: Acknowledged[] = [];
    const judge = new VerifiableJudge(need(await findJava(), context), cluster.brokers);
    const load = await judge.load("t", ack => acknowledged.push(ack));
    const more = async (when: string): Promise<void> => {
      const wanted = acknowledged.length + 200;
      await until(`200 more records acknowledged ${when}`, () => acknowledged.length >= wanted);
    };
    try {
      await more("at first");
      await cluster.node(11).kill();
      await more("after the kill of a Samsa broker");
      await cluster.node(11).start();
      // Kafka's node is the controller, too: without it no leader can be elected.
      await cluster.node(1).kill();
      await cluster.node(1).start();
      await more("after the kill of the Kafka node");
      await cluster.node(12).stop();
      await more("after the controlled shutdown of a Samsa broker");
      await cluster.node(12).start();
    } finally {
      await load.stop();
    }
    await cluster.inSync(11, "t", 3);
    const reads = await judge.consume("t", "readers", acknowledged.length);
    const values = new Map(reads.map(({ partition, offset, value }) => [`${partition}/${offset}`, value]));
    const lost = acknowledged.filter(({ partition, offset, value }) => values.get(`${partition}/${offset}`) !== value);
    expect(lost.slice(0, 3), `${lost.length} acknowledged records are lost`).toEqual([]);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const hashes = cluster.nodes.map(({ directory }) => segmentsHash(directory, "t", partition));
      expect(new Set(hashes).size, `replicas of partition ${partition}: ${hashes.join()}`).toBe(1);
    }
  });
});

const OURS: ClusterPlan = {
  voters: "changing",
  nodes: [
    { id: 1, vendor: "samsa", roles: "controller", format: ["--standalone"] },
    { id: 2, vendor: "samsa", roles: "controller", format: ["--no-initial-controllers"] },
    { id: 3, vendor: "kafka", roles: "controller", format: ["--no-initial-controllers"] },
    { id: 11, vendor: "kafka", roles: "broker" },
  ],
  settings: ["offsets.topic.replication.factor=1"],
};

test("Kafka's brokers and a standby of Kafka follow controllers of ours, which join, fail over and leave", async context => {
  await withCluster(OURS, context, async cluster => {
    const quorum = (...args: string[]): Promise<string> => cluster.tool(`${TOOLS}.MetadataQuorumCommand`, ...args);
    const server = ["--bootstrap-server", cluster.brokers];
    await quorum(
      "--bootstrap-controller",
      cluster.controllers,
      "--command-config",
      cluster.node(2).file,
      "add-controller",
    );
    // Two voters need each other: a third one lets one of them fail.
    await quorum(...server, "--command-config", cluster.node(3).file, "add-controller");
    await createTopic(cluster, "before", 1);
    await cluster.node(1).kill();
    await until("another active controller", async () => (await cluster.quorum(11)).leaderId !== 1);
    await createTopic(cluster, "after", 1);
    await cluster.node(1).start();
    const listed = await cluster.tool(
      `${TOOLS}.ClusterTool`,
      "list-endpoints",
      "--bootstrap-controller",
      cluster.controllers,
    );
    for (const { id, controller } of cluster.nodes.filter(node => node.controller !== undefined)) {
      expect(listed).toMatch(new RegExp(`^${id}\\s+127\\.0\\.0\\.1\\s+${controller?.split(":")[1]}\\s`, "m"));
    }
    const leaving = (await cluster.quorum(11)).currentVoters.find(({ replicaId }) => replicaId === 3);
    const directory = leaving?.replicaDirectoryId ?? "";
    await quorum(...server, "remove-controller", "--controller-id", "3", "--controller-directory-id", directory);
    await until("the standby has all records", async () => {
      const { currentVoters, observers, highWatermark } = await cluster.quorum(11);
      const standby = observers.find(({ replicaId }) => replicaId === 3);
      return currentVoters.length === 2 && standby !== undefined && standby.logEndOffset >= highWatermark;
    });
    const [ours, kafkas] = [1, 3].map(id => cluster.node(id).directory);
    const dump = await cluster.tool(
      `${TOOLS}.DumpLogSegments`,
      "--cluster-metadata-decoder",
      "--files",
      `${ours}/__cluster_metadata-0/00000000000000000000.log`,
    );
    expect(dump).toMatch(/"type":"TOPIC_RECORD".*"name":"after"/);
    expect(dump).toMatch(/"type":"REGISTER_CONTROLLER_RECORD"/);
    expect(dump).not.toMatch(/error|exception|invalid/i);
    expect(segmentsHash(kafkas ?? "", "__cluster_metadata", 0)).toBe(segmentsHash(ours ?? "", "__cluster_metadata", 0));
    expect(cluster.node(3).log()).not.toMatch(/Encountered .*fault/);
    for (const id of [11, 3, 1, 2]) await cluster.node(id).stop();
  });
});
