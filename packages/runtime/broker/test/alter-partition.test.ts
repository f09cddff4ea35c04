import type { Uuid } from "@samsa/base";
import { Apis } from "@samsa/protocol";
import { expect, test } from "vitest";
import { alterPartition } from "../src/replica/alter-partition.ts";

const ONE = "AAAAAAAAAAAAAAAAAAAAZQ" as Uuid;
const TWO = "AAAAAAAAAAAAAAAAAAAAZg" as Uuid;
const isr = [
  { brokerId: 1, brokerEpoch: 10 },
  { brokerId: 2, brokerEpoch: -1 },
];
const proposal = { leaderEpoch: 5, partitionEpoch: 7, isr, joining: 2 };
const CHANGES = [
  { topicId: ONE, partition: 0, proposal },
  { topicId: TWO, partition: 3, proposal },
  { topicId: ONE, partition: 1, proposal },
];

const response = Apis.AlterPartition.response;

test("changes of a turn are one request, and each gets its answer", async () => {
  const asked: object[] = [];
  const propose = alterPartition({
    nodeId: 1,
    brokerEpoch: () => 10,
    call: async request => {
      asked.push(request);
      const found = { leaderId: 1, leaderEpoch: 5, isr: [1, 2], partitionEpoch: 8 };
      const refused = { partitionIndex: 3, errorCode: 95, leaderId: 0, leaderEpoch: 0, isr: [], partitionEpoch: 0 };
      return response.defaults({
        topics: [
          { topicId: TWO, partitions: [refused] },
          { topicId: ONE, partitions: [{ ...found, partitionIndex: 0, errorCode: 0 }] },
        ],
      });
    },
  });
  expect(await propose(CHANGES)).toEqual([
    { errorCode: 0, leaderEpoch: 5, partitionEpoch: 8, isr: [1, 2] },
    { errorCode: 95 },
    undefined,
  ]);
  const state = { leaderEpoch: 5, partitionEpoch: 7, newIsrWithEpochs: isr, leaderRecoveryState: 0 };
  expect(asked).toEqual([
    {
      brokerId: 1,
      brokerEpoch: 10,
      topics: [
        { topicId: ONE, partitions: [0, 1].map(partitionIndex => ({ partitionIndex, ...state })) },
        { topicId: TWO, partitions: [{ partitionIndex: 3, ...state }] },
      ],
    },
  ]);
});

test("a request that is refused as a whole has no answers", async () => {
  const call = async () => response.defaults({ errorCode: 77 });
  await expect(alterPartition({ nodeId: 1, brokerEpoch: () => 10, call })(CHANGES)).rejects.toThrow("error 77");
});
