/** Judge of `@samsa/kafkajs`: the walk through KafkaJS, with Samsa's client, against Apache Kafka and against Samsa. */
import { join } from "node:path";
import type { BrokerProcess } from "../processes/broker.ts";
import { SamsaProcess } from "../processes/broker-process.ts";
import { KafkaProcess } from "../processes/kafka-process.ts";
import { findJava, Missing, nodeProgram } from "../processes/runtimes.ts";
import { type Check, oneLine, type Trial, type Verdict } from "./scoreboard.ts";
import { runWalk } from "./walk.ts";

const NAME = "@samsa/kafkajs";
const WALK = join(import.meta.dirname, "../walks/kafkajs.ts");

async function walked(start: () => Promise<BrokerProcess>): Promise<Verdict> {
  let broker: BrokerProcess | undefined;
  try {
    broker = await start();
    return await runWalk(NAME, nodeProgram(WALK, "--samsa", broker.server));
  } catch (error) {
    const checks: Check[] = [{ name: "(the whole walk)", outcome: "failed", reason: oneLine(error) }];
    return { judge: NAME, version: "", checks };
  } finally {
    await broker?.dispose();
  }
}

const skipped = ({ reason }: Missing): Check[] => [
  { name: "(the whole walk)", outcome: "skipped", reason: oneLine(reason) },
];

const of = (vendor: string, checks: readonly Check[]): Check[] =>
  checks.map(check => ({ ...check, name: `${vendor}: ${check.name}` }));

/** Judge of `@samsa/kafkajs`. It starts its brokers itself. */
export const KAFKAJS_TRIAL: Trial = {
  name: NAME,
  run: async () => {
    const java = await findJava();
    const kafka = java instanceof Missing ? skipped(java) : (await walked(() => KafkaProcess.start())).checks;
    const { version, checks } = await walked(() => SamsaProcess.start());
    return { judge: NAME, version, checks: [...of("Apache Kafka", kafka), ...of("Samsa", checks)] };
  },
};
