/** Scenarios that need power cuts, clocks or exact moments: seeds of the simulation in which they happen. */
import { clusterReplayCommand, replayCommand, runCluster, runScenario } from "@samsa/sim";
import type { Run } from "../frame/run.ts";
import type { Scenario } from "../frame/scenario.ts";

/** Seeds in which a condition must happen, frequent or rare, and those that are played at most to find them. */
const WANTED = 10;
const FEW = 3;
const MOST = 300;

/** Watcher of one seed: takes the lines of its trace, and tells if the condition has happened. */
type Condition = () => { readonly line: (line: string) => void; readonly happened: () => boolean };

/** Happens when all patterns have been seen, in this order. */
function inOrder(...patterns: readonly RegExp[]): Condition {
  return () => {
    let next = 0;
    return {
      line: line => {
        if (patterns[next]?.test(line) === true) next++;
      },
      happened: () => next === patterns.length,
    };
  };
}

/** Happens when a line of the second pattern directly follows one of the first among those of either. */
function rightAfter(work: RegExp, end: RegExp, other: RegExp): Condition {
  return () => {
    let isWorking = false;
    let has = false;
    return {
      line: line => {
        if (end.test(line)) has ||= isWorking;
        else if (work.test(line)) isWorking = true;
        else if (other.test(line)) isWorking = false;
      },
      happened: () => has,
    };
  };
}

interface Search {
  readonly condition: Condition;
  readonly isCluster: boolean;
  readonly count: number;
  /** Tells how much of what may be lost was lost. */
  readonly countsLost: boolean;
}

/** Plays seeds, from 1 on, until the condition has happened in enough of them. */
async function seeds(run: Run, { condition, isCluster, count, countsLost }: Search): Promise<void> {
  const [playSeed, replay] = isCluster ? [runCluster, clusterReplayCommand] : [runScenario, replayCommand];
  let [lost, promised] = [0, 0];
  const found: number[] = [];
  const wanted = count * run.rounds;
  for (let seed = 1; seed <= MOST * run.rounds && found.length < wanted; seed++) {
    const watcher = condition();
    const { violation, acknowledged, ...rest } = await playSeed(seed, { onTrace: watcher.line });
    if (violation !== undefined) run.broken(`${violation.message} (${replay(seed)})`);
    if (!watcher.happened()) continue;
    found.push(seed);
    run.count("acknowledged", acknowledged);
    if ("lost" in rest) [lost, promised] = [lost + rest.lost, promised + rest.promised];
    if (found.length % 5 === 0 || found.length === wanted) run.say(`${found.length} of ${wanted} seeds`);
  }
  run.note("seeds", found.join(" "));
  if (countsLost) run.note("lost without a flush, as it may be:", `${lost} of ${promised}`);
  run.hold(found.length >= wanted, `it happens in ${found.length} seeds only`);
}

function simulated(
  row: Omit<Scenario, "runs" | "play">,
  condition: Condition,
  { isCluster = true, count = WANTED, countsLost = false }: Partial<Search> = {},
): Scenario {
  return { ...row, runs: "simulation", play: run => seeds(run, { condition, isCluster, count, countsLost }) };
}

/** Scenarios of the simulation. */
export const SIMULATED: readonly Scenario[] = [
  simulated(
    {
      id: "R11",
      title: "the power of one node is cut",
      does: "Everything that a node has not flushed is lost, or a random part of it, under load and other faults.",
      rule: "With RF 3 and min.insync.replicas 2 nothing acknowledged is lost.",
    },
    inOrder(/fault power/, /ending power/),
  ),
  simulated(
    {
      id: "R12",
      title: "the power of all nodes is cut",
      does: "All nodes lose what they have not flushed, at the same time.",
      rule: "Topics with flush.messages=1 and the metadata lose nothing; others may lose what no node has flushed, as in Kafka; the number is told.",
    },
    inOrder(/fault black out/, /ending power/, /ending power/),
    { count: FEW, countsLost: true },
  ),
  simulated(
    {
      id: "R19",
      title: "a broker restarts while its old fetch is on its way",
      does: "Links are slow, and a node is killed or its power cut and started: fetches of its last life arrive in the next one.",
      rule: "They bring nobody into an ISR, and nothing acknowledged is lost.",
    },
    inOrder(/fault slow link/, /fault (?:kill|power)/, /ending (?:kill|power)/),
  ),
  simulated(
    {
      id: "R21",
      title: "clocks step",
      does: "Wall clocks of nodes jump by up to a minute, forwards and backwards, under load and other faults.",
      rule: "Every rule of the simulation holds: nobody loses a session, a leader or a record by it.",
    },
    inOrder(/fault clock/),
  ),
  simulated(
    {
      id: "R23",
      title: "controllers are killed while snapshots are written",
      does: "Several or all controllers are killed after snapshots of the metadata were written, and come back.",
      rule: "One leader for each epoch, equal metadata at equal offsets, no committed metadata lost.",
    },
    inOrder(/__cluster_metadata-0\/\d+-\d+\.checkpoint/, /fault (?:kill some|black out)/, /ending/, /ending/),
    { count: FEW },
  ),
  simulated(
    {
      id: "R25",
      title: "a crash in the middle of a compaction",
      does: "A broker is killed or loses power between two steps of an exchange of compacted segments, with transactions in them.",
      rule: "The exchange is finished or undone; no key, marker or acknowledged record is lost.",
    },
    rightAfter(/\.(?:cleaned|swap)/, /ending (?:kill|power)/, / disk \w+ .*\.log$/),
    { isCluster: false },
  ),
];
