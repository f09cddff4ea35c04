import { type Uuid, ZERO_UUID } from "@samsa/base";
import {
  commitError,
  type GroupReplies,
  type GroupRequest,
  type GroupType,
  type GroupView,
  joinError,
  syncError,
} from "@samsa/coordinator";
import { errorOf, Errors, type OffsetFetchRequest } from "@samsa/protocol";
import type { GroupRunner } from "../../coordinator/groups.ts";
import { groupClient } from "../group-client.ts";
import { withOperations } from "../../request/authorized-operations.ts";
import { mergeOutcomes, splitByExistence } from "../offset-partitions.ts";
import { deleteShareGroup } from "../share/share-group-offsets.ts";
import { errorResponses } from "../../request/error-responses.ts";
import type { Handler, ItemOf, RequestOf, ResponseOf, TopicHandler } from "../../request/handler.ts";
import type { RequestTopics } from "../../request/request-topics.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "groups" | "shares">;

/** First version of JoinGroup with a nullable protocol name. */
const NO_PROTOCOL_VERSION = 7;
/** First version of SyncGroup that requires the protocol name. */
const NAMED_PROTOCOL_VERSION = 5;
/** First version of OffsetFetch with many groups (KIP-709). */
export const MANY_GROUPS_VERSION = 8;

function toShard<R extends GroupRequest>(
  parts: Needs,
  groupId: string,
  request: R,
  reply: (response: GroupReplies[R["type"]]) => void,
  refuse: (errorCode: number) => GroupReplies[R["type"]],
): void {
  parts.groups.request(groupId, request, reply, errorCode => reply(refuse(errorCode)));
}

export const joinGroup: Handler<"JoinGroup", Needs> = (parts, body, context, reply) => {
  const client = groupClient(context);
  const request = { type: "join", version: context.version, client, body } as const;
  const answer = (response: GroupReplies["join"]): void => {
    // Older versions have no null for the protocol name.
    const isNamed = response.protocolName === null && context.version < NO_PROTOCOL_VERSION;
    reply(isNamed ? { ...response, protocolName: "" } : response);
  };
  toShard(parts, body.groupId, request, answer, errorCode => joinError(errorCode, body.memberId));
};

/** True if a request lacks the type or the name of the protocol, which its version requires. */
export function lacksProtocol({ protocolType, protocolName }: RequestOf<"SyncGroup">, version: number): boolean {
  return version >= NAMED_PROTOCOL_VERSION && (protocolType === null || protocolName === null);
}

export const syncGroup: Handler<"SyncGroup", Needs> = (parts, body, context, reply) => {
  if (lacksProtocol(body, context.version)) {
    return reply({ throttleTimeMs: 0, ...syncError(Errors.INCONSISTENT_GROUP_PROTOCOL.code) });
  }
  toShard(parts, body.groupId, { type: "sync", body }, reply, syncError);
};

export const heartbeat: Handler<"Heartbeat", Needs> = (parts, body, _context, reply) => {
  toShard(parts, body.groupId, { type: "heartbeat", body }, reply, errorCode => ({ errorCode }));
};

export const leaveGroup: Handler<"LeaveGroup", Needs> = (parts, body, context, reply) => {
  const request = { type: "leave", version: context.version, body } as const;
  toShard(parts, body.groupId, request, reply, errorCode => ({ errorCode, members: [] }));
};

export const offsetCommit: TopicHandler<"OffsetCommit", Needs> = (parts, body, context, reply) => {
  const { existing, refused } = splitByExistence(body.topics, context.topics);
  if (existing.length === 0) return reply({ throttleTimeMs: 0, topics: refused });
  const request = { type: "commit", version: context.version, body: { ...body, topics: existing } } as const;
  const answer = ({ topics }: GroupReplies["commit"]): void =>
    reply({ throttleTimeMs: 0, topics: mergeOutcomes(refused, topics) });
  toShard(parts, body.groupId, request, answer, errorCode => commitError(existing, errorCode));
};

type FetchedTopic = ItemOf<"OffsetFetch", "topics"> & { readonly topicId?: Uuid };

interface FetchedGroup {
  readonly groupId: string;
  readonly topics: readonly FetchedTopic[];
  readonly errorCode: number;
}

interface Asked {
  readonly topics: RequestTopics;
  /** Requires stable offsets: none that an open transaction may change. */
  readonly stable: boolean;
}

/** Fetches the offsets of a group; stable ones are given to `done` once all of the group's writes are committed. */
function fetchGroup(
  parts: Needs,
  group: OffsetFetchRequest["groups"][number],
  asked: Asked,
  done: (fetched: FetchedGroup) => void,
): void {
  const { groupId } = group;
  const runner = parts.groups.of(groupId);
  const failed = (errorCode: number): FetchedGroup => ({ groupId, topics: [], errorCode });
  if (typeof runner === "number") return done(failed(runner));
  const fetched = fetchedGroup(runner, group, asked);
  if (!asked.stable) return done(fetched);
  // Older consumers do not know COORDINATOR_NOT_AVAILABLE here (`handleOffsetFetchException`).
  runner.whenCommitted(errorCode => done(errorCode === 0 ? fetched : failed(Errors.NOT_COORDINATOR.code)));
}

function fetchedGroup(
  runner: GroupRunner,
  group: OffsetFetchRequest["groups"][number],
  { topics: known, stable }: Asked,
): FetchedGroup {
  const { groupId, memberEpoch } = group;
  const fault = runner.shard.committed.fetchFault(groupId, group.memberId, { memberEpoch, stable });
  if (fault !== 0) return { groupId, topics: [], errorCode: fault };
  const missing: FetchedTopic[] = [];
  const named = group.topics?.flatMap(topic => {
    const name = known.nameOf(topic.name, topic.topicId);
    if (name !== undefined && known.allows(name)) return [{ ...topic, name }];
    const { code: errorCode } = name === undefined ? Errors.UNKNOWN_TOPIC_ID : Errors.TOPIC_AUTHORIZATION_FAILED;
    const partitions = topic.partitionIndexes.map(partitionIndex => ({
      partitionIndex,
      committedOffset: -1,
      committedLeaderEpoch: -1,
      metadata: "",
      errorCode,
    }));
    missing.push({ name: name ?? "", topicId: topic.topicId, partitions });
    return [];
  });
  const found = runner.shard.committed.fetch(groupId, named ?? null, stable).flatMap(topic => {
    // Offsets of topics without permission are left out of all offsets of the group.
    if (!known.allows(topic.name)) return [];
    if (!known.byId) return [topic];
    // A deleted topic has no id to name it by, so it is left out.
    const topicId = known.image.topicIds.get(topic.name);
    return topicId === undefined ? [] : [{ ...topic, topicId }];
  });
  return { groupId, topics: [...found, ...missing], errorCode: 0 };
}

export const offsetFetch: TopicHandler<"OffsetFetch", Needs> = (parts, body, context, reply) => {
  const { version } = context;
  const asked = { topics: context.topics, stable: body.requireStable };
  if (version >= MANY_GROUPS_VERSION) {
    const groups: FetchedGroup[] = [];
    let waiting = body.groups.length;
    if (waiting === 0) return reply({ throttleTimeMs: 0, groups });
    return body.groups.forEach((group, i) =>
      fetchGroup(parts, group, asked, fetched => {
        groups[i] = fetched;
        if (--waiting === 0) reply({ throttleTimeMs: 0, groups });
      }),
    );
  }
  const topics = body.topics?.map(topic => ({ ...topic, topicId: ZERO_UUID })) ?? null;
  const group = { groupId: body.groupId, memberId: null, memberEpoch: -1, topics };
  fetchGroup(parts, group, asked, ({ errorCode, topics: found }) => {
    if (errorCode !== 0) {
      const response: ResponseOf<"OffsetFetch"> = errorResponses.OffsetFetch(
        body,
        { ...errorOf(errorCode), detail: null },
        version,
      );
      return reply(response);
    }
    // These versions do not name topics by id.
    const named = found.map(({ name, partitions }) => ({ name, partitions }));
    reply({ throttleTimeMs: 0, topics: named, errorCode });
  });
};

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

export const describeGroups: Handler<"DescribeGroups", Needs> = (parts, body, context, reply) => {
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
    const runner = parts.groups.of(groupId);
    if (typeof runner === "number") return { ...failed(runner, null), groupState: "" };
    const view = runner.shard.view(groupId);
    if (view !== undefined) return described(view);
    if (context.version < 6) return failed(0, null);
    return failed(Errors.GROUP_ID_NOT_FOUND.code, runner.shard.absence("classic", groupId));
  });
  reply({ throttleTimeMs: 0, groups: withOperations(groups, context, body.includeAuthorizedOperations) });
};

export const listGroups: Handler<"ListGroups", Needs> = (parts, body, { access }, reply) => {
  if (parts.groups.isLoading) {
    return reply({ throttleTimeMs: 0, errorCode: Errors.COORDINATOR_LOAD_IN_PROGRESS.code, groups: [] });
  }
  const states = new Set(body.statesFilter.map(state => state.toLowerCase()));
  const types = new Set(body.typesFilter.map(type => type.toLowerCase()));
  const groups: ItemOf<"ListGroups", "groups">[] = [];
  const showsAll = access.showsCluster("DESCRIBE");
  for (const { shard } of parts.groups.all()) {
    for (const group of shard.list()) {
      if (states.size > 0 && !states.has(group.groupState.toLowerCase())) continue;
      if (types.size > 0 && !types.has(group.groupType)) continue;
      if (!showsAll && !access.shows("DESCRIBE", "GROUP", group.groupId)) continue;
      groups.push(group);
    }
  }
  reply({ throttleTimeMs: 0, errorCode: 0, groups });
};

type Deletion = (parts: Needs, runner: GroupRunner, groupId: string, done: (errorCode: number) => void) => void;

/** Deletes a group that has no state outside of its shard. */
const deleteGroup: Deletion = (_parts, runner, groupId, done) =>
  runner.run((out, now) => runner.shard.delete(now, groupId, out, done));

/** Deletion of a group, by its type. */
const DELETIONS: Readonly<Record<GroupType, Deletion>> = {
  classic: deleteGroup,
  consumer: deleteGroup,
  share: deleteShareGroup,
};

export const deleteGroups: Handler<"DeleteGroups", Needs> = (parts, body, _context, reply) => {
  const results: { groupId: string; errorCode: number }[] = [];
  let waiting = 1;
  const done = (): void => {
    if (--waiting === 0) reply({ throttleTimeMs: 0, results });
  };
  for (const groupId of new Set(body.groupsNames)) {
    const runner = parts.groups.of(groupId);
    const result = { groupId, errorCode: typeof runner === "number" ? runner : 0 };
    results.push(result);
    if (typeof runner === "number") continue;
    waiting++;
    const deleted = (errorCode: number): void => {
      result.errorCode = errorCode;
      done();
    };
    const type = runner.shard.typeOf(groupId);
    if (type === undefined) deleted(Errors.GROUP_ID_NOT_FOUND.code);
    else DELETIONS[type](parts, runner, groupId, deleted);
  }
  done();
};

export const offsetDelete: TopicHandler<"OffsetDelete", Needs> = (parts, body, context, reply) => {
  const answer = (errorCode: number, topics: readonly ItemOf<"OffsetDelete", "topics">[]): void =>
    reply({ throttleTimeMs: 0, errorCode, topics: errorCode === 0 ? topics : [] });
  if (body.groupId === "") return answer(Errors.INVALID_GROUP_ID.code, []);
  const runner = parts.groups.of(body.groupId);
  if (typeof runner === "number") return answer(runner, []);
  const asked = body.topics.map(topic => ({ ...topic, topicId: ZERO_UUID }));
  const { existing, refused } = splitByExistence(asked, context.topics);
  runner.run((out, now) =>
    runner.shard.deleteOffsets(now, { ...body, topics: existing }, out, (errorCode, topics) =>
      answer(errorCode, mergeOutcomes(refused, topics)),
    ),
  );
};
