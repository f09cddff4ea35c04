/** GetTelemetrySubscriptions: tells a client which metrics to push. */
import { message } from "../codec/message.ts";
import { array, bool, i16, i32, i8, type Infer, string, uuid } from "../codec/schema.ts";

export const getTelemetrySubscriptionsRequest = message(
  "GetTelemetrySubscriptionsRequest",
  { versions: [0, 0], flexible: 0 },
  {
    clientInstanceId: uuid(),
  },
);
export type GetTelemetrySubscriptionsRequest = Infer<typeof getTelemetrySubscriptionsRequest>;

export const getTelemetrySubscriptionsResponse = message(
  "GetTelemetrySubscriptionsResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    clientInstanceId: uuid(),
    subscriptionId: i32(),
    acceptedCompressionTypes: array(i8()),
    pushIntervalMs: i32(),
    telemetryMaxBytes: i32(),
    deltaTemporality: bool(),
    requestedMetrics: array(string()),
  },
);
export type GetTelemetrySubscriptionsResponse = Infer<typeof getTelemetrySubscriptionsResponse>;
