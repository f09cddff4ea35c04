import { entryAt, type Uuid } from "@samsa/base";
import type { BrokerConnection } from "@samsa/wire";
import {
  connectAll,
  coordinatorsOf,
  costOf,
  createTopic,
  expectNone,
  isEarly,
  type Measured,
  repeated,
  spans,
  type Target,
} from "./target.ts";
import { sleep } from "../system/sleep.ts";

/** Groups, each with a connection of its own. */
const GROUPS = 32;
/** Requests of a group that wait for answers, each for a partition of its own. */
const IN_FLIGHT = 4;
const PARTITIONS = 8;
const TOPIC = "committed";

/** Commit of one offset of several partitions of a topic. */
export interface Commit {
  readonly groupId: string;
  /** Name of the topic. */
  readonly name: string;
  readonly topicId: Uuid;
  /** Indexes of the partitions. */
  readonly partitions: readonly number[];
  readonly offset: number;
}

/** Commits for a group without members; again while its coordinator is not there. */
export async function commit(connection: BrokerConnection, request: Commit): Promise<void> {
  const { groupId, name, topicId, partitions, offset } = request;
  const rows = partitions.map(partitionIndex => ({
    partitionIndex,
    committedOffset: offset,
    committedLeaderEpoch: 0,
    committedMetadata: "",
  }));
  const topics = [{ name, topicId, partitions: rows }];
  for (;;) {
    const response = await connection.call("OffsetCommit", { groupId, memberId: "", topics });
    const codes = response.topics.flatMap(topic => topic.partitions.map(({ errorCode }) => errorCode));
    const refused = codes.find(code => code !== 0);
    if (refused === undefined && codes.length === rows.length) return;
    if (refused === undefined || !isEarly(refused)) expectNone(refused, `a commit of ${groupId}`);
    await sleep(5);
  }
}

/** Measures commits of one partition each, of several groups, each over its own connection with several in flight. */
export async function commits(target: Target): Promise<Measured> {
  const connections = await connectAll(target, GROUPS, IN_FLIGHT);
  const first = entryAt(connections, 0);
  const topicId = await createTopic(first, TOPIC, PARTITIONS);
  const groups = connections.map((connection, i) => ({ connection, groupId: `group-${i}` }));
  await coordinatorsOf(
    first,
    groups.map(({ groupId }) => groupId),
  );
  let offset = 0;
  const lanes = groups.flatMap(({ connection, groupId }) =>
    Array.from({ length: IN_FLIGHT }, (_, partition) => () => {
      return commit(connection, { groupId, name: TOPIC, topicId, partitions: [partition], offset: offset++ });
    }),
  );
  const { warmMs, measuredMs } = spans(target.quick);
  await repeated(warmMs, lanes);
  const { result, seconds, cpu } = await costOf(target, () => repeated(measuredMs, lanes));
  for (const connection of connections) connection.close();
  return { "commits.rate": result / seconds, "commits.cpu": (cpu / result) * 1e6 };
}
