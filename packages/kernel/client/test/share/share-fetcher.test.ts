import { Errors } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import {
  type AcquiredRecords,
  DEFAULT_SHARE_FETCH_OPTIONS,
  KafkaError,
  type ShareEffect,
  ShareFetcher,
  type ShareFetchOptions,
} from "../../src/index.ts";
import { tools } from "../fetch/model-log.ts";
import { ModelBrokers } from "./model-share-brokers.ts";

type EffectOf<T extends ShareEffect["type"]> = Extract<ShareEffect, { type: T }>;

/** A fetcher of one partition with a broker that a test plays. */
class Stage {
  readonly brokers: ModelBrokers;
  readonly fetcher: ShareFetcher;
  now = 0;
  readonly effects: ShareEffect[] = [];

  constructor(options: Partial<ShareFetchOptions> = {}, partitions = 1) {
    this.brokers = new ModelBrokers(partitions, 2);
    const all = { ...DEFAULT_SHARE_FETCH_OPTIONS, groupId: "g", memberId: "m", tools, ...options };
    this.fetcher = new ShareFetcher(all, this.brokers);
    this.fetcher.assign(this.brokers.places);
  }

  get moment() {
    return { now: this.now, wall: 0, chance: 0.5 };
  }

  all<T extends ShareEffect["type"]>(type: T): EffectOf<T>[] {
    this.effects.push(...this.fetcher.poll(this.moment));
    const found = this.effects.filter((effect): effect is EffectOf<T> => effect.type === type);
    for (const effect of found) this.effects.splice(this.effects.indexOf(effect), 1);
    return found;
  }

  one<T extends ShareEffect["type"]>(type: T): EffectOf<T> {
    const found = this.all(type);
    if (found.length !== 1) throw new Error(`${found.length} effects of type ${type}`);
    return found[0];
  }

  /** Fetches, and takes all records that come. */
  fetch(count: number): { acquired: AcquiredRecords; slot: number }[] {
    this.fetcher.want(count);
    const effect = this.one("shareFetch");
    this.fetcher.fetched(effect.ticket, this.brokers.fetch(this.now, effect), this.moment);
    const held: { acquired: AcquiredRecords; slot: number }[] = [];
    for (let taken = this.fetcher.take(this.now); taken !== undefined; taken = this.fetcher.take(this.now)) {
      if (taken instanceof KafkaError) throw taken;
      if (taken.next(this.now)) held.push({ acquired: taken, slot: taken.slot });
    }
    return held;
  }
}

describe("a fetcher", () => {
  test("fetches nothing without demand, and as many as are wanted", () => {
    const stage = new Stage({ maxPollRecords: 10 });
    stage.brokers.partitions[0].append(5, false);
    expect(stage.all("shareFetch")).toEqual([]);
    stage.fetcher.want(3);
    expect(stage.one("shareFetch").request).toMatchObject({ maxRecords: 3, batchSize: 3, shareSessionEpoch: 0 });
  });

  test("fetches no more while the application holds too many", () => {
    const stage = new Stage({ maxUnacknowledged: 5 });
    stage.brokers.partitions[0].append(5, false);
    stage.brokers.partitions[0].append(5, false);
    const held = stage.fetch(5);
    expect(held.length).toBe(5);
    stage.fetcher.want(5);
    expect(stage.all("shareFetch")).toEqual([]);
    const [{ acquired, slot }] = held;
    stage.fetcher.acknowledge(acquired, slot, "accept", stage.now);
    const { request } = stage.one("shareFetch");
    expect(request.topics.flatMap(({ partitions }) => partitions)).toEqual([
      { partitionIndex: 0, acknowledgementBatches: [{ firstOffset: 0, lastOffset: 0, acknowledgeTypes: [1] }] },
    ]);
  });

  test("waits longer each time if a broker has no room for its session", () => {
    const stage = new Stage();
    stage.fetcher.want(5);
    const pauses: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { ticket } = stage.one("shareFetch");
      const answer = stage.brokers.refuse(Errors.SHARE_SESSION_LIMIT_REACHED.code);
      stage.fetcher.fetched(ticket, answer, stage.moment);
      expect(stage.all("shareFetch")).toEqual([]);
      pauses.push(stage.fetcher.nextDeadline() - stage.now);
      stage.now = stage.fetcher.nextDeadline();
    }
    expect(pauses).toEqual([100, 200, 400]);
  });

  test("tells the application of errors that stay", () => {
    const stage = new Stage();
    stage.fetcher.want(5);
    const { ticket } = stage.one("shareFetch");
    const answer = stage.brokers.refuse(Errors.GROUP_AUTHORIZATION_FAILED.code);
    stage.fetcher.fetched(ticket, answer, stage.moment);
    expect(stage.fetcher.take(0)).toMatchObject({ name: "GROUP_AUTHORIZATION_FAILED" });
    expect(stage.fetcher.take(0)).toBe(undefined);
  });

  test("goes to the leader that a broker names, and gives up what the old one had locked", () => {
    const stage = new Stage();
    stage.brokers.partitions[0].append(2, false);
    const held = stage.fetch(2);
    stage.fetcher.acknowledge(held[0].acquired, held[0].slot, "accept", 0);
    stage.fetcher.want(2);
    const { ticket, request } = stage.one("shareFetch");
    const [{ topicId }] = request.topics;
    const named = { ...stage.brokers.refuse(0), nodeEndpoints: [{ nodeId: 1, host: "h", port: 1, rack: null }] };
    const partitions = [
      {
        ...{ partitionIndex: 0, errorCode: Errors.NOT_LEADER_OR_FOLLOWER.code, errorMessage: null, records: [] },
        ...{ acknowledgeErrorCode: Errors.NOT_LEADER_OR_FOLLOWER.code, acknowledgeErrorMessage: null },
        ...{ currentLeader: { leaderId: 1, leaderEpoch: 9 }, acquiredRecords: [] },
      },
    ];
    stage.fetcher.fetched(ticket, { ...named, responses: [{ topicId, partitions }] }, stage.moment);
    expect(stage.one("leaders").leaders).toEqual([{ topic: "t", partition: 0, leaderId: 1, leaderEpoch: 9 }]);
    expect(stage.all("acknowledged").map(({ error }) => error?.name)).toEqual(["NOT_LEADER_OR_FOLLOWER"]);
    expect(held[1].acquired.isLost(held[1].slot, 0)).toBe(true);
    stage.brokers.move(0, 1);
    const [, fetch] = [stage.all("refreshMetadata"), stage.all("shareFetch")];
    expect(fetch.map(({ brokerId }) => brokerId)).toEqual([1]);
  });

  test("gives up all that a lost connection had locked, and begins a new session", () => {
    const stage = new Stage();
    stage.brokers.partitions[0].append(2, false);
    const held = stage.fetch(2);
    stage.fetcher.acknowledge(held[0].acquired, held[0].slot, "accept", 0);
    stage.fetcher.commit();
    const { ticket } = stage.one("shareAcknowledge");
    stage.fetcher.failed(ticket, new KafkaError("DISCONNECTED", "lost"), stage.moment);
    expect(held.map(({ acquired, slot }) => acquired.isLost(slot, 0))).toEqual([false, true]);
    expect([...stage.one("committed").results.values()].map(error => error?.name)).toEqual(["DISCONNECTED"]);
    stage.fetcher.acknowledge(held[1].acquired, held[1].slot, "accept", 0);
    stage.fetcher.want(2);
    expect(stage.all("acknowledged").map(({ error }) => error?.name)).toEqual(["DISCONNECTED", "DISCONNECTED"]);
    expect(stage.all("shareFetch")).toEqual([]);
    stage.now = stage.fetcher.nextDeadline();
    expect(stage.one("shareFetch").request).toMatchObject({
      ...{ shareSessionEpoch: 0, forgottenTopicsData: [] },
      topics: [{ partitions: [{ partitionIndex: 0, acknowledgementBatches: [] }] }],
    });
  });

  test("gives up what the old leader had locked when the metadata names a new one", () => {
    const stage = new Stage();
    stage.brokers.partitions[0].append(2, false);
    const held = stage.fetch(2);
    stage.fetcher.acknowledge(held[0].acquired, held[0].slot, "accept", 0);
    stage.brokers.move(0, 1);
    expect(stage.one("acknowledged").error?.name).toBe("NOT_LEADER_OR_FOLLOWER");
    expect(held[1].acquired.isLost(held[1].slot, 0)).toBe(true);
    // The session with the old leader has nothing any more.
    expect(stage.one("shareAcknowledge").request(2)).toMatchObject({ shareSessionEpoch: -1, topics: [] });
  });

  test("acknowledges records of a partition that is gone without fetching it", () => {
    const stage = new Stage({}, 3);
    stage.brokers.partitions[0].append(1, false);
    stage.fetcher.want(5);
    for (const effect of stage.all("shareFetch")) {
      stage.fetcher.fetched(effect.ticket, stage.brokers.fetch(0, effect), stage.moment);
    }
    const taken = stage.fetcher.take(0);
    if (taken === undefined || taken instanceof KafkaError) throw new Error("no records");
    taken.next(0);
    stage.fetcher.assign(stage.brokers.places.slice(2));
    stage.fetcher.acknowledge(taken, 0, "accept", 0);
    stage.fetcher.want(5);
    const { request, ...effect } = stage.all("shareFetch").find(({ brokerId }) => brokerId === 0)!;
    expect(request.topics[0].partitions).toEqual([
      { partitionIndex: 0, acknowledgementBatches: [{ firstOffset: 0, lastOffset: 0, acknowledgeTypes: [1] }] },
    ]);
    expect(request.forgottenTopicsData.map(({ partitions }) => partitions)).toEqual([[0]]);
    stage.fetcher.fetched(effect.ticket, stage.brokers.fetch(0, { request, ...effect }), stage.moment);
    expect([...stage.brokers.sessions.get(0)!.partitions]).toEqual([2]);
    // Once more, when the session does not have the partition any more.
    stage.brokers.partitions[2].append(1, false);
    const [held] = stage.fetch(1);
    stage.fetcher.assign(stage.brokers.places.slice(0, 1));
    stage.fetcher.want(5);
    const other = stage.one("shareFetch");
    stage.fetcher.fetched(other.ticket, stage.brokers.fetch(0, other), stage.moment);
    stage.fetcher.acknowledge(held.acquired, held.slot, "accept", 0);
    const last = stage.one("shareFetch");
    expect(last.request.topics[0].partitions.map(({ partitionIndex }) => partitionIndex)).toEqual([2]);
    expect(last.request.forgottenTopicsData.map(({ partitions }) => partitions)).toEqual([[2]]);
  });

  test("learns that old brokers know no renewals, and says so from then on", () => {
    const stage = new Stage();
    stage.brokers.partitions[0].append(1, false);
    const [{ acquired, slot }] = stage.fetch(1);
    stage.fetcher.acknowledge(acquired, slot, "renew", 1);
    const { ticket, request } = stage.one("shareAcknowledge");
    expect(request(2)).toMatchObject({ isRenewAck: true, shareSessionEpoch: 1 });
    expect(request(1)).toMatchObject({ topics: [], shareSessionEpoch: 1 });
    stage.fetcher.acknowledged(ticket, stage.brokers.refuse(0), 1, stage.moment);
    expect(stage.one("acknowledged").error?.name).toBe("UNSUPPORTED_VERSION");
    expect(() => stage.fetcher.acknowledge(acquired, slot, "renew", 2)).toThrow("do not renew locks");
    stage.fetcher.acknowledge(acquired, slot, "accept", 3);
    expect(stage.one("shareAcknowledge").request(1)).toMatchObject({ shareSessionEpoch: 2 });
  });

  test("renews records that wait for an application at work, and no others", () => {
    const stage = new Stage();
    stage.brokers.partitions[0].append(3, false);
    stage.fetcher.want(3);
    const fetch = stage.one("shareFetch");
    stage.fetcher.fetched(fetch.ticket, stage.brokers.fetch(0, fetch), stage.moment);
    const { lockMs } = stage.brokers;
    const taken = stage.fetcher.take(10);
    if (taken === undefined || taken instanceof KafkaError) throw new Error("no records");
    taken.next(10);
    expect(stage.all("shareAcknowledge")).toEqual([]);
    stage.now = lockMs / 2;
    const renewal = stage.one("shareAcknowledge");
    const answer = stage.brokers.acknowledge(stage.now, renewal.brokerId, renewal.request(2));
    stage.fetcher.acknowledged(renewal.ticket, answer, 2, stage.moment);
    stage.now = lockMs;
    expect(stage.all("shareAcknowledge")).toEqual([]);
    expect(taken.isLost(0, stage.now)).toBe(true);
    stage.now = 1.5 * lockMs;
    expect(stage.all("shareAcknowledge")).toEqual([]);
    expect(stage.fetcher.take(stage.now)).toBe(undefined);
  });

  test("asks again for acknowledgements that an answer refuses for now", () => {
    const stage = new Stage();
    stage.brokers.partitions[0].append(1, false);
    const [{ acquired, slot }] = stage.fetch(1);
    stage.fetcher.acknowledge(acquired, slot, "accept", 0);
    const token = stage.fetcher.commit();
    const { ticket, request } = stage.one("shareAcknowledge");
    const [{ topicId }] = request(2).topics;
    const later = { errorCode: Errors.COORDINATOR_NOT_AVAILABLE.code, errorMessage: null };
    const partitions = [{ partitionIndex: 0, ...later, currentLeader: { leaderId: 0, leaderEpoch: 0 } }];
    const answer = { ...stage.brokers.refuse(0), responses: [{ topicId, partitions }] };
    stage.fetcher.acknowledged(ticket, answer, 2, stage.moment);
    expect([stage.all("shareAcknowledge"), stage.all("committed")]).toEqual([[], []]);
    stage.now = stage.fetcher.nextDeadline();
    const again = stage.one("shareAcknowledge");
    const good = { ...answer, responses: [{ topicId, partitions: [{ ...partitions[0], errorCode: 0 }] }] };
    stage.fetcher.acknowledged(again.ticket, good, 2, stage.moment);
    const committed = stage.one("committed");
    expect([committed.token, [...committed.results]]).toEqual([token, [["t/0", undefined]]]);
  });
});
