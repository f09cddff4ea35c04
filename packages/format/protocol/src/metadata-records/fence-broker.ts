/** FenceBrokerRecord: a broker was fenced; older logs only, BrokerRegistrationChangeRecord replaces it. */
import { message } from "../message.ts";
import { brokerEpoch, brokerId, type Infer } from "../schema.ts";

export const fenceBrokerRecord = message(
  "FenceBrokerRecord",
  { versions: [0, 0], flexible: 0 },
  {
    id: brokerId(),
    epoch: brokerEpoch(),
  },
);
export type FenceBrokerRecord = Infer<typeof fenceBrokerRecord>;
