import { entryAt } from "@samsa/base";
import { commit } from "./commits.ts";
import { connect, connectAll, coordinatorsOf, createTopic, type Measured, type Target, topicIdOf } from "./target.ts";

/** Groups and partitions of the commits that a broker loads, and the topic. */
export const STORED = { topic: "stored", groups: 100, partitions: 1000, first: "stored-0" } as const;
const LANES = 10;

/** Number of commits of each partition of each group: a million commits in all, or a third. */
export const roundsOf = (quick: boolean): number => (quick ? 3 : 10);

/** Commits the offset 1 of the first partition of the first group. */
export async function storeCommit(target: Target): Promise<Measured> {
  const connection = await connect(target);
  const { topic: name, first: groupId } = STORED;
  const topicId = await createTopic(connection, name, STORED.partitions);
  await coordinatorsOf(connection, [groupId]);
  await commit(connection, { groupId, name, topicId, partitions: [0], offset: 1 });
  connection.close();
  return {};
}

/**
 * Commits the offset `round` of all partitions of all groups in each round, in requests of one group each, after
 * `storeCommit`.
 */
export async function storeCommits(target: Target): Promise<Measured> {
  const connections = await connectAll(target, LANES);
  const { topic: name } = STORED;
  const topicId = await topicIdOf(entryAt(connections, 0), name, STORED.partitions);
  const groupIds = Array.from({ length: STORED.groups }, (_, i) => `stored-${i}`);
  const partitions = Array.from({ length: STORED.partitions }, (_, i) => i);
  for (let round = 1; round <= roundsOf(target.quick); round++) {
    const left = [...groupIds];
    const lanes = connections.map(async connection => {
      for (let groupId = left.pop(); groupId !== undefined; groupId = left.pop()) {
        await commit(connection, { groupId, name, topicId, partitions, offset: round });
      }
    });
    await Promise.all(lanes);
  }
  for (const connection of connections) connection.close();
  return {};
}
