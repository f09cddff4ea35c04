import type { MetadataRecord, MetadataRecordOf } from "@samsa/protocol";
import type { ImageEdits } from "./image/edits.ts";
import type { EffectiveRecord, MetadataImage } from "./image/image.ts";
import { acls } from "./parts/acls.ts";
import { brokers } from "./parts/brokers.ts";
import { configs } from "./parts/configs.ts";
import { controllers } from "./parts/controllers.ts";
import { delegationTokens } from "./parts/delegation-tokens.ts";
import { features } from "./parts/features.ts";
import { producerIds } from "./parts/producer-ids.ts";
import { quotas } from "./parts/quotas.ts";
import { scram } from "./parts/scram.ts";
import { topics } from "./parts/topics.ts";

/** Parts of the image, in the order of their records in a snapshot, which is Kafka's. */
const PARTS = [
  features,
  brokers,
  controllers,
  topics,
  configs,
  quotas,
  producerIds,
  acls,
  scram,
  delegationTokens,
] as const;

/** Row for each type of record. A type without a row does not compile. */
const REPLAYS: {
  readonly [N in EffectiveRecord["type"]]: (edits: ImageEdits, record: MetadataRecordOf<N>["value"]) => void;
} = {
  ...features.replay,
  ...brokers.replay,
  ...controllers.replay,
  ...topics.replay,
  ...configs.replay,
  ...quotas.replay,
  ...producerIds.replay,
  ...acls.replay,
  ...scram.replay,
  ...delegationTokens.replay,
};

/** Applies a record. Throws `MetadataError` if it contradicts the image. */
export function replayRecord(edits: ImageEdits, record: EffectiveRecord): void {
  // The table pairs each type of record with a function for its value.
  const replay = REPLAYS[record.type] as (edits: ImageEdits, value: EffectiveRecord["value"]) => void;
  replay(edits, record.value);
}

/** Records of a snapshot: replayed into an empty image, they give `image`. */
export function imageRecords(image: MetadataImage): MetadataRecord[] {
  const records: MetadataRecord[] = [];
  for (const { snapshot } of PARTS) snapshot(image, record => void records.push(record));
  return records;
}
