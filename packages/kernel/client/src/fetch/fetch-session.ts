import { type LeaderEpoch, type Offset, type PartitionIndex, type Uuid, ZERO_UUID } from "@samsa/base";
import { type Apis, type Draft, Errors, type Infer } from "@samsa/protocol";
import { partitionKey } from "../cluster/cluster-view.ts";

/** Fetch request, as encoding takes it. */
export type FetchDraft = Draft<(typeof Apis)["Fetch"]["request"]>;
/** Decoded Fetch response. */
export type FetchAnswer = Infer<(typeof Apis)["Fetch"]["response"]>;
/** A topic of a Fetch response. */
export type FetchAnswerTopic = FetchAnswer["responses"][number];

/** Partition of which a broker is to send records. */
export interface WantedPartition {
  readonly key: string;
  readonly topic: string;
  readonly topicId: Uuid;
  readonly partition: PartitionIndex;
  readonly fetchOffset: Offset;
  readonly leaderEpoch: LeaderEpoch;
}

/** Fields of a request that the session decides. */
export interface SessionFields {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly topics: FetchDraft["topics"];
  readonly forgottenTopicsData: NonNullable<FetchDraft["forgottenTopicsData"]>;
  /** All topics have ids. False: versions from 13 on cannot carry the request. */
  readonly usesTopicIds: boolean;
}

/** Result of a response. */
export type SessionResult =
  /** Its partitions are those of the session. */
  | "accepted"
  /** The broker answers with nothing yet, because the client is above its quota (KIP-219). */
  | "throttled"
  /** The session is gone, or broker and client disagree about it. The next request begins a new one. */
  | "refused";

/** State of a partition as the broker knows it. */
interface Sent {
  topic: string;
  topicId: Uuid;
  partition: PartitionIndex;
  fetchOffset: Offset;
  leaderEpoch: LeaderEpoch;
  /** Round in which it was last wanted. */
  round: number;
}

type PartitionDraft = FetchDraft["topics"][number]["partitions"][number];
interface TopicDraft {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly partitions: PartitionDraft[];
}
interface ForgottenDraft {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly partitions: PartitionIndex[];
}

const FULL_EPOCH = 0;
const FINAL_EPOCH = -1;
const NO_SESSION = 0;

/** Epoch after `epoch` (`FetchMetadata.nextEpoch`). */
function nextEpoch(epoch: number): number {
  return epoch === 0x7fffffff ? 1 : epoch + 1;
}

/**
 * Fetch session with one broker (KIP-227, `FetchSessionHandler`): requests name only the partitions that have changed
 * since the one before. A request is answered, or has failed, before the next one is built.
 */
export class FetchSession {
  readonly #maxPartitionBytes: number;
  /** 0: the broker has no session, or none that the client knows of. */
  #id = NO_SESSION;
  #epoch = FULL_EPOCH;
  #round = 0;
  /** The session has begun with topics that all have ids. */
  #mayUseTopicIds = false;
  /** The broker answers with topic ids, so it has version 13 or later. */
  #usesTopicIds = false;
  readonly #sent = new Map<string, Sent>();
  /** Names of the topics since the session began. */
  readonly #names = new Map<Uuid, string>();

  constructor(maxPartitionBytes: number) {
    this.#maxPartitionBytes = maxPartitionBytes;
  }

  /** Fields of the next request, in the order of `wanted`. */
  next(wanted: readonly WantedPartition[]): SessionFields {
    const round = ++this.#round;
    const usesTopicIds = wanted.every(({ topicId }) => topicId !== ZERO_UUID);
    // A session has either names or ids. For the other, it is closed and a new one begun.
    if (this.#mayUseTopicIds !== usesTopicIds) this.#epoch = FULL_EPOCH;
    if (this.#epoch === FULL_EPOCH) {
      this.#mayUseTopicIds = usesTopicIds;
      this.#sent.clear();
      this.#names.clear();
      this.#usesTopicIds = false;
    }
    const topics: TopicDraft[] = [];
    const forgotten: ForgottenDraft[] = [];
    for (const one of wanted) {
      const sent = this.#sent.get(one.key);
      if (sent !== undefined && this.#usesTopicIds && sent.topicId !== one.topicId) forget(forgotten, sent);
      if (sent === undefined || isChanged(sent, one)) this.#add(topics, one);
      const { topic, topicId, partition, fetchOffset, leaderEpoch } = one;
      if (topicId !== ZERO_UUID && sent?.topicId !== topicId) this.#names.set(topicId, topic);
      if (sent === undefined) {
        this.#sent.set(one.key, { topic, topicId, partition, fetchOffset, leaderEpoch, round });
      } else {
        sent.topicId = topicId;
        sent.fetchOffset = fetchOffset;
        sent.leaderEpoch = leaderEpoch;
        sent.round = round;
      }
    }
    for (const [key, sent] of this.#sent) {
      if (sent.round === round) continue;
      this.#sent.delete(key);
      forget(forgotten, sent);
    }
    return {
      sessionId: this.#id,
      sessionEpoch: this.#epoch,
      topics,
      forgottenTopicsData: forgotten,
      usesTopicIds,
    };
  }

  /** Fields of a request that closes the session; undefined if the broker has none. */
  close(): SessionFields | undefined {
    if (this.#id === NO_SESSION) return undefined;
    const sessionId = this.#id;
    this.#id = NO_SESSION;
    this.#epoch = FULL_EPOCH;
    return { sessionId, sessionEpoch: FINAL_EPOCH, topics: [], forgottenTopicsData: [], usesTopicIds: true };
  }

  /** Takes note that the request has no answer. The next one closes the session and begins a new one. */
  failed(): void {
    this.#epoch = FULL_EPOCH;
  }

  /** Takes the answer to the last request. */
  answered(answer: FetchAnswer): SessionResult {
    const isFull = this.#epoch === FULL_EPOCH;
    if (answer.errorCode !== 0) {
      if (answer.errorCode === Errors.FETCH_SESSION_ID_NOT_FOUND.code) this.#id = NO_SESSION;
      this.#epoch = FULL_EPOCH;
      return "refused";
    }
    if (isFull && answer.responses.length === 0 && answer.throttleTimeMs > 0) {
      this.#id = NO_SESSION;
      return "throttled";
    }
    if (!this.#matches(answer, isFull)) {
      if (isFull) this.#id = NO_SESSION;
      this.#epoch = FULL_EPOCH;
      return "refused";
    }
    if (answer.sessionId === NO_SESSION) {
      this.#id = NO_SESSION;
      this.#epoch = FULL_EPOCH;
    } else if (isFull) {
      this.#id = answer.sessionId;
      this.#epoch = nextEpoch(FULL_EPOCH);
    } else {
      this.#epoch = nextEpoch(this.#epoch);
    }
    return "accepted";
  }

  /** Name of a topic of an answer; undefined if the session has no such topic. */
  nameOf({ topic, topicId }: FetchAnswerTopic): string | undefined {
    return topicId === ZERO_UUID ? topic : this.#names.get(topicId);
  }

  /** True if the answer has no partition that the session lacks and, to a full request, none too few. */
  #matches({ responses }: FetchAnswer, isFull: boolean): boolean {
    const found = new Set<string>();
    for (const topic of responses) {
      const name = this.nameOf(topic);
      if (name === undefined) return false;
      if (topic.topicId !== ZERO_UUID) this.#usesTopicIds = true;
      for (const { partitionIndex } of topic.partitions) {
        const key = partitionKey(name, partitionIndex);
        if (!this.#sent.has(key)) return false;
        found.add(key);
      }
    }
    return !isFull || found.size === this.#sent.size;
  }

  #add(topics: TopicDraft[], { topic, topicId, partition, fetchOffset, leaderEpoch }: WantedPartition): void {
    // Consumers leave `lastFetchedEpoch` out, as Kafka's do: a leader may lack an epoch whose records are all compacted
    // away. They ask OffsetForLeaderEpoch instead, and only for the end of an epoch.
    const one = {
      partition,
      currentLeaderEpoch: leaderEpoch,
      fetchOffset,
      partitionMaxBytes: this.#maxPartitionBytes,
    };
    const last = topics.at(-1);
    if (last?.topic === topic && last.topicId === topicId) last.partitions.push(one);
    else topics.push({ topic, topicId, partitions: [one] });
  }
}

function isChanged(sent: Sent, one: WantedPartition): boolean {
  return sent.fetchOffset !== one.fetchOffset || sent.leaderEpoch !== one.leaderEpoch || sent.topicId !== one.topicId;
}

function forget(forgotten: ForgottenDraft[], { topic, topicId, partition }: Sent): void {
  const last = forgotten.at(-1);
  if (last?.topic === topic && last.topicId === topicId) last.partitions.push(partition);
  else forgotten.push({ topic, topicId, partitions: [partition] });
}
