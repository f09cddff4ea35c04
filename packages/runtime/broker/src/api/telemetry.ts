import { invariant } from "@samsa/base";
import type { GetTelemetrySubscriptionsRequest, PushTelemetryRequest } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";
import type { ClientTelemetry } from "../telemetry.ts";

function telemetryOf({ telemetry }: Broker): ClientTelemetry {
  invariant(telemetry !== undefined, "telemetry is served only where it is taken");
  return telemetry;
}

export function getTelemetrySubscriptions(
  broker: Broker,
  request: GetTelemetrySubscriptionsRequest,
  context: RequestContext,
  reply: (response: object) => void,
): void {
  reply(telemetryOf(broker).subscription(request.clientInstanceId, context));
}

export function pushTelemetry(
  broker: Broker,
  request: PushTelemetryRequest,
  context: RequestContext,
  reply: (response: object) => void,
): void {
  reply(telemetryOf(broker).push(request, context));
}
