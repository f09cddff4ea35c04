import { KafkaError, type TopicPartition } from "@samsa/client-kernel";
import { type ConsumedBatch, type ConsumedRecord, Consumer, type GroupSettings } from "@samsa/client-runtime";
import type { Prng } from "../world/prng.ts";
import type { Life } from "./life.ts";
import { Program, type ProgramStage } from "./program.ts";
import { consumerOptions, Reading } from "./reading.ts";

/** Facts of a group that its members share. */
export interface GroupPlan {
  readonly groupId: string;
  readonly protocol: "classic" | "consumer";
  readonly assignors: GroupSettings["assignors"];
  readonly topics: readonly string[];
  readonly isCommittedOnly: boolean;
  readonly autoCommit: boolean;
}

/** Errors of a commit that a rebalance explains: the records come again. */
const UNCOMMITTED: ReadonlySet<string> = new Set(["COMMIT_FAILED", "TIMED_OUT", "REBALANCE_IN_PROGRESS"]);
const CLOSE_MS = 4000;
const FAILURE = new Error("a handler fails");

/** Settings of a member. A rebalance may hold up the group for a second. */
export function memberSettings(plan: GroupPlan, rng: Prng, instanceId: string | null) {
  const { groupId, protocol, assignors, autoCommit } = plan;
  return {
    ...{ groupId, protocol, assignors, autoCommit, instanceId },
    sessionTimeoutMs: 600,
    heartbeatIntervalMs: 100,
    rebalanceTimeoutMs: 2000,
    autoCommitIntervalMs: rng.oneOf([50, 300, 2000]),
  };
}

/** Member of a group that reads records, and commits what it is done with. */
export class Member extends Program {
  readonly #plan: GroupPlan;
  readonly #instanceId: string | null;
  #reading: Reading | undefined;
  #end: (() => void) | undefined;

  constructor(name: string, stage: ProgramStage, plan: GroupPlan, instanceId: string | null) {
    super(name, stage);
    this.#plan = plan;
    this.#instanceId = instanceId;
  }

  protected override async work(life: Life): Promise<void> {
    const { rng, stage } = this;
    const { groupId, topics, isCommittedOnly, autoCommit } = this.#plan;
    const style = rng.oneOf(["records", "batches", "run", "run"] as const);
    const order = rng.oneOf(["partition", "partition", "key", "none"] as const);
    const isOrdered = style !== "run" || order === "partition";
    const reader = this.nextName(life);
    const reading = new Reading(stage, { reader, group: groupId, isCommittedOnly, isOrdered });
    this.#reading = reading;
    const { protocol } = this.#plan;
    stage.world.trace(`${reader} opens: ${style} ${order} ${protocol} ${autoCommit ? "auto" : "manual"}`);
    const settings = memberSettings(this.#plan, rng, this.#instanceId);
    const listener = {
      ...reading.listener,
      revoked: async (partitions: readonly TopicPartition[]): Promise<void> => {
        if (!autoCommit) await this.#commit(parted);
        reading.end(partitions);
      },
    };
    const parts = { group: settings, listener, moved: reading.moved };
    const consumer = new Consumer(life.connect(), consumerOptions(rng, isCommittedOnly), parts);
    const abort = new AbortController();
    const parted: Parts = { life, consumer, reading, signal: abort.signal, isBusy: false };
    life.closing(async () => {
      const leave = this.#instanceId !== null && this.isStopping ? "leave" : "default";
      await life.call("a consumer to close", CLOSE_MS, consumer.close({ timeoutMs: CLOSE_MS, leave }));
      reading.endAll();
    });
    await life.call("subscribe", life.apiMs, consumer.subscribe(topics));
    let isClosed = false;
    this.#end = () => {
      // A record that is processed while its consumer is closed comes again.
      isClosed = rng.chance(0.5) && !parted.isBusy;
      if (isClosed) this.#closed(parted);
      else abort.abort();
    };
    if (this.isStopping) return;
    try {
      if (style === "records") await this.#records(parted);
      else if (style === "batches") await this.#batches(parted);
      else await this.#run(parted, order);
    } catch (error) {
      // A handler that has failed is not tried again when the program ends.
      const isEnd = error === FAILURE || (error instanceof KafkaError && error.name === "ABORTED");
      if (!this.isStopping || !isEnd) throw error;
    } finally {
      this.#end = undefined;
    }
    if (!autoCommit && !isClosed) await this.#commit(parted);
  }

  /** Closes the consumer while it reads: its stream ends. */
  #closed(parts: Parts): void {
    const { life, consumer } = parts;
    const close = async (): Promise<void> => {
      if (!this.#plan.autoCommit) await this.#commit(parts);
      await life.call("a consumer to close early", CLOSE_MS, consumer.close({ timeoutMs: CLOSE_MS }));
    };
    this.inBackground(life, close());
  }

  async #records(parts: Parts): Promise<void> {
    const { rng } = this;
    const { life, consumer, reading, signal } = parts;
    for await (const record of consumer.records({ signal })) {
      parts.isBusy = true;
      const read = reading.read(record);
      if (rng.chance(0.3)) await life.pause(rng.int(1, 30));
      reading.done(read);
      if (rng.chance(0.1)) await this.#commit(parts);
      parts.isBusy = false;
    }
  }

  async #batches(parts: Parts): Promise<void> {
    const { rng } = this;
    const { life, consumer, reading, signal } = parts;
    for await (const batch of consumer.batches({ signal })) {
      parts.isBusy = true;
      const reads = all(batch, rng).map(record => reading.read(record));
      if (rng.chance(0.5)) await life.pause(rng.int(1, 60));
      for (const read of reads) reading.done(read);
      if (rng.chance(0.3)) {
        batch.settle();
        await this.#commit(parts);
      }
      parts.isBusy = false;
    }
  }

  async #run(parts: Parts, order: "partition" | "key" | "none"): Promise<void> {
    const { rng } = this;
    const { life, consumer, reading, signal } = parts;
    const options = { concurrency: rng.int(1, 4), order, attempts: 3, backoffMs: 5, signal };
    await consumer.run(async (record, context) => {
      // Another member may have the partition by the time of a second attempt.
      if (context.isLost) return;
      const read = reading.of(record)?.reads.findLast(({ offset }) => offset === record.offset);
      const own = context.attempt > 1 && read !== undefined ? read : reading.read(record);
      if (rng.chance(0.5)) await life.pause(rng.int(1, 40));
      if (context.attempt === 1 && rng.chance(0.05)) throw FAILURE;
      reading.done(own);
      if (rng.chance(0.05)) await this.#commit(parts);
    }, options);
  }

  /** Commits what is processed: at least that must be the group's then. */
  async #commit({ life, consumer }: Parts): Promise<void> {
    const { journal } = this.stage;
    const { groupId } = this.#plan;
    const began = journal.tick();
    const offsets = this.rng.chance(0.5) ? consumer.processed() : undefined;
    try {
      await life.call("a commit", life.apiMs, consumer.commit(offsets));
    } catch (error) {
      return this.#uncommitted(error);
    }
    const at = journal.tick();
    for (const { topic, partition, offset } of offsets ?? []) {
      journal.commits.push({ group: groupId, topic, partition, offset, began, at });
    }
    journal.count("commits");
  }

  /** Takes the error of a commit, after which the records may come again. */
  #uncommitted(error: unknown): void {
    if (!(error instanceof KafkaError)) throw error;
    const isClosed = error.name === "CLOSED" && this.isStopping;
    const isExcused = isClosed || UNCOMMITTED.has(error.name) || (error.retriable && !this.stage.journal.isCalm);
    if (!isExcused) throw error;
    this.stage.world.trace(`${this.name} could not commit: ${error.name} ${error.message}`);
  }

  protected override crashed(): void {
    this.#reading?.endAll();
    this.#end = undefined;
  }

  override stop(): void {
    super.stop();
    this.#end?.();
  }

  override unsettled(): string | undefined {
    return undefined;
  }
}

interface Parts {
  readonly life: Life;
  readonly consumer: Consumer;
  readonly reading: Reading;
  readonly signal: AbortSignal;
  /** The program works on a record. */
  isBusy: boolean;
}

/** Records of a batch, or some of them: the others come again. */
function all(batch: ConsumedBatch, rng: Prng): ConsumedRecord[] {
  if (rng.chance(0.7)) return batch.toArray();
  const records: ConsumedRecord[] = [];
  for (let left = rng.int(1, 3); left > 0; left--) {
    const record = batch.next();
    if (record === undefined) break;
    records.push(record);
  }
  return records;
}
