import { type ClusterPlan, type MixedNode, until } from "@samsa/interop";
import type { Run } from "../frame/run.ts";
import type { Scenario } from "../frame/scenario.ts";
import { CLIENTS } from "../stage/fault-proxy.ts";
import { onStage, SHORT_SESSIONS, type Stage } from "../stage/stage.ts";

/** Time that a cut lasts at the least, and after which a majority must serve again, in ms. */
const LASTS_MS = 4000;
const SERVES_MS = 12_000;
const STRETCH = 100;
const LATENCY_MS = 50;
/** 1,000 kbit/s. */
const BYTES_PER_SECOND = 125_000;

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

/** Latency, bandwidth, and a pause of a process, one after the other. */
async function slowed(run: Run): Promise<void> {
  await onStage(run, { isProxied: true, settings: SHORT_SESSIONS }, async stage => {
    const { proxy, cluster } = stage;
    const ids = cluster.nodes.map(({ id }) => String(id));
    const slow = (speed: { readonly latencyMs?: number; readonly bytesPerSecond?: number }): void => {
      for (const id of ids) {
        proxy.slow(CLIENTS, id, speed);
        for (const other of ids) if (other > id) proxy.slow(id, other, speed);
      }
    };
    await stage.load("steady", "kafkajs");
    for (let round = 0; round < run.rounds; round++) {
      slow({ latencyMs: LATENCY_MS });
      await stage.more(STRETCH, `with ${LATENCY_MS} ms of latency`);
      run.say(`latency: ${stage.pauses().toFixed()} ms without writes`);
      proxy.heal();
      slow({ bytesPerSecond: BYTES_PER_SECOND });
      await stage.more(STRETCH, "with little bandwidth");
      run.say(`bandwidth: ${stage.pauses().toFixed()} ms without writes`);
      proxy.heal();
      const leader = await stage.leader("steady");
      leader.pause();
      stage.asleep.add(leader.id);
      await stage.writers[0]?.more(STRETCH, "while a leader is paused", SERVES_MS);
      leader.resume();
      stage.asleep.delete(leader.id);
      await stage.whole(true);
      await stage.more(STRETCH, "after the pause");
      run.say(`pause: ${stage.pauses().toFixed()} ms without writes`);
      const [victim] = ids;
      proxy.sever(CLIENTS, victim ?? "");
      for (const other of ids) proxy.sever(victim ?? "", other);
      await stage.more(STRETCH, "after all connections of a node are closed");
      run.say(`closed connections: ${stage.pauses().toFixed()} ms without writes`);
    }
  });
}

/** A controller apart, and brokers: a leader can be cut off from the controller alone. */
const APART: ClusterPlan["nodes"] = [
  { id: 1, vendor: "samsa", roles: "controller" },
  ...[11, 12, 13].map(id => ({ id, vendor: "samsa", roles: "broker" }) as const),
];
const WAYS = ["both ways", "only to it", "only from it"] as const;

async function fromController(run: Run): Promise<void> {
  await onStage(run, { nodes: APART, isProxied: true, settings: SHORT_SESSIONS }, async stage => {
    const { proxy } = stage;
    await stage.load("steady", "kafkajs");
    const [steady] = stage.writers;
    for (let round = 0; round < run.rounds; round++) {
      for (const way of WAYS) {
        const leader = await stage.leader("steady");
        const [from, to] = [String(leader.id), "1"];
        stage.asleep.add(leader.id);
        stage.mark();
        if (way !== "only from it") proxy.cutOneWay(from, to);
        if (way !== "only to it") proxy.cutOneWay(to, from);
        await until("another broker leads", async () => (await stage.leader("steady")).id !== leader.id, SERVES_MS);
        await steady?.more(STRETCH, `while the leader is cut off from the controller, ${way}`, SERVES_MS);
        proxy.heal();
        stage.asleep.delete(leader.id);
        await stage.whole(true);
        await stage.more(STRETCH, "after the cut");
        run.say(`${way}: ${steady?.gaps.longest.toFixed()} ms without writes`);
        stage.pauses();
      }
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
  {
    id: "R10",
    title: "networks and nodes are slow",
    does: `All links get ${LATENCY_MS} ms of latency, then 1,000 kbit/s; a leader is paused; all connections of a node are closed.`,
    rule: "Records go on being acknowledged in each; nothing acknowledged is lost; all replicas agree afterwards.",
    runs: "processes",
    play: slowed,
  },
  {
    id: "R18",
    title: "the leader is cut off from the controller alone",
    does: "The leader reaches its followers and clients but not the controller, in both directions and in each of them.",
    rule: "Another broker leads; the old one acknowledges nothing that the new one lacks, and can change no ISR.",
    runs: "processes",
    play: fromController,
  },
];
