import { RESOURCE_TYPE } from "@samsa/metadata";
import { Errors } from "@samsa/protocol";
import { BROKER_LOGGER } from "../../request/config-permissions.ts";
import type { Handler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "nodes" | "topics">;

/** ListConfigResources (KIP-1142); version 0 lists client metrics subscriptions only (KIP-714). */
export const listConfigResources: Handler<"ListConfigResources", Needs> = (parts, request, context, reply) => {
  const { image } = parts.topics;
  const configured = (type: number): string[] =>
    [...image.configs.values()].filter(config => config.type === type).map(config => config.name);
  const nodes = (): string[] => parts.nodes(context.listener).map(({ nodeId }) => String(nodeId));
  const names = new Map<number, () => string[]>([
    [RESOURCE_TYPE.clientMetrics, () => configured(RESOURCE_TYPE.clientMetrics)],
  ]);
  if (context.version > 0) {
    names.set(RESOURCE_TYPE.group, () => configured(RESOURCE_TYPE.group));
    names.set(BROKER_LOGGER, nodes);
    names.set(RESOURCE_TYPE.broker, nodes);
    names.set(RESOURCE_TYPE.topic, () => [...image.topicIds.keys()]);
  }
  const wanted = request.resourceTypes.length === 0 ? [...names.keys()] : [...new Set(request.resourceTypes)];
  if (wanted.some(type => !names.has(type))) {
    return reply({ throttleTimeMs: 0, errorCode: Errors.UNSUPPORTED_VERSION.code, configResources: [] });
  }
  const configResources = wanted.flatMap(resourceType =>
    (names.get(resourceType)?.() ?? []).map(resourceName => ({ resourceName, resourceType })),
  );
  reply({ throttleTimeMs: 0, errorCode: 0, configResources });
};
