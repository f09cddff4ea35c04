/**
 * GroupMetadata: generation, members and assignment of a classic group.
 *
 * Version 1: Adds the rebalance timeout of members.
 * Version 2: Adds the timestamp of the current state.
 * Version 3: Adds group.instance.id of members.
 * Version 4: Flexible (KIP-482).
 */
import { message } from "../codec/message.ts";
import { array, bytes, i32, i64, type Infer, string } from "../codec/schema.ts";

export const groupMetadataKey = message(
  "GroupMetadataKey",
  { versions: [0, 0] },
  {
    group: string(),
  },
);
export type GroupMetadataKey = Infer<typeof groupMetadataKey>;

export const groupMetadataValue = message(
  "GroupMetadataValue",
  { versions: [0, 4], flexible: 4 },
  {
    protocolType: string(),
    generation: i32(),
    protocol: string({ nullable: true }),
    leader: string({ nullable: true }),
    currentStateTimestamp: i64({ since: 2, default: -1, ignorable: true }),
    members: array({
      memberId: string(),
      groupInstanceId: string({ since: 3, nullable: true, default: null, ignorable: true }),
      clientId: string(),
      clientHost: string(),
      rebalanceTimeout: i32({ since: 1, default: -1, ignorable: true }),
      sessionTimeout: i32(),
      subscription: bytes(),
      assignment: bytes(),
    }),
  },
);
export type GroupMetadataValue = Infer<typeof groupMetadataValue>;
