import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type ClusterPlan, type MixedNode, findJava, Missing } from "@samsa/interop";
import { NotRun, type Run } from "../frame/run.ts";
import type { Scenario } from "../frame/scenario.ts";
import { CLIENTS } from "../stage/fault-proxy.ts";
import { onStage, SHORT_SESSIONS, type Stage } from "../stage/stage.ts";
import { addVoter, removeVoter } from "../stage/voters.ts";

const STRETCH = 100;
const FAULTS = 24;
/** Farthest step of a wall clock, in ms. */
const STEP_MS = 60_000;
const STROBE_MS = 50;
const CLOCK = join(import.meta.dirname, "../stage/clock.mjs");
/** Bounds of the time that a fault lasts, and of the time after it, in ms. */
const LASTS_MS = [200, 4000] as const;

/** Part of a fault: lets time pass, and moves the wall clock of a node. */
interface Means {
  readonly last: () => Promise<void>;
  readonly setClock: (id: number, aheadMs: number) => void;
}

/** Fault of a node; resolves once it is over. */
type Nemesis = (stage: Stage, victim: MixedNode, means: Means) => Promise<void>;

const others = ({ cluster }: Stage, { id }: MixedNode): string[] =>
  cluster.nodes.filter(node => node.id !== id).map(node => String(node.id));

const NEMESES: Readonly<Record<string, Nemesis>> = {
  kill: async (_, victim, { last }) => {
    await victim.kill();
    await last();
    await victim.start();
  },
  stop: async (_, victim, { last }) => {
    await victim.stop();
    await last();
    await victim.start();
  },
  pause: async (stage, victim, { last }) => {
    victim.pause();
    stage.asleep.add(victim.id);
    await last();
    victim.resume();
    stage.asleep.delete(victim.id);
  },
  "pause and kill": async (stage, victim, { last }) => {
    victim.pause();
    stage.asleep.add(victim.id);
    await last();
    await victim.kill();
    stage.asleep.delete(victim.id);
    await victim.start();
  },
  "kill a majority": async (stage, victim, { last }) => {
    const both = [victim, ...stage.cluster.nodes.filter(node => node !== victim).slice(0, 1)];
    await Promise.all(both.map(node => node.kill()));
    await last();
    await Promise.all(both.map(node => node.start()));
  },
  "kill all": async (stage, _, { last }) => {
    await Promise.all(stage.cluster.nodes.map(node => node.kill()));
    await last();
    await Promise.all(stage.cluster.nodes.map(node => node.start()));
  },
  isolate: async (stage, victim, { last }) => {
    for (const other of others(stage, victim)) stage.proxy.cut(String(victim.id), other);
    await last();
    stage.proxy.heal();
  },
  "isolate from clients, too": async (stage, victim, { last }) => {
    for (const other of [...others(stage, victim), CLIENTS]) stage.proxy.cut(String(victim.id), other);
    await last();
    stage.proxy.heal();
  },
  "one way": async (stage, victim, { last }) => {
    for (const other of others(stage, victim)) stage.proxy.cutOneWay(String(victim.id), other);
    await last();
    stage.proxy.heal();
  },
  sever: async (stage, victim, { last }) => {
    for (const other of [...others(stage, victim), CLIENTS]) stage.proxy.sever(String(victim.id), other);
    await last();
  },
  "a clock steps": async ({ run }, victim, { last, setClock }) => {
    setClock(victim.id, run.rng.int(-STEP_MS, STEP_MS));
    await last();
  },
  "a clock strobes": async (_, victim, { last, setClock }) => {
    let ahead = 0;
    const timer = setInterval(() => {
      ahead = STEP_MS - ahead;
      setClock(victim.id, ahead);
    }, STROBE_MS);
    await last();
    clearInterval(timer);
    setClock(victim.id, 0);
  },
  "a voter leaves and comes back": async (stage, victim, { last }) => {
    await removeVoter(stage, victim.id);
    await last();
    await addVoter(stage, victim);
  },
  "a voter leaves, is killed, and comes back": async (stage, victim, { last }) => {
    await removeVoter(stage, victim.id);
    await victim.kill();
    await last();
    await victim.start();
    await addVoter(stage, victim);
  },
};

/** Nodes whose voters may change, and whose clocks are in files. */
function timedNodes(folder: string): ClusterPlan["nodes"] {
  return [1, 2, 3].map(id => ({
    ...({ id, vendor: "samsa", roles: "broker,controller", isVoter: true } as const),
    env: { NODE_OPTIONS: `--import ${pathToFileURL(CLOCK).href}`, SAMSA_CHAOS_CLOCK: join(folder, String(id)) },
  }));
}

async function mix(run: Run): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "samsa-chaos-clocks-"));
  try {
    await mixed(run, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function mixed(run: Run, folder: string): Promise<void> {
  const nodes = timedNodes(folder);
  const options = { nodes, voters: "changing", isProxied: true, settings: SHORT_SESSIONS } as const;
  await onStage(run, options, async stage => {
    await stage.load("steady", "java");
    const last = () => new Promise<void>(resolve => setTimeout(resolve, run.rng.int(...LASTS_MS)));
    const setClock = (id: number, aheadMs: number): void => writeFileSync(join(folder, String(id)), String(aheadMs));
    for (let i = 0; i < FAULTS * run.rounds; i++) {
      const [name, nemesis] = run.rng.oneOf(Object.entries(NEMESES));
      const victim = run.rng.oneOf(stage.cluster.nodes);
      run.say(`${i + 1}: ${name}, node ${victim.id}`);
      await nemesis(stage, victim, { last, setClock });
      if (run.rng.chance(0.5)) await stage.whole(true);
      if (run.rng.chance(0.3)) await last();
    }
    await stage.whole(true);
    await stage.more(STRETCH, "after all faults");
    stage.pauses();
  });
}

const MIXED: ClusterPlan["nodes"] = [
  { id: 1, vendor: "kafka", roles: "broker,controller", format: ["--standalone"] },
  ...[11, 12].map(id => ({ id, vendor: "samsa", roles: "broker" }) as const),
];

async function vendors(run: Run): Promise<void> {
  const java = await findJava();
  if (java instanceof Missing) throw new NotRun(java.reason);
  await onStage(run, { nodes: MIXED, voters: "changing", settings: SHORT_SESSIONS }, async stage => {
    await stage.load("steady", "java");
    for (let round = 0; round < run.rounds; round++) {
      for (const node of stage.cluster.nodes) {
        for (const how of ["stop", "kill"] as const) {
          await node[how]();
          // Kafka's node is the only controller: without it no leader can be elected.
          if (node.id !== 1) await stage.more(STRETCH, `after the ${how} of node ${node.id}`);
          await node.start();
          await stage.whole(true);
          await stage.more(STRETCH, `after the return of node ${node.id}`);
          run.say(`${how} of node ${node.id} (${node.plan.vendor}): ${stage.pauses().toFixed()} ms without writes`);
        }
      }
    }
  });
}

/** Faults in any order, and clusters of both vendors. */
export const MIXES: readonly Scenario[] = [
  {
    id: "R9",
    title: "faults in any order",
    does: `${FAULTS} faults are drawn by the seed: ${Object.keys(NEMESES).join(", ")}.`,
    rule: "Nothing acknowledged is lost, doubled or out of order; all replicas agree afterwards; offsets do not go back.",
    runs: "processes",
    play: mix,
  },
  {
    id: "R30",
    title: "a cluster of both vendors",
    does: "Brokers of Apache Kafka and Samsa replicate to each other; each is stopped and killed in turn.",
    rule: "Nothing acknowledged is lost or doubled; the replicas of both vendors agree byte for byte.",
    runs: "processes",
    play: vendors,
  },
];
