/**
 * OffsetFetch: reads committed offsets of groups.
 *
 * Version 2: Null asks for all topics. Adds an error code for the whole response.
 * Version 3: Adds the throttle time.
 * Version 4: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 5: Adds the committed leader epoch.
 * Version 6: Flexible (KIP-482).
 * Version 7: Adds RequireStable; then offsets with a pending transaction return UNSTABLE_OFFSET_COMMIT.
 * Version 8: Several groups in a request: Groups replaces GroupId and Topics.
 * Version 9: Adds MemberId and MemberEpoch for the consumer protocol; may return STALE_MEMBER_EPOCH (KIP-848).
 * Version 10: Topic ids replace topic names (KIP-848).
 */
import { message } from "../codec/message.ts";
import {
  array,
  bool,
  i16,
  i32,
  type Infer,
  leaderEpoch,
  offset,
  partitionIndex,
  string,
  uuid,
} from "../codec/schema.ts";

const offsetFetchRequestTopic = {
  name: string(),
  partitionIndexes: array(partitionIndex()),
};

const offsetFetchRequestTopics = {
  name: string({ until: 9, ignorable: true }),
  topicId: uuid({ since: 10, ignorable: true }),
  partitionIndexes: array(partitionIndex()),
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
    partitionIndex: partitionIndex(),
    committedOffset: offset(),
    committedLeaderEpoch: leaderEpoch({ since: 5, default: -1, ignorable: true }),
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
      partitionIndex: partitionIndex(),
      committedOffset: offset(),
      committedLeaderEpoch: leaderEpoch({ default: -1, ignorable: true }),
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
