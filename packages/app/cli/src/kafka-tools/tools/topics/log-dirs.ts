import type { BrokerId } from "@samsa/base";
import type { DescribedLogDir } from "@samsa/client-runtime";
import { toJson } from "../../../terminal/json.ts";
import { ToolError } from "../../java/exits.ts";
import { COMMON_FLAGS, type Flag, option, toggle } from "../../flags/flag.ts";
import { javaClass } from "../../java/errors.ts";
import { capacityFor, hashOfPartition, hashOfText, hashOrder } from "../../java/hash-order.ts";
import { hashObject } from "../../java/json.ts";
import { parseInteger, partitionText } from "../../java/text.ts";
import { loadProperties, withAdmin } from "../../runner/client.ts";
import { joptTool, printJavaMessage } from "../../runner/jopt-tool.ts";

const FLAGS = {
  ...COMMON_FLAGS,
  "bootstrap-server": option("The server(s) to use for bootstrapping", "REQUIRED: brokers, as host:port."),
  "command-config": option("Admin client property file", "File with settings of the client."),
  describe: toggle("REQUIRED: describe log directories."),
  "topic-list": option("Topic list", "Topics, separated by commas; all by default.", { preset: "" }),
  "broker-list": option("Broker list", "Brokers, separated by commas; all by default.", { preset: "" }),
} as const satisfies Readonly<Record<string, Flag>>;

const partsOf = (text: string): string[] => text.split(",").filter(part => part !== "");
const inOrder = (ids: Iterable<BrokerId>): BrokerId[] => hashOrder(ids, id => id);

function dirJson({ path, error, replicas }: DescribedLogDir, topics: ReadonlySet<string>): object {
  const shown = replicas.filter(({ topic }) => topics.size === 0 || topics.has(topic));
  return hashObject({
    logDir: path,
    error: error === undefined ? null : `org.apache.kafka.common.errors.${javaClass(error)}`,
    partitions: hashOrder(shown, hashOfPartition).map(replica =>
      hashObject({
        partition: partitionText(replica),
        size: replica.sizeBytes,
        offsetLag: replica.offsetLag,
        isFuture: replica.isFuture,
      }),
    ),
  });
}

/** kafka-log-dirs (`LogDirsCommand`). */
export const kafkaLogDirs = joptTool<keyof typeof FLAGS>({
  about: "Shows what is in the log directories of brokers.",
  flags: FLAGS,
  mistakes: "failed",
  run: async chosen => {
    chosen.require("bootstrap-server", "describe");
    const properties = loadProperties(chosen.text("command-config"));
    if (!properties.has("client.id")) properties.set("client.id", "log-dirs-tool");
    return withAdmin(chosen.text("bootstrap-server"), properties, async admin => {
      const topics = new Set(partsOf(chosen.text("topic-list") ?? ""));
      const present = (await admin.cluster.describe()).nodes.map(({ id }) => id);
      const wanted = partsOf(chosen.text("broker-list") ?? "").map(part => {
        const id = parseInteger(part);
        if (id === undefined) throw new ToolError(`For input string: "${part}"`, "java.lang.NumberFormatException");
        return id;
      });
      const missing = [...new Set(wanted.filter(id => !present.includes(id)))];
      if (missing.length > 0) {
        throw new ToolError(
          `ERROR: The given brokers do not exist from --broker-list: ${inOrder(missing).join(",")}. Current existent brokers: ${inOrder(present).join(",")}`,
        );
      }
      const brokers = inOrder(new Set(wanted.length === 0 ? present : wanted));
      console.log("Querying brokers for log directories information");
      const dirs = (await admin.replicas.describeLogDirs(brokers)).orThrow();
      console.log(`Received log directory information from brokers ${brokers.join(",")}`);
      const list = brokers.map(broker => {
        const all = dirs.get(broker) ?? [];
        const sorted = hashOrder(all, ({ path }) => hashOfText(path), capacityFor(all.length));
        return hashObject({ broker, logDirs: sorted.map(dir => dirJson(dir, topics)) });
      });
      console.log(toJson(hashObject({ version: 1, brokers: list })));
      return 0;
    });
  },
  failed: printJavaMessage,
});
