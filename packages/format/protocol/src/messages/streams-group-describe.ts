/**
 * StreamsGroupDescribe: describes streams groups, their topology and assignments.
 *
 * Version 1: Adds the topology description (KIP-1331) and the assignor's name (KIP-1357).
 */
import { message } from "../codec/message.ts";
import { array, bool, i16, i32, i8, type Infer, offset, partitionIndex, string, struct, u16 } from "../codec/schema.ts";

export const streamsGroupDescribeRequest = message(
  "StreamsGroupDescribeRequest",
  { versions: [0, 1], flexible: 0 },
  {
    groupIds: array(string()),
    includeAuthorizedOperations: bool(),
    includeTopologyDescription: bool({ since: 1, default: false }),
  },
);
export type StreamsGroupDescribeRequest = Infer<typeof streamsGroupDescribeRequest>;

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

const subtopology = {
  subtopologyId: string(),
  sourceTopics: array(string()),
  repartitionSinkTopics: array(string()),
  stateChangelogTopics: array(topicInfo),
  repartitionSourceTopics: array(topicInfo),
};

const topology = {
  epoch: i32(),
  subtopologies: array(subtopology, { nullable: true, default: null }),
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

const taskIds = {
  subtopologyId: string(),
  partitions: array(partitionIndex()),
};

const assignment = {
  activeTasks: array(taskIds),
  standbyTasks: array(taskIds),
  warmupTasks: array(taskIds),
};

const topologyDescriptionNode = {
  name: string(),
  nodeType: i8(),
  sourceTopics: array(string()),
  sinkTopic: string({ nullable: true, default: null }),
  stores: array(string()),
  successors: array(string()),
};

const topologyDescription = {
  subtopologies: array({
    subtopologyId: string(),
    nodes: array(topologyDescriptionNode),
  }),
  globalStores: array({
    source: struct(topologyDescriptionNode),
    processor: struct(topologyDescriptionNode),
  }),
};

export const streamsGroupDescribeResponse = message(
  "StreamsGroupDescribeResponse",
  { versions: [0, 1], flexible: 0 },
  {
    throttleTimeMs: i32(),
    groups: array({
      errorCode: i16(),
      errorMessage: string({ nullable: true, default: null }),
      groupId: string(),
      groupState: string(),
      groupEpoch: i32(),
      assignmentEpoch: i32(),
      topology: struct(topology, { nullable: true, default: null }),
      members: array({
        memberId: string(),
        memberEpoch: i32(),
        instanceId: string({ nullable: true, default: null }),
        rackId: string({ nullable: true, default: null }),
        clientId: string(),
        clientHost: string(),
        topologyEpoch: i32(),
        processId: string(),
        userEndpoint: struct(endpoint, { nullable: true, default: null }),
        clientTags: array(keyValue),
        taskOffsets: array(taskOffset),
        taskEndOffsets: array(taskOffset),
        assignment: struct(assignment),
        targetAssignment: struct(assignment),
        isClassic: bool(),
      }),
      authorizedOperations: i32({ default: -2147483648 }),
      topologyDescription: struct(topologyDescription, { since: 1, nullable: true, default: null }),
      topologyDescriptionStatus: i8({ since: 1, default: 0 }),
      assignorName: string({ since: 1, nullable: true, default: null, ignorable: true }),
    }),
  },
);
export type StreamsGroupDescribeResponse = Infer<typeof streamsGroupDescribeResponse>;
