import { CALLS } from "./calls.ts";
import type { Client } from "./client.ts";
import { Violation } from "../ledgers/rules.ts";
import { EXCUSED, type Stage, type TopicPlace } from "./stage.ts";

/** Special timestamps of ListOffsets. */
export const SPECIAL = { earliest: -2, latest: -1, youngest: -3 } as const;

/** Offset and timestamp that ListOffsets returned. */
export interface Found {
  readonly offset: number;
  readonly timestamp: number;
}

/** Calls ListOffsets for one partition. Undefined without an answer, or if the topic may have been deleted. */
export async function offsetFor(
  client: Client,
  { topic, partition }: TopicPlace,
  timestamp: number,
): Promise<Found | undefined> {
  const topics = [{ name: topic.name, partitions: [{ partitionIndex: partition, timestamp: timestamp }] }];
  const answer = await client.ask(CALLS.listOffsets, { replicaId: -1, isolationLevel: 0, topics });
  const found = answer?.topics[0]?.partitions[0];
  if (found === undefined || topic.state !== "there" || EXCUSED.has(found.errorCode)) return undefined;
  if (found.errorCode !== 0) {
    throw new Violation("a good request was refused", `error ${found.errorCode} to ListOffsets of ${topic.name}`);
  }
  return { ...found, offset: Number(found.offset), timestamp: Number(found.timestamp) };
}

/** Log start offset of a partition, as ListOffsets reports it now; also recorded in the ledger. */
export async function startOf(stage: Stage, client: Client, place: TopicPlace): Promise<number | undefined> {
  const since = stage.logs.startOf(place);
  const found = await offsetFor(client, place, SPECIAL.earliest);
  if (found === undefined) return undefined;
  stage.logs.started(place, found.offset, since);
  return found.offset;
}
