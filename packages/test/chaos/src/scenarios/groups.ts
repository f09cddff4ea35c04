import {
  Child,
  findFranzTests,
  findJava,
  type Java,
  Missing,
  startCopier,
  until,
  VerifiableJudge,
} from "@samsa/interop";
import { NotRun, type Run } from "../frame/run.ts";
import type { Scenario } from "../frame/scenario.ts";
import { onStage, type Stage } from "../stage/stage.ts";

const COPIED = 6000;
const COPY_MS = 150_000;
const MEMBERS = 3;
const CHURNS = 5;
const READ_MS = 60_000;
const SESSION_MS = 6000;
/** Tests of franz-go, and the records that each of them copies twice. */
const CHAINS = "^(TestGroupETL|TestTxnEtl|TestShareGroupETL)$";
const CHAINED = 3000;

async function needJava(): Promise<Java> {
  const java = await findJava();
  if (java instanceof Missing) throw new NotRun(java.reason);
  return java;
}

/** Copies with members of one group, which are killed now and then, while a node is bounced. */
async function copiersInGroup(run: Run): Promise<void> {
  const java = await needJava();
  await onStage(run, {}, async stage => {
    const { brokers } = stage.cluster;
    for (const topic of ["in", "out"]) await stage.createTopic(topic);
    await stage.whole();
    const written = await new VerifiableJudge(java, brokers).produce("in", "none", COPIED);
    let isOver = false;
    const lives = [0, 1].map(async partition => {
      for (let life = 0; !isOver; life++) {
        const child = startCopier(java, { brokers, partition, isMember: true, count: COPIED });
        const end = child.exited;
        // The first member is killed in each of its lives but the last.
        const killAt = partition === 0 && life < 2 ? 8 : Infinity;
        const isDue = (): boolean => isOver || child.lines.length > killAt;
        await Promise.race([end, until("a member is at work, or all is copied", isDue, COPY_MS)]);
        child.kill();
        await end;
      }
    });
    const values = async (): Promise<string[]> => (await stage.readAll("out", true)).map(({ value }) => value);
    try {
      await until("the members commit", async () => (await values()).length > 0, COPY_MS);
      const victim = await stage.leader("__consumer_offsets");
      await victim.stop();
      await victim.start();
      await stage.whole(true);
      await until("all records are copied", async () => new Set(await values()).size >= written.length, COPY_MS);
    } finally {
      isOver = true;
    }
    await Promise.all(lives);
    await stage.whole();
    const copied = await values();
    const doubled = copied.length - new Set(copied).size;
    run.count("acknowledged", written.length);
    run.count("lost", written.length - new Set(copied).size);
    run.count("duplicated", doubled);
    run.hold(doubled === 0, `${doubled} records are copied more than once`);
  });
}

interface Consumed {
  readonly name: string;
  readonly partitions?: readonly { readonly topic: string; readonly partition: number; readonly maxOffset: number }[];
  readonly offsets?: readonly { readonly partition: number; readonly offset: number }[];
  readonly partition?: number;
  readonly offset?: number;
  readonly value?: string;
}

/** Members of a group of Kafka's verifiable consumer, and what they have told. */
class Members {
  readonly values = new Set<string>();
  readonly fallen: string[] = [];
  readonly #java: Java;
  readonly #brokers: string;
  readonly #protocol: string;
  readonly #committed = new Map<number, number>();
  readonly #running = new Map<number, Child>();

  constructor(java: Java, brokers: string, protocol: string) {
    this.#java = java;
    this.#brokers = brokers;
    this.#protocol = protocol;
  }

  start(member: number): void {
    const isClassic = this.#protocol === "classic";
    const sticky = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
    const { command, args } = this.#java(
      "org.apache.kafka.tools.VerifiableConsumer",
      ...["--bootstrap-server", this.#brokers, "--topic", "steady", "--group-id", this.#protocol, "--verbose"],
      ...["--group-protocol", this.#protocol, "--reset-policy", "earliest"],
      // Members of the classic group are static, and rebalance in steps.
      ...(isClassic ? ["--assignment-strategy", sticky, "--group-instance-id", `member-${member}`] : []),
      ...(isClassic ? ["--session-timeout", String(SESSION_MS)] : []),
    );
    this.#running.set(member, new Child(command, args, { onLine: line => this.#take(line) }));
  }

  #take(line: string): void {
    if (!line.startsWith("{")) return;
    const event = JSON.parse(line) as Consumed;
    if (event.name === "record_data" && event.value !== undefined) this.values.add(event.value);
    if (event.name !== "offsets_committed") return;
    for (const { partition, offset } of event.offsets ?? []) {
      const before = this.#committed.get(partition) ?? 0;
      if (offset < before)
        this.fallen.push(`${this.#protocol}: partition ${partition} goes back from ${before} to ${offset}`);
      this.#committed.set(partition, Math.max(offset, before));
    }
  }

  async end(member: number, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#running.get(member);
    this.#running.delete(member);
    await child?.end(signal);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.keys()].map(member => this.end(member, "SIGKILL")));
  }
}

/**
 * Runs franz-go's own tests of chains: what a group reads from one topic its members write to the next one, which another
 * group reads, while members join and leave. All assignors, static members, both protocols of groups, transactions and
 * share groups have one.
 */
async function chains(run: Run, stage: Stage): Promise<void> {
  const tests = await findFranzTests();
  if (tests instanceof Missing) throw new NotRun(tests.reason);
  const passed: string[] = [];
  const failed: string[] = [];
  const child = new Child(tests.command, [...tests.args, "-test.v", "-test.run", CHAINS, "-test.timeout", "280s"], {
    env: {
      KGO_SEEDS: stage.cluster.brokers,
      KGO_TEST_RF: "3",
      KGO_TEST_RECORDS: String(CHAINED),
      KGO_LOG_LEVEL: "error",
    },
    onLine: line => {
      const [, outcome, name] = /^\s*--- (PASS|FAIL): (\S+)/.exec(line) ?? [];
      if (name !== undefined) (outcome === "PASS" ? passed : failed).push(name);
    },
    input: "",
  });
  try {
    const end = await child.exited;
    run.note("chains of groups that copy:", passed.length);
    run.hold(end === 0 && failed.length === 0, `franz-go's tests end with ${end}: ${failed.join(", ")}`);
    run.hold(passed.length > 0, "no test of franz-go ran");
  } finally {
    child.kill();
  }
}

async function churn(run: Run): Promise<void> {
  const java = await needJava();
  await onStage(run, {}, stage => chains(run, stage));
  await onStage(run, {}, async stage => {
    await stage.load("steady");
    for (const protocol of ["classic", "consumer"])
      await churnOne(stage, new Members(java, stage.cluster.brokers, protocol));
    stage.pauses();
  });
}

/** Lets members of a group come and go, and a node be bounced, under load. */
async function churnOne(stage: Stage, members: Members): Promise<void> {
  const { run } = stage;
  const [steady] = stage.writers;
  try {
    for (let member = 0; member < MEMBERS; member++) members.start(member);
    await until("the group reads", () => members.values.size > 0, READ_MS);
    for (let i = 0; i < CHURNS * run.rounds; i++) {
      const member = run.rng.int(0, MEMBERS - 1);
      await members.end(member, run.rng.chance(0.5) ? "SIGKILL" : "SIGTERM");
      const before = members.values.size;
      members.start(member);
      if (i === 2) {
        const coordinator = await stage.leader("__consumer_offsets");
        await coordinator.kill();
        await coordinator.start();
        await stage.whole(true);
      }
      await until("the group reads on", () => members.values.size > before, READ_MS);
    }
    const wanted = (steady?.acknowledged ?? []).map(({ value }) => value);
    const missing = (): number => wanted.filter(value => !members.values.has(value)).length;
    await until("the group has read all", () => missing() === 0, READ_MS).catch(() =>
      run.broken(`${missing()} acknowledged records are never read`),
    );
    for (const fallen of members.fallen.slice(0, 3)) run.broken(fallen);
  } finally {
    await members.close();
  }
}

/** Groups. */
export const GROUPS: readonly Scenario[] = [
  {
    id: "R6",
    title: "transactions of a group",
    does: `Two of Kafka's copiers share a group and copy ${COPIED} records; one is killed twice, the coordinator is stopped.`,
    rule: "Offsets that are committed with the transactions let each record be copied exactly once.",
    runs: "processes",
    play: copiersInGroup,
  },
  {
    id: "R26",
    title: "a group under churn",
    does:
      `${MEMBERS} of Kafka's consumers are killed, stopped and started ${CHURNS} times, static and cooperative, then with the ` +
      "consumer protocol; their coordinator is killed once. Before, franz-go's tests chain groups that copy from topic to " +
      "topic, with all assignors and both protocols, in transactions, and as share groups.",
    rule:
      "The group goes on reading each time, reads every acknowledged record, and its commits never go back; a chain loses, " +
      "doubles and reorders nothing.",
    runs: "processes",
    play: churn,
  },
];
