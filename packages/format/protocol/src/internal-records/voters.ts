/** VotersRecord: control record of the metadata log with the set of voters (KIP-853). */
import { message } from "../codec/message.ts";
import { array, brokerId, i16, type Infer, string, struct, u16, uuid } from "../codec/schema.ts";

export const votersRecord = message(
  "VotersRecord",
  { versions: [0, 0], flexible: 0 },
  {
    version: i16(),
    voters: array({
      voterId: brokerId(),
      voterDirectoryId: uuid(),
      endpoints: array({
        name: string(),
        host: string(),
        port: u16(),
      }),
      kRaftVersionFeature: struct({
        minSupportedVersion: i16(),
        maxSupportedVersion: i16(),
      }),
    }),
  },
);
export type VotersRecord = Infer<typeof votersRecord>;
