export {
  type BrokerView,
  type ClusterView,
  partitionKey,
  type PartitionView,
  type TopicPartition,
  type TopicView,
} from "./cluster/cluster-view.ts";
export {
  type LeaderHint,
  type MetadataQuestion,
  type MetadataSettings,
  MetadataState,
  type MetadataStep,
} from "./cluster/metadata-state.ts";
export { type ClientErrorName, type ErrorFacts, KafkaError } from "./error/kafka-error.ts";
