import { KafkaError } from "@samsa/client-kernel";
import { Consumer } from "@samsa/client-runtime";
import type { Life } from "./life.ts";
import { Program, type ProgramStage } from "./program.ts";
import { consumerOptions, Reading } from "./reading.ts";
import type { Subject } from "./sending.ts";

/** Options of a `Follower`. */
export interface FollowerOptions {
  readonly subjects: readonly Subject[];
  readonly isCommittedOnly: boolean;
}

/** Reads all partitions of some topics from their beginning, without a group, and goes back now and then. */
export class Follower extends Program {
  readonly #options: FollowerOptions;
  #reading: Reading | undefined;
  #abort: AbortController | undefined;

  constructor(name: string, stage: ProgramStage, options: FollowerOptions) {
    super(name, stage);
    this.#options = options;
  }

  protected override async work(life: Life): Promise<void> {
    const { rng, stage } = this;
    const { subjects, isCommittedOnly } = this.#options;
    const reader = this.nextName(life);
    const reading = new Reading(stage, { reader, group: undefined, isCommittedOnly, isOrdered: true });
    this.#reading = reading;
    const { moved } = reading;
    const consumer = new Consumer(life.connect(), consumerOptions(rng, isCommittedOnly), { moved });
    life.closing(async () => {
      await life.call("a consumer to close", 2000, consumer.close({ timeoutMs: 2000 }));
      reading.endAll();
    });
    const places = subjects.flatMap(({ name: topic, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
    );
    consumer.assign(places.map(place => ({ ...place, offset: "beginning" as const })));
    for (const place of places) reading.begin(place, 0);
    const abort = new AbortController();
    this.#abort = abort;
    try {
      await this.#read(life, { consumer, reading, signal: abort.signal });
    } catch (error) {
      if (!abort.signal.aborted || !(error instanceof KafkaError) || error.name !== "ABORTED") throw error;
    }
  }

  async #read(
    life: Life,
    { consumer, reading, signal }: { consumer: Consumer; reading: Reading; signal: AbortSignal },
  ): Promise<void> {
    const { rng, stage } = this;
    for await (const record of consumer.records({ signal })) {
      reading.done(reading.read(record));
      if (rng.chance(0.1)) await life.pause(rng.int(1, 30));
      if (stage.journal.isCalm || !rng.chance(0.02)) continue;
      const { topic, partition } = record;
      const offset = rng.int(0, record.offset);
      consumer.seek(topic, partition, offset);
      reading.begin(record, offset);
      if (!rng.chance(0.5)) continue;
      consumer.pause([{ topic, partition }]);
      await life.pause(rng.int(1, 100));
      consumer.resume([{ topic, partition }]);
    }
  }

  protected override crashed(): void {
    this.#reading?.endAll();
    this.#abort = undefined;
  }

  override stop(): void {
    super.stop();
    this.#abort?.abort();
  }

  override unsettled(): string | undefined {
    return undefined;
  }
}
