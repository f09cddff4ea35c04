/** Trials that need a cluster: each starts its own nodes. */
import { type ClusterPlan, MixedCluster } from "../cluster/mixed-cluster.ts";
import type { NodePlan } from "../cluster/mixed-node.ts";
import { VerifiableJudge } from "../judges/java-judges.ts";
import type { Acknowledged } from "../judges/judge.ts";
import { until } from "../processes/until.ts";
import { findJava, type Java, KAFKA_VERSION, Missing } from "../processes/runtimes.ts";
import { type Check, noVerdict, oneLine, type Trial, wholeCheck } from "./scoreboard.ts";
import { TOOLS } from "../tools/tool-check.ts";

/** Runs a step and notes its outcome. Rejects if it fails, since later steps build on it. */
export type Step = <R>(name: string, body: () => Promise<R>) => Promise<R>;

/** Cluster of a trial, and the outcomes of its steps. */
export interface Stage {
  readonly java: Java;
  readonly cluster: MixedCluster;
  readonly step: Step;
  readonly checks: Check[];
}

/** Trial of a cluster that starts for it. */
export function trial(name: string, plan: ClusterPlan, body: (stage: Stage) => Promise<void>): Trial {
  return trialOf(name, () => MixedCluster.start(plan), body);
}

/** Trial of a cluster that `form` makes. */
export function trialOf(name: string, form: () => Promise<MixedCluster>, body: (stage: Stage) => Promise<void>): Trial {
  const run = async () => {
    const checks: Check[] = [];
    const java = await findJava();
    if (java instanceof Missing) {
      return noVerdict(name, "skipped", java.reason);
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
      cluster = await step("the cluster starts", form);
      await body({ java, cluster, step, checks });
    } catch (error) {
      console.error(`${name}: ${String(error)}\n${cluster?.log() ?? ""}`);
      if (checks.every(({ outcome }) => outcome === "passed")) {
        checks.push(wholeCheck("failed", error));
      }
    } finally {
      await cluster?.dispose();
    }
    return { judge: name, version: KAFKA_VERSION, checks };
  };
  return { name, run };
}

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

/** Trials of clusters. */
export const CLUSTER_TRIALS: readonly Trial[] = [failovers];
