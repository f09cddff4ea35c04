export { Broker, type BrokerOptions } from "./broker.ts";
export { brokerConfigs } from "./configs.ts";
export type { MetricFamily } from "./metrics.ts";
