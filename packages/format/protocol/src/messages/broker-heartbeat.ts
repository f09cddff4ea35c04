/**
 * BrokerHeartbeat: a broker reports to the controller that it is alive, and may ask to be fenced or shut down.
 *
 * Version 1: Adds OfflineLogDirs.
 * Version 2: Adds CordonedLogDirs.
 */
import { message } from "../codec/message.ts";
import { array, bool, brokerEpoch, brokerId, i16, i32, type Infer, offset, uuid } from "../codec/schema.ts";

export const brokerHeartbeatRequest = message(
  "BrokerHeartbeatRequest",
  { versions: [0, 2], flexible: 0 },
  {
    brokerId: brokerId(),
    brokerEpoch: brokerEpoch({ default: -1 }),
    currentMetadataOffset: offset(),
    wantFence: bool(),
    wantShutDown: bool(),
    offlineLogDirs: array(uuid(), { since: 1, tag: 0 }),
    cordonedLogDirs: array(uuid(), { since: 2, nullable: true, tag: 1, default: null }),
  },
);
export type BrokerHeartbeatRequest = Infer<typeof brokerHeartbeatRequest>;

export const brokerHeartbeatResponse = message(
  "BrokerHeartbeatResponse",
  { versions: [0, 2], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    isCaughtUp: bool({ default: false }),
    isFenced: bool({ default: true }),
    shouldShutDown: bool(),
  },
);
export type BrokerHeartbeatResponse = Infer<typeof brokerHeartbeatResponse>;
