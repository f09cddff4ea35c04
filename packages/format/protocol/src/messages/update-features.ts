/**
 * UpdateFeatures: changes finalized feature levels of the cluster.
 *
 * Version 1: UpgradeType replaces AllowDowngrade; adds ValidateOnly.
 * Version 2: Removes the results of single features from the response.
 */
import { message } from "../codec/message.ts";
import { array, bool, i16, i32, i8, type Infer, string } from "../codec/schema.ts";

export const updateFeaturesRequest = message(
  "UpdateFeaturesRequest",
  { versions: [0, 2], flexible: 0 },
  {
    timeoutMs: i32({ default: 60000 }),
    featureUpdates: array({
      feature: string(),
      maxVersionLevel: i16(),
      allowDowngrade: bool({ until: 0 }),
      upgradeType: i8({ since: 1, default: 1 }),
    }),
    validateOnly: bool({ since: 1, default: false }),
  },
);
export type UpdateFeaturesRequest = Infer<typeof updateFeaturesRequest>;

const updatableFeatureResult = {
  feature: string(),
  errorCode: i16(),
  errorMessage: string({ nullable: true }),
};

export const updateFeaturesResponse = message(
  "UpdateFeaturesResponse",
  { versions: [0, 2], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true }),
    results: array(updatableFeatureResult, { until: 1, ignorable: true }),
  },
);
export type UpdateFeaturesResponse = Infer<typeof updateFeaturesResponse>;
