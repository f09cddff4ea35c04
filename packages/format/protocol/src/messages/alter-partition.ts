/**
 * AlterPartition: a leader asks the controller to change the ISR of its partitions.
 *
 * Version 3: Sends the broker epochs of the ISR: NewIsrWithEpochs replaces NewIsr (KIP-903).
 */
import { message } from "../message.ts";
import { array, i16, i32, i64, i8, type Infer, uuid } from "../schema.ts";

const brokerState = {
  brokerId: i32(),
  brokerEpoch: i64({ default: -1 }),
};

export const alterPartitionRequest = message(
  "AlterPartitionRequest",
  { versions: [2, 3], flexible: 0 },
  {
    brokerId: i32(),
    brokerEpoch: i64({ default: -1 }),
    topics: array({
      topicId: uuid({ ignorable: true }),
      partitions: array({
        partitionIndex: i32(),
        leaderEpoch: i32(),
        newIsr: array(i32(), { until: 2 }),
        newIsrWithEpochs: array(brokerState, { since: 3 }),
        leaderRecoveryState: i8({ default: 0 }),
        partitionEpoch: i32(),
      }),
    }),
  },
);
export type AlterPartitionRequest = Infer<typeof alterPartitionRequest>;

export const alterPartitionResponse = message(
  "AlterPartitionResponse",
  { versions: [2, 3], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    topics: array({
      topicId: uuid({ ignorable: true }),
      partitions: array({
        partitionIndex: i32(),
        errorCode: i16(),
        leaderId: i32(),
        leaderEpoch: i32(),
        isr: array(i32()),
        leaderRecoveryState: i8({ default: 0, ignorable: true }),
        partitionEpoch: i32(),
      }),
    }),
  },
);
export type AlterPartitionResponse = Infer<typeof alterPartitionResponse>;
