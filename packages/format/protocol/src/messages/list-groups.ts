/**
 * ListGroups: lists the groups of a coordinator.
 *
 * Version 1: Adds the throttle time.
 * Version 2: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 3: Flexible (KIP-482).
 * Version 4: Adds StatesFilter and GroupState (KIP-518).
 * Version 5: Adds TypesFilter and GroupType (KIP-848).
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, type Infer, string } from "../codec/schema.ts";

export const listGroupsRequest = message(
  "ListGroupsRequest",
  { versions: [0, 5], flexible: 3 },
  {
    statesFilter: array(string(), { since: 4 }),
    typesFilter: array(string(), { since: 5 }),
  },
);
export type ListGroupsRequest = Infer<typeof listGroupsRequest>;

export const listGroupsResponse = message(
  "ListGroupsResponse",
  { versions: [0, 5], flexible: 3 },
  {
    throttleTimeMs: i32({ since: 1, ignorable: true }),
    errorCode: i16(),
    groups: array({
      groupId: string(),
      protocolType: string(),
      groupState: string({ since: 4, ignorable: true }),
      groupType: string({ since: 5, ignorable: true }),
    }),
  },
);
export type ListGroupsResponse = Infer<typeof listGroupsResponse>;
