import { type Uuid, ZERO_UUID } from "@samsa/base";
import { type ApiName, Apis, Errors } from "@samsa/protocol";
import type { RequestOf, ResponseOf } from "./handler.ts";

/** Error that fails a whole request. */
export interface RequestError {
  readonly code: number;
  /** Default message of the error (`Errors.message`). */
  readonly message: string | null;
  /** Specific message (`ApiError.message`); null: none. */
  readonly detail: string | null;
}

export type ErrorResponse<Q, R = object> = (request: Q, error: RequestError, version: number) => R | null;

/** First version of AddPartitionsToTxn with many transactions and a top-level error (KIP-890). */
const MANY_TRANSACTIONS_VERSION = 4;
/** First version in which a failed Fetch names no partitions (KIP-516). */
const FETCH_ID_VERSION = 13;
/** First version of CreateDelegationToken that names the requester (KIP-373). */
const TOKEN_REQUESTER_VERSION = 3;
/** First version of FindCoordinator with many keys (KIP-699). */
const MANY_KEYS_VERSION = 4;
/** First version of JoinGroup with a nullable protocol name. */
const NO_PROTOCOL_VERSION = 7;
/** First versions of OffsetFetch with an error of the group, and with many groups (KIP-709). */
const GROUP_ERROR_VERSION = 2;
const MANY_GROUPS_VERSION = 8;

const NO_BYTES = new Uint8Array(0);
const NOTHING = { throttleTimeMs: 0 } as const;
const API_VERSIONS = { apiKey: Apis.ApiVersions.key, minVersion: 0, maxVersion: Apis.ApiVersions.lastStable } as const;
/** Fields of a transaction that could not be described. */
export const NO_TRANSACTION = {
  transactionState: "",
  transactionTimeoutMs: 0,
  transactionStartTimeMs: 0,
  producerId: 0n,
  producerEpoch: 0,
  topics: [],
} as const;
/** Fields of a group that could not be described. */
export const UNDESCRIBED = {
  groupState: "",
  groupEpoch: 0,
  assignmentEpoch: 0,
  assignorName: "",
  members: [],
} as const;
/** Fields of a GetTelemetrySubscriptions response that carries an error. */
export const NO_SUBSCRIPTION = {
  clientInstanceId: ZERO_UUID,
  subscriptionId: 0,
  acceptedCompressionTypes: [],
  pushIntervalMs: 0,
  telemetryMaxBytes: 0,
  deltaTemporality: false,
  requestedMetrics: [],
} as const;
const NO_NODE = { nodeId: -1, host: "", port: -1 } as const;

function coded(_request: unknown, { code }: RequestError) {
  return { ...NOTHING, errorCode: code };
}

function unbeaten(_request: unknown, { code }: RequestError) {
  return { ...NOTHING, errorCode: code, memberEpoch: 0, heartbeatIntervalMs: 0 };
}

function spoken(_request: unknown, { code, message }: RequestError) {
  return { ...NOTHING, errorCode: code, errorMessage: message, responses: [] };
}

interface OffsetTopics {
  readonly topics: readonly {
    readonly name: string;
    readonly topicId?: Uuid;
    readonly partitions: readonly { readonly partitionIndex: number }[];
  }[];
}

function committed({ topics }: OffsetTopics, { code }: RequestError) {
  return {
    ...NOTHING,
    topics: topics.map(({ name, topicId = ZERO_UUID, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: code })),
    })),
  };
}

interface ConfigResources {
  readonly resources: readonly { readonly resourceType: number; readonly resourceName: string }[];
}

function configured({ resources }: ConfigResources, { code, detail }: RequestError) {
  return {
    ...NOTHING,
    responses: resources.map(({ resourceType, resourceName }) => ({
      errorCode: code,
      errorMessage: detail,
      resourceType,
      resourceName,
    })),
  };
}

interface ShareTopics {
  readonly topics: readonly {
    readonly topicId: Uuid;
    readonly partitions: readonly { readonly partition: number }[];
  }[];
}

/**
 * Response of the share APIs. `message`: Kafka fills in the error message for some of these APIs only. `rest`: the
 * other fields of a partition.
 */
function shared<F>(message: boolean, rest: F) {
  return ({ topics }: ShareTopics, error: RequestError) => ({
    results: topics.map(({ topicId, partitions }) => ({
      topicId,
      partitions: partitions.map(({ partition }) => ({
        ...rest,
        partition,
        errorCode: error.code,
        ...(message ? { errorMessage: error.message } : {}),
      })),
    })),
  });
}

/** Requester of a delegation token, in the versions of the response that name it. */
export function requesterOf(
  { type, name }: { readonly type: string; readonly name: string },
  version: number,
): { readonly tokenRequesterPrincipalType?: string; readonly tokenRequesterPrincipalName?: string } {
  return version < TOKEN_REQUESTER_VERSION
    ? {}
    : { tokenRequesterPrincipalType: type, tokenRequesterPrincipalName: name };
}

/** Response of each API to a request that fails as a whole (`AbstractRequest.getErrorResponse`). */
export const errorResponses = {
  DescribeAcls: (_request, { code, detail }) => ({ ...NOTHING, errorCode: code, errorMessage: detail, resources: [] }),
  CreateAcls: ({ creations }, { code, detail }) => ({
    ...NOTHING,
    results: creations.map(() => ({ errorCode: code, errorMessage: detail })),
  }),
  DeleteAcls: ({ filters }, { code, detail }) => ({
    ...NOTHING,
    filterResults: filters.map(() => ({ errorCode: code, errorMessage: detail, matchingAcls: [] })),
  }),
  DescribeUserScramCredentials: ({ users }, { code: errorCode, detail: errorMessage }) => ({
    ...NOTHING,
    errorCode,
    errorMessage,
    // Kafka does not name the users.
    results: (users ?? []).map(() => ({ user: "", errorCode, errorMessage, credentialInfos: [] })),
  }),
  AlterUserScramCredentials: ({ deletions, upsertions }, { code, detail }) => ({
    ...NOTHING,
    results: [...new Set([...deletions, ...upsertions].map(({ name }) => name))].map(user => ({
      ...{ user, errorCode: code, errorMessage: detail },
    })),
  }),
  SaslHandshake: (_request, { code }) => ({ errorCode: code, mechanisms: [] }),
  SaslAuthenticate: (_request, { code, detail }) => ({ errorCode: code, errorMessage: detail, authBytes: NO_BYTES }),
  CreateDelegationToken: (_request, { code }, version) => ({
    ...NOTHING,
    errorCode: code,
    ...{ principalType: "User", principalName: "ANONYMOUS" },
    ...requesterOf({ type: "User", name: "ANONYMOUS" }, version),
    ...{ issueTimestampMs: -1, expiryTimestampMs: -1, maxTimestampMs: -1 },
    tokenId: "",
    hmac: NO_BYTES,
  }),
  DescribeDelegationToken: (_request, { code }) => ({ ...NOTHING, errorCode: code, tokens: [] }),
  RenewDelegationToken: (_request, { code }) => ({ ...NOTHING, errorCode: code, expiryTimestampMs: 0 }),
  ExpireDelegationToken: (_request, { code }) => ({ ...NOTHING, errorCode: code, expiryTimestampMs: 0 }),
  AllocateProducerIds: (_request, { code }) => ({
    ...NOTHING,
    errorCode: code,
    producerIdStart: 0n,
    producerIdLen: 0,
  }),
  AlterPartition: (_request, { code }) => ({ ...NOTHING, errorCode: code, topics: [] }),
  AssignReplicasToDirs: (_request, { code }) => ({ ...NOTHING, errorCode: code, directories: [] }),
  BrokerHeartbeat: (_request, { code }) => ({ ...NOTHING, errorCode: code, shouldShutDown: false }),
  BrokerRegistration: coded,
  ControllerRegistration: (_request, { code, detail }) => ({ ...NOTHING, errorCode: code, errorMessage: detail }),
  Produce: ({ acks, topicData }, { code, detail }) =>
    acks === 0
      ? null
      : {
          ...NOTHING,
          responses: topicData.map(({ name, topicId, partitionData }) => ({
            name,
            topicId,
            partitionResponses: partitionData.map(({ index }) => ({
              index,
              errorCode: code,
              baseOffset: -1,
              logAppendTimeMs: -1,
              logStartOffset: -1,
              recordErrors: [],
              errorMessage: detail,
            })),
          })),
        },
  Fetch: ({ sessionId, topics }, { code }, version) => ({
    ...NOTHING,
    errorCode: code,
    sessionId,
    responses:
      version >= FETCH_ID_VERSION
        ? []
        : topics.map(({ topic, topicId, partitions }) => ({
            topic,
            topicId,
            partitions: partitions.map(({ partition }) => ({
              partitionIndex: partition,
              errorCode: code,
              highWatermark: -1,
              abortedTransactions: [],
              records: [],
            })),
          })),
  }),
  ListOffsets: ({ topics }, { code }) => ({
    ...NOTHING,
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: code })),
    })),
  }),
  Metadata: ({ topics }, { code }) => ({
    ...NOTHING,
    errorCode: code,
    brokers: [],
    topics: (topics ?? []).map(({ name, topicId }) => ({
      name: name ?? "",
      topicId,
      errorCode: code,
      isInternal: false,
      partitions: [],
    })),
  }),
  OffsetCommit: committed,
  OffsetFetch: (request, { code }, version) => {
    if (version >= MANY_GROUPS_VERSION) {
      return { ...NOTHING, groups: request.groups.map(({ groupId }) => ({ groupId, topics: [], errorCode: code })) };
    }
    if (version >= GROUP_ERROR_VERSION) return { ...NOTHING, errorCode: code, topics: [] };
    const topics = (request.topics ?? []).map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map(partitionIndex => ({
        partitionIndex,
        errorCode: code,
        committedOffset: -1,
        metadata: "",
      })),
    }));
    return { ...NOTHING, topics };
  },
  FindCoordinator: ({ coordinatorKeys }, { code, message }, version) =>
    version < MANY_KEYS_VERSION
      ? { ...NOTHING, errorCode: code, errorMessage: message, ...NO_NODE }
      : {
          ...NOTHING,
          coordinators: coordinatorKeys.map(key => ({ key, errorCode: code, errorMessage: message, ...NO_NODE })),
        },
  JoinGroup: (_request, { code }, version) => ({
    ...NOTHING,
    errorCode: code,
    generationId: -1,
    protocolName: version >= NO_PROTOCOL_VERSION ? null : "",
    leader: "",
    memberId: "",
    members: [],
  }),
  Heartbeat: coded,
  LeaveGroup: (_request, { code }) => ({ ...NOTHING, errorCode: code, members: [] }),
  SyncGroup: (_request, { code }) => ({ ...NOTHING, errorCode: code, assignment: new Uint8Array(0) }),
  DescribeGroups: ({ groups }, { code }) => ({
    ...NOTHING,
    groups: groups.map(groupId => ({
      errorCode: code,
      groupId,
      groupState: "",
      protocolType: "",
      protocolData: "",
      members: [],
    })),
  }),
  ListGroups: (_request, { code }) => ({ ...NOTHING, errorCode: code, groups: [] }),
  /** A client newer than the broker finds the supported versions of ApiVersions here (KIP-511). */
  ApiVersions: (_request, { code }) => ({
    ...NOTHING,
    errorCode: code,
    apiKeys: code === Errors.UNSUPPORTED_VERSION.code ? [API_VERSIONS] : [],
  }),
  CreateTopics: ({ topics }, { code, detail }) => ({
    ...NOTHING,
    topics: topics.map(({ name }) => ({ name, errorCode: code, errorMessage: detail, configs: [] })),
  }),
  // Old versions name topics in `topicNames`, newer ones in `topics`.
  DeleteTopics: ({ topicNames, topics }, { code }) => ({
    ...NOTHING,
    responses: [...topicNames.map(name => ({ name, topicId: ZERO_UUID })), ...topics].map(({ name, topicId }) => ({
      name,
      topicId,
      errorCode: code,
    })),
  }),
  DeleteRecords: ({ topics }, { code }) => ({
    ...NOTHING,
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: code, lowWatermark: -1 })),
    })),
  }),
  InitProducerId: (_request, { code }) => ({ ...NOTHING, errorCode: code, producerId: -1n, producerEpoch: -1 }),
  OffsetForLeaderEpoch: ({ topics }, { code }) => ({
    ...NOTHING,
    topics: topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition }) => ({ partition, errorCode: code })),
    })),
  }),
  AddPartitionsToTxn: ({ v3AndBelowTopics }, { code }, version) =>
    version >= MANY_TRANSACTIONS_VERSION
      ? { ...NOTHING, errorCode: code }
      : {
          ...NOTHING,
          resultsByTopicV3AndBelow: v3AndBelowTopics.map(({ name, partitions }) => ({
            name,
            resultsByPartition: partitions.map(partitionIndex => ({ partitionIndex, partitionErrorCode: code })),
          })),
        },
  AddOffsetsToTxn: coded,
  EndTxn: coded,
  WriteTxnMarkers: ({ markers }, { code }) => ({
    markers: markers.map(({ producerId, topics }) => ({
      producerId,
      topics: topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map(partitionIndex => ({ partitionIndex, errorCode: code })),
      })),
    })),
  }),
  TxnOffsetCommit: committed,
  DescribeConfigs: ({ resources }, { code, message }) => ({
    ...NOTHING,
    results: resources.map(({ resourceType, resourceName }) => ({
      errorCode: code,
      errorMessage: message,
      resourceType,
      resourceName,
      configs: [],
    })),
  }),
  AlterConfigs: configured,
  IncrementalAlterConfigs: configured,
  AlterReplicaLogDirs: ({ dirs }, { code }) => ({
    ...NOTHING,
    results: dirs.flatMap(({ topics }) =>
      topics.map(({ name, partitions }) => ({
        topicName: name,
        partitions: partitions.map(partitionIndex => ({ partitionIndex, errorCode: code })),
      })),
    ),
  }),
  DescribeLogDirs: (_request, { code }) => ({ ...NOTHING, errorCode: code, results: [] }),
  CreatePartitions: ({ topics }, { code, detail }) => ({
    ...NOTHING,
    results: topics.map(({ name }) => ({ name, errorCode: code, errorMessage: detail })),
  }),
  DeleteGroups: ({ groupsNames }, { code }) => ({
    ...NOTHING,
    results: groupsNames.map(groupId => ({ groupId, errorCode: code })),
  }),
  // Version 0 has errors of partitions only.
  ElectLeaders: ({ topicPartitions }, { code, detail }, version) => ({
    ...NOTHING,
    errorCode: version === 0 ? 0 : code,
    replicaElectionResults: (topicPartitions ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map(partitionId => ({ partitionId, errorCode: code, errorMessage: detail })),
    })),
  }),
  OffsetDelete: (_request, { code }) => ({ ...NOTHING, errorCode: code, topics: [] }),
  AlterPartitionReassignments: ({ topics }, { code, detail }) => ({
    ...NOTHING,
    errorCode: code,
    errorMessage: detail,
    responses: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: code, errorMessage: detail })),
    })),
  }),
  ListPartitionReassignments: ({ topics }, { code, detail }) => ({
    ...NOTHING,
    errorCode: code,
    errorMessage: detail,
    topics: (topics ?? []).map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map(partitionIndex => ({
        partitionIndex,
        replicas: [],
        addingReplicas: [],
        removingReplicas: [],
      })),
    })),
  }),
  DescribeQuorum: (_request, { code, message }) => ({
    errorCode: code,
    errorMessage: message,
    topics: [],
    nodes: [],
  }),
  AddRaftVoter: (_request, { code, message }) => ({ ...NOTHING, errorCode: code, errorMessage: message }),
  RemoveRaftVoter: (_request, { code, message }) => ({ ...NOTHING, errorCode: code, errorMessage: message }),
  UpdateRaftVoter: (_request, { code }) => ({
    ...NOTHING,
    errorCode: code,
    currentLeader: { leaderId: -1, leaderEpoch: -1, host: "", port: 0 },
  }),
  UpdateFeatures: (_request, { code, detail }) => ({ ...NOTHING, errorCode: code, errorMessage: detail, results: [] }),
  DescribeCluster: (_request, { code, detail }) => ({
    ...NOTHING,
    errorCode: code,
    errorMessage: detail,
    clusterId: "",
    brokers: [],
  }),
  DescribeProducers: ({ topics }, { code }) => ({
    ...NOTHING,
    topics: topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map(partitionIndex => ({ partitionIndex, errorCode: code, activeProducers: [] })),
    })),
  }),
  DescribeClientQuotas: (_request, { code, detail }) => ({
    ...NOTHING,
    errorCode: code,
    errorMessage: detail,
    entries: null,
  }),
  AlterClientQuotas: ({ entries }, { code, message }) => ({
    ...NOTHING,
    entries: entries.map(({ entity }) => ({ errorCode: code, errorMessage: message, entity })),
  }),
  UnregisterBroker: (_request, error) => ({
    ...NOTHING,
    errorCode: error.code,
    errorMessage: error.detail ?? error.message,
  }),
  UnregisterController: (_request, error) => ({
    ...NOTHING,
    errorCode: error.code,
    errorMessage: error.detail ?? error.message,
  }),
  DescribeTransactions: ({ transactionalIds }, { code }) => ({
    ...NOTHING,
    transactionStates: transactionalIds.map(transactionalId => ({
      ...NO_TRANSACTION,
      transactionalId,
      errorCode: code,
    })),
  }),
  ListTransactions: (_request, { code }) => ({
    ...NOTHING,
    errorCode: code,
    unknownStateFilters: [],
    transactionStates: [],
  }),
  ConsumerGroupHeartbeat: unbeaten,
  ConsumerGroupDescribe: ({ groupIds }, { code }) => ({
    ...NOTHING,
    groups: groupIds.map(groupId => ({ ...UNDESCRIBED, groupId, errorCode: code })),
  }),
  ShareGroupHeartbeat: unbeaten,
  ShareGroupDescribe: ({ groupIds }, { code }) => ({
    ...NOTHING,
    groups: groupIds.map(groupId => ({ ...UNDESCRIBED, groupId, errorCode: code })),
  }),
  ListConfigResources: (_request, { code }) => ({ ...NOTHING, errorCode: code, configResources: [] }),
  DescribeTopicPartitions: ({ topics }, { code }) => ({
    ...NOTHING,
    topics: topics.map(({ name }) => ({
      name,
      topicId: ZERO_UUID,
      errorCode: code,
      isInternal: false,
      partitions: [],
    })),
    nextCursor: null,
  }),
  ShareFetch: (_request, { code }) => ({
    ...NOTHING,
    errorCode: code,
    acquisitionLockTimeoutMs: 0,
    responses: [],
    nodeEndpoints: [],
  }),
  ShareAcknowledge: (_request, { code }) => ({ ...NOTHING, errorCode: code, responses: [], nodeEndpoints: [] }),
  InitializeShareGroupState: shared(false, {}),
  ReadShareGroupState: shared(true, { stateEpoch: 0, startOffset: 0, stateBatches: [] }),
  WriteShareGroupState: shared(true, {}),
  DeleteShareGroupState: shared(false, {}),
  ReadShareGroupStateSummary: shared(true, { stateEpoch: 0, leaderEpoch: 0, startOffset: 0 }),
  DescribeShareGroupOffsets: ({ groups }, { code, message }) => ({
    ...NOTHING,
    groups: groups.map(({ groupId }) => ({ groupId, topics: [], errorCode: code, errorMessage: message })),
  }),
  AlterShareGroupOffsets: spoken,
  DeleteShareGroupOffsets: spoken,
  GetTelemetrySubscriptions: (_request, { code }) => ({ ...NO_SUBSCRIPTION, ...NOTHING, errorCode: code }),
  Vote: (_request, { code }) => ({ errorCode: code, topics: [] }),
  BeginQuorumEpoch: (_request, { code }) => ({ errorCode: code, topics: [] }),
  EndQuorumEpoch: (_request, { code }) => ({ errorCode: code, topics: [] }),
  FetchSnapshot: (_request, { code }) => ({ ...NOTHING, errorCode: code, topics: [] }),
  Envelope: (_request, { code }) => ({ responseData: null, errorCode: code }),
  PushTelemetry: coded,
} satisfies { readonly [N in ApiName]?: ErrorResponse<RequestOf<N>, ResponseOf<N>> };
