import { type AcknowledgeType, KafkaError, partitionKey } from "@samsa/client-kernel";
import { ShareConsumer, type ShareConsumerOptions, type ShareRecord } from "@samsa/client-runtime";
import { Violation } from "../ledgers/rules.ts";
import type { Prng } from "../world/prng.ts";
import type { Life } from "./life.ts";
import { Program, type ProgramStage } from "./program.ts";
import { textOf } from "./reading.ts";

/** Group id of the share group. */
export const SHARE_GROUP = "sharers";
const CLOSE_MS = 4000;
/** Time in ms by which a broker may end a lock earlier than the client thinks. */
const LOCK_SLACK_MS = 100;

/** Record as the share group knows it. */
interface Shared {
  readonly value: string;
  deliveries: number;
  /** A member is done with it, for good. */
  isFinished: boolean;
  /** Acknowledged for good: a broker has said so, or no fault is left that can lose it. */
  isSure: boolean;
  /** Member that was done with it last. */
  finishedBy: string;
  /** Last member that has got it, and its record. */
  holder: { readonly by: string; readonly record: ShareRecord } | undefined;
}

/** Records of a share group as its members were given them, and as brokers have taken their acknowledgements. */
export class SharedRecords {
  readonly #records = new Map<string, Shared>();
  readonly #stage: ProgramStage;

  constructor(stage: ProgramStage) {
    this.#stage = stage;
  }

  /** Takes note of a delivery. Without faults a record comes to one member at a time, and not after its acceptance. */
  delivered(by: string, record: ShareRecord, now: number): void {
    const { journal } = this.#stage;
    const { topic, partition, offset } = record;
    const where = `${topic}-${partition} at ${offset}`;
    const known = this.#records.get(keyOf(record));
    const fresh = { deliveries: 0, isFinished: false, isSure: false, finishedBy: "", holder: undefined };
    const shared: Shared = known ?? { value: textOf(record), ...fresh };
    this.#records.set(keyOf(record), shared);
    if (shared.value !== textOf(record)) throw new Violation("an offset changed its content", where);
    if (journal.isCalm && shared.isSure) {
      throw new Violation("an acknowledged record was delivered again", `${where}, to ${by}`);
    }
    const { holder } = shared;
    const isHeld = holder?.record.isHeld === true && holder.record.lockedUntil - LOCK_SLACK_MS > now;
    if (journal.isCalm && holder !== undefined && holder.by !== by && isHeld && !holder.record.isLost(now)) {
      throw new Violation("a record has two owners", `${where}: ${holder.by} and ${by}`);
    }
    shared.holder = { by, record };
    shared.deliveries++;
    journal.count("shared");
  }

  /** A member acknowledges a record. */
  finished(by: string, record: ShareRecord, type: AcknowledgeType): void {
    const shared = this.#records.get(keyOf(record));
    if (shared === undefined || type === "release") return;
    shared.isFinished = true;
    shared.finishedBy = by;
    if (this.#stage.journal.isCalm) shared.isSure = true;
  }

  /** Acknowledgements of a member have failed, as when another broker leads: their records may come again. */
  doubted(by: string, topic: string, partition: number): void {
    const prefix = `${partitionKey(topic, partition)}/`;
    for (const [key, shared] of this.#records) {
      if (shared.finishedBy === by && key.startsWith(prefix)) shared.isSure = false;
    }
  }

  /** Brokers have taken the acknowledgement of a record. */
  confirmed(record: ShareRecord, type: AcknowledgeType): void {
    const shared = this.#records.get(keyOf(record));
    if (shared === undefined || type === "release") return;
    shared.isSure = true;
    this.#stage.journal.count("confirmed");
  }

  /** A process has ended: its locks say nothing any more. */
  forget(by: string): void {
    for (const shared of this.#records.values()) if (shared.holder?.by === by) shared.holder = undefined;
  }

  /** Value of a record that was delivered; undefined: it was not. */
  valueAt(topic: string, partition: number, offset: number): string | undefined {
    return this.#records.get(keyOf({ topic, partition, offset }))?.value;
  }

  /** True if no member needs to get the record any more, as far as the members can know. */
  isSettled(topic: string, partition: number, offset: number): boolean {
    const shared = this.#records.get(keyOf({ topic, partition, offset }));
    // Brokers archive what was delivered too often, and answers with deliveries may have been lost.
    return shared !== undefined && (shared.isFinished || shared.deliveries >= MANY_DELIVERIES);
  }
}

const MANY_DELIVERIES = 4;

function keyOf(place: { readonly topic: string; readonly partition: number; readonly offset: number }): string {
  return `${partitionKey(place.topic, place.partition)}/${place.offset}`;
}

function shareOptions(rng: Prng): ShareConsumerOptions {
  return {
    groupId: SHARE_GROUP,
    acknowledgement: rng.oneOf(["implicit", "explicit"]),
    acquireMode: rng.oneOf(["batch_optimized", "record_limit"]),
    maxPollRecords: rng.oneOf([1, 5, 100]),
    maxWaitMs: rng.oneOf([50, 300]),
  };
}

/** Member of a share group, which accepts most records, and releases or rejects some. */
export class Sharer extends Program {
  readonly #topics: readonly string[];
  readonly #shared: SharedRecords;
  #abort: AbortController | undefined;
  #name = "";

  constructor(
    name: string,
    stage: ProgramStage,
    { topics, shared }: { readonly topics: readonly string[]; readonly shared: SharedRecords },
  ) {
    super(name, stage);
    this.#topics = topics;
    this.#shared = shared;
  }

  protected override async work(life: Life): Promise<void> {
    const { rng } = this;
    const name = this.nextName(life);
    this.#name = name;
    const options = shareOptions(rng);
    const consumer = new ShareConsumer(life.connect(), options, {
      acknowledged: ({ topic, partition, error }) => {
        if (error !== undefined) this.#shared.doubted(name, topic, partition);
      },
    });
    life.closing(async () => {
      await life.call("a share consumer to close", 2 * CLOSE_MS, consumer.close({ timeoutMs: CLOSE_MS }));
      this.#shared.forget(name);
    });
    await life.call("subscribe", life.apiMs, consumer.subscribe(this.#topics));
    const abort = new AbortController();
    this.#abort = abort;
    if (this.isStopping) return;
    try {
      if (rng.chance(0.4)) await this.#run(life, consumer, abort.signal);
      else
        await this.#records(life, {
          consumer,
          signal: abort.signal,
          isImplicit: options.acknowledgement === "implicit",
        });
    } catch (error) {
      if (!abort.signal.aborted || !(error instanceof KafkaError) || error.name !== "ABORTED") throw error;
    }
  }

  #verdict(): AcknowledgeType {
    const draw = this.rng.next();
    if (this.stage.journal.isCalm || draw < 0.85) return "accept";
    return draw < 0.97 ? "release" : "reject";
  }

  async #records(
    life: Life,
    { consumer, signal, isImplicit }: { consumer: ShareConsumer; signal: AbortSignal; isImplicit: boolean },
  ): Promise<void> {
    const { rng } = this;
    /** Acknowledgements since the last commit. */
    let said: [ShareRecord, AcknowledgeType][] = [];
    for await (const record of consumer.records({ signal })) {
      this.#shared.delivered(this.#name, record, life.now);
      if (rng.chance(0.3)) await life.pause(rng.int(1, 60));
      const type = this.#verdict();
      if (!isImplicit || type !== "accept") consumer.acknowledge(record, type);
      this.#shared.finished(this.#name, record, type);
      said.push([record, type]);
      if (!rng.chance(0.4) && said.length < 20) continue;
      await this.#commit(life, consumer, said);
      said = [];
    }
  }

  async #commit(
    life: Life,
    consumer: ShareConsumer,
    said: readonly (readonly [ShareRecord, AcknowledgeType])[],
  ): Promise<void> {
    try {
      const outcomes = await life.call("a share commit", life.apiMs, consumer.commit());
      for (const [record, type] of said) {
        if (!(outcomes.of(record.topic, record.partition) instanceof KafkaError)) this.#shared.confirmed(record, type);
      }
    } catch (error) {
      if (!(error instanceof KafkaError) || error.name !== "TIMED_OUT") throw error;
    }
  }

  async #run(life: Life, consumer: ShareConsumer, signal: AbortSignal): Promise<void> {
    const { rng } = this;
    const failed = (record: ShareRecord): "release" | "reject" => {
      const verdict = rng.chance(0.8) ? "release" : "reject";
      this.#shared.finished(this.#name, record, verdict);
      return verdict;
    };
    await consumer.run(
      async record => {
        this.#shared.delivered(this.#name, record, life.now);
        if (rng.chance(0.4)) await life.pause(rng.chance(0.05) ? rng.int(500, 1500) : rng.int(1, 40));
        if (!this.stage.journal.isCalm && rng.chance(0.1)) throw new Error("a handler fails");
        if (!record.isLost(life.now)) this.#shared.finished(this.#name, record, "accept");
      },
      { concurrency: rng.int(1, 4), signal, failed },
    );
  }

  protected override crashed(): void {
    this.#shared.forget(this.#name);
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
