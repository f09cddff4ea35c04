/**
 * WriteTxnMarkers: the transaction coordinator has commit or abort markers written to partitions.
 *
 * Version 2: Adds TransactionVersion (KIP-1228).
 */
import { message } from "../message.ts";
import { array, bool, i16, i32, i8, type Infer, producerId, string } from "../schema.ts";

export const writeTxnMarkersRequest = message(
  "WriteTxnMarkersRequest",
  { versions: [1, 2], flexible: 1 },
  {
    markers: array({
      producerId: producerId(),
      producerEpoch: i16(),
      transactionResult: bool(),
      topics: array({
        name: string(),
        partitionIndexes: array(i32()),
      }),
      coordinatorEpoch: i32(),
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
          partitionIndex: i32(),
          errorCode: i16(),
        }),
      }),
    }),
  },
);
export type WriteTxnMarkersResponse = Infer<typeof writeTxnMarkersResponse>;
