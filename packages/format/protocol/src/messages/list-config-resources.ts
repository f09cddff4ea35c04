/**
 * ListConfigResources: lists resources with settings; version 0 lists client metrics resources only.
 *
 * Version 1: Adds resource types (KIP-1142).
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, i8, type Infer, string } from "../codec/schema.ts";

export const listConfigResourcesRequest = message(
  "ListConfigResourcesRequest",
  { versions: [0, 1], flexible: 0 },
  {
    resourceTypes: array(i8(), { since: 1 }),
  },
);
export type ListConfigResourcesRequest = Infer<typeof listConfigResourcesRequest>;

export const listConfigResourcesResponse = message(
  "ListConfigResourcesResponse",
  { versions: [0, 1], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    configResources: array({
      resourceName: string(),
      resourceType: i8({ since: 1, default: 16, ignorable: true }),
    }),
  },
);
export type ListConfigResourcesResponse = Infer<typeof listConfigResourcesResponse>;
