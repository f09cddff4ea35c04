import { type Uuid, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { FetchSession, type WantedPartition } from "../../src/fetch/fetch-session.ts";
import type { FetchAnswer } from "../../src/index.ts";
import { id, partition } from "./fetch-stage.ts";

function wanted(
  topic: string,
  index: number,
  fetchOffset = 0,
  topicId: Uuid = id(topic.charCodeAt(0)),
): WantedPartition {
  return { key: `${topic}/${index}`, topic, topicId, partition: index, fetchOffset, leaderEpoch: 1 };
}

function answer(partitions: readonly WantedPartition[], fields: Partial<FetchAnswer> = {}): FetchAnswer {
  const responses = partitions.map(({ topicId, partition: index }) => {
    return { topic: "", topicId, partitions: [partition(index)] };
  });
  return { throttleTimeMs: 0, errorCode: 0, sessionId: 9, responses, nodeEndpoints: [], ...fields };
}

function begun(...partitions: WantedPartition[]): FetchSession {
  const session = new FetchSession(100);
  session.next(partitions);
  expect(session.answered(answer(partitions))).toBe("accepted");
  return session;
}

describe("a session", () => {
  test("begins with all partitions, and goes on with those that change", () => {
    const session = new FetchSession(100);
    expect(session.next([wanted("a", 0), wanted("a", 1), wanted("b", 0)])).toEqual({
      sessionId: 0,
      sessionEpoch: 0,
      usesTopicIds: true,
      topics: [
        {
          topic: "a",
          topicId: id(97),
          partitions: [0, 1].map(one => {
            return { partition: one, currentLeaderEpoch: 1, fetchOffset: 0, partitionMaxBytes: 100 };
          }),
        },
        {
          topic: "b",
          topicId: id(98),
          partitions: [{ partition: 0, currentLeaderEpoch: 1, fetchOffset: 0, partitionMaxBytes: 100 }],
        },
      ],
      forgottenTopicsData: [],
    });
    session.answered(answer([wanted("a", 0), wanted("a", 1), wanted("b", 0)]));
    const next = session.next([wanted("a", 0), wanted("a", 1, 5), wanted("c", 0)]);
    expect(next).toMatchObject({ sessionId: 9, sessionEpoch: 1 });
    expect(next.topics.map(({ topic, partitions }) => [topic, partitions.map(one => one.partition)])).toEqual([
      ["a", [1]],
      ["c", [0]],
    ]);
    expect(next.forgottenTopicsData).toEqual([{ topic: "b", topicId: id(98), partitions: [0] }]);
    expect(session.answered(answer([wanted("c", 0)]))).toBe("accepted");
    const last = session.next([wanted("a", 0), wanted("a", 1, 5), wanted("c", 0)]);
    expect(last).toMatchObject({ sessionEpoch: 2, topics: [], forgottenTopicsData: [] });
  });

  test("is closed and begun again after a lost answer", () => {
    const session = begun(wanted("a", 0));
    session.next([wanted("a", 0)]);
    session.failed();
    expect(session.next([wanted("a", 0)])).toMatchObject({ sessionId: 9, sessionEpoch: 0, topics: [{ topic: "a" }] });
  });

  test.each([
    [Errors.FETCH_SESSION_ID_NOT_FOUND, 0],
    [Errors.INVALID_FETCH_SESSION_EPOCH, 9],
    [Errors.FETCH_SESSION_TOPIC_ID_ERROR, 9],
  ])("begins again after $0.name", ({ code }, sessionId) => {
    const session = begun(wanted("a", 0));
    session.next([wanted("a", 0)]);
    expect(session.answered(answer([], { errorCode: code, sessionId: 0 }))).toBe("refused");
    expect(session.next([wanted("a", 0)])).toMatchObject({ sessionId, sessionEpoch: 0, topics: [{ topic: "a" }] });
  });

  test("does not begin if the broker keeps none, or ends it", () => {
    const session = new FetchSession(100);
    session.next([wanted("a", 0)]);
    expect(session.answered(answer([wanted("a", 0)], { sessionId: 0 }))).toBe("accepted");
    expect(session.next([wanted("a", 0)])).toMatchObject({ sessionId: 0, sessionEpoch: 0 });
    session.answered(answer([wanted("a", 0)]));
    session.next([wanted("a", 0)]);
    expect(session.answered(answer([], { sessionId: 0 }))).toBe("accepted");
    expect(session.next([wanted("a", 0)])).toMatchObject({ sessionId: 0, sessionEpoch: 0, topics: [{ topic: "a" }] });
  });

  test("refuses answers with partitions too many or, to a full request, too few", () => {
    const session = new FetchSession(100);
    session.next([wanted("a", 0), wanted("a", 1)]);
    expect(session.answered(answer([wanted("a", 0)]))).toBe("refused");
    expect(session.next([wanted("a", 0)])).toMatchObject({ sessionId: 0, sessionEpoch: 0 });
    expect(session.answered(answer([wanted("a", 0)]))).toBe("accepted");
    session.next([wanted("a", 0)]);
    expect(session.answered(answer([wanted("a", 1)]))).toBe("refused");
    session.next([wanted("a", 0)]);
    expect(session.answered(answer([wanted("z", 0)]))).toBe("refused");
  });

  test("takes an empty answer to a full request as a throttle if it says so", () => {
    const session = new FetchSession(100);
    session.next([wanted("a", 0)]);
    expect(session.answered(answer([], { throttleTimeMs: 5 }))).toBe("throttled");
    session.next([wanted("a", 0)]);
    expect(session.answered(answer([]))).toBe("refused");
  });

  test("forgets a topic that was created again, if the broker knows topics by their ids", () => {
    const session = begun(wanted("a", 0));
    const next = session.next([wanted("a", 0, 0, id(1))]);
    expect(next.forgottenTopicsData).toEqual([{ topic: "a", topicId: id(97), partitions: [0] }]);
    expect(next.topics).toMatchObject([{ topicId: id(1), partitions: [{ partition: 0 }] }]);
    const names = new FetchSession(100);
    names.next([wanted("a", 0)]);
    const responses = [{ topic: "a", topicId: ZERO_UUID, partitions: [partition(0)] }];
    expect(names.answered(answer([], { responses }))).toBe("accepted");
    expect(names.next([wanted("a", 0, 0, id(1))])).toMatchObject({ sessionEpoch: 1, forgottenTopicsData: [] });
  });

  test("ends where ids begin or end", () => {
    const session = begun(wanted("a", 0));
    const mixed = [wanted("a", 0), wanted("b", 0, 0, ZERO_UUID)];
    expect(session.next(mixed)).toMatchObject({ sessionId: 9, sessionEpoch: 0, usesTopicIds: false });
    session.answered(answer(mixed));
    expect(session.next([wanted("a", 0)])).toMatchObject({ sessionEpoch: 0, usesTopicIds: true });
  });

  test("is closed once", () => {
    expect(new FetchSession(100).close()).toBeUndefined();
    const session = begun(wanted("a", 0));
    expect(session.close()).toMatchObject({ sessionId: 9, sessionEpoch: -1, topics: [] });
    expect(session.close()).toBeUndefined();
  });
});
