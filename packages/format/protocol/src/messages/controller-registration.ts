/** ControllerRegistration: registers a controller process with the active controller. */
import { message } from "../codec/message.ts";
import { array, bool, brokerId, i16, i32, type Infer, string, u16, uuid } from "../codec/schema.ts";

export const controllerRegistrationRequest = message(
  "ControllerRegistrationRequest",
  { versions: [0, 0], flexible: 0 },
  {
    controllerId: brokerId(),
    incarnationId: uuid(),
    zkMigrationReady: bool(),
    listeners: array({
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
export type ControllerRegistrationRequest = Infer<typeof controllerRegistrationRequest>;

export const controllerRegistrationResponse = message(
  "ControllerRegistrationResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true }),
  },
);
export type ControllerRegistrationResponse = Infer<typeof controllerRegistrationResponse>;
