import type { Offset, PartitionIndex } from "@samsa/base";
import { partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { Admin } from "@samsa/client-runtime";
import { Failure } from "../../terminal/failure.ts";
import { placeOf } from "./place.ts";

/** Partitions that texts name: all of a topic, or `topic:0,1`. Rejects with a `Failure` that names `what`. */
export async function partitionsOf(admin: Admin, texts: readonly string[], what: string): Promise<TopicPartition[]> {
  const named = texts.map(text => {
    const [, topic = "", list] = /^([^:]+)(?::(\d{1,10}(?:,\d{1,10})*))?$/.exec(text) ?? [];
    if (topic === "") throw new Failure(`${what} wants name or name:partition,…, not "${text}"`);
    return { topic, list };
  });
  const described = await admin.topics.describe([...new Set(named.map(({ topic }) => topic))]);
  return named.flatMap(({ topic, list }) => {
    const present = described.value(topic).partitions.map(({ partition }) => partition);
    const partitions: readonly PartitionIndex[] = list === undefined ? present : list.split(",").map(Number);
    const missing = partitions.find(partition => !present.includes(partition));
    if (missing !== undefined) throw new Failure(`topic ${topic} has no partition ${missing}`);
    return partitions.map(partition => ({ topic, partition }));
  });
}

/** New offsets, within the bounds of the logs. */
export async function targets(
  admin: Admin,
  partitions: readonly TopicPartition[],
  wish: {
    readonly to: string | undefined;
    readonly by: number | undefined;
    readonly before: ReadonlyMap<string, Offset>;
  },
): Promise<(TopicPartition & { readonly offset: Offset })[]> {
  const ends = async (at: "earliest" | "latest" | { readonly timestamp: number }): Promise<Map<string, Offset>> => {
    const found = await admin.offsets(partitions.map(({ topic, partition }) => ({ topic, partition, at })));
    return new Map([...found.orThrow()].map(([key, { offset }]) => [key, offset]));
  };
  const [starts, lasts] = await Promise.all([ends("earliest"), ends("latest")]);
  const place = wish.to === undefined ? undefined : placeOf(wish.to, "--to");
  const looked = place !== undefined && "at" in place ? await ends(place.at) : undefined;
  return partitions.map(({ topic, partition }) => {
    const key = partitionKey(topic, partition);
    const [start = 0, last = 0] = [starts.get(key), lasts.get(key)];
    const moved = (wish.before.get(key) ?? start) + (wish.by ?? 0);
    const found = looked?.get(key);
    // No record at or after a time: the end of the log.
    const aim =
      looked === undefined
        ? place !== undefined && "offset" in place
          ? place.offset
          : moved
        : found === -1
          ? last
          : found;
    return { topic, partition, offset: Math.min(Math.max(aim ?? last, start), last) };
  });
}
