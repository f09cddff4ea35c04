import { addI64, type PartitionIndex, subtractI64, type Uuid, type WireOffset, ZERO_UUID } from "@samsa/base";
import {
  type AlterShareGroupOffsetsRequest,
  type DeleteShareGroupOffsetsRequest,
  type DescribeShareGroupOffsetsRequest,
  Errors,
  errorOf,
} from "@samsa/protocol";
import type { GroupRunner } from "../../coordinator/groups.ts";
import { type LatestOffset, LatestOffsets } from "../../share/latest-offsets.ts";
import type { ShareStateAnswer } from "../../share/share-state-answer.ts";
import type { StateFault } from "../../share/share-states.ts";
import type { ItemOf, TopicHandler } from "../../request/handler.ts";
import type { RequestTopics } from "../../request/request-topics.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "groups" | "shares">;

type DescribedTopic = NonNullable<ItemOf<"DescribeShareGroupOffsets", "groups">["topics"]>[number];
type AskedTopics = NonNullable<DescribeShareGroupOffsetsRequest["groups"][number]["topics"]>;

const UNKNOWN_OFFSET = -1;
const UNAUTHORIZED = Errors.TOPIC_AUTHORIZATION_FAILED;
const NOTHING_THERE = "There is no offset information to delete.";

/** Partition of a described topic, with its state. */
interface Place {
  readonly topic: string;
  readonly index: PartitionIndex;
  readonly answer: ShareStateAnswer;
}

/** True if the state of a share partition tells how many records are left. */
function hasLag({ answer }: Place): boolean {
  const { errorCode, startOffset = UNKNOWN_OFFSET, deliveryCompleteCount = -1 } = answer;
  return errorCode === 0 && startOffset !== UNKNOWN_OFFSET && deliveryCompleteCount !== -1;
}

/** Describes the share group's start offset and lag in a partition; `end` is undefined if it has no lag. */
function shownPlace({ index: partitionIndex, answer }: Place, end: LatestOffset | undefined) {
  const { startOffset = UNKNOWN_OFFSET, leaderEpoch = 0, deliveryCompleteCount = -1 } = answer;
  // A share partition without state is no error.
  if (answer.errorCode !== 0)
    return { partitionIndex, startOffset: UNKNOWN_OFFSET, leaderEpoch: 0, lag: -1, errorCode: 0 };
  if (end === undefined) return { partitionIndex, startOffset, leaderEpoch, lag: -1, errorCode: 0 };
  const { offset, errorCode } = end;
  if (errorCode !== 0) {
    const { message: errorMessage } = errorOf(errorCode);
    return { partitionIndex, startOffset: 0, leaderEpoch: 0, lag: -1, errorCode, errorMessage };
  }
  const lag = addI64(subtractI64(offset, startOffset), -deliveryCompleteCount);
  return { partitionIndex, startOffset, leaderEpoch, lag, errorCode: 0 };
}

/** State of share partitions, and the topics that a request may use. */
interface View {
  readonly shares: Needs["shares"];
  readonly known: RequestTopics;
}

function described(
  { shares, known }: View,
  groupId: string,
  topics: ReadonlyMap<string, ReadonlySet<PartitionIndex>>,
  done: (topics: DescribedTopic[]) => void,
): void {
  let waiting = 1;
  const results: { topicName: string; topicId: Uuid; places: Place[] }[] = [];
  const refusals: DescribedTopic[] = [];
  const end = (): void => {
    if (--waiting > 0) return;
    const wanted = results.flatMap(({ places }) => places.filter(hasLag));
    shares.latestOffsets.list(wanted, ends => {
      const all = results.map(({ topicName, topicId, places }) => {
        const partitions = places.map(place =>
          shownPlace(place, hasLag(place) ? ends.get(LatestOffsets.keyOf(place)) : undefined),
        );
        return { topicName, topicId, partitions };
      });
      done([...all, ...refusals]);
    });
  };
  for (const [topicName, partitions] of topics) {
    if (!known.allows(topicName)) {
      refusals.push(undescribable(topicName, partitions));
      continue;
    }
    const topicId = known.image.topicIds.get(topicName);
    const places: Place[] = [];
    results.push({ topicName, topicId: topicId ?? ZERO_UUID, places });
    for (const index of partitions) {
      const told = (answer: ShareStateAnswer): void => void places.push({ topic: topicName, index, answer });
      if (topicId === undefined) {
        told({ errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION.code, errorMessage: null });
        continue;
      }
      waiting++;
      const request = { type: "summary", body: { partition: index, leaderEpoch: -1 } } as const;
      shares.states.ask({ groupId, topicId, partition: index }, request, answer => {
        told(answer);
        end();
      });
    }
  }
  end();
}

/** Answer for a topic that the client may not describe. */
function undescribable(topicName: string, partitions: Iterable<number>): DescribedTopic {
  const { code: errorCode, message: errorMessage } = UNAUTHORIZED;
  const refused = [...partitions].map(partitionIndex => {
    return { partitionIndex, startOffset: UNKNOWN_OFFSET, leaderEpoch: 0, lag: -1, errorCode, errorMessage };
  });
  return { topicName, topicId: ZERO_UUID, partitions: refused };
}

/** Groups partitions by topic; duplicates are merged. */
function merged(topics: AskedTopics): Map<string, Set<PartitionIndex>> {
  const found = new Map<string, Set<PartitionIndex>>();
  for (const { topicName, partitions } of topics) {
    found.set(topicName, new Set([...(found.get(topicName) ?? []), ...partitions]));
  }
  return found;
}

/** True if Kafka's client of the share coordinator rejects such a group or partition before it sends a request. */
function isUnaskable(topics: RequestTopics, groupId: string, asked: ReadonlyMap<string, Iterable<number>>): boolean {
  const known = [...asked].filter(([name]) => typeof topics.named(name) !== "number");
  const isWrong = (partitions: readonly PartitionIndex[]) =>
    partitions.length === 0 || partitions.some(index => index < 0);
  return known.length > 0 && (groupId === "" || known.some(([, partitions]) => isWrong([...partitions])));
}

/** All partitions for which a group has initialized state, of topics that the client may describe. */
function allOf(known: RequestTopics, runner: GroupRunner, groupId: string): AskedTopics {
  return [...runner.shard.shares.initializedOf(groupId)].flatMap(([topicId, partitions]) => {
    const topic = known.identified(topicId);
    return typeof topic === "number" ? [] : [{ topicName: topic.name, partitions: [...partitions] }];
  });
}

export const describeShareGroupOffsets: TopicHandler<"DescribeShareGroupOffsets", Needs> = (
  parts,
  { groups },
  { topics: known },
  reply,
) => {
  let waiting = 1;
  const results: ItemOf<"DescribeShareGroupOffsets", "groups">[] = [];
  const end = (): void => {
    if (--waiting === 0) reply({ throttleTimeMs: 0, groups: results });
  };
  groups.forEach(({ groupId, topics }, i) => {
    const runner = parts.groups.of(groupId);
    if (typeof runner === "number") {
      const { code: errorCode, message: errorMessage } = errorOf(runner);
      results[i] = { groupId, topics: [], errorCode, errorMessage };
      return;
    }
    const asked = merged(topics ?? allOf(known, runner, groupId));
    if (isUnaskable(known, groupId, asked)) {
      const { code: errorCode, message: errorMessage } = Errors.UNKNOWN_SERVER_ERROR;
      results[i] = { groupId, topics: [], errorCode, errorMessage };
      return;
    }
    waiting++;
    described({ shares: parts.shares, known }, groupId, asked, shown => {
      results[i] = { groupId, topics: shown, errorCode: 0, errorMessage: null };
      end();
    });
  });
  end();
};

/** Runner of the shard for a group that an administrator changes, or the error code. */
function runnerOf(parts: Needs, groupId: string): GroupRunner | number {
  if (groupId === "") return Errors.INVALID_GROUP_ID.code;
  return parts.groups.of(groupId);
}

function refusal(errorCode: number) {
  return { throttleTimeMs: 0, errorCode, errorMessage: errorOf(errorCode).message, responses: [] };
}

interface AlteredPartition {
  readonly partitionIndex: PartitionIndex;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** Alterations that AlterShareGroupOffsets asks for, by topic, and outcomes that are known beforehand. */
function alterations(known: RequestTopics, { topics }: AlterShareGroupOffsetsRequest) {
  const changes = new Map<Uuid, { topicId: Uuid; name: string; offsets: Map<PartitionIndex, WireOffset> }>();
  const outcomes = new Map<string, AlteredPartition[]>();
  for (const { topicName: name, partitions } of topics) {
    const found = known.named(name);
    const topic = typeof found === "number" ? undefined : found;
    const { code, message } = typeof found === "number" ? errorOf(found) : Errors.UNKNOWN_TOPIC_OR_PARTITION;
    const change =
      topic && (changes.get(topic.id) ?? { topicId: topic.id, name, offsets: new Map<PartitionIndex, WireOffset>() });
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

export const alterShareGroupOffsets: TopicHandler<"AlterShareGroupOffsets", Needs> = (
  parts,
  request,
  { topics: known },
  reply,
) => {
  const { groupId } = request;
  const runner = runnerOf(parts, groupId);
  if (typeof runner === "number") return reply(refusal(runner));
  const { changes, outcomes } = alterations(known, request);
  const asked = new Map(request.topics.map(({ topicName, partitions }) => [topicName, partitions]));
  const isNegative = ([name, partitions]: readonly [
    string,
    readonly { readonly partitionIndex: PartitionIndex }[],
  ]): boolean => typeof known.named(name) !== "number" && partitions.some(({ partitionIndex }) => partitionIndex < 0);
  const answer = (faults: readonly StateFault[]): void => {
    const responses = [...outcomes].map(([topicName, partitions]) => {
      const topicId = known.image.topicIds.get(topicName) ?? ZERO_UUID;
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
          parts.groups.forShares(runner, now => now.initialized(what, true));
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
function absent(
  known: RequestTopics,
  topics: DeleteShareGroupOffsetsRequest["topics"],
  states: ReadonlyMap<Uuid, unknown>,
) {
  const { code: errorCode, message } = Errors.UNKNOWN_TOPIC_OR_PARTITION;
  return topics.flatMap(({ topicName }) => {
    const topicId = known.image.topicIds.get(topicName);
    const errorMessage = topicId === undefined ? message : NOTHING_THERE;
    return topicId !== undefined && states.has(topicId)
      ? []
      : [{ topicName, topicId: ZERO_UUID, errorCode, errorMessage }];
  });
}

export const deleteShareGroupOffsets: TopicHandler<"DeleteShareGroupOffsets", Needs> = (
  parts,
  { groupId, topics },
  { topics: known },
  reply,
) => {
  const runner = runnerOf(parts, groupId);
  if (typeof runner === "number") return reply(refusal(runner));
  const refused = topics.filter(({ topicName }) => !known.allows(topicName));
  const allowed = topics.filter(({ topicName }) => known.allows(topicName));
  const wanted = new Set(allowed.flatMap(({ topicName }) => known.image.topicIds.get(topicName) ?? []));
  const hasStates = runner.shard.shares.hasStates(groupId);
  parts.groups.forShares(runner, shares =>
    shares.beginForgetting(groupId, wanted, states => {
      if (typeof states === "number") return reply(refusal(states));
      const answer = (faults: ReadonlyMap<Uuid, number>): void => {
        const gone = [...states.keys()].map(topicId => {
          const errorCode = faults.get(topicId) ?? 0;
          const errorMessage = errorCode === 0 ? null : errorOf(errorCode).message;
          return { topicName: known.image.topics.get(topicId)?.name ?? "", topicId, errorCode, errorMessage };
        });
        const { code: errorCode, message: errorMessage } = UNAUTHORIZED;
        const refusals = refused.map(({ topicName }) => ({ topicName, topicId: ZERO_UUID, errorCode, errorMessage }));
        const responses = [...refusals, ...(hasStates ? [...gone, ...absent(known, allowed, states)] : [])];
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
