/** UpdateRaftVoter: a voter updates its endpoints and supported kraft.version range (KIP-853). */
import { message } from "../message.ts";
import { array, i16, i32, type Infer, string, struct, u16, uuid } from "../schema.ts";

export const updateRaftVoterRequest = message(
  "UpdateRaftVoterRequest",
  { versions: [0, 0], flexible: 0 },
  {
    clusterId: string({ nullable: true }),
    currentLeaderEpoch: i32(),
    voterId: i32(),
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
  leaderId: i32({ default: -1 }),
  leaderEpoch: i32({ default: -1 }),
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
