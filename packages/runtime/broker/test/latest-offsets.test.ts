import { Errors } from "@samsa/protocol";
import { WireError } from "@samsa/wire";
import { expect, test, vi } from "vitest";
import { type LatestOffset, LatestOffsets } from "../src/share/latest-offsets.ts";

type Answer = { readonly errorCode: number; readonly offset: number };

/** Broker 1, which leads partition 0 of each topic; other brokers lead the partitions with their ids; none leads 9. */
function bench(
  answerOf: (leader: number, topic: string, index: number) => Answer | undefined | Error,
  pausesEnd = true,
) {
  const asked: string[] = [];
  const pauses: number[] = [];
  const waiting = new Set<object>();
  const partitions = { get: (index: number) => ({ leader: index === 9 ? -1 : Math.max(1, index) }) };
  const call = (leader: number, _api: string, { topics }: { topics: { name: string; partitions: unknown[] }[] }) => {
    asked.push(`${leader}: ${topics.map(({ name, partitions: { length } }) => `${name}×${length}`).join()}`);
    const answers = topics.map(({ name, partitions: wanted }) => ({
      name,
      partitions: (wanted as { partitionIndex: number }[]).flatMap(({ partitionIndex }) => {
        const answer = answerOf(leader, name, partitionIndex);
        if (answer instanceof Error) throw answer;
        return answer === undefined ? [] : [{ partitionIndex, ...answer }];
      }),
    }));
    return Promise.resolve({ topics: answers });
  };
  const host = {
    env: {
      timers: {
        after: (ms: number, run: () => void) => {
          pauses.push(ms);
          const timer = { cancel: () => void waiting.delete(timer) };
          waiting.add(timer);
          if (pausesEnd) queueMicrotask(run);
          return timer;
        },
      },
      random: { next: () => 0.5 },
      logger: { error: vi.fn() },
    },
    nodeId: 1,
    peers: { call: async (...of: Parameters<typeof call>) => call(...of) },
    topics: {
      image: { topicIds: { get: (name: string) => name }, topics: { get: () => ({ partitions }) } },
      leader: (name: string) => (name === "moved" ? Errors.NOT_LEADER_OR_FOLLOWER.code : { highWatermark: 7 }),
    },
  };
  const offsets = new LatestOffsets(host as never);
  const list = (...wanted: (readonly [topic: string, index: number])[]): Promise<Record<string, LatestOffset>> =>
    new Promise(resolve => {
      offsets.list(
        wanted.map(([topic, index]) => ({ topic, index })),
        ends => resolve(Object.fromEntries(ends)),
      );
    });
  return { list, asked, pauses, waiting, offsets };
}

test("ends of partitions come from this broker, and from each other leader with one request", async () => {
  const { list, asked } = bench((leader, topic) => ({ errorCode: 0, offset: leader * 10 + topic.length }));
  const ends = await list(["t", 0], ["moved", 0], ["t", 2], ["uu", 2], ["t", 3], ["t", 9]);
  expect(asked).toEqual(["2: t×1,uu×1", "3: t×1"]);
  expect(ends).toMatchObject({
    "t-0": { errorCode: 0, offset: 7 },
    "moved-0": { errorCode: Errors.NOT_LEADER_OR_FOLLOWER.code },
    "t-2": { errorCode: 0, offset: 21 },
    "uu-2": { errorCode: 0, offset: 22 },
    "t-3": { errorCode: 0, offset: 31 },
    "t-9": { errorCode: Errors.LEADER_NOT_AVAILABLE.code },
  });
  expect(await list()).toEqual({});
});

test("a leader that does not answer is asked five times; its errors, and what it leaves out, are told", async () => {
  const lost = new WireError("CONNECTION_FAILED", "gone");
  const { list, asked, pauses } = bench((leader, _topic, index) => {
    if (leader === 2) return lost;
    return index === 3 ? { errorCode: Errors.NOT_LEADER_OR_FOLLOWER.code, offset: -1 } : undefined;
  });
  const ends = await list(["t", 2], ["t", 3], ["t", 4]);
  expect(ends).toMatchObject({
    "t-2": { errorCode: Errors.NETWORK_EXCEPTION.code },
    "t-3": { errorCode: Errors.NOT_LEADER_OR_FOLLOWER.code },
    "t-4": { errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION.code },
  });
  expect(asked.filter(of => of.startsWith("2"))).toHaveLength(5);
  expect(pauses).toEqual([2000, 4000, 8000, 16_000]);
});

test("no leader is asked again after the close", async () => {
  const { list, asked, waiting, offsets } = bench(() => new WireError("CONNECTION_FAILED", "gone"), false);
  const failed = { "t-2": { errorCode: Errors.NETWORK_EXCEPTION.code } };
  const ends = list(["t", 2]);
  await vi.waitFor(() => expect(waiting.size).toBe(1));
  offsets.close();
  expect(waiting.size).toBe(0);
  expect(await ends).toMatchObject(failed);
  expect(await list(["t", 2]), "a call that fails later").toMatchObject(failed);
  expect(asked).toHaveLength(2);
});
