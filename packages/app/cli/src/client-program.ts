import type { Command } from "commander";
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
