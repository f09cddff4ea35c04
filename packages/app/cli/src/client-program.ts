import { type Command, Option } from "commander";
import { asking, collect } from "./cluster-program.ts";

/** Commands about groups of consumers. */
export function groupCommands(program: Command): void {
  const group = program.command("group").description("list, describe, watch, reset and delete groups of consumers");
  asking(group.command("list"))
    .description("list the groups of all brokers")
    .option("--state <state>", "only groups in this state; may be repeated", collect, [])
    .option(
      "--type <type>",
      "only groups of this type: classic, consumer, share, streams; may be repeated",
      collect,
      [],
    )
    .action(options => import("./commands/clients/group.ts").then(({ list }) => list(options)));
  asking(group.command("describe [group...]"))
    .description("show committed offsets and lag of groups; without names, of all groups")
    .option("--members", "show the members instead")
    .action((names, options) => import("./commands/clients/group.ts").then(({ describe }) => describe(names, options)));
  asking(group.command("watch <group>"))
    .description("show the lag of a group again and again, until Ctrl-C")
    .option("--interval <seconds>", "time between two lines", "2")
    .option("--count <number>", "end after so many lines")
    .action((name, options) => import("./commands/clients/group.ts").then(({ watch }) => watch(name, options)));
  asking(group.command("reset <group>"))
    .description("set the committed offsets of a group without members")
    .option("--topic <name[:partitions]>", "a topic, or some of its partitions; may be repeated", collect, [])
    .option("--all-topics", "all partitions that the group has committed offsets of")
    .option("--to <place>", "earliest, latest, an offset, a time (2026-01-31T12:00:00Z) or an age (90m)")
    .option("--by <records>", "so many records forward, or backward if negative")
    .option("--dry-run", "show what would be changed")
    .action((name, options) => import("./commands/clients/group.ts").then(({ reset }) => reset(name, options)));
  asking(group.command("delete <group...>"))
    .description("delete groups without members, with their offsets")
    .action((names, options) => import("./commands/clients/group.ts").then(({ remove }) => remove(names, options)));
}

/** Commands that write and read records. */
export function recordCommands(program: Command): void {
  asking(program.command("produce <topic> [value...]"))
    .description("write values to a topic: those that are given, or each line of files or of standard input")
    .option("-k, --key <text>", "key of all records")
    .option("--key-separator <text>", "text between the key and the value of a line")
    .option("-H, --header <key=value>", "header of all records; may be repeated", collect, [])
    .option("-p, --partition <index>", "partition of all records; by default, the key or the producer decides")
    .option("--file <path>", "file whose lines are written; may be repeated", collect, [])
    .option("--json-lines", "lines are JSON, as consume --json prints it: key, value, headers, timestamp")
    .option("--compression <codec>", "none (the default), gzip, snappy, lz4 or zstd")
    .option("--acks <count>", "acknowledgements to wait for: all (the default), 1 or 0")
    .action((topic, values, options) =>
      import("./commands/clients/produce.ts").then(({ produce }) => produce(topic, values, options)),
    );
  asking(program.command("consume <topic...>"))
    .description("print the records of topics, and end where they end; with --follow, go on")
    .option("--from <place>", "earliest, latest, an offset, a time (2026-01-31T12:00:00Z) or an age (90m)", "earliest")
    .option("-f, --follow", "wait for more records; --from latest does so, too")
    .option("-p, --partition <index>", "only this partition; may be repeated", collect, [])
    .option("-n, --max <records>", "end after so many records")
    .option("--filter <expression>", "JavaScript over key, value, headers, offset, timestamp, …: value.total > 100")
    .option("--committed", "skip records of transactions that are open or were aborted")
    .option("-k, --keys", "print the key and a tab before each value")
    .option("--headers", "print the headers and a tab before that")
    .option("--format <text>", "form of a record: %t topic, %p partition, %o offset, %T time, %k key, %v value, %h, %s")
    .action((topics, options) =>
      import("./commands/clients/consume.ts").then(({ consume }) => consume(topics, options)),
    );
}

/** Commands that measure a cluster. */
export function benchCommands(program: Command): void {
  const bench = program.command("bench").description("measure how fast records are written and read");
  const bounded = (command: Command): Command =>
    asking(command)
      .option("-n, --records <count>", "end after so many records")
      .option("--seconds <count>", "end after so many seconds", "10");
  bounded(bench.command("produce <topic>"))
    .description("write records as fast as possible, and measure the time to their acknowledgement")
    .option("--size <bytes>", "size of a value", "100")
    .option("--rate <records>", "records per second; default: as many as possible")
    .option("-p, --partition <index>", "partition of all records; by default, the producer decides")
    .option("--compression <codec>", "none (the default), gzip, snappy, lz4 or zstd")
    .option("--acks <count>", "acknowledgements to wait for: all (the default), 1 or 0")
    .option("--linger <ms>", "time that a record waits for others")
    .action((topic, options) => import("./commands/clients/bench.ts").then(it => it.benchProduce(topic, options)));
  bounded(bench.command("consume <topic...>"))
    .description("read topics as fast as possible, to where they end as it begins")
    .option("-f, --follow", "read new records instead, and measure how old they are when they come")
    .action((topics, options) => import("./commands/clients/bench.ts").then(it => it.benchConsume(topics, options)));
}

/** States of a transaction, as brokers name them. */
const TRANSACTION_STATES = [
  ...["Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort"],
  ...["PrepareEpochFence", "Dead"],
];

/** Commands about transactions and producers. */
export function transactionCommands(program: Command): void {
  const txn = program.command("txn").description("show transactions and producers, find and abort those that hang");
  const commands = () => import("./commands/clients/txn.ts");
  asking(txn.command("list"))
    .description("list the transactions of all coordinators")
    .addOption(new Option("--state <state...>", "only transactions in one of these states").choices(TRANSACTION_STATES))
    .option("--open-for <duration>", "only transactions that are open for longer, such as 90m")
    .option("--pattern <regex>", "only transactional ids that match, in the syntax of RE2")
    .action(options => commands().then(({ list }) => list(options)));
  asking(txn.command("describe <id...>"))
    .description("show the state, the producer and the partitions of transactions")
    .action((ids, options) => commands().then(({ describe }) => describe(ids, options)));
  asking(txn.command("producers <topic[:partitions]...>"))
    .description("show the producers that the leaders of partitions know, and their open transactions")
    .action((partitions, options) => commands().then(({ producers }) => producers(partitions, options)));
  asking(txn.command("find-hanging"))
    .description("show transactions that partitions hold open, and that no coordinator knows")
    .option("-t, --topic <name[:partitions]>", "a topic; may be repeated; default: all topics", collect, [])
    .option("--longer-than <duration>", "only those whose last record is older", "15m")
    .action(options => commands().then(({ findHanging }) => findHanging(options)));
  asking(txn.command("abort <topic:partition>"))
    .description("abort a hanging transaction of a partition; one that its coordinator knows is for terminate")
    .option("--start-offset <offset>", "first offset of the transaction")
    .option("--producer-id <id>", "instead of the offset: id of the producer")
    .option("--producer-epoch <epoch>", "epoch of the producer")
    .option("--coordinator-epoch <epoch>", "epoch of the coordinator")
    .action((place, options) => commands().then(({ abort }) => abort(place, options)));
  asking(txn.command("terminate <id...>"))
    .description("abort open transactions through their coordinators, and fence their producers")
    .action((ids, options) => commands().then(({ terminate }) => terminate(ids, options)));
}

/** Commands about share groups. */
export function shareCommands(program: Command): void {
  const share = program.command("share").description("list, describe, reset and delete share groups");
  const commands = () => import("./commands/clients/share.ts");
  asking(share.command("list"))
    .description("list the share groups of all brokers")
    .option("--state <state>", "only groups in this state; may be repeated", collect, [])
    .action(options => commands().then(({ list }) => list(options)));
  asking(share.command("describe [group...]"))
    .description("show start offsets and lag of share groups; without names, of all share groups")
    .option("--members", "show the members instead")
    .action((names, options) => commands().then(({ describe }) => describe(names, options)));
  asking(share.command("reset <group>"))
    .description("set the start offsets of a share group without members")
    .option("--topic <name[:partitions]>", "a topic, or some of its partitions; may be repeated", collect, [])
    .option("--all-topics", "all partitions that the group has offsets of")
    .requiredOption("--to <place>", "earliest, latest, an offset, a time (2026-01-31T12:00:00Z) or an age (90m)")
    .option("--dry-run", "show what would be changed")
    .action((name, options) => commands().then(({ reset }) => reset(name, options)));
  asking(share.command("delete <group...>"))
    .description("delete share groups without members, or their offsets of topics")
    .option("--topic <name>", "delete only the offsets of this topic; may be repeated", collect, [])
    .action((names, options) => commands().then(({ remove }) => remove(names, options)));
}
