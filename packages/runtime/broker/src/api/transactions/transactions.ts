import type { PartitionIndex, ProducerEpoch, ProducerId } from "@samsa/base";
import type { ProducerReply, TxnPartitions } from "@samsa/coordinator";
import { type AddPartitionsToTxnRequest, Errors } from "@samsa/protocol";
import { partitionFor } from "../../coordinator/shards.ts";
import { INTERNAL_TOPICS, OFFSETS_TOPIC } from "../../config/internal-topics.ts";
import type { Handler, ItemOf, TopicHandler } from "../../request/handler.ts";
import type { TopicContext } from "../../request/request-topics.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "config" | "groups" | "transactions">;

/** First version whose clients know PRODUCER_FENCED, for all APIs of transactions except InitProducerId. */
const FENCED_VERSION = 2;
/** First version of AddPartitionsToTxn for brokers, with many transactions in one request (KIP-890). */
const BROKER_VERSION = 4;
/** First version of EndTxn whose clients take a new producer epoch from the response (KIP-890). */
const BUMPING_VERSION = 5;
/** Values of `transaction.version` for clients of newer and older versions. */
const NEW_CLIENT = 2;
const OLD_CLIENT = 0;

/** Maps PRODUCER_FENCED to INVALID_PRODUCER_EPOCH for clients below version `since`. */
export function fencedAs(errorCode: number, version: number, since: number): number {
  const isUnknown = errorCode === Errors.PRODUCER_FENCED.code && version < since;
  return isUnknown ? Errors.INVALID_PRODUCER_EPOCH.code : errorCode;
}

type TopicList = AddPartitionsToTxnRequest["v3AndBelowTopics"];

interface Addition {
  readonly transactionalId: string;
  readonly producerId: ProducerId;
  readonly producerEpoch: ProducerEpoch;
  readonly verifyOnly: boolean;
  readonly topics: TopicList;
}

type ErrorOf = (topic: string, index: PartitionIndex) => number;

function topicResults(topics: TopicList, errorOf: ErrorOf) {
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map(partitionIndex => ({
      partitionIndex,
      partitionErrorCode: errorOf(name, partitionIndex),
    })),
  }));
}

export const addPartitionsToTxn: TopicHandler<"AddPartitionsToTxn", Needs> = (parts, body, context, reply) => {
  const { version } = context;
  if (version < BROKER_VERSION) {
    const addition = {
      transactionalId: body.v3AndBelowTransactionalId,
      producerId: body.v3AndBelowProducerId,
      producerEpoch: body.v3AndBelowProducerEpoch,
      verifyOnly: false,
      topics: body.v3AndBelowTopics,
    };
    addPartitions(parts, addition, context, errorOf =>
      reply({ throttleTimeMs: 0, resultsByTopicV3AndBelow: topicResults(addition.topics, errorOf) }),
    );
    return;
  }
  const results: ItemOf<"AddPartitionsToTxn", "resultsByTransaction">[] = [];
  const answer = (): void => reply({ throttleTimeMs: 0, errorCode: 0, resultsByTransaction: results });
  if (body.transactions.length === 0) return answer();
  for (const addition of body.transactions) {
    const { transactionalId, topics } = addition;
    addPartitions(parts, addition, context, errorOf => {
      results.push({ transactionalId, topicResults: topicResults(topics, errorOf) });
      if (results.length === body.transactions.length) answer();
    });
  }
};

function addPartitions(
  parts: Needs,
  addition: Addition,
  { version, topics: known }: TopicContext,
  done: (errorOf: ErrorOf) => void,
): void {
  const { transactionalId, producerId, producerEpoch, topics } = addition;
  const isClient = version < BROKER_VERSION;
  const faultOf = (topic: string, index: PartitionIndex): number => {
    if (isClient && INTERNAL_TOPICS.has(topic)) return Errors.TOPIC_AUTHORIZATION_FAILED.code;
    const found = known.named(topic);
    if (typeof found === "number") return found;
    return found.partitions.has(index) ? 0 : Errors.UNKNOWN_TOPIC_OR_PARTITION.code;
  };
  if (topics.some(({ name, partitions }) => partitions.some(index => faultOf(name, index) !== 0))) {
    return done((topic, index) => faultOf(topic, index) || Errors.OPERATION_NOT_ATTEMPTED.code);
  }
  if (transactionalId === "") return done(() => Errors.INVALID_REQUEST.code);
  const runner = parts.transactions.of(transactionalId);
  if (typeof runner === "number") return done(() => runner);
  const producer = { id: producerId, epoch: producerEpoch };
  if (addition.verifyOnly) {
    return done((topic, index) => runner.shard.verify(transactionalId, producer, topic, index));
  }
  const partitions = new Map<string, Set<PartitionIndex>>();
  for (const topic of topics) {
    partitions.set(topic.name, new Set([...(partitions.get(topic.name) ?? []), ...topic.partitions]));
  }
  add(parts, { transactionalId, producer, partitions, clientVersion: isClient ? OLD_CLIENT : NEW_CLIENT }, errorCode =>
    done(() => fencedAs(errorCode, version, FENCED_VERSION)),
  );
}

interface Adding {
  readonly transactionalId: string;
  readonly producer: { readonly id: ProducerId; readonly epoch: ProducerEpoch };
  readonly partitions: TxnPartitions;
  readonly clientVersion: number;
}

function add(parts: Needs, adding: Adding, done: (errorCode: number) => void): void {
  const refused = parts.transactions.request<ProducerReply>({ type: "add", ...adding }, ({ errorCode }) =>
    done(errorCode),
  );
  if (refused !== 0) done(refused);
}

export const addOffsetsToTxn: Handler<"AddOffsetsToTxn", Needs> = (parts, body, { version }, reply) => {
  const { transactionalId, producerId, producerEpoch, groupId } = body;
  const answer = (errorCode: number): void =>
    reply({ throttleTimeMs: 0, errorCode: fencedAs(errorCode, version, FENCED_VERSION) });
  if (transactionalId === "") return answer(Errors.INVALID_REQUEST.code);
  const known = parts.groups.indexOf(groupId);
  const index = known < 0 ? partitionFor(groupId, parts.config["offsets.topic.num.partitions"]) : known;
  const partitions = new Map([[OFFSETS_TOPIC, new Set([index])]]);
  const producer = { id: producerId, epoch: producerEpoch };
  add(parts, { transactionalId, producer, partitions, clientVersion: OLD_CLIENT }, answer);
};

export const endTxn: Handler<"EndTxn", Needs> = (parts, body, { version }, reply) => {
  const { transactionalId, producerId, producerEpoch, committed: commit } = body;
  const answer = (errorCode: number): void =>
    reply({ throttleTimeMs: 0, errorCode, producerId: -1n, producerEpoch: -1 });
  if (transactionalId === "") return answer(Errors.INVALID_REQUEST.code);
  const clientVersion = version >= BUMPING_VERSION ? NEW_CLIENT : OLD_CLIENT;
  const producer = { id: producerId, epoch: producerEpoch };
  const refused = parts.transactions.request<ProducerReply>(
    { type: "end", transactionalId, producer, commit, clientVersion },
    ended => reply({ throttleTimeMs: 0, ...ended, errorCode: fencedAs(ended.errorCode, version, FENCED_VERSION) }),
  );
  if (refused !== 0) answer(refused);
};
