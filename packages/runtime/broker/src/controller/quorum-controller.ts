import { Alarm, type Env, guard, type Offset, randomUuid } from "@samsa/base";
import {
  Controller,
  type ControllerRequests,
  type ControllerSettings,
  type Draw,
  JUDGED_APIS,
  type PeriodicDecision,
} from "@samsa/controller";
import { METADATA_VERSION, type MetadataImage, metadataVersionOf, type Provenance } from "@samsa/metadata";
import { encodeMetadataRecords, type MetadataRecord, metadataRecord } from "@samsa/protocol";
import { Hearing, type Policies } from "./policies.ts";
import type { BrokerLife } from "./broker-watch.ts";
import { DecisionTimes } from "./decision-times.ts";
import { LatencyWindow, type LatencyWindows } from "../turn/latency-window.ts";
import { type MutationQuota, NO_MUTATION_QUOTA } from "../quotas/quotas.ts";

/** Most bytes that a record takes in a batch besides its value. */
const RECORD_OVERHEAD = 64;
/** Time that a stop waits for the commit of decisions in progress. */
const LAST_COMMITS_MS = 2000;
/** Interval at which a stop looks for these commits. */
const COMMIT_POLL_MS = 5;

/** The metadata log as the leader of the quorum writes it. */
export interface LeaderLog {
  readonly endOffset: Offset;
  readonly isLeader: boolean;
  /**
   * Appends records as one batch, which is committed later; returns the place of the last record. `values` are the encoded
   * records.
   */
  append(records: readonly MetadataRecord[], timestamp: number, values: readonly Uint8Array[]): Provenance;
}

/** Records of a batch, and their encoded values. */
interface EncodedRecords {
  readonly records: readonly MetadataRecord[];
  readonly values: readonly Uint8Array[];
}

const JUDGED: ReadonlySet<string> = new Set(JUDGED_APIS);
const NO_POLICY: Draw["judge"] = () => undefined;

interface Host {
  readonly env: Env;
  readonly log: LeaderLog;
  /** Policies on topics and settings. */
  readonly policies?: Policies | undefined;
  /** Windows of latencies. */
  readonly windows: LatencyWindows;
  /** Time from which a decision is logged as slow, in ms. */
  readonly slowMs: number;
  /** Most bytes in a batch of the log. */
  readonly maxBatchBytes: number;
  /** Called once, when this controller has failed and decides nothing any more. */
  readonly onFailure: () => void;
}

/** Ends the request of a decision. */
interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/** Log messages of decisions that no request asks for; others are not worth a line. */
const PERIODIC: Readonly<Partial<Record<PeriodicDecision["task"], string>>> = {
  maybeFenceStaleBroker: "a broker is fenced, because its heartbeats have stopped",
  electPreferred: "preferred leaders are elected",
  electUnclean: "leaders are elected that may lack records, as their topics allow",
};

/** This controller is not the active one. */
export class NotControllerError extends Error {
  constructor() {
    super("this controller is not the active one");
    this.name = "NotControllerError";
  }
}

/**
 * Controller of a node (`QuorumController`). While it is active, it decides on a speculative image, appends the decision
 * to `__cluster_metadata`, and replies once it is committed.
 */
export class QuorumController {
  readonly #host: Host;
  readonly #settings: ControllerSettings;
  readonly #alarm: Alarm;
  /** Undefined while another controller is active. */
  #active: Controller<Waiter> | undefined;
  #failure: Error | undefined;
  #activations = 0;
  /** Decisions that are not committed: the offset of the last record, and the time of the append. */
  #appended: { readonly offset: Offset; readonly at: number }[] = [];
  /** Times from the append of a decision to its commit. */
  readonly commitLatency: LatencyWindow;
  readonly times: DecisionTimes;
  #isClosed = false;

  constructor(host: Host, settings: ControllerSettings) {
    this.#host = host;
    this.#settings = settings;
    this.commitLatency = new LatencyWindow(host.windows);
    this.times = new DecisionTimes(host.env.logger, host.slowMs);
    this.#alarm = new Alarm(host.env, () => this.#tick());
  }

  /** Reason why this controller has failed; undefined while it has not. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Times that this controller has become the active one. */
  activations(): number {
    return this.#activations;
  }

  get isActive(): boolean {
    return this.#active !== undefined;
  }

  /** Metadata with all appended records. Call it only while this controller decides. */
  get image(): MetadataImage {
    return this.#controller.image;
  }

  get #controller(): Controller<Waiter> {
    if (this.#active === undefined) throw new NotControllerError();
    return this.#active;
  }

  /**
   * Becomes the active controller on the committed metadata (`claim`). Writes what they lack: the records in `bootstrap`
   * for a new cluster, and the end of a transaction that was left open. Resolves once these are committed.
   */
  activate(image: MetadataImage, bootstrap: readonly MetadataRecord[]): Promise<void> {
    this.renounce();
    this.#activations++;
    this.#active = new Controller(this.#settings, image, this.#host.env.clock.monotonic());
    const activated = this.#write("activation", controller => ({
      records: controller.activationRecords(bootstrap),
      reply: undefined,
    }));
    this.#setAlarm();
    return activated;
  }

  /** Steps down: drops what is not committed, and fails its requests (`renounce`). */
  renounce(): void {
    const active = this.#active;
    this.#active = undefined;
    this.#appended = [];
    for (const waiter of active?.renounce() ?? []) waiter.reject(new NotControllerError());
  }

  /** Decides on a request; resolves with the reply once the metadata that it depends on are committed. */
  submit<N extends keyof ControllerRequests>(
    name: N,
    request: ControllerRequests[N]["request"],
    quota: MutationQuota = NO_MUTATION_QUOTA,
  ): Promise<ControllerRequests[N]["reply"]> {
    const { policies } = this.#host;
    if (policies !== undefined && JUDGED.has(name)) return this.#judged(policies, name, request, quota);
    return this.#write(name, controller => controller.decide(name, request, this.#draw(quota)));
  }

  /**
   * Asks the policies what the decision would ask them, and decides with their answers. Other decisions are made in
   * between, so there may be more to ask.
   */
  async #judged<N extends keyof ControllerRequests>(
    policies: Policies,
    name: N,
    request: ControllerRequests[N]["request"],
    quota: MutationQuota,
  ): Promise<ControllerRequests[N]["reply"]> {
    const hearing = new Hearing(policies, this.#host.env);
    for (;;) {
      this.#checkDecides();
      this.#controller.consider(name, request, this.#draw(NO_MUTATION_QUOTA, hearing.judge));
      if (!hearing.isOpen) break;
      await hearing.ask();
    }
    return this.#write(name, controller => controller.decide(name, request, this.#draw(quota, hearing.judge)));
  }

  /** Throws if this controller takes no requests any more. */
  #checkDecides(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isClosed) throw new NotControllerError();
  }

  #write<R>(
    name: string,
    decide: (controller: Controller<Waiter>) => { readonly records: readonly MetadataRecord[]; readonly reply: R },
  ): Promise<R> {
    const { clock } = this.#host.env;
    const began = clock.monotonic();
    const written = new Promise<R>((resolve, reject) => {
      this.#checkDecides();
      const controller = this.#controller;
      const { records, reply } = decide(controller);
      if (records.length > 0) this.#append(controller, records);
      const isCommitted = controller.await({ resolve: () => resolve(reply), reject });
      if (isCommitted) resolve(reply);
      this.#setAlarm();
    });
    return written.then(reply => {
      this.times.add(name, clock.monotonic() - began);
      return reply;
    });
  }

  #setAlarm(): void {
    const at = this.#active?.nextDeadline ?? Infinity;
    if (at < Infinity && this.#failure === undefined && !this.#isClosed) this.#alarm.setAtLatest(at);
  }

  /** Decides what is due without a request: one decision in a turn, so that requests are served in between. */
  #tick(): void {
    const controller = this.#active;
    if (controller === undefined || this.#isClosed || this.#failure !== undefined) return;
    const { logger, clock } = this.#host.env;
    guard(
      () => {
        const began = clock.monotonic();
        const decision = controller.tick(this.#draw(NO_MUTATION_QUOTA));
        if (decision === undefined) return;
        const { task, brokerId } = decision;
        const told = PERIODIC[task];
        if (told !== undefined) logger.info(told, brokerId === undefined ? {} : { broker: brokerId });
        if (decision.records.length > 0) this.#append(controller, decision.records);
        this.times.add(task, clock.monotonic() - began);
      },
      error => {
        if (!(error instanceof NotControllerError)) logger.error("a decision of the controller failed", { error });
      },
    );
    this.#setAlarm();
  }

  /**
   * Appends a decision. After a crash either all or none of its records exist: they are one batch, or the batches of a
   * metadata transaction (KIP-868).
   */
  #append(controller: Controller<Waiter>, records: readonly MetadataRecord[]): void {
    const { log, env, maxBatchBytes } = this.#host;
    const batches = [...batchesOf(records, metadataVersionOf(controller.image), maxBatchBytes)];
    try {
      for (const { records: batch, values } of batches) {
        const last = log.append(batch, env.clock.now(), values);
        controller.appended(batch, last);
      }
      this.#appended.push({ offset: log.endOffset - 1, at: env.clock.monotonic() });
    } catch (error) {
      if (!log.isLeader) {
        // Another node has become the leader, which ends a transaction that was left open.
        this.renounce();
        throw new NotControllerError();
      }
      // A part of the decision may be in the log, so nothing may be appended after it.
      this.failed(error);
      throw error;
    }
  }

  #draw(quota: MutationQuota, judge: Draw["judge"] = NO_POLICY): Draw {
    const { env, log } = this.#host;
    const { random } = env;
    return {
      uuid: () => randomUuid(length => random.bytes(length)),
      below: limit => Math.floor(random.next() * limit),
      nextOffset: log.endOffset,
      now: env.clock.monotonic(),
      time: Math.floor(env.clock.now()),
      mutate: partitions => quota.take(partitions),
      judge,
    };
  }

  /** Sends the replies to the decisions that are committed in `image`. */
  commitUpTo(image: MetadataImage): void {
    const now = this.#host.env.clock.monotonic();
    const { offset } = image.provenance;
    const open = this.#appended.findIndex(appended => appended.offset > offset);
    const done = this.#appended.splice(0, open < 0 ? Infinity : open);
    for (const { at } of done) this.commitLatency.add(now, now - at);
    for (const waiter of this.#active?.commitUpTo(image) ?? []) waiter.resolve();
  }

  /** Ends this controller after a failure of the log: drops what is not committed, and fails all requests. */
  failed(error: unknown): void {
    const isFirst = this.#failure === undefined;
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    for (const waiter of this.#active?.renounce() ?? []) waiter.reject(error);
    if (isFirst) this.#host.onFailure();
  }

  /** Fences a broker whose process has ended. */
  lost({ brokerId, brokerEpoch }: BrokerLife): void {
    this.#active?.lost(brokerId, brokerEpoch);
    this.#setAlarm();
  }

  /**
   * Refuses further requests. Resolves once those in progress are answered, or after `LAST_COMMITS_MS`: there may be no
   * majority any more.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#alarm.stop();
    const { clock, timers } = this.#host.env;
    const until = clock.monotonic() + LAST_COMMITS_MS;
    while ((this.#active?.waiting ?? 0) > 0 && clock.monotonic() < until) {
      await new Promise<void>(resolve => void timers.after(COMMIT_POLL_MS, resolve));
    }
  }
}

/**
 * Batches to append for a decision: one if it fits, else those of a metadata transaction if the metadata.version has
 * these.
 */
function* batchesOf(records: readonly MetadataRecord[], version: number, maxBytes: number): Generator<EncodedRecords> {
  const values = encodeMetadataRecords(records);
  const begins = [0];
  let size = 0;
  for (const [at, value] of values.entries()) {
    const bytes = value.length + RECORD_OVERHEAD;
    if (size > 0 && size + bytes > maxBytes) {
      begins.push(at);
      size = 0;
    }
    size += bytes;
  }
  if (begins.length === 1) return yield { records, values };
  if (version < METADATA_VERSION.transactions) {
    throw new Error(`the decision has ${records.length} records, more than fit a batch: decide on less at once`);
  }
  yield encoded(metadataRecord("BeginTransactionRecord", 0, { name: "Decision" }));
  for (const [i, at] of begins.entries()) {
    yield { records: records.slice(at, begins[i + 1]), values: values.slice(at, begins[i + 1]) };
  }
  yield encoded(metadataRecord("EndTransactionRecord", 0, {}));
}

function encoded(record: MetadataRecord): EncodedRecords {
  return { records: [record], values: encodeMetadataRecords([record]) };
}
