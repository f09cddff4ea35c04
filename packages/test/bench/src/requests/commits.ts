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

const GROUPS = 32;
const IN_FLIGHT = 4;
const PARTITIONS = 8;
const TOPIC = "committed";

/** Offsets that a request commits. */
export interface Commit {
  readonly groupId: string;
  readonly name: string;
  readonly topicId: Uuid;
  /** Partitions 0 to this, exclusive, or this one alone. */
  readonly partitions: readonly number[];
  readonly offset: number;
}

/** Commits offsets of a group without members; again while its coordinator is not there. */
export async function commit(connection: BrokerConnection, { groupId, partitions, ...what }: Commit): Promise<void> {
  const { name, topicId, offset } = what;
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
    Array.from({ length: IN_FLIGHT }, (_, lane) => () => {
      const commit1 = { groupId, name: TOPIC, topicId, partitions: [lane], offset: offset++ };
      return commit(connection, commit1);
    }),
  );
  const { warmMs, measuredMs } = spans(target.quick);
  await repeated(warmMs, lanes);
  const { result, seconds, cpu } = await costOf(target, () => repeated(measuredMs, lanes));
  for (const connection of connections) connection.close();
  return { "commits.rate": result / seconds, "commits.cpu": (cpu / result) * 1e6 };
}
