import { KafkaError } from "@samsa/client-kernel";
import { Producer, type ProducerOptions } from "@samsa/client-runtime";
import type { Transaction } from "./journal.ts";
import type { Life } from "./life.ts";
import { Program, type ProgramStage } from "./program.ts";
import { patienceOf, producerOptions, Sending, type Subject } from "./sending.ts";

/** Opens a producer with a transactional id, and waits until it may begin transactions. */
export async function openTransactional(
  life: Life,
  transactionalId: string,
  options: ProducerOptions,
): Promise<Producer> {
  const producer = new Producer(life.connect(), { ...options, transactionalId });
  const timeoutMs = patienceOf(options);
  life.closing(() => life.call("a transactional producer to close", timeoutMs, producer.close({ timeoutMs })));
  await untilKnown(life, "initTransactions", () => producer.initTransactions());
  return producer;
}

/** Repeats an operation while its outcome is not known, as its contract asks for. */
export async function untilKnown(life: Life, what: string, operation: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await life.call(what, life.apiMs, operation());
    } catch (error) {
      if (!(error instanceof KafkaError) || error.name !== "TIMED_OUT") throw error;
    }
  }
}

/** Error by which a program gives up a transaction. */
class Regret extends Error {}

/** Writes transactions, commits most of them, and aborts the others. */
export class Transactor extends Program {
  readonly #subject: Subject;
  readonly #transactionalId: string;
  /** Number of transactions after which it stops by itself. */
  readonly #most: number;
  #committed = 0;

  constructor(
    name: string,
    stage: ProgramStage,
    options: { readonly subject: Subject; readonly transactionalId: string; readonly most: number },
  ) {
    super(name, stage);
    this.#subject = options.subject;
    this.#transactionalId = options.transactionalId;
    this.#most = options.most;
  }

  protected override async work(life: Life): Promise<void> {
    const { rng, stage } = this;
    const options = { ...producerOptions(rng), transactionTimeoutMs: rng.oneOf([1500, 10_000]) };
    const producer = await openTransactional(life, this.#transactionalId, options);
    const sending = new Sending(this.nextName(life), { stage, rng, life, producer, options });
    for (let count = 1; !this.isStopping; count++) {
      const transaction = stage.journal.begin(`${sending.by.name}/t${count}`);
      if (rng.chance(0.4)) await this.#within(life, { producer, sending, transaction });
      else await this.#byHand(life, { producer, sending, transaction });
      if (count >= this.#most) this.stop();
      await life.pause(rng.int(5, 100));
    }
  }

  async #records(life: Life, sending: Sending, transaction: Transaction): Promise<void> {
    const { rng } = this;
    for (let left = rng.int(1, 3); left > 0; left--) {
      const all = sending.some(this.#subject, rng.int(1, 4), transaction);
      if (rng.chance(0.4)) await all;
      else this.inBackground(life, all);
      if (rng.chance(0.2)) await life.pause(rng.int(5, 200));
    }
  }

  async #byHand(life: Life, { producer, sending, transaction }: Parts): Promise<void> {
    producer.beginTransaction();
    await this.#records(life, sending, transaction);
    if (this.rng.chance(0.75)) {
      transaction.commitAt = this.stage.journal.tick();
      try {
        await untilKnown(life, "commitTransaction", () => producer.commitTransaction());
        return this.#isCommitted(transaction);
      } catch (error) {
        if (!(error instanceof KafkaError) || !error.abortable) throw error;
        if (this.stage.journal.isCalm) throw error;
      }
    }
    await untilKnown(life, "abortTransaction", () => producer.abortTransaction());
    transaction.fate = "aborted";
    this.stage.journal.count("aborted");
  }

  async #within(life: Life, { producer, sending, transaction }: Parts): Promise<void> {
    const isRegretted = this.rng.chance(0.2);
    try {
      await producer.transaction(async () => {
        await this.#records(life, sending, transaction);
        if (isRegretted) throw new Regret();
        transaction.commitAt = this.stage.journal.tick();
      });
      this.#isCommitted(transaction);
    } catch (error) {
      // A commit that has failed may have had its effect; without one the transaction cannot count.
      if (transaction.commitAt === Infinity) transaction.fate = "aborted";
      if (!(error instanceof Regret)) throw error;
    }
  }

  #isCommitted(transaction: Transaction): void {
    transaction.fate = "committed";
    this.#committed++;
    this.stage.journal.count("committed");
  }

  protected override crashed(): void {
    // Its transaction stays open in the journal.
  }

  override expect(): void {
    this.#committed = 0;
  }

  override unsettled(): string | undefined {
    if (this.#most < Infinity || this.#committed > 0) return undefined;
    return `${this.name} commits no transaction`;
  }
}

interface Parts {
  readonly producer: Producer;
  readonly sending: Sending;
  readonly transaction: Transaction;
}
