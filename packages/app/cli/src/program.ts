import { Command, Option } from "commander";
import { LOG_LEVELS } from "./levels.ts";
import { COMMIT, VERSION } from "./version.ts";

function collect(value: string, all: string[] = []): string[] {
  return [...all, value];
}

function asking(command: Command): Command {
  return command
    .option(
      "-b, --bootstrap-server <host:port>",
      "where brokers are; several are separated by commas",
      "localhost:9092",
    )
    .option("--json", "print JSON");
}

function topicCommands(program: Command): void {
  const topic = program.command("topic").description("create, list, describe, alter and delete topics");
  const run = (name: "create" | "list" | "describe" | "alter" | "delete", ...args: unknown[]): Promise<void> =>
    import("./topic.ts").then(commands => (commands[name] as (...all: unknown[]) => Promise<void>)(...args));
  asking(topic.command("create <name>"))
    .description("create a topic")
    .option("-p, --partitions <count>", "how many partitions; the broker's num.partitions when absent")
    .option("-r, --replication-factor <count>", "how many replicas; the broker's default when absent")
    .option("-c, --config <key=value>", "a setting of the topic; may be repeated", collect, [])
    .option("--if-not-exists", "no error when the topic is there already")
    .action((name, options) => run("create", name, options));
  asking(topic.command("list"))
    .description("list all topics")
    .action(options => run("list", options));
  asking(topic.command("describe [name...]"))
    .description("show partitions and settings of topics; of all when none is named")
    .action((names, options) => run("describe", names, options));
  asking(topic.command("alter <name>"))
    .description("add partitions to a topic, change its settings")
    .option("-p, --partitions <count>", "how many partitions there shall be, more than there are")
    .option("-c, --config <key=value>", "a setting of the topic; may be repeated", collect, [])
    .option("--delete-config <key>", "a setting that goes back to its default; may be repeated", collect, [])
    .action((name, options) => run("alter", name, options));
  asking(topic.command("delete <name...>"))
    .description("delete topics with all their records")
    .option("--if-exists", "no error when a topic is not there")
    .action((names, options) => run("delete", names, options));
}

function configCommands(program: Command): void {
  const config = program.command("config").description("show and change settings, and quotas of clients");
  const about = (command: Command): Command =>
    asking(command)
      .option("--topic <name>", "settings of a topic")
      .option("--broker <id>", "settings of a broker; of all brokers: default")
      .option("--group <id>", "settings of a group")
      .option("--client-metrics <name>", "settings of a subscription to clients' metrics");
  const entity = "quotas of user=NAME,client-id=NAME or ip=ADDRESS; a key alone means its default";
  about(config.command("describe"))
    .description("show the settings that are not at their default, and where each comes from")
    .option("--client-quotas [entity]", `${entity}; all when none is named`)
    .option("--all", "defaults too, with what else has a value for each setting")
    .action(options => import("./config.ts").then(({ describe }) => describe(options)));
  about(config.command("alter"))
    .description("change settings of a broker that runs; all that is asked for, or nothing")
    .option("--client-quotas <entity>", entity)
    .option("--set <key=value>", "the setting's new value; may be repeated", collect, [])
    .option("--delete <key>", "back to its default; may be repeated", collect, [])
    .option("--append <key=value>", "adds to a list; may be repeated", collect, [])
    .option("--subtract <key=value>", "takes from a list; may be repeated", collect, [])
    .action(options => import("./config.ts").then(({ alter }) => alter(options)));
}

function logCommands(program: Command): void {
  const log = program.command("log").description("look into the files of a log directory");
  log
    .command("dump <path...>")
    .description("show what is in files of a log: a file, a partition's directory, or all of a data directory")
    .option("--records", "the records in the batches too")
    .option("--check", "compare indexes with the log they are of")
    .option("--max-bytes <count>", "how much to read of each log")
    .addOption(
      new Option(
        "--decode <what>",
        "read records as those of one of Kafka's own topics; else told by the directory",
      ).choices(["offsets", "transactions", "share", "metadata", "remote-log", "none"]),
    )
    .option("--json", "print JSON, an object a line")
    .action((paths, options) => import("./log.ts").then(({ dump }) => dump(paths, options)));
}

function metadataCommand(program: Command): void {
  program
    .command("metadata <place> [command] [path...]")
    .summary("look into the cluster's metadata")
    .description(
      "look into the metadata in a data directory, in a log of it or in a snapshot: ls, cat, find or tree of a path such as /image/topics/byName. Without a command it asks for them.",
    )
    .option("--json", "print JSON")
    .action((place, command, paths, options) =>
      import("./metadata.ts").then(({ metadata }) =>
        metadata(place, command === undefined ? [] : [command, ...paths], options),
      ),
    );
}

function storageCommands(program: Command): void {
  const storage = program
    .command("storage")
    .description("format log directories and tell of them, as kafka-storage does");
  const config = ["-c, --config <server.properties>", "the configuration file to use"] as const;
  storage
    .command("format")
    .description("format the log directories of this node")
    .requiredOption("-t, --cluster-id <id>", "the cluster id to use")
    .requiredOption(...config)
    .option("-g, --ignore-formatted", "pass over directories that are formatted already")
    .option("-s, --standalone", "this node is the only voter of a quorum that may change")
    .option("-I, --initial-controllers <voters>", "the first voters: id@host:port:directory")
    .option("-N, --no-initial-controllers", "the node joins a quorum")
    .option("-r, --release-version <version>", "the release whose features the cluster begins with")
    .option("-f, --feature <name=level>", "the level of one feature; may be repeated", collect, [])
    .option("-S, --add-scram <credential>", "a SCRAM credential", collect)
    .action(options => import("./storage.ts").then(({ format }) => format(options)));
  storage
    .command("info")
    .description("tell what the log directories of this node are")
    .requiredOption(...config)
    .action(options => import("./storage.ts").then(({ info }) => info(options)));
  storage
    .command("random-uuid")
    .description("print a random id")
    .action(() => import("./storage.ts").then(({ printUuid }) => printUuid()));
}

/** The command line, as it is before it has read its arguments. */
export function program(): Command {
  const samsa = new Command("samsa")
    .description("Apache Kafka, complete, in TypeScript")
    .version(`samsa ${VERSION} (${COMMIT})`)
    .showHelpAfterError("(samsa --help shows what there is)");
  samsa
    .command("start [server.properties]")
    .description("start a broker; data under ./data and clients on localhost:9092 unless the settings say otherwise")
    .option("-o, --override <key=value>", "a setting that wins over the file; may be repeated", collect, [])
    .addOption(new Option("--log-level <level>", "what to log").choices(LOG_LEVELS).default("warn"))
    .option("--http-port <port>", "port of /metrics and /health, or off; 9404 or the next free one when absent")
    .option("--http-host <host>", "address of that port", "127.0.0.1")
    .option("--json", "print where the broker is as JSON")
    .action((file, options) => import("./start.ts").then(({ start }) => start(file, options)));
  topicCommands(samsa);
  configCommands(samsa);
  logCommands(samsa);
  metadataCommand(samsa);
  storageCommands(samsa);
  return samsa;
}
