import { type Uuid, ZERO_UUID } from "@samsa/base";
import { type TopicImage, topicsByName } from "@samsa/metadata";
import { Errors, type MetadataRequest } from "@samsa/protocol";
import { INTERNAL_TOPICS } from "../../config/internal-topics.ts";
import { clusterOperations, NOT_ASKED } from "../../request/authorized-operations.ts";
import { anyOf } from "../../metadata/broker-nodes.ts";
import { partitionState, type PartitionView } from "./partition-state.ts";
import { absentTopicError } from "../../forwarding/auto-topic-creation.ts";
import type { TopicContext } from "../../request/request-topics.ts";
import type { TopicHandler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "autoTopics" | "clusterId" | "config" | "env" | "nodeId" | "nodes">;

const UNKNOWN = Errors.UNKNOWN_TOPIC_OR_PARTITION.code;
const UNAUTHORIZED = Errors.TOPIC_AUTHORIZATION_FAILED.code;
/** First version with a nullable topic name. */
const NULL_NAME_VERSION = 12;
/** First version with an error of its own for a leader without an endpoint on the listener. */
const LISTENER_ERROR_VERSION = 6;
/** First version in which null means all topics; below it an empty list does. */
const NULL_MEANS_ALL = 1;

/** Topics as the client may see them. */
interface View extends PartitionView {
  readonly version: number;
  /** True if the request asks for the authorized operations of topics. */
  readonly tellsOperations: boolean;
}

function operationsOn({ topics, tellsOperations }: View, name: string): number {
  return tellsOperations ? topics.operations(name) : NOT_ASKED;
}

function partitionsOf(view: View, topic: TopicImage) {
  return [...topic.partitions].map(([partitionIndex, partition]) => {
    const { state, leaderError } = partitionState(view, topic, partitionIndex, partition);
    const isNew = leaderError === Errors.LISTENER_NOT_FOUND.code && view.version < LISTENER_ERROR_VERSION;
    return { errorCode: isNew ? Errors.LEADER_NOT_AVAILABLE.code : leaderError, ...state };
  });
}

function shown(view: View, topic: TopicImage) {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.id,
    isInternal: INTERNAL_TOPICS.has(topic.name),
    partitions: partitionsOf(view, topic),
    topicAuthorizedOperations: operationsOn(view, topic.name),
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

/** Answers for the topics that a request names; `errors` are those of missing topics, by name. */
function topicAnswers(
  view: View,
  asked: NonNullable<MetadataRequest["topics"]>,
  version: number,
  errors: ReadonlyMap<string, number>,
) {
  // A topic that is named twice is answered once.
  const unique = new Map(asked.map(topic => [`${topic.topicId}/${topic.name}`, topic]));
  return [...unique.values()].map(({ name, topicId }) => {
    // The Java client sends an empty name instead of null when it asks by id.
    if (name === null || topicId !== ZERO_UUID) {
      const topic = view.topics.identified(topicId);
      const nothing = version < NULL_NAME_VERSION ? "" : null;
      return typeof topic === "number" ? missing(nothing, topicId, topic) : shown(view, topic);
    }
    const topic = view.topics.named(name);
    if (typeof topic !== "number") return shown(view, topic);
    // The client learns nothing else about a topic without permission.
    if (topic === UNAUTHORIZED) return { ...missing(name, ZERO_UUID, topic), isInternal: false };
    const errorCode = errors.get(name) ?? topic;
    const answer = missing(name, ZERO_UUID, errorCode);
    // Authorized operations are returned for missing topics too, unless they may not be created.
    return errorCode === UNAUTHORIZED ? answer : { ...answer, topicAuthorizedOperations: operationsOn(view, name) };
  });
}

/** Calls `done` with the errors of absent topics, after an attempt to create those that may be created. */
function ensure(
  { autoTopics }: Needs,
  context: TopicContext,
  absent: readonly string[],
  done: (errors: ReadonlyMap<string, number>) => void,
): void {
  const { access } = context;
  const mayCreateAll = access.showsCluster("CREATE");
  const creatable: string[] = [];
  const refused: [string, number][] = [];
  for (const name of new Set(absent)) {
    if (mayCreateAll || access.permits("CREATE", "TOPIC", name)) creatable.push(name);
    else refused.push([name, UNAUTHORIZED]);
  }
  if (creatable.length === 0) done(new Map(refused));
  else autoTopics.ensure(creatable, context, errors => done(new Map([...errors, ...refused])));
}

export const metadata: TopicHandler<"Metadata", Needs> = (parts, request, context, reply) => {
  const view = {
    nodeId: parts.nodeId,
    listener: context.listener,
    topics: context.topics,
    version: context.version,
    tellsOperations: request.includeTopicAuthorizedOperations,
  };
  // Names are ignored if the request contains any topic id.
  const byId = request.topics?.filter(({ topicId }) => topicId !== ZERO_UUID) ?? [];
  const topics = byId.length > 0 ? byId : request.topics;
  const all = topics === null || (context.version < NULL_MEANS_ALL && topics.length === 0);
  const answer = (errors: ReadonlyMap<string, number>): void => {
    const brokers = parts.nodes(context.listener);
    reply({
      throttleTimeMs: 0,
      brokers,
      clusterId: parts.clusterId,
      controllerId: anyOf(brokers, parts.env.random),
      topics: all
        ? topicsByName(view.topics.image).flatMap(topic => (view.topics.shows(topic.name) ? [shown(view, topic)] : []))
        : topicAnswers(view, topics ?? [], context.version, errors),
      clusterAuthorizedOperations: clusterOperations(context, request.includeClusterAuthorizedOperations),
    });
  };
  const named = all || byId.length > 0 ? [] : (topics ?? []);
  const absent = named.flatMap(({ name }) => (name !== null && view.topics.named(name) === UNKNOWN ? [name] : []));
  if (absent.length === 0) return answer(new Map());
  const creates = request.allowAutoTopicCreation && parts.config["auto.create.topics.enable"];
  if (creates) ensure(parts, context, absent, answer);
  else answer(new Map(absent.map(name => [name, absentTopicError(name)])));
};
