export {
  type EpochEnd,
  type FetchAnswer,
  type FetchPosition,
  type FollowerLog,
  FollowerReplica,
  type FollowerStep,
  type LeaderRange,
} from "./follower.ts";
export {
  type BrokerView,
  type FollowerFetch,
  type IsrAnswer,
  type IsrProposal,
  type LeaderReplica,
  type PartitionState,
  type Pulse,
} from "./leader.ts";
export { type Acks, type LeaderStart, Replica, type Settled } from "./replica.ts";
export type { Wait } from "./waits.ts";
