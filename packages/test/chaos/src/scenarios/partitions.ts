import type { MixedNode } from "@samsa/interop";
import type { Run } from "../frame/run.ts";
import type { Scenario } from "../frame/scenario.ts";
import { CLIENTS } from "../stage/fault-proxy.ts";
import { onStage, SHORT_SESSIONS, type Stage } from "../stage/stage.ts";

/** Time that a cut lasts at the least, and after which a majority must serve again, in ms. */
const LASTS_MS = 4000;
const SERVES_MS = 12_000;
const STRETCH = 100;

interface Cut {
  readonly name: string;
  /** True if clients must be served while it lasts. */
  readonly serves: boolean;
  readonly begin: (stage: Stage, leader: MixedNode, controller: MixedNode) => void;
}

/** Cuts a node from all others, in both directions. */
function isolate({ proxy, cluster }: Stage, { id }: MixedNode): void {
  for (const other of cluster.nodes) if (other.id !== id) proxy.cut(String(id), String(other.id));
}

const CUTS: readonly Cut[] = [
  { name: "the leader alone", serves: true, begin: (stage, leader) => isolate(stage, leader) },
  {
    name: "the leader alone, without clients",
    serves: true,
    begin: (stage, leader) => {
      isolate(stage, leader);
      stage.proxy.cut(CLIENTS, String(leader.id));
    },
  },
  {
    name: "a follower alone",
    serves: true,
    begin: (stage, leader, controller) => {
      const [follower] = stage.cluster.nodes.filter(node => node !== leader && node !== controller);
      if (follower !== undefined) isolate(stage, follower);
    },
  },
  { name: "the active controller alone", serves: true, begin: (stage, _, controller) => isolate(stage, controller) },
  {
    name: "only what the leader sends to other nodes",
    serves: true,
    begin: ({ proxy, cluster }, { id }) => {
      for (const other of cluster.nodes) if (other.id !== id) proxy.cutOneWay(String(id), String(other.id));
    },
  },
  {
    name: "only what the leader gets from other nodes",
    serves: true,
    begin: ({ proxy, cluster }, { id }) => {
      for (const other of cluster.nodes) if (other.id !== id) proxy.cutOneWay(String(other.id), String(id));
    },
  },
  {
    name: "every node alone",
    serves: false,
    begin: stage => {
      for (const node of stage.cluster.nodes) isolate(stage, node);
    },
  },
  {
    name: "clients from the leader",
    serves: false,
    begin: ({ proxy }, { id }) => proxy.cut(CLIENTS, String(id)),
  },
];

async function suffer(stage: Stage, { name, serves, begin }: Cut): Promise<void> {
  const { run } = stage;
  const [steady] = stage.writers;
  const [leader, controller] = [await stage.leader("steady"), await stage.controller()];
  stage.mark();
  begin(stage, leader, controller);
  const began = performance.now();
  let served = "";
  if (serves) {
    // Other clients may ask the node that is cut off for the leader, again and again.
    await steady
      ?.more(STRETCH, `while ${name} is cut off`, SERVES_MS)
      .then(() => (served = `, served again after ${((performance.now() - began) / 1000).toFixed(1)} s`))
      .catch((error: unknown) => run.broken(String(error)));
  }
  await new Promise(resolve => setTimeout(resolve, Math.max(0, LASTS_MS - (performance.now() - began))));
  stage.proxy.heal();
  await stage.whole(true);
  await stage.more(STRETCH, `after the end of: ${name}`);
  run.say(
    `${name} (leader ${leader.id}, controller ${controller.id})${served}, ${stage.pauses().toFixed()} ms without writes`,
  );
}

async function partitions(run: Run): Promise<void> {
  await onStage(run, { isProxied: true, settings: SHORT_SESSIONS }, async stage => {
    await stage.load("steady", "kafkajs");
    for (let round = 0; round < run.rounds; round++) {
      for (const cut of CUTS) await suffer(stage, cut);
    }
  });
}

/** Networks that are cut. */
export const CUT_NETWORKS: readonly Scenario[] = [
  {
    id: "R7",
    title: "networks are cut",
    does: `The network is cut ${CUTS.length} times: ${CUTS.map(({ name }) => name).join("; ")}.`,
    rule: `Nothing acknowledged is lost; a majority serves again within ${SERVES_MS / 1000} s; all replicas agree afterwards.`,
    runs: "processes",
    play: partitions,
  },
];
