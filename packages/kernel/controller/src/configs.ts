import { duplicates } from "@samsa/base";
import { configsOf, ELR_FEATURE, type MetadataImage, RESOURCE_TYPE } from "@samsa/metadata";
import {
  type AlterConfigsRequest,
  type AlterConfigsResponse,
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse,
  type MetadataRecord,
  metadataRecord,
} from "@samsa/protocol";
import { type Decision, type DecisionContext, isRefusal, type Refusal, refusal } from "./decision/decision.ts";
import { topicNameFault } from "./topic-names.ts";

export const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;
const OPERATION_NAMES = ["SET", "DELETE", "APPEND", "SUBTRACT"] as const;
const LONGEST_VALUE = 32767;
const MIN_ISR = "min.insync.replicas";

interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
}

interface Change {
  readonly operation: number;
  readonly value: string | null;
}

/**
 * Records that change the settings of a resource, or a refusal. Settings in `dropped` are deleted as well. With
 * `isNew`, the topic need not exist.
 */
export function changeConfigs(
  context: DecisionContext,
  resource: Resource,
  changes: ReadonlyMap<string, Change>,
  options: { readonly isNew?: boolean; readonly dropped?: readonly string[] } = {},
): { readonly records: MetadataRecord[] } | Refusal {
  const { image } = context;
  const { resourceType, resourceName } = resource;
  const stored = configsOf(image, resourceType, resourceName);
  const after = new Map(stored);
  const records: MetadataRecord[] = [];
  const altered = new Map<string, string | null>();
  const put = (name: string, value: string | null) => {
    records.push(metadataRecord("ConfigRecord", 0, { ...resource, name, value }));
    if (value === null) after.delete(name);
    else after.set(name, value);
  };
  for (const [name, change] of changes) {
    const current = stored.get(name) ?? null;
    const value = changed(context, resource, name, { current, change });
    if (value !== null && typeof value === "object") return value;
    const forbidden = minIsrFault(image, resource, name, value);
    if (forbidden !== undefined) return forbidden;
    if (value !== null && value.length > LONGEST_VALUE) {
      const why = `it exceeds the maximum value size of ${LONGEST_VALUE} bytes.`;
      return refusal("INVALID_CONFIG", `The configuration value cannot be added because ${why}`);
    }
    // Write unchanged values of brokers too: they make a broker read its files of secrets again.
    if (value === current && resourceType !== RESOURCE_TYPE.broker) continue;
    put(name, value);
    // A policy does not see what AlterConfigs deletes because it does not name it.
    altered.set(name, value);
  }
  for (const name of options.dropped ?? []) {
    const forbidden = minIsrFault(image, resource, name, null);
    if (forbidden !== undefined) return forbidden;
    put(name, null);
  }
  const fault = nameFault(resource) ?? valuesFault(context, resource, after);
  if (fault !== undefined) return fault;
  const isNew = options.isNew === true;
  const missing = isNew ? undefined : absenceFault(image, resource);
  // The settings of a new topic without any are no alteration.
  const refused = missing ?? (isNew && changes.size === 0 ? undefined : policyFault(context, resource, altered));
  return refused ?? { records: [...records, ...clearedElr(image, resource, records)] };
}

/** Names of the types of resources in Kafka (`ConfigResource.Type`), which policies see. */
const TYPE_NAMES: Readonly<Record<number, string>> = {
  [RESOURCE_TYPE.topic]: "TOPIC",
  [RESOURCE_TYPE.broker]: "BROKER",
  [RESOURCE_TYPE.clientMetrics]: "CLIENT_METRICS",
  [RESOURCE_TYPE.group]: "GROUP",
};

function policyFault(
  { draw }: DecisionContext,
  { resourceType, resourceName: name }: Resource,
  altered: ReadonlyMap<string, string | null>,
): Refusal | undefined {
  const resource = { type: TYPE_NAMES[resourceType] ?? "UNKNOWN", name };
  const fault = draw.judge({ policy: "alterConfig", request: { resource, configs: Object.fromEntries(altered) } });
  return fault && refusal(fault.error, fault.message);
}

function changed(
  { settings }: DecisionContext,
  { resourceType }: Resource,
  name: string,
  { current, change }: { current: string | null; change: Change },
): string | null | Refusal {
  const { operation, value } = change;
  if (operation === SET) return value;
  if (operation === DELETE) return null;
  if (operation !== APPEND && operation !== SUBTRACT) {
    return refusal("INVALID_REQUEST", `Unknown config operation ${operation}.`);
  }
  if (value === null) {
    return refusal("INVALID_REQUEST", `Null value not supported for the operation on ${name}.`);
  }
  if (!settings.configs.isList(resourceType, name)) {
    const why = "because its type is not LIST.";
    return refusal("INVALID_CONFIG", `Can't ${OPERATION_NAMES[operation]} to key ${name} ${why}`);
  }
  const list = (current ?? settings.configs.initial(resourceType, name) ?? "").split(",").filter(part => part !== "");
  for (const part of value.split(",")) {
    const at = list.indexOf(part);
    if (operation === APPEND && at < 0) list.push(part);
    else if (operation === SUBTRACT && at >= 0) list.splice(at, 1);
  }
  return list.join(",");
}

function elrEnabled(image: MetadataImage): boolean {
  return (image.features.get(ELR_FEATURE) ?? 0) > 0;
}

/** With eligible leader replicas enabled, `min.insync.replicas` must be equal on all brokers (KIP-966). */
function minIsrFault(
  image: MetadataImage,
  { resourceType, resourceName }: Resource,
  name: string,
  value: string | null,
): Refusal | undefined {
  if (name !== MIN_ISR || resourceType !== RESOURCE_TYPE.broker || !elrEnabled(image)) return undefined;
  if (resourceName !== "") {
    return refusal("INVALID_CONFIG", `Broker-level ${MIN_ISR} cannot be altered while ELR is enabled.`);
  }
  if (value !== null) return undefined;
  return refusal("INVALID_CONFIG", `Cluster-level ${MIN_ISR} cannot be removed while ELR is enabled.`);
}

function clearedElr(image: MetadataImage, resource: Resource, records: readonly MetadataRecord[]): MetadataRecord[] {
  if (!elrEnabled(image)) return [];
  if (!records.some(r => r.type === "ConfigRecord" && r.value.name === MIN_ISR)) return [];
  const topicName = resource.resourceType === RESOURCE_TYPE.topic ? resource.resourceName : "";
  // A topic that the same decision creates has nothing to clear.
  return topicName === "" || image.topicIds.has(topicName) ? [metadataRecord("ClearElrRecord", 0, { topicName })] : [];
}

/** Error of an invalid resource type or name (`ControllerConfigurationValidator`); undefined: valid. */
function nameFault({ resourceType, resourceName: name }: Resource): Refusal | undefined {
  switch (resourceType) {
    case RESOURCE_TYPE.topic: {
      if (name === "") return refusal("INVALID_REQUEST", "Default topic resources are not allowed.");
      const fault = topicNameFault(name);
      return fault === undefined ? undefined : refusal("INVALID_TOPIC_EXCEPTION", fault);
    }
    case RESOURCE_TYPE.broker:
      if (name === "") return undefined;
      if (!/^[+-]?\d{1,10}$/.test(name)) {
        return refusal("INVALID_REQUEST", "Unable to parse broker name as a base 10 number.");
      }
      return Number(name) < 0 ? refusal("INVALID_REQUEST", "Invalid negative broker ID.") : undefined;
    case RESOURCE_TYPE.group:
      return name === "" ? refusal("INVALID_REQUEST", "Default group resources are not allowed.") : undefined;
    case RESOURCE_TYPE.clientMetrics:
      return name === "" ? refusal("INVALID_REQUEST", "Subscription name can't be empty") : undefined;
    default:
      return refusal("INVALID_REQUEST", `Unknown resource type ${resourceType}`);
  }
}

/** Error of a resource that does not exist; groups and client metrics may be configured before they exist. */
function absenceFault(image: MetadataImage, { resourceType, resourceName: name }: Resource): Refusal | undefined {
  if (resourceType === RESOURCE_TYPE.topic && !image.topicIds.has(name)) {
    return refusal("UNKNOWN_TOPIC_OR_PARTITION", `The topic '${name}' does not exist.`);
  }
  if (resourceType !== RESOURCE_TYPE.broker || name === "") return undefined;
  if (image.brokers.has(Number(name)) || image.controllers.has(Number(name))) return undefined;
  return refusal("BROKER_ID_NOT_REGISTERED", `No node with id ${Number(name)} found.`);
}

function valuesFault(
  { settings }: DecisionContext,
  { resourceType, resourceName }: Resource,
  values: ReadonlyMap<string, string>,
): Refusal | undefined {
  const fault = settings.configs.validate(resourceType, resourceName, values);
  return fault && refusal(fault.error, fault.message);
}

type Requests = readonly (Resource & { readonly configs: readonly { name: string; value: string | null }[] })[];

function alter<R extends Requests[number]>(
  resources: readonly R[],
  validateOnly: boolean,
  one: (resource: R) => { readonly records: MetadataRecord[] } | Refusal,
): Decision<IncrementalAlterConfigsResponse> {
  const keyOf = (r: Resource) => `${r.resourceType}/${r.resourceName}`;
  const twice = duplicates(resources.map(keyOf));
  const told = new Set<string>();
  const records: MetadataRecord[] = [];
  const responses: IncrementalAlterConfigsResponse["responses"][number][] = [];
  for (const resource of resources) {
    if (told.has(keyOf(resource))) continue;
    told.add(keyOf(resource));
    const known = (Object.values(RESOURCE_TYPE) as number[]).includes(resource.resourceType);
    const made = twice.has(keyOf(resource))
      ? refusal("INVALID_REQUEST", "Duplicate resource.")
      : known
        ? one(resource)
        : refusal("UNSUPPORTED_VERSION", `Unknown resource type ${resource.resourceType}.`);
    const { resourceType, resourceName } = resource;
    const outcome = isRefusal(made) ? made : { errorCode: 0, errorMessage: null };
    responses.push({ ...outcome, resourceType, resourceName });
    if (!isRefusal(made)) records.push(...made.records);
  }
  return { records: validateOnly ? [] : records, reply: { throttleTimeMs: 0, responses } };
}

/** IncrementalAlterConfigs: each resource changes as a whole or not at all. */
export function incrementalAlterConfigs(
  context: DecisionContext,
  request: IncrementalAlterConfigsRequest,
): Decision<IncrementalAlterConfigsResponse> {
  return alter(request.resources, request.validateOnly, ({ resourceType, resourceName, configs }) => {
    if (duplicates(configs.map(c => c.name)).size > 0) {
      return refusal("INVALID_REQUEST", "Error due to duplicate config keys");
    }
    const changes = new Map(configs.map(c => [c.name, { operation: c.configOperation, value: c.value }]));
    const nulls = configs.filter(c => c.configOperation !== DELETE && c.value === null).map(c => c.name);
    if (nulls.length > 0) return refusal("INVALID_REQUEST", `Null value not supported for : ${nulls.join(", ")}`);
    return changeConfigs(context, { resourceType, resourceName }, changes);
  });
}

/** AlterConfigs: sets the named settings and deletes all others of the resource. */
export function alterConfigs(context: DecisionContext, request: AlterConfigsRequest): Decision<AlterConfigsResponse> {
  return alter(request.resources, request.validateOnly, ({ resourceType, resourceName, configs }) => {
    const changes = new Map(configs.map(c => [c.name, { operation: SET, value: c.value }]));
    const dropped = [...configsOf(context.image, resourceType, resourceName).keys()].filter(key => !changes.has(key));
    return changeConfigs(context, { resourceType, resourceName }, changes, { dropped });
  });
}
