import { Errors } from "@samsa/protocol";
import { GROUP_VERSION_FEATURE } from "../../metadata/features.ts";
import { groupClient } from "../group-client.ts";
import { withOperations } from "../../request/authorized-operations.ts";
import { mayDescribe, topicsOf, UNDESCRIBABLE } from "../described-topics.ts";
import { UNDESCRIBED } from "../../request/error-responses.ts";
import type { ItemOf, TopicHandler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type DescribedGroup = ItemOf<"ConsumerGroupDescribe", "groups">;
type Needs = Pick<BrokerParts, "config" | "groups" | "topics">;

const UNAUTHORIZED = Errors.TOPIC_AUTHORIZATION_FAILED.code;

/** True if both the broker's settings and the cluster's features enable the consumer protocol. */
export function servesConsumerGroups({ config, topics }: Pick<BrokerParts, "config" | "topics">): boolean {
  const level = topics.image.features.get(GROUP_VERSION_FEATURE) ?? 0;
  return level > 0 && config["group.coordinator.rebalance.protocols"].includes("consumer");
}

export const consumerGroupHeartbeat: TopicHandler<"ConsumerGroupHeartbeat", Needs> = (parts, body, context, reply) => {
  const refuse = (errorCode: number): void =>
    reply({ throttleTimeMs: 0, errorCode, memberEpoch: 0, heartbeatIntervalMs: 0 });
  if (!mayDescribe(context.topics, body.subscribedTopicNames ?? [])) return refuse(UNAUTHORIZED);
  const client = groupClient(context);
  const request = { type: "consumerHeartbeat", version: context.version, client, body } as const;
  parts.groups.request(body.groupId, request, response => reply(response), refuse);
};

export const consumerGroupDescribe: TopicHandler<"ConsumerGroupDescribe", Needs> = (parts, body, context, reply) => {
  const { topics } = context;
  const groups = body.groupIds.map((groupId): DescribedGroup => {
    const refused = (errorCode: number): DescribedGroup => ({ ...UNDESCRIBED, groupId, errorCode });
    if (groupId === "") return refused(Errors.INVALID_GROUP_ID.code);
    const runner = parts.groups.of(groupId);
    if (typeof runner === "number") return refused(runner);
    const group: DescribedGroup = runner.shard.consumerView(groupId);
    const assignments = (group.members ?? []).flatMap(member => [member.assignment, member.targetAssignment]);
    return mayDescribe(topics, topicsOf(assignments))
      ? group
      : { ...refused(UNAUTHORIZED), errorMessage: UNDESCRIBABLE };
  });
  reply({ throttleTimeMs: 0, groups: withOperations(groups, context, body.includeAuthorizedOperations) });
};
