import { RESOURCE_TYPE } from "@samsa/metadata";
import { type Action, CLUSTER_NAME } from "@samsa/security";

/** Code of the loggers of a broker, which have no settings in the metadata (`ConfigResource.Type.BROKER_LOGGER`). */
export const BROKER_LOGGER = 8;

interface ConfigResource {
  readonly resourceType: number;
  readonly resourceName: string;
}

/** Action on the settings of a resource; undefined: there is no such type, or none with settings to alter. */
function configAction(
  operation: "DESCRIBE_CONFIGS" | "ALTER_CONFIGS",
  { resourceType, resourceName: name }: ConfigResource,
): Action | undefined {
  if (resourceType === RESOURCE_TYPE.topic) return { operation, resource: "TOPIC", name };
  if (resourceType === RESOURCE_TYPE.group) return { operation, resource: "GROUP", name };
  const isOfCluster = resourceType === RESOURCE_TYPE.broker || resourceType === RESOURCE_TYPE.clientMetrics;
  return isOfCluster ? { operation, resource: "CLUSTER", name: CLUSTER_NAME } : undefined;
}

/** Permissions of DescribeConfigs (`ConfigHelper`). */
export const EACH_DESCRIBED_CONFIG = {
  each: {
    items: "resources",
    answers: "results",
    place: "last",
    action: (resource: ConfigResource) =>
      resource.resourceType === BROKER_LOGGER
        ? configAction("DESCRIBE_CONFIGS", { resourceType: RESOURCE_TYPE.broker, resourceName: "" })
        : configAction("DESCRIBE_CONFIGS", resource),
  },
} as const;

/** Permissions of AlterConfigs and IncrementalAlterConfigs (`ControllerApis.authorizeAlterResource`). */
export const EACH_ALTERED_CONFIG = {
  each: {
    items: "resources",
    answers: "responses",
    place: "first",
    action: (resource: ConfigResource) => configAction("ALTER_CONFIGS", resource),
    keyOf: ({ resourceType, resourceName }: ConfigResource) => `${resourceType}/${resourceName}`,
  },
} as const;
