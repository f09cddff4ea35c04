/**
 * QuorumStateData: leader, epoch and vote of a replica of the metadata log, in the file `quorum-state`.
 *
 * Version 1: Adds VotedDirectoryId; removes the cluster id, the applied offset and the voters (KIP-853).
 */
import { message } from "../codec/message.ts";
import { array, brokerId, type Infer, leaderEpoch, offset, string, uuid } from "../codec/schema.ts";

const voter = {
  voterId: brokerId(),
};

export const quorumStateData = message(
  "QuorumStateData",
  { versions: [0, 1], flexible: 0 },
  {
    clusterId: string({ until: 0 }),
    leaderId: brokerId({ default: -1 }),
    leaderEpoch: leaderEpoch({ default: -1 }),
    votedId: brokerId({ default: -1 }),
    votedDirectoryId: uuid({ since: 1 }),
    appliedOffset: offset({ until: 0 }),
    currentVoters: array(voter, { until: 0, nullable: true }),
  },
);
export type QuorumStateData = Infer<typeof quorumStateData>;
