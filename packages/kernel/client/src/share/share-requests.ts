import type { PartitionIndex, Uuid } from "@samsa/base";
import { AcknowledgementSet, type AcknowledgementBatch } from "./acknowledgement-set.ts";
import type { ShareAcknowledgeDraft, ShareFetchDraft } from "./share-effects.ts";
import type { ShareFetchOptions } from "./share-options.ts";
import { placeKey, type SessionChanges, type SharePlace } from "./share-session.ts";

/** Acknowledgements of a partition. */
export interface Said {
  readonly place: SharePlace;
  readonly set: AcknowledgementSet;
}

interface TopicDraft {
  readonly topicId: Uuid;
  readonly partitions: {
    readonly partitionIndex: PartitionIndex;
    readonly acknowledgementBatches: AcknowledgementBatch[];
  }[];
}

/** First version of both APIs with renewals (KIP-1222). */
const RENEWAL_VERSION = 2;

/** Partitions by topic, with their acknowledgements: each partition once, whatever it was acquired in. */
function topicsOf(added: readonly SharePlace[], said: readonly Said[]): TopicDraft[] {
  const places = new Map<string, { readonly place: SharePlace; readonly set: AcknowledgementSet }>();
  const entry = (place: SharePlace): AcknowledgementSet => {
    const key = placeKey(place.topicId, place.partition);
    let found = places.get(key);
    if (found === undefined) places.set(key, (found = { place, set: new AcknowledgementSet() }));
    return found.set;
  };
  for (const place of added) entry(place);
  for (const { place, set } of said) entry(place).absorb(set);
  const topics = new Map<Uuid, TopicDraft>();
  for (const { place, set } of places.values()) {
    const { topicId, partition } = place;
    let topic = topics.get(topicId);
    if (topic === undefined) topics.set(topicId, (topic = { topicId, partitions: [] }));
    topic.partitions.push({ partitionIndex: partition, acknowledgementBatches: set.batches() });
  }
  return [...topics.values()];
}

function idsOf(places: readonly SharePlace[]): { readonly topicId: Uuid; readonly partitions: PartitionIndex[] }[] {
  const topics = new Map<Uuid, PartitionIndex[]>();
  for (const { topicId, partition } of places) {
    const known = topics.get(topicId);
    if (known === undefined) topics.set(topicId, [partition]);
    else known.push(partition);
  }
  return [...topics].map(([topicId, partitions]) => ({ topicId, partitions }));
}

/** Fetch of `count` records that carries acknowledgements, too. */
export function fetchDraft(
  options: ShareFetchOptions,
  { epoch, added, forgotten }: SessionChanges,
  said: readonly Said[],
  {
    count,
    waitMs,
    has,
  }: { readonly count: number; readonly waitMs: number; readonly has: (place: SharePlace) => boolean },
): ShareFetchDraft {
  const { groupId, memberId, minBytes, maxBytes, acquireMode } = options;
  // A partition that is named for its acknowledgements would become part of the session.
  const gone = new Map(forgotten.map(place => [placeKey(place.topicId, place.partition), place]));
  for (const { place } of said) if (!has(place)) gone.set(placeKey(place.topicId, place.partition), place);
  return {
    ...{ groupId, memberId, minBytes, maxBytes },
    shareSessionEpoch: epoch,
    maxWaitMs: waitMs,
    maxRecords: count,
    batchSize: count,
    shareAcquireMode: acquireMode === "record_limit" ? 1 : 0,
    topics: topicsOf(added, said),
    forgottenTopicsData: idsOf([...gone.values()]),
  };
}

/** Acknowledgements or renewals, for any version; one without renewals sends none. */
export function acknowledgeDraft(
  { groupId, memberId }: ShareFetchOptions,
  shareSessionEpoch: number,
  said: readonly Said[],
  isRenewAck: boolean,
): (version: number) => ShareAcknowledgeDraft {
  const topics = topicsOf([], said);
  return version => {
    if (knowsRenewal(version)) return { groupId, memberId, shareSessionEpoch, isRenewAck, topics };
    return { groupId, memberId, shareSessionEpoch, topics: isRenewAck ? [] : topics };
  };
}

/** True if a version of ShareAcknowledge carries renewals. */
export function knowsRenewal(version: number): boolean {
  return version >= RENEWAL_VERSION;
}
