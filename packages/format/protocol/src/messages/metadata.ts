/**
 * Metadata: describes brokers, topics, partitions and their leaders.
 *
 * Version 1: Null, not an empty array, asks for all topics. Adds racks, the controller and IsInternal.
 * Version 2: Adds the cluster id.
 * Version 3: Adds the throttle time.
 * Version 4: Adds AllowAutoTopicCreation.
 * Version 5: Adds offline replicas.
 * Version 6: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 7: Adds leader epochs.
 * Version 8: Adds authorized operations.
 * Version 9: Flexible (KIP-482).
 * Version 10: Adds topic ids, and null names in requests. Clients must not ask by id before version 12.
 * Version 11: Removes authorized operations of the cluster, which DescribeCluster returns now (KIP-700).
 * Version 12: Topics may be requested by id.
 * Version 13: Adds an error code for the whole response.
 */
import { message } from "../codec/message.ts";
import {
  array,
  bool,
  brokerId,
  i16,
  i32,
  type Infer,
  leaderEpoch,
  partitionIndex,
  string,
  uuid,
} from "../codec/schema.ts";

const metadataRequestTopic = {
  topicId: uuid({ since: 10, ignorable: true }),
  name: string({ nullable: 10 }),
};

export const metadataRequest = message(
  "MetadataRequest",
  { versions: [0, 13], flexible: 9 },
  {
    topics: array(metadataRequestTopic, { nullable: 1 }),
    allowAutoTopicCreation: bool({ since: 4, default: true }),
    includeClusterAuthorizedOperations: bool({ since: 8, until: 10 }),
    includeTopicAuthorizedOperations: bool({ since: 8 }),
  },
);
export type MetadataRequest = Infer<typeof metadataRequest>;

export const metadataResponse = message(
  "MetadataResponse",
  { versions: [0, 13], flexible: 9 },
  {
    throttleTimeMs: i32({ since: 3, ignorable: true }),
    brokers: array({
      nodeId: brokerId(),
      host: string(),
      port: i32(),
      rack: string({ since: 1, nullable: true, default: null, ignorable: true }),
    }),
    clusterId: string({ since: 2, nullable: true, default: null, ignorable: true }),
    controllerId: brokerId({ since: 1, default: -1, ignorable: true }),
    topics: array({
      errorCode: i16(),
      name: string({ nullable: 12 }),
      topicId: uuid({ since: 10, ignorable: true }),
      isInternal: bool({ since: 1, default: false, ignorable: true }),
      partitions: array({
        errorCode: i16(),
        partitionIndex: partitionIndex(),
        leaderId: brokerId(),
        leaderEpoch: leaderEpoch({ since: 7, default: -1, ignorable: true }),
        replicaNodes: array(brokerId()),
        isrNodes: array(brokerId()),
        offlineReplicas: array(brokerId(), { since: 5, ignorable: true }),
      }),
      topicAuthorizedOperations: i32({ since: 8, default: -2147483648 }),
    }),
    clusterAuthorizedOperations: i32({ since: 8, until: 10, default: -2147483648 }),
    errorCode: i16({ since: 13, ignorable: true }),
  },
);
export type MetadataResponse = Infer<typeof metadataResponse>;
