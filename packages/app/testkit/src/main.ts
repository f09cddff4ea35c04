import { spawn } from "node:child_process";
import { Command, InvalidArgumentError } from "commander";
import { startCluster } from "./test-cluster.ts";

interface Options {
  readonly nodes: number;
  readonly port?: number;
  readonly disk: string;
  readonly topic: Record<string, number>;
  readonly set: Record<string, string>;
}

function whole(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError("a whole number is wanted");
  return Number(text);
}

function topic(text: string, topics: Record<string, number>): Record<string, number> {
  const [, name, partitions = "1"] = /^([^:]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("name or name:partitions is wanted");
  return { ...topics, [name]: Number(partitions) };
}

function setting(text: string, settings: Record<string, string>): Record<string, string> {
  const at = text.indexOf("=");
  if (at <= 0) throw new InvalidArgumentError("name=value is wanted");
  return { ...settings, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Runs a command with the cluster's address in its environment; resolves with its exit code. */
function run(command: readonly string[], bootstrapServers: string): Promise<number> {
  const [program = "", ...args] = command;
  return new Promise(resolve => {
    const child = spawn(program, args, {
      stdio: "inherit",
      env: { ...process.env, KAFKA_BOOTSTRAP_SERVERS: bootstrapServers },
    });
    child.on("error", error => {
      console.error(`samsa-testkit: ${program} cannot be run: ${error.message}`);
      resolve(127);
    });
    child.on("exit", code => resolve(code ?? 1));
  });
}

async function main(command: readonly string[], options: Options): Promise<void> {
  const { nodes, port, disk, topic: topics, set: settings } = options;
  const cluster = await startCluster({ nodes, disk, topics, settings, ...(port === undefined ? {} : { port }) });
  if (command.length > 0) {
    process.exitCode = await run(command, cluster.bootstrapServers);
    return cluster.close();
  }
  console.log(JSON.stringify({ bootstrapServers: cluster.bootstrapServers, pid: process.pid }));
  await new Promise<void>(resolve => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => resolve());
    // A test in another language ends the cluster by closing the pipe, even if it crashes.
    if (!process.stdin.isTTY) process.stdin.resume().once("end", () => resolve());
  });
  await cluster.close();
  process.exit(0);
}

new Command("samsa-testkit")
  .description(
    "starts Kafka brokers in memory for tests in any language: runs a command with KAFKA_BOOTSTRAP_SERVERS set, " +
      "or prints the address as JSON and runs until its input ends",
  )
  .argument("[command...]", "the tests, and their arguments")
  .option("--nodes <count>", "number of brokers", whole, 1)
  .option("--port <port>", "port of the first broker; any free one by default", whole)
  .option("--disk <folder>", "folder for the logs instead of memory", "memory")
  .option("--topic <name:partitions>", "a topic to create; may be repeated", topic, {})
  .option("--set <name=value>", "a setting of the brokers; may be repeated", setting, {})
  .passThroughOptions()
  .action((command: string[], options: Options) =>
    main(command, options).catch((error: unknown) => {
      console.error(`samsa-testkit: ${error instanceof Error ? error.message : String(error)}`);
      process.exit(1);
    }),
  )
  .parse();
