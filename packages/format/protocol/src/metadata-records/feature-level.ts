/** FeatureLevelRecord: a feature was finalized at a level; 0 removes it. It never gets another version. */
import { message } from "../codec/message.ts";
import { i16, type Infer, string } from "../codec/schema.ts";

export const featureLevelRecord = message(
  "FeatureLevelRecord",
  { versions: [0, 0], flexible: 0 },
  {
    name: string(),
    featureLevel: i16(),
  },
);
export type FeatureLevelRecord = Infer<typeof featureLevelRecord>;
