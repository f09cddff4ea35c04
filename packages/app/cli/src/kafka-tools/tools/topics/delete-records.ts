import { KafkaError, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import { ToolError } from "../../java/exits.ts";
import { COMMON_FLAGS, type Flag, option } from "../../flags/flag.ts";
import { javaText } from "../../java/errors.ts";
import { hashOfPartition, hashOrder } from "../../java/hash-order.ts";
import { arrayOf, objectOf, parseJson, readText, textIn, wholeIn, wholeOf } from "../../java/json.ts";
import { partitionText } from "../../java/text.ts";
import { loadProperties, withAdmin } from "../../runner/client.ts";
import { joptTool, printJavaMessage } from "../../runner/jopt-tool.ts";

const FLAGS = {
  ...COMMON_FLAGS,
  "bootstrap-server": option("server(s) to use for bootstrapping", "REQUIRED: brokers, as host:port."),
  "offset-json-file": option(
    "Offset json file path",
    'REQUIRED: file with offsets: {"partitions": [{"topic": "foo", "partition": 1, "offset": 1}], "version": 1}',
  ),
  "command-config": option("command config property file path", "File with settings of the client."),
} as const satisfies Readonly<Record<string, Flag>>;

type Entry = TopicPartition & { readonly offset: number };

const OPERATION = "org.apache.kafka.server.common.AdminOperationException";

function entriesOf(text: string): Entry[] {
  const parsed = parseJson(text);
  if (parsed === undefined) throw new ToolError("The input string is not a valid JSON", OPERATION);
  const plan = objectOf(parsed);
  const version = plan.version === undefined ? 1 : wholeOf(plan.version);
  if (version !== 1) throw new ToolError(`Not supported version field value ${version}`, OPERATION);
  if (plan.partitions === undefined) throw new ToolError("Missing partitions field", OPERATION);
  return arrayOf(plan.partitions).map(item => {
    const entry = objectOf(item);
    const [topic, partition] = [textIn(entry, "topic"), wholeIn(entry, "partition")];
    return { topic, partition, offset: wholeIn(entry, "offset", "Long") };
  });
}

/** kafka-delete-records (`DeleteRecordsCommand`). */
export const kafkaDeleteRecords = joptTool<keyof typeof FLAGS>({
  about: "Deletes the records of partitions before offsets.",
  flags: FLAGS,
  mistakes: "failed",
  run: async chosen => {
    chosen.require("bootstrap-server", "offset-json-file");
    const properties = loadProperties(chosen.text("command-config"));
    return withAdmin(chosen.text("bootstrap-server"), properties, async admin => {
      const entries = entriesOf(readText(chosen.text("offset-json-file") ?? ""));
      const places = new Map(entries.map(entry => [partitionKey(entry.topic, entry.partition), entry]));
      const sorted = hashOrder(places.values(), hashOfPartition);
      const twice = sorted.filter(({ topic, partition }) => {
        return entries.filter(one => one.topic === topic && one.partition === partition).length > 1;
      });
      if (twice.length > 0) {
        throw new ToolError(
          `Offset json file contains duplicate topic partitions: ${twice.map(partitionText).join(",")}`,
        );
      }
      console.log("Executing records delete operation");
      const done = await admin.topics.deleteRecords(entries);
      console.log("Records delete operation completed:");
      for (const entry of sorted) {
        const outcome = done.get(partitionKey(entry.topic, entry.partition));
        const result = outcome instanceof KafkaError ? `error: ${javaText(outcome)}` : `low_watermark: ${outcome}`;
        console.log(`partition: ${partitionText(entry)}\t${result}`);
      }
      return 0;
    });
  },
  failed: printJavaMessage,
});
