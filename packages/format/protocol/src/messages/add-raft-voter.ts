/**
 * AddRaftVoter: adds a voter to the KRaft quorum (KIP-853).
 *
 * Version 1: Adds AckWhenCommitted; if false, the leader answers before the new voter set is committed.
 */
import { message } from "../codec/message.ts";
import { array, bool, brokerId, i16, i32, type Infer, string, u16, uuid } from "../codec/schema.ts";

export const addRaftVoterRequest = message(
  "AddRaftVoterRequest",
  { versions: [0, 1], flexible: 0 },
  {
    clusterId: string({ nullable: true }),
    timeoutMs: i32(),
    voterId: brokerId(),
    voterDirectoryId: uuid(),
    listeners: array({
      name: string(),
      host: string(),
      port: u16(),
    }),
    ackWhenCommitted: bool({ since: 1, default: true }),
  },
);
export type AddRaftVoterRequest = Infer<typeof addRaftVoterRequest>;

export const addRaftVoterResponse = message(
  "AddRaftVoterResponse",
  { versions: [0, 1], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true, ignorable: true }),
  },
);
export type AddRaftVoterResponse = Infer<typeof addRaftVoterResponse>;
