import { buildBatch } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import { expect, test, vi } from "vitest";
import { HeldBytes } from "../src/limits/held-bytes.ts";
import { TestBroker } from "./wire.ts";

test("what is held is what was added and neither given back nor forgotten", () => {
  const held = new HeldBytes<string>(100);
  held.add("a", 60, 1);
  held.add("b", 30, 2);
  held.add("a", 20, 3);
  expect([held.total, held.room]).toEqual([110, 0]);
  held.give("a", 50, 4);
  expect([held.total, held.room]).toEqual([60, 40]);
  held.forget("b");
  held.give("b", 30, 5);
  expect(held.total).toBe(30);
  held.give("a", 30, 6);
  expect([held.total, held.stalledBefore(Infinity)]).toEqual([0, undefined]);
});

test("the oldest holder is the one that has given no sign of life the longest", () => {
  const held = new HeldBytes<string>(100);
  held.add("a", 10, 1);
  held.add("b", 10, 2);
  held.add("a", 10, 8);
  expect(held.stalledBefore(1)).toBeUndefined();
  expect(held.stalledBefore(2)).toBe("a");
  held.give("a", 5, 9);
  expect(held.stalledBefore(5)).toBe("b");
  held.forget("b");
  expect(held.stalledBefore(9)).toBeUndefined();
  expect(held.stalledBefore(10)).toBe("a");
});

const LIMIT = 1 << 20;

test("who begins requests and does not end them goes, the oldest first; others are served", async () => {
  const broker = await TestBroker.start({}, undefined, {}, { heldBytes: LIMIT });
  const half = new Uint8Array(300_000);
  new DataView(half.buffer).setInt32(0, 50_000_000);
  const first = await broker.connect();
  first.write(half);
  const others: RawConnection[] = [];
  for (let i = 0; i < 4; i++) {
    const other = await broker.connect();
    other.write(half);
    others.push(other);
  }
  await first.whenClosed();
  expect(broker.lines.filter(({ level }) => level === "warn").map(({ message }) => message)).toContain(
    "closing a connection over bad input",
  );
  const good = await broker.connect();
  expect(await good.ask("ApiVersions", 0, {})).toMatchObject({ errorCode: 0 });
  for (const other of others) other.close();
  await broker.stop();
});

test("who does not take his replies keeps nobody from reading for long", async () => {
  let shift = 0;
  const clock = { now: () => Date.now(), monotonic: () => performance.now() + shift };
  const broker = await TestBroker.start({}, undefined, { clock }, { heldBytes: LIMIT });
  const wire = await broker.connect();
  await wire.ask("Metadata", 9, { topics: [{ name: "t" }], includeTopicAuthorizedOperations: false });
  const value = new Uint8Array(900_000);
  const records = [buildBatch([{ timestamp: Date.now(), key: null, value }], {}, broker.broker.tools)];
  const topicData = [{ name: "t", partitionData: [{ index: 0, records }] }];
  for (let i = 0; i < 20; i++) {
    await wire.ask("Produce", 9, { transactionalId: null, acks: -1, timeoutMs: 1000, topicData });
  }
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 30 }];
  const body = {
    ...{ maxWaitMs: 50, minBytes: 1, maxBytes: 1 << 30, sessionId: 0, sessionEpoch: -1, rackId: "" },
    ...{ topics: [{ topic: "t", partitions }], forgottenTopicsData: [] },
  };
  const fetched = async (): Promise<number> => {
    const { responses } = await wire.ask("Fetch", 12, body);
    return (responses[0].partitions[0].records ?? []).reduce((sum, chunk) => sum + chunk.length, 0);
  };
  expect(await fetched()).toBeGreaterThan(900_000);
  const deaf: RawConnection[] = [];
  // Repeat until the sockets are full and fetches return no records.
  for (let got = 1; got > 0 && deaf.length < 60; got = broker.broker.unsent.room > 0 ? 1 : await fetched()) {
    const one = await broker.connect();
    one.pause();
    for (let i = 0; i < 30; i++) one.send("Fetch", 12, body);
    deaf.push(one);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  expect(deaf.length).toBeLessThan(60);
  shift = 31_000;
  await vi.waitFor(async () => expect(await fetched()).toBeGreaterThan(0), { timeout: 120_000 });
  for (const one of deaf) one.close();
  await broker.stop();
}, 40_000);
