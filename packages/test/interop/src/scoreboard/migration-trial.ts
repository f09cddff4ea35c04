/** Trial of `docs/operations/migration.md`: its commands exchange all nodes of a cluster of Kafka under load, and go back. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { entryAt, ignored } from "@samsa/base";
import { MixedCluster } from "../cluster/mixed-cluster.ts";
import type { NodePlan } from "../cluster/mixed-node.ts";
import { segmentsHash } from "../cluster/segments.ts";
import { Child } from "../processes/child.ts";
import { findSamsa, type Program, ROOT } from "../processes/runtimes.ts";
import { until } from "../processes/until.ts";
import { type Stage, trialOf, underLoad } from "./cluster-trials.ts";
import type { Trial } from "./scoreboard.ts";
import { TOOLS } from "../tools/tool-check.ts";

const PAGE = join(ROOT, "docs/operations/migration.md");
const BLOCK_MS = 300_000;
const NODES = [1, 2, 3];
/** Groups whose hashes have either sign. */
const GROUPS = ["copier-0", "copier-1", "copier-2", "consumer-group-1"];

/** Blocks of the page, in their order. */
function blocks(): string[] {
  return [...readFileSync(PAGE, "utf8").matchAll(/^```sh kafka\n(.*?)^```$/gms)].map(([, block]) => block ?? "");
}

/** Folder in which the commands of the page run: the files of the nodes, the programs, and ids of processes. */
class Desk {
  readonly folder = mkdtempSync(join(tmpdir(), "samsa-migration-"));
  readonly #server: string;

  constructor(cluster: MixedCluster, java: Program, samsa: Program) {
    this.#server = NODES.map(id => cluster.node(id).broker).join();
    for (const id of NODES) {
      writeFileSync(join(this.folder, `node${id}.properties`), readFileSync(cluster.node(id).file));
    }
    mkdirSync(join(this.folder, "bin"));
    const quoted = ({ command, args }: Program): string => [command, ...args].map(word => `'${word}'`).join(" ");
    this.#program("kafka-server-start.sh", `exec ${quoted(java)} "$@"`);
    this.#program(
      "samsa",
      `case "$1" in start) set -- "$@" --http-port off ;; *) set -- "$@" --bootstrap-server ${this.#server} ;; esac\n` +
        `exec ${quoted(samsa)} "$@"`,
    );
  }

  #program(name: string, text: string): void {
    const path = join(this.folder, "bin", name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
  }

  /** Runs commands; rejects with what they print if one of them fails. */
  async run(commands: string): Promise<void> {
    const file = join(this.folder, "commands.sh");
    writeFileSync(file, commands);
    const env = { ...process.env, PATH: `${join(this.folder, "bin")}${delimiter}${process.env.PATH}` };
    const child = spawn("/bin/sh", ["-e", file], { cwd: this.folder, env, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    for (const end of [child.stdout, child.stderr]) end.on("data", (text: Buffer) => (said += text.toString()));
    const timer = setTimeout(() => child.kill("SIGKILL"), BLOCK_MS);
    const code = await new Promise(resolve => child.once("exit", resolve));
    clearTimeout(timer);
    if (code !== 0) throw new Error(`the commands end with ${String(code)}: ${said.slice(-300)}\n${this.logs()}`);
  }

  logs(): string {
    const log = (id: number): string => join(this.folder, `node${id}.log`);
    return NODES.map(id => (existsSync(log(id)) ? readFileSync(log(id), "utf8").slice(-3000) : "")).join("\n---\n");
  }

  /** Ends all nodes and removes the folder. */
  close(): void {
    for (const id of NODES) {
      const file = join(this.folder, `node${id}.pid`);
      const pid = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
      // The process may have ended.
      if (pid !== "") spawnSync("kill", ["-9", pid]);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Consumer of a group that goes on during the migration. */
function startReader({ java }: Stage, server: string, group: string, onRead: (count: number) => void): Child {
  const { command, args } = java(
    `${TOOLS}.VerifiableConsumer`,
    ...["--bootstrap-server", server, "--topic", "t", "--group-id", group, "--reset-policy", "earliest"],
  );
  return new Child(command, args, {
    onLine: line => {
      const event = JSON.parse(line) as { readonly name: string; readonly count?: number };
      if (event.name === "records_consumed") onRead(event.count ?? 0);
    },
  });
}

/** Offsets that idle groups have committed before the migration must be found by every node after it. */
async function commit({ cluster }: Stage, offset: number): Promise<void> {
  for (const groupId of GROUPS) {
    const body = { groupId, generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null, retentionTimeMs: -1 };
    const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: "" }];
    await until(`${groupId} commits`, async () => {
      for (const id of NODES) {
        const { topics } = await cluster.ask(id, "OffsetCommit", 8, { ...body, topics: [{ name: "t", partitions }] });
        if (topics[0]?.partitions[0]?.errorCode === 0) return true;
      }
      return false;
    });
  }
}

async function committed({ cluster }: Stage): Promise<string> {
  const found: number[] = [];
  for (const groupId of GROUPS) {
    await until(`the coordinator of ${groupId}`, async () => {
      for (const id of NODES) {
        const groups = [{ groupId, topics: [{ name: "t", partitionIndexes: [0] }] }];
        const answer = (await cluster.ask(id, "OffsetFetch", 8, { groups, requireStable: false })).groups[0];
        if (answer?.errorCode !== 0) continue;
        found.push(Number(answer.topics[0]?.partitions[0]?.committedOffset ?? -1));
        return true;
      }
      return false;
    });
  }
  return found.join();
}

async function migrate(stage: Stage): Promise<void> {
  const { cluster, java, step } = stage;
  const desk = new Desk(cluster, java("kafka.Kafka"), await findSamsa());
  let reader: Child | undefined;
  let read = 0;
  try {
    const start = NODES.map(
      id => `kafka-server-start.sh node${id}.properties > node${id}.log 2>&1 & echo $! > node${id}.pid\n`,
    );
    await step("Kafka's nodes start", async () => {
      await desk.run(start.join(""));
      for (const id of NODES) cluster.node(id).adopt();
      await until("three brokers", async () => (await cluster.ask(1, "DescribeCluster", 1, {})).brokers.length === 3);
    });
    const [look = "", ...rest] = blocks();
    await underLoad(stage, 3, async more => {
      reader = startReader(stage, cluster.brokers, "readers-on", count => (read += count));
      await more("at first");
      await commit(stage, 7);
      const wanted = await committed(stage);
      await step("the commands of the page look at Kafka's cluster", () => desk.run(look));
      for (const [i, what] of ["to Samsa", "back to Kafka"].entries()) {
        const before = read;
        await step(`the commands of the page migrate ${what}`, () => desk.run(entryAt(rest, i)));
        await more(`after the migration ${what}`);
        await step("the consumer reads on", () => until("more records", () => read > before));
        await step("offsets of all groups are there", async () => {
          const found = await committed(stage);
          if (found !== wanted) throw new Error(`${found} instead of ${wanted}`);
        });
      }
    });
    await step("the segments of all replicas are equal", () =>
      until("equal replicas", () =>
        [0, 1, 2].every(
          partition => new Set(NODES.map(id => segmentsHash(cluster.node(id).directory, "t", partition))).size === 1,
        ),
      ),
    );
    await step("no node of Kafka met a fault in the metadata", async () => {
      if (/Encountered .*fault/.test(desk.logs())) throw new Error(desk.logs().slice(-300));
      await Promise.resolve();
    });
  } finally {
    await reader?.end("SIGKILL").catch(ignored("the trial has its outcome"));
    desk.close();
  }
}

const PLAN = {
  voters: "changing",
  nodes: NODES.map((id): NodePlan => ({ id, vendor: "kafka", roles: "broker,controller", isVoter: true })),
  settings: [
    "offsets.topic.replication.factor=3",
    "transaction.state.log.replication.factor=3",
    "transaction.state.log.min.isr=2",
    "min.insync.replicas=2",
  ],
} as const;

/** Trial of the page about migrations. */
export const MIGRATION_TRIAL: Trial = trialOf(
  "cluster: migration to Samsa and back",
  () => MixedCluster.form(PLAN),
  migrate,
);
