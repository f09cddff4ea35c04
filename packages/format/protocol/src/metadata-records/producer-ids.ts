/** ProducerIdsRecord: a broker was given a block of producer ids. */
import { message } from "../codec/message.ts";
import { brokerEpoch, brokerId, type Infer, producerId } from "../codec/schema.ts";

export const producerIdsRecord = message(
  "ProducerIdsRecord",
  { versions: [0, 0], flexible: 0 },
  {
    brokerId: brokerId(),
    brokerEpoch: brokerEpoch({ default: -1 }),
    nextProducerId: producerId(),
  },
);
export type ProducerIdsRecord = Infer<typeof producerIdsRecord>;
