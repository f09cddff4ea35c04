/**
 * BrokerRegistration: registers a broker process with the controller.
 *
 * Version 1: Adds IsMigratingZkBroker, for the migration from ZooKeeper.
 * Version 2: Adds LogDirs (KIP-858).
 * Version 3: Adds PreviousBrokerEpoch, the epoch before a clean shutdown (KIP-966).
 * Version 4: Allows supported features with minimum version 0 (KAFKA-17011).
 */
import { message } from "../codec/message.ts";
import { array, bool, brokerEpoch, brokerId, i16, i32, type Infer, string, u16, uuid } from "../codec/schema.ts";

export const brokerRegistrationRequest = message(
  "BrokerRegistrationRequest",
  { versions: [0, 4], flexible: 0 },
  {
    brokerId: brokerId(),
    clusterId: string(),
    incarnationId: uuid(),
    listeners: array({
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
    isMigratingZkBroker: bool({ since: 1, default: false }),
    logDirs: array(uuid(), { since: 2, ignorable: true }),
    previousBrokerEpoch: brokerEpoch({ since: 3, default: -1, ignorable: true }),
  },
);
export type BrokerRegistrationRequest = Infer<typeof brokerRegistrationRequest>;

export const brokerRegistrationResponse = message(
  "BrokerRegistrationResponse",
  { versions: [0, 4], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    brokerEpoch: brokerEpoch({ default: -1 }),
  },
);
export type BrokerRegistrationResponse = Infer<typeof brokerRegistrationResponse>;
