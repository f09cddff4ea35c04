/** FenceBrokerRecord: a broker was fenced; older logs only, BrokerRegistrationChangeRecord replaces it. */
import { message } from "../codec/message.ts";
import { brokerEpoch, brokerId, type Infer } from "../codec/schema.ts";

export const fenceBrokerRecord = message(
  "FenceBrokerRecord",
  { versions: [0, 0], flexible: 0 },
  {
    id: brokerId(),
    epoch: brokerEpoch(),
  },
);
export type FenceBrokerRecord = Infer<typeof fenceBrokerRecord>;
