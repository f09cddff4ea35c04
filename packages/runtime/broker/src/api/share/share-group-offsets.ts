import { addI64, type Int64, subtractI64, type Uuid, ZERO_UUID } from "@samsa/base";
import {
  type AlterShareGroupOffsetsRequest,
  type DeleteShareGroupOffsetsRequest,
  type DescribeShareGroupOffsetsRequest,
  Errors,
  errorOf,
} from "@samsa/protocol";
import type { GroupRunner } from "../../coordinator/groups.ts";
import type { ShareStateAnswer, StateFault } from "../../share/share-states.ts";
import type { Handler, ItemOf } from "../../handler.ts";
import type { BrokerParts } from "../../parts.ts";

type Needs = Pick<BrokerParts, "groups" | "shares" | "topics">;

type DescribedTopic = NonNullable<ItemOf<"DescribeShareGroupOffsets", "groups">["topics"]>[number];
type AskedTopics = NonNullable<DescribeShareGroupOffsetsRequest["groups"][number]["topics"]>;

const UNKNOWN_OFFSET = -1;
const NOTHING_THERE = "There is no offset information to delete.";

/** Describes the share group's start offset and lag in a partition. */
function place(parts: Needs, { topicName, index }: { topicName: string; index: number }, answer: ShareStateAnswer) {
  const { startOffset = UNKNOWN_OFFSET, leaderEpoch = 0, deliveryCompleteCount = -1 } = answer;
  // A share partition without state is no error.
  if (answer.errorCode !== 0)
    return { partitionIndex: index, startOffset: UNKNOWN_OFFSET, leaderEpoch: 0, lag: -1, errorCode: 0 };
  const end = parts.topics.partition(topicName, index)?.limit(false);
  const isKnown = startOffset !== UNKNOWN_OFFSET && deliveryCompleteCount !== -1 && end !== undefined;
  const lag = isKnown ? addI64(subtractI64(end, startOffset), -deliveryCompleteCount) : -1;
  return { partitionIndex: index, startOffset, leaderEpoch, lag, errorCode: 0 };
}

function described(
  parts: Needs,
  groupId: string,
  topics: ReadonlyMap<string, ReadonlySet<number>>,
  done: (topics: DescribedTopic[]) => void,
): void {
  let waiting = 1;
  const results: DescribedTopic[] = [];
  const end = (): void => {
    if (--waiting === 0) done(results);
  };
  for (const [topicName, partitions] of topics) {
    const topicId = parts.topics.idOf(topicName);
    const places: DescribedTopic["partitions"][number][] = [];
    results.push({ topicName, topicId: topicId ?? ZERO_UUID, partitions: places });
    for (const index of partitions) {
      if (topicId === undefined) {
        places.push({ partitionIndex: index, startOffset: UNKNOWN_OFFSET, leaderEpoch: 0, lag: -1, errorCode: 0 });
        continue;
      }
      waiting++;
      const request = { type: "summary", body: { partition: index, leaderEpoch: -1 } } as const;
      parts.shares.states.ask({ groupId, topicId, partition: index }, request, answer => {
        places.push(place(parts, { topicName, index }, answer));
        end();
      });
    }
  }
  end();
}

/** Groups partitions by topic; duplicates are merged. */
function merged(topics: AskedTopics): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>();
  for (const { topicName, partitions } of topics) {
    found.set(topicName, new Set([...(found.get(topicName) ?? []), ...partitions]));
  }
  return found;
}

/** True if Kafka's client of the share coordinator rejects such a group or partition before it sends a request. */
function isUnaskable(parts: Needs, groupId: string, topics: ReadonlyMap<string, Iterable<number>>): boolean {
  const known = [...topics].filter(([name]) => parts.topics.idOf(name) !== undefined);
  const isWrong = (partitions: readonly number[]) => partitions.length === 0 || partitions.some(index => index < 0);
  return known.length > 0 && (groupId === "" || known.some(([, partitions]) => isWrong([...partitions])));
}

/** All partitions for which a group has initialized state. */
function allOf(parts: Needs, runner: GroupRunner, groupId: string): AskedTopics {
  return [...runner.shard.shares.initializedOf(groupId)].flatMap(([topicId, partitions]) => {
    const topicName = parts.topics.nameOf(topicId);
    return topicName === undefined ? [] : [{ topicName, partitions: [...partitions] }];
  });
}

export const describeShareGroupOffsets: Handler<"DescribeShareGroupOffsets", Needs> = (
  parts,
  { groups },
  _context,
  reply,
) => {
  let waiting = 1;
  const results: ItemOf<"DescribeShareGroupOffsets", "groups">[] = [];
  const end = (): void => {
    if (--waiting === 0) reply({ throttleTimeMs: 0, groups: results });
  };
  groups.forEach(({ groupId, topics }, i) => {
    const runner = parts.groups.of(groupId);
    if (typeof runner === "number" || !parts.shares.isEnabled) {
      const isAway = parts.shares.isEnabled && typeof runner === "number";
      const fault = isAway ? errorOf(runner) : Errors.UNSUPPORTED_VERSION;
      results[i] = { groupId, topics: [], errorCode: fault.code, errorMessage: fault.message };
      return;
    }
    const asked = merged(topics ?? allOf(parts, runner, groupId));
    if (isUnaskable(parts, groupId, asked)) {
      const { code: errorCode, message: errorMessage } = Errors.UNKNOWN_SERVER_ERROR;
      results[i] = { groupId, topics: [], errorCode, errorMessage };
      return;
    }
    waiting++;
    described(parts, groupId, asked, shown => {
      results[i] = { groupId, topics: shown, errorCode: 0, errorMessage: null };
      end();
    });
  });
  end();
};

/** Runner of the shard for a group that an administrator changes, or the error code. */
function runnerOf(parts: Needs, groupId: string): GroupRunner | number {
  if (!parts.shares.isEnabled) return Errors.UNSUPPORTED_VERSION.code;
  if (groupId === "") return Errors.INVALID_GROUP_ID.code;
  return parts.groups.of(groupId);
}

function refusal(errorCode: number) {
  return { throttleTimeMs: 0, errorCode, errorMessage: errorOf(errorCode).message, responses: [] };
}

interface AlteredPartition {
  readonly partitionIndex: number;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** Alterations that AlterShareGroupOffsets asks for, by topic, and outcomes that are known beforehand. */
function alterations(parts: Needs, { topics }: AlterShareGroupOffsetsRequest) {
  const { code, message } = Errors.UNKNOWN_TOPIC_OR_PARTITION;
  const changes = new Map<Uuid, { topicId: Uuid; name: string; offsets: Map<number, Int64> }>();
  const outcomes = new Map<string, AlteredPartition[]>();
  for (const { topicName: name, partitions } of topics) {
    const topic = parts.topics.topic(name);
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

export const alterShareGroupOffsets: Handler<"AlterShareGroupOffsets", Needs> = (parts, request, _context, reply) => {
  const { groupId } = request;
  const runner = runnerOf(parts, groupId);
  if (typeof runner === "number") return reply(refusal(runner));
  const { changes, outcomes } = alterations(parts, request);
  const asked = new Map(request.topics.map(({ topicName, partitions }) => [topicName, partitions]));
  const isNegative = ([name, partitions]: readonly [string, readonly { readonly partitionIndex: number }[]]): boolean =>
    parts.topics.idOf(name) !== undefined && partitions.some(({ partitionIndex }) => partitionIndex < 0);
  const answer = (faults: readonly StateFault[]): void => {
    const responses = [...outcomes].map(([topicName, partitions]) => {
      const topicId = parts.topics.idOf(topicName) ?? ZERO_UUID;
      const shown = partitions.map(one => {
        const fault = faults.find(other => other.topicId === topicId && other.partition === one.partitionIndex);
        return fault === undefined || one.errorCode !== 0 ? one : { ...one, ...withoutPlace(fault) };
      });
      return { topicName, topicId, partitions: shown };
    });
    reply({ throttleTimeMs: 0, errorCode: 0, errorMessage: null, responses });
  };
  parts.groups.forShares(runner, shares => {
    const fault = shares.adminFault(groupId, true);
    if (fault !== 0) return reply(refusal(fault));
    // Kafka's client of the share coordinator rejects a negative partition index.
    if ([...asked].some(isNegative)) return reply(refusal(Errors.UNKNOWN_SERVER_ERROR.code));
    shares.alter(groupId, changes, what => {
      if (typeof what === "number") return reply(refusal(what));
      parts.shares.states.initialize(what, faults => {
        if (faults.length === 0 && what.topics.length > 0 && !runner.failed) {
          parts.groups.forShares(runner, known => known.initialized(what, true));
        }
        // Consumers read from the new start offset from now on.
        parts.shares.reload(groupId);
        answer(faults);
      });
    });
  });
};

function withoutPlace({ errorCode, errorMessage }: StateFault) {
  return { errorCode, errorMessage };
}

/** Outcomes for topics that do not exist or have no state in the group. */
function absent(parts: Needs, topics: DeleteShareGroupOffsetsRequest["topics"], states: ReadonlyMap<Uuid, unknown>) {
  const { code: errorCode, message } = Errors.UNKNOWN_TOPIC_OR_PARTITION;
  return topics.flatMap(({ topicName }) => {
    const topicId = parts.topics.idOf(topicName);
    const errorMessage = topicId === undefined ? message : NOTHING_THERE;
    return topicId !== undefined && states.has(topicId)
      ? []
      : [{ topicName, topicId: ZERO_UUID, errorCode, errorMessage }];
  });
}

export const deleteShareGroupOffsets: Handler<"DeleteShareGroupOffsets", Needs> = (
  parts,
  { groupId, topics },
  _context,
  reply,
) => {
  const runner = runnerOf(parts, groupId);
  if (typeof runner === "number") return reply(refusal(runner));
  const wanted = new Set(topics.flatMap(({ topicName }) => parts.topics.idOf(topicName) ?? []));
  const hasStates = runner.shard.shares.hasStates(groupId);
  parts.groups.forShares(runner, shares =>
    shares.beginForgetting(groupId, wanted, states => {
      if (typeof states === "number") return reply(refusal(states));
      const answer = (faults: ReadonlyMap<Uuid, number>): void => {
        const gone = [...states.keys()].map(topicId => {
          const errorCode = faults.get(topicId) ?? 0;
          const errorMessage = errorCode === 0 ? null : errorOf(errorCode).message;
          return { topicName: parts.topics.nameOf(topicId) ?? "", topicId, errorCode, errorMessage };
        });
        const responses = hasStates ? [...gone, ...absent(parts, topics, states)] : [];
        reply({ throttleTimeMs: 0, errorCode: 0, errorMessage: null, responses });
      };
      parts.shares.states.delete(groupId, states, found => {
        parts.shares.reload(groupId);
        const faults = new Map(found.map(({ topicId, errorCode }) => [topicId, errorCode]));
        const gone = new Set([...states.keys()].filter(topicId => !faults.has(topicId)));
        if (gone.size === 0) return answer(faults);
        if (runner.failed) return reply(refusal(Errors.NOT_COORDINATOR.code));
        parts.groups.forShares(runner, now =>
          now.forgotten(groupId, gone, errorCode => (errorCode === 0 ? answer(faults) : reply(refusal(errorCode)))),
        );
      });
    }),
  );
};

/** Deletes the state of a share group's partitions, then the group, if it has no members. */
export function deleteShareGroup(
  parts: Needs,
  runner: GroupRunner,
  groupId: string,
  done: (errorCode: number) => void,
): void {
  parts.groups.forShares(runner, shares =>
    shares.beginDeletion(groupId, states => {
      if (typeof states === "number") return done(states);
      parts.shares.states.delete(groupId, states, faults => {
        const [fault] = faults;
        if (fault !== undefined) return done(fault.errorCode);
        if (runner.failed) return done(Errors.NOT_COORDINATOR.code);
        parts.shares.reload(groupId);
        runner.run((out, now) => runner.shard.delete(now, groupId, out, done));
      });
    }),
  );
}
