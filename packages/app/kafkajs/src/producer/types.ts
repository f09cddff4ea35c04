import type { CompressionTypes } from "../values/enums.ts";
import type { InstrumentationEvent, RemoveInstrumentationEventListener } from "../events/emitter.ts";
import type { RequestPayload, RequestQueueSizePayload, RequestTimeoutPayload } from "../events/network.ts";
import type { Logger } from "../log/logger.ts";
import type { RetryOptions } from "../settings/retry.ts";
import type { Message } from "./message.ts";
import type { ICustomPartitioner } from "./partitioners.ts";

/** Ways in which a call sends its messages. */
export interface SendOptions {
  /** Replicas that must have the messages: −1 all in sync (the default), 1 the leader, 0 no answer at all. */
  readonly acks?: number;
  /** Longest time in ms that the leader waits for the other replicas; 30 s by default. */
  readonly timeout?: number;
  /** None by default. */
  readonly compression?: CompressionTypes;
}

/** Messages for one topic. */
export interface TopicMessages {
  readonly topic: string;
  readonly messages: readonly Message[];
}

/** Messages for one topic, and how to send them. */
export interface ProducerRecord extends SendOptions, TopicMessages {}

/** Messages for several topics, and how to send them. */
export interface ProducerBatch extends SendOptions {
  readonly topicMessages?: readonly TopicMessages[];
}

/** Place of the messages of a call in one partition. */
export interface RecordMetadata {
  readonly topicName: string;
  readonly partition: number;
  /** 0; a call of which a message failed is rejected. */
  readonly errorCode: number;
  /** Offset of the first message of the call in this partition; "-1" if it is not known. */
  readonly baseOffset?: string;
}

/** Offset of a partition, as a text. */
export interface PartitionOffset {
  readonly partition: number;
  readonly offset: string;
}

/** Offsets of a topic's partitions. */
export interface TopicOffsets {
  readonly topic: string;
  readonly partitions: PartitionOffset[];
}

/** Offsets by topic. */
export interface Offsets {
  readonly topics: TopicOffsets[];
}

/** Sends messages. */
export interface Sender {
  send(record: ProducerRecord): Promise<RecordMetadata[]>;
  sendBatch(batch: ProducerBatch): Promise<RecordMetadata[]>;
}

/** Transaction of a producer. Calls after its end are rejected. */
export interface Transaction extends Sender {
  /** Makes offsets of a consumer group part of the transaction. */
  sendOffsets(offsets: Offsets & { readonly consumerGroupId: string }): Promise<void>;
  commit(): Promise<void>;
  abort(): Promise<void>;
  isActive(): boolean;
}

/** Settings of a producer. Times are in ms. */
export interface ProducerConfig {
  /** Chooses the partitions of messages; `Partitioners.DefaultPartitioner` by default. */
  readonly createPartitioner?: ICustomPartitioner;
  readonly retry?: RetryOptions;
  /** 5 min by default. */
  readonly metadataMaxAge?: number;
  /** True by default. */
  readonly allowAutoTopicCreation?: boolean;
  /** Writes each message once, in order, also if requests are repeated; false by default. */
  readonly idempotent?: boolean;
  readonly transactionalId?: string;
  /** 60 s by default. */
  readonly transactionTimeout?: number;
  /** Requests in flight to a broker; 5 by default. */
  readonly maxInFlightRequests?: number | null;
}

/** Names of a producer's events. */
export const producerEvents = {
  CONNECT: "producer.connect",
  DISCONNECT: "producer.disconnect",
  REQUEST: "producer.network.request",
  REQUEST_TIMEOUT: "producer.network.request_timeout",
  REQUEST_QUEUE_SIZE: "producer.network.request_queue_size",
} as const;

/** Names of a producer's events. */
export type ProducerEvents = typeof producerEvents;

/** Payloads of a producer's events, by their names. */
export interface ProducerPayloads {
  "producer.connect": null;
  "producer.disconnect": null;
  "producer.network.request": RequestPayload;
  "producer.network.request_timeout": RequestTimeoutPayload;
  "producer.network.request_queue_size": RequestQueueSizePayload;
}

/** Producer of messages. */
export interface Producer extends Sender {
  /** Connects to a broker. */
  connect(): Promise<void>;
  /** Delivers what was sent, and closes the connections. */
  disconnect(): Promise<void>;
  isIdempotent(): boolean;
  readonly events: ProducerEvents;
  on<N extends keyof ProducerPayloads>(
    eventName: N,
    listener: (event: InstrumentationEvent<ProducerPayloads[N]>) => void,
  ): RemoveInstrumentationEventListener;
  /** Begins a transaction. The producer needs a `transactionalId`. */
  transaction(): Promise<Transaction>;
  logger(): Logger;
}
