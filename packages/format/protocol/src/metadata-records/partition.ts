/**
 * PartitionRecord: a partition was created, with its complete state.
 *
 * Version 1: Adds Directories (KIP-858).
 * Version 2: Adds EligibleLeaderReplicas and LastKnownElr (KIP-966).
 */
import { message } from "../codec/message.ts";
import { array, brokerId, i8, type Infer, leaderEpoch, partitionEpoch, partitionIndex, uuid } from "../codec/schema.ts";

export const partitionRecord = message(
  "PartitionRecord",
  { versions: [0, 2], flexible: 0 },
  {
    partitionId: partitionIndex({ default: -1 }),
    topicId: uuid(),
    replicas: array(brokerId()),
    isr: array(brokerId()),
    removingReplicas: array(brokerId()),
    addingReplicas: array(brokerId()),
    leader: brokerId({ default: -1 }),
    leaderRecoveryState: i8({ tag: 0, default: 0 }),
    leaderEpoch: leaderEpoch({ default: -1 }),
    partitionEpoch: partitionEpoch({ default: -1 }),
    directories: array(uuid(), { since: 1 }),
    eligibleLeaderReplicas: array(brokerId(), { since: 2, nullable: true, tag: 1, default: null }),
    lastKnownElr: array(brokerId(), { since: 2, nullable: true, tag: 2, default: null }),
  },
);
export type PartitionRecord = Infer<typeof partitionRecord>;
