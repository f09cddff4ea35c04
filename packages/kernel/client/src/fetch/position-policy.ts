import { ExponentialBackoff } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { KafkaError } from "../error/kafka-error.ts";
import type { Moment } from "../offsets/moment.ts";
import type { AssignedPartition, EpochEnd } from "./assigned-partition.ts";
import type { Assignment } from "./assignment.ts";
import type { PositionLoss } from "./fetch-effects.ts";
import { retryBackoff } from "../cluster/retry-backoff.ts";
import type { FetchOptions } from "./fetch-options.ts";
import type { Outbox } from "./outbox.ts";

/** Reactions to partitions that have no position or lose it, and to those that fail. */
export class PositionPolicy {
  readonly backoff: ExponentialBackoff;
  readonly #options: FetchOptions;
  readonly #assignment: Assignment;
  readonly #outbox: Outbox;

  constructor(options: FetchOptions, assignment: Assignment, outbox: Outbox) {
    this.backoff = new ExponentialBackoff(retryBackoff(options));
    this.#options = options;
    this.#assignment = assignment;
    this.#outbox = outbox;
  }

  /** Tells the application of an error, after the records before it, and tries again later. */
  raise(partition: AssignedPartition, error: KafkaError, moment: Moment): void {
    this.#assignment.raise(error, partition);
    partition.backOff(moment, this.backoff);
  }

  /** A new partition has no committed offset. */
  missing(partition: AssignedPartition, moment: Moment): void {
    const { reset } = this.#options;
    if (reset !== "none") {
      partition.reset(reset);
      return;
    }
    const text = `no offset is committed for ${nameOf(partition)}, and auto.offset.reset is none`;
    this.raise(partition, new KafkaError("NO_OFFSET", text), moment);
  }

  /** The leader's log does not contain the fetch offset. */
  outOfRange(partition: AssignedPartition, moment: Moment): void {
    // Fetched records are given out before anything is lost.
    if (partition.fetchOffset !== partition.position || partition.queue.length > 0) {
      partition.backOff(moment, this.backoff);
      return;
    }
    const { reset } = this.#options;
    if (reset !== "none") {
      this.#moved(partition, undefined, "OUT_OF_RANGE");
      partition.reset(reset);
      return;
    }
    const error = Errors.OFFSET_OUT_OF_RANGE;
    const text = `${nameOf(partition)} has no offset ${partition.position}, and auto.offset.reset is none`;
    this.raise(partition, new KafkaError(error.name, text, { error }), moment);
  }

  /** Records below the position were truncated. `end` is where the log left that of the position, if it is known. */
  truncated(partition: AssignedPartition, end: EpochEnd | undefined, moment: Moment): void {
    const { reset } = this.#options;
    const { position } = partition;
    if (reset === "none") {
      const since = end === undefined ? "" : `, from offset ${end.endOffset} on`;
      const text = `the log of ${nameOf(partition)} was truncated below offset ${position}${since}`;
      this.raise(partition, new KafkaError("LOG_TRUNCATED", text), moment);
    } else if (end === undefined) {
      this.#moved(partition, undefined, "TRUNCATED");
      partition.reset(reset);
    } else {
      this.#moved(partition, end.endOffset, "TRUNCATED");
      partition.seekValidated(end);
    }
  }

  /** The position is one of a topic that was deleted. */
  recreated(partition: AssignedPartition): void {
    const { reset } = this.#options;
    this.#moved(partition, undefined, "RECREATED");
    if (reset !== "none") {
      partition.reset(reset);
      return;
    }
    // No record of the new topic has been seen, so none is lost from its first one on.
    partition.reset("earliest");
    const text = `the topic of ${nameOf(partition)} was deleted and created again, and is read from its beginning`;
    this.#assignment.raise(new KafkaError("LOG_TRUNCATED", text), partition);
  }

  #moved({ topic, partition, position }: AssignedPartition, to: number | undefined, loss: PositionLoss): void {
    this.#outbox.send({ type: "moved", topic, partition, from: position, to, loss });
  }
}

function nameOf({ topic, partition }: AssignedPartition): string {
  return `${topic}-${partition}`;
}
