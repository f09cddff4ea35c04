import { message } from "../message.ts";
import { i16, i32, type Infer, producerId, string } from "../schema.ts";

export const addOffsetsToTxnRequest = message(
  "AddOffsetsToTxnRequest",
  { versions: [0, 4], flexible: 3 },
  {
    transactionalId: string(),
    producerId: producerId(),
    producerEpoch: i16(),
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
