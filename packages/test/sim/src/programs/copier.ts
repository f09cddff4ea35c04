import { KafkaError } from "@samsa/client-kernel";
import { type ConsumedBatch, Consumer, Producer } from "@samsa/client-runtime";
import { type GroupPlan, memberSettings } from "./member.ts";
import type { Life } from "./life.ts";
import type { Read, Transaction } from "./journal.ts";
import { Program, type ProgramStage } from "./program.ts";
import { consumerOptions, Reading } from "./reading.ts";
import { producerOptions, Sending, type Subject } from "./sending.ts";
import { openTransactional, untilKnown } from "./transactor.ts";

const CLOSE_MS = 4000;

/** Options of a `Copier`. */
export interface CopierOptions {
  readonly plan: GroupPlan;
  readonly target: Subject;
}

/** Place that a copy is of; undefined: the value is no copy. */
export function sourceOf(value: string): { readonly partition: number; readonly offset: number } | undefined {
  const [, partition, offset] = /-(\d+)@(\d+) /.exec(value) ?? [];
  return partition === undefined ? undefined : { partition: Number(partition), offset: Number(offset) };
}

/** Member of a group that writes each record to another topic, with its offset, in a transaction: exactly once. */
export class Copier extends Program {
  readonly #options: CopierOptions;
  #reading: Reading | undefined;
  #abort: AbortController | undefined;
  #isCopying = false;
  /** Copies since faults were there. */
  #isOld = false;

  constructor(name: string, stage: ProgramStage, options: CopierOptions) {
    super(name, stage);
    this.#options = options;
  }

  protected override async work(life: Life): Promise<void> {
    const { rng, stage } = this;
    const { plan } = this.#options;
    this.#isCopying = this.#isOld = false;
    const options = { ...producerOptions(rng), transactionTimeoutMs: rng.oneOf([1500, 10_000]) };
    const producer = await openTransactional(life, this.name, options);
    const name = this.nextName(life);
    const sending = new Sending(name, { stage, rng, life, producer, options });
    const { groupId: group, isCommittedOnly } = plan;
    const reading = new Reading(stage, { reader: name, group, isCommittedOnly, isOrdered: true });
    this.#reading = reading;
    const parts = { group: memberSettings(plan, rng, null), listener: reading.listener, moved: reading.moved };
    const consumer = new Consumer(life.connect(), consumerOptions(rng, isCommittedOnly), parts);
    life.closing(async () => {
      await life.call("a consumer to close", CLOSE_MS, consumer.close({ timeoutMs: CLOSE_MS }));
      reading.endAll();
    });
    await life.call("subscribe", life.apiMs, consumer.subscribe(plan.topics));
    const abort = new AbortController();
    this.#abort = abort;
    if (this.isStopping) return;
    try {
      for await (const batch of consumer.batches({ signal: abort.signal, max: rng.oneOf([3, 20, 50]) })) {
        this.#isCopying = true;
        await this.#copy(life, { consumer, producer, reading, sending, batch });
        this.#isCopying = this.#isOld = false;
        if (rng.chance(0.3)) await life.pause(rng.int(1, 50));
      }
    } catch (error) {
      if (!abort.signal.aborted || !(error instanceof KafkaError) || error.name !== "ABORTED") throw error;
    }
  }

  /** Copies a batch. If the transaction is aborted, its records come again. */
  async #copy(life: Life, parts: Parts): Promise<void> {
    const { consumer, producer, reading, batch } = parts;
    const { journal } = this.stage;
    const { topic, partition } = batch;
    const period = reading.of(batch);
    const records = batch.toArray();
    const [first] = records;
    if (first === undefined) return;
    const reads = records.map(record => reading.read(record));
    const transaction = journal.begin(`${parts.sending.by.name}/t${journal.tick()}`);
    producer.beginTransaction();
    batch.settle();
    if (await this.#commit(life, parts, { transaction, reads })) {
      journal.count("copied", reads.length);
      return;
    }
    transaction.fate = "aborted";
    journal.count("aborted");
    if (period === undefined || reading.of(batch) !== period) return;
    consumer.seek(topic, partition, first.offset);
    reading.begin(batch, first.offset);
  }

  /** False: the transaction was aborted. Throws if the producer can go on no more, and its end is not known. */
  async #commit(
    life: Life,
    { consumer, producer, sending, batch }: Parts,
    { transaction, reads }: { readonly transaction: Transaction; readonly reads: readonly Read[] },
  ): Promise<boolean> {
    const { journal } = this.stage;
    const { target } = this.#options;
    try {
      const { topic, partition } = batch;
      const place = { topic: target.name, partition: partition % target.partitions };
      const sends = reads.map(({ offset }) =>
        sending.one(place, `${topic}-${partition}@${offset} ${transaction.name}`, transaction),
      );
      const all = Promise.all(sends).then(() => undefined);
      this.inBackground(life, all);
      if (this.rng.chance(0.5)) await all;
      const offsets = consumer.processed().map(place => ({ ...place, metadata: null }));
      await life.call("offsets of a transaction", life.apiMs, producer.sendOffsets(offsets, consumer.groupMembership));
      if (!journal.isCalm && this.rng.chance(0.1)) throw new KafkaError("ABORTED", "the copier has second thoughts");
      transaction.commitAt = journal.tick();
      // If it crashes now, nobody needs to hear of the outcome: what is not committed comes again.
      for (const read of reads) journal.done(read);
      await untilKnown(life, "commitTransaction", () => producer.commitTransaction());
      transaction.fate = "committed";
      journal.count("committed");
      return true;
    } catch (error) {
      if (!(error instanceof KafkaError) || error.fatal) throw error;
      this.stage.world.trace(`${sending.by.name} aborts: ${error.name} ${error.message}`);
    }
    await untilKnown(life, "abortTransaction", () => producer.abortTransaction());
    return false;
  }

  protected override crashed(): void {
    this.#reading?.endAll();
    this.#abort = undefined;
  }

  override stop(): void {
    super.stop();
    this.#abort?.abort();
  }

  override expect(): void {
    this.#isOld = this.#isCopying;
  }

  override unsettled(): string | undefined {
    return this.#isOld ? `${this.name} has not ended a transaction from before` : undefined;
  }
}

interface Parts {
  readonly consumer: Consumer;
  readonly producer: Producer;
  readonly reading: Reading;
  readonly sending: Sending;
  readonly batch: ConsumedBatch;
}
