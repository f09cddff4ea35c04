/** Partitions that the program chooses, and messages for several topics in one call. */
import { Kafka, logLevel, type PartitionerArgs, Partitioners } from "@samsa/kafkajs";

const kafka = new Kafka({ brokers: (process.env["KAFKA_BROKERS"] ?? "").split(","), logLevel: logLevel.NOTHING });
const admin = kafka.admin();
await admin.connect();
await admin.createTopics({
  topics: ["topic-a", "topic-b", "topic-c"].map(topic => ({ topic, numPartitions: 3 })),
});

/** Gold customers have a partition of their own. */
const byRank = () => {
  let turn = 0;
  return ({ topic, partitionMetadata, message }: PartitionerArgs): number => {
    if (topic === "topic-a" && String(message.key) === "gold") return 0;
    return (
      partitionMetadata.map(({ partitionId }) => partitionId).sort((one, other) => one - other)[1 + (turn++ % 2)] ?? 0
    );
  };
};

for (const [name, createPartitioner] of Object.entries({ byRank, ...Partitioners })) {
  const producer = kafka.producer({ createPartitioner });
  await producer.connect();
  const keys = ["gold", "silver", "bronze", "žluťoučký"];
  const results = await producer.sendBatch({
    topicMessages: [
      { topic: "topic-a", messages: keys.map(key => ({ key, value: `hello ${name}` })) },
      { topic: "topic-b", messages: [{ key: "key", value: "to a partition", partition: 2 }] },
      { topic: "topic-c", messages: [{ key: "key", value: "with a header", headers: { system: "my-system" } }] },
    ],
  });
  await producer.disconnect();
  const places = results.map(({ topicName, partition }) => `${topicName.slice(-1)}${partition}`);
  const ends = (await admin.fetchTopicOffsets("topic-a")).sort((one, other) => one.partition - other.partition);
  console.log(name, places.sort().join(" "), "ends", ends.map(({ offset }) => offset).join());
}
await admin.disconnect();
