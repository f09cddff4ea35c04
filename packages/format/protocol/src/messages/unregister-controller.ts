/** UnregisterController: removes the registration of a controller. */
import { message } from "../codec/message.ts";
import { brokerId, i16, i32, type Infer, string } from "../codec/schema.ts";

export const unregisterControllerRequest = message(
  "UnregisterControllerRequest",
  { versions: [0, 0], flexible: 0 },
  {
    controllerId: brokerId(),
  },
);
export type UnregisterControllerRequest = Infer<typeof unregisterControllerRequest>;

export const unregisterControllerResponse = message(
  "UnregisterControllerResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true }),
  },
);
export type UnregisterControllerResponse = Infer<typeof unregisterControllerResponse>;
