import { asks, plain, type Script, TOOLS } from "./script-case.ts";

const producer: Script = {
  name: "kafka-console-producer",
  main: `${TOOLS}.ConsoleProducer`,
  cases: [
    asks("values", "--topic lines", { input: "one\ntwo\r\n\nthree" }),
    asks("keys", "--topic lines --reader-property parse.key=true --reader-property key.separator=:", {
      input: "k:v\n",
    }),
    asks("headers", "--topic lines --reader-property parse.headers=true --reader-property parse.key=true", {
      input: "h:1,i:2\tk\tv\n",
    }),
    asks("a line without a key", "--topic lines --reader-property parse.key=true", { input: "nothing\n" }),
    asks("a header without a value", "--topic lines --reader-property parse.headers=true", { input: "h\tv\n" }),
    asks(
      "mistakes that are ignored",
      "--topic lines --reader-property parse.key=true --reader-property ignore.error=true",
      {
        input: "nothing\n",
      },
    ),
    asks("null", "--topic lines --reader-property null.marker=NIL --sync", { input: "NIL\n" }),
    asks("every codec", "--topic lines --compression-codec zstd --request-required-acks 1", { input: "z\n" }),
    asks("gzip", "--topic lines --compression-codec", { input: "g\n" }),
    asks("an old option", "--topic lines --property parse.key=true --producer-property linger.ms=1", {
      input: "k\tv\n",
    }),
    asks("an old option and its new name", "--topic lines --property a=b --reader-property a=b"),
    asks("separators that are the same", "--topic lines --reader-property headers.separator=:"),
    asks("an unknown reader", "--topic lines --line-reader Nope"),
    asks("an unknown codec", "--topic lines --compression-codec nope"),
    asks("a number that is none", "--topic lines --batch-size x"),
    asks("no topic", ""),
    asks("an unknown option", "--topic lines --nope"),
    plain("no arguments", "", { isVague: true }),
    plain("no server", "--topic lines"),
    plain("a server that is none", "--topic lines --bootstrap-server nonsense"),
  ],
};

const ALL = "--topic records --from-beginning --max-messages 9";
const print = (...parts: readonly string[]): string =>
  parts.map(part => `--formatter-property print.${part}=true`).join(" ");

const consumer: Script = {
  name: "kafka-console-consumer",
  main: `${TOOLS}.consumer.ConsoleConsumer`,
  cases: [
    asks("values", ALL, { isUnordered: true }),
    asks("a partition", "--topic records --partition 1 --offset earliest --max-messages 3"),
    asks("a partition from an offset", "--topic records --partition 1 --offset 1 --max-messages 1"),
    asks("a partition from its beginning", "--topic records --partition 1 --from-beginning --max-messages 3"),
    asks("everything", `${ALL} ${print("timestamp", "partition", "offset", "headers", "key", "delivery", "epoch")}`, {
      isUnordered: true,
    }),
    asks("keys without values", `${ALL} ${print("key")} --formatter-property print.value=false`, { isUnordered: true }),
    asks(
      "separators",
      `--topic records --partition 2 --offset earliest --max-messages 3 ${print("key", "headers")} --formatter-property key.separator=| --formatter-property headers.separator=; --formatter-property null.literal=NIL`,
    ),
    asks("what the producers have written", "--topic lines --from-beginning --max-messages 22", { isUnordered: true }),
    asks("a pattern", "--include rec.* --from-beginning --max-messages 9", { isUnordered: true }),
    asks("a formatter that prints nothing", `${ALL} --formatter org.apache.kafka.tools.consumer.NoOpMessageFormatter`),
    asks("a deserializer", `${ALL} --value-deserializer org.apache.kafka.common.serialization.StringDeserializer`, {
      isUnordered: true,
    }),
    asks(
      "a deserializer that does not fit",
      `${ALL} --value-deserializer org.apache.kafka.common.serialization.LongDeserializer`,
    ),
    asks(
      "a deserializer that does not fit, skipped",
      `${ALL} --skip-message-on-error --value-deserializer org.apache.kafka.common.serialization.LongDeserializer`,
    ),
    asks("no more records", "--topic records --from-beginning --timeout-ms 3000", { isUnordered: true }),
    asks("a group", "--topic records --group cg-{who} --from-beginning --max-messages 9", { isUnordered: true }),
    asks("the group again", "--topic records --group cg-{who} --from-beginning --timeout-ms 5000"),
    asks("an old option", `${ALL} --property print.key=true`, { isUnordered: true }),
    asks("an unknown formatter", `${ALL} --formatter Nope`),
    asks("no topic", ""),
    asks("two ways to name topics", "--topic records --include records"),
    asks("an offset without a partition", "--topic records --offset 3"),
    asks("a partition without a topic", "--include records --partition 1"),
    asks("a partition of a group", "--topic records --partition 1 --group g"),
    asks("a negative offset", "--topic records --partition 1 --offset -3"),
    asks("an offset that is none", "--topic records --partition 1 --offset x"),
    asks("two beginnings", "--topic records --partition 1 --offset 1 --from-beginning"),
    asks("two groups", "--topic records --group a --command-property group.id=b"),
    asks("two resets", "--topic records --from-beginning --command-property auto.offset.reset=latest"),
    asks("an unknown option", "--topic records --nope"),
    plain("no server", "--topic records"),
    plain("no arguments", "", { isVague: true }),
  ],
};

/** Scripts that write and read records. */
export const RECORD_SCRIPTS: readonly Script[] = [producer, consumer];
