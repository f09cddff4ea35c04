import { COMMON_FLAGS, type Flag, option, toggle } from "../../flags/flag.ts";
import { DEFAULT_FORMATTER } from "./message-formatter.ts";

const FORMATTER = "Setting of the formatter, as print.key, print.timestamp, key.separator or null.literal.";

/** Options of kafka-console-consumer. */
export const CONSOLE_CONSUMER_FLAGS = {
  ...COMMON_FLAGS,
  topic: option("topic", "Topic to read."),
  include: option("Java regex (String)", "Pattern of names of topics to read."),
  partition: option("partition", "Partition to read, from its end unless --offset is given.", { type: "int" }),
  offset: option("consume offset", "Offset to begin at, or earliest or latest.", { preset: "latest" }),
  "consumer-property": option("consumer_prop", "(DEPRECATED) The same as --command-property."),
  "command-property": option("consumer_prop", "Setting of the consumer; may be repeated."),
  "consumer.config": option("config file", "(DEPRECATED) The same as --command-config."),
  "command-config": option("config file", "File with settings of the consumer."),
  formatter: option("class", "Class of Kafka's that prints records.", { preset: DEFAULT_FORMATTER }),
  property: option("prop", `(DEPRECATED) ${FORMATTER}`),
  "formatter-property": option("prop", FORMATTER),
  "formatter-config": option("config file", "File with settings of the formatter."),
  "from-beginning": toggle("Begin with the first records if the group has no offsets."),
  "max-messages": option("num_messages", "End after so many records.", { type: "int" }),
  "timeout-ms": option("timeout_ms", "End when no record comes for so long.", { type: "long" }),
  "skip-message-on-error": toggle("Go on after a record that cannot be printed."),
  "bootstrap-server": option("server to connect to", "REQUIRED: brokers, as host:port."),
  "key-deserializer": option("deserializer for keys", "Class that reads keys."),
  "value-deserializer": option("deserializer for values", "Class that reads values."),
  "enable-systest-events": toggle("Print shutdown_complete at the end."),
  "isolation-level": option("", "read_committed or read_uncommitted.", { preset: "read_uncommitted" }),
  group: option("consumer group id", "Group of the consumer."),
} as const satisfies Readonly<Record<string, Flag>>;

/** Name of an option of kafka-console-consumer. */
export type ConsoleConsumerFlag = keyof typeof CONSOLE_CONSUMER_FLAGS;
