/**
 * LeaderChangeMessage: control record of the metadata log with a new leader and its voters.
 *
 * Version 1: Adds the directory ids of voters (KIP-853).
 */
import { message } from "../codec/message.ts";
import { array, brokerId, i16, type Infer, uuid } from "../codec/schema.ts";

const voter = {
  voterId: brokerId(),
  voterDirectoryId: uuid({ since: 1 }),
};

export const leaderChangeMessage = message(
  "LeaderChangeMessage",
  { versions: [0, 1], flexible: 0 },
  {
    version: i16(),
    leaderId: brokerId(),
    voters: array(voter),
    grantingVoters: array(voter),
  },
);
export type LeaderChangeMessage = Infer<typeof leaderChangeMessage>;
