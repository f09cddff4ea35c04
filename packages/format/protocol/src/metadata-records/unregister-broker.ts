/** UnregisterBrokerRecord: the registration of a broker was removed. */
import { message } from "../codec/message.ts";
import { brokerEpoch, brokerId, type Infer } from "../codec/schema.ts";

export const unregisterBrokerRecord = message(
  "UnregisterBrokerRecord",
  { versions: [0, 0], flexible: 0 },
  {
    brokerId: brokerId(),
    brokerEpoch: brokerEpoch(),
  },
);
export type UnregisterBrokerRecord = Infer<typeof unregisterBrokerRecord>;
