/** UnfenceBrokerRecord: a broker was unfenced; older logs only, BrokerRegistrationChangeRecord replaces it. */
import { message } from "../codec/message.ts";
import { brokerEpoch, brokerId, type Infer } from "../codec/schema.ts";

export const unfenceBrokerRecord = message(
  "UnfenceBrokerRecord",
  { versions: [0, 0], flexible: 0 },
  {
    id: brokerId(),
    epoch: brokerEpoch(),
  },
);
export type UnfenceBrokerRecord = Infer<typeof unfenceBrokerRecord>;
