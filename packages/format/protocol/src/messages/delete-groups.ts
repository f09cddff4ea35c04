/**
 * DeleteGroups: deletes empty groups.
 *
 * Version 1: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 2: Flexible (KIP-482).
 * Version 3: Adds an error message for each group.
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, type Infer, string } from "../codec/schema.ts";

export const deleteGroupsRequest = message(
  "DeleteGroupsRequest",
  { versions: [0, 3], flexible: 2 },
  {
    groupsNames: array(string()),
  },
);
export type DeleteGroupsRequest = Infer<typeof deleteGroupsRequest>;

export const deleteGroupsResponse = message(
  "DeleteGroupsResponse",
  { versions: [0, 3], flexible: 2 },
  {
    throttleTimeMs: i32(),
    results: array({
      groupId: string(),
      errorCode: i16(),
      errorMessage: string({ since: 3, nullable: true, default: null, ignorable: true }),
    }),
  },
);
export type DeleteGroupsResponse = Infer<typeof deleteGroupsResponse>;
