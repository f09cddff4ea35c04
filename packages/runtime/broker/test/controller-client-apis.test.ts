import { ByteReader, ByteWriter } from "@samsa/base";
import { type ApiName, Apis, Errors, responseHeader, responseHeaderVersion } from "@samsa/protocol";
import type { RequestOf } from "@samsa/wire";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CONTROLLER_APIS } from "../src/controller/controller-apis.ts";
import { sealEnvelope } from "../src/controller/envelope.ts";
import { SimCluster } from "@samsa/sim";

const CONTROLLER_ID = 9;
const UNKNOWN = 0;
const ANY = 1;
const cluster = new SimCluster({ settings: { "num.partitions": "7" } });

beforeAll(() => cluster.startAll());
afterAll(() => cluster.close());

function ask<N extends ApiName>(api: N, body: RequestOf<N>) {
  return cluster.ask(CONTROLLER_ID, api, body);
}

/** Sends a request as a broker forwards it; returns the code of the envelope and the answer in it. */
async function forwarded<N extends ApiName>(api: N, version: number, body: object) {
  const client = { user: "ann", byToken: false, host: "10.0.0.1", clientId: "c", version };
  const { errorCode, responseData } = await ask("Envelope", sealEnvelope(api, body, client, 1));
  if (responseData === null) return { errorCode, answer: undefined };
  const reader = new ByteReader(responseData);
  responseHeader.decode(reader, responseHeaderVersion(Apis[api].key, version));
  return { errorCode, answer: Apis[api].response.decode(reader, version) as unknown };
}

test("a controller describes its own settings, those of all brokers, and of topics", async () => {
  expect(await cluster.createTopic("t", [1], [{ name: "retention.ms", value: "5000" }])).toBe(0);
  const described = async (resourceType: number, resourceName: string, key: string) => {
    const resources = [{ resourceType, resourceName, configurationKeys: [key] }];
    const asked = { resources, includeSynonyms: false, includeDocumentation: false };
    const [{ errorCode, configs, errorMessage }] = (await ask("DescribeConfigs", asked)).results;
    return errorCode === 0 ? configs.map(({ value }) => value) : [Errors.NONE.code + errorCode, errorMessage];
  };
  expect(await described(4, String(CONTROLLER_ID), "num.partitions")).toEqual(["7"]);
  expect(await described(4, "", "min.insync.replicas")).toEqual(["1"]);
  expect(await described(2, "t", "retention.ms")).toEqual(["5000"]);
  const { UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, INVALID_REQUEST } = Errors;
  expect((await described(2, "none", ""))[0]).toBe(UNKNOWN_TOPIC_OR_PARTITION.code);
  expect((await described(2, "a b", ""))[0]).toBe(INVALID_TOPIC_EXCEPTION.code);
  expect(await described(4, "1", "num.partitions")).toEqual([
    INVALID_REQUEST.code,
    "Unexpected broker id, expected 9 or empty string, but received 1",
  ]);
});

test("a controller that is no broker applies quotas of changes", async () => {
  const created = async (name: string): Promise<number> => {
    const topic = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
    const { answer } = await forwarded("CreateTopics", 7, { topics: [topic], timeoutMs: 5000, validateOnly: false });
    return (answer as { topics: { errorCode: number }[] }).topics[0]?.errorCode ?? -1;
  };
  const setRate = (remove: boolean) => {
    const entity = [{ entityType: "user", entityName: "ann" }];
    const entries = [{ entity, ops: [{ key: "controller_mutation_rate", value: 0.01, remove }] }];
    return ask("AlterClientQuotas", { entries, validateOnly: false });
  };
  await setRate(false);
  await expect.poll(() => created(`quota-${Math.random()}`)).toBe(Errors.THROTTLING_QUOTA_EXCEEDED.code);
  await setRate(true);
  await expect.poll(() => created(`quota-${Math.random()}`)).toBe(0);
});

test("without an authorizer, access control is disabled", async () => {
  const filter = { patternTypeFilter: ANY, resourceTypeFilter: ANY, operation: ANY, permissionType: ANY };
  const names = { resourceNameFilter: null, principalFilter: null, hostFilter: null };
  expect(await ask("DescribeAcls", { ...filter, ...names })).toMatchObject({
    errorCode: Errors.SECURITY_DISABLED.code,
    errorMessage: "No Authorizer is configured on the broker",
  });
  expect(await ask("DeleteAcls", { filters: [{ ...filter, ...names }] })).toMatchObject({
    filterResults: [{ errorCode: Errors.SECURITY_DISABLED.code, errorMessage: "No Authorizer is configured." }],
  });
  const entry = { resourceName: "t", principal: "User:ann", host: "*", operation: 3, permissionType: 3 };
  const create = (resourceType: number) => ({ creations: [{ ...entry, resourceType, resourcePatternType: 3 }] });
  const disabled = { results: [{ errorCode: Errors.SECURITY_DISABLED.code }] };
  expect(await ask("CreateAcls", create(2))).toMatchObject(disabled);
  expect(await forwarded("CreateAcls", 3, create(2))).toMatchObject({ errorCode: 0, answer: disabled });
  // A broker's connection must survive a request of its client that cannot be parsed.
  expect(await forwarded("CreateAcls", 3, create(UNKNOWN))).toEqual({
    errorCode: Errors.INVALID_REQUEST.code,
    answer: undefined,
  });
});

test("SASL is over, and there are no delegation tokens", async () => {
  const { ILLEGAL_SASL_STATE, DELEGATION_TOKEN_REQUEST_NOT_ALLOWED } = Errors;
  const over = { errorCode: ILLEGAL_SASL_STATE.code };
  expect(await ask("SaslHandshake", { mechanism: "PLAIN" })).toMatchObject(over);
  expect(await ask("SaslAuthenticate", { authBytes: new Uint8Array(0) })).toMatchObject({
    ...over,
    errorMessage: "SaslAuthenticate request received after successful authentication",
  });
  const create = { ownerPrincipalType: null, ownerPrincipalName: null, renewers: [], maxLifetimeMs: -1 };
  expect(await ask("CreateDelegationToken", create)).toMatchObject({
    errorCode: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.code,
    principalType: "User",
    principalName: "ANONYMOUS",
    issueTimestampMs: -1,
  });
  expect(await forwarded("CreateDelegationToken", 3, { ...create, ownerPrincipalName: "bob" })).toMatchObject({
    answer: {
      errorCode: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.code,
      principalName: "bob",
      tokenRequesterPrincipalName: "ann",
      issueTimestampMs: -1,
    },
  });
  const hmac = new Uint8Array(0);
  const refused = { errorCode: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.code, expiryTimestampMs: -1 };
  expect(await ask("RenewDelegationToken", { hmac, renewPeriodMs: 1 })).toMatchObject(refused);
  expect(await ask("ExpireDelegationToken", { hmac, expiryTimePeriodMs: 1 })).toMatchObject(refused);
  // Anybody may pretend to be a broker at a listener in clear text.
  expect(await forwarded("RenewDelegationToken", 2, { hmac, renewPeriodMs: 1 })).toMatchObject({
    ...{ errorCode: 0, answer: refused },
  });
});

test("every version of every API is answered, also when it fails", async () => {
  for (const { name, first, last, response, failure } of CONTROLLER_APIS.values()) {
    // A filter of access control without a kind cannot be parsed, and ends the connection, as in Kafka.
    const cannotParse = name === "DescribeAcls";
    for (let version = first; version <= last; version++) {
      const body = Apis[name].request.defaults({}) as never;
      const failed = failure(body, { ...Errors.UNKNOWN_SERVER_ERROR, detail: null }, version);
      expect(failed, `${name} ${version}`).not.toBeNull();
      expect(() => response.encode(new ByteWriter(), failed ?? {}, version), `${name} ${version}`).not.toThrow();
      if (cannotParse) continue;
      await cluster.ask(CONTROLLER_ID, name, body, version).catch((error: unknown) => {
        throw new Error(`${name} ${version}`, { cause: error });
      });
    }
  }
});
