import { describedConfigs } from "../../metadata/described-configs.ts";
import type { Handler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "env" | "nodeId" | "settings" | "topics">;

export const describeConfigs: Handler<"DescribeConfigs", Needs> = (parts, request, _context, reply) => {
  const { env, nodeId, settings } = parts;
  reply(describedConfigs({ nodeId, settings, image: parts.topics.image, levels: env.logger.levels }, request));
};
