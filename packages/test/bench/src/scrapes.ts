import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ZERO_UUID } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { BrokerConnection } from "@samsa/wire";

/** Number of series that a measured broker has. */
const TOPICS = 100;
const PARTITIONS = 10;
const GROUPS = 200;
/** Partitions that each group has committed. */
const COMMITTED = 5;

/** Attempts while the coordinator is loaded. */
const MOST_TRIES = 50;

/** Cost of scrapes of a broker with 1,000 partitions and 200 groups. */
export interface ScrapeCost {
  /** Processor time of the broker for one scrape, in ms. */
  readonly cpuMs: number;
  /** Time of one scrape in ms: of half of them, and of all but one of a hundred. */
  readonly medianMs: number;
  readonly slowMs: number;
  /** Longest turn of the event loop during a scrape in ms: of half of the scrapes. */
  readonly turnMs: number;
  /** Bytes of one scrape, and its lines. */
  readonly bytes: number;
  readonly lines: number;
  /** Growth of the heap over all scrapes in MiB, after collections before and after. */
  readonly heapMiB: number;
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

async function started(child: ChildProcess): Promise<{ readonly port: number; readonly http: string }> {
  let said = "";
  return new Promise((resolve, reject) => {
    child.once("exit", code => reject(new Error(`the broker ended with ${code}`)));
    child.stdout?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      const end = said.indexOf("\n");
      if (end < 0) return;
      const { listeners, http } = JSON.parse(said.slice(0, end));
      resolve({ port: listeners[0].port, http });
    });
  });
}

/** Creates the topics and commits the offsets. */
async function fill(port: number): Promise<void> {
  const env = nodeEnv({ logger: silent });
  const client = { clientId: "bench", software: { name: "bench", version: "1" } };
  const connection = await BrokerConnection.connect(env, { host: "127.0.0.1", port }, client);
  try {
    const topics = Array.from({ length: TOPICS }, (_, i) => ({
      name: `scraped-${i}`,
      ...{ numPartitions: PARTITIONS, replicationFactor: 1, assignments: [], configs: [] },
    }));
    const created = await connection.call("CreateTopics", { topics, timeoutMs: 60_000, validateOnly: false });
    for (let i = 0, tries = 0; i < GROUPS; ) {
      const { name, topicId } = created.topics[i % TOPICS] ?? { name: "", topicId: ZERO_UUID };
      const partitions = Array.from({ length: COMMITTED }, (_, partitionIndex) => ({
        ...{ partitionIndex, committedOffset: 0, committedLeaderEpoch: -1, committedMetadata: "" },
      }));
      const { topics: answers } = await connection.call("OffsetCommit", {
        groupId: `group-${i}`,
        ...{ generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null },
        topics: [{ name, topicId, partitions }],
      });
      // The coordinator's topic is created by the first request, and its shards are loaded then.
      if (answers[0]?.partitions.every(({ errorCode }) => errorCode === 0) === true) i++;
      else if (tries++ > MOST_TRIES) throw new Error(`offsets cannot be committed: ${JSON.stringify(answers)}`);
      else {
        await connection.call("FindCoordinator", { keyType: 0, coordinatorKeys: [`group-${i}`] });
        await new Promise(resolve => setTimeout(resolve, 200));
      }
    }
  } finally {
    connection.close();
  }
}

/** Value of a metric of a page. */
function valueOf(page: string, name: string): number {
  return Number(
    page
      .split("\n")
      .find(line => line.startsWith(`${name} `))
      ?.split(" ")
      .at(-1),
  );
}

function at(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))] ?? NaN;
}

/** Measures `scrapes` scrapes of a broker of a bundle, one after the other. */
export async function scrapeCost(bundle: string, scrapes: number): Promise<ScrapeCost> {
  const folder = mkdtempSync(join(tmpdir(), "samsa-scrapes-"));
  const args = ["start", "--json", "--http-port", "0", "-o", "listeners=PLAINTEXT://127.0.0.1:0"];
  const child = spawn(process.execPath, [bundle, ...args], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  try {
    const { port, http } = await started(child);
    await fill(port);
    const scrape = async (): Promise<string> => (await fetch(`${http}/metrics`)).text();
    const heapOf = (page: string): number => valueOf(page, "nodejs_heap_size_used_bytes");
    let page = "";
    for (let i = 0; i < 50; i++) page = await scrape();
    const cpu = (): number => valueOf(page, "process_cpu_seconds_total");
    const before = cpu();
    const times: number[] = [];
    const turns: number[] = [];
    // The heap after a collection is the least of many readings.
    const heaps: number[] = [];
    for (let i = 0; i < scrapes; i++) {
      const began = performance.now();
      page = await scrape();
      times.push(performance.now() - began);
      turns.push(valueOf(page, "samsa_event_loop_longest_turn_seconds") * 1000);
      heaps.push(heapOf(page));
    }
    const tenth = Math.max(1, Math.floor(scrapes / 10));
    const growth = Math.min(...heaps.slice(-tenth)) - Math.min(...heaps.slice(0, tenth));
    return {
      cpuMs: ((cpu() - before) * 1000) / scrapes,
      medianMs: at(times, 0.5),
      slowMs: at(times, 0.99),
      turnMs: at(turns, 0.5),
      bytes: page.length,
      lines: page.split("\n").length,
      heapMiB: growth / 2 ** 20,
    };
  } finally {
    const ended = new Promise(resolve => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}
