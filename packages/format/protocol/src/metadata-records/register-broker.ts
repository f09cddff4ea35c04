/**
 * RegisterBrokerRecord: a broker process was registered.
 *
 * Version 1: Adds InControlledShutdown.
 * Version 2: Adds IsMigratingZkBroker.
 * Version 3: Adds LogDirs.
 * Version 4: Adds CordonedLogDirs.
 */
import { message } from "../codec/message.ts";
import { array, bool, brokerEpoch, brokerId, i16, type Infer, string, u16, uuid } from "../codec/schema.ts";

export const registerBrokerRecord = message(
  "RegisterBrokerRecord",
  { versions: [0, 4], flexible: 0 },
  {
    brokerId: brokerId(),
    isMigratingZkBroker: bool({ since: 2, default: false }),
    incarnationId: uuid(),
    brokerEpoch: brokerEpoch(),
    endPoints: array({
      name: string(),
      host: string(),
      port: u16(),
      securityProtocol: i16(),
    }),
    features: array({
      name: string(),
      minSupportedVersion: i16(),
      maxSupportedVersion: i16(),
    }),
    rack: string({ nullable: true }),
    fenced: bool({ default: true }),
    inControlledShutdown: bool({ since: 1, default: false }),
    logDirs: array(uuid(), { since: 3, tag: 0 }),
    cordonedLogDirs: array(uuid(), { since: 4, nullable: true, tag: 1, default: null }),
  },
);
export type RegisterBrokerRecord = Infer<typeof registerBrokerRecord>;
