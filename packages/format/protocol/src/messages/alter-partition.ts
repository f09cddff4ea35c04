/**
 * AlterPartition: a leader asks the controller to change the ISR of its partitions.
 *
 * Version 3: Sends the broker epochs of the ISR: NewIsrWithEpochs replaces NewIsr (KIP-903).
 */
import { message } from "../codec/message.ts";
import {
  array,
  brokerEpoch,
  brokerId,
  i16,
  i32,
  i8,
  type Infer,
  leaderEpoch,
  partitionEpoch,
  partitionIndex,
  uuid,
} from "../codec/schema.ts";

const brokerState = {
  brokerId: brokerId(),
  brokerEpoch: brokerEpoch({ default: -1 }),
};

export const alterPartitionRequest = message(
  "AlterPartitionRequest",
  { versions: [2, 3], flexible: 0 },
  {
    brokerId: brokerId(),
    brokerEpoch: brokerEpoch({ default: -1 }),
    topics: array({
      topicId: uuid({ ignorable: true }),
      partitions: array({
        partitionIndex: partitionIndex(),
        leaderEpoch: leaderEpoch(),
        newIsr: array(brokerId(), { until: 2 }),
        newIsrWithEpochs: array(brokerState, { since: 3 }),
        leaderRecoveryState: i8({ default: 0 }),
        partitionEpoch: partitionEpoch(),
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
        partitionIndex: partitionIndex(),
        errorCode: i16(),
        leaderId: brokerId(),
        leaderEpoch: leaderEpoch(),
        isr: array(brokerId()),
        leaderRecoveryState: i8({ default: 0, ignorable: true }),
        partitionEpoch: partitionEpoch(),
      }),
    }),
  },
);
export type AlterPartitionResponse = Infer<typeof alterPartitionResponse>;
