/** ProducerIdsRecord: a broker was given a block of producer ids. */
import { message } from "../message.ts";
import { i32, i64, type Infer, producerId } from "../schema.ts";

export const producerIdsRecord = message(
  "ProducerIdsRecord",
  { versions: [0, 0], flexible: 0 },
  {
    brokerId: i32(),
    brokerEpoch: i64({ default: -1 }),
    nextProducerId: producerId(),
  },
);
export type ProducerIdsRecord = Infer<typeof producerIdsRecord>;
