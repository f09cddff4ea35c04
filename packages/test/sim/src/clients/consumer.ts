import type { Uuid } from "@samsa/base";
import { Errors, type FetchResponse } from "@samsa/protocol";
import { BatchCursor } from "@samsa/records";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import { startOf } from "../stage/offsets.ts";
import type { Prng } from "../world/prng.ts";
import { Violation } from "../ledgers/rules.ts";
import { type Actor, EXCUSED, OUT_OF_RANGE, type Stage, type TopicPlace } from "../stage/stage.ts";

type Answered = FetchResponse["responses"][number]["partitions"][number];

/** Partition with a consumer's position. */
export interface Reading extends TopicPlace {
  position: number;
  /** `partition_max_bytes` of the fetch. */
  maxBytes: number;
  /** `LogLedger.endOf` and `startOf` when the request was sent. */
  since: number;
  startedAt: number;
}

/** Size of the records in an answer, in bytes. */
export function bytesOf({ records }: Answered): number {
  return (records ?? []).reduce((sum, chunk) => sum + chunk.length, 0);
}

/** Size of the first batch of an answer; 0 without one. */
function firstBatch({ records }: Answered): number {
  const batch = new BatchCursor(records?.[0] ?? new Uint8Array(0));
  return batch.next() ? batch.size : 0;
}

/** Checks that an answer keeps its byte limits. Only a first batch larger than the limit may exceed them (KIP-74). */
export function judgeSizes(
  answers: readonly { readonly answer: Answered; readonly maxBytes: number }[],
  maxBytes: number,
): void {
  let left = maxBytes;
  let first = true;
  for (const { answer, maxBytes: partitionMax } of answers) {
    const size = bytesOf(answer);
    if (size === 0) continue;
    const limit = Math.max(Math.min(left, partitionMax), first ? firstBatch(answer) : 0);
    if (size > limit) throw new Violation("a fetch gave more than it may", `${size} bytes where ${limit} were left`);
    first = false;
    left = Math.max(0, left - size);
  }
}

interface Asked {
  readonly partition: number;
  readonly fetchOffset: number;
  readonly lastFetchedEpoch: number;
  readonly partitionMaxBytes: number;
}

/** Fetch answer handling of both kinds of consumers. */
export class Reader {
  readonly client: Client;
  readonly stage: Stage;

  constructor(stage: Stage, client: Client) {
    this.stage = stage;
    this.client = client;
  }

  seek({ topicId, partition }: TopicPlace): void {
    this.stage.logs.history.push({ type: "seek", process: this.client.name, log: `${topicId}/${partition}` });
  }

  /** Checks an answer and advances the position; false if the partition does not exist. */
  async take(reading: Reading, answer: Answered): Promise<boolean> {
    const { topic, topicId, partition, position, since, startedAt } = reading;
    const { logs } = this.stage;
    const { errorCode, divergingEpoch } = answer;
    const [highWatermark, logStartOffset] = [Number(answer.highWatermark), Number(answer.logStartOffset)];
    if (errorCode === OUT_OF_RANGE) return this.#lookAnew(reading);
    if (divergingEpoch.endOffset >= 0) return this.#diverged(reading, Number(divergingEpoch.endOffset));
    if (EXCUSED.has(errorCode)) return errorCode === Errors.KAFKA_STORAGE_ERROR.code;
    if (errorCode !== 0) {
      if (logs.isRotten(reading)) return true;
      const detail = `error ${errorCode} to a fetch of ${topic.name}-${partition} at ${position}`;
      throw new Violation("a good request was refused", detail);
    }
    const place = { topicId, partition, process: this.client.name, fetchOffset: position };
    const records = answer.records ?? [];
    const next = logs.fetched({ ...place, highWatermark, logStartOffset, since, startedAt, records });
    if (next > position) this.stage.note(`read ${topic.name}-${partition} ${position} to ${next}`);
    reading.position = next;
    return true;
  }

  /** Handles a diverging epoch (KIP-595). Legal only if the log may have lost its end. */
  async #diverged(reading: Reading, endOffset: number): Promise<boolean> {
    const { topic, partition, position } = reading;
    if (this.stage.powerCuts === 0 && !this.stage.logs.isRotten(reading)) {
      const detail = `${topic.name}-${partition}: what was read before ${position} is said to end at ${endOffset}`;
      throw new Violation("an epoch's end is wrong", detail);
    }
    this.seek(reading);
    reading.position = (await startOf(this.stage, this.client, reading)) ?? position;
    return true;
  }

  /** Handles OFFSET_OUT_OF_RANGE. Legal only if records were deleted or the log may have lost its end. */
  async #lookAnew(reading: Reading): Promise<boolean> {
    const { topic, partition, position } = reading;
    const start = await startOf(this.stage, this.client, reading);
    if (start === undefined) return true;
    if (position >= start && this.stage.powerCuts === 0 && !this.stage.logs.isRotten(reading)) {
      const detail = `${topic.name}-${partition} has no ${position}, though it starts at ${start}`;
      throw new Violation("a good request was refused", detail);
    }
    this.seek(reading);
    reading.position = start;
    return true;
  }
}

/** Reads every topic without a fetch session, at times from the beginning again. */
export class Consumer implements Actor {
  readonly client: Client;
  readonly #reader: Reader;
  readonly #stage: Stage;
  readonly #rng: Prng;
  readonly #positions = new Map<string, number>();
  /** Number of steps to skip. */
  #still = 0;

  constructor(stage: Stage, client: Client, rng: Prng) {
    this.#stage = stage;
    this.client = client;
    this.#reader = new Reader(stage, client);
    this.#rng = rng;
  }

  async step(): Promise<void> {
    const rng = this.#rng;
    if (this.#still-- > 0) return;
    this.#still = rng.chance(0.04) ? rng.int(5, 60) : 0;
    const readings = this.#readings();
    if (readings.size === 0) return;
    const topics = new Map<Uuid, Asked[]>();
    for (const { topicId, partition, position, maxBytes } of readings.values()) {
      const partitions = topics.get(topicId) ?? [];
      topics.set(topicId, partitions);
      const lastFetchedEpoch = this.#stage.logs.epochBefore({ topicId, partition }, position);
      partitions.push({ partition, fetchOffset: position, lastFetchedEpoch, partitionMaxBytes: maxBytes });
    }
    const maxBytes = rng.int(500, 20_000);
    const wait = { maxWaitMs: rng.int(0, 200), minBytes: rng.int(0, 2) * 50 };
    const asked = [...topics].map(([topicId, partitions]) => ({ topicId, partitions }));
    const { life } = this.#stage;
    const answer = await this.client.ask(CALLS.fetch, { ...wait, maxBytes, topics: asked });
    const answers = (answer?.responses ?? []).flatMap(({ topicId, partitions }) =>
      partitions.map(found => ({ found, reading: readings.get(`${topicId}/${found.partitionIndex}`) })),
    );
    judgeSizes(
      answers.map(({ found, reading }) => ({ answer: found, maxBytes: reading?.maxBytes ?? 0 })),
      maxBytes,
    );
    for (const { found, reading } of answers) {
      // The rest of the answer is of a life that has ended.
      if (life !== this.#stage.life) return;
      if (reading === undefined) throw new Violation("an answer to another question", "a partition nobody asked for");
      await this.#reader.take(reading, found);
      this.#positions.set(`${reading.topicId}/${reading.partition}`, reading.position);
    }
  }

  #readings(): Map<string, Reading> {
    const rng = this.#rng;
    const { logs, topics } = this.#stage;
    const anew = rng.chance(0.1);
    const readings = new Map<string, Reading>();
    for (const topic of topics.usable()) {
      if (!rng.chance(0.7)) continue;
      for (let partition = 0; partition < topic.partitions; partition++) {
        const key = `${topic.id}/${partition}`;
        const place = { topic, topicId: topic.id, partition };
        if (anew) this.#reader.seek(place);
        const startedAt = logs.startOf(place);
        const position = anew ? startedAt : (this.#positions.get(key) ?? 0);
        readings.set(key, { ...place, position, maxBytes: rng.int(100, 4000), since: logs.endOf(place), startedAt });
      }
    }
    return readings;
  }
}
