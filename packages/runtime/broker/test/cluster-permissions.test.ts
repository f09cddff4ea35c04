import { Errors } from "@samsa/protocol";
import type { RawConnection } from "@samsa/wire";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Authorizer } from "@samsa/security";
import { TestBroker } from "./wire.ts";

const { code: REFUSED } = Errors.CLUSTER_AUTHORIZATION_FAILED;

/** Operations on the cluster that are allowed; those on other resources always are. */
let allowed: readonly string[] = [];

/** Denials that go to the audit log. */
const denied: string[] = [];

const authorizer: Authorizer = {
  allows: (_client, { resource, operation, isProbe }) => {
    const isAllowed = resource !== "CLUSTER" || allowed.includes(operation);
    if (!isAllowed && isProbe !== true) denied.push(operation);
    return isAllowed;
  },
  allowsSome: () => true,
};

let broker: TestBroker;
let wire: RawConnection;

beforeAll(async () => {
  broker = await TestBroker.start({}, undefined, undefined, { authorizer });
  wire = await broker.connect();
  allowed = ["CREATE"];
  await wire.ask("CreateTopics", 7, {
    topics: [{ name: "t", numPartitions: 1, replicationFactor: 1 }],
    timeoutMs: 1000,
  });
});

afterAll(async () => {
  wire.close();
  await broker.stop();
});

test("markers are for brokers, and for administrators who abort a transaction that hangs", async () => {
  const topics = [{ name: "t", partitionIndexes: [0] }];
  const markers = [{ producerId: 1n, producerEpoch: 0, transactionResult: false, topics, coordinatorEpoch: -1 }];
  const codes: number[] = [];
  denied.length = 0;
  for (const operations of [["DESCRIBE"], ["ALTER"], ["CLUSTER_ACTION"]]) {
    allowed = operations;
    const response = await wire.ask("WriteTxnMarkers", 1, { markers });
    codes.push(response.markers[0].topics[0].partitions[0].errorCode);
  }
  expect(codes).toEqual([REFUSED, 0, 0]);
  expect(denied, "one of two permissions is enough").toEqual(["CLUSTER_ACTION"]);
});

test("only brokers may add partitions to transactions of others, and learn which partitions exist", async () => {
  const transactions = ["t", "absent"].map(name => ({
    transactionalId: name,
    producerId: 1n,
    producerEpoch: 0,
    verifyOnly: true,
    topics: [{ name, partitions: [0] }],
  }));
  allowed = ["ALTER"];
  const refused = await wire.ask("AddPartitionsToTxn", 4, { transactions });
  expect([refused.errorCode, refused.resultsByTransaction]).toEqual([REFUSED, []]);
  allowed = ["CLUSTER_ACTION"];
  const answered = await wire.ask("AddPartitionsToTxn", 4, { transactions });
  expect([answered.errorCode, answered.resultsByTransaction.length]).toEqual([0, 2]);
});

test("only brokers find share coordinators", async () => {
  const find = async (version: number, keyType: number, key: string) => {
    const { errorCode, coordinators } = await wire.ask("FindCoordinator", version, { keyType, coordinatorKeys: [key] });
    return errorCode === 0 ? coordinators.map(coordinator => coordinator.errorCode) : [errorCode];
  };
  const key = "g:AAAAAAAAAAAAAAAAAAAAZQ:0";
  const { INVALID_REQUEST } = Errors;
  allowed = ["ALTER"];
  expect(await find(6, 2, key)).toEqual([REFUSED]);
  expect(await find(5, 2, key), "before there were share coordinators").toEqual([INVALID_REQUEST.code]);
  expect(await find(6, 0, key)).not.toEqual([REFUSED]);
  allowed = ["CLUSTER_ACTION"];
  expect(await find(6, 2, key)).not.toEqual([REFUSED]);
  expect(await find(6, 2, "no key")).toEqual([INVALID_REQUEST.code]);
});
