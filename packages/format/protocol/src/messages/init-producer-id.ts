/**
 * InitProducerId: obtains a producer id and epoch, and aborts an open transaction of the transactional id.
 *
 * Version 1: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 2: Flexible (KIP-482).
 * Version 3: Adds ProducerId and ProducerEpoch to the request, to resume after INVALID_PRODUCER_EPOCH.
 * Version 4: May return PRODUCER_FENCED.
 * Version 5: May return TRANSACTION_ABORTABLE (KIP-890).
 * Version 6: Adds two-phase commit (KIP-939). Kafka marks this version unstable.
 */
import { message } from "../codec/message.ts";
import { bool, i16, i32, type Infer, producerEpoch, producerId, string } from "../codec/schema.ts";

export const initProducerIdRequest = message(
  "InitProducerIdRequest",
  { versions: [0, 6], flexible: 2 },
  {
    transactionalId: string({ nullable: true }),
    transactionTimeoutMs: i32(),
    producerId: producerId({ since: 3, default: -1n }),
    producerEpoch: producerEpoch({ since: 3, default: -1 }),
    enable2Pc: bool({ since: 6, default: false }),
    keepPreparedTxn: bool({ since: 6, default: false }),
  },
);
export type InitProducerIdRequest = Infer<typeof initProducerIdRequest>;

export const initProducerIdResponse = message(
  "InitProducerIdResponse",
  { versions: [0, 6], flexible: 2 },
  {
    throttleTimeMs: i32({ ignorable: true }),
    errorCode: i16(),
    producerId: producerId({ default: -1n }),
    producerEpoch: producerEpoch(),
    ongoingTxnProducerId: producerId({ since: 6, default: -1n }),
    ongoingTxnProducerEpoch: producerEpoch({ since: 6, default: -1 }),
  },
);
export type InitProducerIdResponse = Infer<typeof initProducerIdResponse>;
