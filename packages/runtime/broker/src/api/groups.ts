import { ZERO_UUID } from "@samsa/base";
import { commitError, type GroupRequest, type GroupView, joinError, syncError } from "@samsa/coordinator";
import {
  type DeleteGroupsRequest,
  type DescribeGroupsRequest,
  Errors,
  type HeartbeatRequest,
  type JoinGroupRequest,
  type LeaveGroupRequest,
  type ListGroupsRequest,
  type OffsetCommitRequest,
  type OffsetDeleteRequest,
  type OffsetFetchRequest,
  type SyncGroupRequest,
} from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import { withOperations } from "./partition-state.ts";
import { mergeOutcomes, splitByExistence } from "./offset-partitions.ts";
import { deleteShareGroup } from "./share-group-offsets.ts";
import type { RequestContext } from "../requests.ts";

type Reply = (response: object) => void;

/** First version of OffsetCommit and OffsetFetch that names topics by id (KIP-848). */
const TOPIC_ID_VERSION = 10;
/** First version of JoinGroup that can say that no protocol was chosen. */
const NO_PROTOCOL_VERSION = 7;
/** First version of SyncGroup that has to name the protocol. */
const NAMED_PROTOCOL_VERSION = 5;
/** First version of OffsetFetch that asks for many groups (KIP-709). */
const MANY_GROUPS_VERSION = 8;

function toShard(broker: Broker, groupId: string, request: GroupRequest, way: { refuse: object; reply: Reply }): void {
  const served = broker.groups.request(groupId, request, response => way.reply({ throttleTimeMs: 0, ...response }));
  if (!served) way.reply(way.refuse);
}

const AWAY = Errors.NOT_COORDINATOR.code;

export function joinGroup(broker: Broker, body: JoinGroupRequest, context: RequestContext, reply: Reply): void {
  const client = { id: context.clientId, host: `/${context.peer.host}` };
  const request: GroupRequest = { type: "join", version: context.version, client, body };
  const answer: Reply = response => {
    const { protocolName } = response as { protocolName: string | null };
    // Older clients know no null there.
    const named = protocolName === null && context.version < NO_PROTOCOL_VERSION;
    reply(named ? { ...response, protocolName: "" } : response);
  };
  toShard(broker, body.groupId, request, { refuse: joinError(AWAY, body.memberId), reply: answer });
}

export function syncGroup(broker: Broker, body: SyncGroupRequest, context: RequestContext, reply: Reply): void {
  if (context.version >= NAMED_PROTOCOL_VERSION && (body.protocolType === null || body.protocolName === null)) {
    return reply({ throttleTimeMs: 0, ...syncError(Errors.INCONSISTENT_GROUP_PROTOCOL.code) });
  }
  toShard(broker, body.groupId, { type: "sync", body }, { refuse: syncError(AWAY), reply });
}

export function heartbeat(broker: Broker, body: HeartbeatRequest, _context: RequestContext, reply: Reply): void {
  toShard(broker, body.groupId, { type: "heartbeat", body }, { refuse: { errorCode: AWAY }, reply });
}

export function leaveGroup(broker: Broker, body: LeaveGroupRequest, context: RequestContext, reply: Reply): void {
  const request: GroupRequest = { type: "leave", version: context.version, body };
  toShard(broker, body.groupId, request, { refuse: { errorCode: AWAY, members: [] }, reply });
}

export function offsetCommit(broker: Broker, body: OffsetCommitRequest, context: RequestContext, reply: Reply): void {
  const { existing, refused } = splitByExistence(body.topics, broker.topics, context.version >= TOPIC_ID_VERSION);
  if (existing.length === 0) return reply({ throttleTimeMs: 0, topics: refused });
  const request: GroupRequest = { type: "commit", version: context.version, body: { ...body, topics: existing } };
  const answer: Reply = response =>
    reply({ ...response, topics: mergeOutcomes(refused, (response as { topics: [] }).topics) });
  const served = broker.groups.request(body.groupId, request, answer);
  if (!served) answer(commitError(existing, AWAY));
}

interface FetchedGroup {
  readonly groupId: string;
  readonly topics: readonly object[];
  readonly errorCode: number;
}

interface Asked {
  readonly byId: boolean;
  /** Wants no offsets that an open transaction may change. */
  readonly stable: boolean;
}

function fetchedGroup(broker: Broker, group: OffsetFetchRequest["groups"][number], asked: Asked): FetchedGroup {
  const { byId, stable } = asked;
  const { groupId } = group;
  const runner = broker.groups.of(groupId);
  if (runner === undefined) return { groupId, topics: [], errorCode: AWAY };
  const fault = runner.shard.committed.fetchFault(groupId, group.memberId, group.memberEpoch);
  if (fault !== 0) return { groupId, topics: [], errorCode: fault };
  if (!byId) return { groupId, topics: runner.shard.committed.fetch(groupId, group.topics, stable), errorCode: 0 };
  const missing: object[] = [];
  const named = group.topics?.flatMap(topic => {
    const name = broker.topics.nameOf(topic.topicId);
    if (name !== undefined) return [{ ...topic, name }];
    const partitions = topic.partitionIndexes.map(partitionIndex => ({
      partitionIndex,
      committedOffset: -1,
      committedLeaderEpoch: -1,
      metadata: "",
      errorCode: Errors.UNKNOWN_TOPIC_ID.code,
    }));
    missing.push({ name: "", topicId: topic.topicId, partitions });
    return [];
  });
  const found = runner.shard.committed.fetch(groupId, named ?? null, stable).flatMap(topic => {
    // A topic that is gone has no id by which it could be told.
    const topicId = broker.topics.idOf(topic.name);
    return topicId === undefined ? [] : [{ ...topic, topicId }];
  });
  return { groupId, topics: [...found, ...missing], errorCode: 0 };
}

export function offsetFetch(broker: Broker, body: OffsetFetchRequest, context: RequestContext, reply: Reply): void {
  const { version } = context;
  const asked = { byId: version >= TOPIC_ID_VERSION, stable: body.requireStable };
  if (version >= MANY_GROUPS_VERSION) {
    const groups = body.groups.map(group => fetchedGroup(broker, group, asked));
    return reply({ throttleTimeMs: 0, groups });
  }
  const topics = body.topics?.map(topic => ({ ...topic, topicId: ZERO_UUID })) ?? null;
  const group = { groupId: body.groupId, memberId: null, memberEpoch: -1, topics };
  const { errorCode, topics: found } = fetchedGroup(broker, group, asked);
  // Version 1 has no place for an error of the group: every partition says it.
  const shown = version < 2 && errorCode !== 0 ? refusedPartitions(body, errorCode) : found;
  reply({ throttleTimeMs: 0, topics: shown, errorCode });
}

function refusedPartitions(body: OffsetFetchRequest, errorCode: number): object[] {
  return (body.topics ?? []).map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map(partitionIndex => ({
      partitionIndex,
      committedOffset: -1,
      metadata: "",
      errorCode,
    })),
  }));
}

function described(view: GroupView) {
  return {
    errorCode: 0,
    groupId: view.groupId,
    groupState: view.state,
    protocolType: view.protocolType,
    protocolData: view.protocol,
    members: view.members.map(member => ({
      memberId: member.id,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: view.metadataOf(member),
      memberAssignment: member.assignment,
    })),
  };
}

export function describeGroups(
  broker: Broker,
  body: DescribeGroupsRequest,
  context: RequestContext,
  reply: Reply,
): void {
  const groups = body.groups.map(groupId => {
    const failed = (errorCode: number, errorMessage: string | null) => ({
      errorCode,
      errorMessage,
      groupId,
      groupState: "Dead",
      protocolType: "",
      protocolData: "",
      members: [],
    });
    const runner = broker.groups.of(groupId);
    if (runner === undefined) return { ...failed(AWAY, null), groupState: "" };
    const view = runner.shard.view(groupId);
    if (view !== undefined) return described(view);
    const why = runner.shard.typeOf(groupId) === undefined ? "not found." : "is not a classic group.";
    return context.version >= 6 ? failed(Errors.GROUP_ID_NOT_FOUND.code, `Group ${groupId} ${why}`) : failed(0, null);
  });
  reply({ throttleTimeMs: 0, groups: withOperations(groups, body.includeAuthorizedOperations) });
}

export function listGroups(broker: Broker, body: ListGroupsRequest, _context: RequestContext, reply: Reply): void {
  const states = new Set(body.statesFilter.map(state => state.toLowerCase()));
  const types = new Set(body.typesFilter.map(type => type.toLowerCase()));
  const groups: object[] = [];
  for (const { shard } of broker.groups.all()) {
    for (const group of shard.list()) {
      if (states.size > 0 && !states.has(group.groupState.toLowerCase())) continue;
      if (types.size > 0 && !types.has(group.groupType)) continue;
      groups.push(group);
    }
    for (const id of shard.shares.ids) {
      const state = shard.shares.view(id)?.state ?? "";
      if (states.size > 0 && !states.has(state.toLowerCase())) continue;
      if (types.size > 0 && !types.has("share")) continue;
      groups.push({ groupId: id, protocolType: "share", groupState: state, groupType: "share" });
    }
  }
  reply({ throttleTimeMs: 0, errorCode: 0, groups });
}

export function deleteGroups(broker: Broker, body: DeleteGroupsRequest, _context: RequestContext, reply: Reply): void {
  const results: { groupId: string; errorCode: number }[] = [];
  let waiting = 1;
  const done = (): void => {
    if (--waiting === 0) reply({ throttleTimeMs: 0, results });
  };
  for (const groupId of new Set(body.groupsNames)) {
    const result = { groupId, errorCode: AWAY };
    results.push(result);
    const runner = broker.groups.of(groupId);
    if (runner === undefined) continue;
    waiting++;
    const deleted = (errorCode: number): void => {
      result.errorCode = errorCode;
      done();
    };
    if (runner.shard.shares.has(groupId)) deleteShareGroup(broker, runner, groupId, deleted);
    else runner.run((out, now) => runner.shard.delete(now, groupId, out, deleted));
  }
  done();
}

export function offsetDelete(broker: Broker, body: OffsetDeleteRequest, _context: RequestContext, reply: Reply): void {
  const answer = (errorCode: number, topics: readonly object[]): void =>
    reply({ throttleTimeMs: 0, errorCode, topics: errorCode === 0 ? topics : [] });
  if (body.groupId === "") return answer(Errors.INVALID_GROUP_ID.code, []);
  const runner = broker.groups.of(body.groupId);
  if (runner === undefined) return answer(AWAY, []);
  const asked = body.topics.map(topic => ({ ...topic, topicId: ZERO_UUID }));
  const { existing, refused } = splitByExistence(asked, broker.topics, false);
  runner.run((out, now) =>
    runner.shard.deleteOffsets(now, { ...body, topics: existing }, out, (errorCode, topics) =>
      answer(errorCode, mergeOutcomes(refused, topics)),
    ),
  );
}
