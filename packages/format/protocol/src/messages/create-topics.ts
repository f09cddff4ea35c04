/**
 * CreateTopics: creates topics.
 *
 * Version 3: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 4: Allows -1 as partition count and replication factor without an assignment (KIP-464).
 * Version 5: Flexible. The response has partition count, replication factor and settings of the new topic (KIP-525).
 * Version 6: May return THROTTLING_QUOTA_EXCEEDED (KIP-599).
 * Version 7: Adds the topic id to the response.
 */
import { message } from "../codec/message.ts";
import { array, bool, brokerId, i16, i32, i8, type Infer, partitionIndex, string, uuid } from "../codec/schema.ts";

export const createTopicsRequest = message(
  "CreateTopicsRequest",
  { versions: [2, 7], flexible: 5 },
  {
    topics: array({
      name: string(),
      numPartitions: i32(),
      replicationFactor: i16(),
      assignments: array({
        partitionIndex: partitionIndex(),
        brokerIds: array(brokerId()),
      }),
      configs: array({
        name: string(),
        value: string({ nullable: true }),
      }),
    }),
    timeoutMs: i32({ default: 60000 }),
    validateOnly: bool({ default: false }),
  },
);
export type CreateTopicsRequest = Infer<typeof createTopicsRequest>;

const creatableTopicConfigs = {
  name: string(),
  value: string({ nullable: true }),
  readOnly: bool(),
  configSource: i8({ default: -1, ignorable: true }),
  isSensitive: bool(),
};

export const createTopicsResponse = message(
  "CreateTopicsResponse",
  { versions: [2, 7], flexible: 5 },
  {
    throttleTimeMs: i32({ ignorable: true }),
    topics: array({
      name: string(),
      topicId: uuid({ since: 7, ignorable: true }),
      errorCode: i16(),
      errorMessage: string({ nullable: true, ignorable: true }),
      topicConfigErrorCode: i16({ since: 5, tag: 0, ignorable: true }),
      numPartitions: i32({ since: 5, default: -1, ignorable: true }),
      replicationFactor: i16({ since: 5, default: -1, ignorable: true }),
      configs: array(creatableTopicConfigs, { since: 5, nullable: true, ignorable: true }),
    }),
  },
);
export type CreateTopicsResponse = Infer<typeof createTopicsResponse>;
