import type { Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { expect, test, vi } from "vitest";
import { ShareStates } from "../src/share/share-states.ts";
import { SimCluster } from "@samsa/sim";

const { COORDINATOR_NOT_AVAILABLE, COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR } = Errors;
const GROUP = "g";

test("the first share group of a cluster waits for the coordinators that it needs", async () => {
  const cluster = new SimCluster({ settings: { "share.coordinator.state.topic.num.partitions": "5" } });
  await cluster.startAll();
  expect(await cluster.createTopic("t", [1, 2, 3], [])).toBe(0);
  const coordinatorOf = async (): Promise<number> => {
    for (;;) {
      const answer = await cluster.ask(1, "FindCoordinator", { keyType: 0, coordinatorKeys: [GROUP] }, 4);
      const [{ errorCode, nodeId }] = answer.coordinators;
      if (errorCode === 0) return nodeId;
      await cluster.world.runFor(10);
    }
  };
  const node = await coordinatorOf();
  const partitions = [{ partitionIndex: 0, startOffset: 0n }];
  const topics = [{ topicName: "t", partitions }];
  const retriable: readonly number[] = [COORDINATOR_NOT_AVAILABLE.code, COORDINATOR_LOAD_IN_PROGRESS.code];
  for (;;) {
    const answer = await cluster.ask(node, "AlterShareGroupOffsets", { groupId: GROUP, topics });
    if (retriable.includes(answer.errorCode)) await cluster.world.runFor(10);
    else {
      expect(answer.errorCode).toBe(0);
      expect(answer.responses[0].partitions.map(({ errorCode }) => errorCode)).toEqual([0]);
      break;
    }
  }
  await cluster.close();
});

/** Share coordinators on broker 2, which answers with `code`, and the requests that it got. */
function remote() {
  const pauses: { ms: number; end: () => void }[] = [];
  const sent: number[] = [];
  const state = { code: NOT_COORDINATOR.code };
  const peers = {
    call: (_id: number, _api: string, { topics }: { topics: { partitions: { startOffset: number }[] }[] }) => {
      sent.push(topics[0].partitions[0].startOffset);
      return Promise.resolve({ results: [{ partitions: [{ errorCode: state.code, errorMessage: null }] }] });
    },
  };
  const timers = { after: (ms: number, end: () => void) => pauses.push({ ms, end }) };
  const host = { env: { timers, logger: { error: vi.fn() } }, nodeId: 1, peers };
  const states = new ShareStates(host as never, { idOf: () => "there" } as never);
  vi.spyOn(states, "leaderOf").mockReturnValue(2);
  const answers: string[] = [];
  const write = (startOffset: number): void => {
    const key = { groupId: GROUP, topicId: "AAAAAAAAAAAAAAAAAAAAZQ" as Uuid, partition: 0 };
    const body = {
      partition: 0,
      stateEpoch: 0,
      leaderEpoch: 0,
      startOffset,
      deliveryCompleteCount: 0,
      stateBatches: [],
    };
    states.ask(key, { type: "write", body }, ({ errorCode }) => answers.push(`${startOffset}: ${errorCode}`));
  };
  const settle = () => new Promise(resolve => setTimeout(resolve, 0));
  return { states, state, sent, answers, pauses, write, settle };
}

test("requests for a share partition keep their order while its coordinator is absent", async () => {
  const { state, sent, answers, pauses, write, settle } = remote();
  for (const offset of [1, 2]) write(offset);
  await settle();
  write(3);
  expect([sent, answers]).toEqual([[1, 2], []]);
  pauses.shift()?.end();
  await settle();
  expect([sent, answers]).toEqual([[1, 2, 1], []]);
  state.code = 0;
  pauses.shift()?.end();
  await settle();
  await settle();
  expect([sent, answers]).toEqual([
    [1, 2, 1, 1, 2, 3],
    ["1: 0", "2: 0", "3: 0"],
  ]);
  expect(pauses).toEqual([]);
});

test("a coordinator is looked for as long as in Kafka; all requests that wait for it end then", async () => {
  const { answers, pauses, write, settle, states } = remote();
  write(1);
  await settle();
  write(2);
  let total = 0;
  while (pauses.length > 0) {
    const { ms, end } = pauses.shift()!;
    total += ms;
    end();
    await settle();
  }
  expect(total).toBeGreaterThan(14_000);
  expect(total).toBeLessThan(16_000);
  expect(answers).toEqual([`1: ${NOT_COORDINATOR.code}`, `2: ${NOT_COORDINATOR.code}`]);
  write(3);
  await settle();
  states.close(NOT_COORDINATOR.code);
  pauses.shift()?.end();
  await settle();
  expect(answers).toHaveLength(3);
  expect(pauses).toEqual([]);
});
