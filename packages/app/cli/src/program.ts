import { Command, Option } from "commander";
import { benchCommands, groupCommands, recordCommands, shareCommands, transactionCommands } from "./client-program.ts";
import { asking, clusterCommands, collect } from "./cluster-program.ts";
import { TOOL_NAMES } from "./kafka-tools/tools.ts";
import { LEVEL_NAMES, LOG_FORMATS } from "./terminal/levels.ts";
import { print } from "./terminal/output.ts";
import { COMMIT, VERSION } from "./terminal/version.ts";

function topicCommands(program: Command): void {
  const topic = program.command("topic").description("create, list, describe, alter and delete topics");
  const run = (name: "create" | "list" | "describe" | "alter" | "delete", ...args: unknown[]): Promise<void> =>
    import("./commands/topic.ts").then(commands => (commands[name] as (...all: unknown[]) => Promise<void>)(...args));
  asking(topic.command("create <name>"))
    .description("create a topic")
    .option("-p, --partitions <count>", "number of partitions; default: the broker's num.partitions")
    .option("-r, --replication-factor <count>", "number of replicas; default: the broker's default.replication.factor")
    .option("-c, --config <key=value>", "a setting of the topic; may be repeated", collect, [])
    .option("--if-not-exists", "do not fail if the topic exists")
    .action((name, options) => run("create", name, options));
  asking(topic.command("list"))
    .description("list all topics")
    .action(options => run("list", options));
  asking(topic.command("describe [name...]"))
    .description("show partitions and settings of topics; without names, of all topics")
    .action((names, options) => run("describe", names, options));
  asking(topic.command("alter <name>"))
    .description("add partitions to a topic, change its settings")
    .option("-p, --partitions <count>", "new number of partitions, more than the present one")
    .option("-c, --config <key=value>", "a setting of the topic; may be repeated", collect, [])
    .option("--delete-config <key>", "reset a setting to its default; may be repeated", collect, [])
    .action((name, options) => run("alter", name, options));
  asking(topic.command("delete <name...>"))
    .description("delete topics with all their records")
    .option("--if-exists", "do not fail if a topic does not exist")
    .action((names, options) => run("delete", names, options));
}

function configCommands(program: Command): void {
  const config = program.command("config").description("show and change settings, and quotas of clients");
  const about = (command: Command): Command =>
    asking(command)
      .option("--topic <name>", "settings of a topic")
      .option("--broker <id>", "settings of a broker, or of all brokers: --broker default")
      .option("--group <id>", "settings of a group")
      .option("--client-metrics <name>", "settings of a client metrics subscription");
  const entity = "quotas of user=NAME,client-id=NAME or ip=ADDRESS; a key without a value is the default entity";
  about(config.command("describe"))
    .description("show settings that differ from their defaults, with the source of each value")
    .option("--client-quotas [entity]", `${entity}; without an entity, all quotas`)
    .option("--all", "include defaults, and all synonyms of each setting")
    .action(options => import("./commands/config.ts").then(({ describe }) => describe(options)));
  about(config.command("alter"))
    .description("change dynamic settings; all changes apply, or none")
    .option("--client-quotas <entity>", entity)
    .option("--set <key=value>", "set a value; may be repeated", collect, [])
    .option("--delete <key>", "reset a setting to its default; may be repeated", collect, [])
    .option("--append <key=value>", "append to a list; may be repeated", collect, [])
    .option("--subtract <key=value>", "remove from a list; may be repeated", collect, [])
    .action(options => import("./commands/config.ts").then(({ alter }) => alter(options)));
}

function quotaCommands(program: Command): void {
  const quota = program
    .command("quota")
    .description("list, set and delete quotas of clients; an entity is user=NAME,client-id=NAME or ip=ADDRESS");
  const commands = () => import("./commands/clients/quota.ts");
  asking(quota.command("list [entity]"))
    .description("show quotas of the entities that have all these parts; without an entity, all quotas")
    .option("--exact", "only of exactly this entity")
    .action((entity, options) => commands().then(({ list }) => list(entity, options)));
  asking(quota.command("set <entity> <key=value...>"))
    .description("set quotas of an entity; a part without a name, as in user, is the default entity")
    .action((entity, values, options) => commands().then(({ set }) => set(entity, values, options)));
  asking(quota.command("delete <entity> [key...]"))
    .description("delete quotas of an entity; without keys, all of them")
    .action((entity, keys, options) => commands().then(({ remove }) => remove(entity, keys, options)));
}

function aclCommands(program: Command): void {
  const acl = program.command("acl").description("add, remove and list access control lists");
  const commands = () => import("./commands/clients/acl.ts");
  const about = (command: Command): Command =>
    asking(command)
      .option("-t, --topic <name>", "a topic; * is every topic; may be repeated", collect, [])
      .option("-g, --group <id>", "a group; may be repeated", collect, [])
      .option("--transactional-id <id>", "a transactional id; may be repeated", collect, [])
      .option("--user <name>", "a user, for create-tokens and describe-tokens; may be repeated", collect, [])
      .option("--cluster", "the cluster")
      .option("--prefixed", "the names are prefixes of names")
      .option("--operation <name>", "an operation, as read or describe-configs, or all; may be repeated", collect, [])
      .option("--host <address>", "address of clients, or a range of addresses as in 10.0.0.0/8");
  const found = (command: Command): Command =>
    about(command)
      .option("--principal <name>", "a user, or type and name as in User:ann; may be repeated", collect, [])
      .addOption(
        new Option("--permission <what>", "only those that allow, or only those that deny").choices(["allow", "deny"]),
      );
  about(acl.command("add"))
    .description("allow or deny operations on resources")
    .option("--allow <name>", "a user who is allowed; * is everyone; may be repeated", collect, [])
    .option("--deny <name>", "a user who is denied, whatever others allow; may be repeated", collect, [])
    .option("--producer", "what a producer needs: write, describe and create on the topics, and the transactional ids")
    .option("--consumer", "what a consumer needs: read and describe on the topics, read on the groups")
    .action(options => commands().then(({ add }) => add(options)));
  found(acl.command("list"))
    .description("show the ACLs that apply to resources; without resources, all")
    .option("--exact", "only those on exactly these names")
    .action(options => commands().then(({ list }) => list(options)));
  found(acl.command("remove"))
    .description("remove the ACLs with all that the options name")
    .action(options => commands().then(({ remove }) => remove(options)));
}

function contextCommands(program: Command): void {
  const context = program
    .command("context")
    .description("name clusters, with their servers and the settings of clients, and choose one");
  const commands = () => import("./commands/context.ts");
  context
    .command("list")
    .description("list the contexts; the current one has a star")
    .option("--json", "print JSON, with properties; secrets are shown as references")
    .action(options => commands().then(({ list }) => list(options)));
  context
    .command("set <name>")
    .description("make a context, or change one")
    .option("-b, --bootstrap-server <host:port>", "address of a broker; several are separated by commas")
    .option("--property <key=value>", "a setting of clients; a secret is env:NAME or file:PATH", collect, [])
    .option("--delete-property <key>", "remove a setting; may be repeated", collect, [])
    .action((name, options) => commands().then(({ set }) => set(name, options)));
  context
    .command("use [name]")
    .description("make a context the current one; without a name, none is")
    .action(name => commands().then(({ use }) => use(name)));
  context
    .command("delete <name...>")
    .description("delete contexts")
    .action(names => commands().then(({ remove }) => remove(names)));
}

function logCommands(program: Command): void {
  const log = program.command("log").description("show the contents of log files");
  log
    .command("dump <path...>")
    .description("show the contents of log files: of a file, of a partition's directory, or of a whole log directory")
    .option("--records", "include the records of each batch")
    .option("--check", "check indexes against their log")
    .option("--max-bytes <count>", "maximum number of bytes to read of each log")
    .addOption(
      new Option(
        "--decode <what>",
        "decode records as those of an internal topic; default: by the directory's name",
      ).choices(["offsets", "transactions", "share", "metadata", "remote-log", "none"]),
    )
    .option("--json", "print JSON, one object per line")
    .action((paths, options) => import("./commands/log.ts").then(({ dump }) => dump(paths, options)));
}

function metadataCommand(program: Command): void {
  program
    .command("metadata <place> [command] [path...]")
    .summary("show the cluster's metadata")
    .description(
      "show the metadata in a log directory, a metadata log or a snapshot: ls, cat, find or tree of a path such as /image/topics/byName. Without a command, starts an interactive shell.",
    )
    .option("--json", "print JSON")
    .action((place, command, paths, options) =>
      import("./commands/metadata.ts").then(({ metadata }) =>
        metadata(place, command === undefined ? [] : [command, ...paths], options),
      ),
    );
}

function storageCommands(program: Command): void {
  const storage = program
    .command("storage")
    .description("format log directories and describe them, as kafka-storage does");
  const config = ["-c, --config <server.properties>", "the configuration file to use"] as const;
  storage
    .command("format")
    .description("format the log directories of this node")
    .requiredOption("-t, --cluster-id <id>", "the cluster id to use")
    .requiredOption(...config)
    .option("-g, --ignore-formatted", "skip directories that are already formatted")
    .option("-s, --standalone", "initialize a dynamic quorum with this node as the only voter")
    .option(
      "-I, --initial-controllers <voters>",
      "initial voters of a dynamic quorum: id@host:port:directory, separated by commas",
    )
    .option("-N, --no-initial-controllers", "format without initial voters, to join an existing quorum")
    .option("-r, --release-version <version>", "release that sets the initial feature levels")
    .option("-f, --feature <name=level>", "initial level of a feature; may be repeated", collect, [])
    .option(
      "-S, --add-scram <credential>",
      "credential of a user, for a cluster whose nodes log in with SCRAM: SCRAM-SHA-256=[name=admin,password=secret]; may be repeated",
      collect,
      [],
    )
    .action(options => import("./commands/storage.ts").then(({ format }) => format(options)));
  storage
    .command("info")
    .description("describe the log directories of this node")
    .requiredOption(...config)
    .action(async options => {
      const { info } = await import("./commands/storage.ts");
      process.exitCode = info(options);
    });
  storage
    .command("random-uuid")
    .description("print a random UUID")
    .action(() => import("./commands/storage.ts").then(({ printUuid }) => printUuid()));
}

function containerCommands(program: Command): void {
  const container = program
    .command("container")
    .description("configure and start a node from the environment, as Kafka's image does");
  const placed = (command: Command): Command =>
    command
      .option("--default-configs <folder>", "folder with the default server.properties", "/etc/kafka/docker")
      .option("--mounted-configs <folder>", "folder with a server.properties that goes first", "/mnt/shared/config")
      .option("--config <file>", "file that gets the settings", "/opt/kafka/config/server.properties")
      .option("--secrets <folder>", "folder of key stores and their passwords", "/etc/kafka/secrets")
      .option("--data <folder>", "data of a node whose settings name no log.dirs", "/var/lib/samsa/data");
  placed(container.command("configure [NAME=value...]"))
    .description("write the settings of the variables KAFKA_*")
    .action((words, options) => import("./commands/container.ts").then(({ configure }) => configure(words, options)));
  placed(container.command("start [NAME=value...]"))
    .description("format the data if they are new, and start the node")
    .action((words, options) =>
      import("./commands/container.ts").then(({ startContainer }) => startContainer(words, options)),
    );
}

function securityCommands(program: Command): void {
  const security = program.command("security").description("make clusters with TLS, authentication and an authorizer");
  security
    .command("init [folder]")
    .description(
      "make a secured cluster, in a folder that only its owner may read: an authority, and certificates, settings and formatted data of each node, an administrator, and settings of clients; default: secure",
    )
    .option("--nodes <count>", "number of nodes; the first three are controllers, too", "3")
    .option(
      "--hosts <names>",
      "machine of all nodes, or one for each, separated by commas; default: this machine, as localhost",
    )
    .option("--port <port>", "port of brokers; nodes on one machine count it up", "9092")
    .option("--controller-port <port>", "port of controllers", "19092")
    .option("--days <count>", "time for which the certificates of nodes are valid", "825")
    .option("--json", "print JSON")
    .action((folder = "secure", options) => import("./commands/security.ts").then(({ init }) => init(folder, options)));
}

function doctorCommand(program: Command): void {
  asking(program.command("doctor [server.properties]"))
    .summary("say what a node or a cluster leaves open")
    .description(
      "say what the settings of a node leave open, with its files and certificates; without a file, or with options that name a cluster, what its brokers and topics leave open. The exit code is 1 if something is open.",
    )
    .action(async (file, options) => {
      const { doctor } = await import("./commands/doctor.ts");
      process.exitCode = await doctor(file, options);
    });
}

/** Builds the command line parser with all commands. */
export function program(): Command {
  const samsa = new Command("samsa")
    .description("Apache Kafka, complete, in TypeScript")
    .version(`samsa ${VERSION} (${COMMIT})`)
    .showHelpAfterError("(samsa --help lists the commands)")
    // Commander exits right after the help or the version: write them at once, and fail if that fails.
    .configureOutput({
      writeOut: text => {
        print([text.trimEnd()]);
      },
    });
  samsa
    .command("start [server.properties]")
    .description("start a broker; by default, its data is in ./data and it listens on localhost:9092")
    .option("-o, --override <key=value>", "override a setting of the file; may be repeated", collect, [])
    .addOption(new Option("--log-level <level>", "lowest level to log").choices(LEVEL_NAMES).default("info"))
    .addOption(
      new Option("--log-format <format>", "lines of text, lines of JSON, or auto: text on a terminal")
        .choices(LOG_FORMATS)
        .default("auto"),
    )
    .option("--http-port <port>", "port of /metrics and /health, or off; default: 9404 or the next free port")
    .option("--http-host <host>", "address of that port", "127.0.0.1")
    .option("--otlp-endpoint <url>", "OTLP receiver over HTTP to send metrics to, such as http://localhost:4318")
    .option("--otlp-interval <seconds>", "time between two exports", "60")
    .option("--brokers <count>", "start a cluster of so many brokers on this machine, each a process of its own")
    .option("--controllers <count>", "brokers among them that are controllers, too: 1 or 3; default: 3 of 3 or more")
    .option(
      "--insecure",
      "let other machines in without authentication, on listeners with PLAINTEXT, or SSL without certificates of clients",
    )
    .option("--pid-file <file>", "file that gets the id of the process, until it ends")
    .option("--json", "print the broker's addresses as JSON")
    .action((file, options) => import("./commands/start.ts").then(({ start }) => start(file, options)));
  topicCommands(samsa);
  recordCommands(samsa);
  benchCommands(samsa);
  configCommands(samsa);
  quotaCommands(samsa);
  aclCommands(samsa);
  groupCommands(samsa);
  shareCommands(samsa);
  transactionCommands(samsa);
  clusterCommands(samsa);
  contextCommands(samsa);
  logCommands(samsa);
  metadataCommand(samsa);
  storageCommands(samsa);
  containerCommands(samsa);
  securityCommands(samsa);
  doctorCommand(samsa);
  samsa
    .command("completion <shell>")
    .description("print the script with which bash, zsh or fish completes these commands")
    .action(shell => import("./completion/completion.ts").then(({ completion }) => completion(shell, samsa)));
  samsa.addHelpText("after", `\nScripts of Kafka's, with its options: ${TOOL_NAMES.join(", ")}`);
  return samsa;
}
