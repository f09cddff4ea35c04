import { compareI64, fromUtf8 } from "@samsa/base";
import type { FetchResponse } from "@samsa/protocol";
import { BatchCursor, RecordCursor } from "@samsa/records";
import { CALLS } from "./calls.ts";
import type { Client } from "./client.ts";
import { Violation } from "./rules.ts";
import type { Prng } from "./prng.ts";
import type { Actor, Stage } from "./stage.ts";
import { COPY_PARTITIONS, COPY_TOPIC } from "./txn-ledger.ts";

type Answered = FetchResponse["responses"][number]["partitions"][number];

interface Reading {
  position: number;
  /** How many values it has found so far. */
  found: number;
}

/** Reads what copiers have committed, as Kafka's consumer does with `isolation.level=read_committed`. */
export class CommittedReader implements Actor {
  readonly client: Client;
  readonly #stage: Stage;
  readonly #rng: Prng;
  readonly #readings: Reading[] = COPY_PARTITIONS.map(() => ({ position: 0, found: 0 }));

  constructor(stage: Stage, client: Client, rng: Prng) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
  }

  async step(): Promise<void> {
    const partition = this.#rng.int(0, COPY_PARTITIONS.length - 1);
    if (this.#rng.chance(0.1)) this.rewind();
    await this.readSome(partition, this.#rng.chance(0.5) ? this.#rng.int(100, 600) : 10_000);
  }

  /** Begins again: what it finds must be what was found before. */
  rewind(): void {
    for (const reading of this.#readings) Object.assign(reading, { position: 0, found: 0 });
  }

  /** Reads on; the answer, undefined without one. */
  async readSome(partition: number, partitionMaxBytes: number): Promise<Answered | undefined> {
    const reading = this.#readings[partition];
    const { position: fetchOffset } = reading;
    const partitions = [{ partition, fetchOffset, partitionMaxBytes }];
    const body = { maxWaitMs: 0, minBytes: 0, isolationLevel: 1, topics: [{ topic: COPY_TOPIC, partitions }] };
    const answer = await this.client.ask(CALLS.fetchByName, body);
    const found = answer?.responses[0]?.partitions[0];
    // Another step may have begun anew meanwhile.
    if (found === undefined || found.errorCode !== 0 || reading.position !== fetchOffset) return undefined;
    this.#take(partition, found);
    return found;
  }

  /** Whether all that there is has been read, and none of it is undecided. */
  async readThrough(): Promise<boolean> {
    this.rewind();
    for (const partition of COPY_PARTITIONS) {
      for (;;) {
        const found = await this.readSome(partition, 10_000);
        if (found === undefined) return false;
        if (this.#readings[partition].position >= found.highWatermark) break;
        if ((found.records ?? []).length === 0) return false;
      }
    }
    return true;
  }

  #take(partition: number, { records, abortedTransactions, lastStableOffset }: Answered): void {
    const reading = this.#readings[partition];
    const aborted = [...(abortedTransactions ?? [])].sort((a, b) => compareI64(a.firstOffset, b.firstOffset));
    const open = new Set<bigint>();
    const { env } = this.client;
    for (const chunk of records ?? []) {
      const batch = new BatchCursor(chunk);
      while (batch.next()) {
        const { baseOffset, lastOffset, producerId } = batch;
        if (!batch.intact(env.crypto.crc32c)) {
          throw new Violation("a damaged batch was served", `${COPY_TOPIC}-${partition} at ${baseOffset}`);
        }
        if (lastOffset >= lastStableOffset) {
          const detail = `${COPY_TOPIC}-${partition}: ${lastOffset} is not below ${lastStableOffset}`;
          throw new Violation("an undecided record was seen", detail);
        }
        while (aborted.length > 0 && aborted[0].firstOffset <= lastOffset) open.add(aborted.shift()?.producerId ?? -1n);
        const isOld = lastOffset < reading.position;
        if (batch.isControl) open.delete(producerId);
        else if (!open.has(producerId) && !isOld) this.#find(partition, batch);
        if (!isOld) reading.position = lastOffset + 1;
      }
    }
  }

  #find(partition: number, batch: BatchCursor): void {
    const reading = this.#readings[partition];
    const record = new RecordCursor().open(batch, this.client.env.codecs);
    while (record.next()) {
      const value = fromUtf8(record.value() ?? new Uint8Array(0));
      this.#stage.txns.found(partition, reading.found++, value);
    }
  }
}
