/**
 * PartitionChangeRecord: changes parts of a partition's state.
 *
 * Version 1: Adds Directories (KIP-858).
 * Version 2: Adds EligibleLeaderReplicas and LastKnownElr (KIP-966).
 */
import { message } from "../codec/message.ts";
import { array, brokerId, i8, type Infer, partitionIndex, uuid } from "../codec/schema.ts";

export const partitionChangeRecord = message(
  "PartitionChangeRecord",
  { versions: [0, 2], flexible: 0 },
  {
    partitionId: partitionIndex({ default: -1 }),
    topicId: uuid(),
    isr: array(brokerId(), { nullable: true, tag: 0, default: null }),
    leader: brokerId({ tag: 1, default: -2 }),
    replicas: array(brokerId(), { nullable: true, tag: 2, default: null }),
    removingReplicas: array(brokerId(), { nullable: true, tag: 3, default: null }),
    addingReplicas: array(brokerId(), { nullable: true, tag: 4, default: null }),
    leaderRecoveryState: i8({ tag: 5, default: -1 }),
    directories: array(uuid(), { since: 1, nullable: true, tag: 8, default: null }),
    eligibleLeaderReplicas: array(brokerId(), { since: 2, nullable: true, tag: 6, default: null }),
    lastKnownElr: array(brokerId(), { since: 2, nullable: true, tag: 7, default: null }),
  },
);
export type PartitionChangeRecord = Infer<typeof partitionChangeRecord>;
