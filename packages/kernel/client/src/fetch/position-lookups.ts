import { type BrokerId, nearestNumber, type Offset } from "@samsa/base";
import { byTopic, partitionKey } from "../cluster/cluster-view.ts";
import { KafkaError } from "../error/kafka-error.ts";
import { type ListOffsetsAnswer, listOffsetsRequest } from "../offsets/list-offsets.ts";
import type { Moment } from "../offsets/moment.ts";
import { timestampOf } from "../offsets/offset-reset.ts";
import { faultOf } from "../offsets/partition-fault.ts";
import type { AssignedPartition, EpochEnd } from "./assigned-partition.ts";
import type { Assignment } from "./assignment.ts";
import type { CommittedOffset, OffsetForLeaderEpochAnswer } from "./fetch-effects.ts";
import type { FetchOptions } from "./fetch-options.ts";
import type { Outbox } from "./outbox.ts";
import type { PositionPolicy } from "./position-policy.ts";

/** Consumers have no replica id. */
const CONSUMER = -1;

/** Parts of a `Fetcher`. */
export interface FetchParts {
  readonly options: FetchOptions;
  readonly assignment: Assignment;
  readonly outbox: Outbox;
  readonly policy: PositionPolicy;
}

/** Partitions by the broker that is asked about them. */
class ByBroker {
  readonly #partitions = new Map<BrokerId, AssignedPartition[]>();

  add(partition: AssignedPartition): void {
    const found = this.#partitions.get(partition.leaderId);
    if (found === undefined) this.#partitions.set(partition.leaderId, [partition]);
    else found.push(partition);
  }

  take(): [BrokerId, AssignedPartition[]][] {
    if (this.#partitions.size === 0) return [];
    const all = [...this.#partitions];
    this.#partitions.clear();
    return all;
  }
}

/**
 * Requests that find positions: committed offsets, offsets of reset policies (`OffsetFetcher`), and ends of epochs that
 * validate positions (KIP-320).
 */
export class PositionLookups {
  readonly #options: FetchOptions;
  readonly #assignment: Assignment;
  readonly #outbox: Outbox;
  readonly #policy: PositionPolicy;
  readonly #inFlight = new Map<number, readonly AssignedPartition[]>();
  #initializing: AssignedPartition[] = [];
  readonly #resets = new ByBroker();
  readonly #validations = new ByBroker();

  constructor({ options, assignment, outbox, policy }: FetchParts) {
    this.#options = options;
    this.#assignment = assignment;
    this.#outbox = outbox;
    this.#policy = policy;
  }

  /** Takes a partition without a valid position. Its leader is known, unless it is new. */
  add(partition: AssignedPartition): void {
    switch (partition.state) {
      case "INITIALIZING":
        this.#initializing.push(partition);
        return;
      case "AWAIT_RESET":
        this.#resets.add(partition);
        return;
      case "AWAIT_VALIDATION":
        this.#validations.add(partition);
        return;
      case "FETCHING":
        return;
    }
  }

  /** Sends the requests for the partitions that were added. */
  flush({ wall }: Moment): void {
    const { isolation, requestTimeoutMs } = this.#options;
    if (this.#initializing.length > 0) {
      const partitions = this.#initializing;
      this.#initializing = [];
      const ticket = this.#track(partitions);
      const named = partitions.map(({ topic, partition }) => ({ topic, partition }));
      this.#outbox.send({ type: "committedOffsets", ticket, partitions: named });
    }
    for (const [brokerId, partitions] of this.#resets.take()) {
      const queries = partitions.map(({ topic, partition, leaderEpoch, target }) => {
        return { topic, partition, leaderEpoch, timestamp: timestampOf(target ?? "latest", wall) };
      });
      const request = listOffsetsRequest(queries, isolation, requestTimeoutMs);
      this.#outbox.send({ type: "listOffsets", ticket: this.#track(partitions), brokerId, request });
    }
    for (const [brokerId, partitions] of this.#validations.take()) {
      const topics = [...byTopic(partitions)].map(([topic, ofTopic]) => ({
        topic,
        partitions: ofTopic.map(({ partition, leaderEpoch, fetchEpoch }) => ({
          partition,
          currentLeaderEpoch: leaderEpoch,
          leaderEpoch: fetchEpoch,
        })),
      }));
      const request = { replicaId: CONSUMER, topics };
      this.#outbox.send({ type: "offsetForLeaderEpoch", ticket: this.#track(partitions), brokerId, request });
    }
  }

  /** Offsets that the group has committed; partitions that it has no offset of may be left out. */
  committed(ticket: number, offsets: readonly CommittedOffset[], moment: Moment): void {
    const found = new Map(offsets.map(one => [partitionKey(one.topic, one.partition), one]));
    for (const partition of this.#settled(ticket)) {
      const { offset, leaderEpoch } = found.get(partition.key) ?? { offset: -1, leaderEpoch: -1 };
      if (offset < 0) {
        this.#policy.missing(partition, moment);
        continue;
      }
      partition.seek(offset, leaderEpoch);
      if (leaderEpoch > partition.leaderEpoch) this.#outbox.askMetadata(moment);
    }
  }

  /** Answer to a ListOffsets request. */
  listed(ticket: number, { topics }: ListOffsetsAnswer, moment: Moment): void {
    const found = new Map<string, ListOffsetsAnswer["topics"][number]["partitions"][number]>();
    for (const { name, partitions } of topics) {
      for (const one of partitions) found.set(partitionKey(name, one.partitionIndex), one);
    }
    for (const partition of this.#settled(ticket)) {
      const answer = found.get(partition.key);
      if (answer === undefined || answer.errorCode !== 0) {
        this.#fault(partition, answer?.errorCode, moment);
        continue;
      }
      const offset = nearestNumber(answer.offset);
      if (offset >= 0) this.#reset(partition, offset);
      // No record is so young, so the end is the first offset that will have one.
      else if (partition.target !== "latest") partition.reset("latest");
      else partition.backOff(moment, this.#policy.backoff);
      if (answer.leaderEpoch > partition.leaderEpoch) this.#outbox.askMetadata(moment);
    }
  }

  /** Answer to an OffsetForLeaderEpoch request. */
  validated(ticket: number, { topics }: OffsetForLeaderEpochAnswer, moment: Moment): void {
    const found = new Map<string, OffsetForLeaderEpochAnswer["topics"][number]["partitions"][number]>();
    for (const { topic, partitions } of topics) {
      for (const one of partitions) found.set(partitionKey(topic, one.partition), one);
    }
    for (const partition of this.#settled(ticket)) {
      const answer = found.get(partition.key);
      if (answer === undefined || answer.errorCode !== 0) {
        this.#fault(partition, answer?.errorCode, moment);
        continue;
      }
      const end: EpochEnd = { epoch: answer.leaderEpoch, endOffset: nearestNumber(answer.endOffset) };
      const isKnown = end.epoch >= 0 && end.endOffset >= 0;
      if (partition.complete(end) === "truncated") this.#policy.truncated(partition, isKnown ? end : undefined, moment);
    }
  }

  /** Takes a request back that has no answer. */
  failed(ticket: number, error: KafkaError, moment: Moment): void {
    if (!this.#inFlight.has(ticket)) return;
    for (const partition of this.#settled(ticket)) partition.backOff(moment, this.#policy.backoff);
    this.#outbox.askMetadata(moment);
    if (!error.retriable) this.#assignment.raise(error);
  }

  #track(partitions: readonly AssignedPartition[]): number {
    const ticket = this.#outbox.ticket();
    this.#inFlight.set(ticket, partitions);
    for (const partition of partitions) partition.ticket = ticket;
    return ticket;
  }

  /** Partitions of a request that still wait for its answer. */
  #settled(ticket: number): readonly AssignedPartition[] {
    const partitions = (this.#inFlight.get(ticket) ?? []).filter(partition => partition.ticket === ticket);
    this.#inFlight.delete(ticket);
    this.#assignment.budget.isDirty = true;
    for (const partition of partitions) partition.ticket = 0;
    return partitions;
  }

  #reset(partition: AssignedPartition, offset: Offset): void {
    if (partition.target === "latest") {
      const isCommitted = this.#options.isolation === "read_committed";
      if (isCommitted) partition.lastStableOffset = offset;
      else partition.highWatermark = offset;
    } else if (partition.target === "earliest") {
      partition.logStartOffset = offset;
    }
    // The leader has just named the offset, so it is not validated.
    partition.seek(offset, -1);
  }

  #fault(partition: AssignedPartition, code: number | undefined, moment: Moment): void {
    const fault = code === undefined ? "retry" : faultOf(code);
    if (fault === "raise" || fault === "range") {
      const what = `finding the position of ${partition.topic}-${partition.partition}`;
      this.#policy.raise(partition, KafkaError.of(code ?? 0, what), moment);
      return;
    }
    partition.backOff(moment, this.#policy.backoff);
    if (fault === "refresh") this.#outbox.askMetadata(moment);
  }
}
