import { message } from "../message.ts";
import { array, i16, i32, i64, type Infer, records, string, struct, uuid } from "../schema.ts";

export const produceRequest = message(
  "ProduceRequest",
  { versions: [3, 13], flexible: 9 },
  {
    transactionalId: string({ nullable: true, default: null }),
    acks: i16(),
    timeoutMs: i32(),
    topicData: array({
      name: string({ until: 12, ignorable: true }),
      topicId: uuid({ since: 13, ignorable: true }),
      partitionData: array({
        index: i32(),
        records: records({ nullable: true }),
      }),
    }),
  },
);
export type ProduceRequest = Infer<typeof produceRequest>;

const batchIndexAndErrorMessage = {
  batchIndex: i32(),
  batchIndexErrorMessage: string({ nullable: true, default: null }),
};

const leaderIdAndEpoch = {
  leaderId: i32({ default: -1 }),
  leaderEpoch: i32({ default: -1 }),
};

const nodeEndpoint = {
  nodeId: i32(),
  host: string(),
  port: i32(),
  rack: string({ nullable: true, default: null }),
};

export const produceResponse = message(
  "ProduceResponse",
  { versions: [3, 13], flexible: 9 },
  {
    responses: array({
      name: string({ until: 12, ignorable: true }),
      topicId: uuid({ since: 13, ignorable: true }),
      partitionResponses: array({
        index: i32(),
        errorCode: i16(),
        baseOffset: i64(),
        logAppendTimeMs: i64({ default: -1, ignorable: true }),
        logStartOffset: i64({ since: 5, default: -1, ignorable: true }),
        recordErrors: array(batchIndexAndErrorMessage, { since: 8, ignorable: true }),
        errorMessage: string({ since: 8, nullable: true, default: null, ignorable: true }),
        currentLeader: struct(leaderIdAndEpoch, { since: 10, tag: 0 }),
      }),
    }),
    throttleTimeMs: i32({ default: 0, ignorable: true }),
    nodeEndpoints: array(nodeEndpoint, { since: 10, tag: 0 }),
  },
);
export type ProduceResponse = Infer<typeof produceResponse>;
