import { nearestNumber } from "@samsa/base";
import { KafkaError, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { AbortTransaction, Admin, ClusterClient, PartitionProducer } from "@samsa/client-runtime";
import type { Argument, Arguments, ArgumentTable } from "../../flags/argparse.ts";
import { javaMessage } from "../../java/errors.ts";
import { hashOrder, hashOrderOfTexts } from "../../java/hash-order.ts";
import { partitionText } from "../../java/text.ts";
import { argTool, printPretty, printVersion, stopWith } from "../../runner/arg-tool.ts";
import { loadProperties, withAdmin } from "../../runner/client.ts";
import type { Tool } from "../../runner/jopt-tool.ts";

const BATCH = 500;
const MINUTE_MS = 60_000;

const text = (name: string, help: string, more: Partial<Argument> = {}): Argument => ({
  ...{ names: [`--${name}`], action: "store", help },
  ...more,
});
const TOPIC = text("topic", "Name of the topic.", { isRequired: true });
const PARTITION = text("partition", "Number of the partition.", { isRequired: true, type: "int" });

const TABLE: ArgumentTable = {
  description: "Shows transactions and producers, and ends transactions that hang.",
  arguments: [
    { names: ["-v", "--version"], action: "true", help: "Print the version." },
    text("command-config", "File with settings of the client."),
    text("bootstrap-server", "Brokers, as host:port.", { isRequired: true }),
  ],
  commands: {
    list: {
      description: "List transactions.",
      arguments: [
        text("duration-filter", "Only those that are open for longer, in ms.", { type: "long" }),
        text("transactional-id-pattern", "Only those whose id matches the pattern."),
      ],
    },
    describe: {
      description: "Describe a transaction.",
      arguments: [text("transactional-id", "Id of the transaction.", { isRequired: true })],
    },
    "describe-producers": {
      description: "Describe the producers of a partition.",
      arguments: [text("broker-id", "Replica to ask; the leader by default.", { type: "int" }), TOPIC, PARTITION],
    },
    abort: {
      description: "Abort a transaction that hangs in a partition.",
      arguments: [
        ...[TOPIC, PARTITION, text("start-offset", "First offset of the transaction.", { type: "long" })],
        text("producer-id", "Instead of the offset: id of the producer.", { type: "long" }),
        text("producer-epoch", "Epoch of the producer.", { type: "short" }),
        text("coordinator-epoch", "Epoch of the coordinator.", { type: "int" }),
      ],
    },
    "find-hanging": {
      description: "Find transactions that hang.",
      arguments: [
        text("broker-id", "Broker whose partitions are searched.", { type: "int" }),
        text("max-transaction-timeout", "Longest transaction in minutes.", { type: "int", preset: "15" }),
        text("topic", "Topic that is searched."),
        text("partition", "Partition that is searched.", { type: "int" }),
      ],
    },
    forceTerminateTransaction: {
      description: "Abort an open transaction, and fence its producer.",
      arguments: [text("transactionalId", "Id of the transaction.", { isRequired: true })],
    },
  },
};

/** Says what could not be done, and why, and ends the tool. */
function failedTo(what: string, error: unknown): never {
  return stopWith(`Failed to ${what}: ${javaMessage(error)}. Enable debug logging for additional detail.`);
}

async function trying<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof KafkaError) failedTo(what, error);
    throw error;
  }
}

function partitionOf(args: Arguments): TopicPartition {
  return { topic: args.text("topic") ?? "", partition: args.number("partition") ?? 0 };
}

async function list(admin: Admin, args: Arguments): Promise<void> {
  const [openForMs, pattern] = [args.number("duration-filter"), args.text("transactional-id-pattern")];
  const found = await trying("list transactions", () =>
    admin.transactions.list({
      ...(openForMs === undefined ? {} : { openForMs }),
      ...(pattern === undefined ? {} : { pattern }),
    }),
  );
  const rows = hashOrder(found, ({ coordinator }) => coordinator).map(one => [
    one.transactionalId,
    ...[String(one.coordinator), String(one.producerId), one.state],
  ]);
  printPretty(["TransactionalId", "Coordinator", "ProducerId", "TransactionState"], rows);
}

const SENTENCES: Readonly<Record<string, string>> = {
  TRANSACTIONAL_ID_NOT_FOUND: "failed because the ID could not be found",
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "failed due to authorization failure",
};

/** Error of describing a transaction, with the sentence of Java's client. */
function inJavasWords(error: unknown, id: string): unknown {
  const sentence = error instanceof KafkaError ? SENTENCES[error.name] : undefined;
  if (!(error instanceof KafkaError) || sentence === undefined) return error;
  const detail = `DescribeTransactions request for transactionalId \`${id}\` ${sentence}`;
  return new KafkaError(error.name, error.message, { detail });
}

async function describe(admin: Admin, client: ClusterClient, id: string): Promise<void> {
  const what = `describe transaction state of transactional-id \`${id}\``;
  const found = await trying(what, async () => {
    try {
      return (await admin.transactions.describe([id])).value(id);
    } catch (error) {
      throw inJavasWords(error, id);
    }
  });
  const { id: coordinator } = await client.coordinator("transaction", id);
  const startedAt = nearestNumber(found.startedAt);
  const head = [
    ...["CoordinatorId", "TransactionalId", "ProducerId", "ProducerEpoch", "TransactionState", "TransactionTimeoutMs"],
    ...["CurrentTransactionStartTimeMs", "TransactionDurationMs", "TopicPartitions"],
  ];
  printPretty(head, [
    [
      ...[String(coordinator), id, String(found.producerId), String(found.producerEpoch), found.state],
      ...[
        String(found.timeoutMs),
        ...(startedAt < 0 ? ["None", "None"] : [startedAt, Date.now() - startedAt].map(String)),
      ],
      found.partitions.map(partitionText).join(","),
    ],
  ]);
}

async function describeProducers(admin: Admin, args: Arguments): Promise<void> {
  const place = partitionOf(args);
  const broker = args.number("broker-id");
  const what = `describe producers for partition ${partitionText(place)} on ${broker === undefined ? "leader" : `broker ${broker}`}`;
  const producers = await trying(what, async () => {
    const found = await admin.transactions.describeProducers([place], broker === undefined ? {} : { broker });
    return found.value(partitionKey(place.topic, place.partition));
  });
  const head = ["ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch", "LastSequence", "LastTimestamp"];
  const rows = producers.map(one => [
    ...[one.producerId, one.producerEpoch, one.coordinatorEpoch, one.lastSequence, one.lastTimestamp].map(String),
    one.transactionStart < 0 ? "None" : String(one.transactionStart),
  ]);
  printPretty([...head, "CurrentTransactionStartOffset"], rows);
}

async function markerOf(admin: Admin, args: Arguments): Promise<AbortTransaction> {
  const place = partitionOf(args);
  const [start, producerId] = [args.number("start-offset"), args.text("producer-id")];
  if (start === undefined) {
    if (producerId === undefined) {
      stopWith(
        "The transaction to abort must be identified either with --start-offset (for brokers on 3.0 or above) or with --producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)",
      );
    }
    const producerEpoch = args.number("producer-epoch") ?? stopWith("Missing required argument --producer-epoch");
    const epoch = args.number("coordinator-epoch") ?? stopWith("Missing required argument --coordinator-epoch");
    return { ...place, producerId: BigInt(producerId), producerEpoch, coordinatorEpoch: Math.max(0, epoch) };
  }
  const name = partitionText(place);
  const producers = await trying(`validate producer state for partition ${name}`, async () => {
    const found = await admin.transactions.describeProducers([place]);
    return found.value(partitionKey(place.topic, place.partition));
  });
  const found = producers.find(({ transactionStart }) => transactionStart === start);
  if (found === undefined) {
    return stopWith(`Could not find any open transactions starting at offset ${start} on partition ${name}`);
  }
  const { producerEpoch, coordinatorEpoch } = found;
  return { ...place, producerId: found.producerId, producerEpoch, coordinatorEpoch: Math.max(0, coordinatorEpoch) };
}

async function abort(admin: Admin, args: Arguments): Promise<void> {
  const marker = await markerOf(admin, args);
  const { producerId, producerEpoch, coordinatorEpoch } = marker;
  const facts = `topicPartition=${partitionText(marker)}, producerId=${producerId}, producerEpoch=${producerEpoch}, coordinatorEpoch=${coordinatorEpoch}`;
  await trying(`abort transaction AbortTransactionSpec(${facts})`, () => admin.transactions.abort(marker));
}

type Open = TopicPartition & PartitionProducer;

async function partitionsToSearch(admin: Admin, args: Arguments): Promise<TopicPartition[]> {
  const topic = args.text("topic");
  if (topic !== undefined && args.has("partition")) return [partitionOf(args)];
  const all = async (): Promise<string[]> => (await admin.topics.list({ internal: true })).map(({ name }) => name);
  const topics = topic === undefined ? hashOrderOfTexts(await trying("list topics", all)) : [topic];
  const described = await trying(`describe ${topics.length} topics`, async () =>
    (await admin.topics.describe(topics)).orThrow(),
  );
  const broker = args.number("broker-id");
  return [...described.values()].flatMap(({ name, partitions }) =>
    partitions
      .filter(({ replicas }) => broker === undefined || replicas.includes(broker))
      .map(({ partition }) => ({ topic: name, partition })),
  );
}

async function candidates(admin: Admin, args: Arguments, partitions: readonly TopicPartition[]): Promise<Open[]> {
  const broker = args.number("broker-id");
  const oldMs = (args.number("max-transaction-timeout") ?? 0) * MINUTE_MS;
  const open: Open[] = [];
  for (let i = 0; i < partitions.length; i += BATCH) {
    const batch = partitions.slice(i, i + BATCH);
    const name = broker === undefined ? "Optional.empty" : `Optional[${broker}]`;
    const found = await trying(`describe producers for ${batch.length} partitions on broker ${name}`, async () =>
      (await admin.transactions.describeProducers(batch, broker === undefined ? {} : { broker })).orThrow(),
    );
    for (const { topic, partition } of batch) {
      for (const producer of found.get(partitionKey(topic, partition)) ?? []) {
        const isOld = Date.now() - Number(producer.lastTimestamp) > oldMs;
        if (producer.transactionStart >= 0 && isOld) open.push({ topic, partition, ...producer });
      }
    }
  }
  return open;
}

/** Open transactions that no coordinator will end. */
async function hangingOf(admin: Admin, open: readonly Open[]): Promise<Open[]> {
  if (open.length === 0) return [];
  const producerIds = [...new Set(open.map(({ producerId }) => producerId))];
  const listed = await trying(`list transactions for ${producerIds.length} producers`, () =>
    admin.transactions.list({ producerIds }),
  );
  const ids = listed.map(({ transactionalId }) => transactionalId);
  const described = await admin.transactions.describe(ids);
  const expected = new Set<string>();
  for (const { transactionalId, producerId } of listed) {
    const found = described.get(transactionalId);
    if (found instanceof KafkaError) {
      if (found.name === "TRANSACTIONAL_ID_NOT_FOUND") continue;
      failedTo(`describe ${ids.length} transactions`, found);
    }
    for (const { topic, partition } of found?.partitions ?? []) {
      expected.add(`${producerId} ${partitionKey(topic, partition)}`);
    }
  }
  return open.filter(one => !expected.has(`${one.producerId} ${partitionKey(one.topic, one.partition)}`));
}

async function findHanging(admin: Admin, args: Arguments): Promise<void> {
  if (!args.has("topic") && !args.has("broker-id")) {
    stopWith("The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search");
  }
  if (args.has("partition") && !args.has("topic")) {
    stopWith("The --partition argument requires --topic to be provided");
  }
  const hanging = await hangingOf(admin, await candidates(admin, args, await partitionsToSearch(admin, args)));
  const head = [
    "Topic",
    "Partition",
    "ProducerId",
    "ProducerEpoch",
    "CoordinatorEpoch",
    "StartOffset",
    "LastTimestamp",
  ];
  const rows = hanging.map(one => {
    const minutes = Math.trunc((Date.now() - Number(one.lastTimestamp)) / MINUTE_MS);
    const { partition, producerId, producerEpoch, coordinatorEpoch, transactionStart, lastTimestamp } = one;
    return [
      one.topic,
      ...[partition, producerId, producerEpoch, coordinatorEpoch, transactionStart, lastTimestamp, minutes].map(String),
    ];
  });
  printPretty([...head, "Duration(min)"], rows);
}

async function terminate(admin: Admin, id: string): Promise<void> {
  const what = `force terminate transactionalId \`${id}\``;
  await trying(what, async () => (await admin.transactions.fence([id])).orThrow());
}

const COMMANDS: Readonly<Record<string, (admin: Admin, client: ClusterClient, args: Arguments) => Promise<void>>> = {
  list: (admin, _client, args) => list(admin, args),
  describe: (admin, client, args) => describe(admin, client, args.text("transactional-id") ?? ""),
  "describe-producers": (admin, _client, args) => describeProducers(admin, args),
  abort: (admin, _client, args) => abort(admin, args),
  "find-hanging": (admin, _client, args) => findHanging(admin, args),
  forceTerminateTransaction: (admin, _client, args) => terminate(admin, args.text("transactionalId") ?? ""),
};

const tool = argTool({
  prog: "kafka-transactions.sh",
  table: TABLE,
  run: async args => {
    const properties = loadProperties(args.text("command-config"));
    const run = COMMANDS[args.command ?? ""];
    if (run === undefined) return stopWith(`Unexpected command ${args.command}`);
    await withAdmin(args.text("bootstrap-server"), properties, (admin, client) => run(admin, client, args));
    return 0;
  },
});

/** kafka-transactions (`TransactionsCommand`). */
export const kafkaTransactions: Tool = {
  ...tool,
  // The version is printed as soon as the parser comes to the option.
  run: args => (args.includes("-v") || args.includes("--version") ? Promise.resolve(printVersion()) : tool.run(args)),
};
