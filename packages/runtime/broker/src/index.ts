export { servedApis } from "./apis.ts";
export type { BrokerRole } from "./broker-role.ts";
export { isListenerSetting } from "./config/config-checks.ts";
export { brokerConfigs } from "./config/configs.ts";
export { listenerSetting, parseEndpoint, protocolOf } from "./config/listeners.ts";
export { STANDARD_AUTHORIZER, superUsers } from "./config/security-configs.ts";
export { unavailableBrokerConfigs, whyUnavailable } from "./config/unavailable-configs.ts";
export { firstCredentials } from "./first-credentials.ts";
export type { FirstQuorum } from "./first-quorum.ts";
export { formatStorage, storageInfo } from "./format.ts";
export type { RemoteJudge } from "./limits/judging.ts";
export type { InterceptedRequest, Interception } from "./network/interception.ts";
export type { LoadedPolicies, PolicyLoader } from "./controller/policies.ts";
export type {
  LoadedQuotaCallback,
  QuotaAnswer,
  QuotaCall,
  QuotaCallbackLoader,
} from "./quotas/quota-callback.ts";
export { Node, type NodeOptions } from "./node.ts";
export { logOf } from "./replica/partition.ts";
export type { Labels, MetricFamily, MetricSample, MetricSource } from "./turn/metric.ts";
export type { TelemetryPush, TelemetrySink } from "./limits/telemetry.ts";
