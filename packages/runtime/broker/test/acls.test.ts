import { Errors } from "@samsa/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
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
