/** FenceBrokerRecord: a broker was fenced; older logs only, BrokerRegistrationChangeRecord replaces it. */
import { message } from "../message.ts";
import { i32, i64, type Infer } from "../schema.ts";

export const fenceBrokerRecord = message(
  "FenceBrokerRecord",
  { versions: [0, 0], flexible: 0 },
  {
    id: i32(),
    epoch: i64(),
  },
);
export type FenceBrokerRecord = Infer<typeof fenceBrokerRecord>;
