/** UnregisterControllerRecord: the registration of a controller was removed. */
import { message } from "../message.ts";
import { i32, type Infer } from "../schema.ts";

export const unregisterControllerRecord = message(
  "UnregisterControllerRecord",
  { versions: [0, 0], flexible: 0 },
  {
    controllerId: i32(),
  },
);
export type UnregisterControllerRecord = Infer<typeof unregisterControllerRecord>;
