import { Errors } from "@samsa/protocol";
import { GROUP_VERSION_FEATURE } from "../../controller/features.ts";
import { withOperations } from "../topics/partition-state.ts";
import { UNDESCRIBED } from "../../error-responses.ts";
import type { Handler, ItemOf } from "../../handler.ts";
import type { BrokerParts } from "../../parts.ts";

type DescribedGroup = ItemOf<"ConsumerGroupDescribe", "groups">;
type Needs = Pick<BrokerParts, "config" | "groups" | "topics">;

const UNSUPPORTED = Errors.UNSUPPORTED_VERSION.code;

/** True if both the broker's settings and the cluster's features enable the consumer protocol. */
function isServed({ config, topics }: Needs): boolean {
  const level = topics.image.features.get(GROUP_VERSION_FEATURE) ?? 0;
  return level > 0 && config["group.coordinator.rebalance.protocols"].includes("consumer");
}

export const consumerGroupHeartbeat: Handler<"ConsumerGroupHeartbeat", Needs> = (parts, body, context, reply) => {
  const refuse = (errorCode: number): void =>
    reply({ throttleTimeMs: 0, errorCode, memberEpoch: 0, heartbeatIntervalMs: 0 });
  if (!isServed(parts)) return refuse(UNSUPPORTED);
  const client = { id: context.clientId, host: `/${context.peer.host}` };
  const request = { type: "consumerHeartbeat", version: context.version, client, body } as const;
  const errorCode = parts.groups.request(body.groupId, request, response => reply(response));
  if (errorCode !== 0) refuse(errorCode);
};

export const consumerGroupDescribe: Handler<"ConsumerGroupDescribe", Needs> = (parts, body, _context, reply) => {
  const served = isServed(parts);
  const groups = body.groupIds.map((groupId): DescribedGroup => {
    const refused = (errorCode: number): DescribedGroup => ({ ...UNDESCRIBED, groupId, errorCode });
    if (!served) return refused(UNSUPPORTED);
    if (groupId === "") return refused(Errors.INVALID_GROUP_ID.code);
    const runner = parts.groups.of(groupId);
    return typeof runner === "number" ? refused(runner) : runner.shard.consumerView(groupId);
  });
  reply({ throttleTimeMs: 0, groups: withOperations(groups, body.includeAuthorizedOperations) });
};
