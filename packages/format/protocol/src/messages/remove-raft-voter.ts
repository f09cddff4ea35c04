/** RemoveRaftVoter: removes a voter from the KRaft quorum (KIP-853). */
import { message } from "../codec/message.ts";
import { brokerId, i16, i32, type Infer, string, uuid } from "../codec/schema.ts";

export const removeRaftVoterRequest = message(
  "RemoveRaftVoterRequest",
  { versions: [0, 0], flexible: 0 },
  {
    clusterId: string({ nullable: true }),
    voterId: brokerId(),
    voterDirectoryId: uuid(),
  },
);
export type RemoveRaftVoterRequest = Infer<typeof removeRaftVoterRequest>;

export const removeRaftVoterResponse = message(
  "RemoveRaftVoterResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true, ignorable: true }),
  },
);
export type RemoveRaftVoterResponse = Infer<typeof removeRaftVoterResponse>;
