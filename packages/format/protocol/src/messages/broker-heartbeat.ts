/**
 * BrokerHeartbeat: a broker reports to the controller that it is alive, and may ask to be fenced or shut down.
 *
 * Version 1: Adds OfflineLogDirs.
 * Version 2: Adds CordonedLogDirs.
 */
import { message } from "../message.ts";
import { array, bool, i16, i32, i64, type Infer, uuid } from "../schema.ts";

export const brokerHeartbeatRequest = message(
  "BrokerHeartbeatRequest",
  { versions: [0, 2], flexible: 0 },
  {
    brokerId: i32(),
    brokerEpoch: i64({ default: -1 }),
    currentMetadataOffset: i64(),
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
