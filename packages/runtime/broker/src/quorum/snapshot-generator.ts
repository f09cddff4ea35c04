import type { Env } from "@samsa/base";
import { imageRecords, type MetadataChanges, type MetadataImage } from "@samsa/metadata";
import type { RaftClient } from "@samsa/raft";
import type { BrokerConfig } from "../config/configs.ts";
import type { MetadataPublisher } from "../metadata/publisher.ts";

/** Wait after a failed snapshot: the next one holds all metadata again. */
const RETRY_MS = 60_000;

/** Writes a snapshot of the metadata when a start would have to replay much (`SnapshotGenerator`). */
export class SnapshotGenerator implements MetadataPublisher {
  readonly name = "snapshot generator";
  readonly #env: Env;
  readonly #config: BrokerConfig;
  readonly #log: RaftClient;
  #image: MetadataImage | undefined;
  /** Monotonic time of the last snapshot, or of the start, in ms. */
  #last: number;
  /** Monotonic time before which no snapshot is attempted. */
  #notBefore = -Infinity;
  #isClosed = false;

  constructor(env: Env, config: BrokerConfig, log: RaftClient) {
    this.#env = env;
    this.#config = config;
    this.#log = log;
    this.#last = env.clock.monotonic();
  }

  publish(_changes: MetadataChanges, image: MetadataImage): void {
    this.#image = image;
    this.#snapshotIfDue();
  }

  /** Starts a snapshot if one is due, and trims the log by `metadata.max.retention.*`. */
  maintain(): void {
    this.#snapshotIfDue();
    this.#log.trim();
  }

  /** Starts a snapshot if a start would have to replay many bytes, or if the last snapshot is too old. */
  #snapshotIfDue(): void {
    const image = this.#image;
    if (image === undefined || this.#isClosed || this.#log.isSnapshotting) return;
    const now = this.#env.clock.monotonic();
    if (now < this.#notBefore) return;
    const bytes = this.#log.bytesSinceSnapshot;
    const interval = this.#config["metadata.log.max.snapshot.interval.ms"];
    const tooLong = interval > 0 && bytes > 0 && now - this.#last >= interval;
    if (!tooLong && bytes < this.#config["metadata.log.max.record.bytes.between.snapshots"]) return;
    this.#last = now;
    const written = this.#log.snapshot(imageRecords(image), image.provenance);
    // Another snapshot may be due by then.
    written
      .then(() => this.#snapshotIfDue())
      .catch((error: unknown) => {
        this.#notBefore = this.#env.clock.monotonic() + RETRY_MS;
        this.#env.logger.error("a snapshot of the metadata could not be written; it is tried again after a minute", {
          error,
        });
      });
  }

  /** Begins no more snapshots; the log waits for the one in progress. */
  close(): void {
    this.#isClosed = true;
  }
}
