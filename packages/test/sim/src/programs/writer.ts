import { Producer, type ProducerOptions } from "@samsa/client-runtime";
import type { Life } from "./life.ts";
import { Program, type ProgramStage } from "./program.ts";
import { patienceOf, producerOptions, Sending, type Subject } from "./sending.ts";

/** Sends records without transactions. */
export class Writer extends Program {
  readonly #subject: Subject;
  readonly #isIdempotent: boolean;
  /** Partitions that have taken a record since `expect`. */
  readonly #heard = new Set<number>();

  constructor(
    name: string,
    stage: ProgramStage,
    { subject, isIdempotent }: { readonly subject: Subject; readonly isIdempotent: boolean },
  ) {
    super(name, stage);
    this.#subject = subject;
    this.#isIdempotent = isIdempotent;
  }

  protected override async work(life: Life): Promise<void> {
    const { rng, stage } = this;
    const options: ProducerOptions = { ...producerOptions(rng), idempotent: this.#isIdempotent };
    const producer = new Producer(life.connect(), options);
    const patienceMs = patienceOf(options);
    life.closing(() => life.call("a producer to close", patienceMs, producer.close({ timeoutMs: patienceMs })));
    const sending = new Sending(this.nextName(life), { stage, rng, life, producer, options });
    sending.acknowledged = ({ at }) => void this.#heard.add(at?.partition ?? -1);
    while (!this.isStopping) {
      const all = sending.some(this.#subject, rng.int(1, 4));
      if (rng.chance(0.3)) await all;
      else this.inBackground(life, all);
      if (rng.chance(0.05)) await life.call("a flush", life.apiMs, producer.flush());
      await life.pause(rng.int(10, 150));
    }
  }

  protected override crashed(): void {
    // Records on their way stay open in the journal.
  }

  override expect(): void {
    this.#heard.clear();
  }

  override unsettled(): string | undefined {
    for (let partition = 0; partition < this.#subject.partitions; partition++) {
      if (!this.#heard.has(partition)) return `${this.name} writes nothing to ${this.#subject.name}-${partition}`;
    }
    return undefined;
  }
}
