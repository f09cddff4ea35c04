/** RegisterControllerRecord: a controller process was registered. */
import { message } from "../codec/message.ts";
import { array, bool, brokerId, i16, type Infer, string, u16, uuid } from "../codec/schema.ts";

export const registerControllerRecord = message(
  "RegisterControllerRecord",
  { versions: [0, 0], flexible: 0 },
  {
    controllerId: brokerId(),
    incarnationId: uuid(),
    zkMigrationReady: bool(),
    endPoints: array({
      name: string(),
      host: string(),
      port: u16(),
      securityProtocol: i16(),
    }),
    features: array({
      name: string(),
      minSupportedVersion: i16(),
      maxSupportedVersion: i16(),
    }),
  },
);
export type RegisterControllerRecord = Infer<typeof registerControllerRecord>;
