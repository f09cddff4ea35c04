export { Broker, type BrokerOptions } from "./broker.ts";
export { brokerConfigs, topicConfigs } from "./configs.ts";
export type { MetricFamily } from "./metrics.ts";
