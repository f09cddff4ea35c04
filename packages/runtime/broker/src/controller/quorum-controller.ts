import { type Env, type Offset, randomUuid } from "@samsa/base";
import {
  activationRecords,
  Controller,
  type ControllerRequests,
  type ControllerSettings,
  type Draw,
} from "@samsa/controller";
import { METADATA_VERSION, type MetadataImage, metadataVersionOf, type Provenance } from "@samsa/metadata";
import { encodeMetadataRecord, type MetadataRecord, metadataRecord } from "@samsa/protocol";
import { MAX_METADATA_BATCH } from "@samsa/quorum";
import { type MutationQuota, NO_MUTATION_QUOTA } from "../limits/quotas.ts";

/** Most bytes that a record takes in a batch besides its value. */
const RECORD_OVERHEAD = 64;

/** The metadata log as the leader of the quorum writes it. */
export interface LeaderLog {
  readonly endOffset: Offset;
  /** Appends records as one batch, which is committed later; returns the place of the last record. */
  append(records: readonly MetadataRecord[], timestamp: number): Provenance;
}

interface Host {
  readonly env: Env;
  readonly log: LeaderLog;
  /** Called once, when this controller has failed and decides nothing any more. */
  readonly onFailure: () => void;
}

/** Ends the request of a decision. */
interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Active controller (`QuorumController`): decides on a speculative image, appends the decision to
 * `__cluster_metadata`, and replies once it is committed.
 */
export class QuorumController {
  readonly #host: Host;
  readonly #controller: Controller<Waiter>;
  #failure: Error | undefined;
  #isClosed = false;

  /** `image` is the committed metadata. */
  constructor(host: Host, settings: ControllerSettings, image: MetadataImage) {
    this.#host = host;
    this.#controller = new Controller(settings, image);
  }

  /** Reason why this controller has failed; undefined while it has not. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Metadata with all appended records. */
  get image(): MetadataImage {
    return this.#controller.image;
  }

  /**
   * Writes what the metadata of a new leader lack: the records in `bootstrap` for a new cluster, and the end of a
   * transaction that was left open.
   */
  activate(bootstrap: readonly MetadataRecord[]): Promise<void> {
    return this.#write(() => ({ records: activationRecords(this.#controller.image, bootstrap), reply: undefined }));
  }

  /** Decides on a request; resolves with the reply once the metadata that it depends on are committed. */
  submit<N extends keyof ControllerRequests>(
    name: N,
    request: ControllerRequests[N]["request"],
    quota: MutationQuota = NO_MUTATION_QUOTA,
  ): Promise<ControllerRequests[N]["reply"]> {
    return this.#write(() => this.#controller.decide(name, request, this.#draw(quota)));
  }

  #write<R>(decide: () => { readonly records: readonly MetadataRecord[]; readonly reply: R }): Promise<R> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isClosed) throw new Error("the controller has stopped");
      const { records, reply } = decide();
      if (records.length > 0) this.#append(records);
      const isCommitted = this.#controller.await({ resolve: () => resolve(reply), reject });
      if (isCommitted) resolve(reply);
    });
  }

  /**
   * Appends a decision. After a crash either all or none of its records exist: they are one batch, or the batches of a
   * metadata transaction (KIP-868).
   */
  #append(records: readonly MetadataRecord[]): void {
    const { log, env } = this.#host;
    const batches = [...batchesOf(records, metadataVersionOf(this.#controller.image))];
    try {
      for (const batch of batches) {
        const last = log.append(batch, env.clock.now());
        this.#controller.appended(batch, last);
      }
    } catch (error) {
      // A part of the decision may be in the log, so nothing may be appended after it.
      this.failed(error);
      throw error;
    }
  }

  #draw(quota: MutationQuota): Draw {
    const { env, log } = this.#host;
    const { random } = env;
    return {
      uuid: () => randomUuid(length => random.bytes(length)),
      below: limit => Math.floor(random.next() * limit),
      nextOffset: log.endOffset,
      mutate: partitions => quota.take(partitions),
    };
  }

  /** Sends the replies to the decisions that are committed in `image`. */
  commitUpTo(image: MetadataImage): void {
    for (const waiter of this.#controller.commitUpTo(image)) waiter.resolve();
  }

  /** Ends this controller after a failure of the log: drops what is not committed, and fails all requests. */
  failed(error: unknown): void {
    const isFirst = this.#failure === undefined;
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    for (const waiter of this.#controller.renounce()) waiter.reject(error);
    if (isFirst) this.#host.onFailure();
  }

  /** Refuses further requests; those in progress are answered when they are committed. */
  close(): void {
    this.#isClosed = true;
  }
}

/**
 * Batches to append for a decision: one if it fits, else those of a metadata transaction if the metadata.version has
 * these.
 */
function* batchesOf(records: readonly MetadataRecord[], version: number): Generator<readonly MetadataRecord[]> {
  const batches: MetadataRecord[][] = [[]];
  let size = 0;
  for (const record of records) {
    const bytes = encodeMetadataRecord(record).length + RECORD_OVERHEAD;
    if (size + bytes > MAX_METADATA_BATCH) {
      batches.push([]);
      size = 0;
    }
    size += bytes;
    (batches.at(-1) as MetadataRecord[]).push(record);
  }
  if (batches.length === 1) return yield records;
  if (version < METADATA_VERSION.transactions) {
    throw new Error(`the decision has ${records.length} records, more than fit a batch: decide on less at once`);
  }
  yield [metadataRecord("BeginTransactionRecord", 0, { name: "Decision" })];
  yield* batches;
  yield [metadataRecord("EndTransactionRecord", 0, {})];
}
