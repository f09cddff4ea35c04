/**
 * PartitionRecord: a partition was created, with its complete state.
 *
 * Version 1: Adds Directories (KIP-858).
 * Version 2: Adds EligibleLeaderReplicas and LastKnownElr (KIP-966).
 */
import { message } from "../message.ts";
import { array, i32, i8, type Infer, uuid } from "../schema.ts";

export const partitionRecord = message(
  "PartitionRecord",
  { versions: [0, 2], flexible: 0 },
  {
    partitionId: i32({ default: -1 }),
    topicId: uuid(),
    replicas: array(i32()),
    isr: array(i32()),
    removingReplicas: array(i32()),
    addingReplicas: array(i32()),
    leader: i32({ default: -1 }),
    leaderRecoveryState: i8({ tag: 0, default: 0 }),
    leaderEpoch: i32({ default: -1 }),
    partitionEpoch: i32({ default: -1 }),
    directories: array(uuid(), { since: 1 }),
    eligibleLeaderReplicas: array(i32(), { since: 2, nullable: true, tag: 1, default: null }),
    lastKnownElr: array(i32(), { since: 2, nullable: true, tag: 2, default: null }),
  },
);
export type PartitionRecord = Infer<typeof partitionRecord>;
