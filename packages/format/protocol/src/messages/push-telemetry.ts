/** PushTelemetry: a client sends its metrics to the broker. */
import { message } from "../codec/message.ts";
import { bool, bytes, i16, i32, i8, type Infer, uuid } from "../codec/schema.ts";

export const pushTelemetryRequest = message(
  "PushTelemetryRequest",
  { versions: [0, 0], flexible: 0 },
  {
    clientInstanceId: uuid(),
    subscriptionId: i32(),
    terminating: bool(),
    compressionType: i8(),
    metrics: bytes(),
  },
);
export type PushTelemetryRequest = Infer<typeof pushTelemetryRequest>;

export const pushTelemetryResponse = message(
  "PushTelemetryResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
  },
);
export type PushTelemetryResponse = Infer<typeof pushTelemetryResponse>;
