/**
 * IncrementalAlterConfigs: changes single dynamic settings of resources.
 *
 * Version 1: Flexible (KIP-482).
 */
import { message } from "../codec/message.ts";
import { array, bool, i16, i32, i8, type Infer, string } from "../codec/schema.ts";

export const incrementalAlterConfigsRequest = message(
  "IncrementalAlterConfigsRequest",
  { versions: [0, 1], flexible: 1 },
  {
    resources: array({
      resourceType: i8(),
      resourceName: string(),
      configs: array({
        name: string(),
        configOperation: i8(),
        value: string({ nullable: true }),
      }),
    }),
    validateOnly: bool(),
  },
);
export type IncrementalAlterConfigsRequest = Infer<typeof incrementalAlterConfigsRequest>;

export const incrementalAlterConfigsResponse = message(
  "IncrementalAlterConfigsResponse",
  { versions: [0, 1], flexible: 1 },
  {
    throttleTimeMs: i32(),
    responses: array({
      errorCode: i16(),
      errorMessage: string({ nullable: true }),
      resourceType: i8(),
      resourceName: string(),
    }),
  },
);
export type IncrementalAlterConfigsResponse = Infer<typeof incrementalAlterConfigsResponse>;
