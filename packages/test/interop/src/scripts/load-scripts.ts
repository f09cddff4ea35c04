import { asks, plain, type Script, TOOLS } from "./script-case.ts";

/** Rates, times and sizes of a run. */
const MEASURED = /\d[\d:.,-]*|Infinity|NaN/g;

const produced = (more: string): string => `--topic load --num-records 10 --throughput -1 ${more}`;
const producerPerf: Script = {
  name: "kafka-producer-perf-test",
  main: `${TOOLS}.ProducerPerformance`,
  cases: [
    asks("a run", produced("--record-size 10"), { varies: MEASURED }),
    asks("a run with numbers", produced("--payload-monotonic"), {
      varies: MEASURED,
    }),
    asks("a run with payloads of a file", produced("--payload-file {file}"), { file: "a\nb\n", varies: MEASURED }),
    asks("a run in transactions", produced("--record-size 10 --transactional-id perf-{who}"), { varies: MEASURED }),
    asks("a file without payloads", produced("--payload-file {file}"), { file: "", isVague: true }),
    asks("a file that is not there", produced("--payload-file /no/such"), { isVague: true }),
    asks("no payload", produced("")),
    asks("two payloads", produced("--record-size 10 --payload-monotonic")),
    asks("transactions of no time", produced("--record-size 10 --transaction-duration-ms 0")),
    asks("a warmup that takes all", produced("--record-size 10 --warmup-records 10")),
    asks("a setting without a value", produced("--record-size 10 --command-property acks")),
    asks("a size that is none", produced("--record-size x")),
    asks("a size of nothing", produced("--record-size 0"), { isVague: true }),
    asks("no topic", "--num-records 1 --throughput -1 --record-size 1"),
    plain("no server", produced("--record-size 10"), { isVague: true }),
    plain("no arguments", "", { isVague: true }),
  ],
};

const consumerPerf: Script = {
  name: "kafka-consumer-perf-test",
  main: `${TOOLS}.ConsumerPerformance`,
  cases: [
    asks("a run", "--topic records --num-records 9 --timeout 10000", { varies: MEASURED }),
    asks("a run with details", "--topic records --num-records 9 --show-detailed-stats --hide-header", {
      varies: MEASURED,
    }),
    asks("fewer records than wanted", "--topic records --num-records 99 --timeout 1000", { varies: MEASURED }),
    asks("topics by a pattern", "--include rec.*ds --num-records 9", { varies: MEASURED }),
    asks("the old name of an option", "--topic records --messages 9", { varies: MEASURED }),
    asks("two numbers of records", "--topic records --messages 9 --num-records 9"),
    asks("no number of records", "--topic records"),
    asks("no topic", "--num-records 9"),
    asks("a topic and a pattern", "--topic records --include r --num-records 9"),
    plain("no server", "--topic records --num-records 9"),
    plain("no arguments", "", { isVague: true }),
    asks("an unknown option", "--nope"),
  ],
};

const verifiableProducer: Script = {
  name: "kafka-verifiable-producer",
  main: `${TOOLS}.VerifiableProducer`,
  cases: [
    // Kafka's writes its last line in a hook of the JVM, which does not run between two cases.
    asks("a run", "--topic load --max-messages 3", { isVague: true }),
    asks("a run with keys", "--topic load --max-messages 3 --repeating-keys 2 --value-prefix 7", { isVague: true }),
    asks("a run at a rate", "--topic load --max-messages 3 --throughput 50 --acks 1", { isVague: true }),
    asks("a file that is not there", "--topic load --max-messages 1 --command-config /no/such", {
      isVague: true,
    }),
    asks("acks that cannot be", "--topic load --max-messages 1 --acks 5"),
    asks("no topic", "--max-messages 1"),
    asks("a number that is none", "--topic x --max-messages y"),
    plain("no server", "--topic x"),
    asks("an unknown option", "--topic x --nope"),
  ],
};

const read = "--topic records --group-id verified-{who} --reset-policy earliest";
const verifiableConsumer: Script = {
  name: "kafka-verifiable-consumer",
  main: `${TOOLS}.VerifiableConsumer`,
  cases: [
    asks("a run", `${read} --max-messages 9`, { varies: MEASURED, isVague: true }),
    asks("a protocol that is none", `${read} --group-protocol odd`),
    // Our client has words of its own for settings that cannot be.
    asks("a policy that is none", "--topic records --group-id x --reset-policy odd", { isVague: true }),
    asks("no group", "--topic records"),
    asks("no topic", "--group-id x"),
    plain("no server", read),
    asks("an unknown option", `${read} --nope`),
  ],
};

/** Scripts that write and read many records. */
export const LOAD_SCRIPTS: readonly Script[] = [producerPerf, consumerPerf, verifiableProducer, verifiableConsumer];
