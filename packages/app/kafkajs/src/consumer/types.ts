import type { InstrumentationEvent, RemoveInstrumentationEventListener } from "../events/emitter.ts";
import type { RequestPayload, RequestQueueSizePayload, RequestTimeoutPayload } from "../events/network.ts";
import type { Logger } from "../log/logger.ts";
import type { IHeaders } from "../producer/message.ts";
import type { Offsets, TopicOffsets } from "../producer/types.ts";
import type { RetryOptions } from "../settings/retry.ts";
import type { PartitionAssigner } from "./assigners.ts";

/** Message that a consumer has read. Key, value and headers are views of the memory of the whole answer. */
export interface KafkaMessage {
  readonly key: Buffer | null;
  /** Null: a tombstone. */
  readonly value: Buffer | null;
  /** Milliseconds since the epoch, as a text. */
  readonly timestamp: string;
  /** Always 0: Kafka has no attributes of records yet. */
  readonly attributes: number;
  readonly offset: string;
  /** Several headers of one name are a list. */
  readonly headers: IHeaders;
}

/** A partition. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A partition and an offset in it, as a text. */
export interface TopicPartitionOffset extends TopicPartition {
  readonly offset: string;
}

/** Offset to commit. */
export interface TopicPartitionOffsetAndMetadata extends TopicPartitionOffset {
  readonly metadata?: string | null;
}

/** Partitions of a topic. */
export interface TopicPartitions {
  readonly topic: string;
  readonly partitions: number[];
}

/** Messages of one partition, in order. */
export interface Batch {
  readonly topic: string;
  readonly partition: number;
  /** End of the log that all replicas in sync have. */
  readonly highWatermark: string;
  readonly messages: KafkaMessage[];
  isEmpty(): boolean;
  firstOffset(): string | null;
  /** Offset before that of the next batch: that of the last message, or of what the log has behind it for itself. */
  lastOffset(): string;
  /** Messages behind the last one. */
  offsetLag(): string;
  /** Messages behind the first one. */
  offsetLagLow(): string;
}

/** Message, and means of its handler. */
export interface EachMessagePayload {
  readonly topic: string;
  readonly partition: number;
  readonly message: KafkaMessage;
  /** Lets the client work; rejects once the partition is another member's. Heartbeats do not depend on it. */
  readonly heartbeat: () => Promise<void>;
  /** Pauses the partition; returns the way to resume it. */
  readonly pause: () => () => void;
}

/** Batch, and means of its handler. */
export interface EachBatchPayload {
  readonly batch: Batch;
  /** Marks messages up to this one as processed. */
  readonly resolveOffset: (offset: string) => void;
  readonly heartbeat: () => Promise<void>;
  readonly pause: () => () => void;
  /** Commits these offsets, or what is resolved if `autoCommitInterval` or `autoCommitThreshold` says so. */
  readonly commitOffsetsIfNecessary: (offsets?: Offsets) => Promise<void>;
  readonly uncommittedOffsets: () => Offsets;
  readonly isRunning: () => boolean;
  /** True after a `seek` in the partition, and once the group takes it back: the messages are not to be processed. */
  readonly isStale: () => boolean;
}

/** Old names of the payloads. */
export type ConsumerEachMessagePayload = EachMessagePayload;
/** Old names of the payloads. */
export type ConsumerEachBatchPayload = EachBatchPayload;
/** Handler of batches. */
export type EachBatchHandler = (payload: EachBatchPayload) => Promise<void>;
/** Handler of messages. */
export type EachMessageHandler = (payload: EachMessagePayload) => Promise<void>;

/** Ways of a consumer. Times are in ms. */
export interface ConsumerRunConfig {
  /** Commits what is resolved after each batch; true by default. */
  readonly autoCommit?: boolean;
  /** Commits within a batch, too, if that long has passed. */
  readonly autoCommitInterval?: number | null;
  /** Commits within a batch, too, if so many messages are resolved. */
  readonly autoCommitThreshold?: number | null;
  /** A batch whose handler resolves is processed as a whole; true by default. */
  readonly eachBatchAutoResolve?: boolean;
  /** Batches that are handled at a time; 1 by default. */
  readonly partitionsConsumedConcurrently?: number;
  readonly eachBatch?: EachBatchHandler;
  readonly eachMessage?: EachMessageHandler;
}

/** Topic to subscribe to. */
export interface ConsumerSubscribeTopic {
  readonly topic: string | RegExp;
  /** Partitions without a committed offset begin at the beginning; false by default: at the end. */
  readonly fromBeginning?: boolean;
}

/** Topics to subscribe to. */
export interface ConsumerSubscribeTopics {
  readonly topics: readonly (string | RegExp)[];
  readonly fromBeginning?: boolean;
}

/** Settings of a consumer. Sizes are in bytes, times in ms. */
export interface ConsumerConfig {
  readonly groupId: string;
  /** `PartitionAssigners.roundRobin` and the like, the best first. */
  readonly partitionAssigners?: readonly PartitionAssigner[];
  /** 5 min by default. */
  readonly metadataMaxAge?: number;
  /** 30 s by default. */
  readonly sessionTimeout?: number;
  /** 60 s by default. */
  readonly rebalanceTimeout?: number;
  /** 3 s by default. */
  readonly heartbeatInterval?: number;
  /** 1 MiB by default. */
  readonly maxBytesPerPartition?: number;
  /** 1 by default. */
  readonly minBytes?: number;
  /** 10 MiB by default. */
  readonly maxBytes?: number;
  /** 5 s by default. */
  readonly maxWaitTimeInMs?: number;
  readonly retry?: RetryOptions;
  /** True by default. */
  readonly allowAutoTopicCreation?: boolean;
  readonly maxInFlightRequests?: number | null;
  /** Reads messages of open and aborted transactions; false by default. */
  readonly readUncommitted?: boolean;
  readonly rackId?: string;
}

/** Member of a described group. */
export interface MemberDescription {
  readonly clientHost: string;
  readonly clientId: string;
  readonly memberId: string;
  /** `AssignerProtocol.MemberAssignment` reads it. */
  readonly memberAssignment: Buffer;
  /** `AssignerProtocol.MemberMetadata` reads it. */
  readonly memberMetadata: Buffer;
}

/** State of a group. */
export type ConsumerGroupState =
  | ("Unknown" | "PreparingRebalance" | "CompletingRebalance" | "Stable" | "Dead" | "Empty")
  | ("Assigning" | "Reconciling");

/** A described group. */
export interface GroupDescription {
  readonly errorCode: number;
  readonly groupId: string;
  readonly members: MemberDescription[];
  /** Assignor that the members have agreed on. */
  readonly protocol: string;
  readonly protocolType: string;
  readonly state: ConsumerGroupState;
}

/** Names of a consumer's events. */
export const consumerEvents = {
  HEARTBEAT: "consumer.heartbeat",
  COMMIT_OFFSETS: "consumer.commit_offsets",
  GROUP_JOIN: "consumer.group_join",
  FETCH: "consumer.fetch",
  FETCH_START: "consumer.fetch_start",
  START_BATCH_PROCESS: "consumer.start_batch_process",
  END_BATCH_PROCESS: "consumer.end_batch_process",
  CONNECT: "consumer.connect",
  DISCONNECT: "consumer.disconnect",
  STOP: "consumer.stop",
  CRASH: "consumer.crash",
  REBALANCING: "consumer.rebalancing",
  RECEIVED_UNSUBSCRIBED_TOPICS: "consumer.received_unsubscribed_topics",
  REQUEST: "consumer.network.request",
  REQUEST_TIMEOUT: "consumer.network.request_timeout",
  REQUEST_QUEUE_SIZE: "consumer.network.request_queue_size",
} as const;

/** Names of a consumer's events. */
export type ConsumerEvents = typeof consumerEvents;

/** Batch, as the events of its processing tell it. */
export interface BatchProcessPayload {
  readonly topic: string;
  readonly partition: number;
  readonly highWatermark: string;
  readonly offsetLag: string;
  readonly offsetLagLow: string;
  readonly batchSize: number;
  readonly firstOffset: string | null;
  readonly lastOffset: string;
}

/** Partitions of a member by their topics. */
export interface IMemberAssignment {
  readonly [topic: string]: number[];
}

/** Payloads of a consumer's events, by their names. */
export interface ConsumerPayloads {
  "consumer.heartbeat": { readonly groupId: string; readonly memberId: string; readonly groupGenerationId: number };
  "consumer.commit_offsets": {
    readonly groupId: string;
    readonly memberId: string;
    readonly groupGenerationId: number;
    readonly topics: TopicOffsets[];
  };
  "consumer.group_join": {
    /** Milliseconds since the join, or the rebalance, began. */
    readonly duration: number;
    readonly groupId: string;
    readonly memberId: string;
    /** Member that assigns the partitions. */
    readonly leaderId: string;
    readonly isLeader: boolean;
    readonly memberAssignment: IMemberAssignment;
    /** Assignor that the members have agreed on. */
    readonly groupProtocol: string;
  };
  "consumer.fetch_start": { readonly nodeId: number };
  "consumer.fetch": {
    /** Partitions with messages. */
    readonly numberOfBatches: number;
    readonly duration: number;
    readonly nodeId: number;
  };
  "consumer.start_batch_process": BatchProcessPayload;
  "consumer.end_batch_process": BatchProcessPayload & { readonly duration: number };
  "consumer.connect": null;
  "consumer.disconnect": null;
  "consumer.stop": null;
  "consumer.crash": { readonly error: Error; readonly groupId: string; readonly restart: boolean };
  "consumer.rebalancing": { readonly groupId: string; readonly memberId: string };
  "consumer.received_unsubscribed_topics": {
    readonly groupId: string;
    readonly generationId: number;
    readonly memberId: string;
    readonly assignedTopics: readonly string[];
    readonly topicsSubscribed: readonly string[];
    readonly topicsNotSubscribed: readonly string[];
  };
  "consumer.network.request": RequestPayload;
  "consumer.network.request_timeout": RequestTimeoutPayload;
  "consumer.network.request_queue_size": RequestQueueSizePayload;
}

/** Member of a consumer group. */
export interface Consumer {
  connect(): Promise<void>;
  /** Stops, and closes the connections. */
  disconnect(): Promise<void>;
  /** Adds topics; before `run`. */
  subscribe(subscription: ConsumerSubscribeTopics | ConsumerSubscribeTopic): Promise<void>;
  /** Lets the handlers finish, commits, and leaves the group. */
  stop(): Promise<void>;
  /** Joins the group and hands messages to a handler. Resolves once it has joined. */
  run(config?: ConsumerRunConfig): Promise<void>;
  commitOffsets(topicPartitions: readonly TopicPartitionOffsetAndMetadata[]): Promise<void>;
  /** Goes on at an offset; "-2" is the beginning of the log, "-1" its end. After `run`. */
  seek(topicPartitionOffset: TopicPartitionOffset): void;
  describeGroup(): Promise<GroupDescription>;
  /** Holds back messages of partitions, or of all of a topic. After `run`. */
  pause(topics: readonly { readonly topic: string; readonly partitions?: readonly number[] }[]): void;
  /** Assigned partitions that are paused. */
  paused(): TopicPartitions[];
  resume(topics: readonly { readonly topic: string; readonly partitions?: readonly number[] }[]): void;
  on<N extends keyof ConsumerPayloads>(
    eventName: N,
    listener: (event: InstrumentationEvent<ConsumerPayloads[N]>) => void,
  ): RemoveInstrumentationEventListener;
  logger(): Logger;
  readonly events: ConsumerEvents;
}
