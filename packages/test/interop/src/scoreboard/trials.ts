/** List of all outside judges. Each gets its own broker. */
import { join } from "node:path";
import { announced, checkAnnounced, implemented, recorded } from "./api-list.ts";
import type { BrokerProcess } from "../processes/broker.ts";
import { AGAINST_KAFKA, startBroker } from "../processes/broker-process.ts";
import { CLUSTER_TRIALS } from "./cluster-trials.ts";
import { runTool } from "./kafka-tools.ts";
import { KAFKAJS_TRIAL } from "./kafkajs-trial.ts";
import { KIND_TRIALS } from "./kind-trials.ts";
import { MIGRATION_TRIAL } from "./migration-trial.ts";
import { CLIENT_KILLS_TRIALS } from "./client-kills-trial.ts";
import { CLIENT_TRIAL } from "./client-trial.ts";
import { ADMIN_TOOLS } from "../tools/admin-tools.ts";
import { RECORD_TOOLS } from "../tools/record-tools.ts";
import { SECURED_TRIALS } from "./secured-trials.ts";
import type { Tool } from "../tools/tool-check.ts";
import { VENDOR_TRIALS } from "./vendor-trials.ts";
import {
  findGo,
  findJava,
  findOurJava,
  findPython,
  findRust,
  Missing,
  nodeProgram,
  type Program,
} from "../processes/runtimes.ts";
import { SCRIPT_TRIAL } from "./script-trial.ts";
import { SHARE_TRIAL } from "./share-trial.ts";
import { noVerdict, type Trial, type Verdict } from "./scoreboard.ts";
import { runWalk } from "./walk.ts";

/** Runs `body` with a broker. Any error becomes a failed check. */
async function onBroker(judge: string, body: (broker: BrokerProcess) => Promise<Verdict>): Promise<Verdict> {
  let broker: BrokerProcess | undefined;
  try {
    broker = await startBroker();
    return await body(broker);
  } catch (error) {
    return noVerdict(judge, "failed", error);
  } finally {
    await broker?.dispose();
  }
}

type Finder = () => Promise<Program | Missing>;

function walk(name: string, find: Finder, ...more: readonly string[]): Trial {
  return {
    name,
    run: async () => {
      const program = await find();
      if (program instanceof Missing) return noVerdict(name, "skipped", program.reason);
      return onBroker(name, ({ server }) =>
        runWalk(name, { command: program.command, args: [...program.args, server, ...more] }),
      );
    },
  };
}

function java(main: string): Finder {
  return async () => {
    const found = await findOurJava();
    return found instanceof Missing ? found : found(main);
  };
}

function python(script: string): Finder {
  return async () => {
    const found = await findPython();
    return found instanceof Missing ? found : found(script);
  };
}

const API_LIST: Trial = {
  name: "ApiVersions",
  run: () =>
    onBroker("ApiVersions", async ({ server }) => {
      const kafka = recorded();
      const there = AGAINST_KAFKA ? kafka.apis : implemented();
      const checks = checkAnnounced(await announced(server), there, kafka);
      return { judge: "ApiVersions", version: kafka.version, checks };
    }),
};

function kafkaTool(tool: Tool): Trial {
  const { name } = tool;
  return {
    name,
    run: async () => {
      const found = await findJava();
      return found instanceof Missing
        ? noVerdict(name, "skipped", found.reason)
        : onBroker(name, broker => runTool(found, tool, broker));
    },
  };
}

/** All judges, in running order. Those of clusters start their nodes themselves. */
export const TRIALS: readonly Trial[] = [
  API_LIST,
  ...[...ADMIN_TOOLS, ...RECORD_TOOLS].map(kafkaTool),
  walk("Java Producer", java("ProducerWalk")),
  walk("Java Consumer, classic", java("ConsumerWalk"), "classic"),
  walk("Java Consumer, consumer", java("ConsumerWalk"), "consumer"),
  walk("Java Admin", java("AdminWalk")),
  SHARE_TRIAL,
  walk("confluent-kafka", python("confluent_walk.py")),
  walk("kafka-python", python("kafka_python_walk.py")),
  walk("aiokafka", python("aiokafka_walk.py")),
  walk("franz-go", () => findGo("franz")),
  walk("sarama", () => findGo("sarama")),
  walk("rskafka", findRust),
  walk("KafkaJS", async () => nodeProgram(join(import.meta.dirname, "../walks/kafkajs.ts"))),
  KAFKAJS_TRIAL,
  ...SECURED_TRIALS,
  ...KIND_TRIALS,
  ...CLUSTER_TRIALS,
  ...VENDOR_TRIALS,
  MIGRATION_TRIAL,
  CLIENT_TRIAL,
  ...CLIENT_KILLS_TRIALS,
  SCRIPT_TRIAL,
  walk("@platformatic/kafka", async () => nodeProgram(join(import.meta.dirname, "../walks/platformatic.ts"))),
];
