/** AllocateProducerIds: a broker obtains a block of producer ids from the active controller. */
import { message } from "../codec/message.ts";
import { brokerEpoch, brokerId, i16, i32, type Infer, producerId } from "../codec/schema.ts";

export const allocateProducerIdsRequest = message(
  "AllocateProducerIdsRequest",
  { versions: [0, 0], flexible: 0 },
  {
    brokerId: brokerId(),
    brokerEpoch: brokerEpoch({ default: -1 }),
  },
);
export type AllocateProducerIdsRequest = Infer<typeof allocateProducerIdsRequest>;

export const allocateProducerIdsResponse = message(
  "AllocateProducerIdsResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    producerIdStart: producerId(),
    producerIdLen: i32(),
  },
);
export type AllocateProducerIdsResponse = Infer<typeof allocateProducerIdsResponse>;
