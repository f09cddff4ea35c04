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
    .action(options => import("./commands/group.ts").then(({ list }) => list(options)));
  asking(group.command("describe [group...]"))
    .description("show committed offsets and lag of groups; without names, of all groups")
    .option("--members", "show the members instead")
    .action((names, options) => import("./commands/group.ts").then(({ describe }) => describe(names, options)));
  asking(group.command("watch <group>"))
    .description("show the lag of a group again and again, until Ctrl-C")
    .option("--interval <seconds>", "time between two lines", "2")
    .option("--count <number>", "end after so many lines")
    .action((name, options) => import("./commands/group.ts").then(({ watch }) => watch(name, options)));
  asking(group.command("reset <group>"))
    .description("set the committed offsets of a group without members")
    .option("--topic <name[:partitions]>", "a topic, or some of its partitions; may be repeated", collect, [])
    .option("--all-topics", "all partitions that the group has committed offsets of")
    .option("--to <place>", "earliest, latest, an offset, a time (2026-01-31T12:00:00Z) or an age (90m)")
    .option("--by <records>", "so many records forward, or backward if negative")
    .option("--dry-run", "show what would be changed")
    .action((name, options) => import("./commands/group.ts").then(({ reset }) => reset(name, options)));
  asking(group.command("delete <group...>"))
    .description("delete groups without members, with their offsets")
    .action((names, options) => import("./commands/group.ts").then(({ remove }) => remove(names, options)));
}
