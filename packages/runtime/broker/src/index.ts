export { servedApis } from "./apis.ts";
export { Broker, type BrokerOptions } from "./broker.ts";
export { brokerConfigs } from "./configs.ts";
export { type FirstQuorum, formatStorage, StorageError, storageInfo } from "./format.ts";
export type { RemoteJudge } from "./judging.ts";
export { logOf } from "./partition.ts";
export type { MetricFamily } from "./metrics.ts";
export type { TelemetryPush, TelemetrySink } from "./telemetry.ts";
