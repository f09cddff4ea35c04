/** Trials that each kind of cluster goes through: Kafka's tools, rolling restarts, and transactions under kills. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { entryAt } from "@samsa/base";
import { KafkaClient } from "@samsa/client";
import type { MixedCluster } from "../cluster/mixed-cluster.ts";
import { segmentsHash } from "../cluster/segments.ts";
import { startCopier } from "../judges/copier.ts";
import { VerifiableJudge } from "../judges/java-judges.ts";
import { Child, run } from "../processes/child.ts";
import { findSamsa } from "../processes/runtimes.ts";
import { until } from "../processes/until.ts";
import { SILENT } from "../samsa-client/stage.ts";
import { equal } from "../walks/walk.ts";
import { type Kind, MIXED_KINDS, SAMSA_ALONE } from "./cluster-kinds.ts";
import { clusterTools } from "../tools/cluster-tools.ts";
import { createTopic, type Stage, trial, underLoad } from "./cluster-trials.ts";
import { runCheck } from "./kafka-tools.ts";
import type { Trial } from "./scoreboard.ts";
import { TOOLS } from "../tools/tool-check.ts";

/** Records for each copier. */
const EACH = 2000;
const KILLS = 6;
/** Time that a killed node is away, in ms. */
const AWAY_MS = 3000;

const named = (what: string, { name }: Kind): string => `cluster: ${what}${name === "" ? "" : `, ${name}`}`;

function newestSnapshot(directory: string): string {
  const folder = join(directory, "__cluster_metadata-0");
  const names = readdirSync(folder).filter(name => name.endsWith(".checkpoint"));
  return join(folder, names.toSorted().at(-1) ?? "none");
}

/** Compares the segments of all replicas of a topic, which nobody writes any more. */
async function expectEqual(
  cluster: MixedCluster,
  topic: string,
  replicas: readonly (readonly number[])[],
): Promise<void> {
  await until(`equal replicas of ${topic}`, () =>
    replicas.every(
      (ids, partition) => new Set(ids.map(id => segmentsHash(cluster.node(id).directory, topic, partition))).size === 1,
    ),
  );
}

/** Kafka tells of records that it cannot apply as faults. */
async function expectNoFault({ cluster, step }: Stage): Promise<void> {
  await step("no node of Kafka met a fault in the metadata", () => {
    const faulty = cluster.nodes.find(node => /Encountered .*fault/.test(node.log()));
    return faulty === undefined ? Promise.resolve() : Promise.reject(new Error(`node ${faulty.id} did`));
  });
}

/** Asks the controllers of what they know, through one that may not be the active one (KIP-919). */
async function seesControllers({ controllers }: MixedCluster, kind: Kind): Promise<void> {
  await using client = new KafkaClient({ bootstrapControllers: controllers, logger: SILENT });
  const { cluster } = client.admin();
  const { nodes, controllerId } = await cluster.describe();
  const sorted = (ids: readonly number[]): number[] => ids.toSorted((x, y) => x - y);
  equal("controllers", sorted(nodes.map(({ id }) => id)), sorted(kind.controllers));
  equal("the leader", (await cluster.describeQuorum()).leaderId, controllerId);
  const samsa = await findSamsa();
  const scripted = async (script: string, ...args: readonly string[]): Promise<string> =>
    (await run(samsa.command, [...samsa.args, script, "--bootstrap-controller", controllers, ...args])).join("\n");
  const status = await scripted("kafka-metadata-quorum", "describe", "--status");
  equal("its id by the script", /^LeaderId: +(\d+)$/m.exec(status)?.[1], String(controllerId));
}

function tools(kind: Kind): Trial {
  const name = named("Kafka's tools", kind);
  const tool = clusterTools(name, kind);
  return trial(name, kind.plan, async stage => {
    const { java, cluster, checks, step } = stage;
    const home = mkdtempSync(join(tmpdir(), "interop-tool-"));
    try {
      const [a, b, c] = kind.brokers;
      const ours = cluster.nodes.find(({ plan }) => plan.vendor === "samsa");
      const { directory } = ours ?? cluster.node(a);
      for (const check of tool.checks) {
        const { brokers: server, controllers } = cluster;
        const snapshot = newestSnapshot(directory);
        const places = { server, controllers, directory, node: String(a), file: join(home, "file"), snapshot };
        checks.push(await runCheck(java, tool, check, places));
      }
      await step("our client sees the controllers, with no broker's address", () => seesControllers(cluster, kind));
      const replicas = [
        [c, a],
        [a, b, c],
        [b, c],
      ];
      await step("the segments of all replicas are equal", () => expectEqual(cluster, "moved", replicas));
      await expectNoFault(stage);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
}

function rolling(kind: Kind): Trial {
  return trial(named("rolling restarts", kind), kind.plan, async stage => {
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
        for (const { id } of kind.plan.nodes) {
          await step(`node ${id} stops with consent`, () => cluster.node(id).stop());
          await more(`without node ${id}`);
          await cluster.node(id).start();
          await step(`all is in sync after node ${id}`, () => cluster.inSync(kind.brokers[0], "t", 3));
          const before = read;
          await step(`the consumer reads on after node ${id}`, () => until("more records", () => read > before));
        }
      });
      const replicas = [0, 1, 2].map(() => kind.brokers);
      await step("the segments of all replicas are equal", () => expectEqual(cluster, "t", replicas));
      await expectNoFault(stage);
    } finally {
      await reader?.end("SIGKILL");
    }
  });
}

/** Values of the topic `out` that a reader of committed records finds, in order of the values. */
async function copied({ java, cluster }: Stage): Promise<string[]> {
  const bounds = ["--from-beginning", "--isolation-level", "read_committed", "--timeout-ms", "10000"];
  const args = ["--bootstrap-server", cluster.brokers, "--topic", "out", ...bounds];
  const { command, args: all } = java(`${TOOLS}.consumer.ConsoleConsumer`, ...args);
  const child = new Child(command, all, { input: "" });
  await child.exited;
  return child.lines.filter(line => /^\d+$/.test(line)).toSorted();
}

function transactions(kind: Kind): Trial {
  return trial(named("transactions under kills", kind), kind.plan, async stage => {
    const { java, cluster, step } = stage;
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
      for (let i = 0; !isOver && i < KILLS; i++) {
        const node = cluster.node(entryAt(kind.brokers, i % 3));
        await until("a transaction is copied", () => isOver || copiers.some(child => child.lines.length > 5 * (i + 1)));
        await node.kill();
        await new Promise(resolve => setTimeout(resolve, AWAY_MS));
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
      const values = await copied(stage);
      const expected = written.map(({ value }) => value).toSorted();
      const wrong = values.findIndex((value, i) => value !== entryAt(expected, i));
      if (values.length !== expected.length || wrong >= 0) {
        throw new Error(
          `${values.length} records instead of ${expected.length}; the first other one is ${values[wrong]}`,
        );
      }
    });
    await expectNoFault(stage);
  });
}

/** Trials of each kind of cluster. */
export const KIND_TRIALS: readonly Trial[] = [SAMSA_ALONE, ...MIXED_KINDS].flatMap(kind => [
  tools(kind),
  rolling(kind),
  transactions(kind),
]);
