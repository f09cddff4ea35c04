/**
 * ApiVersions: tells a client the supported APIs and versions, and the features of the broker and the cluster.
 *
 * Version 1: Adds the throttle time.
 * Version 2: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 3: Flexible, but the response header is not. Adds the client's name and version, and features.
 * Version 4: Returns supported features with minimum version 0, too (KAFKA-17011).
 * Version 5: Adds the cluster id and node id that the client expects; may return REBOOTSTRAP_REQUIRED (KIP-1242).
 */
import { message } from "../codec/message.ts";
import { array, bool, brokerId, i16, i32, i64, type Infer, string } from "../codec/schema.ts";

export const apiVersionsRequest = message(
  "ApiVersionsRequest",
  { versions: [0, 5], flexible: 3 },
  {
    clientSoftwareName: string({ since: 3, ignorable: true }),
    clientSoftwareVersion: string({ since: 3, ignorable: true }),
    clusterId: string({ since: 5, nullable: true, default: null, ignorable: true }),
    nodeId: brokerId({ since: 5, default: -1, ignorable: true }),
  },
);
export type ApiVersionsRequest = Infer<typeof apiVersionsRequest>;

const supportedFeatureKey = {
  name: string(),
  minVersion: i16(),
  maxVersion: i16(),
};

const finalizedFeatureKey = {
  name: string(),
  maxVersionLevel: i16(),
  minVersionLevel: i16(),
};

export const apiVersionsResponse = message(
  "ApiVersionsResponse",
  { versions: [0, 5], flexible: 3 },
  {
    errorCode: i16(),
    apiKeys: array({
      apiKey: i16(),
      minVersion: i16(),
      maxVersion: i16(),
    }),
    throttleTimeMs: i32({ since: 1, ignorable: true }),
    supportedFeatures: array(supportedFeatureKey, { since: 3, tag: 0, ignorable: true }),
    finalizedFeaturesEpoch: i64({ since: 3, tag: 1, default: -1, ignorable: true }),
    finalizedFeatures: array(finalizedFeatureKey, { since: 3, tag: 2, ignorable: true }),
    zkMigrationReady: bool({ since: 3, tag: 3, default: false, ignorable: true }),
  },
);
export type ApiVersionsResponse = Infer<typeof apiVersionsResponse>;
