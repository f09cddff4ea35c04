import { nearestNumber, type PartitionIndex, type Uuid } from "@samsa/base";
import type { AcknowledgementBatch } from "@samsa/coordinator";
import { Errors, type ProtocolError, type ShareAcknowledgeRequest } from "@samsa/protocol";
import type { RequestTopics } from "../../request/request-topics.ts";
import type { BrokerNode } from "../../metadata/broker-nodes.ts";
import type { BrokerParts } from "../parts.ts";
import type { Outcome } from "../../share/live-share-partition.ts";
import { sharePartitionId } from "../../share/share-sessions.ts";

/** Acknowledgements of a member, from ShareAcknowledge or piggybacked on ShareFetch. */
export interface Acknowledgements {
  readonly groupId: string;
  readonly memberId: string;
  readonly topics: ShareAcknowledgeRequest["topics"];
  /** True if the request renews locks; no other request may contain renewals (KIP-1222). */
  readonly isRenewAck: boolean;
  /** Highest acknowledge type that the request's version supports. */
  readonly highestType: number;
}

export interface AcknowledgedPartition extends Outcome {
  readonly topicId: Uuid;
  readonly index: PartitionIndex;
}

const REJECT = 3;
const RENEW = 4;
/** First version with renewal (KIP-1222). */
const RENEW_VERSION = 2;

export function highestType(version: number): number {
  return version >= RENEW_VERSION ? RENEW : REJECT;
}

const OK: Outcome = { errorCode: 0, errorMessage: null };

function refusal({ code, message }: ProtocolError): Outcome {
  return { errorCode: code, errorMessage: message };
}

/** True if the acknowledgement batches of a partition are invalid (`KafkaApis.validateAcknowledgementBatches`). */
function isMalformed(
  batches: readonly AcknowledgementBatch[],
  { highestType: highest, isRenewAck }: Acknowledgements,
): boolean {
  let end = -1;
  return batches.some(({ firstOffset, lastOffset, acknowledgeTypes: types }) => {
    const count = types.length;
    const fits = count === 1 || (count > 1 && lastOffset - firstOffset === count - 1);
    const known = types.every(type => type >= 0 && type <= highest && (type !== RENEW || isRenewAck));
    const isSound = firstOffset <= lastOffset && firstOffset >= end && fits && known;
    end = lastOffset;
    return !isSound;
  });
}

/** Applies acknowledgements; `done` gets the outcome of each partition once the new state is durable. */
export function acknowledgeAll(
  broker: Pick<BrokerParts, "shares">,
  topics: RequestTopics,
  said: Acknowledgements,
  done: (results: ReadonlyMap<string, AcknowledgedPartition>) => void,
): void {
  const results = new Map<string, AcknowledgedPartition>();
  const silent: AcknowledgedPartition[] = [];
  let begun = 0;
  let waiting = 1;
  const end = (): void => {
    if (--waiting > 0) return;
    // Partitions without acknowledgements are answered only along with others.
    if (begun > 0) for (const one of silent) results.set(sharePartitionId(one), one);
    done(results);
  };
  for (const { topicId, partitions } of said.topics) {
    const topic = topics.identified(topicId);
    for (const { partitionIndex: index, acknowledgementBatches } of partitions) {
      const partition = { topicId, index };
      // No partition has records from 2^53 on, so those offsets need not be told apart.
      const batches = acknowledgementBatches.map(({ firstOffset, lastOffset, acknowledgeTypes }) => ({
        firstOffset: nearestNumber(firstOffset),
        lastOffset: nearestNumber(lastOffset),
        acknowledgeTypes,
      }));
      const answer = (outcome: Outcome): void =>
        void results.set(sharePartitionId(partition), { ...partition, ...outcome });
      if (topic === Errors.UNKNOWN_TOPIC_ID.code) answer(refusal(Errors.UNKNOWN_TOPIC_ID));
      else if (isMalformed(batches, said)) answer(refusal(Errors.INVALID_REQUEST));
      else if (typeof topic === "number") answer(refusal(Errors.TOPIC_AUTHORIZATION_FAILED));
      else if (!topic.partitions.has(index)) answer(refusal(Errors.UNKNOWN_TOPIC_OR_PARTITION));
      else if (batches.length === 0) silent.push({ ...partition, ...OK });
      else {
        begun++;
        const live = broker.shares.find(said.groupId, partition);
        if (live === undefined) {
          answer(refusal(Errors.UNKNOWN_TOPIC_OR_PARTITION));
          continue;
        }
        waiting++;
        live.acknowledge(said.memberId, batches, outcome => {
          answer(outcome);
          end();
        });
      }
    }
  }
  end();
}

const LONGEST_MEMBER_ID = 36;

/** True for a valid member id (`KafkaApis.isMemberIdValid`). */
export function isMemberId(memberId: string | null): memberId is string {
  return memberId !== null && memberId !== "" && memberId.length <= LONGEST_MEMBER_ID;
}

/** True if a request has a group id and a member id. */
export function hasCaller<R extends { readonly groupId: string | null; readonly memberId: string | null }>(
  request: R,
): request is R & { readonly groupId: string; readonly memberId: string } {
  return request.groupId !== null && isMemberId(request.memberId);
}

/** Leader fields of a response if the leader is not sent. */
export const NO_LEADER = { leaderId: 0, leaderEpoch: 0 } as const;

/** Response to a request that fails as a whole: Kafka sends the error code without a message. */
export function refusedWhole({ code }: ProtocolError) {
  return { throttleTimeMs: 0, errorCode: code, errorMessage: null, responses: [], nodeEndpoints: [] };
}

/**
 * Endpoints of the brokers, for a client that has asked a broker that is not the leader; empty without such an error.
 */
export function leaderHints(
  broker: Pick<BrokerParts, "nodes">,
  listener: string,
  errorCodes: readonly number[],
): readonly BrokerNode[] {
  const lost = errorCodes.some(isLeadership);
  return lost ? broker.nodes(listener) : [];
}

/** True if an error code means that another broker leads. */
export function isLeadership(errorCode: number): boolean {
  return errorCode === Errors.NOT_LEADER_OR_FOLLOWER.code || errorCode === Errors.FENCED_LEADER_EPOCH.code;
}

/** Groups consecutive partitions of a topic into one entry. */
export function byTopicId<P>(partitions: Iterable<{ readonly topicId: Uuid; readonly answer: P }>) {
  const topics = new Map<Uuid, P[]>();
  for (const { topicId, answer } of partitions) {
    const known = topics.get(topicId);
    if (known === undefined) topics.set(topicId, [answer]);
    else known.push(answer);
  }
  return [...topics].map(([topicId, answers]) => ({ topicId, partitions: answers }));
}
