export { type ClientOptions, KafkaClient } from "./kafka-client.ts";
export { replyTo, REQUEST_HEADERS, Requester, type RequesterOptions } from "./request-reply.ts";
export type { Serde, SerdeContext } from "./serde/serde.ts";
export { bytes, float64, int32, int64, json, type SchemaResult, type StandardSchema, string } from "./serde/serdes.ts";
export {
  type TypedBatch,
  TypedConsumer,
  type TypedConsumerOptions,
  TypedRecord,
  type TypedRunOptions,
} from "./typed-consumer.ts";
export {
  type CompressionName,
  type OutgoingTypedRecord,
  type Serdes,
  TypedProducer,
  type TypedProducerOptions,
} from "./typed-producer.ts";
export { type ClientErrorName, KafkaError, type TopicPartition } from "@samsa/client-kernel";
export {
  Admin,
  type BatchResult,
  type OperationOptions,
  type Outcome,
  Outcomes,
  PartitionOutcomes,
  type RebalanceListener,
  type RecordMetadata,
} from "@samsa/client-runtime";
