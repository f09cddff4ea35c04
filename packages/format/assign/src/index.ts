import type { Assignor, AssignorName } from "./assignor.ts";
import { RANGE } from "./range.ts";
import { ROUND_ROBIN } from "./round-robin.ts";
import { COOPERATIVE_STICKY, STICKY } from "./sticky.ts";

export {
  type AssignableTopic,
  type Assignor,
  type AssignorInput,
  type AssignorName,
  type GroupAssignment,
  type LastAssignment,
  type SubscribedMember,
} from "./assignor.ts";
export {
  CONSUMER_PROTOCOL_TYPE,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type MemberAssignment,
  type Subscription,
} from "./consumer-protocol.ts";
export { type AssignedPartition } from "./partition.ts";

/** Assignors by name. */
export const ASSIGNORS: Readonly<Record<AssignorName, Assignor>> = {
  range: RANGE,
  roundrobin: ROUND_ROBIN,
  sticky: STICKY,
  "cooperative-sticky": COOPERATIVE_STICKY,
};
