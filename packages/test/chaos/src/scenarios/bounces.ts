import { type MixedNode, until } from "@samsa/interop";
import type { Run } from "../frame/run.ts";
import type { Scenario } from "../frame/scenario.ts";
import { onStage, type Stage } from "../stage/stage.ts";

/** Longest pauses of writes, in ms. */
const KILL_MS = 1000;
const RESTART_MS = 300;
/** Pause at a cluster whose controller of Kafka notices by a session that a process has ended. */
const SESSION_MS = 12_000;
/** Time in which another controller must change metadata, in ms. */
const CONTROLLER_MS = 1500;
/** Time after which a topic that cannot be created is given up, in ms. */
const CREATION_MS = 30_000;
const STRETCH = 200;
const BOUNCES = 5;

type How = "kill" | "stop";

/** Ends a node, lets the clients go on without it, and starts it again. */
async function bounce(stage: Stage, node: MixedNode, how: How): Promise<void> {
  const { run } = stage;
  stage.mark();
  if (how === "kill") await node.kill();
  else await node.stop();
  await stage.more(STRETCH, `after the ${how} of node ${node.id}`);
  const without = stage.writers[0]?.gaps.longest ?? 0;
  await node.start();
  await stage.whole(true);
  await stage.more(STRETCH, `after the return of node ${node.id}`);
  const [first] = stage.writers;
  const longest = first?.gaps.longest ?? 0;
  const all = stage.pauses();
  const limit = run.is("mixed") ? SESSION_MS : how === "kill" ? KILL_MS : RESTART_MS;
  run.say(
    `${how} of node ${node.id}: ${Math.round(without)} ms, then ${Math.round(longest)} ms; all clients ${all.toFixed()} ms`,
  );
  run.holdTime(longest <= limit, `writes pause for ${longest.toFixed()} ms after a ${how}, and may for ${limit} ms`);
}

async function leaderOnce(run: Run): Promise<void> {
  for (const how of ["stop", "kill"] as const) {
    await onStage(run, {}, async stage => {
      await stage.load("steady", "kafkajs", "platformatic");
      for (let round = 0; round < run.rounds; round++) {
        await bounce(stage, await stage.leader("steady", run.rng.int(0, 2)), how);
      }
    });
  }
}

async function leaderChased(run: Run): Promise<void> {
  await onStage(run, {}, async stage => {
    await stage.load("steady", "kafkajs");
    for (let round = 0; round < BOUNCES * run.rounds; round++) {
      await bounce(stage, await stage.leader("steady"), round % 2 === 0 ? "kill" : "stop");
    }
  });
}

async function controllerChased(run: Run): Promise<void> {
  await onStage(run, {}, async stage => {
    await stage.load("steady", "kafkajs");
    for (let round = 0; round < 3 * run.rounds; round++) {
      const active = await stage.controller();
      const began = performance.now();
      await active.kill();
      const name = `after-${round}`;
      await until(`${name} is created`, () => stage.createTopic(name).then(() => true), CREATION_MS);
      const ms = performance.now() - began;
      run.note(`metadata changed after kill ${round + 1} (ms):`, ms);
      run.holdTime(
        ms <= CONTROLLER_MS,
        `metadata cannot be changed for ${ms.toFixed()} ms after the kill of a controller`,
      );
      await active.start();
      await stage.whole(true);
      await bounce(stage, await stage.controller(), "stop");
    }
  });
}

/** Nodes that end, one at a time. */
export const BOUNCES_OF_NODES: readonly Scenario[] = [
  {
    id: "R1",
    title: "the leader ends once",
    does: "A leader of the load's topic is stopped with SIGTERM, on another cluster killed with SIGKILL, and started again.",
    rule: `Nothing acknowledged is lost; writes pause for at most ${RESTART_MS} ms at a stop and ${KILL_MS} ms at a kill.`,
    runs: "processes",
    variations: ["secured", "mixed"],
    play: leaderOnce,
  },
  {
    id: "R2",
    title: "the leader is chased",
    does: `The leader of one partition ends ${BOUNCES} times, killed and stopped in turn, wherever it has gone.`,
    rule: "As R1, and an idempotent producer writes nothing twice.",
    runs: "processes",
    variations: ["secured", "mixed"],
    play: leaderChased,
  },
  {
    id: "R3",
    title: "the active controller is chased",
    does: "The active controller is killed while a topic is created, then the next one is stopped, three times.",
    rule: `As R1, and metadata can be changed again within ${CONTROLLER_MS} ms.`,
    runs: "processes",
    variations: ["secured"],
    play: controllerChased,
  },
];
