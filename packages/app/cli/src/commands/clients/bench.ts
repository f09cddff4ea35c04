import { randomBytes } from "node:crypto";
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import { KafkaError } from "@samsa/client-kernel";
import { Admin, type ConsumedBatch, Consumer, Producer, type ProducerOptions } from "@samsa/client-runtime";
import { CODEC_NAMES, defaultCompression } from "@samsa/records";
import { Measure } from "../../bench/measure.ts";
import { clientSettings, type Common } from "../../settings/client-settings.ts";
import { Failure } from "../../terminal/failure.ts";
import { clusterClient, reached } from "./client.ts";

/** Records that are offered between two turns of the event loop, with one time of sending. */
const TURN_RECORDS = 500;
const LARGEST_RECORD = 16 * 1024 * 1024;
const LONGEST_S = 86_400;
const MOST_RECORDS = 1e12;
/** Different values, so that compression has something to do. */
const VALUES = 64;

/** Bounds of a run. */
interface Bounds extends Common {
  readonly records?: string;
  readonly seconds: string;
}

/** Options of `samsa bench produce`. */
interface ProduceBench extends Bounds {
  readonly size: string;
  readonly rate?: string;
  readonly compression?: string;
  readonly acks?: string;
  readonly linger?: string;
  readonly partition?: string;
}

/** Options of `samsa bench consume`. */
interface ConsumeBench extends Bounds {
  readonly follow?: boolean;
}

function whole(text: string, option: string, bound: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (!(value >= 1 && value <= bound))
    throw new Failure(`${option} wants a whole number from 1 to ${bound}, not "${text}"`);
  return value;
}

function boundsOf({ records, seconds }: Bounds): { readonly most: number; readonly ms: number } {
  return {
    most: records === undefined ? Infinity : whole(records, "--records", MOST_RECORDS),
    ms: whole(seconds, "--seconds", LONGEST_S) * 1000,
  };
}

const ACKS: Readonly<Record<string, -1 | 0 | 1>> = { all: -1, "-1": -1, "1": 1, "0": 0 };

function producerOptions({ acks, compression, linger }: ProduceBench): ProducerOptions {
  const count = acks === undefined ? undefined : ACKS[acks];
  if (acks !== undefined && count === undefined) throw new Failure(`--acks wants all, 1 or 0, not "${acks}"`);
  const codec = ([0, 1, 2, 3, 4] as const).find(each => CODEC_NAMES[each] === compression);
  if (compression !== undefined && codec === undefined) {
    throw new Failure(`--compression wants one of ${CODEC_NAMES.join(", ")}, not "${compression}"`);
  }
  return {
    ...(count === undefined ? {} : { acks: count }),
    ...(codec === undefined ? {} : { compression: defaultCompression(codec) }),
    ...(linger === undefined ? {} : { lingerMs: linger === "0" ? 0 : whole(linger, "--linger", 60_000) }),
  };
}

function stopSignal(): { readonly signal: AbortSignal; readonly [Symbol.dispose]: () => void } {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, onSignal);
  return {
    signal: stop.signal,
    [Symbol.dispose]: () => {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, onSignal);
    },
  };
}

interface Load {
  readonly topic: string;
  readonly partition: number | undefined;
  readonly values: readonly Uint8Array[];
  readonly most: number;
  readonly ms: number;
  /** Records per second; Infinity: as many as possible. */
  readonly rate: number;
  readonly signal: AbortSignal;
}

/** Writes records until there are enough, the time is over or the signal aborts. Returns how many failed, and why. */
async function write(producer: Producer, load: Load, measure: Measure) {
  const { topic, partition, values, most, ms, rate, signal } = load;
  const began = performance.now();
  const place = partition === undefined ? { topic } : { topic, partition };
  let sent = 0;
  let failed = 0;
  let first: KafkaError | undefined;
  for (;;) {
    const now = performance.now();
    if (sent >= most || now - began >= ms || signal.aborted) break;
    const due = Math.min(most, Number.isFinite(rate) ? Math.floor(((now - began) / 1000) * rate) + 1 : Infinity);
    const acknowledge = (error: KafkaError | undefined): void => {
      if (error === undefined) {
        measure.records++;
        measure.latencies.add((performance.now() - now) * 1000);
      } else {
        failed++;
        first ??= error;
      }
    };
    let isFull = false;
    for (let i = 0; i < TURN_RECORDS && sent < due && !isFull; i++) {
      const value = values[sent % VALUES] ?? null;
      isFull = !producer.offer({ ...place, value }, acknowledge);
      if (isFull) break;
      sent++;
      measure.bytes += value?.length ?? 0;
    }
    if (isFull) await producer.drained();
    else if (sent >= due && sent < most) await pause(1);
    else await turn();
  }
  await producer.flush();
  return { failed, first };
}

/** `samsa bench produce`: writes records as fast as it can, or at a rate, and measures the acknowledgements. */
export async function benchProduce(topic: string, options: ProduceBench): Promise<void> {
  const bounds = boundsOf(options);
  const size = whole(options.size, "--size", LARGEST_RECORD);
  const rate = options.rate === undefined ? Infinity : whole(options.rate, "--rate", MOST_RECORDS);
  const { partition } = options;
  if (partition !== undefined && !/^\d{1,9}$/.test(partition)) {
    throw new Failure(`--partition wants a number, not "${partition}"`);
  }
  const settings = clientSettings(options);
  const client = clusterClient(settings);
  using stop = stopSignal();
  try {
    await reached(client);
    await new Admin(client).topics.describeOne(topic);
    const producer = new Producer(client, { ...settings.producer, ...producerOptions(options) });
    const values = Array.from({ length: VALUES }, () =>
      Buffer.from(randomBytes(size).toString("base64").slice(0, size)),
    );
    const measure = new Measure("written", options.json === true);
    const index = partition === undefined ? undefined : Number(partition);
    const load = { topic, partition: index, values, rate, signal: stop.signal, ...bounds };
    const { failed, first } = await write(producer, load, measure).finally(() => measure.stop());
    measure.report(options.json === true, { topic, failed });
    await producer.close();
    if (first !== undefined) throw new Failure(`${failed} records were not written: ${first.message}`);
  } finally {
    client.close();
  }
}

/** `samsa bench consume`: reads topics as fast as it can. With `--follow`, it reads new records and measures their age. */
export async function benchConsume(topics: readonly string[], options: ConsumeBench): Promise<void> {
  const { most, ms } = boundsOf(options);
  const isFollowing = options.follow === true;
  const settings = clientSettings(options);
  const client = clusterClient(settings);
  using stop = stopSignal();
  try {
    await reached(client);
    const consumer = new Consumer(client, { ...settings.consumer, reset: "earliest" });
    const described = (await new Admin(client).topics.describe(topics)).orThrow();
    const places = [...described.values()].flatMap(({ name: topic, partitions }) =>
      partitions.map(({ partition }) => ({ topic, partition })),
    );
    const ends = isFollowing ? undefined : (await consumer.endOffsets(places)).orThrow();
    consumer.assign(
      places.map(place => ({ ...place, offset: isFollowing ? ("end" as const) : ("beginning" as const) })),
    );
    const measure = new Measure("read", options.json === true);
    const isOver = (): boolean => {
      if (measure.records >= most) return true;
      if (ends === undefined) return false;
      return [...ends.values()].every(({ topic, partition, offset }) => {
        return consumer.status(topic, partition).position >= offset;
      });
    };
    await read(consumer, { ms, most, isOver, signal: stop.signal, isFollowing }, measure).finally(() => measure.stop());
    measure.report(options.json === true, { topics });
    await consumer.close();
  } finally {
    client.close();
  }
}

interface Reading {
  readonly ms: number;
  readonly most: number;
  readonly isOver: () => boolean;
  readonly signal: AbortSignal;
  readonly isFollowing: boolean;
}

/** Interval at which the positions are compared with the ends, in ms. */
const WATCH_MS = 20;

async function read(consumer: Consumer, reading: Reading, measure: Measure): Promise<void> {
  const { ms, isOver, signal } = reading;
  const over = new AbortController();
  const late = setTimeout(() => over.abort(), ms);
  // The last records of a log may be markers of transactions, after which no batch comes.
  const watch = setInterval(() => isOver() && over.abort(), WATCH_MS);
  const stream = consumer.batches({ max: 10_000, signal: AbortSignal.any([signal, over.signal]) });
  try {
    for await (const batch of stream) {
      count(batch, reading, measure);
      if (isOver()) break;
    }
  } catch (error) {
    if (!(error instanceof KafkaError) || error.name !== "ABORTED") throw error;
  } finally {
    clearTimeout(late);
    clearInterval(watch);
    await stream.return();
  }
}

function count(batch: ConsumedBatch, { most, isFollowing }: Reading, measure: Measure): void {
  const now = Date.now();
  batch.forEach(record => {
    if (measure.records >= most) return;
    measure.records++;
    measure.bytes += Math.max(0, record.keyLength) + Math.max(0, record.valueLength);
    if (isFollowing) measure.latencies.add((now - Number(record.timestamp)) * 1000);
  });
}
