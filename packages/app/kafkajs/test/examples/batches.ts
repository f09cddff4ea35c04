/** Batches of which the program resolves messages one by one, and commits when it likes. */
import { Kafka, logLevel } from "@samsa/kafkajs";

const kafka = new Kafka({ brokers: (process.env["KAFKA_BROKERS"] ?? "").split(","), logLevel: logLevel.NOTHING });
const admin = kafka.admin();
await admin.connect();
const topic = "topic-name";
const producer = kafka.producer();
await producer.connect();
await producer.send({ topic, messages: ["a", "b", "c", "d", "e"].map(value => ({ value })) });
await producer.disconnect();

const committed = async (groupId: string): Promise<string> => {
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] });
  return partitions.map(({ partition, offset }) => `${partition}: ${offset}`).join();
};

// Each call processes two messages; the rest comes again.
const resolving = kafka.consumer({ groupId: "resolving", maxWaitTimeInMs: 100 });
await resolving.connect();
await resolving.subscribe({ topics: [topic], fromBeginning: true });
await new Promise<void>(resolve => {
  void resolving.run({
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale, uncommittedOffsets }) => {
      let count = 0;
      for (const message of batch.messages) {
        if (!isRunning() || isStale() || count === 2) break;
        console.log("processed", message.offset, String(message.value));
        resolveOffset(message.offset);
        await heartbeat();
        count++;
      }
      const offsets = uncommittedOffsets().topics.flatMap(({ partitions }) => partitions.map(({ offset }) => offset));
      console.log("uncommitted", offsets.join());
      if (batch.messages[0]?.offset === "4") resolve();
    },
  });
});
await resolving.disconnect();
console.log("committed", await committed("resolving"));

// Commits within a batch, by count and by hand.
const counting = kafka.consumer({ groupId: "counting", maxWaitTimeInMs: 100 });
await counting.connect();
await counting.subscribe({ topics: [topic], fromBeginning: true });
const commits: (string | undefined)[] = [];
counting.on(counting.events.COMMIT_OFFSETS, ({ payload }) => {
  commits.push(payload.topics[0]?.partitions[0]?.offset);
});
await new Promise<void>(resolve => {
  counting.on(counting.events.END_BATCH_PROCESS, ({ payload: { batchSize, firstOffset, lastOffset } }) => {
    console.log("batch", batchSize, firstOffset, lastOffset);
    resolve();
  });
  void counting.run({
    autoCommitThreshold: 2,
    eachBatch: async ({ batch, resolveOffset, commitOffsetsIfNecessary }) => {
      for (const { offset } of batch.messages) {
        resolveOffset(offset);
        await commitOffsetsIfNecessary();
      }
    },
  });
});
await counting.disconnect();
console.log("commits", commits.join());
console.log("committed", await committed("counting"));
await admin.disconnect();
