/**
 * EndTxn: commits or aborts a transaction.
 *
 * Version 1: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 2: May return PRODUCER_FENCED.
 * Version 3: Flexible (KIP-482).
 * Version 4: May return TRANSACTION_ABORTABLE (KIP-890).
 * Version 5: Every transaction bumps the producer epoch; the response has the new producer id and epoch (KIP-890).
 */
import { message } from "../codec/message.ts";
import { bool, i16, i32, type Infer, producerEpoch, producerId, string } from "../codec/schema.ts";

export const endTxnRequest = message(
  "EndTxnRequest",
  { versions: [0, 5], flexible: 3 },
  {
    transactionalId: string(),
    producerId: producerId(),
    producerEpoch: producerEpoch(),
    committed: bool(),
  },
);
export type EndTxnRequest = Infer<typeof endTxnRequest>;

export const endTxnResponse = message(
  "EndTxnResponse",
  { versions: [0, 5], flexible: 3 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    producerId: producerId({ since: 5, default: -1n, ignorable: true }),
    producerEpoch: producerEpoch({ since: 5, default: -1, ignorable: true }),
  },
);
export type EndTxnResponse = Infer<typeof endTxnResponse>;
