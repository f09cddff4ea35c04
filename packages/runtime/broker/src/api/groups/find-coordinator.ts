import { Errors } from "@samsa/protocol";
import { OFFSETS_TOPIC, TRANSACTION_TOPIC } from "../../config/internal-topics.ts";
import type { Handler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "autoTopics" | "groups" | "nodes" | "topics" | "transactions">;

const GROUP = 0;
const TRANSACTION = 1;
/** Topic in which each type of coordinator keeps its state. */
const TOPICS: ReadonlyMap<number, string> = new Map([
  [GROUP, OFFSETS_TOPIC],
  [TRANSACTION, TRANSACTION_TOPIC],
]);
/** First version with many keys in one request (KIP-699). */
const BATCHED_VERSION = 4;
const NOWHERE = { nodeId: -1, host: "", port: -1 };

export const findCoordinator: Handler<"FindCoordinator", Needs> = (parts, request, context, reply) => {
  const answer = (errorCode: number, errorMessage: string | null): void => {
    const [node] = parts.nodes(context.listener);
    const shards = request.keyType === GROUP ? parts.groups : parts.transactions;
    const coordinatorOf = (key: string) => {
      // The key's partition may be in a directory that has failed, and the listener may be gone.
      const served = errorCode !== 0 || (node !== undefined && shards.serves(key));
      const error = served ? errorCode : Errors.COORDINATOR_NOT_AVAILABLE.code;
      const { nodeId, host, port } = error === 0 && node !== undefined ? node : NOWHERE;
      return { errorCode: error, errorMessage, nodeId, host, port };
    };
    if (context.version < BATCHED_VERSION) return reply({ throttleTimeMs: 0, ...coordinatorOf(request.key) });
    const coordinators = request.coordinatorKeys.map(key => ({ key, ...coordinatorOf(key) }));
    reply({ throttleTimeMs: 0, coordinators });
  };
  const topic = TOPICS.get(request.keyType);
  if (topic === undefined) {
    answer(Errors.INVALID_REQUEST.code, `coordinators of type ${request.keyType} are not available`);
    return;
  }
  if (parts.topics.image.topicIds.has(topic)) return answer(0, null);
  // The first request for a coordinator creates its topic.
  parts.autoTopics.ensure([topic], undefined, () => {
    const there = parts.topics.image.topicIds.has(topic);
    answer(there ? 0 : Errors.COORDINATOR_NOT_AVAILABLE.code, there ? null : `${topic} could not be created`);
  });
};
