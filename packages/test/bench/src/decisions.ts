import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { randomUuid } from "@samsa/base";
import { EMPTY_IMAGE, MetadataDelta, type MetadataImage } from "@samsa/metadata";
import { nodeEnv } from "@samsa/node";
import { metadataRecord } from "@samsa/protocol";
import { BrokerConnection } from "@samsa/wire";
import { costing } from "./loads.ts";
import type { BrokerProcess } from "./process.ts";

const TOPIC = 2;
const SET = 0;
const NAME = "decided";
const WARM_UP = 200;

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Measures the broker's processor time for a decision of the controller, in µs: a setting of a topic with one partition
 * changes, one request after the other. Every decision is flushed and published.
 */
export async function decisionCost(broker: BrokerProcess, decisions: number): Promise<number> {
  const env = nodeEnv({ logger: silent });
  const client = { clientId: "bench", software: { name: "bench", version: "1" } };
  const connection = await BrokerConnection.connect(env, { host: "127.0.0.1", port: broker.port }, client);
  const decide = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const configs = [{ name: "retention.ms", configOperation: SET, value: String(1_000_000 + i) }];
      const resources = [{ resourceType: TOPIC, resourceName: NAME, configs }];
      const { responses } = await connection.call("IncrementalAlterConfigs", { resources, validateOnly: false });
      const error = responses[0]?.errorCode;
      if (error !== 0) throw new Error(`a setting of ${NAME} could not be changed: error ${error}`);
    }
  };
  try {
    const topics = [{ name: NAME, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }];
    await connection.call("CreateTopics", { topics, timeoutMs: 30_000, validateOnly: false });
    await decide(WARM_UP);
    const { cpu } = await costing(broker, () => decide(decisions));
    return (cpu / decisions) * 1e6;
  } finally {
    connection.close();
  }
}

/** Image with `count` topics of one partition each. */
function imageOf(count: number): MetadataImage {
  const delta = new MetadataDelta(EMPTY_IMAGE);
  const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));
  const directory = randomUuid(random);
  for (let i = 0; i < count; i++) {
    const topicId = randomUuid(random);
    delta.replay(metadataRecord("TopicRecord", 0, { name: `topic-${i}`, topicId }));
    const replicas = { replicas: [1], isr: [1], removingReplicas: [], addingReplicas: [], directories: [directory] };
    const place = { topicId, partitionId: 0, leader: 1, leaderEpoch: 0, partitionEpoch: 0 };
    delta.replay(metadataRecord("PartitionRecord", 1, { ...place, ...replicas }));
  }
  return delta.apply({ offset: count, epoch: 1, timestamp: 0 });
}

/** Measures the heap of a metadata image for each of its topics with one partition, in bytes. */
export function imageBytes(topics: number): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  // Compile what an image needs before the first reading.
  imageOf(100);
  const before = used();
  const image = imageOf(topics);
  return (used() - before) / image.topics.size;
}
