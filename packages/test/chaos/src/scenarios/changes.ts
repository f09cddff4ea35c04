import { type ClusterPlan, until } from "@samsa/interop";
import type { Run } from "../frame/run.ts";
import type { Scenario } from "../frame/scenario.ts";
import { batchOf, connectAs } from "../stage/wire.ts";
import { onStage, SHORT_SESSIONS, type Stage } from "../stage/stage.ts";
import { addVoter, removeVoter, voterIds } from "../stage/voters.ts";

const STRETCH = 100;
const MOVE_MS = 90_000;
/** Bytes per second of a throttled reassignment, and bytes of a partition before it. */
const RATE = 400_000;
const BULK = 2_000_000;

const roles = "broker,controller";
/** Types of resources, and operations on their settings. */
const TOPIC = 2;
const BROKER = 4;
const SET = 0;
const DELETE = 1;

/** Three nodes with both roles, and brokers with the ids 4 and 5. */
const FIVE: ClusterPlan["nodes"] = [
  ...[1, 2, 3].map(id => ({ id, vendor: "samsa", roles }) as const),
  ...[4, 5].map(id => ({ id, vendor: "samsa", roles: "broker" }) as const),
];

/** Topic of one partition without a load. */
const STILL = "still";

/** Partitions of a topic. */
interface Some {
  readonly topic: string;
  readonly indexes: readonly number[];
}

/** Writes `BULK` bytes. */
async function fill(stage: Stage): Promise<void> {
  await stage.createTopic(STILL, { assignments: [[1, 2, 3]] });
  await stage.whole();
  const { broker = "" } = await stage.leader(STILL);
  const connection = await connectAs("bulk", broker);
  try {
    const value = "x".repeat(BULK / 4);
    for (let i = 0; i < 4; i++) {
      const topicData = [{ name: STILL, partitionData: [{ index: 0, records: [batchOf([value])] }] }];
      const body = { transactionalId: null, acks: -1, timeoutMs: 10_000, topicData };
      const { responses } = await connection.ask("Produce", 9, body);
      const errorCode = responses[0]?.partitionResponses[0]?.errorCode;
      if (errorCode !== 0) throw new Error(`the bulk is refused with error ${errorCode}`);
    }
  } finally {
    connection.close();
  }
}

async function assign(stage: Stage, replicas: readonly number[], { topic, indexes }: Some): Promise<void> {
  const topics = [{ name: topic, partitions: indexes.map(partitionIndex => ({ partitionIndex, replicas })) }];
  const { errorCode, responses } = await stage.ask(stage.anyone.id, "AlterPartitionReassignments", 0, {
    timeoutMs: 10_000,
    topics,
  });
  const refused = responses[0]?.partitions.find(partition => partition.errorCode !== 0);
  if (errorCode !== 0 || refused !== undefined)
    throw new Error(`no reassignment: ${errorCode} ${refused?.errorMessage}`);
}

/** Limits the replication that a reassignment causes; undefined: takes the limits away. */
async function throttle(stage: Stage, rate: number | undefined): Promise<void> {
  const both = (name: string, value: string) =>
    ["leader", "follower"].map(side => ({
      name: `${side}.replication.throttled.${name}`,
      configOperation: rate === undefined ? DELETE : SET,
      value: rate === undefined ? null : value,
    }));
  const alter = async (id: number, resourceType: number, resourceName: string, configs: object[]): Promise<void> => {
    const resources = [{ resourceType, resourceName, configs }];
    const { responses } = await stage.ask(id, "IncrementalAlterConfigs", 1, { resources, validateOnly: false });
    const refused = responses.find(({ errorCode }) => errorCode !== 0);
    if (refused !== undefined) throw new Error(`no throttle: ${refused.errorMessage}`);
  };
  // Settings of a broker go to that broker.
  for (const { id } of stage.cluster.nodes) await alter(id, BROKER, String(id), both("rate", String(rate)));
  await alter(stage.anyone.id, TOPIC, STILL, both("replicas", "*"));
}

async function moved(stage: Stage, replicas: readonly number[], { topic, indexes }: Some): Promise<void> {
  const sorted = (ids: readonly number[]): string => ids.toSorted((a, b) => a - b).join();
  const wanted = sorted(replicas);
  await until(
    `replicas on ${wanted}`,
    async () =>
      (await stage.partitions(topic))
        .filter(({ partitionIndex }) => indexes.includes(partitionIndex))
        .every(({ replicaNodes, isrNodes }) => sorted(replicaNodes) === wanted && isrNodes.length === 3),
    MOVE_MS,
  );
}

async function reassign(run: Run): Promise<void> {
  await onStage(run, { nodes: FIVE, settings: SHORT_SESSIONS }, async stage => {
    await stage.load("steady");
    await fill(stage);
    stage.mark();
    const still = { topic: STILL, indexes: [0] };
    const loaded = { topic: "steady", indexes: [0, 1, 2] };
    const [home, away] = [
      [1, 2, 3],
      [3, 4, 5],
    ];
    for (let round = 0; round < run.rounds; round++) {
      await throttle(stage, RATE);
      const began = performance.now();
      await assign(stage, away, still);
      await moved(stage, away, still);
      const seconds = (performance.now() - began) / 1000;
      run.note("throttled move (s):", seconds);
      // Windows of the limit begin full.
      run.hold(seconds > BULK / RATE / 3, `a throttled partition moves in ${seconds.toFixed(1)} s`);
      await throttle(stage, undefined);
      await assign(stage, away, loaded);
      const victim = stage.cluster.node(4);
      await victim.kill();
      await stage.more(STRETCH, "with a target of the move killed");
      await victim.start();
      await moved(stage, away, loaded);
      for (const some of [still, loaded]) {
        await assign(stage, home, some);
        await moved(stage, home, some);
      }
      await stage.whole(true);
      await stage.more(STRETCH, "after the moves");
    }
    stage.pauses();
  });
}

const joins = ["--no-initial-controllers"];
const GROWING: ClusterPlan["nodes"] = [
  { id: 1, vendor: "samsa", roles, format: ["--standalone"] },
  ...[2, 3].map(id => ({ id, vendor: "samsa", roles, format: joins }) as const),
  { id: 4, vendor: "samsa", roles: "controller", format: joins },
];

async function voters(run: Run): Promise<void> {
  await onStage(run, { nodes: GROWING, voters: "changing", settings: SHORT_SESSIONS }, async stage => {
    const { cluster } = stage;
    await stage.load("steady");
    for (const id of [2, 3]) await addVoter(stage, cluster.node(id));
    for (let round = 0; round < run.rounds; round++) {
      // Any two of the three voters that are left go on.
      const killed = (await stage.controller()).id;
      const adding = addVoter(stage, cluster.node(4));
      await cluster.node(killed).kill();
      await adding;
      await cluster.node(killed).start();
      run.say(`voters ${(await voterIds(stage)).join()} after a kill of controller ${killed}`);
      const active = (await stage.controller()).id;
      await removeVoter(stage, active);
      await until("another controller is active", async () => (await stage.controller()).id !== active);
      await stage.createTopic(`after-${round}`);
      run.say(`voters ${(await voterIds(stage)).join()} after controller ${active} has removed itself`);
      if (active !== 4) {
        await addVoter(stage, cluster.node(active));
        await removeVoter(stage, 4);
      }
      const ids = (await voterIds(stage)).join();
      run.hold(ids === "1,2,3", `the voters are ${ids} in the end`);
      await stage.whole(true);
      await stage.more(STRETCH, "after the changes of voters");
    }
    stage.pauses();
  });
}

/** Changes of a cluster under load. */
export const CHANGES: readonly Scenario[] = [
  {
    id: "R22",
    title: "voters change",
    does: "Under load, a cluster of one voter grows to three and four; the active controller is killed meanwhile, then removes itself.",
    rule: "Every change ends, another controller is active each time, metadata can be changed, and nothing acknowledged is lost.",
    runs: "processes",
    play: voters,
  },
  {
    id: "R24",
    title: "partitions move",
    does: "Partitions move from brokers 1, 2, 3 to 3, 4, 5 under load: throttled, with a target that is killed, and back.",
    rule: "Moves end with all replicas equal and in sync; a throttled one takes its time; nothing acknowledged is lost.",
    runs: "processes",
    play: reassign,
  },
];
