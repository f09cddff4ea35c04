/**
 * AddOffsetsToTxn: adds the partition of __consumer_offsets with a group's offsets to a transaction.
 *
 * Version 1: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 2: May return PRODUCER_FENCED.
 * Version 3: Flexible (KIP-482).
 * Version 4: May return TRANSACTION_ABORTABLE (KIP-890).
 */
import { message } from "../codec/message.ts";
import { i16, i32, type Infer, producerEpoch, producerId, string } from "../codec/schema.ts";

export const addOffsetsToTxnRequest = message(
  "AddOffsetsToTxnRequest",
  { versions: [0, 4], flexible: 3 },
  {
    transactionalId: string(),
    producerId: producerId(),
    producerEpoch: producerEpoch(),
    groupId: string(),
  },
);
export type AddOffsetsToTxnRequest = Infer<typeof addOffsetsToTxnRequest>;

export const addOffsetsToTxnResponse = message(
  "AddOffsetsToTxnResponse",
  { versions: [0, 4], flexible: 3 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
  },
);
export type AddOffsetsToTxnResponse = Infer<typeof addOffsetsToTxnResponse>;
