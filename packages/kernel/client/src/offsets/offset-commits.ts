import { ExponentialBackoff, type Uuid, ZERO_UUID } from "@samsa/base";
import type { OffsetCommitRequest, OffsetCommitResponse } from "@samsa/protocol";
import { type ClusterView, partitionKey, type TopicPartition } from "../cluster/cluster-view.ts";
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

/** A commit that is not settled. */
interface Commit {
  readonly token: number;
  readonly deadline: number;
  /** Offsets that are not committed yet, by key of their partition. */
  readonly offsets: Map<string, PartitionOffset>;
}

/** Request under way. */
interface Sent {
  readonly id: number;
  readonly commits: readonly Commit[];
  /** Offsets in the request, by key of their partition. */
  readonly offsets: ReadonlyMap<string, PartitionOffset>;
  readonly identity: MemberIdentity | null;
}

/** A partition that the coordinator has refused. */
interface Fault {
  readonly code: number;
  readonly isFinal: boolean;
}

/**
 * Commits of offsets, one request at a time: two under way could overtake each other, and the older one win. Commits
 * that wait go together in the next request; a later offset of a partition replaces an earlier one
 * (`CommitRequestManager`).
 */
export class OffsetCommits {
  readonly #settings: OffsetSettings;
  readonly #cluster: ClusterView;
  readonly #backoff: ExponentialBackoff;
  #out: OffsetEffect[] = [];
  #ids = 0;
  #identity: MemberIdentity | null = null;
  /** Commits that wait, the oldest first. */
  #waiting: Commit[] = [];
  #sent: Sent | undefined;
  /** Commits under way that must not be sent again. */
  readonly #abandoned = new Set<Commit>();
  #retryAt = -Infinity;
  #failures = 0;

  constructor(settings: OffsetSettings, cluster: ClusterView) {
    this.#settings = settings;
    this.#cluster = cluster;
    this.#backoff = new ExponentialBackoff(settings.backoff);
  }

  /** Names the member in commits from now on. Null: it has no place in its group, and commits fail. */
  identify(at: Moment, identity: MemberIdentity | null): readonly OffsetEffect[] {
    return this.#input(() => {
      this.#identity = identity;
      // A new epoch need not wait for the backoff.
      this.#retryAt = -Infinity;
      if (this.#hasNoPlace) this.#endAll(notMemberError(this.#settings.groupId));
      this.#sendIfDue(at);
    });
  }

  /** Commits offsets; ends with `committed` and the token. A retriable failure is tried again until `deadline`. */
  commit(at: Moment, token: number, offsets: readonly PartitionOffset[], deadline: number): readonly OffsetEffect[] {
    return this.#input(() => {
      if (offsets.length === 0) return this.#end(token, undefined);
      if (this.#hasNoPlace) return this.#end(token, notMemberError(this.#settings.groupId));
      const count = this.#waiting.length + (this.#sent?.commits.length ?? 0);
      if (count >= this.#settings.maxWaiting) {
        const what = `${count} commits wait already, so this one is refused`;
        return this.#end(token, new KafkaError("BUFFER_EXHAUSTED", what));
      }
      const byKey = new Map(offsets.map(offset => [partitionKey(offset.topic, offset.partition), offset]));
      this.#waiting.push({ token, deadline, offsets: byKey });
      this.#sendIfDue(at);
    });
  }

  /** The member has given these partitions up: offsets of them that were not sent yet are not committed any more. */
  forget(partitions: readonly TopicPartition[]): readonly OffsetEffect[] {
    return this.#input(() => {
      const keys = partitions.map(({ topic, partition }) => partitionKey(topic, partition));
      const error = notMemberError(this.#settings.groupId);
      this.#waiting = this.#waiting.filter(({ token, offsets }) => {
        const isHit = keys.some(key => offsets.has(key));
        if (isHit) this.#end(token, error);
        return !isHit;
      });
      // Commits under way are not sent again.
      for (const commit of this.#sent?.commits ?? []) {
        if (keys.some(key => commit.offsets.has(key))) this.#abandoned.add(commit);
      }
    });
  }

  answered(at: Moment, id: number, response: OffsetCommitResponse): readonly OffsetEffect[] {
    return this.#input(() => {
      const sent = this.#sent;
      if (sent?.id !== id) return;
      this.#sent = undefined;
      const faults = this.#faults(sent, response);
      this.#failures = faults.size === 0 ? 0 : this.#failures;
      if (faults.size > 0) this.#backOff(at);
      this.#settle(at, sent, faults);
    });
  }

  failed(at: Moment, id: number, error: KafkaError): readonly OffsetEffect[] {
    return this.#input(() => {
      const sent = this.#sent;
      if (sent?.id !== id) return;
      this.#sent = undefined;
      this.#out.push({ type: "forgetCoordinator" });
      this.#backOff(at);
      if (error.retriable) this.#again(at, sent.commits, error);
      else for (const commit of sent.commits) this.#endCommit(commit, error);
      this.#sendIfDue(at);
    });
  }

  tick(at: Moment): readonly OffsetEffect[] {
    return this.#input(() => {
      this.#waiting = this.#waiting.filter(({ token, deadline }) => {
        if (deadline <= at.now) this.#end(token, lateError(this.#settings.groupId));
        return deadline > at.now;
      });
      this.#sendIfDue(at);
    });
  }

  /** Time of the next `tick`; Infinity: none is needed. */
  nextDeadline(): number {
    const deadlines = this.#waiting.map(({ deadline }) => deadline);
    const retry = this.#waiting.length > 0 && this.#sent === undefined ? this.#retryAt : Infinity;
    return Math.min(Infinity, retry, ...deadlines);
  }

  get #hasNoPlace(): boolean {
    return this.#settings.isMember && this.#identity === null;
  }

  #input(run: () => void): readonly OffsetEffect[] {
    run();
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #end(token: number, error: KafkaError | undefined): void {
    this.#out.push({ type: "committed", token, error });
  }

  #endCommit(commit: Commit, error: KafkaError | undefined): void {
    this.#abandoned.delete(commit);
    this.#end(commit.token, error);
  }

  /** Ends all commits that are not under way. */
  #endAll(error: KafkaError): void {
    for (const { token } of this.#waiting) this.#end(token, error);
    this.#waiting = [];
  }

  #backOff({ now, chance }: Moment): void {
    this.#retryAt = now + this.#backoff.delayMs(this.#failures++, chance);
  }

  #sendIfDue({ now }: Moment): void {
    if (this.#sent !== undefined || this.#waiting.length === 0 || this.#retryAt > now) return;
    const commits = this.#waiting;
    this.#waiting = [];
    const offsets = new Map<string, PartitionOffset>();
    for (const commit of commits) for (const [key, offset] of commit.offsets) offsets.set(key, offset);
    const id = ++this.#ids;
    const identity = this.#identity;
    this.#sent = { id, commits, offsets, identity };
    const { request, isNamed } = this.#request(offsets.values());
    const maxVersion = isNamed ? LAST_NAMED_VERSION : ANY_VERSION;
    this.#out.push({ type: "call", id, maxVersion, call: { api: "OffsetCommit", request } });
  }

  #request(offsets: Iterable<PartitionOffset>): { request: OffsetCommitRequest; isNamed: boolean } {
    type Topic = OffsetCommitRequest["topics"][number];
    const topics = new Map<string, { name: string; topicId: Uuid; partitions: Topic["partitions"][number][] }>();
    for (const { topic, partition, offset, leaderEpoch, metadata } of offsets) {
      const known = topics.get(topic) ?? { name: topic, topicId: this.#idOf(topic), partitions: [] };
      topics.set(topic, known);
      known.partitions.push({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: leaderEpoch,
        committedMetadata: metadata,
      });
    }
    const { memberId, epoch, instanceId } = this.#identity ?? { memberId: "", epoch: -1, instanceId: null };
    const request = {
      groupId: this.#settings.groupId,
      generationIdOrMemberEpoch: epoch,
      memberId,
      groupInstanceId: instanceId,
      retentionTimeMs: -1,
      topics: [...topics.values()],
    };
    return { request, isNamed: request.topics.some(({ topicId }) => topicId === ZERO_UUID) };
  }

  #idOf(topic: string): Uuid {
    return this.#cluster.topic(topic)?.id ?? ZERO_UUID;
  }

  /** Partitions that were not committed, by key. A partition that the answer leaves out is one of them. */
  #faults(sent: Sent, response: OffsetCommitResponse): ReadonlyMap<string, Fault> {
    const codes = new Map<string, number>();
    for (const { name, topicId, partitions } of response.topics) {
      const topic = name === "" ? this.#cluster.topicOf(topicId)?.name : name;
      for (const { partitionIndex, errorCode } of partitions) {
        if (topic !== undefined) codes.set(partitionKey(topic, partitionIndex), errorCode);
      }
    }
    const faults = new Map<string, Fault>();
    for (const key of sent.offsets.keys()) {
      const code = codes.get(key);
      if (code !== 0)
        faults.set(key, { code: code ?? UNKNOWN, isFinal: code === undefined || this.#isFinal(sent, code) });
    }
    return faults;
  }

  /** Tells what an error code means beside the partition; returns true if no other attempt can succeed. */
  #isFinal(sent: Sent, code: number): boolean {
    switch (offsetReactionTo(code)) {
      case "retry":
        return false;
      case "findCoordinator":
        this.#tellOnce("forgetCoordinator");
        return false;
      case "refreshEpoch":
        this.#tellOnce("suspect");
        return this.#hasNoPlace;
      case "notMember": {
        const current = this.#identity;
        const isOld = current !== null && (current.isRebalancing || current.epoch !== sent.identity?.epoch);
        if (!isOld) this.#tellOnce("suspect");
        return !isOld;
      }
      case "fail":
        return true;
    }
  }

  #tellOnce(type: "forgetCoordinator" | "suspect"): void {
    if (!this.#out.some(effect => effect.type === type)) this.#out.push({ type });
  }

  /** Ends the commits that are done or that cannot succeed; the others wait for another attempt. */
  #settle(at: Moment, sent: Sent, faults: ReadonlyMap<string, Fault>): void {
    const again: Commit[] = [];
    let retriable: KafkaError | undefined;
    for (const commit of sent.commits) {
      for (const key of [...commit.offsets.keys()]) if (!faults.has(key)) commit.offsets.delete(key);
      const [first] = commit.offsets.keys();
      if (first === undefined) {
        this.#endCommit(commit, undefined);
        continue;
      }
      const final = [...commit.offsets.keys()].find(key => faults.get(key)?.isFinal === true);
      const error = this.#errorOf(final ?? first, faults.get(final ?? first)?.code ?? UNKNOWN);
      if (final !== undefined) this.#endCommit(commit, error);
      else {
        retriable = error;
        again.push(commit);
      }
    }
    if (retriable !== undefined) this.#again(at, again, retriable);
    this.#sendIfDue(at);
  }

  /** Queues commits for another attempt, before those that came later. */
  #again({ now }: Moment, commits: readonly Commit[], error: KafkaError): void {
    const kept = commits.filter(commit => {
      const isOver = this.#abandoned.has(commit) || commit.deadline <= now || this.#hasNoPlace;
      if (isOver) this.#endCommit(commit, this.#hasNoPlace ? notMemberError(this.#settings.groupId) : error);
      return !isOver;
    });
    this.#waiting = [...kept, ...this.#waiting];
  }

  #errorOf(key: string, code: number): KafkaError {
    const { groupId } = this.#settings;
    return offsetReactionTo(code) === "notMember"
      ? notMemberError(groupId)
      : KafkaError.of(code, `offset of ${key} for group ${groupId}`);
  }
}

const UNKNOWN = -1;

function notMemberError(groupId: string): KafkaError {
  const what = `offsets were not committed, since the partitions are no longer this member's in group ${groupId}`;
  return new KafkaError("COMMIT_FAILED", what);
}

function lateError(groupId: string): KafkaError {
  return new KafkaError("TIMED_OUT", `offsets of group ${groupId} were not committed in time`);
}
