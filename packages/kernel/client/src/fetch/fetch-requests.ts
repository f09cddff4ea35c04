import { type BrokerId, joined, messageOf, nearestNumber, type WireOffset } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { type ClusterView, partitionKey } from "../cluster/cluster-view.ts";
import { type LeaderHint, leaderHint } from "../cluster/leader-hint.ts";
import { KafkaError } from "../error/kafka-error.ts";
import { isolationCode } from "../offsets/list-offsets.ts";
import type { Moment } from "../offsets/moment.ts";
import { faultOf } from "../offsets/partition-fault.ts";
import { AbortedTransactions } from "./aborted-transactions.ts";
import type { AssignedPartition } from "./assigned-partition.ts";
import type { Assignment } from "./assignment.ts";
import type { FetchOptions } from "./fetch-options.ts";
import { type FetchAnswer, FetchSession, type SessionFields } from "./fetch-session.ts";
import type { Outbox } from "./outbox.ts";
import type { FetchParts } from "./position-lookups.ts";
import type { PositionPolicy } from "./position-policy.ts";
import { extentOf, RecordReader } from "./record-reader.ts";

/** Last version of Fetch with topic names. */
const LAST_NAMED_VERSION = 12;
/**
 * Time in ms that a broker may first wait for records while a partition of it is left out because its queue is full. The
 * queue may have room again soon, and a fetch that waits `maxWaitMs` for others would hold the partition up.
 */
const HELD_WAIT_MS = 20;

type PartitionAnswer = FetchAnswer["responses"][number]["partitions"][number];

/** A broker that records are fetched from. */
interface FetchBroker {
  readonly id: BrokerId;
  readonly session: FetchSession;
  /** Number of the request in flight; 0: none. */
  ticket: number;
  /** Partitions that the request in flight waits for. */
  asked: AssignedPartition[];
  /** Partitions of the next request. */
  wanted: AssignedPartition[];
  /** Partitions are left out of the next request because their queues are full. */
  isHeldBack: boolean;
  heldWaitMs: number;
  /** Some assigned partition is read from this broker. */
  isSource: boolean;
  failures: number;
  /** Monotonic time before which nothing is sent to the broker. */
  retryAt: number;
}

/** Fetch requests, one in flight for each broker (`AbstractFetch`, `FetchCollector`). */
export class FetchRequests {
  readonly #options: FetchOptions;
  readonly #cluster: ClusterView;
  readonly #assignment: Assignment;
  readonly #outbox: Outbox;
  readonly #policy: PositionPolicy;
  readonly #brokers = new Map<BrokerId, FetchBroker>();
  readonly #inFlight = new Map<number, FetchBroker>();

  constructor({ options, assignment, outbox, policy }: FetchParts, cluster: ClusterView) {
    this.#options = options;
    this.#cluster = cluster;
    this.#assignment = assignment;
    this.#outbox = outbox;
    this.#policy = policy;
  }

  /** Begins a round of `add`. */
  begin(): void {
    for (const broker of this.#brokers.values()) {
      broker.wanted = [];
      broker.isHeldBack = false;
      broker.isSource = false;
    }
  }

  /**
   * Takes an assigned partition. It is fetched with the next request to its broker if `isWanted`. Returns the monotonic
   * time at which to look again; Infinity if another input comes first.
   */
  add(partition: AssignedPartition, isWanted: boolean, moment: Moment): number {
    const id = this.#sourceOf(partition, moment);
    if (id < 0) {
      if (!isWanted) return Infinity;
      this.#outbox.askMetadata(moment);
      return this.#outbox.askAgainAt;
    }
    const broker = this.#broker(id);
    broker.isSource = true;
    if (!isWanted) return Infinity;
    const { queueBytes, totalQueueBytes } = this.#options;
    const { queuedBytes } = partition;
    const isFull = queuedBytes > 0 && this.#assignment.budget.bytes >= totalQueueBytes;
    if (isFull || queuedBytes >= queueBytes) {
      broker.isHeldBack = true;
      return Infinity;
    }
    broker.wanted.push(partition);
    return broker.ticket === 0 && broker.retryAt > moment.now ? broker.retryAt : Infinity;
  }

  /** Sends requests for the partitions that were added, and closes sessions that no partition needs any more. */
  flush(moment: Moment): void {
    for (const broker of this.#brokers.values()) {
      if (broker.ticket !== 0) continue;
      if (!broker.isHeldBack) broker.heldWaitMs = HELD_WAIT_MS;
      if (broker.wanted.length > 0) {
        if (broker.retryAt <= moment.now) this.#fetch(broker);
      } else if (!broker.isSource) {
        this.#brokers.delete(broker.id);
        this.#close(broker);
      }
    }
  }

  /** Closes all sessions. Answers to requests in flight are ignored from now on. */
  close(): void {
    for (const broker of this.#brokers.values()) this.#close(broker);
    this.#brokers.clear();
    this.#inFlight.clear();
  }

  /** Answer to a request. */
  answered(ticket: number, answer: FetchAnswer, moment: Moment): void {
    const broker = this.#settled(ticket);
    if (broker === undefined) return;
    const { asked } = broker;
    broker.asked = [];
    if (answer.throttleTimeMs > 0) broker.retryAt = moment.now + answer.throttleTimeMs;
    const result = broker.session.answered(answer);
    if (result === "accepted") {
      broker.failures = 0;
      this.#takeHints(answer);
      const { bytes } = this.#assignment.budget;
      for (const topic of answer.responses) {
        const name = broker.session.nameOf(topic);
        if (name === undefined) continue;
        for (const one of topic.partitions) {
          const partition = this.#assignment.find(partitionKey(name, one.partitionIndex));
          if (partition?.ticket === ticket) this.#take(partition, one, { broker, moment });
        }
      }
      const isEmpty = this.#assignment.budget.bytes === bytes;
      if (isEmpty) broker.heldWaitMs = Math.min(2 * broker.heldWaitMs, this.#options.maxWaitMs);
    } else if (result === "refused") {
      this.#refused(broker, answer.errorCode, moment);
    }
    release(asked, ticket);
  }

  /** Takes a request back that has no answer. False if the ticket is not one of these requests. */
  failed(ticket: number, error: KafkaError, moment: Moment): boolean {
    const broker = this.#settled(ticket);
    if (broker === undefined) return false;
    broker.session.failed();
    for (const partition of broker.asked) {
      if (partition.preferredReplica === broker.id) partition.preferredReplica = -1;
    }
    release(broker.asked, ticket);
    broker.asked = [];
    this.#backOff(broker, moment);
    this.#outbox.askMetadata(moment);
    if (!error.retriable) this.#assignment.raise(error);
    return true;
  }

  #broker(id: BrokerId): FetchBroker {
    const known = this.#brokers.get(id);
    if (known !== undefined) return known;
    const broker: FetchBroker = {
      id,
      session: new FetchSession(this.#options.maxPartitionBytes),
      ticket: 0,
      asked: [],
      wanted: [],
      isHeldBack: false,
      heldWaitMs: HELD_WAIT_MS,
      isSource: false,
      failures: 0,
      retryAt: -Infinity,
    };
    this.#brokers.set(id, broker);
    return broker;
  }

  /** Broker to read the partition from: the replica that its leader prefers, or the leader. −1: none is known. */
  #sourceOf(partition: AssignedPartition, moment: Moment): BrokerId {
    const { preferredReplica, leaderId } = partition;
    if (preferredReplica >= 0) {
      if (moment.now < partition.preferredUntil) {
        if (this.#isOnline(partition, preferredReplica)) return preferredReplica;
        this.#outbox.askMetadata(moment);
      }
      partition.preferredReplica = -1;
    }
    return leaderId >= 0 && this.#cluster.broker(leaderId) !== undefined ? leaderId : -1;
  }

  #isOnline({ topic, partition }: AssignedPartition, id: BrokerId): boolean {
    const view = this.#cluster.topic(topic)?.partitions[partition];
    return view !== undefined && this.#cluster.broker(id) !== undefined && !view.offline.includes(id);
  }

  #fetch(broker: FetchBroker): void {
    const { wanted } = broker;
    const { maxWaitMs } = this.#options;
    const ticket = this.#outbox.ticket();
    const fields = broker.session.next(wanted);
    for (const partition of wanted) partition.ticket = ticket;
    broker.ticket = ticket;
    broker.asked = wanted;
    broker.wanted = [];
    this.#inFlight.set(ticket, broker);
    this.#send(broker, ticket, fields, broker.isHeldBack ? Math.min(maxWaitMs, broker.heldWaitMs) : maxWaitMs);
  }

  #close(broker: FetchBroker): void {
    const fields = broker.session.close();
    if (fields !== undefined) this.#send(broker, this.#outbox.ticket(), fields, 0);
  }

  #send({ id: brokerId }: FetchBroker, ticket: number, fields: SessionFields, maxWaitMs: number): void {
    const { minBytes, maxBytes, isolation, rackId } = this.#options;
    const { usesTopicIds, ...session } = fields;
    const request = { maxWaitMs, minBytes, maxBytes, isolationLevel: isolationCode(isolation), rackId, ...session };
    const maxVersion = usesTopicIds ? undefined : LAST_NAMED_VERSION;
    this.#outbox.send({ type: "fetch", ticket, brokerId, request, maxVersion });
  }

  #settled(ticket: number): FetchBroker | undefined {
    const broker = this.#inFlight.get(ticket);
    if (broker === undefined) return undefined;
    this.#inFlight.delete(ticket);
    broker.ticket = 0;
    this.#assignment.budget.isDirty = true;
    return broker;
  }

  #refused(broker: FetchBroker, code: number, moment: Moment): void {
    // A lost session is normal, so the first request for a new one does not wait.
    if (broker.failures > 0) this.#backOff(broker, moment);
    else broker.failures = 1;
    if (code === Errors.FETCH_SESSION_TOPIC_ID_ERROR.code) this.#outbox.askMetadata(moment);
    if (code !== 0 && faultOf(code) === "raise") {
      this.#assignment.raise(KafkaError.of(code, `fetching from broker ${broker.id}`));
    }
  }

  #backOff(broker: FetchBroker, { now, chance }: Moment): void {
    broker.retryAt = now + this.#policy.backoff.delayMs(broker.failures++, chance);
  }

  /** Passes on the leaders that a broker names instead of itself (KIP-951). */
  #takeHints({ responses, nodeEndpoints }: FetchAnswer): void {
    const leaders: LeaderHint[] = [];
    for (const topic of responses) {
      for (const { partitionIndex, errorCode, currentLeader } of topic.partitions) {
        if (errorCode === 0) continue;
        const name = topic.topic === "" ? this.#cluster.topicOf(topic.topicId)?.name : topic.topic;
        if (name === undefined) continue;
        const hint = leaderHint({ topic: name, partition: partitionIndex }, errorCode, currentLeader);
        if (hint !== undefined) leaders.push(hint);
      }
    }
    if (leaders.length === 0) return;
    this.#outbox.send({ type: "leaders", leaders, nodes: nodeEndpoints });
  }

  #take(partition: AssignedPartition, answer: PartitionAnswer, from: { broker: FetchBroker; moment: Moment }): void {
    partition.ticket = 0;
    if (answer.errorCode !== 0) {
      this.#assignment.moveToEnd(partition);
      this.#fault(partition, answer.errorCode, from);
      return;
    }
    const { moment } = from;
    partition.highWatermark = known(answer.highWatermark, partition.highWatermark);
    partition.lastStableOffset = known(answer.lastStableOffset, partition.lastStableOffset);
    partition.logStartOffset = known(answer.logStartOffset, partition.logStartOffset);
    if (answer.preferredReadReplica >= 0) this.#redirect(partition, answer.preferredReadReplica, moment);
    const bytes = joined(answer.records ?? []);
    if (bytes.length > 0) this.#push(partition, { bytes, answer, moment });
    else if (answer.preferredReadReplica < 0) partition.failures = 0;
  }

  #redirect(partition: AssignedPartition, replica: BrokerId, moment: Moment): void {
    if (this.#isOnline(partition, replica)) {
      partition.preferredReplica = replica;
      partition.preferredUntil = moment.now + this.#options.metadataMaxAgeMs;
    } else {
      // The leader would answer the same at once.
      partition.backOff(moment, this.#policy.backoff);
      this.#outbox.askMetadata(moment);
    }
  }

  #push(
    partition: AssignedPartition,
    { bytes, answer, moment }: { bytes: Uint8Array; answer: PartitionAnswer; moment: Moment },
  ): void {
    const { isolation, checkCrcs, tools } = this.#options;
    const { fetchOffset } = partition;
    const refuse = (reason: string) => {
      const text = `the records of ${partition.topic}-${partition.partition} from offset ${fetchOffset} ${reason}`;
      this.#policy.raise(partition, new KafkaError("PROTOCOL_VIOLATION", text), moment);
    };
    try {
      const extent = extentOf(bytes);
      if (extent.nextOffset <= fetchOffset) {
        refuse(extent.nextOffset < 0 ? "have no whole batch" : `end at offset ${extent.nextOffset}`);
        return;
      }
      const isFiltered = isolation === "read_committed" && (answer.abortedTransactions?.length ?? 0) > 0;
      const aborted = isFiltered ? new AbortedTransactions(answer.abortedTransactions ?? []) : undefined;
      partition.push(new RecordReader(partition, { bytes, aborted, checkCrcs, tools }), extent);
    } catch (error) {
      refuse(`cannot be read: ${messageOf(error)}`);
      return;
    }
    this.#assignment.offer(partition);
    this.#assignment.moveToEnd(partition);
  }

  #fault(
    partition: AssignedPartition,
    code: number,
    { broker, moment }: { broker: FetchBroker; moment: Moment },
  ): void {
    const isFollower = broker.id !== partition.leaderId;
    // The leader knows better, and names the follower again if it still prefers it.
    if (isFollower) partition.preferredReplica = -1;
    const fault = faultOf(code);
    if (fault === "raise") {
      const what = `fetching ${partition.topic}-${partition.partition} from offset ${partition.fetchOffset}`;
      this.#policy.raise(partition, KafkaError.of(code, what), moment);
    } else if (fault === "range" && !isFollower) {
      this.#policy.outOfRange(partition, moment);
    } else {
      partition.backOff(moment, this.#policy.backoff);
      if (fault === "refresh") this.#outbox.askMetadata(moment);
    }
  }
}

function known(offset: WireOffset, before: number): number {
  const near = nearestNumber(offset);
  return near >= 0 ? near : before;
}

/** Lets partitions be asked for again that the answer did not name. */
function release(partitions: readonly AssignedPartition[], ticket: number): void {
  for (const partition of partitions) if (partition.ticket === ticket) partition.ticket = 0;
}
