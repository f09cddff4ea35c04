/** UnregisterControllerRecord: the registration of a controller was removed. */
import { message } from "../codec/message.ts";
import { brokerId, type Infer } from "../codec/schema.ts";

export const unregisterControllerRecord = message(
  "UnregisterControllerRecord",
  { versions: [0, 0], flexible: 0 },
  {
    controllerId: brokerId(),
  },
);
export type UnregisterControllerRecord = Infer<typeof unregisterControllerRecord>;
