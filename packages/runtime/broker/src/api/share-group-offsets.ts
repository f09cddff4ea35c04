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
import type { ShareStateAnswer, StateFault } from "../share/share-states.ts";

type Reply = (response: object) => void;
type AskedTopics = NonNullable<DescribeShareGroupOffsetsRequest["groups"][number]["topics"]>;

const UNKNOWN_OFFSET = -1;
const NOTHING_THERE = "There is no offset information to delete.";

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

function described(
  broker: Broker,
  groupId: string,
  topics: ReadonlyMap<string, ReadonlySet<number>>,
  done: (topics: object[]) => void,
): void {
  let waiting = 1;
  const results: object[] = [];
  const end = (): void => {
    if (--waiting === 0) done(results);
  };
  for (const [topicName, partitions] of topics) {
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

/** Partitions by their topics; what is named twice is there once. */
function merged(topics: AskedTopics): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>();
  for (const { topicName, partitions } of topics) {
    found.set(topicName, new Set([...(found.get(topicName) ?? []), ...partitions]));
  }
  return found;
}

/** True if Kafka's share coordinator is not asked, as its client refuses to name such a group or partition. */
function isUnaskable(broker: Broker, groupId: string, topics: ReadonlyMap<string, Iterable<number>>): boolean {
  const known = [...topics].filter(([name]) => broker.topics.idOf(name) !== undefined);
  const isWrong = (partitions: readonly number[]) => partitions.length === 0 || partitions.some(index => index < 0);
  return known.length > 0 && (groupId === "" || known.some(([, partitions]) => isWrong([...partitions])));
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
    const asked = merged(topics ?? allOf(broker, runner, groupId));
    if (isUnaskable(broker, groupId, asked)) {
      const { code: errorCode, message: errorMessage } = Errors.UNKNOWN_SERVER_ERROR;
      results[i] = { groupId, topics: [], errorCode, errorMessage };
      return;
    }
    waiting++;
    described(broker, groupId, asked, shown => {
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

interface AlteredPartition {
  readonly partitionIndex: number;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** Alterations that AlterShareGroupOffsets asks for, by topic, and the outcomes known beforehand. */
function alterations(broker: Broker, { topics }: AlterShareGroupOffsetsRequest) {
  const { code, message } = Errors.UNKNOWN_TOPIC_OR_PARTITION;
  const changes = new Map<Uuid, { topicId: Uuid; name: string; offsets: Map<number, Int64> }>();
  const outcomes = new Map<string, AlteredPartition[]>();
  for (const { topicName: name, partitions } of topics) {
    const topic = broker.topics.topic(name);
    const change = topic && (changes.get(topic.id) ?? { topicId: topic.id, name, offsets: new Map<number, Int64>() });
    if (change !== undefined) changes.set(change.topicId, change);
    const before = outcomes.get(name) ?? [];
    const after = partitions.map(({ partitionIndex, startOffset }): AlteredPartition => {
      if (topic?.partitions.has(partitionIndex) !== true)
        return { partitionIndex, errorCode: code, errorMessage: message };
      change?.offsets.set(partitionIndex, startOffset);
      return { partitionIndex, errorCode: 0, errorMessage: null };
    });
    outcomes.set(name, [...before, ...after]);
  }
  return { changes: [...changes.values()], outcomes };
}

export function alterShareGroupOffsets(
  broker: Broker,
  request: AlterShareGroupOffsetsRequest,
  _context: RequestContext,
  reply: Reply,
): void {
  const { groupId } = request;
  const runner = runnerOf(broker, groupId);
  if (typeof runner === "number") return reply(refusal(runner));
  const { changes, outcomes } = alterations(broker, request);
  const asked = new Map(request.topics.map(({ topicName, partitions }) => [topicName, partitions]));
  const isNegative = ([name, partitions]: readonly [string, readonly { readonly partitionIndex: number }[]]): boolean =>
    broker.topics.idOf(name) !== undefined && partitions.some(({ partitionIndex }) => partitionIndex < 0);
  const answer = (faults: readonly StateFault[]): void => {
    const responses = [...outcomes].map(([topicName, partitions]) => {
      const topicId = broker.topics.idOf(topicName) ?? ZERO_UUID;
      const shown = partitions.map(one => {
        const fault = faults.find(other => other.topicId === topicId && other.partition === one.partitionIndex);
        return fault === undefined || one.errorCode !== 0 ? one : { ...one, ...withoutPlace(fault) };
      });
      return { topicName, topicId, partitions: shown };
    });
    reply({ throttleTimeMs: 0, errorCode: 0, errorMessage: null, responses });
  };
  broker.groups.forShares(runner, shares => {
    const fault = shares.adminFault(groupId, true);
    if (fault !== 0) return reply(refusal(fault));
    // Kafka's client of the share coordinator refuses to name such a partition.
    if ([...asked].some(isNegative)) return reply(refusal(Errors.UNKNOWN_SERVER_ERROR.code));
    shares.alter(groupId, changes, what => {
      if (typeof what === "number") return reply(refusal(what));
      broker.shares.states.initialize(what, faults => {
        if (faults.length === 0 && what.topics.length > 0 && !runner.failed) {
          broker.groups.forShares(runner, known => known.initialized(what, true));
        }
        // Who consumes here from now on begins there.
        broker.shares.reload(groupId);
        answer(faults);
      });
    });
  });
}

function withoutPlace({ errorCode, errorMessage }: StateFault) {
  return { errorCode, errorMessage };
}

/** Outcomes of topics that are not there, or of which there is no state. */
function absent(
  broker: Broker,
  topics: DeleteShareGroupOffsetsRequest["topics"],
  states: ReadonlyMap<Uuid, unknown>,
): object[] {
  const { code: errorCode, message } = Errors.UNKNOWN_TOPIC_OR_PARTITION;
  return topics.flatMap(({ topicName }) => {
    const topicId = broker.topics.idOf(topicName);
    const errorMessage = topicId === undefined ? message : NOTHING_THERE;
    return topicId !== undefined && states.has(topicId)
      ? []
      : [{ topicName, topicId: ZERO_UUID, errorCode, errorMessage }];
  });
}

export function deleteShareGroupOffsets(
  broker: Broker,
  { groupId, topics }: DeleteShareGroupOffsetsRequest,
  _context: RequestContext,
  reply: Reply,
): void {
  const runner = runnerOf(broker, groupId);
  if (typeof runner === "number") return reply(refusal(runner));
  const wanted = new Set(topics.flatMap(({ topicName }) => broker.topics.idOf(topicName) ?? []));
  const hasStates = runner.shard.shares.hasStates(groupId);
  broker.groups.forShares(runner, shares =>
    shares.beginForgetting(groupId, wanted, states => {
      if (typeof states === "number") return reply(refusal(states));
      const answer = (faults: ReadonlyMap<Uuid, number>): void => {
        const gone = [...states.keys()].map(topicId => {
          const errorCode = faults.get(topicId) ?? 0;
          const errorMessage = errorCode === 0 ? null : errorOf(errorCode).message;
          return { topicName: broker.topics.nameOf(topicId) ?? "", topicId, errorCode, errorMessage };
        });
        const responses = hasStates ? [...gone, ...absent(broker, topics, states)] : [];
        reply({ throttleTimeMs: 0, errorCode: 0, errorMessage: null, responses });
      };
      broker.shares.states.delete(groupId, states, found => {
        broker.shares.reload(groupId);
        const faults = new Map(found.map(({ topicId, errorCode }) => [topicId, errorCode]));
        const gone = new Set([...states.keys()].filter(topicId => !faults.has(topicId)));
        if (gone.size === 0) return answer(faults);
        if (runner.failed) return reply(refusal(Errors.NOT_COORDINATOR.code));
        broker.groups.forShares(runner, now =>
          now.forgotten(groupId, gone, errorCode => (errorCode === 0 ? answer(faults) : reply(refusal(errorCode)))),
        );
      });
    }),
  );
}

/** Deletes a share group without members, and before it the states of its partitions. */
export function deleteShareGroup(
  broker: Broker,
  runner: GroupRunner,
  groupId: string,
  done: (errorCode: number) => void,
): void {
  broker.groups.forShares(runner, shares =>
    shares.beginDeletion(groupId, states => {
      if (typeof states === "number") return done(states);
      broker.shares.states.delete(groupId, states, faults => {
        if (faults.length > 0) return done(faults[0].errorCode);
        if (runner.failed) return done(Errors.NOT_COORDINATOR.code);
        broker.shares.reload(groupId);
        broker.groups.forShares(runner, now => now.delete(groupId, done));
      });
    }),
  );
}
