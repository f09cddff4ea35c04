import { message } from "../message.ts";
import { array, bool, i16, i32, i64, type Infer, string, uuid } from "../schema.ts";

const offsetFetchRequestTopic = {
  name: string(),
  partitionIndexes: array(i32()),
};

const offsetFetchRequestTopics = {
  name: string({ until: 9, ignorable: true }),
  topicId: uuid({ since: 10, ignorable: true }),
  partitionIndexes: array(i32()),
};

const offsetFetchRequestGroup = {
  groupId: string(),
  memberId: string({ since: 9, nullable: true, default: null, ignorable: true }),
  memberEpoch: i32({ since: 9, default: -1, ignorable: true }),
  topics: array(offsetFetchRequestTopics, { nullable: true }),
};

export const offsetFetchRequest = message(
  "OffsetFetchRequest",
  { versions: [1, 10], flexible: 6 },
  {
    groupId: string({ until: 7 }),
    topics: array(offsetFetchRequestTopic, { until: 7, nullable: 2 }),
    groups: array(offsetFetchRequestGroup, { since: 8 }),
    requireStable: bool({ since: 7, default: false }),
  },
);
export type OffsetFetchRequest = Infer<typeof offsetFetchRequest>;

const offsetFetchResponseTopic = {
  name: string(),
  partitions: array({
    partitionIndex: i32(),
    committedOffset: i64(),
    committedLeaderEpoch: i32({ since: 5, default: -1, ignorable: true }),
    metadata: string({ nullable: true }),
    errorCode: i16(),
  }),
};

const offsetFetchResponseGroup = {
  groupId: string(),
  topics: array({
    name: string({ until: 9, ignorable: true }),
    topicId: uuid({ since: 10, ignorable: true }),
    partitions: array({
      partitionIndex: i32(),
      committedOffset: i64(),
      committedLeaderEpoch: i32({ default: -1, ignorable: true }),
      metadata: string({ nullable: true }),
      errorCode: i16(),
    }),
  }),
  errorCode: i16({ default: 0 }),
};

export const offsetFetchResponse = message(
  "OffsetFetchResponse",
  { versions: [1, 10], flexible: 6 },
  {
    throttleTimeMs: i32({ since: 3, ignorable: true }),
    topics: array(offsetFetchResponseTopic, { until: 7 }),
    errorCode: i16({ since: 2, until: 7, default: 0, ignorable: true }),
    groups: array(offsetFetchResponseGroup, { since: 8 }),
  },
);
export type OffsetFetchResponse = Infer<typeof offsetFetchResponse>;
