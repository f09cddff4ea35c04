import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ClusterPlan, type MixedNode, until } from "@samsa/interop";
import { NotRun, type Run } from "../frame/run.ts";
import type { Scenario } from "../frame/scenario.ts";
import { onStage, SHORT_SESSIONS, type Stage } from "../stage/stage.ts";
import { batchOf, connectAs } from "../stage/wire.ts";

const FEATURE = "eligible.leader.replicas.version";
const TOPIC = "standing";
const RECORDS = 50;
const SETTLES_MS = 5000;

/** A controller apart, since brokers end until one is left. */
function nodes(level: number | undefined): ClusterPlan["nodes"] {
  const format = level === undefined ? [] : ["--feature", `${FEATURE}=${level}`];
  return [
    { id: 1, vendor: "samsa", roles: "controller", format },
    ...[11, 12, 13].map(id => ({ id, vendor: "samsa", roles: "broker", format }) as const),
  ];
}

/** Writes records with acks=all; returns those that are acknowledged. */
async function write(stage: Stage, name: string): Promise<string[]> {
  const { broker = "" } = await stage.leader(TOPIC);
  const connection = await connectAs("writer", broker);
  const acknowledged: string[] = [];
  try {
    for (let i = 0; i < RECORDS; i++) {
      const value = `${i}:${name}`;
      const topicData = [{ name: TOPIC, partitionData: [{ index: 0, records: [batchOf([value])] }] }];
      const body = { transactionalId: null, acks: -1, timeoutMs: 3000, topicData };
      const { responses } = await connection.ask("Produce", 9, body);
      if (responses[0]?.partitionResponses[0]?.errorCode === 0) acknowledged.push(value);
    }
    return acknowledged;
  } finally {
    connection.close();
  }
}

async function leaves(stage: Stage, node: MixedNode, isr: number): Promise<void> {
  await node.stop();
  await until(`an ISR of ${isr}`, async () => (await stage.partitions(TOPIC))[0]?.isrNodes.length === isr);
}

/** Plays T0 to T3 of KIP-966; returns the number of acknowledged records that are lost. */
async function play(stage: Stage): Promise<number> {
  await stage.createTopic(TOPIC, { partitions: 1 });
  await stage.whole();
  const [first, second, third] = [11, 12, 13].map(id => stage.cluster.node(id));
  if (first === undefined || second === undefined || third === undefined) throw new Error("a broker is missing");
  const early = await write(stage, "three");
  await leaves(stage, first, 2);
  const late = await write(stage, "two");
  await leaves(stage, second, 1);
  // The last one dies, and with it the end of its log, which no disk had.
  await third.kill();
  const file = join(third.directory, `${TOPIC}-0`, "00000000000000000000.log");
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.subarray(0, Math.floor(bytes.length * 0.6)));
  await third.start();
  await new Promise(resolve => setTimeout(resolve, SETTLES_MS));
  await Promise.all([first.start(), second.start()]);
  await stage.whole(true);
  const kept = new Set((await stage.readAll(TOPIC)).map(({ value }) => value));
  stage.run.count("acknowledged", early.length + late.length);
  return [...early, ...late].filter(value => !kept.has(value)).length;
}

async function lastStanding(run: Run): Promise<void> {
  let isKnown = false;
  await onStage(run, { nodes: nodes(undefined), settings: SHORT_SESSIONS }, async stage => {
    const { supportedFeatures } = await stage.ask(11, "ApiVersions", 4, {
      clientSoftwareName: "chaos",
      clientSoftwareVersion: "1",
    });
    isKnown = supportedFeatures.some(({ name, maxVersion }) => name === FEATURE && maxVersion > 0);
    if (!isKnown) run.note("lost without eligible leader replicas:", await play(stage));
  });
  if (!isKnown) throw new NotRun(`${FEATURE} is missing`);
  await onStage(run, { nodes: nodes(0), settings: SHORT_SESSIONS }, async stage => {
    run.note("lost without eligible leader replicas:", await play(stage));
  });
  await onStage(run, { nodes: nodes(1), settings: SHORT_SESSIONS }, async stage => {
    const lost = await play(stage);
    run.count("lost", lost);
    run.hold(lost === 0, `${lost} records are lost although a replica in the ELR has them`);
  });
}

/** Elections when replicas are few. */
export const LAST_REPLICA: readonly Scenario[] = [
  {
    id: "R13",
    title: "the last replica standing",
    does: "Two replicas leave the ISR, the last one is killed and loses the end of its log, then all come back (T0 to T3 of KIP-966).",
    rule: "With eligible leader replicas nothing acknowledged is lost; without them the loss is shown, as in Kafka.",
    runs: "processes",
    play: lastStanding,
  },
];
