import type { ShareGroupView } from "@samsa/coordinator";
import { errorOf, Errors } from "@samsa/protocol";
import { isMemberId } from "./acknowledgements.ts";
import { mayDescribe, topicsOf, UNDESCRIBABLE } from "../described-topics.ts";
import { groupClient } from "../group-client.ts";
import { withOperations } from "../../request/authorized-operations.ts";
import { UNDESCRIBED } from "../../request/error-responses.ts";
import type { ResponseOf, TopicHandler } from "../../request/handler.ts";
import type { RequestTopics } from "../../request/request-topics.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "config" | "groups" | "shares">;

export const shareGroupHeartbeat: TopicHandler<"ShareGroupHeartbeat", Needs> = (parts, body, context, reply) => {
  const client = groupClient(context);
  const answer = (response: Omit<ResponseOf<"ShareGroupHeartbeat">, "throttleTimeMs">): void =>
    reply({ ...response, throttleTimeMs: 0 });
  // `KafkaApis` sends the error code without a message.
  const refused = (code: number): void =>
    answer({ errorCode: code, errorMessage: null, memberEpoch: 0, heartbeatIntervalMs: 0 });
  if (!isMemberId(body.memberId)) return refused(Errors.INVALID_REQUEST.code);
  if (!mayDescribe(context.topics, body.subscribedTopicNames ?? [])) {
    return refused(Errors.TOPIC_AUTHORIZATION_FAILED.code);
  }
  parts.groups.request(body.groupId, { type: "share", client, body }, answer, errorCode =>
    answer({ errorCode, errorMessage: errorOf(errorCode).message, memberEpoch: 0, heartbeatIntervalMs: 0 }),
  );
};

function described({ config }: Needs, topics: RequestTopics, group: ShareGroupView) {
  const { groupId, state, epoch, assignmentEpoch, members } = group;
  const [assignorName = ""] = config["group.share.assignors"];
  return {
    errorCode: 0,
    errorMessage: null,
    groupId,
    groupState: state,
    groupEpoch: epoch,
    assignmentEpoch,
    assignorName,
    members: members.map(({ assigned, ...member }) => ({
      ...member,
      assignment: {
        topicPartitions: [...assigned].flatMap(([topicId, partitions]) => {
          const topicName = topics.image.topics.get(topicId)?.name;
          return topicName === undefined ? [] : [{ topicId, topicName, partitions: [...partitions] }];
        }),
      },
    })),
  };
}

export const shareGroupDescribe: TopicHandler<"ShareGroupDescribe", Needs> = (parts, body, context, reply) => {
  const { topics } = context;
  const groups = body.groupIds.map(groupId => {
    const refused = (errorCode: number, errorMessage: string | null) => ({
      ...UNDESCRIBED,
      groupId,
      errorCode,
      errorMessage,
    });
    const { INVALID_GROUP_ID, GROUP_ID_NOT_FOUND } = Errors;
    if (groupId === "") return refused(INVALID_GROUP_ID.code, null);
    const runner = parts.groups.of(groupId);
    if (typeof runner === "number") return refused(runner, errorOf(runner).message);
    const view = runner.shard.shares.view(groupId);
    if (view !== undefined) {
      const group = described(parts, topics, view);
      const isPublic = mayDescribe(topics, topicsOf(group.members.map(({ assignment }) => assignment)));
      return isPublic ? group : refused(Errors.TOPIC_AUTHORIZATION_FAILED.code, UNDESCRIBABLE);
    }
    return refused(GROUP_ID_NOT_FOUND.code, runner.shard.absence("share", groupId));
  });
  reply({ throttleTimeMs: 0, groups: withOperations(groups, context, body.includeAuthorizedOperations) });
};
