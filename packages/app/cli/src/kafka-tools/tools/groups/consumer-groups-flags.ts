import { COMMON_FLAGS, type Flag, option, toggle } from "../../flags/flag.ts";

const DESCRIBES = { onlyWith: ["describe"] } as const;

/** Options of kafka-consumer-groups. */
export const CONSUMER_GROUPS_FLAGS = {
  ...COMMON_FLAGS,
  "bootstrap-server": option("server to connect to", "Brokers, as host:port. REQUIRED but for --validate-regex."),
  group: option("group id", "Id of a group; may be repeated."),
  topic: option("topic", "Topic whose offsets are reset or deleted, or some of its partitions: topic:0,1,2."),
  "all-topics": toggle("Reset the offsets of all topics."),
  list: toggle("List the groups."),
  describe: toggle("Describe groups: offsets and lag, members or state."),
  "all-groups": toggle("All groups."),
  delete: toggle("Delete groups with their offsets."),
  timeout: option("timeout (ms)", "Longest time of a call.", { type: "long", preset: "30000" }),
  "command-config": option("command config property file", "File with settings of the client."),
  "reset-offsets": toggle("Set the offsets of groups without members."),
  "delete-offsets": toggle("Delete offsets of topics of a group."),
  "dry-run": toggle("Only show what --reset-offsets would do."),
  execute: toggle("Carry out --reset-offsets."),
  export: toggle("Print the new offsets as CSV."),
  "to-offset": option("offset", "Reset to an offset.", { type: "long" }),
  "from-file": option("path to CSV file", "Reset to the offsets in a file."),
  "to-datetime": option("datetime", "Reset to a time: YYYY-MM-DDThh:mm:ss.sss."),
  "by-duration": option("duration", "Reset to a time that long ago: PnDTnHnMnS."),
  "to-earliest": toggle("Reset to the first offsets."),
  "to-latest": toggle("Reset to the ends of the logs."),
  "to-current": toggle("Reset to the present offsets."),
  "shift-by": option("number-of-offsets", "Move the offsets forward, or backward if negative.", { type: "long" }),
  members: toggle("Describe the members.", DESCRIBES),
  verbose: toggle("Describe more.", DESCRIBES),
  offsets: toggle("Describe offsets and lag, as without this option.", DESCRIBES),
  state: option("", "Describe the state; with --list, show states, or only groups in some states.", {
    isOptional: true,
    onlyWith: ["describe", "list"],
  }),
  type: option("", "With --list, show types, or only groups of some types.", { isOptional: true, onlyWith: ["list"] }),
  "validate-regex": option("regex", "Check the syntax of a pattern of topics, which is RE2's."),
} as const satisfies Readonly<Record<string, Flag>>;

/** Name of an option of kafka-consumer-groups. */
export type ConsumerGroupsFlag = keyof typeof CONSUMER_GROUPS_FLAGS;
