import {
  type AnyConfigSpec,
  type BrokerId,
  CONFIG_TYPE_IDS,
  type ConfigSpecs,
  entryAt,
  invariant,
  isLogger,
  LOGGERS,
  type LogLevels,
  shownConfigValue,
} from "@samsa/base";
import { topicNameFault } from "@samsa/controller";
import { configsOf, type MetadataImage, RESOURCE_TYPE } from "@samsa/metadata";
import { type DescribeConfigsRequest, type ErrorName, Errors } from "@samsa/protocol";
import { clientMetricsConfigs } from "../config/client-metrics-configs.ts";
import { brokerSpec, generalName, listenerSpec } from "../config/config-checks.ts";
import { brokerConfigs } from "../config/configs.ts";
import { groupConfigs } from "../config/group-configs.ts";
import { type Setting, type Settings, SOURCE } from "../config/settings.ts";
import { topicConfigs } from "../config/topic-configs.ts";
import { BROKER_LOGGER } from "../request/config-permissions.ts";
import type { ItemOf, RequestOf, ResponseOf } from "../request/handler.ts";

type ConfigEntry = NonNullable<ItemOf<"DescribeConfigs", "results">["configs"]>[number];

/** Node whose settings are described, and its metadata. */
export interface ConfigSource {
  readonly nodeId: BrokerId;
  readonly settings: Settings;
  readonly image: MetadataImage;
  /** Levels of the broker's loggers, if they can change. */
  readonly levels: LogLevels | undefined;
}

const KNOWN_TYPES: readonly number[] = [...Object.values(RESOURCE_TYPE), BROKER_LOGGER];

type Resource = DescribeConfigsRequest["resources"][number];
/** A resource to describe, and the options of its request. */
interface Asked extends Pick<DescribeConfigsRequest, "includeSynonyms" | "includeDocumentation"> {
  readonly resource: Resource;
}

interface Described {
  readonly value: string | null;
  /** Synonyms, highest precedence first. */
  readonly layers: readonly Setting[];
  readonly readOnly?: boolean;
}

/** Reason why a resource cannot be described. */
class Refused extends Error {
  readonly code: number;
  constructor(error: ErrorName, message: string) {
    super(message);
    this.code = Errors[error].code;
  }
}

/** Describes the requested settings of `specs`; leaves out settings for which `describe` returns undefined. */
function entries(
  { resource, includeSynonyms, includeDocumentation }: Asked,
  specs: ConfigSpecs,
  describe: (name: string, spec: AnyConfigSpec) => Described | undefined,
) {
  const keys = resource.configurationKeys ?? [];
  return Object.entries(specs).flatMap(([name, spec]) => {
    if (spec.internal === true || (keys.length > 0 && !keys.includes(name))) return [];
    const found = describe(name, spec);
    if (found === undefined) return [];
    const { value, layers, readOnly = false } = found;
    const isSensitive = spec.type === "password";
    const synonyms = layers.map(layer => ({ ...layer, value: isSensitive ? null : layer.value }));
    return [
      {
        name,
        value: isSensitive || value === null ? null : shownConfigValue(spec, value),
        readOnly,
        configSource: layers[0]?.source ?? SOURCE.default,
        isSensitive,
        synonyms: includeSynonyms ? synonyms : [],
        configType: CONFIG_TYPE_IDS[spec.type],
        documentation: includeDocumentation ? spec.doc : null,
      },
    ];
  });
}

function ofTopic(parts: ConfigSource, asked: Asked) {
  const { image } = parts;
  const topic = asked.resource.resourceName;
  return entries(asked, topicConfigs, name => ({
    value: parts.settings.topicValue(image, topic, name).value,
    layers: parts.settings.topicSetting(image, topic, name),
  }));
}

function brokerId(name: string): BrokerId {
  if (/^[+-]?\d{1,10}$/.test(name)) return Number(name);
  throw new Refused("INVALID_REQUEST", `Broker id must be an integer, but it is: ${name}`);
}

function ofBroker(parts: ConfigSource, asked: Asked) {
  const { settings, image, nodeId } = parts;
  const { resourceName } = asked.resource;
  if (resourceName === "") {
    // Describe only the cluster-wide defaults that have been set.
    const set = settings.dynamic(image, "");
    const shown = entries(asked, brokerConfigs, (name, spec) => {
      const value = set.get(name);
      return value === undefined
        ? undefined
        : { value, layers: [{ name, value, source: SOURCE.cluster }], readOnly: spec.update === undefined };
    });
    return [...shown, ...otherEntries(parts, asked, false)];
  }
  if (brokerId(resourceName) !== nodeId) {
    const expected = `Unexpected broker id, expected ${nodeId} or empty string`;
    throw new Refused("INVALID_REQUEST", `${expected}, but received ${resourceName}`);
  }
  const shown = entries(asked, brokerConfigs, (name, spec) => ({
    value: settings.brokerValue(image, name),
    layers: settings.brokerSetting(image, name),
    readOnly: (spec.update ?? "read-only") === "read-only",
  }));
  return [...shown, ...otherEntries(parts, asked, true)];
}

/**
 * Settings of single listeners, of the file and dynamic ones, and others that are no settings of this broker; values of
 * unknown settings are hidden, as they may be secret (`ConfigHelperUtils`). `own` is false for the defaults of a cluster.
 */
function otherEntries(parts: ConfigSource, asked: Asked, own: boolean) {
  const { image, nodeId, settings } = parts;
  const cluster = [SOURCE.cluster, configsOf(image, RESOURCE_TYPE.broker, "")] as const;
  const given = own
    ? [
        [SOURCE.broker, configsOf(image, RESOURCE_TYPE.broker, String(nodeId))] as const,
        cluster,
        [SOURCE.static, settings.file] as const,
      ]
    : [cluster];
  const names = new Set(given.flatMap(([, values]) => [...values.keys()]));
  const others = [...names].filter(name => !Object.hasOwn(brokerConfigs, name));
  const specs = Object.fromEntries(others.map(name => [name, listenerSpec(name) ?? UNKNOWN]));
  return entries(asked, specs, (name, spec) => {
    const general = generalName(name);
    const initial = own && general !== name ? brokerSpec(general)?.default : undefined;
    const all = [...given, [SOURCE.default, new Map([[general, initial]])] as const];
    const layers = all.flatMap(([source, values]) =>
      [...new Set([name, general])].flatMap(one => {
        const value = values.get(one);
        return typeof value === "string" ? [{ name: one, value, source }] : [];
      }),
    );
    const found = layers.slice(layers.findIndex(layer => layer.name === name));
    // As in Kafka, settings that change for single listeners only are told to be read-only.
    const readOnly = general !== name || (spec.update ?? "read-only") === "read-only";
    return { value: entryAt(found, 0).value, layers: found, readOnly };
  }).map(entry => (specs[entry.name] === UNKNOWN ? { ...entry, configType: UNKNOWN_TYPE } : entry));
}

/** `ConfigType.UNKNOWN`. */
const UNKNOWN_TYPE = 0;
/** Spec of an unknown setting; its type is `password` because the value may be a secret. */
const UNKNOWN: AnyConfigSpec = { type: "password", default: null, doc: "" };

function ofGroup(parts: ConfigSource, asked: Asked) {
  const { settings, image } = parts;
  const { resourceType, resourceName } = asked.resource;
  if (resourceName === "") throw new Refused("INVALID_REQUEST", "Group name must not be empty");
  const own = configsOf(image, resourceType, resourceName);
  return entries(asked, groupConfigs, (name, spec) => {
    const synonym = spec.synonyms?.[0];
    const known = synonym === undefined ? [] : settings.brokerSetting(image, synonym);
    const behind = known.length > 0 ? known : [{ name: synonym ?? name, value: spec.default, source: SOURCE.default }];
    const value = own.get(name);
    return value === undefined
      ? { value: entryAt(behind, 0).value, layers: behind }
      : { value, layers: [{ name, value, source: SOURCE.group }, ...behind] };
  });
}

function ofSubscription(parts: ConfigSource, asked: Asked) {
  const { resourceType, resourceName } = asked.resource;
  if (resourceName === "") {
    throw new Refused("INVALID_REQUEST", "Client metrics subscription name must not be empty");
  }
  const own = configsOf(parts.image, resourceType, resourceName);
  return entries(asked, clientMetricsConfigs, (name, spec) => {
    const value = own.get(name);
    const layers = value === undefined ? [] : [{ name, value, source: SOURCE.clientMetrics }];
    return { value: value ?? spec.default, layers };
  });
}

/** Describes the loggers and their levels, or those that were asked for (`RuntimeLoggerManager`). */
function ofLoggers({ nodeId, levels }: ConfigSource, { resource }: Asked): ConfigEntry[] {
  const { resourceName, configurationKeys } = resource;
  if (resourceName === "") throw new Refused("INVALID_REQUEST", "Broker id must not be empty");
  if (brokerId(resourceName) !== nodeId) {
    const expected = `Unexpected broker id, expected ${nodeId}`;
    throw new Refused("INVALID_REQUEST", `${expected} but received ${resourceName}`);
  }
  if (levels === undefined) return [];
  const asked =
    configurationKeys === null || configurationKeys.length === 0 ? LOGGERS : configurationKeys.filter(isLogger);
  return asked.map(logger => ({
    ...{ name: logger, value: levels.level(logger), readOnly: false, configSource: SOURCE.logger, isSensitive: false },
    ...{ synonyms: [], configType: 0, documentation: null },
  }));
}

const DESCRIBERS: Readonly<Record<number, (parts: ConfigSource, asked: Asked) => ConfigEntry[]>> = {
  [RESOURCE_TYPE.topic]: ofTopic,
  [RESOURCE_TYPE.broker]: ofBroker,
  [RESOURCE_TYPE.group]: ofGroup,
  [RESOURCE_TYPE.clientMetrics]: ofSubscription,
  [BROKER_LOGGER]: ofLoggers,
};

function describe(source: ConfigSource, asked: Asked) {
  const { resourceType, resourceName } = asked.resource;
  const nothing: ConfigEntry[] = [];
  const base = { resourceType, resourceName, errorCode: 0, errorMessage: "", configs: nothing };
  const isAbsent = resourceType === RESOURCE_TYPE.topic && !source.image.topicIds.has(resourceName);
  if (isAbsent) return { ...base, ...absentTopic(resourceName) };
  const describer = DESCRIBERS[resourceType];
  invariant(describer !== undefined, "the type of the resource is known");
  try {
    return { ...base, configs: describer(source, asked) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { ...base, errorCode: error.code, errorMessage: error.message };
  }
}

/** DescribeConfigs of a node (`ConfigHelper`). */
export function describedConfigs(
  source: ConfigSource,
  request: RequestOf<"DescribeConfigs">,
): ResponseOf<"DescribeConfigs"> {
  const { resources, includeSynonyms, includeDocumentation } = request;
  // An unknown resource type fails the whole request.
  if (resources.some(({ resourceType }) => !KNOWN_TYPES.includes(resourceType))) {
    const { code: errorCode, message: errorMessage } = Errors.INVALID_REQUEST;
    const failed = { errorCode, errorMessage, configs: [] };
    const results = resources.map(({ resourceType, resourceName }) => ({ resourceType, resourceName, ...failed }));
    return { throttleTimeMs: 0, results };
  }
  const asked = { includeSynonyms, includeDocumentation };
  return {
    throttleTimeMs: 0,
    results: resources.map(resource => describe(source, { resource, ...asked })),
  };
}

/** Error of a topic that does not exist. */
function absentTopic(name: string): { errorCode: number; errorMessage: string } {
  const errorMessage = topicNameFault(name) ?? "";
  const error = errorMessage === "" ? Errors.UNKNOWN_TOPIC_OR_PARTITION : Errors.INVALID_TOPIC_EXCEPTION;
  return { errorCode: error.code, errorMessage };
}
