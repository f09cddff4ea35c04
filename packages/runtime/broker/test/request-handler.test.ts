import { ByteWriter } from "@samsa/base";
import { Apis, Errors } from "@samsa/protocol";
import { expect, test } from "vitest";
import type { ServedApi } from "../src/api/parts.ts";
import { servedApis } from "../src/apis.ts";
import { type Action, ALLOW_ALL, operationBits } from "@samsa/security";
import type { BrokerParts } from "../src/api/parts.ts";
import { RequestHandler } from "../src/network/request-handler.ts";
import type { Topics } from "../src/replica/topics.ts";
import type { RequestOrigin } from "../src/request/request-context.ts";

/** APIs without a permission for the whole request: their handlers check each resource. */
const BY_RESOURCE = [
  "AddPartitionsToTxn",
  "AlterConfigs",
  "ApiVersions",
  "ConsumerGroupDescribe",
  "CreatePartitions",
  "CreateTopics",
  "DeleteGroups",
  "DeleteRecords",
  "DeleteTopics",
  "DescribeCluster",
  "DescribeConfigs",
  "DescribeGroups",
  "DescribeProducers",
  "DescribeShareGroupOffsets",
  "DescribeTopicPartitions",
  "DescribeTransactions",
  "Fetch",
  "FindCoordinator",
  "GetTelemetrySubscriptions",
  "IncrementalAlterConfigs",
  "ListGroups",
  "ListOffsets",
  "ListTransactions",
  "Metadata",
  "OffsetFetch",
  "OffsetForLeaderEpoch",
  "PushTelemetry",
  "SaslAuthenticate",
  "SaslHandshake",
  "ShareGroupDescribe",
  "WriteTxnMarkers",
];

const logged: unknown[] = [];
const log = (_message: string, fields: unknown): void => void logged.push(fields);
const parts = { env: { logger: { error: log } } } as unknown as BrokerParts;

/** Topics that no handler of these tests looks at. */
const NO_TOPICS = {} as unknown as Topics;

function contextOf(version: number): RequestOrigin {
  const peer = { host: "127.0.0.1", port: 1, software: { name: "", version: "" } };
  return { version, user: "ANONYMOUS", clientId: "", listener: "", peer, close: () => {} };
}

/** Responses of `handler` to a request of defaults, with names for groups and transactional ids. */
function responsesOf(handler: RequestHandler, api: ServedApi, version: number): (object | null)[] {
  const { request } = Apis[api.name];
  const names = { groupId: "g", transactionalId: "t", acks: -1 };
  const drafts = Object.fromEntries(Object.entries(names).filter(([name]) => name in request.fields));
  const responses: (object | null)[] = [];
  handler.handle(
    api,
    request.defaults(drafts) as object,
    contextOf(version),
    response => void responses.push(response),
  );
  return responses;
}

test("a client without the permission gets the error of the resource, and its request reaches no handler", () => {
  const asked = new Map<string, Action>();
  let name = "";
  const allows = (_client: unknown, action: Action): boolean => {
    asked.set(name, action);
    return false;
  };
  const handler = new RequestHandler(parts, NO_TOPICS, { allows, allowsSome: () => false });
  const codes = {
    CLUSTER: Errors.CLUSTER_AUTHORIZATION_FAILED.code,
    GROUP: Errors.GROUP_AUTHORIZATION_FAILED.code,
    TOPIC: Errors.TOPIC_AUTHORIZATION_FAILED.code,
    TRANSACTIONAL_ID: Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED.code,
    DELEGATION_TOKEN: Errors.DELEGATION_TOKEN_AUTHORIZATION_FAILED.code,
    USER: Errors.CLUSTER_AUTHORIZATION_FAILED.code,
  };
  for (const api of servedApis({ telemetry: true }).values()) {
    const { first, last } = api;
    name = api.name;
    for (let version = first; version <= last; version++) {
      if (BY_RESOURCE.includes(name)) {
        expect(api.action({}, 0), name).toBeUndefined();
        continue;
      }
      const handle = (): never => {
        throw new Error("the handler was called");
      };
      const [response] = responsesOf(handler, { ...api, handle }, version);
      const action = asked.get(name);
      expect(action, name).toBeDefined();
      if (action === undefined || response === null) continue;
      const { errorCode = codes[action.resource] } = response as { errorCode?: number };
      // Version 0 of ElectLeaders has errors of partitions only.
      expect(errorCode).toBe(name === "ElectLeaders" && version === 0 ? 0 : codes[action.resource]);
      expect(() => api.response.encode(new ByteWriter(), response, version)).not.toThrow();
    }
  }
  expect(logged).toEqual([]);
  expect([...asked.keys(), ...BY_RESOURCE].toSorted()).toEqual(
    [...servedApis({ telemetry: true }).values()].map(api => api.name).toSorted(),
  );
  expect(asked.get("JoinGroup")).toEqual({ operation: "READ", resource: "GROUP", name: "g" });
  expect(asked.get("UpdateFeatures")).toEqual({ operation: "ALTER", resource: "CLUSTER", name: "kafka-cluster" });
});

test("a handler that throws costs its request, which is answered once", () => {
  const handler = new RequestHandler(parts, NO_TOPICS, ALLOW_ALL);
  for (const api of servedApis({ telemetry: true }).values()) {
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
  expect([operationBits("TOPIC"), operationBits("CLUSTER"), operationBits("GROUP")]).toEqual([3576, 8096, 3400]);
});
