import { Errors, type TxnOffsetCommitRequest } from "@samsa/protocol";
import { commitFault } from "./consumer/consumer-groups.ts";
import type { Membership } from "./classic/membership.ts";
import type { AnyGroup } from "./offsets.ts";

/** First version of TxnOffsetCommit with GROUP_ID_NOT_FOUND and STALE_MEMBER_EPOCH (KIP-1319). */
const EPOCHS_VERSION = 6;

type Topics = TxnOffsetCommitRequest["topics"];

/** TxnOffsetCommit response with the same error code for every partition. */
export function txnCommitError(topics: Topics, errorCode: number) {
  return {
    topics: topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  };
}

/** Checks that a transaction may commit offsets to the group: 0 or an error code. A missing group may be created. */
export function txnCommitFault(
  membership: Membership,
  group: AnyGroup | undefined,
  request: TxnOffsetCommitRequest,
  version: number,
): number {
  const { memberId, groupInstanceId, generationIdOrMemberEpoch: generation } = request;
  if (group === undefined) {
    if (generation < 0) return 0;
    return (version >= EPOCHS_VERSION ? Errors.GROUP_ID_NOT_FOUND : Errors.ILLEGAL_GENERATION).code;
  }
  if (generation < 0 && group.state === "Empty") return 0;
  // Old producers send no member id and no generation.
  if (generation < 0 && memberId === "" && groupInstanceId === null) return 0;
  if (group.type === "consumer") {
    const partitions = request.topics.flatMap(({ topicId, partitions: of }) =>
      of.map(({ partitionIndex }) => [topicId, partitionIndex] as const),
    );
    // Every version of TxnOffsetCommit knows member epochs; some of OffsetCommit do not.
    const fault = commitFault(group, { memberId, epoch: generation, version: Infinity }, partitions);
    const isStale = fault === Errors.STALE_MEMBER_EPOCH.code;
    return isStale && version < EPOCHS_VERSION ? Errors.ILLEGAL_GENERATION.code : fault;
  }
  const error = membership.validate(group, memberId, groupInstanceId);
  if (error !== 0) return error;
  return generation === group.generation ? 0 : Errors.ILLEGAL_GENERATION.code;
}
