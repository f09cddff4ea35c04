/** Judge of share groups: Kafka's share consumer plays the same scenes on Apache Kafka and on the broker under test. */
import type { BrokerProcess } from "../processes/broker.ts";
import { startBroker } from "../processes/broker-process.ts";
import { KafkaProcess } from "../processes/kafka-process.ts";
import { findOurJava, type Java, Missing } from "../processes/runtimes.ts";
import { SHARE_SETTINGS } from "../samsa-client/share-checks.ts";
import { type Check, noVerdict, oneLine, type Trial, type Verdict } from "./scoreboard.ts";
import { runWalk } from "./walk.ts";

const NAME = "Java ShareConsumer";
const WALK_MS = 420_000;
const SETTINGS = [
  // A single broker cannot replicate the topic of the share coordinator.
  "share.coordinator.state.topic.replication.factor=1",
  "share.coordinator.state.topic.min.isr=1",
  ...SHARE_SETTINGS,
  // Bounds of the settings of groups that are not the defaults.
  "group.share.min.record.lock.duration.ms=1500",
  "group.share.max.record.lock.duration.ms=45000",
  "group.share.max.delivery.count.limit=9",
  "group.share.max.partition.max.record.locks=3000",
];

/** Result of a check, and the lines that tell what it has seen. */
export interface SeenCheck extends Check {
  readonly seen: readonly string[];
}

/** Scenes as they went on one broker. */
interface Played {
  readonly version: string;
  readonly checks: readonly SeenCheck[];
}

/** Reason of a failed check, and the last line before it. */
function fault({ reason = "", seen }: SeenCheck): string {
  const last = seen.at(-1);
  return last === undefined ? reason : `${reason}, after ${last}`;
}

function compared(ours: SeenCheck | undefined, theirs: SeenCheck): Check {
  const { name } = theirs;
  const failed = (reason: string): Check => ({ name, outcome: "failed", reason: oneLine(reason) });
  if (ours === undefined) return failed("it was not played");
  if (ours.outcome !== "passed") return failed(fault(ours));
  if (theirs.outcome !== "passed") return failed(`on Apache Kafka: ${fault(theirs)}`);
  const lines = Math.max(ours.seen.length, theirs.seen.length);
  for (let i = 0; i < lines; i++) {
    const [our, their] = [ours.seen[i], theirs.seen[i]];
    if (our !== their) return failed(`saw ${our ?? "nothing more"}; with Apache Kafka: ${their ?? "nothing more"}`);
  }
  return { name, outcome: "passed" };
}

/** Compares scenes check by check: each must have passed on both brokers, and seen the same lines. */
export function compareScenes(ours: readonly SeenCheck[], theirs: readonly SeenCheck[]): Check[] {
  const names = new Set(theirs.map(({ name }) => name));
  const alone = ours
    .filter(({ name }) => !names.has(name))
    .map(({ name, outcome, reason }): Check => {
      return outcome === "failed" && reason !== undefined
        ? { name, outcome, reason }
        : { name, outcome: "failed", reason: "it was not played on Apache Kafka" };
    });
  return [
    ...theirs.map(one =>
      compared(
        ours.find(({ name }) => name === one.name),
        one,
      ),
    ),
    ...alone,
  ];
}

async function play(java: Java, start: () => Promise<BrokerProcess>): Promise<Played> {
  const broker = await start();
  try {
    const seen = new Map<string, readonly string[]>();
    const onSeen = (check: string, lines: readonly string[]): void => void seen.set(check, lines);
    const { version, checks } = await runWalk(NAME, java("ShareWalk", broker.server), { deadlineMs: WALK_MS, onSeen });
    return { version, checks: checks.map(check => ({ ...check, seen: seen.get(check.name) ?? [] })) };
  } finally {
    await broker.dispose();
  }
}

async function trial(): Promise<Verdict> {
  const java = await findOurJava();
  if (java instanceof Missing) return noVerdict(NAME, "skipped", java.reason);
  // Both at once: most of the scenes are time in which locks end.
  const [ours, theirs] = await Promise.allSettled([
    play(java, () => startBroker(SETTINGS)),
    play(java, () => KafkaProcess.start("fixed", SETTINGS)),
  ]);
  if (ours.status === "rejected") return noVerdict(NAME, "failed", ours.reason);
  if (theirs.status === "rejected") return noVerdict(NAME, "failed", theirs.reason);
  return {
    judge: NAME,
    version: theirs.value.version,
    checks: compareScenes(ours.value.checks, theirs.value.checks),
  };
}

/** Judge of share groups, which starts both brokers itself. With `INTEROP_AGAINST=kafka` both are Apache Kafka's. */
export const SHARE_TRIAL: Trial = { name: NAME, run: trial };
