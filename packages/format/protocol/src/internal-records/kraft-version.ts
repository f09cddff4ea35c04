/** KRaftVersionRecord: control record of the metadata log that sets the kraft.version (KIP-853). */
import { message } from "../codec/message.ts";
import { i16, type Infer } from "../codec/schema.ts";

export const kraftVersionRecord = message(
  "KRaftVersionRecord",
  { versions: [0, 0], flexible: 0 },
  {
    version: i16(),
    kRaftVersion: i16(),
  },
);
export type KRaftVersionRecord = Infer<typeof kraftVersionRecord>;
