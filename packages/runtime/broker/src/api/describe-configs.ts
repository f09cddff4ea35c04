import { type AnyConfigSpec, CONFIG_TYPE_IDS } from "@samsa/base";
import { type DescribeConfigsRequest, Errors } from "@samsa/protocol";
import { RESOURCE_TYPE } from "@samsa/metadata";
import type { Broker } from "../broker.ts";
import { brokerConfigs, topicConfigs } from "../configs.ts";
import type { RequestContext } from "../requests.ts";
import { type Setting, SOURCE } from "../settings.ts";

type Resource = DescribeConfigsRequest["resources"][number];

interface Asked {
  readonly request: DescribeConfigsRequest;
  readonly resource: Resource;
}

function entry({ request }: Asked, name: string, spec: AnyConfigSpec, settings: readonly Setting[], value: Setting) {
  const sensitive = spec.type === "password";
  return {
    name,
    value: sensitive ? null : value.value,
    readOnly: value.source === SOURCE.static && (spec.update ?? "read-only") === "read-only",
    configSource: value.source,
    isSensitive: sensitive,
    synonyms: request.includeSynonyms
      ? settings.map(s => ({ name: s.name, value: sensitive ? null : s.value, source: s.source }))
      : [],
    configType: CONFIG_TYPE_IDS[spec.type],
    documentation: request.includeDocumentation ? spec.doc : null,
  };
}

function wanted(resource: Resource, name: string): boolean {
  const keys = resource.configurationKeys;
  return keys === null || keys.length === 0 || keys.includes(name);
}

function topicEntries(broker: Broker, asked: Asked): object[] {
  const { image } = broker.topics;
  const topic = asked.resource.resourceName;
  return Object.entries(topicConfigs)
    .filter(([name]) => wanted(asked.resource, name))
    .map(([name, spec]) => {
      const settings = broker.settings.topicSetting(image, topic, name);
      const value = broker.settings.topicValue(image, topic, name);
      return { ...entry(asked, name, spec, settings, value), readOnly: false };
    });
}

function brokerEntries(broker: Broker, asked: Asked, defaultsOnly: boolean): object[] {
  const { image } = broker.topics;
  return Object.entries(brokerConfigs as Readonly<Record<string, AnyConfigSpec>>)
    .filter(([name]) => wanted(asked.resource, name))
    .flatMap(([name, spec]) => {
      const all = broker.settings.brokerSetting(image, name);
      const settings = defaultsOnly ? all.filter(({ source }) => source === SOURCE.cluster) : all;
      // The cluster-wide default shows only what has been set there.
      if (defaultsOnly && settings.length === 0) return [];
      const value = settings[0] ?? { name, value: null, source: SOURCE.default };
      const shown = entry(asked, name, spec, settings, value);
      return [{ ...shown, readOnly: (spec.update ?? "read-only") === "read-only" }];
    });
}

function describe(broker: Broker, asked: Asked): object {
  const { resourceType, resourceName } = asked.resource;
  const base = { resourceType, resourceName, errorMessage: null };
  const failed = (errorCode: number, errorMessage: string | null) => ({
    ...base,
    errorCode,
    errorMessage,
    configs: [],
  });
  if (resourceType === RESOURCE_TYPE.topic) {
    if (broker.topics.topic(resourceName) === undefined) return failed(Errors.UNKNOWN_TOPIC_OR_PARTITION.code, null);
    return { ...base, errorCode: 0, configs: topicEntries(broker, asked) };
  }
  if (resourceType === RESOURCE_TYPE.broker) {
    if (resourceName !== "" && resourceName !== String(broker.nodeId)) {
      const message = `Unexpected broker id, expected ${broker.nodeId} or empty string, but received ${resourceName}`;
      return failed(Errors.INVALID_REQUEST.code, message);
    }
    return { ...base, errorCode: 0, configs: brokerEntries(broker, asked, resourceName === "") };
  }
  return failed(Errors.INVALID_REQUEST.code, `Configurations of resource type ${resourceType} are not available`);
}

export function describeConfigs(
  broker: Broker,
  request: DescribeConfigsRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  reply({ throttleTimeMs: 0, results: request.resources.map(resource => describe(broker, { request, resource })) });
}
