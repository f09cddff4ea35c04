/**
 * WriteTxnMarkers: the transaction coordinator has commit or abort markers written to partitions.
 *
 * Version 2: Adds TransactionVersion (KIP-1228).
 */
import { message } from "../codec/message.ts";
import {
  array,
  bool,
  i16,
  i8,
  type Infer,
  leaderEpoch,
  partitionIndex,
  producerEpoch,
  producerId,
  string,
} from "../codec/schema.ts";

export const writeTxnMarkersRequest = message(
  "WriteTxnMarkersRequest",
  { versions: [1, 2], flexible: 1 },
  {
    markers: array({
      producerId: producerId(),
      producerEpoch: producerEpoch(),
      transactionResult: bool(),
      topics: array({
        name: string(),
        partitionIndexes: array(partitionIndex()),
      }),
      coordinatorEpoch: leaderEpoch(),
      transactionVersion: i8({ since: 2, default: 0, ignorable: true }),
    }),
  },
);
export type WriteTxnMarkersRequest = Infer<typeof writeTxnMarkersRequest>;

export const writeTxnMarkersResponse = message(
  "WriteTxnMarkersResponse",
  { versions: [1, 2], flexible: 1 },
  {
    markers: array({
      producerId: producerId(),
      topics: array({
        name: string(),
        partitions: array({
          partitionIndex: partitionIndex(),
          errorCode: i16(),
        }),
      }),
    }),
  },
);
export type WriteTxnMarkersResponse = Infer<typeof writeTxnMarkersResponse>;
