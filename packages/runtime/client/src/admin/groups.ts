import {
  ByteReader,
  type LeaderEpoch,
  MalformedError,
  nearestNumber,
  type Offset,
  type PartitionIndex,
} from "@samsa/base";
import { byTopic, KafkaError, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import { consumerProtocolAssignment, Errors } from "@samsa/protocol";
import type { ResponseOf } from "@samsa/wire";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { type AdminOptions, byCoordinator, check, drive, operationsOf, outcomeOf } from "./drive.ts";
import { type Outcome, Outcomes, PartitionOutcomes } from "./outcomes.ts";

/** Group in a list. */
export interface ListedGroup {
  readonly groupId: string;
  /** "Classic", "Consumer", "Share" or "Streams"; empty from brokers before Kafka 3.8. */
  readonly type: string;
  /** "consumer" for groups of consumers, "connect" for Connect's; others choose their own. */
  readonly protocolType: string;
  readonly state: string;
}

/** Member of a group of consumers. */
export interface DescribedMember {
  readonly memberId: string;
  readonly instanceId: string | undefined;
  readonly clientId: string;
  readonly host: string;
  readonly rack: string | undefined;
  /** Undefined in classic groups. */
  readonly memberEpoch: number | undefined;
  readonly assignment: readonly TopicPartition[];
  /** Assignment that the member is on its way to; undefined in classic groups. */
  readonly target: readonly TopicPartition[] | undefined;
  readonly topics: readonly string[];
  /** False: a member of the classic protocol in a group of the newer one. Undefined if the broker does not tell. */
  readonly isUpgraded: boolean | undefined;
}

/** A group of consumers. */
export interface DescribedGroup {
  readonly groupId: string;
  readonly type: "Classic" | "Consumer" | "Share";
  readonly state: string;
  readonly protocolType: string;
  /** Assignor of the group; empty if it has none yet. */
  readonly assignor: string;
  /** −1 in classic groups. */
  readonly groupEpoch: number;
  readonly assignmentEpoch: number;
  readonly members: readonly DescribedMember[];
  /** Operations that the caller may do; undefined unless asked for. */
  readonly authorizedOperations: readonly string[] | undefined;
}

/** Committed offset of a partition. */
export interface CommittedOffset extends TopicPartition {
  readonly offset: Offset;
  /** −1: not known. */
  readonly leaderEpoch: LeaderEpoch;
  readonly metadata: string;
}

/** Offset to commit. */
export interface OffsetToCommit extends TopicPartition {
  readonly offset: Offset;
  readonly leaderEpoch?: LeaderEpoch;
  readonly metadata?: string;
}

/** Member to remove: a static one by its instance id, another by its member id. */
export interface MemberToRemove {
  readonly memberId?: string;
  readonly instanceId?: string;
}

const SEVERAL_GROUPS = 8;
const TOPIC_NAMES = 9;
const MEMBERS = 3;
/** Type of a member of the consumer protocol. */
const NEW_PROTOCOL = 1;
type Described<N extends "ConsumerGroupDescribe" | "DescribeGroups" | "ShareGroupDescribe"> =
  ResponseOf<N>["groups"][number];

/** Groups of a cluster and their offsets: Java's `Admin.listGroups` and its like. */
export class GroupAdmin {
  readonly #client: ClusterClient;

  constructor(client: ClusterClient) {
    this.#client = client;
  }

  /** Groups of all brokers, of some states and types or of all. A broker that fails makes the call fail. */
  async list(
    options: AdminOptions & { readonly states?: readonly string[]; readonly types?: readonly string[] } = {},
  ): Promise<ListedGroup[]> {
    const client = this.#client;
    const { states = [], types = [] } = options;
    const patience = client.patience(options);
    const brokers = await client.ready(patience);
    const lists = await Promise.all(
      [...brokers.keys()].map(id =>
        client.retrying(patience, async () => {
          const answer = await client.call(id, "ListGroups", version => ({
            ...(version < 4 && states.length === 0 ? {} : { statesFilter: states }),
            ...(version < 5 && types.length === 0 ? {} : { typesFilter: types }),
          }));
          check(answer, `the groups of broker ${id}`);
          return answer.groups;
        }),
      ),
    );
    return lists.flat().map(({ groupId, groupType, protocolType, groupState }) => ({
      ...{ groupId, protocolType },
      // Brokers write "classic", Kafka's tools and the other answers "Classic".
      type: groupType.slice(0, 1).toUpperCase() + groupType.slice(1),
      state: groupState,
    }));
  }

  /** Describes groups of consumers of any protocol, and share groups. */
  async describe(
    groupIds: readonly string[],
    options: AdminOptions & { readonly authorizedOperations?: boolean } = {},
  ): Promise<Outcomes<string, DescribedGroup>> {
    const withOperations = options.authorizedOperations === true;
    const plan = byCoordinator(this.#client, "group", groupIds, async groupId => {
      for (const describe of [describeConsumerGroup, describeShareGroup]) {
        try {
          const found = await describe(this.#client, groupId, withOperations);
          if (!(found instanceof KafkaError) || found.name !== "GROUP_ID_NOT_FOUND") return found;
        } catch (error) {
          if (!(error instanceof KafkaError) || error.name !== "UNSUPPORTED_VERSION") throw error;
        }
      }
      return describeClassicGroup(this.#client, groupId, withOperations);
    });
    return new Outcomes(await drive(this.#client, this.#client.patience(options), plan));
  }

  /** Deletes groups without members, with their offsets. */
  async delete(groupIds: readonly string[], options: AdminOptions = {}): Promise<Outcomes<string, true>> {
    const plan = byCoordinator<true>(this.#client, "group", groupIds, async groupId => {
      const { results } = await this.#client.callCoordinator({ kind: "group", key: groupId }, "DeleteGroups", {
        groupsNames: [groupId],
      });
      return resultOf(results[0], `group ${groupId}`);
    });
    return new Outcomes(await drive(this.#client, this.#client.patience(options), plan));
  }

  /** Committed offsets of groups: of all their partitions, or of some. Partitions without one are left out. */
  async offsets(
    groupIds: readonly string[],
    options: AdminOptions & { readonly partitions?: readonly TopicPartition[]; readonly requireStable?: boolean } = {},
  ): Promise<Outcomes<string, readonly CommittedOffset[]>> {
    const { partitions, requireStable = false } = options;
    const topics =
      partitions === undefined
        ? null
        : [...byTopic(partitions)].map(([name, entries]) => ({
            name,
            partitionIndexes: entries.map(({ partition }) => partition),
          }));
    const plan = byCoordinator<readonly CommittedOffset[]>(this.#client, "group", groupIds, async groupId => {
      const answer = await this.#client.callCoordinator(
        { kind: "group", key: groupId },
        "OffsetFetch",
        version => ({
          ...(version < SEVERAL_GROUPS ? { groupId, topics } : { groups: [{ groupId, topics }] }),
          ...(version < 7 ? {} : { requireStable }),
        }),
        { maxVersion: TOPIC_NAMES },
      );
      const group = answer.groups[0] ?? answer;
      return outcomeOf(group, `group ${groupId}`, () => group.topics.flatMap(committedOf));
    });
    return new Outcomes(await drive(this.#client, this.#client.patience(options), plan));
  }

  /** Commits offsets for a group without active members. */
  async alterOffsets(
    groupId: string,
    offsets: readonly OffsetToCommit[],
    options: AdminOptions = {},
  ): Promise<PartitionOutcomes<true>> {
    const patience = this.#client.patience(options);
    const topics = [...byTopic(offsets)].map(([name, entries]) => ({
      name,
      partitions: entries.map(({ partition, offset, leaderEpoch = -1, metadata = "" }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: leaderEpoch,
        committedMetadata: metadata,
      })),
    }));
    const answer = await this.#ofCoordinator(groupId, patience, async () => {
      const response = await this.#client.callCoordinator(
        { kind: "group", key: groupId },
        "OffsetCommit",
        { groupId, memberId: "", topics },
        { maxVersion: TOPIC_NAMES },
      );
      for (const { partitions } of response.topics)
        partitions.forEach(result => checkCoordinator(result.errorCode, groupId));
      return response;
    });
    return partitionResults(answer.topics);
  }

  /** Deletes offsets of a group for partitions of topics that no member subscribes to (KIP-496). */
  async deleteOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
    options: AdminOptions = {},
  ): Promise<PartitionOutcomes<true>> {
    const topics = [...byTopic(partitions)].map(([name, entries]) => ({
      name,
      partitions: entries.map(({ partition }) => ({ partitionIndex: partition })),
    }));
    const answer = await this.#ofCoordinator(groupId, this.#client.patience(options), async () => {
      const response = await this.#client.callCoordinator({ kind: "group", key: groupId }, "OffsetDelete", {
        groupId,
        topics,
      });
      check(response, `group ${groupId}`);
      return response;
    });
    return partitionResults(answer.topics);
  }

  /** Removes members, or all of them, from a classic group. The members join again if they still run. */
  async removeMembers(
    groupId: string,
    members: readonly MemberToRemove[] | "all",
    options: AdminOptions & { readonly reason?: string } = {},
  ): Promise<Outcomes<string, true>> {
    const patience = this.#client.patience(options);
    const described = members === "all" ? (await this.describe([groupId], options)).value(groupId).members : members;
    const { reason = "removed by an admin" } = options;
    const answer = await this.#ofCoordinator(groupId, patience, async () => {
      const response = await this.#client.callCoordinator({ kind: "group", key: groupId }, "LeaveGroup", version => ({
        groupId,
        ...(version < MEMBERS
          ? { memberId: described[0]?.memberId ?? "" }
          : {
              members: described.map(({ memberId = "", instanceId }) => ({
                ...{ memberId: instanceId === undefined ? memberId : "", groupInstanceId: instanceId ?? null, reason },
              })),
            }),
      }));
      check(response, `group ${groupId}`);
      return response;
    });
    return new Outcomes(
      new Map(
        answer.members.map((member): [string, Outcome<true>] => {
          const name = member.groupInstanceId ?? member.memberId;
          return [name, outcomeOf(member, `member ${name}`, () => true as const)];
        }),
      ),
    );
  }

  async #ofCoordinator<T>(
    groupId: string,
    patience: ReturnType<ClusterClient["patience"]>,
    ask: () => Promise<T>,
  ): Promise<T> {
    return this.#client.retrying(patience, async () => {
      try {
        return await ask();
      } catch (error) {
        this.#client.forgetCoordinator("group", groupId);
        throw error;
      }
    });
  }
}

const OF_COORDINATOR: ReadonlySet<number> = new Set(
  [Errors.COORDINATOR_LOAD_IN_PROGRESS, Errors.COORDINATOR_NOT_AVAILABLE, Errors.NOT_COORDINATOR].map(
    ({ code }) => code,
  ),
);

/** Throws an error of the coordinator, which is the same for all partitions of a request. */
function checkCoordinator(errorCode: number, groupId: string): void {
  if (OF_COORDINATOR.has(errorCode)) throw KafkaError.of(errorCode, `group ${groupId}`);
}

/** Result of the only item of an answer. */
function resultOf(
  result: { readonly errorCode: number; readonly errorMessage?: string | null } | undefined,
  what: string,
): Outcome<true> {
  if (result === undefined) return new KafkaError("PROTOCOL_VIOLATION", `the broker's answer leaves out ${what}`);
  return outcomeOf(result, what, () => true as const);
}

/** Results of partitions, as answers list them by topic. */
export function partitionResults(
  topics: readonly {
    readonly name: string;
    readonly partitions: readonly {
      readonly partitionIndex: PartitionIndex;
      readonly errorCode: number;
      readonly errorMessage?: string | null;
    }[];
  }[],
): PartitionOutcomes<true> {
  return new PartitionOutcomes(
    new Map(
      topics.flatMap(({ name, partitions }) =>
        partitions.map((result): [string, Outcome<true>] => [
          partitionKey(name, result.partitionIndex),
          outcomeOf(result, `${name}-${result.partitionIndex}`, () => true as const),
        ]),
      ),
    ),
  );
}

function committedOf({ name: topic, partitions }: ResponseOf<"OffsetFetch">["topics"][number]): CommittedOffset[] {
  return partitions.flatMap(
    ({ partitionIndex: partition, committedOffset, committedLeaderEpoch, metadata, errorCode }) => {
      if (errorCode !== 0) throw KafkaError.of(errorCode, `${topic}-${partition}`);
      const offset = nearestNumber(committedOffset);
      if (offset < 0) return [];
      return [{ topic, partition, offset, leaderEpoch: committedLeaderEpoch, metadata: metadata ?? "" }];
    },
  );
}

type Assigned = Described<"ConsumerGroupDescribe">["members"][number]["assignment"];

function partitionsOf({ topicPartitions }: Assigned): TopicPartition[] {
  return topicPartitions.flatMap(({ topicName: topic, partitions }) =>
    partitions.map(partition => ({ topic, partition })),
  );
}

async function describeConsumerGroup(
  client: ClusterClient,
  groupId: string,
  withOperations: boolean,
): Promise<Outcome<DescribedGroup>> {
  const request = { groupIds: [groupId], includeAuthorizedOperations: withOperations };
  const { groups } = await client.callCoordinator({ kind: "group", key: groupId }, "ConsumerGroupDescribe", request);
  const [group] = groups;
  if (group === undefined) throw new KafkaError("PROTOCOL_VIOLATION", `the answer leaves out group ${groupId}`);
  return outcomeOf(group, `group ${groupId}`, () => ({
    ...described(group, withOperations),
    type: "Consumer",
    protocolType: "consumer",
    members: group.members.map(member => ({
      ...memberOf(member),
      instanceId: member.instanceId ?? undefined,
      target: partitionsOf(member.targetAssignment),
      isUpgraded: member.memberType < 0 ? undefined : member.memberType === NEW_PROTOCOL,
    })),
  }));
}

async function describeShareGroup(
  client: ClusterClient,
  groupId: string,
  withOperations: boolean,
): Promise<Outcome<DescribedGroup>> {
  const request = { groupIds: [groupId], includeAuthorizedOperations: withOperations };
  const { groups } = await client.callCoordinator({ kind: "group", key: groupId }, "ShareGroupDescribe", request);
  const [group] = groups;
  if (group === undefined) throw new KafkaError("PROTOCOL_VIOLATION", `the answer leaves out group ${groupId}`);
  return outcomeOf(group, `group ${groupId}`, () => ({
    ...described(group, withOperations),
    type: "Share",
    protocolType: "share",
    members: group.members.map(member => ({
      ...memberOf(member),
      instanceId: undefined,
      target: undefined,
      isUpgraded: undefined,
    })),
  }));
}

type NewGroup = Described<"ConsumerGroupDescribe"> | Described<"ShareGroupDescribe">;

function described(group: NewGroup, withOperations: boolean) {
  const { groupId, groupState: state, assignorName: assignor, groupEpoch, assignmentEpoch } = group;
  const authorizedOperations = withOperations ? operationsOf(group.authorizedOperations) : undefined;
  return { groupId, state, assignor, groupEpoch, assignmentEpoch, authorizedOperations };
}

function memberOf(member: NewGroup["members"][number]) {
  const { memberId, clientId, clientHost: host, rackId, memberEpoch, subscribedTopicNames: topics } = member;
  const assignment = partitionsOf(member.assignment);
  return { memberId, clientId, host, rack: rackId ?? undefined, memberEpoch, topics, assignment };
}

async function describeClassicGroup(
  client: ClusterClient,
  groupId: string,
  withOperations: boolean,
): Promise<Outcome<DescribedGroup>> {
  const { groups } = await client.callCoordinator({ kind: "group", key: groupId }, "DescribeGroups", version => ({
    groups: [groupId],
    ...(version < 3 ? {} : { includeAuthorizedOperations: withOperations }),
  }));
  const [group] = groups;
  if (group === undefined) throw new KafkaError("PROTOCOL_VIOLATION", `the answer leaves out group ${groupId}`);
  return outcomeOf(group, `group ${groupId}`, () => ({
    ...{ groupId, type: "Classic", state: group.groupState, protocolType: group.protocolType },
    ...{ assignor: group.protocolData, groupEpoch: -1, assignmentEpoch: -1 },
    members: group.members.map(member => {
      const assignment = group.protocolType === "consumer" ? assignmentOf(member.memberAssignment) : [];
      return {
        ...{ memberId: member.memberId, clientId: member.clientId, host: member.clientHost },
        ...{ instanceId: member.groupInstanceId ?? undefined, rack: undefined, memberEpoch: undefined },
        ...{ assignment, target: undefined, topics: [...byTopic(assignment).keys()], isUpgraded: undefined },
      };
    }),
    authorizedOperations: withOperations ? operationsOf(group.authorizedOperations) : undefined,
  }));
}

/** Partitions in the assignment of a member of a classic group; none if its bytes are not a consumer's. */
function assignmentOf(bytes: Uint8Array): TopicPartition[] {
  if (bytes.length < 2) return [];
  try {
    const reader = new ByteReader(bytes);
    const { first, last } = consumerProtocolAssignment;
    const version = Math.max(first, Math.min(reader.i16(), last));
    return consumerProtocolAssignment
      .decode(reader, version)
      .assignedPartitions.flatMap(({ topic, partitions }) => partitions.map(partition => ({ topic, partition })));
  } catch (error) {
    if (error instanceof MalformedError) return [];
    throw error;
  }
}
