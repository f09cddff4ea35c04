import { Errors, type TxnOffsetCommitRequest } from "@samsa/protocol";
import type { Group } from "../group/group.ts";

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
export function txnCommitFault(group: Group | undefined, request: TxnOffsetCommitRequest, version: number): number {
  const { generationIdOrMemberEpoch: generation } = request;
  const knowsEpochs = version >= EPOCHS_VERSION;
  if (group === undefined) {
    if (generation < 0) return 0;
    return (knowsEpochs ? Errors.GROUP_ID_NOT_FOUND : Errors.ILLEGAL_GENERATION).code;
  }
  const fault = group.validateOffsetCommit({ ...request, generation, isTransactional: true, version });
  return fault === Errors.STALE_MEMBER_EPOCH.code && !knowsEpochs ? Errors.ILLEGAL_GENERATION.code : fault;
}
