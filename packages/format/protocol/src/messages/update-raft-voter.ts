/** UpdateRaftVoter: a voter updates its endpoints and supported kraft.version range (KIP-853). */
import { message } from "../codec/message.ts";
import { array, brokerId, i16, i32, type Infer, leaderEpoch, string, struct, u16, uuid } from "../codec/schema.ts";

export const updateRaftVoterRequest = message(
  "UpdateRaftVoterRequest",
  { versions: [0, 0], flexible: 0 },
  {
    clusterId: string({ nullable: true }),
    currentLeaderEpoch: leaderEpoch(),
    voterId: brokerId(),
    voterDirectoryId: uuid(),
    listeners: array({
      name: string(),
      host: string(),
      port: u16(),
    }),
    kRaftVersionFeature: struct({
      minSupportedVersion: i16(),
      maxSupportedVersion: i16(),
    }),
  },
);
export type UpdateRaftVoterRequest = Infer<typeof updateRaftVoterRequest>;

const currentLeader = {
  leaderId: brokerId({ default: -1 }),
  leaderEpoch: leaderEpoch({ default: -1 }),
  host: string(),
  port: i32(),
};

export const updateRaftVoterResponse = message(
  "UpdateRaftVoterResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    currentLeader: struct(currentLeader, { tag: 0 }),
  },
);
export type UpdateRaftVoterResponse = Infer<typeof updateRaftVoterResponse>;
