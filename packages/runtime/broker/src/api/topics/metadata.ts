import { type Uuid, ZERO_UUID } from "@samsa/base";
import { type MetadataImage, type TopicImage, topicsByName } from "@samsa/metadata";
import { Errors, type MetadataRequest } from "@samsa/protocol";
import { INTERNAL_TOPICS } from "../../replica/topics.ts";
import { ALLOWED, NOT_ASKED, partitionState } from "./partition-state.ts";
import { absentTopicError } from "../../forwarding/auto-topic-creation.ts";
import type { Handler } from "../../handler.ts";
import type { BrokerParts } from "../../parts.ts";

type Needs = Pick<BrokerParts, "autoTopics" | "clusterId" | "config" | "nodeId" | "nodes" | "topics">;

/** First version with a nullable topic name. */
const NULL_NAME_VERSION = 12;
/** First version in which null means all topics; below it an empty list does. */
const NULL_MEANS_ALL = 1;

function partitionsOf(parts: Needs, topic: TopicImage) {
  return [...topic.partitions].map(([partitionIndex, partition]) => {
    const state = partitionState(parts, topic, partitionIndex, partition);
    return { errorCode: state.leaderId < 0 ? Errors.LEADER_NOT_AVAILABLE.code : 0, ...state };
  });
}

function shown(parts: Needs, topic: TopicImage, topicAuthorizedOperations: number) {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.id,
    isInternal: INTERNAL_TOPICS.has(topic.name),
    partitions: partitionsOf(parts, topic),
    topicAuthorizedOperations,
  };
}

function missing(name: string | null, topicId: Uuid, errorCode: number) {
  return {
    errorCode,
    name,
    topicId,
    isInternal: name !== null && INTERNAL_TOPICS.has(name),
    partitions: [],
  };
}

interface Asked {
  readonly topics: NonNullable<MetadataRequest["topics"]>;
  readonly version: number;
  readonly operations: number;
}

function topicAnswers(
  parts: Needs,
  image: MetadataImage,
  { topics: asked, version, operations }: Asked,
  errors: ReadonlyMap<string, number>,
) {
  // A topic that is named twice is answered once.
  const unique = new Map(asked.map(topic => [`${topic.topicId}/${topic.name}`, topic]));
  return [...unique.values()].map(({ name, topicId }) => {
    // The Java client sends an empty name instead of null when it asks by id.
    if (name === null || topicId !== ZERO_UUID) {
      const topic = image.topics.get(topicId);
      const nothing = version < NULL_NAME_VERSION ? "" : null;
      if (topic !== undefined) return shown(parts, topic, operations);
      return missing(nothing, topicId, Errors.UNKNOWN_TOPIC_ID.code);
    }
    const topic = parts.topics.topic(name);
    if (topic !== undefined) return shown(parts, topic, operations);
    const errorCode = errors.get(name) ?? Errors.UNKNOWN_TOPIC_OR_PARTITION.code;
    // Authorized operations are returned for missing topics too.
    return { ...missing(name, ZERO_UUID, errorCode), topicAuthorizedOperations: operations };
  });
}

export const metadata: Handler<"Metadata", Needs> = (parts, request, context, reply) => {
  // Names are ignored if the request contains any topic id.
  const byId = request.topics?.filter(({ topicId }) => topicId !== ZERO_UUID) ?? [];
  const topics = byId.length > 0 ? byId : request.topics;
  const all = topics === null || (context.version < NULL_MEANS_ALL && topics.length === 0);
  const answer = (errors: ReadonlyMap<string, number>): void => {
    const { image } = parts.topics;
    const operations = request.includeTopicAuthorizedOperations ? ALLOWED.topic : NOT_ASKED;
    reply({
      throttleTimeMs: 0,
      brokers: parts.nodes(context.listener),
      clusterId: parts.clusterId,
      controllerId: parts.nodeId,
      topics: all
        ? topicsByName(image).map(topic => shown(parts, topic, operations))
        : topicAnswers(parts, image, { topics: topics ?? [], version: context.version, operations }, errors),
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? ALLOWED.cluster : NOT_ASKED,
    });
  };
  const named = all || byId.length > 0 ? [] : (topics ?? []);
  const absent = named.flatMap(({ name }) => (name !== null && parts.topics.idOf(name) === undefined ? [name] : []));
  if (absent.length === 0) return answer(new Map());
  const creates = request.allowAutoTopicCreation && parts.config["auto.create.topics.enable"];
  if (creates) parts.autoTopics.ensure(absent, context, answer);
  else answer(new Map(absent.map(name => [name, absentTopicError(name)])));
};
