import { type ConsumerGroupDescribeRequest, type ConsumerGroupHeartbeatRequest, Errors } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import { GROUP_VERSION_FEATURE } from "../features.ts";
import type { RequestContext } from "../requests.ts";
import { withOperations } from "./partition-state.ts";

type Reply = (response: object) => void;

const UNSUPPORTED = Errors.UNSUPPORTED_VERSION.code;

/** Both the broker's settings and the cluster's features say whether the consumer protocol is served. */
function isServed({ config, topics }: Broker): boolean {
  const level = topics.image.features.get(GROUP_VERSION_FEATURE) ?? 0;
  return level > 0 && config["group.coordinator.rebalance.protocols"].includes("consumer");
}

export function consumerGroupHeartbeat(
  broker: Broker,
  body: ConsumerGroupHeartbeatRequest,
  context: RequestContext,
  reply: Reply,
): void {
  const refuse = (errorCode: number): void => reply({ throttleTimeMs: 0, errorCode });
  if (!isServed(broker)) return refuse(UNSUPPORTED);
  const client = { id: context.clientId, host: `/${context.peer.host}` };
  const request = { type: "consumerHeartbeat", version: context.version, client, body } as const;
  const served = broker.groups.request(body.groupId, request, response => reply({ throttleTimeMs: 0, ...response }));
  if (!served) refuse(Errors.NOT_COORDINATOR.code);
}

export function consumerGroupDescribe(
  broker: Broker,
  body: ConsumerGroupDescribeRequest,
  _context: RequestContext,
  reply: Reply,
): void {
  const served = isServed(broker);
  const groups = body.groupIds.map(groupId => {
    if (!served) return { groupId, errorCode: UNSUPPORTED };
    if (groupId === "") return { groupId, errorCode: Errors.INVALID_GROUP_ID.code };
    const runner = broker.groups.of(groupId);
    return runner?.shard.consumerView(groupId) ?? { groupId, errorCode: Errors.NOT_COORDINATOR.code };
  });
  reply({ throttleTimeMs: 0, groups: withOperations(groups, body.includeAuthorizedOperations) });
}
