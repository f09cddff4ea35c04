import { COMMON_FLAGS, type Flag, option, toggle } from "../../flags/flag.ts";

const READER = "Setting of the reader of lines, as parse.key, key.separator, parse.headers or null.marker.";

/** Options of kafka-console-producer. */
export const CONSOLE_PRODUCER_FLAGS = {
  ...COMMON_FLAGS,
  topic: option("topic", "REQUIRED: topic to write to."),
  "bootstrap-server": option("server to connect to", "REQUIRED: brokers, as host:port."),
  sync: toggle("Wait for each record before the next one is sent."),
  "compression-codec": option("compression-codec", "none, gzip, snappy, lz4 or zstd; gzip without a value.", {
    isOptional: true,
  }),
  "batch-size": option("size", "Bytes of a batch (batch.size).", { type: "int", preset: "16384" }),
  "message-send-max-retries": option("", "Number of retries (retries).", { type: "int", preset: "3" }),
  "retry-backoff-ms": option("", "Time before a retry (retry.backoff.ms).", { type: "long", preset: "100" }),
  timeout: option("timeout_ms", "Time that a record waits for others (linger.ms).", { type: "long", preset: "1000" }),
  "request-required-acks": option("request required acks", "Acknowledgements to wait for (acks).", { preset: "-1" }),
  "request-timeout-ms": option("request timeout ms", "Time of a request (request.timeout.ms).", {
    type: "int",
    preset: "1500",
  }),
  "metadata-expiry-ms": option("metadata expiration interval", "Age of the metadata (metadata.max.age.ms).", {
    type: "long",
    preset: "300000",
  }),
  "max-block-ms": option("max block on send", "Time that a send waits (max.block.ms).", {
    type: "long",
    preset: "60000",
  }),
  "max-memory-bytes": option("total memory in bytes", "Memory of records (buffer.memory).", {
    type: "long",
    preset: "33554432",
  }),
  "max-partition-memory-bytes": option("memory in bytes per partition", "(DEPRECATED) The same as --batch-size.", {
    type: "int",
    preset: "16384",
  }),
  "line-reader": option("reader_class", "Reader of lines; only Kafka's own is available.", {
    preset: "org.apache.kafka.tools.LineMessageReader",
  }),
  "socket-buffer-size": option("size", "Without effect: Node decides.", { type: "int", preset: "102400" }),
  property: option("prop", `(DEPRECATED) ${READER}`),
  "reader-property": option("prop", READER),
  "reader-config": option("config file", "File with settings of the reader."),
  "producer-property": option("producer_prop", "(DEPRECATED) The same as --command-property."),
  "command-property": option("producer_prop", "Setting of the producer; may be repeated."),
  "producer.config": option("config file", "(DEPRECATED) The same as --command-config."),
  "command-config": option("config file", "File with settings of the producer."),
} as const satisfies Readonly<Record<string, Flag>>;

/** Name of an option of kafka-console-producer. */
export type ConsoleProducerFlag = keyof typeof CONSOLE_PRODUCER_FLAGS;
