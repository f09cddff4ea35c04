import { ZERO_UUID } from "@samsa/base";
import { Apis, type ErrorName, Errors, type OffsetCommitRequest, type OffsetCommitResponse } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  AutoCommit,
  KafkaError,
  type MemberIdentity,
  OffsetCommits,
  type OffsetEffect,
  OffsetFetches,
  type OffsetSettings,
  type PartitionOffset,
  TrackedOffsets,
} from "../src/index.ts";
import { idOf, Topics } from "./script.ts";
import { chances } from "./world.ts";

const SETTINGS: OffsetSettings = {
  groupId: "g",
  hasMemberEpochs: true,
  isMember: true,
  maxWaiting: 5,
  backoff: { initialMs: 100, maxMs: 1000, jitter: 0 },
};
const ME: MemberIdentity = { memberId: "me", epoch: 3, instanceId: null, isRebalancing: false };
const LOST = new KafkaError("DISCONNECTED", "lost");
const TOPICS = new Topics({ t: 4, u: 1 });
const at = (now: number) => ({ now, wall: 0, chance: 0 });

const offset = (partition: number, value: number, topic = "t"): PartitionOffset => ({
  ...{ topic, partition, offset: value, leaderEpoch: 2, metadata: "" },
});

type Call = Extract<OffsetEffect, { readonly type: "call" }>;
const callIn = (effects: readonly OffsetEffect[]): Call => {
  const call = effects.find(effect => effect.type === "call");
  if (call === undefined) throw new Error(`no call in ${JSON.stringify(effects)}`);
  return call;
};
const commitIn = (effects: readonly OffsetEffect[]): OffsetCommitRequest => {
  const { call } = callIn(effects);
  if (call.api !== "OffsetCommit") throw new Error(call.api);
  return call.request;
};
const ended = (effects: readonly OffsetEffect[]) =>
  effects.flatMap(effect => (effect.type === "committed" ? [[effect.token, effect.error?.name]] : []));

/** Response with an error code for each partition. */
function commitAnswer(request: OffsetCommitRequest, code: (partition: number) => ErrorName): OffsetCommitResponse {
  return Apis.OffsetCommit.response.defaults({
    topics: request.topics.map(({ name, topicId, partitions }) => ({
      ...{ name, topicId },
      partitions: partitions.map(({ partitionIndex }) => ({
        ...{ partitionIndex, errorCode: Errors[code(partitionIndex)].code },
      })),
    })),
  });
}

function commits(settings: Partial<OffsetSettings> = {}): OffsetCommits {
  const commits = new OffsetCommits({ ...SETTINGS, ...settings }, TOPICS);
  if (settings.isMember !== false) expect(commits.identify(at(0), ME)).toEqual([]);
  return commits;
}

describe("a commit", () => {
  test("names the member, the topics and their ids", () => {
    const effects = commits().commit(at(0), 1, [offset(1, 10), offset(0, 5), offset(0, 7, "u")], 1000);
    expect(commitIn(effects)).toMatchObject({
      ...{ groupId: "g", memberId: "me", generationIdOrMemberEpoch: 3, groupInstanceId: null },
      topics: [
        {
          name: "t",
          topicId: idOf("t"),
          partitions: [{ partitionIndex: 1, committedOffset: 10, committedLeaderEpoch: 2 }, {}],
        },
        { name: "u", topicId: idOf("u") },
      ],
    });
    expect(callIn(effects).maxVersion).toBeGreaterThan(10);
  });

  test("of a topic whose id is not known names topics only", () => {
    const effects = commits().commit(at(0), 1, [offset(0, 1, "w")], 1000);
    expect([callIn(effects).maxVersion, commitIn(effects).topics[0].topicId]).toEqual([9, ZERO_UUID]);
  });

  test("of a consumer without a group membership names no member", () => {
    const effects = commits({ isMember: false }).commit(at(0), 1, [offset(0, 1)], 1000);
    expect(commitIn(effects)).toMatchObject({ memberId: "", generationIdOrMemberEpoch: -1 });
  });

  test("waits for the one before, together with others; the later offset wins", () => {
    const ours = commits();
    const first = ours.commit(at(0), 1, [offset(0, 1)], 1000);
    expect(ours.commit(at(0), 2, [offset(0, 2), offset(1, 2)], 1000)).toEqual([]);
    expect(ours.commit(at(0), 3, [offset(0, 3)], 1000)).toEqual([]);
    const second = ours.answered(
      at(1),
      callIn(first).id,
      commitAnswer(commitIn(first), () => "NONE"),
    );
    expect(ended(second)).toEqual([[1, undefined]]);
    const [{ partitions }] = commitIn(second).topics;
    expect(partitions.map(p => [p.partitionIndex, p.committedOffset])).toEqual([
      [0, 3],
      [1, 2],
    ]);
    const end = ours.answered(
      at(2),
      callIn(second).id,
      commitAnswer(commitIn(second), () => "NONE"),
    );
    expect(ended(end)).toEqual([
      [2, undefined],
      [3, undefined],
    ]);
  });

  test("of nothing ends at once; too many are refused", () => {
    const ours = commits();
    expect(ended(ours.commit(at(0), 1, [], 1000))).toEqual([[1, undefined]]);
    for (let token = 2; token < 7; token++) ours.commit(at(0), token, [offset(0, token)], 1000);
    expect(ended(ours.commit(at(0), 7, [offset(0, 9)], 1000))).toEqual([[7, "BUFFER_EXHAUSTED"]]);
  });

  test.each(["COORDINATOR_LOAD_IN_PROGRESS", "NOT_COORDINATOR", "REBALANCE_IN_PROGRESS", "UNKNOWN_TOPIC_ID"] as const)(
    "is repeated after %s, but for what has succeeded",
    name => {
      const ours = commits();
      const first = ours.commit(at(0), 1, [offset(0, 1), offset(1, 1)], 1000);
      const answer = commitAnswer(commitIn(first), partition => (partition === 0 ? "NONE" : name));
      const effects = ours.answered(at(0), callIn(first).id, answer);
      expect(effects).toEqual(name === "NOT_COORDINATOR" ? [{ type: "forgetCoordinator" }] : []);
      expect([ours.nextDeadline(), ours.tick(at(99))]).toEqual([100, []]);
      expect(commitIn(ours.tick(at(100))).topics[0].partitions.map(p => p.partitionIndex)).toEqual([1]);
    },
  );

  test("that is repeated does not take back a later one", () => {
    const ours = commits();
    const first = ours.commit(at(0), 1, [offset(0, 1)], 1000);
    ours.commit(at(0), 2, [offset(0, 2)], 1000);
    ours.failed(at(0), callIn(first).id, LOST);
    const second = ours.tick(at(100));
    expect(commitIn(second).topics[0].partitions.map(p => p.committedOffset)).toEqual([2]);
    const end = ours.answered(
      at(100),
      callIn(second).id,
      commitAnswer(commitIn(second), () => "NONE"),
    );
    expect(ended(end).length).toBe(2);
  });

  test("ends at its deadline", () => {
    const ours = commits();
    const first = ours.commit(at(0), 1, [offset(0, 1)], 150);
    ours.failed(at(0), callIn(first).id, LOST);
    const second = ours.tick(at(100));
    expect(ended(ours.failed(at(160), callIn(second).id, LOST))).toEqual([[1, "DISCONNECTED"]]);
    const third = ours.commit(at(200), 2, [offset(0, 1)], 250);
    expect(third).toEqual([]);
    expect([ours.nextDeadline(), ended(ours.tick(at(250)))]).toEqual([250, [[2, "TIMED_OUT"]]]);
  });

  test.each(["OFFSET_METADATA_TOO_LARGE", "TOPIC_AUTHORIZATION_FAILED"] as const)("is refused with %s", name => {
    const ours = commits();
    const first = ours.commit(at(0), 1, [offset(0, 1), offset(1, 1)], 1000);
    const answer = commitAnswer(commitIn(first), partition =>
      partition === 0 ? name : "COORDINATOR_LOAD_IN_PROGRESS",
    );
    expect(ended(ours.answered(at(0), callIn(first).id, answer))).toEqual([[1, name]]);
  });

  test("with a stale epoch is repeated with the new one", () => {
    const ours = commits();
    const first = ours.commit(at(0), 1, [offset(0, 1)], 1000);
    const answer = commitAnswer(commitIn(first), () => "STALE_MEMBER_EPOCH");
    expect(ours.answered(at(0), callIn(first).id, answer)).toEqual([{ type: "suspect" }]);
    expect(commitIn(ours.identify(at(1), { ...ME, epoch: 4 })).generationIdOrMemberEpoch).toBe(4);
  });

  test.each(["ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "GROUP_ID_NOT_FOUND"] as const)("with %s has failed", name => {
    const ours = commits();
    const first = ours.commit(at(0), 1, [offset(0, 1)], 1000);
    const effects = ours.answered(
      at(0),
      callIn(first).id,
      commitAnswer(commitIn(first), () => name),
    );
    expect(ended(effects)).toEqual([[1, "COMMIT_FAILED"]]);
    expect(effects[0].type).toBe("suspect");
  });

  test("of an old generation is repeated if the member has joined again, or is about to", () => {
    const ours = commits();
    const first = ours.commit(at(0), 1, [offset(0, 1)], 1000);
    ours.identify(at(0), { ...ME, isRebalancing: true });
    const refused = (call: readonly OffsetEffect[]) =>
      ours.answered(
        at(0),
        callIn(call).id,
        commitAnswer(commitIn(call), () => "ILLEGAL_GENERATION"),
      );
    expect(refused(first)).toEqual([]);
    const second = ours.tick(at(100));
    ours.identify(at(100), { ...ME, epoch: 4 });
    expect(refused(second)).toEqual([]);
  });

  test("fails if the member loses its place", () => {
    const ours = commits();
    const first = ours.commit(at(0), 1, [offset(0, 1)], 1000);
    ours.commit(at(0), 2, [offset(0, 2)], 1000);
    expect(ended(ours.identify(at(0), null))).toEqual([[2, "COMMIT_FAILED"]]);
    expect(ended(ours.failed(at(0), callIn(first).id, LOST))).toEqual([[1, "COMMIT_FAILED"]]);
    expect(ended(ours.commit(at(0), 3, [offset(0, 2)], 1000))).toEqual([[3, "COMMIT_FAILED"]]);
  });

  test("of a partition that was given up is not sent any more", () => {
    const ours = commits();
    const first = ours.commit(at(0), 1, [offset(0, 1)], 1000);
    ours.commit(at(0), 2, [offset(0, 2)], 1000);
    ours.commit(at(0), 3, [offset(1, 2)], 1000);
    expect(ended(ours.forget([{ topic: "t", partition: 0 }]))).toEqual([[2, "COMMIT_FAILED"]]);
    expect(ended(ours.failed(at(0), callIn(first).id, LOST))).toEqual([[1, "DISCONNECTED"]]);
    expect(commitIn(ours.tick(at(100))).topics[0].partitions.map(p => p.partitionIndex)).toEqual([1]);
  });

  test("that the answer leaves out has failed", () => {
    const ours = commits();
    const first = ours.commit(at(0), 1, [offset(0, 1)], 1000);
    const effects = ours.answered(at(0), callIn(first).id, Apis.OffsetCommit.response.defaults());
    expect(ended(effects)).toEqual([[1, "UNKNOWN_SERVER_ERROR"]]);
  });
});

test("offsets never go back at a coordinator that fails at random, and each commit ends", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.array(fc.tuple(fc.nat(2), fc.nat(200)), { maxLength: 40, size: "max" }),
      (seed, steps) => {
        const chance = chances(seed);
        const ours = commits({ maxWaiting: 100 });
        const stored = new Map<number, number>();
        const open = new Map<number, readonly PartitionOffset[]>();
        let now = 0;
        let call: Call | undefined;
        const take = (effects: readonly OffsetEffect[]): void => {
          for (const effect of effects) {
            if (effect.type === "call") {
              expect(call).toBeUndefined();
              call = effect;
            } else if (effect.type === "committed") {
              for (const { partition, offset } of open.get(effect.token) ?? []) {
                if (effect.error === undefined) expect(stored.get(partition)).toBeGreaterThanOrEqual(offset);
              }
              expect(open.delete(effect.token)).toBe(true);
            }
          }
        };
        const act = (faultRate: number): void => {
          const sent = call;
          if (sent === undefined || sent.call.api !== "OffsetCommit")
            return take(ours.tick({ now, wall: 0, chance: chance() }));
          call = undefined;
          const isLost = chance() < faultRate;
          const codes = sent.call.request.topics[0].partitions.map(({ partitionIndex, committedOffset }) => {
            if (chance() < faultRate) return "NOT_COORDINATOR" as const;
            expect(committedOffset).toBeGreaterThanOrEqual(stored.get(partitionIndex) ?? 0);
            stored.set(partitionIndex, Number(committedOffset));
            return "NONE" as const;
          });
          if (isLost) return take(ours.failed({ now, wall: 0, chance: chance() }, sent.id, LOST));
          const order = sent.call.request.topics[0].partitions.map(({ partitionIndex }) => partitionIndex);
          const answer = commitAnswer(sent.call.request, partition => codes[order.indexOf(partition)]);
          take(ours.answered({ now, wall: 0, chance: chance() }, sent.id, answer));
        };
        steps.forEach(([partition, ms], i) => {
          now += ms;
          const offsets = [offset(partition, i + 1), ...(i % 3 === 0 ? [offset(3, i + 1)] : [])];
          open.set(i, offsets);
          take(ours.commit({ now, wall: 0, chance: chance() }, i, offsets, now + 100_000));
          if (chance() < 0.7) act(0.4);
        });
        for (let i = 0; i < 50; i++) {
          now += 1000;
          act(0);
        }
        expect([...open.keys()]).toEqual([]);
      },
    ),
    { numRuns: 200 },
  );
});

test("tracked offsets tell what is not committed", () => {
  const tracked = new TrackedOffsets(10);
  const place = { topic: "t", partition: 0 };
  const tracker = tracked.begin(place, 5, 1, true);
  tracked.begin({ topic: "t", partition: 1 }, 7, -1, false);
  expect(tracked.dirty()).toEqual([{ topic: "t", partition: 1, offset: 7, leaderEpoch: -1, metadata: "" }]);
  const ticket = tracker.start(5, 1);
  expect(tracked.dirty([place])).toEqual([]);
  tracker.finish(ticket);
  const [dirty] = tracked.dirty([place]);
  expect(dirty).toEqual({ ...place, offset: 6, leaderEpoch: 1, metadata: "" });
  tracked.committed(dirty);
  expect(tracked.dirty([place])).toEqual([]);
  tracked.end([place]);
  expect([tracked.tracker(place), tracked.dirty([place])]).toEqual([undefined, []]);
  tracked.committed(dirty);
});

describe("commits by themselves", () => {
  const place = { topic: "t", partition: 0 };
  const make = () => {
    const tracked = new TrackedOffsets(10);
    const tracker = tracked.begin(place, 5, -1, true);
    return { tracker, tracked, auto: new AutoCommit({ intervalMs: 5000, retryMs: 100 }, tracked, 0) };
  };

  test("happen after each interval, if there is something new", () => {
    const { tracker, auto } = make();
    expect([auto.take(4999), auto.nextDeadline()]).toEqual([[], 5000]);
    expect([auto.take(5000), auto.nextDeadline()]).toEqual([[], 10_000]);
    tracker.finish(tracker.start(5, 0));
    expect(auto.take(10_000).map(({ offset }) => offset)).toEqual([6]);
    expect([auto.take(20_000), auto.nextDeadline()]).toEqual([[], Infinity]);
    auto.ended(20_000, undefined);
    expect([auto.take(20_000), auto.nextDeadline()]).toEqual([[], 25_000]);
    auto.restart(22_000);
    expect(auto.nextDeadline()).toBe(27_000);
  });

  test("are tried again soon after a retriable failure, else after the interval", () => {
    const { tracker, auto } = make();
    tracker.finish(tracker.start(5, 0));
    expect(auto.take(5000)).toHaveLength(1);
    auto.ended(5010, LOST);
    expect(auto.nextDeadline()).toBe(5110);
    expect(auto.take(5110)).toHaveLength(1);
    auto.ended(5120, new KafkaError("COMMIT_FAILED", "gone"));
    expect(auto.nextDeadline()).toBe(10_110);
    expect(auto.take(10_110)).toHaveLength(1);
  });
});

describe("a fetch of offsets", () => {
  const place = { topic: "t", partition: 0 };
  const fetches = (settings: Partial<OffsetSettings> = {}) => new OffsetFetches({ ...SETTINGS, ...settings }, TOPICS);
  const partition = (fields: object) => ({
    partitionIndex: 0,
    committedOffset: 4,
    committedLeaderEpoch: 2,
    metadata: "m",
    errorCode: 0,
    ...fields,
  });
  const answer = (fields: object, group: object = {}) =>
    Apis.OffsetFetch.response.defaults({
      groups: [{ groupId: "g", topics: [{ name: "", topicId: idOf("t"), partitions: [partition(fields)] }], ...group }],
    });
  const fetched = (effects: readonly OffsetEffect[]) => {
    const effect = effects.find(({ type }) => type === "fetched");
    return effect?.type === "fetched" ? [effect.token, effect.offsets, effect.error?.name] : undefined;
  };

  test("asks for offsets that no open transaction can take back", () => {
    const ours = fetches();
    ours.identify(ME);
    const { call } = callIn(ours.fetch(at(0), 1, [place], 1000));
    if (call.api !== "OffsetFetch") throw new Error(call.api);
    const topics = [{ name: "t", topicId: idOf("t"), partitionIndexes: [0] }];
    expect(call.request(10)).toEqual({
      ...{ groupId: "", topics: [], requireStable: true },
      groups: [{ groupId: "g", memberId: "me", memberEpoch: 3, topics }],
    });
    expect(call.request(7)).toEqual({ groupId: "g", topics, groups: [], requireStable: true });
    expect(call.request(6).requireStable).toBe(false);
  });

  test("gives the offsets that there are", () => {
    const ours = fetches();
    const call = callIn(ours.fetch(at(0), 1, [place], 1000));
    const effects = ours.answered(at(0), call.id, answer({}));
    expect(fetched(effects)).toEqual([1, [{ ...place, offset: 4, leaderEpoch: 2, metadata: "m" }], undefined]);
    const none = callIn(ours.fetch(at(0), 2, [place], 1000));
    expect(fetched(ours.answered(at(0), none.id, answer({ committedOffset: -1 })))).toEqual([2, [], undefined]);
    const old = callIn(ours.fetch(at(0), 3, [place], 1000));
    const early = Apis.OffsetFetch.response.defaults({ topics: [{ name: "t", partitions: [partition({})] }] });
    expect(fetched(ours.answered(at(0), old.id, early))?.[1]).toHaveLength(1);
  });

  test.each([
    [{ errorCode: Errors.UNSTABLE_OFFSET_COMMIT.code }, {}],
    [{}, { errorCode: Errors.COORDINATOR_LOAD_IN_PROGRESS.code }],
  ])("is repeated after %j %j, until its deadline", (fields, group) => {
    const ours = fetches();
    ours.answered(at(0), callIn(ours.fetch(at(0), 1, [place], 250)).id, answer(fields, group));
    expect(ours.nextDeadline()).toBe(100);
    ours.answered(at(100), callIn(ours.tick(at(100))).id, answer(fields, group));
    expect(ours.nextDeadline()).toBe(250);
    expect(fetched(ours.tick(at(250)))?.[2]).toMatch(/UNSTABLE|LOAD/);
    expect(ours.nextDeadline()).toBe(Infinity);
  });

  test("with a stale epoch waits for the new one, and goes on without one if the member has lost its place", () => {
    const group = { errorCode: Errors.STALE_MEMBER_EPOCH.code };
    const ours = fetches();
    ours.identify(ME);
    const effects = ours.answered(at(0), callIn(ours.fetch(at(0), 1, [place], 1000)).id, answer({}, group));
    expect(effects).toEqual([{ type: "suspect" }]);
    ours.identify(null);
    const again = ours.answered(at(100), callIn(ours.tick(at(100))).id, answer({}, group));
    expect(again).toEqual([{ type: "suspect" }]);
    expect(fetched(ours.tick(at(1000)))?.[2]).toBe("TIMED_OUT");
  });

  test("fails, is late, is refused or is forgotten", () => {
    const ours = fetches();
    const code = Errors.TOPIC_AUTHORIZATION_FAILED.code;
    const call = callIn(ours.fetch(at(0), 1, [place], 100));
    expect(fetched(ours.answered(at(0), call.id, answer({ errorCode: code })))?.[2]).toBe("TOPIC_AUTHORIZATION_FAILED");
    const late = callIn(ours.fetch(at(0), 2, [place], 100));
    expect(fetched(ours.tick(at(100)))?.[2]).toBe("TIMED_OUT");
    expect(ours.answered(at(100), late.id, answer({}))).toEqual([]);
    for (let token = 3; token < 8; token++) ours.fetch(at(0), token, [place], 100);
    expect(fetched(ours.fetch(at(0), 8, [place], 100))?.[2]).toBe("BUFFER_EXHAUSTED");
    ours.forget(3);
    expect(fetched(ours.fetch(at(0), 9, [], 100))).toEqual([9, [], undefined]);
    expect(callIn(ours.fetch(at(0), 10, [place], 100)).call.api).toBe("OffsetFetch");
  });

  test("is sent to another coordinator after a lost connection", () => {
    const ours = fetches();
    const call = callIn(ours.fetch(at(0), 1, [place], 1000));
    expect(ours.failed(at(0), call.id, LOST)).toEqual([{ type: "forgetCoordinator" }]);
    expect(callIn(ours.tick(at(100))).id).not.toBe(call.id);
  });
});
