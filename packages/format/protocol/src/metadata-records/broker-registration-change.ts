/**
 * BrokerRegistrationChangeRecord: changes parts of a broker's registration.
 *
 * Version 1: Adds InControlledShutdown.
 * Version 2: Adds LogDirs.
 * Version 3: Adds CordonedLogDirs.
 */
import { message } from "../codec/message.ts";
import { array, brokerEpoch, brokerId, i8, type Infer, uuid } from "../codec/schema.ts";

export const brokerRegistrationChangeRecord = message(
  "BrokerRegistrationChangeRecord",
  { versions: [0, 3], flexible: 0 },
  {
    brokerId: brokerId(),
    brokerEpoch: brokerEpoch(),
    fenced: i8({ tag: 0 }),
    inControlledShutdown: i8({ since: 1, tag: 1 }),
    logDirs: array(uuid(), { since: 2, tag: 2 }),
    cordonedLogDirs: array(uuid(), { since: 3, nullable: true, tag: 3, default: null }),
  },
);
export type BrokerRegistrationChangeRecord = Infer<typeof brokerRegistrationChangeRecord>;
