import { readdirSync } from "node:fs";
import { join } from "node:path";
import { buildBatch } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TestBroker } from "./wire.ts";

const COUNT = 400;
let broker: TestBroker;
let wire: RawConnection;

beforeEach(async () => {
  broker = await TestBroker.start();
  wire = await broker.connect();
});
afterEach(() => broker.stop());

const create = (name: string): Promise<unknown> => {
  const topics = [{ name, numPartitions: COUNT, replicationFactor: 1, assignments: [], configs: [] }];
  return wire.ask("CreateTopics", 7, { topics, timeoutMs: 1000, validateOnly: false });
};

const logs = (name: string): number =>
  readdirSync(join(broker.directory, "data")).filter(
    entry => entry.startsWith(`${name}-`) && !entry.endsWith("-delete"),
  ).length;

async function produce(name: string, index: number): Promise<number> {
  const records = [
    buildBatch([{ timestamp: Date.now(), key: null, value: new Uint8Array(9) }], {}, broker.broker.tools),
  ];
  const topicData = [{ name, partitionData: [{ index, records }] }];
  const body = { transactionalId: null, acks: -1, timeoutMs: 1000, topicData };
  const answer = await wire.ask("Produce", 9, body);
  return answer.responses[0].partitionResponses[0].errorCode;
}

test("the logs of a large topic are made bit by bit, and at once where somebody writes", async () => {
  await create("large");
  expect(logs("large")).toBeLessThan(COUNT);
  expect(await produce("large", COUNT - 1)).toBe(0);
  await vi.waitFor(() => expect(logs("large")).toBe(COUNT), { timeout: 120_000 });
  expect(await produce("large", COUNT - 2)).toBe(0);
});

test("a large topic that is deleted before its logs are made leaves nothing", async () => {
  await create("gone");
  const topics = [{ name: "gone", topicId: "AAAAAAAAAAAAAAAAAAAAAA" }];
  await wire.ask("DeleteTopics", 6, { topics, timeoutMs: 1000 });
  await create("next");
  await vi.waitFor(() => expect(logs("next")).toBe(COUNT), { timeout: 120_000 });
  expect(logs("gone")).toBe(0);
});

test("logs that a stop has left to be made are made at the next start", async () => {
  await create("cut");
  await broker.node.close();
  expect(logs("cut")).toBeLessThan(COUNT);
  broker = await TestBroker.start({}, broker.directory);
  wire = await broker.connect();
  expect(await produce("cut", COUNT - 1)).toBe(0);
  await vi.waitFor(() => expect(logs("cut")).toBe(COUNT), { timeout: 120_000 });
});
