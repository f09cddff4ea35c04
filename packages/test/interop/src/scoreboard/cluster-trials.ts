/** Trials that need a cluster: each starts its own nodes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { entryAt } from "@samsa/base";
import { type ClusterPlan, MixedCluster } from "../cluster/mixed-cluster.ts";
import type { NodePlan } from "../cluster/mixed-node.ts";
import { VerifiableJudge } from "../judges/java-judges.ts";
import { startCopier } from "../judges/copier.ts";
import type { Acknowledged } from "../judges/judge.ts";
import { Child } from "../processes/child.ts";
import { until } from "../processes/until.ts";
import { findJava, type Java, KAFKA_VERSION, Missing } from "../processes/runtimes.ts";
import { CLUSTER_TOOLS } from "./cluster-tools.ts";
import { runCheck } from "./kafka-tools.ts";
import { type Check, oneLine, type Trial } from "./scoreboard.ts";
import { TOOLS } from "./tool-check.ts";

/** Runs a step and notes its outcome. Rejects if it fails, since later steps build on it. */
export type Step = <R>(name: string, body: () => Promise<R>) => Promise<R>;

/** Cluster of a trial, and the outcomes of its steps. */
export interface Stage {
  readonly java: Java;
  readonly cluster: MixedCluster;
  readonly step: Step;
  readonly checks: Check[];
}

const WHOLE = "(the whole judge)";

/** Trial of a cluster that starts for it. */
export function trial(name: string, plan: ClusterPlan, body: (stage: Stage) => Promise<void>): Trial {
  const run = async () => {
    const checks: Check[] = [];
    const java = await findJava();
    if (java instanceof Missing) {
      checks.push({ name: WHOLE, outcome: "skipped", reason: oneLine(java.reason) });
      return { judge: name, version: "", checks };
    }
    let cluster: MixedCluster | undefined;
    const step: Step = async (name, work) => {
      try {
        const result = await work();
        checks.push({ name, outcome: "passed" });
        return result;
      } catch (error) {
        checks.push({ name, outcome: "failed", reason: oneLine(error) });
        throw error;
      }
    };
    try {
      cluster = await step("the cluster starts", () => MixedCluster.start(plan));
      await body({ java, cluster, step, checks });
    } catch (error) {
      console.error(`${name}: ${String(error)}\n${cluster?.log() ?? ""}`);
      if (checks.every(({ outcome }) => outcome === "passed")) {
        checks.push({ name: WHOLE, outcome: "failed", reason: oneLine(error) });
      }
    } finally {
      await cluster?.dispose();
    }
    return { judge: name, version: KAFKA_VERSION, checks };
  };
  return { name, run };
}

const samsa = (id: number): NodePlan => ({ id, vendor: "samsa", roles: "broker,controller" });
const THREE: ClusterPlan = {
  voters: "fixed",
  nodes: [1, 2, 3].map(samsa),
  settings: [
    "offsets.topic.replication.factor=3",
    "transaction.state.log.replication.factor=3",
    "transaction.state.log.min.isr=2",
    "min.insync.replicas=2",
  ],
};

const tools = trial(CLUSTER_TOOLS.name, THREE, async ({ java, cluster, checks }) => {
  const home = mkdtempSync(join(tmpdir(), "interop-tool-"));
  try {
    const { brokers: server, controllers } = cluster;
    const { directory } = cluster.node(1);
    const places = { server, controllers, directory, node: "1", file: join(home, "file") };
    for (const check of CLUSTER_TOOLS.checks) checks.push(await runCheck(java, CLUSTER_TOOLS, check, places));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

/** Creates a topic with three partitions. */
export function createTopic(cluster: MixedCluster, topic: string, replicas: number): Promise<string> {
  const args = ["--topic", topic, "--partitions", "3", "--replication-factor", String(replicas)];
  return cluster.tool(`${TOOLS}.TopicCommand`, "--bootstrap-server", cluster.brokers, "--create", ...args);
}

/** Values that a read lacks. */
function expectAll(acknowledged: readonly Acknowledged[], values: ReadonlyMap<string, string | null>): void {
  const lost = acknowledged.filter(({ partition, offset, value }) => values.get(`${partition}/${offset}`) !== value);
  if (lost.length > 0) throw new Error(`${lost.length} of ${acknowledged.length} acknowledged records are lost`);
}

/** Produces while `faults` run; afterwards a consumer must find every acknowledged record. */
export async function underLoad(
  { java, cluster, step }: Stage,
  replicas: number,
  faults: (more: (when: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  await step("create a topic", () => createTopic(cluster, "t", replicas));
  const judge = new VerifiableJudge(java, cluster.brokers);
  const acknowledged: Acknowledged[] = [];
  const load = await judge.load("t", ack => acknowledged.push(ack));
  try {
    await faults(when =>
      step(`records are acknowledged ${when}`, async () => {
        const wanted = acknowledged.length + 300;
        await until("300 more records", () => acknowledged.length >= wanted);
      }),
    );
  } finally {
    await step("no record is given up", () => load.stop());
  }
  await step("no acknowledged record is lost", async () => {
    const reads = await judge.consume("t", "readers", acknowledged.length);
    expectAll(acknowledged, new Map(reads.map(({ partition, offset, value }) => [`${partition}/${offset}`, value])));
  });
}

const KAFKA_CONTROLLERS: ClusterPlan = {
  voters: "fixed",
  nodes: [
    ...[1, 2, 3].map((id): NodePlan => ({ id, vendor: "kafka", roles: "controller" })),
    ...[11, 12].map((id): NodePlan => ({ id, vendor: "samsa", roles: "broker" })),
  ],
  settings: ["offsets.topic.replication.factor=2"],
};

const failovers = trial("cluster: failovers of Kafka's controllers", KAFKA_CONTROLLERS, async stage => {
  const { cluster, step } = stage;
  await underLoad(stage, 2, async more => {
    for (const round of [1, 2, 3]) {
      const { leaderId } = await cluster.quorum(11);
      await cluster.node(leaderId).kill();
      await step(`another controller is active, ${round}`, () =>
        until("another leader", async () => (await cluster.quorum(12)).leaderId !== leaderId),
      );
      await step(`create a topic after that, ${round}`, () => createTopic(cluster, `after-${round}`, 2));
      await more(`after failover ${round}`);
      await cluster.node(leaderId).start();
    }
  });
  await step("brokers stop with the controllers' consent", async () => {
    for (const id of [11, 12]) await cluster.node(id).stop();
  });
});

const rolling = trial("cluster: rolling restarts", THREE, async stage => {
  const { cluster, step, java } = stage;
  let reader: Child | undefined;
  let read = 0;
  try {
    await underLoad(stage, 3, async more => {
      const group = ["--group-id", "rolling", "--reset-policy", "earliest"];
      const { command, args } = java(
        `${TOOLS}.VerifiableConsumer`,
        ...["--bootstrap-server", cluster.brokers, "--topic", "t", ...group],
      );
      reader = new Child(command, args, {
        onLine: line => {
          const event = JSON.parse(line) as { readonly name: string; readonly count?: number };
          if (event.name === "records_consumed") read += event.count ?? 0;
        },
      });
      await more("at first");
      for (const id of [1, 2, 3]) {
        await step(`node ${id} stops with consent`, () => cluster.node(id).stop());
        await more(`without node ${id}`);
        await cluster.node(id).start();
        await step(`node ${id} is in sync`, () => cluster.inSync(id, "t", 3));
        const before = read;
        await step(`the consumer reads on after node ${id}`, () => until("more records", () => read > before));
      }
    });
  } finally {
    await reader?.end("SIGKILL");
  }
});

const EACH = 2000;

const transactions = trial("cluster: transactions under kills", THREE, async ({ java, cluster, step }) => {
  const { brokers } = cluster;
  for (const topic of ["in", "out"]) await step(`create ${topic}`, () => createTopic(cluster, topic, 3));
  const judge = new VerifiableJudge(java, brokers);
  const written = await step("write the input", () => judge.produce("in", "none", 3 * EACH));
  const counts = [0, 1, 2].map(partition => written.filter(ack => ack.partition === partition).length);
  const copiers = counts.flatMap((count, i) =>
    count === 0 ? [] : [startCopier(java, { brokers, partition: i, count })],
  );
  let isOver = false;
  const ends = Promise.all(copiers.map(child => child.exited)).finally(() => {
    isOver = true;
  });
  try {
    for (let i = 0; !isOver && i < 6; i++) {
      const node = cluster.node(1 + (i % 3));
      await until("a transaction is copied", () => isOver || copiers.some(child => child.lines.length > 5 * (i + 1)));
      await node.kill();
      await new Promise(resolve => setTimeout(resolve, 3000));
      await step(`node ${node.id} comes back, ${i}`, () => node.start());
      await step(`node ${node.id} is in sync, ${i}`, () => cluster.inSync(node.id, "out", 3));
    }
    await step("the copiers end", async () => {
      await until("all ends", () => isOver, 120_000);
      const wrong = (await ends).find(end => end !== 0);
      if (wrong !== undefined)
        throw new Error(`one ended with ${wrong}: ${copiers.map(({ stderr }) => stderr.slice(-300)).join("\n")}`);
    });
  } finally {
    for (const child of copiers) child.kill();
  }
  await step("each record is copied exactly once", async () => {
    const bounds = ["--from-beginning", "--isolation-level", "read_committed", "--timeout-ms", "10000"];
    const args = ["--bootstrap-server", brokers, "--topic", "out", ...bounds];
    const { command, args: all } = java(`${TOOLS}.consumer.ConsoleConsumer`, ...args);
    const child = new Child(command, all, { input: "" });
    await child.exited;
    const values = child.lines.filter(line => /^\d+$/.test(line)).toSorted();
    const expected = written.map(({ value }) => value).toSorted();
    const wrong = values.findIndex((value, i) => value !== entryAt(expected, i));
    if (values.length !== expected.length || wrong >= 0) {
      throw new Error(
        `${values.length} records instead of ${expected.length}; the first other one is ${values[wrong]}`,
      );
    }
  });
});

/** Trials of clusters. */
export const CLUSTER_TRIALS: readonly Trial[] = [tools, failovers, rolling, transactions];
