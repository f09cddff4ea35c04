/**
 * FindCoordinator: finds the coordinator of a group, transaction or share partition.
 *
 * Version 1: Adds the key type, throttle time and error messages.
 * Version 2: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 3: Flexible (KIP-482).
 * Version 4: Several keys in a request: CoordinatorKeys replaces Key, and Coordinators its result (KIP-699).
 * Version 5: May return TRANSACTION_ABORTABLE (KIP-890).
 * Version 6: Adds key type SHARE (KIP-932).
 */
import { message } from "../codec/message.ts";
import { array, brokerId, i16, i32, i8, type Infer, string } from "../codec/schema.ts";

export const findCoordinatorRequest = message(
  "FindCoordinatorRequest",
  { versions: [0, 6], flexible: 3 },
  {
    key: string({ until: 3 }),
    keyType: i8({ since: 1, default: 0 }),
    coordinatorKeys: array(string(), { since: 4 }),
  },
);
export type FindCoordinatorRequest = Infer<typeof findCoordinatorRequest>;

const coordinator = {
  key: string(),
  nodeId: brokerId(),
  host: string(),
  port: i32(),
  errorCode: i16(),
  errorMessage: string({ nullable: true, ignorable: true }),
};

export const findCoordinatorResponse = message(
  "FindCoordinatorResponse",
  { versions: [0, 6], flexible: 3 },
  {
    throttleTimeMs: i32({ since: 1, ignorable: true }),
    errorCode: i16({ until: 3 }),
    errorMessage: string({ since: 1, until: 3, nullable: true, ignorable: true }),
    nodeId: brokerId({ until: 3 }),
    host: string({ until: 3 }),
    port: i32({ until: 3 }),
    coordinators: array(coordinator, { since: 4 }),
  },
);
export type FindCoordinatorResponse = Infer<typeof findCoordinatorResponse>;
