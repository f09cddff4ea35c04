import { compareI64, type Crc32c, entryAt, fromUtf8 } from "@samsa/base";
import type { FetchResponse } from "@samsa/protocol";
import { BatchCursor, RecordCursor } from "@samsa/records";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import { decidedOnDevice } from "../world/device.ts";
import { Violation } from "../ledgers/rules.ts";
import type { Prng } from "../world/prng.ts";
import type { Actor, Stage } from "../stage/stage.ts";
import { COPY_PARTITIONS, COPY_TOPIC } from "../ledgers/txn-ledger.ts";

type Answered = FetchResponse["responses"][number]["partitions"][number];

/** Yields the batches of a read_committed answer; `counts` is false for control batches and aborted transactions. */
export function* committedBatches(
  answer: Pick<Answered, "records" | "abortedTransactions" | "lastStableOffset">,
  crc32c: Crc32c,
): IterableIterator<{ readonly batch: BatchCursor; readonly counts: boolean }> {
  const { records, abortedTransactions, lastStableOffset } = answer;
  const aborted = [...(abortedTransactions ?? [])].sort((a, b) => compareI64(a.firstOffset, b.firstOffset));
  const open = new Set<bigint>();
  for (const chunk of records ?? []) {
    for (const batch = new BatchCursor(chunk); batch.next(); ) {
      const { baseOffset, lastOffset, producerId } = batch;
      if (!batch.intact(crc32c)) throw new Violation("a damaged batch was served", `at ${baseOffset}`);
      if (lastOffset >= lastStableOffset && lastStableOffset >= 0) {
        throw new Violation("an undecided record was seen", `${lastOffset} is not below ${lastStableOffset}`);
      }
      while ((aborted[0]?.firstOffset ?? Infinity) <= lastOffset) open.add(aborted.shift()?.producerId ?? -1n);
      if (batch.isControl) open.delete(producerId);
      yield { batch, counts: !batch.isControl && !open.has(producerId) };
    }
  }
}

interface Reading {
  position: number;
  /** Number of values found so far. */
  found: number;
  /** Last stable offset of the last answer. */
  stable: number;
  /** `Stage.losses` at that time. */
  losses: number;
}

/** Parts of a `Stage` that the reader needs. */
type ReaderStage = Pick<Stage, "txns" | "losses" | "device" | "dirs" | "isFlushed">;

/** Reads the records of copiers as Kafka's consumer does with `isolation.level=read_committed`. */
export class CommittedReader implements Actor {
  readonly client: Client;
  readonly #stage: ReaderStage;
  readonly #rng: Prng;
  /** Never starts over from the beginning. */
  steady = false;
  readonly #readings: Reading[] = COPY_PARTITIONS.map(() => ({ position: 0, found: 0, stable: 0, losses: 0 }));

  constructor(stage: ReaderStage, client: Client, rng: Prng) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
  }

  async step(): Promise<void> {
    const partition = this.#rng.int(0, COPY_PARTITIONS.length - 1);
    if (this.#rng.chance(0.1) && !this.steady) this.rewind();
    await this.readSome(partition, this.#rng.chance(0.5) ? this.#rng.int(100, 600) : 10_000);
  }

  /** Starts over from the beginning: the same values must be found again. */
  rewind(): void {
    for (const reading of this.#readings) Object.assign(reading, { position: 0, found: 0 });
  }

  /** Fetches from the current position and returns the answer; undefined without one. */
  async readSome(partition: number, partitionMaxBytes: number): Promise<Answered | undefined> {
    const reading = entryAt(this.#readings, partition);
    const { position: fetchOffset } = reading;
    const partitions = [{ partition, fetchOffset, partitionMaxBytes }];
    const body = { maxWaitMs: 0, minBytes: 0, isolationLevel: 1, topics: [{ topic: COPY_TOPIC, partitions }] };
    const { losses } = this.#stage;
    const stable = reading.losses === losses ? reading.stable : 0;
    const answer = await this.client.ask(CALLS.fetchByName, body);
    const found = answer?.responses[0]?.partitions[0];
    // Another step may have rewound meanwhile.
    if (found === undefined || found.errorCode !== 0 || reading.position !== fetchOffset) return undefined;
    if (found.lastStableOffset < stable) {
      const detail = `${COPY_TOPIC}-${partition}: decided to ${stable}, then to ${found.lastStableOffset}`;
      throw new Violation("what was decided is open again", detail);
    }
    reading.stable = Number(found.lastStableOffset);
    reading.losses = losses;
    if (this.#rng.chance(0.3)) this.#judgeDevice(partition, reading.stable);
    this.#take(partition, found);
    return found;
  }

  /** Checks that the last stable offset counts only markers that are flushed. */
  #judgeDevice(partition: number, stable: number): void {
    const { device, dirs, isFlushed } = this.#stage;
    const there = dirs.map(dir => `${dir}/${COPY_TOPIC}-${partition}`);
    const [path, ...others] = there.filter(dir => device.mount().stat(dir) !== undefined);
    if (path === undefined || others.length > 0 || !isFlushed()) return;
    const decided = decidedOnDevice(device, path);
    if (decided >= stable) return;
    const detail = `${path}: told to ${stable}, on the device to ${decided}`;
    throw new Violation("an undecided record was seen", detail);
  }

  /** Reads all partitions from the beginning to their high watermarks; false if an open transaction is in the way. */
  async readThrough(): Promise<boolean> {
    this.rewind();
    for (const partition of COPY_PARTITIONS) {
      for (;;) {
        const found = await this.readSome(partition, 10_000);
        if (found === undefined) return false;
        if (entryAt(this.#readings, partition).position >= found.highWatermark) break;
        if ((found.records ?? []).length === 0) return false;
      }
    }
    return true;
  }

  #take(partition: number, answer: Answered): void {
    const reading = entryAt(this.#readings, partition);
    for (const { batch, counts } of committedBatches(answer, this.client.env.crypto.crc32c)) {
      const { lastOffset } = batch;
      if (lastOffset < reading.position) continue;
      if (counts) this.#find(partition, batch);
      reading.position = lastOffset + 1;
    }
  }

  #find(partition: number, batch: BatchCursor): void {
    const reading = entryAt(this.#readings, partition);
    const record = new RecordCursor().open(batch, this.client.env.codecs);
    while (record.next()) {
      const value = fromUtf8(record.value() ?? new Uint8Array(0));
      this.#stage.txns.found(partition, reading.found++, value);
    }
  }
}
