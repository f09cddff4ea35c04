import { join } from "node:path";
import { WireError } from "@samsa/wire";
import type { Contender } from "./contenders.ts";
import type { Java } from "./java.ts";
import type { Figures, Place } from "./loads.ts";
import { requests } from "./request-loads.ts";
import { roundsOf, STORED } from "./requests/stored-commits.ts";
import { connect, isEarly } from "./requests/target.ts";
import type { BrokerProcess } from "./process.ts";
import { sleep } from "./system/sleep.ts";

/** Settings with which all commits go to one partition, in one segment, so that they are not compacted. */
const SETTINGS = ["offsets.topic.num.partitions=1", "offsets.topic.segment.bytes=1073741824"];
const LIMIT_MS = 120_000;

/** Committed offset of a group's first partition; undefined while the coordinator is not there. */
async function committed(broker: BrokerProcess, groupId: string): Promise<number | undefined> {
  const connection = await connect(broker);
  try {
    const asked = { groupId, memberId: null, memberEpoch: -1, topics: null };
    const { groups } = await connection.call("OffsetFetch", version => {
      if (version < 8) throw new Error("the broker knows only old versions of OffsetFetch");
      return { groups: [asked], requireStable: false };
    });
    const [group] = groups;
    if (group === undefined || isEarly(group.errorCode)) return undefined;
    if (group.errorCode !== 0) throw new Error(`the offsets of ${groupId} cannot be read: error ${group.errorCode}`);
    const partition = group.topics[0]?.partitions.find(({ partitionIndex }) => partitionIndex === 0);
    return Number(partition?.committedOffset ?? -1);
  } finally {
    connection.close();
  }
}

/** Waits until a group has its offset; returns the time since the spawn of the broker, in ms, and its processor seconds. */
async function untilCommitted(broker: BrokerProcess, groupId: string, offset: number) {
  const began = performance.now() - broker.startMs;
  while (performance.now() - began < LIMIT_MS) {
    const found = await committed(broker, groupId).catch((error: unknown) => {
      if (error instanceof WireError) return undefined;
      throw error;
    });
    const ms = performance.now() - began;
    if (found === offset) return { ms, cpu: broker.cpuSeconds() ?? Number.NaN };
    if (found !== undefined) throw new Error(`${groupId} has the offset ${found} instead of ${offset}`);
    await sleep(2);
  }
  throw new Error(`${LIMIT_MS} ms went by without the offsets of ${groupId}`);
}

/**
 * Measures a start until a group answers, with few commits, and again with a million in the same partition. The
 * difference is the time to load them.
 */
export async function loading(contender: Contender, _java: Java, { folder, quick }: Place): Promise<Figures> {
  await contender.prepare(folder);
  const start = (): Promise<BrokerProcess> => contender.start(folder, { settings: SETTINGS });
  let broker = await start();
  try {
    await requests("stored-commit", { broker, data: join(folder, "data"), quick });
    await broker.stop();
    broker = await start();
    const before = await untilCommitted(broker, STORED.first, 1);
    await requests("stored-commits", { broker, data: join(folder, "data"), quick });
    await broker.stop();
    broker = await start();
    const after = await untilCommitted(broker, STORED.first, roundsOf(quick));
    return new Map([
      ["loading.start", after.ms],
      ["loading.more", after.ms - before.ms],
      ["loading.cpu", after.cpu - before.cpu],
    ]);
  } finally {
    await broker.stop();
  }
}
