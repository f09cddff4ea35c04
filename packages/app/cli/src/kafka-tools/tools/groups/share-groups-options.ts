import { UsageError } from "../../java/exits.ts";
import { COMMON_FLAGS, type Flag, option, toggle } from "../../flags/flag.ts";
import { type Chosen, shown } from "../../flags/jopt.ts";

const DESCRIBES = { onlyWith: ["describe"] } as const;

/** Options of kafka-share-groups. */
export const SHARE_GROUPS_FLAGS = {
  ...COMMON_FLAGS,
  "bootstrap-server": option("server to connect to", "REQUIRED: brokers, as host:port."),
  group: option("group id", "Id of a share group; may be repeated."),
  topic: option("topic", "Topic whose offsets are reset or deleted, or some of its partitions: topic:0,1,2."),
  "all-topics": toggle("Reset the offsets of all topics."),
  list: toggle("List the share groups."),
  describe: toggle("Describe share groups: offsets and lag, members or state."),
  "all-groups": toggle("All share groups."),
  delete: toggle("Delete share groups."),
  timeout: option("timeout (ms)", "Longest time of a call.", { type: "long", preset: "30000" }),
  "command-config": option("command config property file", "File with settings of the client."),
  "reset-offsets": toggle("Set the start offsets of a share group without members."),
  "delete-offsets": toggle("Delete offsets of topics of a share group."),
  "dry-run": toggle("Only show what --reset-offsets would do."),
  execute: toggle("Carry out --reset-offsets."),
  export: toggle("Print the new offsets as CSV."),
  "to-offset": option("offset", "Reset to an offset.", { type: "long" }),
  "from-file": option("path to CSV file", "Reset to the offsets in a file."),
  "to-datetime": option("datetime", "Reset to a time: YYYY-MM-DDThh:mm:ss.sss."),
  "to-earliest": toggle("Reset to the first offsets."),
  "to-latest": toggle("Reset to the ends of the logs."),
  "to-current": toggle("Reset to the present offsets."),
  members: toggle("Describe the members.", DESCRIBES),
  offsets: toggle("Describe offsets and lag, as without this option.", DESCRIBES),
  state: option("", "Describe the state; with --list, show states, or only groups in some states.", {
    isOptional: true,
    onlyWith: ["describe", "list"],
  }),
  verbose: toggle("Describe more.", DESCRIBES),
} as const satisfies Readonly<Record<string, Flag>>;

/** Name of an option of kafka-share-groups. */
export type ShareGroupsFlag = keyof typeof SHARE_GROUPS_FLAGS;
type Options = Chosen<ShareGroupsFlag>;

const ACTIONS = ["list", "describe", "delete", "reset-offsets", "delete-offsets"] as const;
const SCOPES = ["all-topics", "from-file", "topic"] as const;
const SCENARIOS = ["from-file", "to-current", "to-datetime", "to-earliest", "to-latest", "to-offset"] as const;

const listed = (names: readonly string[]): string => names.map(shown).join(", ");

function checkDescribe(chosen: Options): void {
  if (!chosen.has("group", "all-groups")) {
    throw new UsageError(`Option [describe] takes one of these options: [all-groups], [group]`);
  }
  const views = ["members", "offsets", "state"] as const;
  if (views.filter(name => chosen.has(name)).length > 1) {
    throw new UsageError(`Option [describe] takes at most one of these options: ${listed(views)}`);
  }
  if (chosen.has("state") && chosen.text("state") !== undefined) {
    throw new UsageError("Option [describe] does not take a value for [state]");
  }
}

function checkDelete(chosen: Options): void {
  if (!chosen.has("group", "all-groups")) {
    throw new UsageError("Option [delete] takes the options [group] or [all-groups].");
  }
  if (chosen.has("group") && chosen.has("all-groups")) {
    throw new UsageError("Option [delete] takes either [group] or [all-groups], not both.");
  }
  if (chosen.has("topic", "all-topics")) {
    throw new UsageError("Option [delete] does not take the options [topic] or [all-topics].");
  }
}

function checkReset(chosen: Options): void {
  if (chosen.has("dry-run") && chosen.has("execute")) {
    throw new UsageError("Option [reset-offsets] only accepts one of [execute] and [dry-run]");
  }
  if (!chosen.has("dry-run", "execute")) {
    throw new UsageError("Option [reset-offsets] takes the option: [execute] or [dry-run]");
  }
  if (!chosen.has("group")) throw new UsageError("Option [reset-offsets] takes the option: [group]");
  if (!chosen.has(...SCOPES)) {
    throw new UsageError(`Option [reset-offsets] takes one of these options: ${listed(SCOPES)}`);
  }
  for (const scope of SCOPES) chosen.exclude(scope, SCOPES);
  if (!chosen.has(...SCENARIOS)) {
    throw new UsageError(`Option [reset-offsets] takes one of these options: ${listed(SCENARIOS)}`);
  }
  for (const scenario of SCENARIOS) chosen.exclude(scenario, SCENARIOS);
}

/** Checks the options. Throws `UsageError`. */
export function checkShareGroups(chosen: Options): void {
  chosen.require("bootstrap-server");
  if (chosen.has("describe")) checkDescribe(chosen);
  if (chosen.has("delete")) checkDelete(chosen);
  if (chosen.has("delete-offsets") && !(chosen.has("group") && chosen.has("topic"))) {
    throw new UsageError("Option [delete-offsets] takes the following options: [group], [topic]");
  }
  if (chosen.has("reset-offsets")) checkReset(chosen);
  chosen.exclude("group", ["all-groups", "list"]);
  chosen.exclude("topic", ["list", "describe", "delete"]);
  if (ACTIONS.filter(action => chosen.has(action)).length !== 1) {
    const list = ACTIONS.map(action => `--${action}`).join(", ");
    throw new UsageError(`Command must include exactly one action: ${list}.`);
  }
}
