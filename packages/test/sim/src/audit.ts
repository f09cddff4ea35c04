import { type Uuid, ZERO_UUID } from "@samsa/base";
import { WATCHED } from "./clients/admin.ts";
import { CALLS } from "./stage/calls.ts";
import type { Client } from "./stage/client.ts";
import { committedOffsets, IDLE_GROUP, SHARED_GROUP, SHARES } from "./clients/member.ts";
import { startOf } from "./stage/offsets.ts";
import type { Extent } from "./ledgers/log-ledger.ts";
import { type Ending, Violation } from "./ledgers/rules.ts";
import { OUT_OF_RANGE, type Stage, TOPIC, type TopicPlace } from "./stage/stage.ts";
import { SUBSCRIBED_GROUP } from "./clients/subscriber.ts";
import type { TopicEntry } from "./ledgers/topic-ledger.ts";

const GROUPS = [SHARED_GROUP, IDLE_GROUP, SUBSCRIBED_GROUP];

interface Place extends Extent {
  readonly place: TopicPlace;
}

/** Reads a partition to its end; undefined when an answer is missing. */
async function readThrough(stage: Stage, client: Client, place: TopicPlace): Promise<Place | undefined> {
  const { topicId, partition } = place;
  const start = await startOf(stage, client, place);
  if (start === undefined) return undefined;
  stage.logs.history.push({ type: "seek", process: client.name, log: `${topicId}/${partition}` });
  const seen = new Map<number, string>();
  for (let fetchOffset = start; ; ) {
    const topics = [{ topicId, partitions: [{ partition, fetchOffset, partitionMaxBytes: 100_000 }] }];
    const answer = await client.ask(CALLS.fetch, { maxWaitMs: 0, minBytes: 0, topics });
    const found = answer?.responses[0]?.partitions[0];
    if (found === undefined) return undefined;
    // Skip the damaged range.
    const beyond = stage.logs.beyondDamage(place, fetchOffset);
    if (beyond !== undefined && found.errorCode !== 0) {
      if (beyond === Infinity) return { place, start, end: fetchOffset, seen };
      fetchOffset = beyond;
      continue;
    }
    // Retention may have moved the log start offset meanwhile: ask for it again.
    if (found.errorCode === OUT_OF_RANGE && fetchOffset < ((await startOf(stage, client, place)) ?? 0))
      return undefined;
    if (found.errorCode !== 0) return undefined;
    const { highWatermark, logStartOffset, records } = found;
    const next = stage.logs.fetched({
      ...place,
      process: client.name,
      fetchOffset,
      highWatermark: Number(highWatermark),
      logStartOffset: Number(logStartOffset),
      since: 0,
      startedAt: start,
      records: records ?? [],
      seen,
    });
    if (next >= highWatermark) {
      return { place, start: Math.max(Number(logStartOffset), stage.logs.startOf(place)), end: next, seen };
    }
    if (next === fetchOffset) {
      if (beyond !== undefined && beyond !== Infinity) {
        fetchOffset = beyond;
        continue;
      }
      if (beyond !== undefined) return { place, start: Number(logStartOffset), end: next, seen };
      throw new Violation("offsets have a gap", `nothing at ${next}, below ${highWatermark}`);
    }
    fetchOffset = next;
  }
}

/** Lists all topics; undefined without an answer. */
async function listTopics(
  client: Client,
): Promise<Map<string, { readonly id: Uuid; readonly partitions: number }> | undefined> {
  const answer = await client.ask(CALLS.metadata, { topics: null, allowAutoTopicCreation: false });
  if (answer === undefined) return undefined;
  return new Map(
    answer.topics.map(({ name, topicId, partitions }) => [
      name ?? "",
      { id: topicId ?? ZERO_UUID, partitions: partitions.length },
    ]),
  );
}

/** Topic-level values of the `WATCHED` settings, "" where none is set; undefined without an answer. */
async function settingsOf(client: Client, entry: TopicEntry): Promise<Map<string, string> | undefined> {
  const resources = [{ resourceType: TOPIC, resourceName: entry.name, configurationKeys: [...WATCHED] }];
  const answer = await client.ask(CALLS.describeConfigs, { resources });
  const result = answer?.results[0];
  if (result?.errorCode !== 0) return undefined;
  return new Map(
    result.configs.map(({ name, configSource, value }) => [name, configSource === 1 ? (value ?? "") : ""]),
  );
}

/**
 * Checks all promises against a restarted broker while no other client is active. False when an answer is missing.
 */
export async function audit(stage: Stage, client: Client, ending: Ending): Promise<boolean> {
  const { topics, logs, groups } = stage;
  const found = await listTopics(client);
  if (found === undefined) return false;
  topics.audited(found);
  const extents: Place[] = [];
  for (const topic of topics.usable()) {
    logs.opened(topic.id, topic);
    const settings = await settingsOf(client, topic);
    if (settings === undefined) return false;
    topics.settingsAudited(topic, settings);
    for (let partition = 0; partition < topic.partitions; partition++) {
      const extent = await readThrough(stage, client, { topic, topicId: topic.id, partition });
      if (extent === undefined) return false;
      extents.push(extent);
    }
  }
  const offsets = new Map<string, number[]>();
  for (const group of found.has("__consumer_offsets") ? GROUPS : []) {
    const committed = await committedOffsets(client, group);
    if (committed === undefined) return false;
    offsets.set(group, committed);
  }
  for (const { place, ...extent } of extents) logs.audited(place, extent, ending);
  for (const group of GROUPS) {
    SHARES.forEach((partition, i) => groups.audited(group, partition, offsets.get(group)?.[i] ?? -1, ending));
  }
  return true;
}
