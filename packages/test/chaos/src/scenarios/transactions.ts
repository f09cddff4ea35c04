import { ignored } from "@samsa/base";
import {
  type Child,
  findJava,
  findOurJava,
  type Java,
  Missing,
  PropertiesFile,
  startCopier,
  startOurCopier,
  until,
  VerifiableJudge,
} from "@samsa/interop";
import { NotRun, type Run } from "../frame/run.ts";
import type { Scenario } from "../frame/scenario.ts";
import { onStage, SHORT_SESSIONS, type Stage } from "../stage/stage.ts";
import { TxnClient } from "../stage/txn-client.ts";

/** Records that are copied: many, or enough for a few faults. */
const MANY = 30_000;
const COPIED = 9000;
const COPY_MS = 120_000;
const DOWN_MS = 1500;

type Fault = (stage: Stage, round: number) => Promise<void>;

async function needJava(isOurs = false): Promise<Java> {
  const java = await (isOurs ? findOurJava() : findJava());
  if (java instanceof Missing) throw new NotRun(java.reason);
  return java;
}

/** Copies the records of a topic in transactions while faults befall the nodes or the copiers. */
async function copy(run: Run, stage: Stage, faults: CopyFaults): Promise<void> {
  const java = await needJava();
  const { brokers } = stage.cluster;
  for (const topic of ["in", "out"]) await stage.createTopic(topic);
  await stage.whole();
  const judge = new VerifiableJudge(java, brokers, stage.javaSettings);
  const written = await judge.produce("in", "none", faults.records ?? COPIED);
  const counts = [0, 1, 2].map(partition => written.filter(ack => ack.partition === partition).length);
  const left = counts.map((count, partition) => ({ partition, count }));
  let isOver = false;
  const progress = { lines: 0 };
  const ours = stage.security && {
    java: await needJava(true),
    file: new PropertiesFile([`bootstrap.servers=${brokers}`, ...stage.javaSettings, ""].join("\n")),
  };
  const start = (one: Part): Child =>
    ours === undefined ? startCopier(java, { ...one, brokers }) : startOurCopier(ours.java, ours.file.path, one);
  const copiers = left.map(one => play(start, { ...one, kills: faults.kills ?? 0, progress }));
  const done = Promise.all(copiers).finally(() => {
    isOver = true;
    ours?.file.remove();
  });
  done.catch(ignored("awaited below"));
  for (let round = 0; !isOver && faults.node !== undefined && round < 6 * run.rounds; round++) {
    const wanted = progress.lines + 4;
    await until("transactions go on", () => isOver || progress.lines >= wanted, COPY_MS);
    if (isOver) break;
    await faults.node(stage, round);
    run.note("faults", round + 1);
  }
  await done;
  await stage.whole();
  const values = (await stage.readAll("out", true)).map(({ value }) => value);
  const wanted = new Set(written.map(({ value }) => value));
  const counted = new Map<string, number>();
  for (const value of values) counted.set(value, (counted.get(value) ?? 0) + 1);
  const lost = [...wanted].filter(value => !counted.has(value)).length;
  const doubled = [...counted.values()].filter(count => count > 1).length;
  run.count("acknowledged", wanted.size);
  run.count("lost", lost);
  run.count("duplicated", doubled);
  run.hold(lost === 0, `${lost} records are not copied`);
  run.hold(doubled === 0, `${doubled} records are copied more than once`);
  run.hold(
    [...counted.keys()].every(value => wanted.has(value)),
    "records are copied that were never written",
  );
}

/** Faults that befall nodes, and kills of each copier. */
interface CopyFaults {
  readonly node?: Fault;
  readonly kills?: number;
  readonly records?: number;
}

/** Partition that a copier copies, and its number of records. */
interface Part {
  readonly partition: number;
  readonly count: number;
}

interface CopyPlan extends Part {
  readonly kills: number;
  readonly progress: { lines: number };
}

/** Runs the copier of a partition, killed and started again `kills` times. */
async function play(start: (part: Part) => Child, { partition, count, kills, progress }: CopyPlan): Promise<void> {
  for (let life = 0; count > 0; life++) {
    const child = start({ partition, count });
    const before = progress.lines;
    const timer = setTimeout(() => child.kill(), COPY_MS);
    let seen = 0;
    const ticks = setInterval(() => {
      progress.lines += child.lines.length - seen;
      seen = child.lines.length;
    }, 20);
    try {
      if (life < kills) {
        await until("the copier is at work", () => child.lines.length > 3, COPY_MS);
        child.kill();
        await child.exited;
        continue;
      }
      const end = await child.exited;
      if (end === 0) return;
      throw new Error(`a copier ended with ${end}: ${lastWords(child)} (after ${progress.lines - before} lines)`);
    } finally {
      clearTimeout(timer);
      clearInterval(ticks);
      child.kill();
    }
  }
}

function lastWords({ stderr, lines }: Child): string {
  return [...lines.slice(-2), stderr.slice(-300)].join(" ");
}

async function bounced(run: Run): Promise<void> {
  await onStage(run, {}, stage =>
    copy(run, stage, {
      records: MANY,
      node: async (_, round) => {
        const node = stage.cluster.node(1 + (round % 3));
        if (round % 2 === 0) await node.kill();
        else await node.stop();
        await new Promise(resolve => setTimeout(resolve, DOWN_MS));
        await node.start();
        await stage.whole(true);
      },
    }),
  );
}

async function copiersKilled(run: Run): Promise<void> {
  await onStage(run, {}, stage => copy(run, stage, { kills: 2 * run.rounds }));
}

/** Cuts the coordinators of transactions and groups, and leaders, from the other nodes. */
async function coordinatorsCut(run: Run): Promise<void> {
  await onStage(run, { isProxied: true, settings: SHORT_SESSIONS }, stage =>
    copy(run, stage, {
      node: async ({ proxy, cluster }, round) => {
        const topic = ["__transaction_state", "__consumer_offsets", "in", "out"][round % 4] ?? "out";
        const victim = await stage.leader(topic, round % 3);
        for (const { id } of cluster.nodes) if (id !== victim.id) proxy.cut(String(victim.id), String(id));
        await new Promise(resolve => setTimeout(resolve, 3 * DOWN_MS));
        proxy.heal();
        await stage.whole(true);
      },
    }),
  );
}

/** Holds the end of a transaction back, and lets it arrive in the next one. */
async function delayedEnd(run: Run): Promise<void> {
  await onStage(run, { isProxied: true }, async stage => {
    for (const { id } of stage.cluster.nodes) stage.proxy.link("late", String(id));
    for (const version of [5, 3]) {
      const topic = `version-${version}`;
      await stage.createTopic(topic, { partitions: 1 });
      const client = new TxnClient(stage, topic);
      const isNew = version === 5;
      const produceVersion = isNew ? 12 : 9;
      const first = await client.init();
      if (!isNew) await client.add(first, topic);
      await client.produce(first, topic, ["1:first"], produceVersion);
      const nodes = stage.cluster.nodes.map(({ id }) => String(id));
      for (const id of nodes) stage.proxy.cutOneWay("late", id);
      const late = client.end(first, true, version, "late").then(({ errorCode }) => errorCode);
      late.catch(ignored("awaited below"));
      // The producer repeats it on another connection, and goes on.
      const ended = await client.end(first, true, version);
      // Before version 2 the epoch stays, and with it the sequence numbers.
      const second = isNew ? client.newEpoch(ended) : first;
      if (!isNew) await settled(() => client.add(second, topic));
      const code = await client.produce(second, topic, ["2:aborted"], produceVersion);
      run.hold(code === 0, `the second transaction cannot write: error ${code}`);
      stage.proxy.heal();
      const answer = await late;
      const before = (await stage.readAll(topic, true)).map(({ value }) => value);
      const isTorn = before.includes("2:aborted");
      await client.end(second, false, version);
      run.note(`answer to the late end, version ${version}:`, answer);
      if (isNew) run.hold(answer !== 0 && !isTorn, "a delayed end commits the next transaction");
      else run.note("the old protocol commits the next transaction:", isTorn ? "yes, as in Kafka" : "no");
    }
  });
}

/** Repeats a request while its coordinator is busy with the transaction before. */
async function settled(ask: () => Promise<number>): Promise<void> {
  await until("the coordinator takes the next transaction", async () => (await ask()) === 0);
}

const HANGS_MS = 3000;

/** Leaves a transaction open, and waits until the coordinator ends it. */
async function hanging(run: Run): Promise<void> {
  await onStage(run, {}, async stage => {
    await stage.load("steady");
    await stage.createTopic("hangs", { partitions: 1 });
    await stage.whole();
    const client = new TxnClient(stage, "hangs", HANGS_MS);
    const state = await client.init();
    run.hold((await client.produce(state, "hangs", ["1:gone"])) === 0, "the transaction cannot begin");
    const next = new TxnClient(stage, "next");
    const other = await next.init();
    await next.produce(other, "hangs", ["2:stays"]);
    await next.end(other, true);
    const began = performance.now();
    await until("the last stable offset moves", async () =>
      (await stage.readAll("hangs", true)).some(({ value }) => value === "2:stays"),
    );
    const ms = performance.now() - began;
    run.note("last stable offset moves after (ms):", ms);
    run.hold(ms <= HANGS_MS + 10_000, `the last stable offset stands for ${ms.toFixed()} ms`);
    run.hold(
      !(await stage.readAll("hangs", true)).some(({ value }) => value === "1:gone"),
      "an open transaction is read",
    );
    run.hold(
      (await client.produce(state, "hangs", ["3:zombie"])) !== 0,
      "the producer of an expired transaction writes",
    );
  });
}

/** Transactions. */
export const TRANSACTIONS: readonly Scenario[] = [
  {
    id: "R4",
    title: "transactions under bounces of brokers",
    does: `Kafka's copiers copy ${MANY} records in transactions, some aborted, while nodes are killed and stopped in turn.`,
    rule: "A reader of committed records finds each record exactly once.",
    runs: "processes",
    variations: ["secured", "mixed"],
    play: bounced,
  },
  {
    id: "R5",
    title: "transactions under kills of the copiers",
    does: "The copiers of R4 are killed twice each in the middle, and started again with the same transactional id.",
    rule: "As R4.",
    runs: "processes",
    variations: ["secured", "mixed"],
    play: copiersKilled,
  },
  {
    id: "R8",
    title: "coordinators are cut off",
    does: "Under the copiers of R4, coordinators of transactions and groups, and leaders of both topics, are cut off in turn.",
    rule: "As R4.",
    runs: "processes",
    play: coordinatorsCut,
  },
  {
    id: "R15",
    title: "the end of a transaction is delayed",
    does: "The network holds EndTxn back, the producer repeats it, begins the next transaction, and then the first one arrives.",
    rule: "With transaction version 2 it is fenced by its epoch; the older protocol shows Kafka's anomaly.",
    runs: "processes",
    play: delayedEnd,
  },
  {
    id: "R17",
    title: "a transaction hangs",
    does: `A producer with a timeout of ${HANGS_MS / 1000} s writes in a transaction, and is never heard of again.`,
    rule: "The coordinator aborts it within the timeout and 10 s; readers of committed records go on; its producer is fenced.",
    runs: "processes",
    play: hanging,
  },
];
