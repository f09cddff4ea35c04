/** All kinds of administration. */
import {
  ConfigResourceTypes,
  Kafka,
  KafkaJSDeleteGroupsError,
  KafkaJSDeleteTopicRecordsError,
  KafkaJSNonRetriableError,
  logLevel,
} from "@samsa/kafkajs";

const kafka = new Kafka({ brokers: (process.env["KAFKA_BROKERS"] ?? "").split(","), logLevel: logLevel.NOTHING });
const admin = kafka.admin();
await admin.connect();

// Topics
const topic = "custom-topic";
const groupId = "my-consumer-group";
const create = () =>
  admin.createTopics({
    validateOnly: false,
    waitForLeaders: true,
    timeout: 10_000,
    topics: [
      { topic, numPartitions: 2, replicationFactor: 1, configEntries: [{ name: "cleanup.policy", value: "delete" }] },
    ],
  });
console.log("created", await create(), "again", await create());
await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
console.log("topics", (await admin.listTopics()).includes(topic));
const { topics: described } = await admin.fetchTopicMetadata({ topics: [topic] });
console.log(
  described.map(
    ({ name, partitions }) =>
      `${name} ${partitions
        .map(({ partitionId }) => partitionId)
        .sort((one, other) => one - other)
        .join()}`,
  ),
);

// Offsets
const producer = kafka.producer();
await producer.connect();
const messages = [1000, 2000, 3000].map(time => ({ partition: 0, value: `at ${time}`, timestamp: `${time}` }));
await producer.send({ topic, messages });
await producer.disconnect();
const ends = (await admin.fetchTopicOffsets(topic)).sort((one, other) => one.partition - other.partition);
console.log(ends.map(({ partition, offset, high, low }) => `${partition}: ${offset} ${high} ${low}`));
const at = (await admin.fetchTopicOffsetsByTimestamp(topic, 1500)).find(({ partition }) => partition === 0);
console.log("at 1500", at?.offset);

// Groups
const offsets = async (): Promise<string[]> => {
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic], resolveOffsets: false });
  return partitions.sort((one, other) => one.partition - other.partition).map(({ offset }) => offset);
};
await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: "2" }] });
console.log("set", await offsets());
await admin.resetOffsets({ groupId, topic, earliest: true });
console.log("reset to the beginning", await offsets());
const { groups } = await admin.listGroups();
console.log("groups", groups.filter(group => group.groupId === groupId).length);
const [group] = (await admin.describeGroups([groupId])).groups;
console.log(group?.errorCode, group?.state, group?.members.length);
console.log(await admin.deleteGroups([groupId]));
try {
  await admin.deleteGroups([groupId, "b"]);
} catch (error) {
  if (!(error instanceof KafkaJSDeleteGroupsError)) throw error;
  console.log(
    error.name,
    error.groups
      .map(failed => failed.groupId)
      .sort()
      .join(),
  );
}

// Settings
const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
const policy = async (): Promise<string[]> => {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ ...resource, configNames: ["cleanup.policy"] }],
  });
  return resources.flatMap(({ configEntries }) =>
    configEntries.map(({ configName, configValue, isSensitive }) => `${configName}=${configValue} ${isSensitive}`),
  );
};
console.log(await policy());
const configEntries = [{ name: "cleanup.policy", value: "compact" }];
await admin.alterConfigs({ validateOnly: true, resources: [{ ...resource, configEntries }] });
console.log("validated", await policy());
await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] });
console.log("altered", await policy());

// Records
const remove = (offset: string) => admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] });
const deleting = [{ name: "cleanup.policy", value: "delete" }];
await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: deleting }] });
await remove("2");
console.log("low", (await admin.fetchTopicOffsets(topic)).find(({ partition }) => partition === 0)?.low);
try {
  await remove("99");
} catch (error) {
  if (!(error instanceof KafkaJSNonRetriableError)) throw error;
  console.log(error.message, error.cause instanceof KafkaJSDeleteTopicRecordsError);
}

// Cluster
const { brokers, controller, clusterId } = await admin.describeCluster();
console.log(
  brokers.map(({ nodeId }) => nodeId),
  controller,
  typeof clusterId,
);
const partitionAssignment = [{ partition: 0, replicas: brokers.map(({ nodeId }) => nodeId) }];
await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] });
console.log("under way", (await admin.listPartitionReassignments({})).topics);
await admin.deleteTopics({ topics: [topic], timeout: 5000 });
console.log("topics", (await admin.listTopics()).includes(topic));
await admin.disconnect();
