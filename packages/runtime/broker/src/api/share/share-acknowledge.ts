import { Errors, type ProtocolError } from "@samsa/protocol";
import { FINAL_EPOCH } from "../../replica/fetch-sessions.ts";
import {
  acknowledgeAll,
  byTopicId,
  hasCaller,
  highestType,
  leaderHints,
  NO_LEADER,
  refusedWhole,
} from "./acknowledgements.ts";
import type { TopicHandler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "nodes" | "shares">;

export const shareAcknowledge: TopicHandler<"ShareAcknowledge", Needs> = (parts, request, context, reply) => {
  const refuse = (error: ProtocolError): void => reply(refusedWhole(error));
  if (!hasCaller(request)) return refuse(Errors.INVALID_REQUEST);
  const { groupId, memberId } = request;
  const { sessions } = parts.shares;
  const refused = sessions.acknowledge(groupId, memberId, request.shareSessionEpoch);
  if (refused !== undefined) return refuse(refused);
  const { topics, isRenewAck } = request;
  const said = { groupId, memberId, topics, isRenewAck, highestType: highestType(context.version) };
  acknowledgeAll(parts, context.topics, said, results => {
    const partitions = [...results.values()].map(({ topicId, index, errorCode, errorMessage }) => ({
      topicId,
      answer: { partitionIndex: index, errorCode, errorMessage, currentLeader: NO_LEADER },
    }));
    const codes = partitions.map(({ answer }) => answer.errorCode);
    reply({
      throttleTimeMs: 0,
      errorCode: 0,
      errorMessage: null,
      acquisitionLockTimeoutMs: parts.shares.configs(groupId)["share.record.lock.duration.ms"],
      responses: byTopicId(partitions),
      nodeEndpoints: leaderHints(parts, context.listener, codes),
    });
    const last = request.shareSessionEpoch === FINAL_EPOCH ? sessions.find(groupId, memberId) : undefined;
    if (last !== undefined) parts.shares.release(last);
  });
};
