/** Events by the names that KafkaJS has for their types. */
import type { ConsumerPayloads } from "./consumer/types.ts";
import type { InstrumentationEvent } from "./events/emitter.ts";
import type { RequestPayload, RequestQueueSizePayload, RequestTimeoutPayload } from "./events/network.ts";

/** A connection was made. */
export type ConnectEvent = InstrumentationEvent<null>;
/** The connections were closed. */
export type DisconnectEvent = InstrumentationEvent<null>;
/** A request was answered, or sent if it has no answer. */
export type RequestEvent = InstrumentationEvent<RequestPayload>;
/** A request was not answered in time. */
export type RequestTimeoutEvent = InstrumentationEvent<RequestTimeoutPayload>;
/** The number of requests that wait for room in flight has changed. */
export type RequestQueueSizeEvent = InstrumentationEvent<RequestQueueSizePayload>;
/** A heartbeat was answered. */
export type ConsumerHeartbeatEvent = InstrumentationEvent<ConsumerPayloads["consumer.heartbeat"]>;
/** Offsets were committed. */
export type ConsumerCommitOffsetsEvent = InstrumentationEvent<ConsumerPayloads["consumer.commit_offsets"]>;
/** A member has its partitions. */
export type ConsumerGroupJoinEvent = InstrumentationEvent<ConsumerPayloads["consumer.group_join"]>;
/** A fetch begins. */
export type ConsumerFetchStartEvent = InstrumentationEvent<ConsumerPayloads["consumer.fetch_start"]>;
/** A fetch has ended. */
export type ConsumerFetchEvent = InstrumentationEvent<ConsumerPayloads["consumer.fetch"]>;
/** A handler begins with a batch. */
export type ConsumerStartBatchProcessEvent = InstrumentationEvent<ConsumerPayloads["consumer.start_batch_process"]>;
/** A handler is done with a batch. */
export type ConsumerEndBatchProcessEvent = InstrumentationEvent<ConsumerPayloads["consumer.end_batch_process"]>;
/** A consumer has ended with an error. */
export type ConsumerCrashEvent = InstrumentationEvent<ConsumerPayloads["consumer.crash"]>;
/** The group takes partitions back. */
export type ConsumerRebalancingEvent = InstrumentationEvent<ConsumerPayloads["consumer.rebalancing"]>;
/** A member has partitions of topics that it does not subscribe to. */
export type ConsumerReceivedUnsubcribedTopicsEvent = InstrumentationEvent<
  ConsumerPayloads["consumer.received_unsubscribed_topics"]
>;
