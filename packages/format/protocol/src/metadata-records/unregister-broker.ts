/** UnregisterBrokerRecord: the registration of a broker was removed. */
import { message } from "../message.ts";
import { i32, i64, type Infer } from "../schema.ts";

export const unregisterBrokerRecord = message(
  "UnregisterBrokerRecord",
  { versions: [0, 0], flexible: 0 },
  {
    brokerId: i32(),
    brokerEpoch: i64(),
  },
);
export type UnregisterBrokerRecord = Infer<typeof unregisterBrokerRecord>;
