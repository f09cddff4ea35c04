import type { ListedGroup } from "@samsa/client-runtime";
import { ToolError, UsageError } from "../../java/exits.ts";
import { COMMON_FLAGS, type Flag, option, toggle } from "../../flags/flag.ts";
import type { Chosen } from "../../flags/jopt.ts";
import { javaMessage } from "../../java/errors.ts";
import { hashOfText, hashOrder } from "../../java/hash-order.ts";
import { columns } from "../../java/text.ts";
import { loadProperties, withAdmin } from "../../runner/client.ts";
import { joptTool, printJavaMessage } from "../../runner/jopt-tool.ts";

const FLAGS = {
  ...COMMON_FLAGS,
  "bootstrap-server": option("server to connect to", "REQUIRED: brokers, as host:port.", { isRequired: true }),
  "command-config": option("command config property file", "File with settings of the client."),
  list: toggle("List the groups."),
  "group-type": option("type", "Only groups of this type: classic, consumer, share or streams."),
  protocol: option("protocol", "Only groups of this protocol."),
  consumer: toggle("Only groups of consumers, of every protocol."),
  share: toggle("Only share groups."),
  streams: toggle("Only groups of Kafka Streams."),
} as const satisfies Readonly<Record<string, Flag>>;

type Name = keyof typeof FLAGS;
const TYPES = ["Classic", "Consumer", "Share", "Streams"] as const;

function typeOf(chosen: Chosen<Name>): string | undefined {
  const text = chosen.text("group-type")?.toLowerCase();
  return TYPES.find(type => type.toLowerCase() === text);
}

function check(chosen: Chosen<Name>): void {
  if (!chosen.has("list")) throw new UsageError("Command must include exactly one action: --list.");
  if (chosen.has("group-type") && typeOf(chosen) === undefined) {
    throw new ToolError("--group-type must be a valid group type.");
  }
  chosen.exclude("consumer", ["group-type", "protocol", "share", "streams"]);
  chosen.exclude("share", ["consumer", "group-type", "protocol", "streams"]);
  chosen.exclude("streams", ["consumer", "group-type", "protocol", "share"]);
}

function filterOf(chosen: Chosen<Name>): (group: ListedGroup) => boolean {
  const [type, protocol] = [typeOf(chosen), chosen.text("protocol")];
  if (type !== undefined || protocol !== undefined) {
    return group =>
      (type === undefined || group.type === type) && (protocol === undefined || group.protocolType === protocol);
  }
  if (chosen.has("consumer")) {
    return group => group.protocolType === "consumer" || group.protocolType === "" || group.type === "Consumer";
  }
  if (chosen.has("share")) return group => group.type === "Share";
  return chosen.has("streams") ? group => group.type === "Streams" : () => true;
}

/** kafka-groups (`GroupsCommand`). */
export const kafkaGroups = joptTool<Name>({
  about: "Lists groups of all types.",
  flags: FLAGS,
  mistakes: "usage",
  run: async chosen => {
    check(chosen);
    const properties = loadProperties(chosen.text("command-config"));
    return withAdmin(chosen.text("bootstrap-server"), properties, async admin => {
      try {
        const all = (await admin.groups.list()).filter(filterOf(chosen));
        const rows = hashOrder(all, ({ groupId }) => hashOfText(groupId)).map(group => [
          group.groupId,
          ...[group.type, group.protocolType],
        ]);
        const width = Math.max(20, ...rows.flat().map(cell => cell.length));
        console.log(columns([width, width, width], ["GROUP", "TYPE", "PROTOCOL"]));
        for (const row of rows) console.log(`${columns([width, width, width], row)} `);
        return 0;
      } catch (error) {
        console.log(`Error while executing groups command : ${javaMessage(error)}`);
        return 1;
      }
    });
  },
  failed: printJavaMessage,
});
