import { Errors, type KafkaError, type ShareAcknowledgeRequest } from "@samsa/protocol";
import type { Reply } from "../apis.ts";
import type { Broker } from "../broker.ts";
import { FINAL_EPOCH } from "../fetch-sessions.ts";
import type { RequestContext } from "../requests.ts";
import {
  acknowledgeAll,
  byTopicId,
  hasCaller,
  highestType,
  leaderHints,
  refusedWhole,
} from "../share/acknowledgements.ts";

export function shareAcknowledge(
  broker: Broker,
  request: ShareAcknowledgeRequest,
  context: RequestContext,
  reply: Reply,
): void {
  const refuse = (error: KafkaError): void => reply(refusedWhole(error));
  if (!broker.shares.isEnabled) return refuse(Errors.UNSUPPORTED_VERSION);
  if (!hasCaller(request)) return refuse(Errors.INVALID_REQUEST);
  const { groupId, memberId } = request;
  const { sessions } = broker.shares;
  const refused = sessions.acknowledge(groupId, memberId, request.shareSessionEpoch);
  if (refused !== undefined) return refuse(refused);
  const { topics, isRenewAck } = request;
  const said = { groupId, memberId, topics, isRenewAck, highestType: highestType(context.version) };
  acknowledgeAll(broker, said, results => {
    const partitions = [...results.values()].map(({ topicId, index, errorCode, errorMessage }) => ({
      topicId,
      answer: { partitionIndex: index, errorCode, errorMessage },
    }));
    const codes = partitions.map(({ answer }) => answer.errorCode);
    reply({
      throttleTimeMs: 0,
      errorCode: 0,
      errorMessage: null,
      acquisitionLockTimeoutMs: broker.shares.configs(groupId)["share.record.lock.duration.ms"],
      responses: byTopicId(partitions),
      nodeEndpoints: leaderHints(broker, context.listener, codes),
    });
    const last = request.shareSessionEpoch === FINAL_EPOCH ? sessions.find(groupId, memberId) : undefined;
    if (last !== undefined) broker.shares.release(last);
  });
}
