import type { LeaderEpoch, PartitionIndex, Uuid } from "@samsa/base";
import { type MetadataImage, type TopicImage, topicNamed } from "@samsa/metadata";
import { Errors } from "@samsa/protocol";
import type { Partition } from "../replica/partition.ts";
import type { Topics } from "../replica/topics.ts";
import type { OperationOn } from "@samsa/security";
import type { Access } from "./access.ts";
import type { RequestContext } from "./request-context.ts";

/** Column of an API that names topics: how it names them, and what its clients need permission for. */
export interface TopicAccess {
  /** Operation on each topic; null: a permission on the cluster covers all topics. */
  readonly operation: OperationOn<"TOPIC"> | null;
  /** First version that names topics by id (KIP-516); default: none. */
  readonly idsSince?: number;
  /** Last version that clients send. Brokers send later ones, and may use any topic. */
  readonly clientsUntil?: number;
  /** Operation on the cluster that covers all topics, too. */
  readonly unless?: OperationOn<"CLUSTER">;
}

/** Context of a request that names topics. */
export interface TopicContext extends RequestContext {
  readonly topics: RequestTopics;
}

const UNAUTHORIZED = Errors.TOPIC_AUTHORIZATION_FAILED.code;

/**
 * Topics as one request may use them. The look-ups return the topic or partition, or the error code that Kafka answers
 * for it. A topic without permission is refused before anything else is said about it, so that its existence stays
 * secret; an unknown topic id is no secret. Look-ups read the current metadata, also after a wait.
 */
export class RequestTopics {
  /** True if the request's version names topics by id. */
  readonly byId: boolean;
  readonly #topics: Topics;
  readonly #client: Access;
  readonly #needs: TopicAccess;
  readonly #version: number;
  /** True if the client may use all topics; undefined until the first look-up. */
  #mayUseAll: boolean | undefined;
  /** Answers of the authorizer, by the name of the topic; undefined until the first. */
  #answers: Map<string, boolean> | undefined;

  constructor(topics: Topics, client: Access, needs: TopicAccess, version: number) {
    this.#topics = topics;
    this.#client = client;
    this.#needs = needs;
    this.#version = version;
    this.byId = version >= (needs.idsSince ?? Infinity);
  }

  get image(): MetadataImage {
    return this.#topics.image;
  }

  /** Operation that each topic needs permission for; null: none. */
  #operation(): TopicAccess["operation"] {
    const { operation, clientsUntil = Infinity, unless } = this.#needs;
    this.#mayUseAll ??=
      this.#version > clientsUntil ||
      this.#client.isFree ||
      (unless !== undefined && this.#client.showsCluster(unless));
    return this.#mayUseAll ? null : operation;
  }

  /** True if the client may use topics of this name; the authorizer is asked once for each name. */
  allows(name: string): boolean {
    const operation = this.#operation();
    if (operation === null) return true;
    this.#answers ??= new Map();
    let isAllowed = this.#answers.get(name);
    if (isAllowed === undefined) {
      isAllowed = this.#client.permits(operation, "TOPIC", name);
      this.#answers.set(name, isAllowed);
    }
    return isAllowed;
  }

  /** `allows` for a topic that the request does not name: it is left out of the response, which is no denial. */
  shows(name: string): boolean {
    const operation = this.#operation();
    return operation === null || this.#client.shows(operation, "TOPIC", name);
  }

  /** Name of the topic that a request names by name or by id; undefined if the id is unknown. Checks no permission. */
  nameOf(name: string, topicId: Uuid): string | undefined {
    return this.byId ? this.image.topics.get(topicId)?.name : name;
  }

  /** Topic that a request names by name or by id, whichever its version uses. */
  find(name: string, topicId: Uuid): TopicImage | number {
    return this.byId ? this.identified(topicId) : this.named(name);
  }

  named(name: string): TopicImage | number {
    if (!this.allows(name)) return UNAUTHORIZED;
    return topicNamed(this.image, name) ?? Errors.UNKNOWN_TOPIC_OR_PARTITION.code;
  }

  identified(topicId: Uuid): TopicImage | number {
    const topic = this.image.topics.get(topicId);
    if (topic === undefined) return Errors.UNKNOWN_TOPIC_ID.code;
    return this.allows(topic.name) ? topic : UNAUTHORIZED;
  }

  /** Partition with a replica on this broker, in whatever state it is. */
  partition(name: string, index: PartitionIndex): Partition | number {
    if (!this.allows(name)) return UNAUTHORIZED;
    return this.#topics.partition(name, index) ?? this.#topics.absence(name, index);
  }

  /** True if the client is a broker of the cluster, as far as permissions tell. */
  get isBroker(): boolean {
    return this.#client.permitsCluster("CLUSTER_ACTION");
  }

  /** Partition with a replica on this broker, for another broker, which needs no permission on the topic. */
  replica(name: string, index: PartitionIndex): Partition | number {
    return this.#topics.partition(name, index) ?? this.#topics.absence(name, index);
  }

  /** Partition that this broker leads in the client's leader epoch (−1: any); see `Topics.leader`. */
  leader(name: string, index: PartitionIndex, currentLeaderEpoch: LeaderEpoch = -1): Partition | number {
    return this.allows(name) ? this.#topics.leader(name, index, currentLeaderEpoch) : UNAUTHORIZED;
  }

  /** Partition that this broker may lead by now, although it knows another leader; see `Topics.candidate`. */
  candidate(name: string, index: PartitionIndex): Partition | undefined {
    return this.allows(name) ? this.#topics.candidate(name, index) : undefined;
  }

  /** Authorized operations on a topic, as `operationBits` encodes them. */
  operations(name: string): number {
    return this.#client.operations("TOPIC", name);
  }
}
