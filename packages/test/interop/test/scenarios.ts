import { randomUUID } from "node:crypto";
import { expect, type TestContext } from "vitest";
import type { BrokerProcess } from "../src/processes/broker.ts";
import { startBroker } from "../src/processes/broker-process.ts";
import { until } from "../src/processes/until.ts";
import type { Acknowledged, Draft, Judge, Producing, Read } from "../src/judges/judge.ts";
import { KafkajsJudge, nextOffsets } from "../src/judges/kafkajs-judge.ts";
import { Missing } from "../src/processes/runtimes.ts";

const PARTITIONS = 3;
/** Acknowledged records between two faults. */
const STRETCH = 200;
const COMMITTED = 100;

/** Returns the client, or skips the test with the printed reason if it is not available. */
export function need<T>(found: T | Missing, context: TestContext): T {
  if (!(found instanceof Missing)) return found;
  console.warn(`skipped: ${context.task.name}: ${found.reason}`);
  return context.skip(found.reason);
}

/** Runs `body` with its own broker. On a failure, the broker's standard error is shown. */
export async function withBroker(body: (broker: BrokerProcess) => Promise<unknown>): Promise<void> {
  const broker = await startBroker();
  try {
    await body(broker);
  } catch (error) {
    const log = broker.log();
    if (log !== "") console.error(`the broker said:\n${log}`);
    throw error;
  } finally {
    await broker.dispose();
  }
}

export function topicName(): string {
  return `interop-${randomUUID().slice(0, 8)}`;
}

/** Records that every client must support: with and without keys and headers, tombstones, non-ASCII and empty text. */
function breadth(codec: string): Draft[] {
  const repetitive = "the same again ".repeat(200);
  const records: Draft[] = [
    { partition: 0, key: `${codec}-key`, value: "value", headers: {} },
    { partition: 0, key: null, value: `${codec} without a key`, headers: {} },
    { partition: 1, key: `${codec}-gone`, value: null, headers: {} },
    { partition: 1, key: `${codec}-headers`, value: "žluťoučký kůň", headers: { trace: "abc-1", empty: "" } },
    { partition: 2, key: `${codec}-empty`, value: "", headers: { only: "header" } },
  ];
  for (let index = 0; index < 20; index++) {
    records.push({ partition: index % PARTITIONS, key: `${codec}-${index}`, value: repetitive, headers: {} });
  }
  return records;
}

function sorted(records: readonly Draft[], places: boolean): string[] {
  return records
    .map(({ partition, key, value, headers }) =>
      JSON.stringify([places ? partition : null, key, value, Object.entries(headers)]),
    )
    .sort();
}

/** Creates a topic, writes with every codec and reads in a group in two parts, the second after the first. */
export async function writeAndRead(judge: Judge): Promise<void> {
  const topic = topicName();
  await judge.createTopic(topic, PARTITIONS);
  const written: Draft[] = [];
  for (const codec of judge.codecs) {
    const records = breadth(codec);
    await judge.produce(topic, codec, records);
    written.push(...records);
  }
  const half = Math.floor(written.length / 2);
  const first = await judge.consume(topic, `${topic}-group`, half);
  const second = await judge.consume(topic, `${topic}-group`, written.length - half);
  expectResumed(first, second);
  expect(sorted([...first, ...second], judge.places)).toEqual(sorted(written, judge.places));
}

/** Checks that the later reads of a group begin at the committed offsets of the earlier ones. */
export function expectResumed(earlier: readonly Read[], later: readonly Read[]): void {
  const committed = nextOffsets(earlier);
  const begun = new Map<number, number>();
  for (const { partition, offset } of later) if (!begun.has(partition)) begun.set(partition, offset);
  for (const [partition, offset] of begun) {
    expect(offset, `first offset of partition ${partition}`).toBe(committed.get(partition) ?? 0);
  }
}

/** Checks that no acknowledged value is lost, offsets have no gaps, and values ascend, with duplicates if allowed. */
function expectKept(acknowledged: readonly Acknowledged[], reads: readonly Read[], idempotent: boolean): void {
  const byPlace = new Map(reads.map(read => [`${read.partition}/${read.offset}`, read.value]));
  const values = new Set(reads.map(({ value }) => value));
  const lost = acknowledged.filter(({ partition, offset, value }) =>
    offset === undefined ? !values.has(value) : byPlace.get(`${partition}/${offset}`) !== value,
  );
  expect(lost.slice(0, 5), `${lost.length} of ${acknowledged.length} acknowledged records are lost`).toEqual([]);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const log = reads.filter(read => read.partition === partition);
    expect(log.map(({ offset }) => offset)).toEqual(log.map((_, index) => index));
    const sequences = log.map(({ value }) => Number.parseInt(value ?? "", 10));
    const unique = [...new Set(sequences)];
    if (idempotent) expect(sequences.length, `duplicates in partition ${partition}`).toBe(unique.length);
    expect(unique).toEqual(unique.toSorted((a, b) => a - b));
  }
}

/** Produces while the broker is stopped, restarted, killed and restarted, then reads everything. Returns the topic. */
export async function surviveCrashes(broker: BrokerProcess, judge: Producing): Promise<string> {
  const topic = topicName();
  const group = `${topic}-group`;
  await judge.createTopic(topic, PARTITIONS);
  const acknowledged: Acknowledged[] = [];
  const load = await judge.load(topic, ack => acknowledged.push(ack));
  const more = async (when: string): Promise<void> => {
    const wanted = acknowledged.length + STRETCH;
    await until(`${STRETCH} more records acknowledged ${when}`, () => acknowledged.length >= wanted, 30_000);
  };
  let committed: Read[];
  try {
    await more("at first");
    committed = await judge.consume(topic, group, COMMITTED);
    await broker.stop();
    await broker.start();
    await more("after the stop");
    await broker.kill();
    await broker.start();
    await more("after the kill");
  } finally {
    await load.stop();
  }
  const resumed = await judge.consume(topic, group, COMMITTED);
  expectResumed(committed, resumed);
  const total = await new KafkajsJudge(broker.server).total(topic);
  const reads = await judge.consume(topic, `${topic}-all`, total);
  expectKept(acknowledged, reads, judge.idempotent);
  return topic;
}
