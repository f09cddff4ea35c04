import { Errors } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestBroker } from "./wire.ts";

const NAME = "times";
const FIRST = 1_700_000_000_000;

let broker: TestBroker;
let wire: RawConnection;

beforeAll(async () => {
  broker = await TestBroker.start({ "log.message.timestamp.before.max.ms": "9223372036854775807" });
  wire = await broker.connect();
  await wire.ask("Metadata", 9, { topics: [{ name: NAME }], includeTopicAuthorizedOperations: false });
  for (let i = 0; i < 3; i++) {
    const record = { timestamp: FIRST + i * 10, key: null, value: new Uint8Array(3) };
    const records = [buildBatch([record], {}, broker.broker.tools)];
    const topicData = [{ name: NAME, partitionData: [{ index: 0, records }] }];
    await wire.ask("Produce", 9, { transactionalId: null, acks: -1, timeoutMs: 1000, topicData });
  }
});

afterAll(() => broker.stop());

async function look(timestamp: bigint | number, version = 11, times = 1) {
  const partitions = Array(times).fill({ partitionIndex: 0, timestamp: BigInt(timestamp) });
  const answer = await wire.ask("ListOffsets", version, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: NAME, partitions }],
    timeoutMs: 1000,
  });
  const { errorCode, offset, timestamp: time, leaderEpoch } = answer.topics[0].partitions[0];
  return { errorCode, offset, time, leaderEpoch };
}

test("a time gives the first record at or after it", async () => {
  expect(await look(FIRST)).toEqual({ errorCode: 0, offset: 0, time: FIRST, leaderEpoch: 0 });
  expect(await look(FIRST + 1)).toMatchObject({ offset: 1, time: FIRST + 10 });
  expect(await look(FIRST + 21)).toMatchObject({ errorCode: 0, offset: -1, time: -1 });
});

test("any 64-bit number is a time", async () => {
  for (const time of [2n ** 53n, 2n ** 63n - 1n]) {
    expect(await look(time)).toEqual({ errorCode: 0, offset: -1, time: -1, leaderEpoch: -1 });
  }
});

test("negative times have names", async () => {
  expect(await look(-1)).toMatchObject({ offset: 3, time: -1 });
  expect(await look(-2)).toMatchObject({ offset: 0, time: -1 });
  expect(await look(-3)).toMatchObject({ offset: 2, time: FIRST + 20 });
  expect(await look(-1, 1)).toMatchObject({ offset: 3 });
});

test("negative times without a name, or of a later version, are refused, and so are partitions that stand twice", async () => {
  const refused = { offset: -1, time: -1, leaderEpoch: -1 };
  for (const [time, version] of [
    [-7, 11],
    [-7, 5],
    [-3, 6],
    [-4, 7],
    [-5, 8],
    [-6, 10],
  ]) {
    const found = await look(time, version);
    expect([time, version, found]).toEqual([time, version, { ...refused, errorCode: Errors.UNSUPPORTED_VERSION.code }]);
  }
  expect(await look(-1, 11, 2)).toEqual({ ...refused, errorCode: Errors.INVALID_REQUEST.code });
});
