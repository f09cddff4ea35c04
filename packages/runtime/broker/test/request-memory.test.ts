import { buildBatch, type Compression } from "@samsa/records";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { leading } from "./alone.ts";
import { TestBroker } from "./wire.ts";

let broker: TestBroker;

beforeAll(async () => {
  broker = await TestBroker.start();
});

afterAll(() => broker.stop());

function inFlight(): number | undefined {
  const family = broker.broker.metrics.families(() => 0).find(({ name }) => name === "samsa_request_bytes_in_flight");
  return family?.samples[0]?.value;
}

/** A topic with a second replica in sync, which never fetches. */
async function topic(name: string): Promise<void> {
  const wire = await broker.connect();
  await wire.ask("Metadata", 9, { topics: [{ name }], includeTopicAuthorizedOperations: false });
  wire.close();
  const partition = broker.broker.topics.partition(name, 0);
  partition?.becomeLeader(leading(partition.leaderEpoch, [1, 2], [1, 2]));
}

async function produce(name: string, value: Uint8Array, compression: Compression | undefined): Promise<unknown> {
  const wire = await broker.connect();
  const bytes = buildBatch(
    [{ timestamp: Date.now(), key: null, value }],
    compression === undefined ? {} : { compression },
    broker.broker.tools,
  );
  const topicData = [{ name, partitionData: [{ index: 0, records: [bytes] }] }];
  return wire.ask("Produce", 9, { transactionalId: null, acks: -1, timeoutMs: 300, topicData });
}

test.each([
  ["a batch", new Uint8Array(100_000), undefined],
  ["a batch that is validated later", new Uint8Array(5 << 20), { codec: 1, level: 1 }],
] as const)("%s that waits for other replicas holds no memory of requests", async (_name, value, compression) => {
  const name = compression === undefined ? "plain" : "compressed";
  await topic(name);
  const answer = produce(name, value, compression);
  await vi.waitFor(() => expect(broker.broker.topics.partition(name, 0)?.endOffset).toBe(1));
  expect(inFlight()).toBe(0);
  expect(await answer).toMatchObject({ responses: [{ partitionResponses: [{ errorCode: 7, baseOffset: 0 }] }] });
});
