import { addI64, type Int64, subtractI64, type Uuid, ZERO_UUID } from "@samsa/base";
import {
  type AlterShareGroupOffsetsRequest,
  type DeleteShareGroupOffsetsRequest,
  type DescribeShareGroupOffsetsRequest,
  Errors,
  errorOf,
} from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { GroupRunner } from "../groups.ts";
import type { RequestContext } from "../requests.ts";
import type { ShareStateAnswer } from "../share/share-states.ts";

type Reply = (response: object) => void;
type AskedTopics = NonNullable<DescribeShareGroupOffsetsRequest["groups"][number]["topics"]>;

const UNKNOWN_OFFSET = -1;

/** Where a group is in a partition, and how many records are left for it. */
function place(broker: Broker, { topicName, index }: { topicName: string; index: number }, answer: ShareStateAnswer) {
  const { startOffset = UNKNOWN_OFFSET, leaderEpoch = 0, deliveryCompleteCount = -1 } = answer;
  // What there is nothing of is no error.
  if (answer.errorCode !== 0) return { partitionIndex: index, startOffset: UNKNOWN_OFFSET, leaderEpoch: 0, lag: -1 };
  const end = broker.topics.partition(topicName, index)?.limit(false);
  const isKnown = startOffset !== UNKNOWN_OFFSET && deliveryCompleteCount !== -1 && end !== undefined;
  const lag = isKnown ? addI64(subtractI64(end, startOffset), -deliveryCompleteCount) : -1;
  return { partitionIndex: index, startOffset, leaderEpoch, lag };
}

function described(broker: Broker, groupId: string, topics: AskedTopics, done: (topics: object[]) => void): void {
  let waiting = 1;
  const results: object[] = [];
  const end = (): void => {
    if (--waiting === 0) done(results);
  };
  for (const { topicName, partitions } of topics) {
    const topicId = broker.topics.idOf(topicName);
    const places: object[] = [];
    results.push({ topicName, topicId: topicId ?? ZERO_UUID, partitions: places });
    for (const index of partitions) {
      if (topicId === undefined) {
        places.push({ partitionIndex: index, startOffset: UNKNOWN_OFFSET, leaderEpoch: 0, lag: -1 });
        continue;
      }
      waiting++;
      const request = { type: "summary", body: { partition: index, leaderEpoch: -1 } } as const;
      broker.shares.states.ask({ groupId, topicId, partition: index }, request, answer => {
        places.push(place(broker, { topicName, index }, answer));
        end();
      });
    }
  }
  end();
}

/** All partitions that a group has a state in. */
function allOf(broker: Broker, runner: GroupRunner, groupId: string): AskedTopics {
  return [...runner.shard.shares.initializedOf(groupId)].flatMap(([topicId, partitions]) => {
    const topicName = broker.topics.nameOf(topicId);
    return topicName === undefined ? [] : [{ topicName, partitions: [...partitions] }];
  });
}

export function describeShareGroupOffsets(
  broker: Broker,
  { groups }: DescribeShareGroupOffsetsRequest,
  _context: RequestContext,
  reply: Reply,
): void {
  let waiting = 1;
  const results: object[] = [];
  const end = (): void => {
    if (--waiting === 0) reply({ throttleTimeMs: 0, groups: results });
  };
  groups.forEach(({ groupId, topics }, i) => {
    const runner = broker.groups.of(groupId);
    const fault = broker.shares.isEnabled ? Errors.NOT_COORDINATOR : Errors.UNSUPPORTED_VERSION;
    if (runner === undefined || !broker.shares.isEnabled) {
      results[i] = { groupId, topics: [], errorCode: fault.code, errorMessage: fault.message };
      return;
    }
    waiting++;
    described(broker, groupId, topics ?? allOf(broker, runner, groupId), shown => {
      results[i] = { groupId, topics: shown, errorCode: 0, errorMessage: null };
      end();
    });
  });
  end();
}

/** The runner of a group that an administrator changes, or the error code. */
function runnerOf(broker: Broker, groupId: string): GroupRunner | number {
  if (!broker.shares.isEnabled) return Errors.UNSUPPORTED_VERSION.code;
  if (groupId === "") return Errors.INVALID_GROUP_ID.code;
  return broker.groups.of(groupId) ?? Errors.NOT_COORDINATOR.code;
}

function refusal(errorCode: number): object {
  return { throttleTimeMs: 0, errorCode, errorMessage: errorOf(errorCode).message, responses: [] };
}

export function alterShareGroupOffsets(
  broker: Broker,
  { groupId, topics }: AlterShareGroupOffsetsRequest,
  _context: RequestContext,
  reply: Reply,
): void {
  const runner = runnerOf(broker, groupId);
  if (typeof runner === "number") return reply(refusal(runner));
  const changes: { topicId: Uuid; name: string; offsets: Map<number, Int64> }[] = [];
  const { code, message } = Errors.UNKNOWN_TOPIC_OR_PARTITION;
  const responses = topics.map(({ topicName, partitions }) => {
    const topic = broker.topics.topic(topicName);
    const offsets = new Map<number, Int64>();
    if (topic !== undefined) changes.push({ topicId: topic.id, name: topicName, offsets });
    const answers = partitions.map(({ partitionIndex, startOffset }) => {
      const isKnown = topic?.partitions.has(partitionIndex) === true;
      if (isKnown) offsets.set(partitionIndex, startOffset);
      return { partitionIndex, errorCode: isKnown ? 0 : code, errorMessage: isKnown ? null : message };
    });
    return { topicName, topicId: topic?.id ?? ZERO_UUID, partitions: answers };
  });
  broker.groups.forShares(runner, shares =>
    shares.alter(groupId, changes, what => {
      if (typeof what === "number") return reply(refusal(what));
      broker.shares.states.initialize(what, succeeded => {
        if (!runner.failed) broker.groups.forShares(runner, known => known.initialized(what, succeeded));
        if (!succeeded) return reply(refusal(Errors.COORDINATOR_NOT_AVAILABLE.code));
        // Who consumes here from now on begins there.
        broker.shares.reload(groupId);
        reply({ throttleTimeMs: 0, errorCode: 0, errorMessage: null, responses });
      });
    }),
  );
}

export function deleteShareGroupOffsets(
  broker: Broker,
  { groupId, topics }: DeleteShareGroupOffsetsRequest,
  _context: RequestContext,
  reply: Reply,
): void {
  const runner = runnerOf(broker, groupId);
  if (typeof runner === "number") return reply(refusal(runner));
  const { shares } = runner.shard;
  const fault = shares.adminFault(groupId);
  if (fault !== 0) return reply(refusal(fault));
  const known = shares.initializedOf(groupId);
  const wanted = new Map<Uuid, ReadonlySet<number>>();
  const { code, message } = Errors.UNKNOWN_TOPIC_OR_PARTITION;
  const responses = topics.map(({ topicName }) => {
    const topicId = broker.topics.idOf(topicName);
    const partitions = topicId === undefined ? undefined : known.get(topicId);
    if (topicId === undefined) return { topicName, topicId: ZERO_UUID, errorCode: code, errorMessage: message };
    if (partitions === undefined) {
      const errorMessage = "There is no offset information to delete.";
      return { topicName, topicId: ZERO_UUID, errorCode: code, errorMessage };
    }
    wanted.set(topicId, partitions);
    return { topicName, topicId, errorCode: 0, errorMessage: null };
  });
  const end = (errorCode: number): void => {
    if (errorCode !== 0) return reply(refusal(errorCode));
    broker.shares.reload(groupId);
    reply({ throttleTimeMs: 0, errorCode: 0, errorMessage: null, responses });
  };
  if (wanted.size === 0) return end(0);
  broker.shares.states.delete(groupId, wanted, errorCode => {
    if (errorCode !== 0 || runner.failed) return end(errorCode || Errors.NOT_COORDINATOR.code);
    broker.groups.forShares(runner, now => now.forget(groupId, new Set(wanted.keys()), end));
  });
}

/** Deletes a share group without members, and before it the states of its partitions. */
export function deleteShareGroup(
  broker: Broker,
  runner: GroupRunner,
  groupId: string,
  done: (errorCode: number) => void,
): void {
  const { shares } = runner.shard;
  const fault = shares.adminFault(groupId);
  if (fault !== 0) return done(fault);
  broker.shares.states.delete(groupId, shares.initializedOf(groupId), errorCode => {
    if (errorCode !== 0 || runner.failed) return done(errorCode || Errors.NOT_COORDINATOR.code);
    broker.shares.reload(groupId);
    broker.groups.forShares(runner, now => now.delete(groupId, done));
  });
}
