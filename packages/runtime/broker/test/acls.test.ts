import { Errors } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestBroker } from "./wire.ts";

let broker: TestBroker;

beforeAll(async () => {
  broker = await TestBroker.start();
});

afterAll(() => broker.stop());

const { code: errorCode } = Errors.SECURITY_DISABLED;
const ENTRY = { principal: "User:a", host: "*", operation: 3, permissionType: 3 };
const CREATION = { ...ENTRY, resourceType: 2, resourceName: "t", resourcePatternType: 3 };
const WHO = { principalFilter: null, hostFilter: null, operation: 1, permissionType: 1 };
const FILTER = { ...WHO, resourceTypeFilter: 1, resourceNameFilter: null, patternTypeFilter: 1 };

test("without an authorizer, the APIs of access control answer that security is disabled", async () => {
  const wire = await broker.connect();
  const errorMessage = "No Authorizer is configured.";
  expect(await wire.ask("DescribeAcls", 3, FILTER)).toEqual({
    throttleTimeMs: 0,
    errorCode,
    errorMessage: "No Authorizer is configured on the broker",
    resources: [],
  });
  expect(await wire.ask("CreateAcls", 3, { creations: [CREATION, CREATION] })).toEqual({
    throttleTimeMs: 0,
    results: [
      { errorCode, errorMessage },
      { errorCode, errorMessage },
    ],
  });
  expect(await wire.ask("DeleteAcls", 1, { filters: [FILTER] })).toEqual({
    throttleTimeMs: 0,
    filterResults: [{ errorCode, errorMessage, matchingAcls: [] }],
  });
  wire.close();
});

test.each([
  ["DescribeAcls", { ...FILTER, operation: 0 }],
  ["CreateAcls", { creations: [CREATION, { ...CREATION, resourceType: 0 }] }],
  ["DeleteAcls", { filters: [{ ...FILTER, permissionType: 0 }] }],
] as const)("%s with an unknown element closes the connection, as in Kafka", async (api, body) => {
  const wire = await broker.connect();
  wire.send(api, 3, body);
  expect(await wire.frame()).toBeUndefined();
});

describe("with an authorizer", () => {
  const AUTHORIZED = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
  };
  const DENIAL = { ...CREATION, principal: "User:ANONYMOUS", operation: 4, permissionType: 2 };
  let guarded: TestBroker;
  let wire: RawConnection;

  beforeAll(async () => {
    guarded = await TestBroker.start(AUTHORIZED);
    wire = await guarded.connect();
  });

  afterAll(async () => {
    wire.close();
    await guarded.stop();
  });

  test("ACLs are created, described, applied at once, and deleted", async () => {
    await wire.ask("CreateTopics", 7, {
      topics: [{ name: "t", numPartitions: 1, replicationFactor: 1 }],
      timeoutMs: 1000,
    });
    const write = async (): Promise<number> => {
      const records = [buildBatch([{ timestamp: 1, key: null, value: Buffer.from("v") }], {}, guarded.broker.tools)];
      const { responses } = await wire.ask("Produce", 9, {
        ...{ acks: -1, timeoutMs: 1000 },
        topicData: [{ name: "t", partitionData: [{ index: 0, records }] }],
      });
      return responses[0].partitionResponses[0].errorCode;
    };
    expect(await write()).toBe(0);
    const faulty = { ...CREATION, host: "" };
    const created = await wire.ask("CreateAcls", 3, { creations: [CREATION, DENIAL, DENIAL, faulty] });
    expect(created.results.map(({ errorCode: code }) => code)).toEqual([0, 0, 0, Errors.INVALID_REQUEST.code]);
    expect(await write()).toBe(Errors.TOPIC_AUTHORIZATION_FAILED.code);
    const described = await wire.ask("DescribeAcls", 3, FILTER);
    expect(described.resources).toEqual([
      {
        ...{ resourceType: 2, resourceName: "t", patternType: 3 },
        acls: expect.arrayContaining([
          ENTRY,
          { principal: "User:ANONYMOUS", host: "*", operation: 4, permissionType: 2 },
        ]) as unknown,
      },
    ]);
    const deleted = await wire.ask("DeleteAcls", 3, {
      filters: [{ ...FILTER, permissionType: 2 }, FILTER],
    });
    expect(deleted.filterResults.map(({ matchingAcls }) => matchingAcls.length)).toEqual([1, 2]);
    expect(await write()).toBe(0);
    expect((await wire.ask("DescribeAcls", 3, FILTER)).resources).toEqual([]);
  });
});

describe("of an authorizer", () => {
  const CLASS = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
  test.each([
    [{ "authorizer.class.name": "org.example.Mine" }, /there is no other authorizer/],
    [{ "authorizer.class.name": CLASS, "super.users": "admin" }, /principals have the form User:name/],
  ])("settings are refused: %o", async (settings, reason) => {
    await expect(TestBroker.start(settings)).rejects.toThrow(reason);
  });

  test("nobody passes without an ACL but super users", async () => {
    const closed = await TestBroker.start({ "authorizer.class.name": CLASS });
    const wire = await closed.connect();
    const { errorCode: code } = await wire.ask("DescribeAcls", 3, FILTER);
    expect(code).toBe(Errors.CLUSTER_AUTHORIZATION_FAILED.code);
    wire.close();
    await closed.stop();
    const open = await TestBroker.start({ "authorizer.class.name": CLASS, "super.users": " ;User:ANONYMOUS; " });
    const other = await open.connect();
    expect((await other.ask("DescribeAcls", 3, FILTER)).errorCode).toBe(0);
    other.close();
    await open.stop();
  });
});
