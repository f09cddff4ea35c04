import { uuidFromBytes, type Uuid, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FetchSession, type SessionFields, type WantedPartition } from "../src/fetch/fetch-session.ts";
import type { FetchAnswer } from "../src/index.ts";
import { FINAL_EPOCH, placeKey, type SharePlace, ShareSession } from "../src/share/share-session.ts";
import { partition } from "./fetch/fetch-stage.ts";

const idOf = (topic: string, generation = 0): Uuid =>
  uuidFromBytes(new Uint8Array(16).fill(topic.charCodeAt(0) + 40 * generation));

/** Fetches of a broker: the partitions of its session, with the offsets that it was told. */
interface Brokers {
  id: number;
  epoch: number;
  readonly partitions: Map<string, readonly [number, number]>;
}

/** Broker with one fetch session (KIP-227, `FetchManager` of Kafka's broker). */
class Broker {
  session: Brokers | undefined;
  #ids = 0;
  /** Ids are names before version 13. */
  readonly #nameOf: (topicId: Uuid | undefined, topic: string | undefined) => string;

  constructor(nameOf: (topicId: Uuid | undefined, topic: string | undefined) => string) {
    this.#nameOf = nameOf;
  }

  /** Error of a request, after which its session, if there is one, has the partitions to fetch. */
  take({ sessionId, sessionEpoch, topics, forgottenTopicsData }: SessionFields): number {
    if (sessionEpoch === -1) {
      if (this.session?.id === sessionId) this.session = undefined;
      return 0;
    }
    if (sessionEpoch === 0) {
      // A full request closes the session that it names, and begins another.
      this.session = { id: ++this.#ids, epoch: 1, partitions: new Map() };
    } else {
      const { session } = this;
      if (session === undefined || session.id !== sessionId) return Errors.FETCH_SESSION_ID_NOT_FOUND.code;
      expect(sessionEpoch, "both count the same").toBe(session.epoch);
      session.epoch++;
    }
    const known = this.session?.partitions ?? new Map();
    for (const { topicId, topic, partitions } of forgottenTopicsData) {
      for (const index of partitions ?? []) known.delete(`${this.#nameOf(topicId, topic)}/${index}`);
    }
    for (const { topicId, topic, partitions } of topics) {
      for (const { partition: index, fetchOffset, currentLeaderEpoch } of partitions ?? []) {
        known.set(`${this.#nameOf(topicId, topic)}/${index}`, [Number(fetchOffset), Number(currentLeaderEpoch)]);
      }
    }
    return 0;
  }
}

type Step = {
  readonly wanted: readonly {
    readonly topic: string;
    readonly index: number;
    readonly offset: number;
    readonly epoch: number;
  }[];
  /** Topics that were created again. */
  readonly again: readonly string[];
  readonly outcome: "answered" | "lost" | "expired" | "throttled" | "closed";
};
const steps = fc.array(
  fc.record({
    wanted: fc.uniqueArray(
      fc.record({ topic: fc.constantFrom("a", "b"), index: fc.nat(1), offset: fc.nat(3), epoch: fc.nat(1) }),
      { selector: ({ topic, index }) => `${topic}/${index}`, maxLength: 4 },
    ),
    again: fc.subarray(["a", "b"], { maxLength: 1 }),
    outcome: fc.constantFrom<Step["outcome"]>(
      "answered",
      "answered",
      "answered",
      "answered",
      "lost",
      "expired",
      "throttled",
      "closed",
    ),
  }),
  { maxLength: 20, size: "max" },
);

describe("a fetch session beside a broker", () => {
  test.each([true, false])("has the broker fetch exactly what is wanted; topics have ids: %s", hasIds => {
    fc.assert(
      fc.property(steps, all => {
        const session = new FetchSession(100);
        const broker = new Broker((topicId, topic) => (hasIds ? (topicId ?? "") : (topic ?? "")));
        const generations = new Map<string, number>();
        for (const { wanted, again, outcome } of all) {
          for (const topic of again) generations.set(topic, ((generations.get(topic) ?? 0) + 1) % 3);
          const places: WantedPartition[] = wanted.map(({ topic, index, offset, epoch }) => ({
            ...{ key: `${topic}/${index}`, topic, partition: index, fetchOffset: offset, leaderEpoch: epoch },
            topicId: hasIds ? idOf(topic, generations.get(topic)) : ZERO_UUID,
          }));
          if (outcome === "expired") broker.session = undefined;
          const fields = session.next(places);
          expect(fields.usesTopicIds).toBe(hasIds || places.length === 0);
          const errorCode = broker.take(fields);
          if (outcome === "lost") {
            session.failed();
            continue;
          }
          const isFull = fields.sessionEpoch === 0;
          const responses = [...new Set(places.map(({ topic }) => topic))].map(topic => {
            const own = places.filter(place => place.topic === topic);
            const partitions = own.map(place => partition(place.partition));
            return { topic: hasIds ? "" : topic, topicId: own[0].topicId, partitions };
          });
          const isThrottled = outcome === "throttled" && isFull && places.length > 0;
          const answer: FetchAnswer = {
            ...{ throttleTimeMs: isThrottled ? 5 : 0, errorCode, nodeEndpoints: [] },
            ...{ sessionId: isThrottled || errorCode !== 0 ? 0 : (broker.session?.id ?? 0) },
            responses: isThrottled || errorCode !== 0 ? [] : responses,
          };
          const result = session.answered(answer);
          if (errorCode !== 0) expect(result).toBe("refused");
          else if (isThrottled) expect(result).toBe("throttled");
          else {
            expect(result).toBe("accepted");
            const fetched = Object.fromEntries(broker.session?.partitions ?? []);
            expect(fetched).toEqual(
              Object.fromEntries(
                places.map(({ topic, topicId, partition: index, fetchOffset, leaderEpoch }) => [
                  ...[`${hasIds ? topicId : topic}/${index}`, [fetchOffset, leaderEpoch]],
                ]),
              ),
            );
          }
          if (outcome === "closed") {
            const last = session.close();
            if (last !== undefined)
              expect(last).toMatchObject({ sessionEpoch: -1, topics: [], forgottenTopicsData: [] });
            if (last !== undefined) broker.take(last);
            if (result === "accepted") expect(broker.session).toBeUndefined();
            expect(session.close(), "once").toBeUndefined();
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test("sends a partition again only if it has changed", () => {
    const session = new FetchSession(100);
    const place = (fetchOffset: number): WantedPartition => ({
      ...{ key: "a/0", topic: "a", topicId: idOf("a"), partition: 0, fetchOffset, leaderEpoch: 0 },
    });
    const topics = (fetchOffset: number): number => session.next([place(fetchOffset)]).topics.length;
    const answer: FetchAnswer = {
      ...{ throttleTimeMs: 0, errorCode: 0, sessionId: 1, nodeEndpoints: [] },
      responses: [{ topic: "", topicId: idOf("a"), partitions: [partition(0)] }],
    };
    expect(topics(0)).toBe(1);
    session.answered(answer);
    expect(topics(0)).toBe(0);
    session.answered({ ...answer, responses: [] });
    expect(topics(1)).toBe(1);
    expect(session.answered({ ...answer, responses: [{ topic: "", topicId: idOf("b"), partitions: [] }] })).toBe(
      "refused",
    );
    expect(session.next([place(1)]), "a new one begins").toMatchObject({ sessionEpoch: 0, topics: { length: 1 } });
  });
});

test("a fetch session names no session that a full answer has replaced", () => {
  const session = new FetchSession(100);
  const place: WantedPartition = {
    ...{ key: "a/0", topic: "a", topicId: idOf("a"), partition: 0, fetchOffset: 0, leaderEpoch: 0 },
  };
  const answer: FetchAnswer = {
    ...{ throttleTimeMs: 0, errorCode: 0, sessionId: 5, nodeEndpoints: [] },
    responses: [{ topic: "", topicId: idOf("a"), partitions: [partition(0)] }],
  };
  session.next([place]);
  session.answered(answer);
  session.failed();
  expect(session.next([place]), "the broker may close it").toMatchObject({ sessionId: 5, sessionEpoch: 0 });
  expect(session.answered({ ...answer, responses: [] })).toBe("refused");
  expect(session.next([place])).toMatchObject({ sessionId: 0, sessionEpoch: 0 });
});

describe("a share session beside a broker", () => {
  type ShareStep = {
    readonly do: "fetch" | "acknowledge";
    readonly wanted: readonly number[];
    readonly outcome: "answered" | "lost" | "gone" | "busy";
  };
  const shareSteps = fc.array(
    fc.record({
      do: fc.constantFrom<ShareStep["do"]>("fetch", "fetch", "acknowledge"),
      wanted: fc.uniqueArray(fc.nat(3), { maxLength: 4 }),
      outcome: fc.constantFrom<ShareStep["outcome"]>("answered", "answered", "answered", "lost", "gone", "busy"),
    }),
    { maxLength: 25, size: "max" },
  );
  const place = (index: number): SharePlace => ({ topic: "t", topicId: idOf("t"), partition: index }) as SharePlace;

  test("counts its epoch with the broker's, and has the partitions that are wanted", () => {
    fc.assert(
      fc.property(shareSteps, all => {
        const session = new ShareSession();
        /** Epoch of the next request, and partitions, as the broker has them; undefined: no session. */
        let broker: { epoch: number; readonly partitions: Set<number> } | undefined;
        for (const { do: what, wanted, outcome } of all) {
          if (outcome === "gone") broker = undefined;
          if (what === "acknowledge" && !session.isOpen) continue;
          const changes =
            what === "fetch" ? session.next(wanted.map(place)) : { epoch: session.epoch, added: [], forgotten: [] };
          expect(changes.epoch).not.toBe(FINAL_EPOCH);
          expect(changes.epoch > 0).toBe(session.isOpen);
          let errorCode = 0;
          if (changes.epoch === 0) broker = { epoch: 0, partitions: new Set() };
          if (broker === undefined) errorCode = Errors.SHARE_SESSION_NOT_FOUND.code;
          else {
            expect(changes.epoch, "both count the same").toBe(broker.epoch);
            broker.epoch++;
            for (const { partition: index } of changes.forgotten) broker.partitions.delete(index);
            for (const { partition: index } of changes.added) {
              expect(broker.partitions.has(index), "it is not told twice").toBe(false);
              broker.partitions.add(index);
            }
          }
          if (outcome === "lost") {
            // The connection is gone, and the session with it.
            session.failed();
            broker = undefined;
            expect(session.isOpen).toBe(false);
            continue;
          }
          if (outcome === "busy" && errorCode === 0 && changes.epoch > 0) {
            expect(session.answered(Errors.UNKNOWN_SERVER_ERROR.code)).toBe("refused");
            continue;
          }
          expect(session.answered(errorCode)).toBe(errorCode === 0 ? "accepted" : "lost");
          if (errorCode !== 0) {
            expect(session.isOpen).toBe(false);
            broker = undefined;
          } else if (what === "fetch") {
            expect(broker?.partitions).toEqual(new Set(wanted));
            for (const index of [0, 1, 2, 3]) expect(session.has(place(index))).toBe(wanted.includes(index));
            for (const one of changes.forgotten) {
              expect(session.place(one.topicId, one.partition), "its answer may still have it").toEqual(one);
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test("has its epochs wrap around to 1, and no session after a first request that is refused", () => {
    const session = new ShareSession();
    session.next([place(0)]);
    expect(session.answered(Errors.UNKNOWN_SERVER_ERROR.code)).toBe("refused");
    expect([session.isOpen, session.epoch]).toEqual([false, 0]);
    expect(session.answered(Errors.SHARE_SESSION_LIMIT_REACHED.code)).toBe("lost");
    expect(placeKey(idOf("t"), 3)).toBe(`${idOf("t")}/3`);
  });
});
