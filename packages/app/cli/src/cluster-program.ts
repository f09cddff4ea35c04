import type { Command } from "commander";

/** Adds what the commands that ask a broker have in common. */
export function asking(command: Command): Command {
  return command
    .option(
      "-b, --bootstrap-server <host:port>",
      "address of a broker; several are separated by commas; default: localhost:9092",
    )
    .option("--context <name>", "context with servers and settings; default: $SAMSA_CONTEXT, else that of context use")
    .option("--command-config <file>", "settings of Kafka's clients, such as security.protocol, sasl.* and ssl.*")
    .option("--json", "print JSON");
}

/** Option that may be repeated. */
export function collect(value: string, all: string[] = []): string[] {
  return [...all, value];
}

function quorumCommands(program: Command): void {
  const quorum = program.command("quorum").description("show and change the quorum of controllers");
  const directory = ["--directory-id <id>", "directory.id of the controller's metadata directory"] as const;
  asking(quorum.command("describe"))
    .description("show the leader, the voters and the observers with their progress")
    .action(options => import("./commands/quorum.ts").then(({ describe }) => describe(options)));
  asking(quorum.command("add <node>"))
    .description("make a controller that follows the metadata log a voter")
    .requiredOption("--endpoint <host:port>", "address of the controller's listener")
    .option("--listener <name>", "name of that listener", "CONTROLLER")
    .option(directory[0], `${directory[1]}; default: that of the observer with this id`)
    .action((node, options) => import("./commands/quorum.ts").then(({ add }) => add(node, options)));
  asking(quorum.command("remove <node>"))
    .description("take the vote of a controller")
    .option(directory[0], `${directory[1]}; default: that of the voter with this id`)
    .action((node, options) => import("./commands/quorum.ts").then(({ remove }) => remove(node, options)));
}

function brokerCommands(program: Command): void {
  const broker = program.command("broker").description("list brokers, and take one out of the cluster");
  asking(broker.command("list"))
    .description("list all brokers, with the numbers of their leaders and replicas")
    .action(options => import("./commands/broker.ts").then(({ list }) => list(options)));
  asking(broker.command("decommission <id>"))
    .description("move all replicas to other brokers; remove a broker that has none and is stopped")
    .option("--no-wait", "do not wait until the replicas are moved")
    .action((id, options) => import("./commands/broker.ts").then(({ decommission }) => decommission(id, options)));
}

function reassignCommands(program: Command): void {
  const reassign = program.command("reassign").description("move replicas between brokers");
  asking(reassign.command("plan"))
    .description("plan to spread replicas over brokers and racks, with few moves; prints the plan and changes nothing")
    .option("-t, --topic <name>", "a topic; may be repeated; default: all topics", collect, [])
    .option("--brokers <ids>", "brokers that may hold replicas, separated by commas; default: all that run")
    .option("-r, --replication-factor <count>", "number of replicas; default: that of each partition")
    .option("-o, --out <file>", "write the plan to a file")
    .action(options => import("./commands/reassign.ts").then(({ plan }) => plan(options)));
  asking(reassign.command("run <plan>"))
    .description("carry out a plan; the format is that of kafka-reassign-partitions")
    .option("--no-wait", "do not wait until the replicas are moved")
    .option("--throttle <bytes>", "most bytes per second that a broker sends and gets for it, until it is done")
    .action((file, options) => import("./commands/reassign.ts").then(({ run }) => run(file, options)));
  asking(reassign.command("unthrottle <plan>"))
    .description("remove the limits that a run with --throttle has set and could not remove")
    .action((file, options) => import("./commands/reassign.ts").then(({ unlimit }) => unlimit(file, options)));
  asking(reassign.command("status"))
    .description("show the partitions that are being reassigned")
    .action(options => import("./commands/reassign.ts").then(({ status }) => status(options)));
  asking(reassign.command("cancel [plan]"))
    .description("cancel the reassignments of a plan's partitions; without a plan, all")
    .action((file, options) => import("./commands/reassign.ts").then(({ cancel }) => cancel(file, options)));
}

function featureCommands(program: Command): void {
  const feature = program.command("feature").description("show and change the feature levels of the cluster");
  const dryRun = ["--dry-run", "check the change, and do not make it"] as const;
  const release = [
    "--release-version <version>",
    "in place of levels: those of a new cluster of this release",
  ] as const;
  asking(feature.command("describe"))
    .description("show the level of each feature, and the levels that the broker supports")
    .action(options => import("./commands/feature.ts").then(({ describe }) => describe(options)));
  asking(feature.command("upgrade [name=level...]"))
    .description("raise levels; all changes apply, or none")
    .option(...dryRun)
    .option(...release)
    .action((levels, options) => import("./commands/feature.ts").then(({ upgrade }) => upgrade(levels, options)));
  asking(feature.command("downgrade [name=level...]"))
    .description("lower levels; all changes apply, or none")
    .option(...dryRun)
    .option(...release)
    .option("--unsafe", "allow a change that loses metadata")
    .action((levels, options) => import("./commands/feature.ts").then(({ downgrade }) => downgrade(levels, options)));
}

/** Adds the commands that operate a cluster. */
export function clusterCommands(program: Command): void {
  const cluster = program.command("cluster").description("describe the cluster");
  asking(cluster.command("describe"))
    .description("show brokers, controllers, features, and partitions that lack replicas or a leader")
    .option("--wait <seconds>", "wait until no broker is fenced, and no partition lacks replicas or a leader")
    .action(options => import("./commands/cluster.ts").then(({ describe }) => describe(options)));
  quorumCommands(program);
  brokerCommands(program);
  reassignCommands(program);
  featureCommands(program);
}
