import { ByteWriter, ignored } from "@samsa/base";
import { Apis, Errors } from "@samsa/protocol";
import { FIELD, MAGIC } from "@samsa/records";
import { describe, expect, test } from "vitest";
import type { BrokerParts, ServedApi } from "../src/api/parts.ts";
import { servedApis } from "../src/apis.ts";
import { type Action, ALLOW_ALL, operationBits } from "@samsa/security";
import { RequestHandler } from "../src/network/request-handler.ts";
import type { Topics } from "../src/replica/topics.ts";
import { hasError } from "../src/request/error-codes.ts";
import type { RequestOrigin } from "../src/request/request-context.ts";

/** Permissions that the table of APIs asks for, for a request that names the resources of `drafts`. */
const PERMISSIONS: Readonly<Record<string, readonly string[]>> = {
  Produce: ["WRITE TRANSACTIONAL_ID t"],
  OffsetCommit: ["READ GROUP g"],
  OffsetFetch: ["DESCRIBE GROUP x", "DESCRIBE GROUP y"],
  FindCoordinator: ["DESCRIBE GROUP x", "DESCRIBE GROUP y"],
  JoinGroup: ["READ GROUP g"],
  Heartbeat: ["READ GROUP g"],
  LeaveGroup: ["READ GROUP g"],
  SyncGroup: ["READ GROUP g"],
  DescribeGroups: ["DESCRIBE GROUP x", "DESCRIBE GROUP y"],
  InitProducerId: ["WRITE TRANSACTIONAL_ID t", "TWO_PHASE_COMMIT TRANSACTIONAL_ID t"],
  AddPartitionsToTxn: ["CLUSTER_ACTION CLUSTER kafka-cluster"],
  AddOffsetsToTxn: ["WRITE TRANSACTIONAL_ID t", "READ GROUP g"],
  EndTxn: ["WRITE TRANSACTIONAL_ID t"],
  TxnOffsetCommit: ["WRITE TRANSACTIONAL_ID t", "READ GROUP g"],
  DescribeAcls: ["DESCRIBE CLUSTER kafka-cluster"],
  CreateAcls: ["ALTER CLUSTER kafka-cluster"],
  DeleteAcls: ["ALTER CLUSTER kafka-cluster"],
  DescribeConfigs: ["DESCRIBE_CONFIGS TOPIC x", "DESCRIBE_CONFIGS TOPIC y"],
  AlterReplicaLogDirs: ["ALTER CLUSTER kafka-cluster"],
  DescribeLogDirs: ["DESCRIBE CLUSTER kafka-cluster"],
  DeleteGroups: ["DELETE GROUP x", "DELETE GROUP y"],
  ElectLeaders: ["ALTER CLUSTER kafka-cluster"],
  OffsetDelete: ["DELETE GROUP g"],
  AlterPartitionReassignments: ["ALTER CLUSTER kafka-cluster"],
  ListPartitionReassignments: ["DESCRIBE CLUSTER kafka-cluster"],
  DescribeClientQuotas: ["DESCRIBE_CONFIGS CLUSTER kafka-cluster"],
  AlterClientQuotas: ["ALTER_CONFIGS CLUSTER kafka-cluster"],
  DescribeUserScramCredentials: ["DESCRIBE CLUSTER kafka-cluster"],
  AlterUserScramCredentials: ["ALTER CLUSTER kafka-cluster"],
  DescribeQuorum: ["DESCRIBE CLUSTER kafka-cluster"],
  UpdateFeatures: ["ALTER CLUSTER kafka-cluster"],
  UnregisterBroker: ["ALTER CLUSTER kafka-cluster"],
  UnregisterController: ["ALTER CLUSTER kafka-cluster"],
  DescribeTransactions: ["DESCRIBE TRANSACTIONAL_ID x", "DESCRIBE TRANSACTIONAL_ID y"],
  ConsumerGroupHeartbeat: ["READ GROUP g"],
  ConsumerGroupDescribe: ["DESCRIBE GROUP x", "DESCRIBE GROUP y"],
  ListConfigResources: ["DESCRIBE_CONFIGS CLUSTER kafka-cluster"],
  AddRaftVoter: ["ALTER CLUSTER kafka-cluster"],
  RemoveRaftVoter: ["ALTER CLUSTER kafka-cluster"],
  ShareGroupHeartbeat: ["READ GROUP g"],
  ShareGroupDescribe: ["DESCRIBE GROUP x", "DESCRIBE GROUP y"],
  ShareFetch: ["READ GROUP g"],
  ShareAcknowledge: ["READ GROUP g"],
  InitializeShareGroupState: ["CLUSTER_ACTION CLUSTER kafka-cluster"],
  ReadShareGroupState: ["CLUSTER_ACTION CLUSTER kafka-cluster"],
  WriteShareGroupState: ["CLUSTER_ACTION CLUSTER kafka-cluster"],
  DeleteShareGroupState: ["CLUSTER_ACTION CLUSTER kafka-cluster"],
  ReadShareGroupStateSummary: ["CLUSTER_ACTION CLUSTER kafka-cluster"],
  DescribeShareGroupOffsets: ["DESCRIBE GROUP x", "DESCRIBE GROUP y"],
  AlterShareGroupOffsets: ["READ GROUP g"],
  DeleteShareGroupOffsets: ["DELETE GROUP g"],
};

/** APIs whose row asks for no permission: handlers or the controller do, for topics their view of these, or nobody. */
const BY_HANDLER = [
  "AlterConfigs",
  "ApiVersions",
  "CreateDelegationToken",
  "CreatePartitions",
  "CreateTopics",
  "DeleteRecords",
  "DeleteTopics",
  "DescribeCluster",
  "DescribeDelegationToken",
  "DescribeProducers",
  "DescribeTopicPartitions",
  "ExpireDelegationToken",
  "Fetch",
  "GetTelemetrySubscriptions",
  "IncrementalAlterConfigs",
  "ListGroups",
  "ListOffsets",
  "ListTransactions",
  "Metadata",
  "OffsetForLeaderEpoch",
  "PushTelemetry",
  "RenewDelegationToken",
  "SaslAuthenticate",
  "SaslHandshake",
  "WriteTxnMarkers",
];

const logged: unknown[] = [];
const log = (_message: string, fields: unknown): void => void logged.push(fields);
const parts = { env: { logger: { error: log } }, shares: { isEnabled: true } } as unknown as BrokerParts;

/** Topics that no handler of these tests looks at. */
const NO_TOPICS = {} as unknown as Topics;

let closed = 0;

function contextOf(version: number): RequestOrigin {
  const peer = { host: "127.0.0.1", port: 1, software: { name: "", version: "" } };
  const client = { user: "ANONYMOUS", byToken: false, allowsTokens: false, clientId: "" };
  return { version, ...client, listener: "", peer, close: () => void closed++ };
}

/** Head of a transactional batch. */
const transactional = (): Uint8Array[] => {
  const head = new Uint8Array(61);
  head[FIELD.magic] = MAGIC;
  head[FIELD.attributes + 1] = 0x10;
  return [head.subarray(0, 8), head.subarray(8)];
};

/** Fields of requests that name resources. A list names x and y. */
const drafts: Readonly<Record<string, unknown>> = {
  acks: -1,
  groupId: "g",
  transactionalId: "t",
  v3AndBelowTransactionalId: "t",
  enable2Pc: true,
  key: "x",
  coordinatorKeys: ["x", "y"],
  groupIds: ["x", "y"],
  groupsNames: ["x", "y"],
  transactionalIds: ["x", "y"],
  protocolType: "consumer",
  protocolName: "range",
};

function requestOf({ name }: ServedApi): object {
  const { request } = Apis[name];
  const lists: Readonly<Record<string, unknown>> = {
    ...(name === "DescribeGroups" ? { groups: ["x", "y"] } : {}),
    ...(/^(?:OffsetFetch|DescribeShareGroupOffsets)$/.test(name)
      ? { groups: ["x", "y"].map(groupId => ({ groupId })) }
      : {}),
    ...(name === "DescribeConfigs"
      ? { resources: ["x", "y"].map(resourceName => ({ resourceType: 2, resourceName })) }
      : {}),
    ...(name === "Produce"
      ? { topicData: [{ name: "a", partitionData: [{ index: 0, records: transactional() }] }] }
      : {}),
  };
  const own = Object.entries({ ...drafts, ...lists }).filter(([field]) => field in request.fields);
  return (request.defaults as (draft: object) => object)(Object.fromEntries(own));
}

/** Responses of `handler` to a request. */
function responsesOf(handler: RequestHandler, api: ServedApi, version: number, request = requestOf(api)) {
  const responses: (object | null)[] = [];
  handler.handle(api, request, contextOf(version), response => void responses.push(response));
  return responses;
}

const served = [...servedApis({ telemetry: true }).values()].map(api => ({ ...api, isEnabled: undefined }));

/** Handler whose authorizer refuses some actions, and keeps what it was asked. */
function guarded(refuses: (action: string) => boolean) {
  const asked: string[] = [];
  const allows = (_client: unknown, { operation, resource, name }: Action): boolean => {
    asked.push(`${operation} ${resource} ${name}`);
    return !refuses(`${operation} ${resource} ${name}`);
  };
  return { asked, handler: new RequestHandler(parts, NO_TOPICS, { allows, allowsSome: () => false }) };
}

test("the rows of the table ask for the permissions that Kafka asks for, once each", () => {
  for (const api of served) {
    const { asked, handler } = guarded(() => false);
    responsesOf(handler, { ...api, handle: ignored("requests are only authorized here") }, api.last);
    expect([api.name, asked]).toEqual([api.name, PERMISSIONS[api.name] ?? []]);
  }
  expect([...Object.keys(PERMISSIONS), ...BY_HANDLER].toSorted()).toEqual(served.map(({ name }) => name).toSorted());
});

test("the one key, group or transactional id of older versions needs the same permission", () => {
  const askedBy = (name: string, version: number, fields: object = {}): string[] => {
    const api = served.find(one => one.name === name) as ServedApi;
    const { asked, handler } = guarded(() => false);
    const request = { ...requestOf(api), ...fields };
    responsesOf(handler, { ...api, handle: ignored("requests are only authorized here") }, version, request);
    return asked;
  };
  // Lists are empty in the versions that do not have them.
  expect(askedBy("OffsetFetch", 7, { groups: [] })).toEqual(["DESCRIBE GROUP g"]);
  const keys = { coordinatorKeys: [] };
  expect(askedBy("FindCoordinator", 3, keys)).toEqual(["DESCRIBE GROUP x"]);
  expect(askedBy("FindCoordinator", 3, { ...keys, keyType: 1 })).toEqual(["DESCRIBE TRANSACTIONAL_ID x"]);
  expect(askedBy("FindCoordinator", 4, { keyType: 1 })).toEqual([
    "DESCRIBE TRANSACTIONAL_ID x",
    "DESCRIBE TRANSACTIONAL_ID y",
  ]);
  expect(askedBy("FindCoordinator", 6, { keyType: 2 })).toEqual(["CLUSTER_ACTION CLUSTER kafka-cluster"]);
  expect(askedBy("FindCoordinator", 5, { keyType: 2 })).toEqual([]);
  expect(askedBy("AddPartitionsToTxn", 3)).toEqual(["WRITE TRANSACTIONAL_ID t"]);
  expect(askedBy("InitProducerId", 5, { enable2Pc: false })).toEqual(["WRITE TRANSACTIONAL_ID t"]);
  expect(askedBy("InitProducerId", 5, { transactionalId: null })).toEqual([]);
  expect(askedBy("SyncGroup", 5, { protocolName: null }), "the request is invalid whoever sends it").toEqual([]);
  expect(askedBy("ShareFetch", 1, { groupId: null }), "so is this one").toEqual([]);
  expect(askedBy("Produce", 9, { topicData: [] }), "no batch is transactional").toEqual([]);
});

const CODES = {
  CLUSTER: Errors.CLUSTER_AUTHORIZATION_FAILED.code,
  GROUP: Errors.GROUP_AUTHORIZATION_FAILED.code,
  TOPIC: Errors.TOPIC_AUTHORIZATION_FAILED.code,
  TRANSACTIONAL_ID: Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED.code,
};

const WITHOUT_ERROR = [
  "OffsetCommit",
  "TxnOffsetCommit",
  "CreateAcls",
  "DeleteAcls",
  "AlterReplicaLogDirs",
  "ElectLeaders",
  "AlterClientQuotas",
  "AlterUserScramCredentials",
  "InitializeShareGroupState",
  "ReadShareGroupState",
  "WriteShareGroupState",
  "DeleteShareGroupState",
  "ReadShareGroupStateSummary",
];

test("a request without permission gets the error of the resource in every version, and reaches no handler", () => {
  const told = new Set<string>();
  for (const api of served.filter(({ name }) => name in PERMISSIONS)) {
    for (let version = api.first; version <= api.last; version++) {
      const { asked, handler } = guarded(() => true);
      const handle = (): never => {
        throw new Error(`the handler of ${api.name} was called`);
      };
      const [response] = responsesOf(handler, { ...api, handle }, version);
      const resource = asked[0]?.split(" ")[1] as keyof typeof CODES;
      // Version 0 of ElectLeaders has errors of partitions only.
      const isTold = (response as { errorCode?: number }).errorCode !== undefined && api.name !== "ElectLeaders";
      const isListed = (api.each !== undefined && version === api.last) || api.name === "Produce";
      if (isTold || isListed) expect(hasError(response ?? {}, CODES[resource]), api.name).toBe(true);
      if (isTold || isListed) told.add(api.name);
      expect(() => api.response.encode(new ByteWriter(), response ?? {}, version), api.name).not.toThrow();
    }
  }
  expect(logged).toEqual([]);
  // The other responses have errors of partitions, entries or entities only, and the requests here name none of these.
  expect(Object.keys(PERMISSIONS).filter(name => !told.has(name))).toEqual(WITHOUT_ERROR);
});

describe("a list of resources", () => {
  const describeGroups = served.find(({ name }) => name === "DescribeGroups") as ServedApi;
  const offsetFetch = served.find(({ name }) => name === "OffsetFetch") as ServedApi;

  test("is divided: the handler gets what is permitted, and the response answers for all", () => {
    const { handler, asked } = guarded(action => action.endsWith("y"));
    const seen: unknown[] = [];
    const api: ServedApi = {
      ...describeGroups,
      handle: (_parts, request, _context, reply) => {
        const { groups } = request as { readonly groups: readonly string[] };
        seen.push(groups);
        reply({ throttleTimeMs: 0, groups: groups.map(groupId => ({ errorCode: 0, groupId })) });
      },
    };
    const [response] = responsesOf(handler, api, 5, {
      groups: ["x", "y", "z", "y"],
      includeAuthorizedOperations: false,
    });
    expect(seen).toEqual([["x", "z"]]);
    expect(asked.length, "each name once").toBe(3);
    const { groups } = response as {
      readonly groups: readonly { readonly groupId: string; readonly errorCode: number }[];
    };
    expect(groups.map(({ groupId, errorCode }) => [groupId, errorCode])).toEqual([
      ["y", CODES.GROUP],
      ["y", CODES.GROUP],
      ["x", 0],
      ["z", 0],
    ]);
  });

  test("keeps its order where Kafka keeps it, and answers once", () => {
    const { handler } = guarded(action => action.endsWith("b"));
    const api: ServedApi = {
      ...offsetFetch,
      handle: (_parts, request, _context, reply) => {
        const { groups } = request as { readonly groups: readonly { readonly groupId: string }[] };
        reply({ groups: groups.map(({ groupId }) => ({ groupId, topics: [], errorCode: 0 })) });
      },
    };
    const groups = ["b", "a", "b", "c"].map(groupId => ({ groupId, memberId: null, memberEpoch: -1, topics: null }));
    const request = { groupId: "", topics: null, groups, requireStable: false };
    const [response, ...more] = responsesOf(handler, api, 8, request);
    expect(more).toEqual([]);
    const given = (response as { readonly groups: readonly { readonly groupId: string; readonly errorCode: number }[] })
      .groups;
    expect(given.map(({ groupId, errorCode }) => `${groupId} ${errorCode}`)).toEqual([
      `b ${CODES.GROUP}`,
      "a 0",
      `b ${CODES.GROUP}`,
      "c 0",
    ]);
  });

  test("keeps the error of a handler that fails the whole request", () => {
    const { handler } = guarded(action => action.endsWith("b"));
    const api: ServedApi = { ...offsetFetch, handle: (_parts, _request, _context, reply) => reply({ groups: [] }) };
    const groups = ["b", "a"].map(groupId => ({ groupId, memberId: null, memberEpoch: -1, topics: null }));
    const [response] = responsesOf(handler, api, 8, { groupId: "", topics: null, groups, requireStable: false });
    expect(response).toMatchObject({ groups: [{ groupId: "b", errorCode: CODES.GROUP }] });
  });
});

test("a denied request that expects no response closes its connection", () => {
  const produce = served.find(({ name }) => name === "Produce") as ServedApi;
  const { handler } = guarded(() => true);
  closed = 0;
  expect(responsesOf(handler, produce, 9, { ...requestOf(produce), acks: 0 })).toEqual([]);
  expect(closed).toBe(1);
});

test("an API that is switched off is refused before permissions are asked for", () => {
  const off = { ...parts, shares: { isEnabled: false } } as unknown as BrokerParts;
  const allows = (): never => {
    throw new Error("the authorizer was asked");
  };
  const handler = new RequestHandler(off, NO_TOPICS, { allows, allowsSome: () => false });
  for (const api of [...servedApis({ telemetry: true }).values()].filter(({ name }) =>
    /^Share|ShareGroupOffsets/.test(name),
  )) {
    const [response] = responsesOf(handler, api, api.last);
    expect(hasError(response ?? {}, Errors.UNSUPPORTED_VERSION.code), api.name).toBe(true);
  }
});

test("a handler that throws costs its request, which is answered once", () => {
  const handler = new RequestHandler(parts, NO_TOPICS, ALLOW_ALL);
  for (const api of served) {
    const before = logged.length;
    const thrown = (): never => {
      throw new Error("planted");
    };
    const [response, ...more] = responsesOf(handler, { ...api, handle: thrown }, api.last);
    expect(response, api.name).toBeTypeOf("object");
    expect(more).toEqual([]);
    if (response !== null) expect(() => api.response.encode(new ByteWriter(), response, api.last)).not.toThrow();
    const afterReply: ServedApi["handle"] = (_parts, _request, _context, reply) => {
      reply({});
      throw new Error("planted");
    };
    expect(responsesOf(handler, { ...api, handle: afterReply }, api.last)).toEqual([{}]);
    expect(logged.length).toBe(before + 2);
  }
});

test("authorized operations are the bits that Kafka tells", () => {
  // Bits of `AclEntry.supportedOperations`, as Kafka returns them without an authorizer.
  const all = () => true;
  expect([operationBits("TOPIC", all), operationBits("CLUSTER", all), operationBits("GROUP", all)]).toEqual([
    3576, 8096, 3400,
  ]);
});
