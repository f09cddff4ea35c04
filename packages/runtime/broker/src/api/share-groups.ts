import type { ShareGroupView } from "@samsa/coordinator";
import { Errors, type ShareGroupDescribeRequest, type ShareGroupHeartbeatRequest } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";
import { isMemberId } from "../share/acknowledgements.ts";
import { withOperations } from "./partition-state.ts";

type Reply = (response: object) => void;

export function shareGroupHeartbeat(
  broker: Broker,
  body: ShareGroupHeartbeatRequest,
  context: RequestContext,
  reply: Reply,
): void {
  const client = { id: context.clientId, host: `/${context.peer.host}` };
  const answer: Reply = response => reply({ throttleTimeMs: 0, ...response });
  const { isEnabled } = broker.shares;
  // KafkaApis tells the code alone.
  const refused = (code: number): void =>
    answer({ errorCode: code, errorMessage: null, memberEpoch: 0, heartbeatIntervalMs: 0 });
  if (!isEnabled) return refused(Errors.UNSUPPORTED_VERSION.code);
  if (!isMemberId(body.memberId)) return refused(Errors.INVALID_REQUEST.code);
  if (broker.groups.request(body.groupId, { type: "share", client, body }, answer)) return;
  const { code, message } = Errors.NOT_COORDINATOR;
  answer({ errorCode: code, errorMessage: message, memberEpoch: 0, heartbeatIntervalMs: 0 });
}

function described(broker: Broker, { groupId, state, epoch, assignmentEpoch, members }: ShareGroupView) {
  return {
    errorCode: 0,
    errorMessage: null,
    groupId,
    groupState: state,
    groupEpoch: epoch,
    assignmentEpoch,
    assignorName: "simple",
    members: members.map(({ assigned, ...member }) => ({
      ...member,
      assignment: {
        topicPartitions: [...assigned].flatMap(([topicId, partitions]) => {
          const topicName = broker.topics.nameOf(topicId);
          return topicName === undefined ? [] : [{ topicId, topicName, partitions: [...partitions] }];
        }),
      },
    })),
  };
}

export function shareGroupDescribe(
  broker: Broker,
  body: ShareGroupDescribeRequest,
  _context: RequestContext,
  reply: Reply,
): void {
  const groups = body.groupIds.map(groupId => {
    const refused = (errorCode: number, errorMessage: string | null) => ({
      errorCode,
      errorMessage,
      groupId,
      groupState: "",
      groupEpoch: 0,
      assignmentEpoch: 0,
      assignorName: "",
      members: [],
    });
    const { INVALID_GROUP_ID, NOT_COORDINATOR, GROUP_ID_NOT_FOUND, UNSUPPORTED_VERSION } = Errors;
    if (!broker.shares.isEnabled) return refused(UNSUPPORTED_VERSION.code, UNSUPPORTED_VERSION.message);
    if (groupId === "") return refused(INVALID_GROUP_ID.code, null);
    const runner = broker.groups.of(groupId);
    if (runner === undefined) return refused(NOT_COORDINATOR.code, NOT_COORDINATOR.message);
    const view = runner.shard.shares.view(groupId);
    if (view !== undefined) return described(broker, view);
    const why = runner.shard.typeOf(groupId) === undefined ? "not found." : "is not a share group.";
    return refused(GROUP_ID_NOT_FOUND.code, `Group ${groupId} ${why}`);
  });
  reply({ throttleTimeMs: 0, groups: withOperations(groups, body.includeAuthorizedOperations) });
}
