/**
 * AlterConfigs: replaces all dynamic settings of a resource; IncrementalAlterConfigs changes single ones.
 *
 * Version 1: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 2: Flexible (KIP-482).
 */
import { message } from "../codec/message.ts";
import { array, bool, i16, i32, i8, type Infer, string } from "../codec/schema.ts";

export const alterConfigsRequest = message(
  "AlterConfigsRequest",
  { versions: [0, 2], flexible: 2 },
  {
    resources: array({
      resourceType: i8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string({ nullable: true }),
      }),
    }),
    validateOnly: bool(),
  },
);
export type AlterConfigsRequest = Infer<typeof alterConfigsRequest>;

export const alterConfigsResponse = message(
  "AlterConfigsResponse",
  { versions: [0, 2], flexible: 2 },
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
export type AlterConfigsResponse = Infer<typeof alterConfigsResponse>;
