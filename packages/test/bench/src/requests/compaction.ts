import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { KafkaClient } from "@samsa/client";
import { alter, connect, costOf, createTopic, type Measured, RESOURCE, type Target, until } from "./target.ts";
import { sleep } from "../system/sleep.ts";
import { quantile } from "../system/quantile.ts";

const TOPIC = "compacted";
const PROBED = "probed";
const RECORD_BYTES = 1000;
const SEGMENT_BYTES = 16 * 1024 * 1024;
/** Each tenth record has a key of its own and stays; the others share keys, so that almost all of them go. */
const [STAYING, KEYS] = [10, 1000];
/** Size of a record that stays, with its key, its lengths and its part of a batch's header: at most. */
const STAYING_BYTES = 1.15 * RECORD_BYTES;
const LATER = "3600000";
const LIMIT_MS = 30_000;
const PROBE_PAUSE_MS = 2;
const QUIET_MS = 5000;

/** Sizes of the segments of a partition's folder, the active one left out. */
export function closedBytes(folder: string): number {
  const logs = readdirSync(folder)
    .filter(name => /^\d{20}\.log$/.test(name))
    .toSorted();
  return logs.slice(0, -1).reduce((sum, name) => {
    // The cleaner may have replaced the file since its name was read.
    const stat = statSync(join(folder, name), { throwIfNoEntry: false });
    return sum + (stat?.size ?? 0);
  }, 0);
}

/** Key of the record with a number. */
export const keyOf = (i: number): string => (i % STAYING === 0 ? `stays-${i}` : `goes-${i % KEYS}`);

async function fill(client: KafkaClient, records: number): Promise<void> {
  const producer = client.producer();
  const value = Buffer.alloc(RECORD_BYTES, "x");
  for (let i = 0; i < records; i++) {
    const record = { topic: TOPIC, partition: 0, key: keyOf(i), value };
    while (!producer.offer(record)) await producer.drained();
  }
  await producer.close();
}

/** Sends a record each few milliseconds while `goesOn`. Returns the 99th percentile of the acknowledgements, in ms. */
async function probe(client: KafkaClient, goesOn: () => boolean): Promise<number> {
  const producer = client.producer();
  const record = { topic: PROBED, value: Buffer.alloc(100, "x") };
  await producer.send(record);
  const times: number[] = [];
  const sent: Promise<void>[] = [];
  const send = async (): Promise<void> => {
    const began = performance.now();
    await producer.send(record);
    times.push(performance.now() - began);
  };
  while (goesOn()) {
    sent.push(send());
    await sleep(PROBE_PAUSE_MS);
  }
  await Promise.all(sent);
  await producer.close();
  return quantile(times, 0.99);
}

/** Measures the compaction of a log in small segments of which a tenth stays, and the latency of produce meanwhile. */
export async function compaction(target: Target): Promise<Measured> {
  const records = target.quick ? 330_000 : 1_000_000;
  const connection = await connect(target);
  await createTopic(connection, TOPIC, 1, {
    "cleanup.policy": "compact",
    "segment.bytes": String(SEGMENT_BYTES),
    "min.cleanable.dirty.ratio": "0.01",
    // The cleaner waits until the records are as old as this.
    "min.compaction.lag.ms": LATER,
  });
  await createTopic(connection, PROBED, 1);
  const client = new KafkaClient(`127.0.0.1:${target.port}`);
  await fill(client, records);
  const folder = join(target.data, `${TOPIC}-0`);
  const dirty = closedBytes(folder);
  const quietUntil = performance.now() + QUIET_MS;
  const quiet = await probe(client, () => performance.now() < quietUntil);
  let isClean = false;
  const cleaned = async (): Promise<void> => {
    await alter(connection, RESOURCE.topic, TOPIC, { "min.compaction.lag.ms": "0" });
    const most = (records / STAYING) * STAYING_BYTES;
    try {
      await until("a compacted log", () => closedBytes(folder) <= most, { limitMs: LIMIT_MS, pauseMs: 10 });
    } finally {
      isClean = true;
    }
  };
  const beside = probe(client, () => !isClean);
  const { seconds, cpu } = await costOf(target, cleaned);
  const busy = await beside;
  await client.close();
  connection.close();
  return {
    "compaction.rate": dirty / 1e6 / seconds,
    "compaction.cpu-gb": cpu / (dirty / 1e9),
    "compaction.quiet-p99": quiet,
    "compaction.p99": busy,
  };
}
