import { duplicates, type Uuid, ZERO_UUID } from "@samsa/base";
import { type MetadataImage, topicNamed } from "@samsa/metadata";
import {
  type CreateTopicsResponse,
  type DeleteTopicsRequest,
  type DeleteTopicsResponse,
  Errors,
} from "@samsa/protocol";
import { METADATA_TOPIC } from "@samsa/quorum";
import { type Action, CLUSTER_NAME } from "@samsa/security";
import type { Access } from "../request/access.ts";
import { type ControllerContext, type ControllerParts, decide } from "./controller-row.ts";

const { code: UNAUTHORIZED, message: UNAUTHORIZED_MESSAGE } = Errors.TOPIC_AUTHORIZATION_FAILED;

type Refused = DeleteTopicsResponse["responses"][number];

/** Permission on each topic that a request creates; that on the cluster covers them all. */
export const EACH_CREATED_TOPIC = {
  each: {
    items: "topics",
    answers: "topics",
    place: "last",
    unless: "CREATE",
    // Refuses the topic of the metadata for everyone, with an error of its own.
    action: ({ name }: { readonly name: string }): Action | undefined =>
      name === METADATA_TOPIC ? undefined : { operation: "CREATE", resource: "TOPIC", name },
    keyOf: ({ name }: { readonly name: string }) => name,
    says: "Authorization failed.",
  },
} as const;

/** Permission on each topic that gets more partitions. */
export const EACH_GROWN_TOPIC = {
  each: {
    items: "topics",
    answers: "results",
    place: "first",
    action: ({ name }: { readonly name: string }): Action => ({ operation: "ALTER", resource: "TOPIC", name }),
    keyOf: ({ name }: { readonly name: string }) => name,
    says: null,
  },
} as const;

/** Hides the settings of created topics that the client may not describe (KIP-525). */
export function withVisibleConfigs(response: object, { access }: ControllerContext): object {
  if (access.isFree) return response;
  const { topics } = response as CreateTopicsResponse;
  const shown = topics.map(topic => {
    const { name, topicId, errorCode, errorMessage } = topic;
    if (errorCode !== 0 || access.shows("DESCRIBE_CONFIGS", "TOPIC", name)) return topic;
    return { name, topicId, errorCode, errorMessage, topicConfigErrorCode: UNAUTHORIZED, configs: [] };
  });
  return { ...response, topics: shown };
}

/**
 * Parts of a request to delete topics: what the client may delete, and the answers for the rest
 * (`ControllerApis.deleteTopics`). Nothing is told about a topic that the client may not describe; entries that are
 * invalid whatever the permission are left in the request.
 */
function permittedDeletions(image: MetadataImage, request: DeleteTopicsRequest, access: Access) {
  const refused: Refused[] = [];
  // DELETE is no operation of the cluster, but ALL permits it.
  const cluster = { operation: "DELETE", resource: "CLUSTER", name: CLUSTER_NAME, isProbe: true } as const;
  if (access.isFree || access.allows(cluster)) return { permitted: request, refused };
  const named = request.topics.flatMap(({ name, topicId }) => (topicId === ZERO_UUID ? (name ?? []) : []));
  const names = duplicates([...request.topicNames, ...named]);
  const ids = duplicates(request.topics.flatMap(({ name, topicId }) => (name === null ? topicId : [])));
  const refuse = (name: string | null, topicId: Uuid): false => {
    refused.push({ name, topicId, errorCode: UNAUTHORIZED, errorMessage: UNAUTHORIZED_MESSAGE });
    return false;
  };
  const mayDelete = (name: string): boolean => access.permits("DELETE", "TOPIC", name);
  const mayDescribe = (name: string): boolean => access.permits("DESCRIBE", "TOPIC", name);
  const isNamePermitted = (name: string): boolean => {
    if (names.has(name)) return true;
    if (!mayDescribe(name)) return refuse(name, ZERO_UUID);
    return topicNamed(image, name) === undefined || mayDelete(name) || refuse(name, ZERO_UUID);
  };
  const isIdPermitted = (topicId: Uuid): boolean => {
    const name = ids.has(topicId) ? undefined : image.topics.get(topicId)?.name;
    if (name === undefined || mayDelete(name)) return true;
    return refuse(mayDescribe(name) ? name : null, topicId);
  };
  const topicNames = request.topicNames.filter(isNamePermitted);
  const topics = request.topics.filter(({ name, topicId }) => {
    if (name === null) return isIdPermitted(topicId);
    return topicId !== ZERO_UUID || isNamePermitted(name);
  });
  return { permitted: { ...request, topicNames, topics }, refused };
}

/** Deletes the topics that the client may delete. */
export async function deleteTopics(
  parts: ControllerParts,
  request: DeleteTopicsRequest,
  { access, quota }: ControllerContext,
): Promise<DeleteTopicsResponse> {
  const { permitted, refused } = permittedDeletions(parts.controller.image, request, access);
  const response = await decide(parts, "DeleteTopics", permitted, quota);
  return { ...response, responses: [...response.responses, ...refused] };
}
