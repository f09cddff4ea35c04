import { ExponentialBackoff, nearestNumber, type Uuid, ZERO_UUID } from "@samsa/base";
import type { OffsetFetchRequest, OffsetFetchResponse } from "@samsa/protocol";
import { type ClusterView, partitionKey, partitionKeys, type TopicPartition } from "../cluster/cluster-view.ts";
import type { Moment } from "./moment.ts";
import { KafkaError } from "../error/kafka-error.ts";
import type { MemberIdentity } from "./member-identity.ts";
import {
  ANY_VERSION,
  LAST_NAMED_VERSION,
  type OffsetEffect,
  type OffsetSettings,
  type PartitionOffset,
} from "./offset-effects.ts";
import { offsetReactionTo } from "./offset-faults.ts";

/** First version of OffsetFetch with several groups. */
const GROUPS_VERSION = 8;
/** First version with `requireStable`. */
const STABLE_VERSION = 7;

/** A fetch that has not ended. */
interface Fetch {
  readonly token: number;
  readonly deadline: number;
  readonly partitions: readonly TopicPartition[];
  failures: number;
  /** Call under way; undefined: none. */
  id: number | undefined;
  retryAt: number;
  lastError: KafkaError | undefined;
}

type Topic = OffsetFetchResponse["topics"][number] | OffsetFetchResponse["groups"][number]["topics"][number];

/**
 * Fetches of the offsets that a group has committed. Offsets of open transactions are waited for (KIP-447): read before,
 * they could be taken back.
 */
export class OffsetFetches {
  readonly #settings: OffsetSettings;
  readonly #cluster: ClusterView;
  readonly #backoff: ExponentialBackoff;
  readonly #fetches = new Set<Fetch>();
  #out: OffsetEffect[] = [];
  #ids = 0;
  #identity: MemberIdentity | null = null;

  constructor(settings: OffsetSettings, cluster: ClusterView) {
    this.#settings = settings;
    this.#cluster = cluster;
    this.#backoff = new ExponentialBackoff(settings.backoff);
  }

  /** Names the member in requests from now on. */
  identify(identity: MemberIdentity | null): void {
    this.#identity = identity;
  }

  /** Fetches offsets; ends with `fetched` and the token, at `deadline` at the latest. */
  fetch(at: Moment, token: number, partitions: readonly TopicPartition[], deadline: number): readonly OffsetEffect[] {
    return this.#input(() => {
      const fetch = { token, deadline, partitions, failures: 0, id: undefined, retryAt: at.now, lastError: undefined };
      if (partitions.length === 0) this.#out.push({ type: "fetched", token, offsets: [], error: undefined });
      else if (this.#fetches.size >= this.#settings.maxWaiting) {
        const what = `${this.#fetches.size} fetches of offsets wait already, so this one is refused`;
        this.#out.push({ type: "fetched", token, offsets: [], error: new KafkaError("BUFFER_EXHAUSTED", what) });
      } else {
        this.#fetches.add(fetch);
        this.#send(fetch);
      }
    });
  }

  /** Ends a fetch without an effect, as after its partitions were lost. */
  forget(token: number): void {
    for (const fetch of this.#fetches) if (fetch.token === token) this.#fetches.delete(fetch);
  }

  answered(at: Moment, id: number, response: OffsetFetchResponse): readonly OffsetEffect[] {
    return this.#input(() => {
      const fetch = this.#under(id);
      if (fetch === undefined) return;
      const group = response.groups.find(({ groupId }) => groupId === this.#settings.groupId) ?? response;
      if (group.errorCode !== 0) return this.#refused(at, fetch, group.errorCode);
      this.#read(at, fetch, group.topics);
    });
  }

  failed(at: Moment, id: number, error: KafkaError): readonly OffsetEffect[] {
    return this.#input(() => {
      const fetch = this.#under(id);
      if (fetch === undefined) return;
      this.#out.push({ type: "forgetCoordinator" });
      if (error.retriable) this.#again(at, fetch, error);
      else this.#end(fetch, [], error);
    });
  }

  tick({ now }: Moment): readonly OffsetEffect[] {
    return this.#input(() => {
      for (const fetch of this.#fetches) {
        if (fetch.deadline <= now) this.#end(fetch, [], lateError(this.#settings.groupId, fetch.lastError));
        else if (fetch.id === undefined && fetch.retryAt <= now) this.#send(fetch);
      }
    });
  }

  /** Time of the next `tick`; Infinity: none is needed. */
  nextDeadline(): number {
    let next = Infinity;
    for (const { id, retryAt, deadline } of this.#fetches) {
      next = Math.min(next, deadline, id === undefined ? retryAt : Infinity);
    }
    return next;
  }

  #input(run: () => void): readonly OffsetEffect[] {
    run();
    const out = this.#out;
    this.#out = [];
    return out;
  }

  /** Fetch of a call, which is over. */
  #under(id: number): Fetch | undefined {
    for (const fetch of this.#fetches) {
      if (fetch.id !== id) continue;
      fetch.id = undefined;
      return fetch;
    }
    return undefined;
  }

  #end(fetch: Fetch, offsets: readonly PartitionOffset[], error: KafkaError | undefined): void {
    this.#fetches.delete(fetch);
    this.#out.push({ type: "fetched", token: fetch.token, offsets, error });
  }

  #again({ now, chance }: Moment, fetch: Fetch, error: KafkaError): void {
    fetch.lastError = error;
    fetch.retryAt = now + this.#backoff.delayMs(fetch.failures++, chance);
  }

  #send(fetch: Fetch): void {
    fetch.id = ++this.#ids;
    const topics = new Map<string, { name: string; topicId: Uuid; partitionIndexes: number[] }>();
    for (const { topic, partition } of fetch.partitions) {
      const id = this.#cluster.topic(topic)?.id ?? ZERO_UUID;
      const known = topics.get(topic) ?? { name: topic, topicId: id, partitionIndexes: [] };
      topics.set(topic, known);
      known.partitionIndexes.push(partition);
    }
    const list = [...topics.values()];
    const isNamed = list.some(({ topicId }) => topicId === ZERO_UUID);
    const { groupId, hasMemberEpochs } = this.#settings;
    const member = hasMemberEpochs ? this.#identity : null;
    const request = (version: number): OffsetFetchRequest => {
      const requireStable = version >= STABLE_VERSION;
      if (version < GROUPS_VERSION) return { groupId, topics: list, groups: [], requireStable };
      const group = { groupId, memberId: member?.memberId ?? null, memberEpoch: member?.epoch ?? -1, topics: list };
      return { groupId: "", topics: [], groups: [group], requireStable };
    };
    const maxVersion = isNamed ? LAST_NAMED_VERSION : ANY_VERSION;
    this.#out.push({ type: "call", id: fetch.id, maxVersion, call: { api: "OffsetFetch", request } });
  }

  #refused(at: Moment, fetch: Fetch, code: number): void {
    const error = KafkaError.of(code, `offsets of group ${this.#settings.groupId}`);
    switch (offsetReactionTo(code)) {
      case "findCoordinator":
        this.#out.push({ type: "forgetCoordinator" });
        return this.#again(at, fetch, error);
      case "retry":
        return this.#again(at, fetch, error);
      case "refreshEpoch":
      case "notMember":
        // A member that is still one learns its epoch from its next heartbeat; one that lost its place asks without it.
        this.#out.push({ type: "suspect" });
        return this.#again(at, fetch, error);
      case "fail":
        return this.#end(fetch, [], error);
    }
  }

  #read(at: Moment, fetch: Fetch, topics: readonly Topic[]): void {
    const wanted = partitionKeys(fetch.partitions);
    const offsets: PartitionOffset[] = [];
    for (const topic of topics) {
      const name = topic.name === "" && "topicId" in topic ? this.#cluster.topicOf(topic.topicId)?.name : topic.name;
      for (const { partitionIndex, committedOffset, committedLeaderEpoch, metadata, errorCode } of topic.partitions) {
        if (name === undefined || !wanted.delete(partitionKey(name, partitionIndex))) continue;
        if (errorCode !== 0) return this.#refused(at, fetch, errorCode);
        if (committedOffset < 0) continue;
        offsets.push({
          ...{ topic: name, partition: partitionIndex },
          offset: nearestNumber(committedOffset),
          leaderEpoch: committedLeaderEpoch,
          metadata: metadata ?? "",
        });
      }
    }
    const [missing] = wanted;
    if (missing === undefined) return this.#end(fetch, offsets, undefined);
    // A topic may have been made anew under another id meanwhile.
    this.#again(at, fetch, new KafkaError("PROTOCOL_VIOLATION", `the coordinator told no offset of ${missing}`));
  }
}

/** Error of a fetch whose time is over: that of its last attempt, if another one may succeed. */
function lateError(groupId: string, last: KafkaError | undefined): KafkaError {
  if (last?.retriable === true) return last;
  return new KafkaError("TIMED_OUT", `no offsets of group ${groupId} in time`, { cause: last });
}
