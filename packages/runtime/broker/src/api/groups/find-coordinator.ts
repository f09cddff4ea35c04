import { parseUuid } from "@samsa/base";
import { topicNamed } from "@samsa/metadata";
import { Errors } from "@samsa/protocol";
import { type Action, CLUSTER_NAME } from "@samsa/security";
import { OFFSETS_TOPIC, SHARE_STATE_TOPIC, TRANSACTION_TOPIC } from "../../config/internal-topics.ts";
import { partitionFor } from "../../coordinator/shards.ts";
import type { Handler, RequestOf } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "autoTopics" | "groups" | "node" | "nodeId" | "shares" | "topics" | "transactions">;

const GROUP = 0;
const TRANSACTION = 1;
const SHARE = 2;
/** Topic in which each type of coordinator keeps its state. */
const TOPICS: ReadonlyMap<number, string> = new Map([
  [GROUP, OFFSETS_TOPIC],
  [TRANSACTION, TRANSACTION_TOPIC],
  [SHARE, SHARE_STATE_TOPIC],
]);
/** First version with many keys in one request (KIP-699). */
const BATCHED_VERSION = 4;
/** First version with share coordinators (KIP-932). */
const SHARE_VERSION = 6;
const NOWHERE = { nodeId: -1, host: "", port: -1 };

/** True for the key of a share partition, `group:topic id:partition` (`SharePartitionKey.validate`). */
function isShareKey(key: string): boolean {
  const [partition = "", topicId = "", ...group] = key.split(":").reverse();
  return group.join(":").trim() !== "" && parseUuid(topicId) !== undefined && /^[+-]?\d{1,10}$/.test(partition);
}

/** Action on the group or the transactional id that a key is; undefined: it is neither. */
export function keyAction(keyType: number, name: string): Action | undefined {
  if (keyType === GROUP) return { operation: "DESCRIBE", resource: "GROUP", name };
  return keyType === TRANSACTION ? { operation: "DESCRIBE", resource: "TRANSACTIONAL_ID", name } : undefined;
}

/** Action on the one key of an older request, or of a request of a broker: only these use share coordinators. */
export function coordinatorAction(request: RequestOf<"FindCoordinator">, version: number): Action | undefined {
  const { keyType, key, coordinatorKeys } = request;
  if (version < BATCHED_VERSION) return keyAction(keyType, key);
  const isOfBroker = keyType === SHARE && version >= SHARE_VERSION && coordinatorKeys.length > 0;
  return isOfBroker ? { operation: "CLUSTER_ACTION", resource: "CLUSTER", name: CLUSTER_NAME } : undefined;
}

/** Answers with the leader of the partition in which the coordinator of a key keeps its state. */
export const findCoordinator: Handler<"FindCoordinator", Needs> = (parts, request, context, reply) => {
  const { keyType } = request;
  const topic = TOPICS.get(keyType) ?? "";
  const isKnown = topic !== "" && (keyType !== SHARE || context.version >= SHARE_VERSION);
  const coordinator = (key: string) => {
    const refuse = ({ code: errorCode }: { readonly code: number }) => ({ errorCode, errorMessage: null, ...NOWHERE });
    if (!isKnown || (keyType === SHARE && !isShareKey(key))) return refuse(Errors.INVALID_REQUEST);
    const partitions = topicNamed(parts.topics.image, topic)?.partitions;
    if (partitions === undefined) return refuse(Errors.COORDINATOR_NOT_AVAILABLE);
    const leader = partitions.get(partitionFor(key, partitions.size))?.leader ?? -1;
    const node = parts.node(leader, context.listener);
    const shards = { [GROUP]: parts.groups, [TRANSACTION]: parts.transactions }[keyType] ?? parts.shares.states;
    // Its directory may have failed.
    const isServed = leader !== parts.nodeId || shards.serves(key);
    if (node === undefined || !isServed) return refuse(Errors.COORDINATOR_NOT_AVAILABLE);
    const { nodeId, host, port } = node;
    return { errorCode: 0, errorMessage: null, nodeId, host, port };
  };
  const answer = (): void => {
    if (context.version >= BATCHED_VERSION) {
      const coordinators = request.coordinatorKeys.map(key => ({ key, ...coordinator(key) }));
      return reply({ throttleTimeMs: 0, coordinators });
    }
    reply({ throttleTimeMs: 0, ...coordinator(request.key) });
  };
  if (!isKnown || parts.topics.image.topicIds.has(topic)) return answer();
  // The first request for a coordinator creates its topic.
  parts.autoTopics.ensure([topic], undefined, answer);
};
