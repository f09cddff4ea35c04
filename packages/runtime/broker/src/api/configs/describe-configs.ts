import { errorOf, Errors } from "@samsa/protocol";
import { absentTopic, describedConfigs } from "../../metadata/described-configs.ts";
import type { TopicHandler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "nodeId" | "settings" | "topics">;

export const describeConfigs: TopicHandler<"DescribeConfigs", Needs> = (parts, request, { topics }, reply) => {
  const { nodeId, settings } = parts;
  const source = { nodeId, settings, image: parts.topics.image };
  const answer = describedConfigs(source, request, name => {
    const topic = topics.named(name);
    if (typeof topic !== "number") return undefined;
    if (topic === Errors.UNKNOWN_TOPIC_OR_PARTITION.code) return absentTopic(name);
    return { errorCode: topic, errorMessage: errorOf(topic).message };
  });
  reply(answer);
};
