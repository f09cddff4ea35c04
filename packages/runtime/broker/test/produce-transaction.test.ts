import { crc32c } from "@samsa/base";
import { VERIFICATION } from "@samsa/log";
import type { ProduceRequest } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import { World } from "@samsa/sim";
import { expect, test } from "vitest";
import { produceInTransaction } from "../src/api/records/produce-transaction.ts";

type Request = Parameters<typeof produceInTransaction>[0];
type TopicData = ProduceRequest["topicData"];

// Clients of version 11 add partitions themselves: the broker verifies them. Later ones let the broker add them.
test.each([11, 12])("batches of version %i are as they were once the coordinator answers", version => {
  const { env } = new World(1).node("a");
  const transaction = { producerId: 1n, producerEpoch: 0, baseSequence: 0, transactional: true };
  const records = [{ timestamp: 1, key: null, value: new Uint8Array(10) }];
  const batch = buildBatch(records, transaction, { crc32c, codecs: env.codecs });
  const original = batch.slice();
  let answer = (): void => {};
  const held: string[] = [];
  const request = {
    transactionalId: "t",
    parts: {
      env,
      config: { "transaction.partition.verification.enable": true },
      transactions: {
        isBusy: () => false,
        inTurn: (_id: string, task: (finish: (done: () => void) => void) => void) => task(done => done()),
        admit: (_of: unknown, done: (errorOf: () => number) => void) => void (answer = () => done(() => 0)),
      },
    },
    context: {
      version,
      memory: { keep: () => held.push("keep"), free: () => held.push("free") },
      topics: {
        find: () => ({ name: "topic" }),
        partition: () => ({ fault: 0, startVerification: () => VERIFICATION.OPEN + 1 }),
      },
    },
    // The handler uses these parts only.
  } as unknown as Request;
  const topicData = [{ name: "topic", partitionData: [{ index: 0, records: [batch] }] }] as unknown as TopicData;
  let given: Uint8Array | undefined;
  produceInTransaction(request, topicData, {
    go: ([topic]) => void (given = topic?.partitionData[0]?.records?.[0]),
    failed: error => {
      throw error;
    },
  });
  // The request's memory is used for another request.
  batch.fill(0xee);
  expect([given, held]).toEqual([undefined, ["keep"]]);
  answer();
  expect(given).toEqual(original);
  expect(held).toEqual(["keep", "free"]);
});
