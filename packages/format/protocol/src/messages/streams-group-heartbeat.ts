/**
 * StreamsGroupHeartbeat: keeps a member in its streams group, and exchanges topology, tasks and assignment.
 *
 * Version 1: AcceptableRecoveryLag has 64 bits. Adds TopologyDescriptionRequired (KIP-1331) and MISSING_CLIENT_TAGS.
 */
import { message } from "../codec/message.ts";
import {
  array,
  bool,
  i16,
  i32,
  i64,
  i8,
  type Infer,
  offset,
  partitionIndex,
  string,
  struct,
  u16,
} from "../codec/schema.ts";

const keyValue = {
  key: string(),
  value: string(),
};

const topicInfo = {
  name: string(),
  partitions: i32(),
  replicationFactor: i16(),
  topicConfigs: array(keyValue),
};

const topology = {
  epoch: i32(),
  subtopologies: array({
    subtopologyId: string(),
    sourceTopics: array(string()),
    sourceTopicRegex: array(string()),
    stateChangelogTopics: array(topicInfo),
    repartitionSinkTopics: array(string()),
    repartitionSourceTopics: array(topicInfo),
    copartitionGroups: array({
      sourceTopics: array(i16()),
      sourceTopicRegex: array(i16()),
      repartitionSourceTopics: array(i16()),
    }),
  }),
};

const taskIds = {
  subtopologyId: string(),
  partitions: array(partitionIndex()),
};

const endpoint = {
  host: string(),
  port: u16(),
};

const taskOffset = {
  subtopologyId: string(),
  partition: partitionIndex(),
  offset: offset(),
};

export const streamsGroupHeartbeatRequest = message(
  "StreamsGroupHeartbeatRequest",
  { versions: [0, 1], flexible: 0 },
  {
    groupId: string(),
    memberId: string(),
    memberEpoch: i32(),
    endpointInformationEpoch: i32(),
    instanceId: string({ nullable: true, default: null }),
    rackId: string({ nullable: true, default: null }),
    rebalanceTimeoutMs: i32({ default: -1 }),
    topology: struct(topology, { nullable: true, default: null }),
    activeTasks: array(taskIds, { nullable: true, default: null }),
    standbyTasks: array(taskIds, { nullable: true, default: null }),
    warmupTasks: array(taskIds, { nullable: true, default: null }),
    processId: string({ nullable: true, default: null }),
    userEndpoint: struct(endpoint, { nullable: true, default: null }),
    clientTags: array(keyValue, { nullable: true, default: null }),
    taskOffsets: array(taskOffset, { nullable: true, default: null }),
    taskEndOffsets: array(taskOffset, { nullable: true, default: null }),
    shutdownApplication: bool({ default: false }),
  },
);
export type StreamsGroupHeartbeatRequest = Infer<typeof streamsGroupHeartbeatRequest>;

const status = {
  statusCode: i8(),
  statusDetail: string(),
};

const topicPartition = {
  topic: string(),
  partitions: array(partitionIndex()),
};

const endpointToPartitions = {
  userEndpoint: struct({
    host: string(),
    port: u16(),
  }),
  activePartitions: array(topicPartition),
  standbyPartitions: array(topicPartition),
};

export const streamsGroupHeartbeatResponse = message(
  "StreamsGroupHeartbeatResponse",
  { versions: [0, 1], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true, default: null }),
    memberId: string(),
    memberEpoch: i32(),
    heartbeatIntervalMs: i32(),
    acceptableRecoveryLagLegacy: i32({ until: 0 }),
    taskOffsetIntervalMs: i32(),
    acceptableRecoveryLag: i64({ since: 1, default: -1, ignorable: true }),
    status: array(status, { nullable: true }),
    activeTasks: array(taskIds, { nullable: true, default: null }),
    standbyTasks: array(taskIds, { nullable: true, default: null }),
    warmupTasks: array(taskIds, { nullable: true, default: null }),
    topologyDescriptionRequired: bool({ since: 1, default: false }),
    endpointInformationEpoch: i32(),
    partitionsByUserEndpoint: array(endpointToPartitions, { nullable: true, default: null }),
  },
);
export type StreamsGroupHeartbeatResponse = Infer<typeof streamsGroupHeartbeatResponse>;
