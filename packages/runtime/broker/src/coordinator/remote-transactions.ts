import type { BrokerId, PartitionIndex } from "@samsa/base";
import type { MarkerRequest, TxnPartitions } from "@samsa/coordinator";
import { type AddPartitionsToTxnRequest, Errors } from "@samsa/protocol";
import { WireError } from "@samsa/wire";
import type { BrokerPeers } from "../peers/broker-peers.ts";
import type { Admission } from "./admission.ts";

type ErrorOf = (topic: string, index: PartitionIndex) => number;

function topicsOf(partitions: TxnPartitions): AddPartitionsToTxnRequest["v3AndBelowTopics"] {
  return [...partitions].map(([name, indexes]) => ({ name, partitions: [...indexes] }));
}

/** Has the coordinator on another broker verify or add partitions; resolves with the errors by partition. */
export async function admitRemotely(
  peers: BrokerPeers,
  coordinator: BrokerId,
  { transactionalId, producer, partitions, ability }: Admission,
): Promise<ErrorOf> {
  const transaction = {
    transactionalId,
    producerId: producer.id,
    producerEpoch: producer.epoch,
    verifyOnly: !ability.addsByWriting,
    topics: topicsOf(partitions),
  };
  try {
    const response = await peers.call(coordinator, "AddPartitionsToTxn", { transactions: [transaction] });
    if (response.errorCode !== 0) return () => topLevelError(response.errorCode);
    const errors = new Map<string, number>();
    for (const { topicResults } of response.resultsByTransaction) {
      for (const { name, resultsByPartition } of topicResults) {
        for (const { partitionIndex, partitionErrorCode } of resultsByPartition) {
          errors.set(`${name}-${partitionIndex}`, partitionErrorCode);
        }
      }
    }
    return (topic, index) => errors.get(`${topic}-${index}`) ?? Errors.UNKNOWN_SERVER_ERROR.code;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return () => Errors.NETWORK_EXCEPTION.code;
  }
}

/** A client does not know the errors of brokers among themselves (`AddPartitionsToTxnManager`). */
function topLevelError(errorCode: number): number {
  return errorCode === Errors.CLUSTER_AUTHORIZATION_FAILED.code ? Errors.INVALID_TXN_STATE.code : errorCode;
}

/**
 * Has another broker write a transaction marker into partitions that it leads; resolves with the errors by partition. A
 * broker that cannot be reached answers NETWORK_EXCEPTION for each.
 */
export async function markRemotely(
  peers: BrokerPeers,
  leader: BrokerId,
  { transactionVersion, commit: transactionResult, ...producer }: MarkerRequest & { readonly coordinatorEpoch: number },
  partitions: TxnPartitions,
): Promise<ErrorOf> {
  const topics = [...partitions].map(([name, indexes]) => ({ name, partitionIndexes: [...indexes] }));
  try {
    const marker = { ...producer, transactionResult, transactionVersion, topics };
    const response = await peers.call(leader, "WriteTxnMarkers", { markers: [marker] });
    const errors = new Map<string, number>();
    for (const { topics: marked } of response.markers) {
      for (const { name, partitions: outcomes } of marked) {
        for (const { partitionIndex, errorCode } of outcomes) errors.set(`${name}-${partitionIndex}`, errorCode);
      }
    }
    return (topic, index) => errors.get(`${topic}-${index}`) ?? Errors.UNKNOWN_SERVER_ERROR.code;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return () => Errors.NETWORK_EXCEPTION.code;
  }
}
