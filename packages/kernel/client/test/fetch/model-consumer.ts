import { expect } from "vitest";
import { fromUtf8 } from "@samsa/base";
import {
  DEFAULT_FETCH_OPTIONS,
  type FetchEffect,
  Fetcher,
  type FetchOptions,
  KafkaError,
  type Moment,
} from "../../src/index.ts";
import { ModelBrokers, type ModelPartition } from "./model-brokers.ts";
import { type ModelLog, type ModelRecord, tools } from "./model-log.ts";

type Request = Exclude<FetchEffect, { type: "refreshMetadata" | "leaders" | "moved" }>;

interface Message {
  readonly request: Request;
  /** Answer of the broker; undefined: there is none yet. */
  answer: object | undefined;
}

/** Records that a partition has given to the application. */
interface Story {
  /** Offset from which on all is to be given out; −1: a reset decides. */
  from: number;
  records: ModelRecord[];
  /** Position after the last step. */
  position: number;
}

/** A consumer, the requests that it has in flight, and what the application has seen. */
export class ModelConsumer {
  readonly brokers: ModelBrokers;
  readonly fetcher: Fetcher;
  messages: Message[] = [];
  readonly stories = new Map<ModelPartition, Story>();
  readonly errors: KafkaError[] = [];
  readonly committed = new Map<ModelPartition, number>();
  now = 0;
  /** Damages records on their way. */
  isCorrupting = false;
  corruptions = 0;

  constructor(brokers: ModelBrokers, options: Partial<FetchOptions>) {
    this.brokers = brokers;
    this.fetcher = new Fetcher(
      { ...DEFAULT_FETCH_OPTIONS, reset: "earliest", queueBytes: 300, ...options, tools },
      brokers,
    );
  }

  get moment(): Moment {
    return { now: this.now, wall: 1_000_000 + this.now, chance: 0.5 };
  }

  assign(partitions: ModelPartition[]): void {
    this.fetcher.assign(partitions);
    for (const partition of this.stories.keys()) if (!partitions.includes(partition)) this.stories.delete(partition);
    for (const partition of partitions) {
      if (!this.stories.has(partition)) this.stories.set(partition, { from: -1, records: [], position: -1 });
    }
    this.poll();
  }

  seek(partition: ModelPartition, offset: number): void {
    this.fetcher.seek(partition.topic, partition.partition, offset);
    this.stories.set(partition, { from: offset, records: [], position: offset });
    this.poll();
  }

  poll(): void {
    for (let round = 0; round === 0 || this.fetcher.nextDeadline() <= this.now; round++) {
      expect(round, "polls at one time").toBeLessThan(20);
      for (const effect of this.fetcher.poll(this.moment)) this.#carryOut(effect);
    }
    this.#check();
  }

  #carryOut(effect: FetchEffect): void {
    switch (effect.type) {
      case "refreshMetadata":
      case "leaders":
        return;
      case "moved":
        return this.#moved(effect);
      default:
        this.messages.push({ request: effect, answer: undefined });
    }
    if (effect.type !== "fetch" || effect.request.sessionEpoch === -1) return;
    const same = this.messages.filter(({ request }) => {
      return request.type === "fetch" && request.brokerId === effect.brokerId && request.request.sessionEpoch !== -1;
    });
    expect(same.length, "fetches in flight to one broker").toBe(1);
  }

  #moved({ topic, partition, from, to, loss }: Extract<FetchEffect, { type: "moved" }>): void {
    const found = this.brokers.find(topic, partition) as ModelPartition;
    const story = this.stories.get(found) as Story;
    expect(from).toBe(story.position);
    if (loss === "TRUNCATED") expect(found.log.cuts.some(end => end < from)).toBe(true);
    if (to === undefined) {
      Object.assign(story, { from: -1, records: [], position: -1 });
    } else {
      expect(to).toBeLessThan(from);
      story.records = story.records.filter(({ offset }) => offset < to);
      story.position = to;
      story.from = Math.min(story.from, to);
    }
  }

  /** A broker acts on a request; its answer is on the way. */
  process(index: number): void {
    const message = this.messages[index];
    if (message !== undefined) message.answer ??= this.#answer(message.request);
  }

  #answer(request: Request): object {
    switch (request.type) {
      case "fetch": {
        const { answer } = this.brokers.fetch(request);
        if (this.isCorrupting) this.#corrupt(answer);
        return answer;
      }
      case "listOffsets":
        return this.brokers.listOffsets(request);
      case "offsetForLeaderEpoch":
        return this.brokers.validate(request);
      case "committedOffsets":
        return request.partitions.flatMap(({ topic, partition }) => {
          const found = this.brokers.find(topic, partition) as ModelPartition;
          const offset = this.committed.get(found);
          return offset === undefined ? [] : [{ topic, partition, offset, leaderEpoch: -1 }];
        });
    }
  }

  #corrupt(answer: object): void {
    const { responses } = answer as { responses: { partitions: { records: Uint8Array[] | null }[] }[] };
    const bytes = responses.flatMap(({ partitions }) => partitions.flatMap(({ records }) => records ?? []))[0];
    if (bytes === undefined) return;
    this.corruptions++;
    // Changes a digit of the last value if the batch is not compressed.
    bytes[bytes.length - 2] ^= 1;
  }

  deliver(index: number): void {
    this.process(index);
    const [message] = this.messages.splice(index, 1);
    if (message === undefined) return;
    const { request, answer } = message;
    const { ticket } = request;
    if (request.type === "fetch") this.fetcher.fetched(ticket, answer as never, this.moment);
    else if (request.type === "listOffsets") this.fetcher.listed(ticket, answer as never, this.moment);
    else if (request.type === "offsetForLeaderEpoch") this.fetcher.validated(ticket, answer as never, this.moment);
    else this.fetcher.committed(ticket, answer as never, this.moment);
    this.poll();
  }

  /** A connection is lost. */
  drop(index: number): void {
    const [message] = this.messages.splice(index, 1);
    if (message === undefined) return;
    const error = new KafkaError("DISCONNECTED", "the connection was lost");
    this.fetcher.failed(message.request.ticket, error, this.moment);
    this.poll();
  }

  /** The application reads up to `count` records. Returns how many it got. */
  read(count: number): number {
    let read = 0;
    for (let turns = 0; read < count; turns++) {
      expect(turns, "readers without records").toBeLessThan(1000);
      const taken = this.fetcher.take();
      if (taken === undefined) break;
      if (taken instanceof KafkaError) {
        this.errors.push(taken);
        continue;
      }
      const found = this.brokers.find(taken.topic, taken.partition) as ModelPartition;
      const story = this.stories.get(found) as Story;
      while (read < count && taken.next()) {
        read++;
        const record = {
          offset: taken.record.offset,
          value: Number(fromUtf8(taken.record.value() ?? new Uint8Array(0))),
        };
        this.#give(found, story, record);
      }
      this.#check();
    }
    this.poll();
    return read;
  }

  #give(partition: ModelPartition, story: Story, record: ModelRecord): void {
    const { offset, value } = record;
    expect(partition.log.history).toContain(`${offset}=${value}`);
    expect(offset).toBeGreaterThan(story.records.at(-1)?.offset ?? -1);
    expect(offset).toBeGreaterThanOrEqual(story.position);
    story.records.push(record);
    expect(this.fetcher.status(partition.topic, partition.partition).position).toBe(offset + 1);
  }

  /** Positions do not go back by themselves. */
  #check(): void {
    for (const [{ topic, partition }, story] of this.stories) {
      const { position, state } = this.fetcher.status(topic, partition);
      if (state !== "FETCHING" && state !== "AWAIT_VALIDATION") continue;
      if (story.from < 0) story.from = position;
      expect(position).toBeGreaterThanOrEqual(story.position);
      story.position = position;
    }
  }

  /** Lets everything settle: all requests are answered, and the application reads all there is. */
  settle(): void {
    this.isCorrupting = false;
    this.brokers.isCut = false;
    this.brokers.publish();
    for (const { topic, partition } of this.stories.keys()) this.fetcher.resume(topic, partition);
    for (let quiet = 0, round = 0; quiet < 12; round++) {
      expect(round, "rounds until all is read").toBeLessThan(2000);
      this.now += 1500;
      this.poll();
      const before = this.#progress();
      this.read(10_000);
      for (let many = this.messages.length; many > 0; many--) {
        this.deliver(0);
        this.read(10_000);
      }
      quiet = this.#progress() === before ? quiet + 1 : 0;
    }
    for (const [partition, { from, records, position }] of this.stories) {
      const { log } = partition;
      expect(position, "the position is behind all that is there").toBeGreaterThanOrEqual(this.#lastReadable(log));
      // A cut may take a marker away, so that a transaction that was read is open again.
      const limit = this.brokers.isCommitted && log.cuts.length === 0 ? log.lastStable : log.end;
      expect(position).toBeLessThanOrEqual(Math.max(from, limit));
      const expected = log.visible(from, this.brokers.isCommitted);
      expect(from, "the position is known").toBeGreaterThanOrEqual(0);
      // Compaction may have removed records that were given out before.
      const inLog = records.filter(record => expected.some(({ offset }) => offset === record.offset));
      expect(inLog).toEqual(expected);
      const hidden = this.brokers.isCommitted ? log.hidden() : new Set();
      expect(records.filter(({ offset }) => hidden.has(offset))).toEqual([]);
      for (const { offset, value } of records) expect(log.history).toContain(`${offset}=${value}`);
    }
  }

  #progress(): string {
    return [...this.stories.values()].map(({ position }) => position).join();
  }

  /** Offset after the last batch that may be read. */
  #lastReadable(log: ModelLog): number {
    const limit = this.brokers.isCommitted ? log.lastStable : log.end;
    return (log.batches.findLast(({ base }) => base < limit)?.last ?? log.start - 1) + 1;
  }
}
