import { type BrokerEpoch, type BrokerId, invariant, type Timer, ZERO_UUID } from "@samsa/base";
import { Errors, type FetchRequest } from "@samsa/protocol";
import { type FetchSession, FINAL_EPOCH, INITIAL_EPOCH } from "../../replica/fetch-sessions.ts";
import type { Partition } from "../../replica/partition.ts";
import type { Watcher } from "../../replica/readers.ts";
import { isThrottled } from "../../quotas/replication-quota.ts";
import { type ReplicaEntry, ReplicaSession, type ReplicaWaiter } from "../../replica/replica-session.ts";
import type { Reply } from "../../request/handler.ts";
import type { TopicContext } from "../../request/request-topics.ts";
import type { BrokerParts } from "../parts.ts";
import {
  byTopic,
  changed,
  divergence,
  failure,
  nothing,
  type PartitionAnswer,
  partitionKey,
  remember,
  requested,
  told,
} from "./fetch-answers.ts";

type Needs = Pick<
  BrokerParts,
  | "env"
  | "followerWaits"
  | "leaderQuota"
  | "metrics"
  | "node"
  | "nodeId"
  | "pendingFetches"
  | "sessions"
  | "topics"
  | "turn"
>;

/** Broker that fetches. */
interface Sender {
  readonly id: BrokerId;
  /** −1: the version of the request has none. */
  readonly brokerEpoch: BrokerEpoch;
}

/** Session of a fetch, new or found. */
interface Opened {
  readonly replica: ReplicaSession;
  /** undefined: the session is new, and is kept if there is room. */
  readonly known: FetchSession | undefined;
  /** False if the fetch is the only one of its session. */
  readonly isKept: boolean;
}

/** Answers the fetch of a replica of another broker (`FetchRequest.isFromFollower`): it reads up to the log end. */
export function fetchForReplica(
  parts: Needs,
  request: FetchRequest,
  context: TopicContext,
  reply: Reply<"Fetch">,
): void {
  const { replicaState } = request;
  const sender =
    replicaState.replicaId >= 0
      ? { id: replicaState.replicaId, brokerEpoch: replicaState.replicaEpoch }
      : { id: request.replicaId, brokerEpoch: -1 };
  if (!context.topics.isBroker) {
    const refused = [...requested(context.topics, request).values()].map(state =>
      failure(state, Errors.TOPIC_AUTHORIZATION_FAILED.code),
    );
    return reply({ throttleTimeMs: 0, errorCode: 0, sessionId: 0, responses: byTopic(refused) });
  }
  context.peer.isBroker = true;
  const opened = openSession(parts, request, context, sender);
  if (typeof opened === "number") {
    return reply({ throttleTimeMs: 0, errorCode: opened, sessionId: 0, responses: [] });
  }
  // The session has what it needs of the request.
  context.memory?.free();
  new PendingReplicaFetch({ parts, request, context, sender, opened, reply }).begin();
}

/** Finds the session of a request, or prepares a new one; else an error code. */
function openSession(
  { sessions, env }: Needs,
  request: FetchRequest,
  { topics }: TopicContext,
  sender: Sender,
): Opened | number {
  const { sessionId, sessionEpoch } = request;
  if (sessionEpoch === FINAL_EPOCH || sessionEpoch === INITIAL_EPOCH) {
    if (sessionId !== 0) sessions.remove(sessionId);
    const replica = new ReplicaSession(sender);
    for (const [key, asked] of requested(topics, request)) replica.put(key, asked);
    return { replica, known: undefined, isKept: sessionEpoch === INITIAL_EPOCH };
  }
  const now = env.clock.monotonic();
  const known = sessions.continue(request, { usesTopicIds: topics.byId, replicaId: sender.id, now });
  if (typeof known === "number") return known;
  const { replica } = known;
  invariant(replica !== undefined, "the session of a broker has its partitions");
  for (const [key, asked] of requested(topics, request)) replica.put(key, asked);
  for (const topic of request.forgottenTopicsData) {
    for (const index of topic.partitions) replica.remove(partitionKey(topic, topics.byId, index));
  }
  return { replica, known, isKept: true };
}

interface ReplicaFetchCall {
  readonly parts: Needs;
  readonly request: FetchRequest;
  readonly context: TopicContext;
  readonly sender: Sender;
  readonly opened: Opened;
  readonly reply: Reply<"Fetch">;
}

/** Answer for a partition of the session. */
type Answered = readonly [entry: ReplicaEntry, answer: PartitionAnswer];

/** A follower's fetch from its first read to its reply, including the wait for records (`DelayedFetch`). */
class PendingReplicaFetch implements ReplicaWaiter, Watcher {
  readonly #call: ReplicaFetchCall;
  #timer: Timer | undefined;
  #missing = 0;
  #isWaiting = false;

  constructor(call: ReplicaFetchCall) {
    this.#call = call;
  }

  begin(): void {
    const { request, parts, opened } = this.#call;
    const { replica } = opened;
    replica.pulse.at = parts.env.clock.monotonic();
    const answers = this.#read(true);
    const got = answers.reduce((sum, [, { size }]) => sum + size, 0);
    const isUrgent = answers.some(([, answer]) => answer.errorCode !== 0 || answer.divergingEpoch !== undefined);
    if (got >= request.minBytes || isUrgent || request.maxWaitMs <= 0 || replica.entries.size === 0) {
      this.#finish(answers);
      return;
    }
    for (const [, { release }] of answers) release?.();
    this.#isWaiting = true;
    this.#missing = request.minBytes - got;
    replica.waiter = this;
    const { followerWaits } = parts;
    this.#timer = parts.env.timers.after(followerWaits.limit(request.maxWaitMs), () => this.#complete());
    parts.pendingFetches.add(this);
    followerWaits.add(this);
  }

  appended(bytes: number): void {
    this.#missing -= bytes;
    if (this.#missing <= 0) this.changed();
  }

  advanced(): void {}

  changed(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    // Other partitions may still be written in this turn: read once, after all of them.
    this.#call.parts.turn.add("acknowledge", () => this.#complete());
  }

  #complete(): void {
    const { parts, opened } = this.#call;
    this.#isWaiting = false;
    this.#timer?.cancel();
    parts.pendingFetches.delete(this);
    parts.followerWaits.remove(this);
    if (opened.replica.waiter === this) opened.replica.waiter = undefined;
    this.#finish(this.#read(false));
  }

  /** Reads the partitions that have something new; `isFirst`: the positions of the request are news, too. */
  #read(isFirst: boolean): Answered[] {
    const { request, opened } = this.#call;
    let left = request.maxBytes;
    let minOneMessage = true;
    return [...opened.replica.ready].map(entry => {
      const answer = this.#readOne(entry, { isFirst, left, minOneMessage });
      if (answer.size > 0) minOneMessage = false;
      left = Math.max(0, left - answer.size);
      return [entry, answer] as const;
    });
  }

  #readOne(
    entry: ReplicaEntry,
    { isFirst, left, minOneMessage }: { isFirst: boolean; left: number; minOneMessage: boolean },
  ): PartitionAnswer {
    const { sender, opened, context } = this.#call;
    const { state } = entry;
    const partition = this.#partitionOf(entry);
    if (typeof partition === "number") return failure(state, partition);
    const { currentLeaderEpoch, fetchOffset: offset, logStartOffset: logStart } = state;
    const fault = partition.fault !== 0 ? partition.fault : partition.epochFault(currentLeaderEpoch);
    const unknown = fault !== 0 ? fault : (partition.leader?.followerFault(sender.id, currentLeaderEpoch) ?? 0);
    if (unknown !== 0) return failure(state, unknown);
    const diverging = divergence(partition, state, context.version);
    if (diverging !== undefined) return diverging;
    const { topics } = this.#call.parts.metrics;
    topics.add(partition.topic, "totalFetchRequests", 1);
    entry.isHeldBack = this.#mustWait(partition);
    const read = partition.read({
      offset,
      maxBytes: entry.isHeldBack ? 0 : Math.min(left, Math.max(0, state.maxBytes)),
      minOneMessage: minOneMessage && !entry.isHeldBack,
      isolation: "LOG_END",
    });
    if (read.error !== 0) {
      topics.fetchFailed(partition.topic, read.error);
      return failure(state, read.error);
    }
    if (isFirst) {
      const { pulse } = opened.replica;
      const stale = partition.fetched({ ...sender, offset, logStart, pulse });
      if (stale !== 0) {
        read.release?.();
        return failure(state, stale);
      }
    }
    const { chunks: records, size, release } = read;
    return { ...nothing(partition, state), records, size, release };
  }

  /** True if records for a follower that is not in sync must wait (`ReplicaManager.shouldLeaderThrottle`). */
  #mustWait(partition: Partition): boolean {
    const { parts, sender } = this.#call;
    const isInSync = partition.leader?.isr.includes(sender.id) === true;
    return !isInSync && this.#isThrottled(partition) && parts.leaderQuota.isExceeded;
  }

  #isThrottled({ throttled, index }: Partition): boolean {
    return isThrottled(throttled.leaders, index, this.#call.parts.nodeId);
  }

  /** Partition of an entry, which begins to tell it of records; else an error code. */
  #partitionOf(entry: ReplicaEntry): Partition | number {
    const { topics } = this.#call.context;
    const { state } = entry;
    if (state.topic === "") state.topic = topics.nameOf("", state.topicId) ?? "";
    if (state.topic === "" && topics.byId) return Errors.UNKNOWN_TOPIC_ID.code;
    const partition = topics.replica(state.topic, state.partition);
    entry.partition = typeof partition === "number" ? undefined : partition;
    if (typeof partition === "number") return partition;
    const isSame = state.topicId === partition.topicId || state.topicId === ZERO_UUID;
    return isSame ? partition : Errors.INCONSISTENT_TOPIC_ID.code;
  }

  #finish(answers: readonly Answered[]): void {
    const { parts, opened, context, reply } = this.#call;
    const { replica, isKept } = opened;
    let session = opened.known;
    const isIncremental = session !== undefined;
    const shown = answers.filter(([entry, answer]) => !isIncremental || changed(answer, entry.state));
    for (const [entry, answer] of answers) {
      this.#told(entry, answer);
      parts.metrics.topics.replicationBytesOut += answer.size;
      if (entry.partition !== undefined && this.#isThrottled(entry.partition)) parts.leaderQuota.record(answer.size);
    }
    if (!isIncremental) {
      const isNamed = isKept && replica.entries.size > 0;
      const now = parts.env.clock.monotonic();
      session = isNamed ? parts.sessions.create(now, context.topics.byId, NO_PARTITIONS, replica) : undefined;
      if (session === undefined) replica.close();
    }
    // Brokers know one another's endpoints.
    const { responses } = told(
      parts,
      context,
      shown.map(([, answer]) => answer),
    );
    const response = { throttleTimeMs: 0, errorCode: 0, sessionId: session?.id ?? 0, responses };
    const releases = answers.flatMap(([, { release }]) => release ?? []);
    if (releases.length === 0) reply(response);
    else reply(response, () => releases.forEach(release => release()));
  }

  /** Notes what the follower is told; a partition stays ready while there is more. */
  #told(entry: ReplicaEntry, answer: PartitionAnswer): void {
    const { ready } = this.#call.opened.replica;
    remember(answer, entry.state);
    const { partition, state } = entry;
    if (!ready.has(entry)) return;
    const isDone =
      answer.errorCode === 0 &&
      answer.divergingEpoch === undefined &&
      partition !== undefined &&
      state.fetchOffset >= partition.endOffset &&
      answer.highWatermark === partition.highWatermark &&
      answer.logStartOffset === partition.startOffset;
    if (isDone) ready.delete(entry);
    else if (answer.size > 0) this.#call.opened.replica.rotate(entry);
  }
}

const NO_PARTITIONS: FetchSession["partitions"] = new Map();
