import { invariant } from "@samsa/base";
import type { ClientTelemetry } from "../../limits/telemetry.ts";
import type { Handler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "telemetry">;

function telemetryOf({ telemetry }: Needs): ClientTelemetry {
  invariant(telemetry !== undefined, "telemetry is served only where it is taken");
  return telemetry;
}

export const getTelemetrySubscriptions: Handler<"GetTelemetrySubscriptions", Needs> = (
  parts,
  request,
  context,
  reply,
) => {
  reply(telemetryOf(parts).subscription(request.clientInstanceId, context));
};

export const pushTelemetry: Handler<"PushTelemetry", Needs> = (parts, request, context, reply) => {
  reply(telemetryOf(parts).push(request, context));
};
