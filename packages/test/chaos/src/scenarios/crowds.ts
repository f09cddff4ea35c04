import { fuzz } from "@samsa/fuzz";
import { findSamsa, KafkajsJudge, PlatformaticJudge } from "@samsa/interop";
import type { RawConnection } from "@samsa/wire";
import type { Run } from "../frame/run.ts";
import type { Scenario } from "../frame/scenario.ts";
import { onStage, type Stage } from "../stage/stage.ts";
import { connectAs } from "../stage/wire.ts";

const STRETCH = 200;
const CONNECTIONS = 3000;
const AT_ONCE = 100;
const PAUSE_MS = 1000;
/** Longest time until the last of all connections is answered, in ms. */
const STORM_MS = 15_000;
const FUZZ_SECONDS = 20;
const SILENT = 1000;

/** Opens connections, all of which must be answered. */
async function crowd(server: string, connections: RawConnection[]): Promise<void> {
  while (connections.length < CONNECTIONS) {
    const some = await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        const connection = await connectAs("crowd", server, STORM_MS);
        await connection.ask("ApiVersions", 0, {}, STORM_MS);
        return connection;
      }),
    );
    connections.push(...some);
  }
}

async function storm(run: Run): Promise<void> {
  await onStage(run, {}, async stage => {
    await stage.load("steady");
    const node = await stage.leader("steady");
    for (let round = 0; round < run.rounds; round++) {
      const connections: RawConnection[] = [];
      try {
        stage.mark();
        const began = performance.now();
        await crowd(node.broker ?? "", connections);
        run.note(`ms until ${CONNECTIONS} connections are answered:`, performance.now() - began);
        await stage.more(STRETCH, "with a crowd");
        const ms = stage.pauses();
        run.holdTime(ms <= PAUSE_MS, `writes pause for ${ms.toFixed()} ms while connections are opened`);
        await node.kill();
        for (const connection of connections.splice(0)) connection.close();
        await node.start();
        const again = performance.now();
        await crowd(node.broker ?? "", connections);
        const stormMs = performance.now() - again;
        run.note("ms until they are back after a restart:", stormMs);
        run.holdTime(stormMs <= STORM_MS, `the connections need ${stormMs.toFixed()} ms to come back`);
        await stage.whole(true);
        await stage.more(STRETCH, "after the storm");
        stage.pauses();
      } finally {
        for (const connection of connections) connection.close();
      }
    }
  });
}

async function hostile(run: Run): Promise<void> {
  const { args } = await findSamsa();
  const report = await fuzz({
    bundle: args[0] ?? "",
    attacks: Infinity,
    seconds: FUZZ_SECONDS * run.rounds,
    seed: run.rng.u32(),
    idle: SILENT,
    say: run.say,
  });
  const attacks = Object.values(report.attacks).reduce((sum, count) => sum + count, 0);
  run.note("attacks", attacks);
  run.note("kills", report.upheavals.kills);
  run.note("MiB at most:", report.memoryMiB.most);
  run.note("slowest answer to the canary (ms):", report.canary.slowestMs);
  run.count("acknowledged", report.canary.records + report.rows);
  for (const fault of report.faults) run.broken(fault);
}

/** Values in one order. */
function texts(records: readonly { readonly value: string | null }[]): string[] {
  return records.map(({ value }) => value ?? "").toSorted();
}

/** Lets two clients read what all clients have written. */
async function readByOthers(run: Run, stage: Stage): Promise<void> {
  const { brokers } = stage.cluster;
  const readers = { kafkajs: new KafkajsJudge(brokers), platformatic: new PlatformaticJudge(brokers) };
  for (const { topic } of stage.writers) {
    const expected = texts(await stage.readAll(topic));
    for (const [name, judge] of Object.entries(readers)) {
      const reads = await judge.consume(topic, `${topic}-read-by-${name}`, expected.length);
      const isEqual = texts(reads).join() === expected.join();
      run.hold(isEqual, `${name} does not read what ${topic} has written`);
    }
  }
}

async function oldAndNew(run: Run): Promise<void> {
  await onStage(run, {}, async stage => {
    await stage.load("steady", "kafkajs", "platformatic");
    for (let round = 0; round < run.rounds; round++) {
      for (const node of stage.cluster.nodes) {
        await node.stop();
        await stage.more(STRETCH, `without node ${node.id}`);
        await node.start();
        await stage.whole(true);
      }
    }
    stage.pauses();
    for (const writer of stage.writers) await writer.stop();
    await readByOthers(run, stage);
  });
}

/** Many clients, hostile ones, and clients of different ages. */
export const CROWDS: readonly Scenario[] = [
  {
    id: "R27",
    title: "old and new clients at once",
    does:
      "KafkaJS (old versions of all APIs) and @platformatic/kafka (new ones) write during a rolling restart, and read what " +
      "the others have written.",
    rule: "Nothing acknowledged is lost; each client reads all records of the others.",
    runs: "processes",
    play: oldAndNew,
  },
  {
    id: "R28",
    title: "hostile peers",
    does: `The fuzzer attacks a broker for ${FUZZ_SECONDS} s: broken frames, sizes that cannot be, slow and greedy peers, bad CRCs.`,
    rule: "The broker stays up, answers legal requests, keeps to its memory, and loses nothing of a canary.",
    runs: "processes",
    play: hostile,
  },
  {
    id: "R29",
    title: "a crowd of connections",
    does: `${CONNECTIONS} connections are opened to a leader, which is killed and started: all of them come back at once.`,
    rule: `Writes pause for at most ${PAUSE_MS / 1000} s meanwhile; all connections are answered again within ${STORM_MS / 1000} s.`,
    runs: "processes",
    play: storm,
  },
];
