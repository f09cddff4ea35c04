export { servedApis } from "./apis.ts";
export { Broker, type BrokerOptions } from "./broker.ts";
export { brokerConfigs } from "./config/configs.ts";
export { unavailableBrokerConfigs } from "./config/unavailable-configs.ts";
export { type FirstQuorum, formatStorage, StorageError, storageInfo } from "./format.ts";
export type { RemoteJudge } from "./limits/judging.ts";
export { logOf } from "./replica/partition.ts";
export type { MetricFamily } from "./metrics.ts";
export type { TelemetryPush, TelemetrySink } from "./limits/telemetry.ts";
