import { KafkaError } from "@samsa/client-kernel";
import { type BrokerId, groupBy } from "@samsa/base";
import type { RequestFor, ResponseOf } from "@samsa/wire";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { type AdminOptions, check, drive, outcomeOf, type Plan, type Share } from "./drive.ts";
import { type Outcome, Outcomes } from "./outcomes.ts";

/** Types of resources with settings, with Kafka's codes (`ConfigResource.Type`). */
const RESOURCE_TYPES = { topic: 2, broker: 4, "broker-logger": 8, "client-metrics": 16, group: 32 } as const;
/** Type of a resource with settings. */
export type ConfigResourceType = keyof typeof RESOURCE_TYPES;

/** A resource with settings, as in `topic:orders`. A broker's name is its id; that of the default of all is empty. */
export type ConfigResource = `${ConfigResourceType}:${string}`;

const SOURCES = [
  ...(["UNKNOWN", "DYNAMIC_TOPIC_CONFIG", "DYNAMIC_BROKER_CONFIG", "DYNAMIC_DEFAULT_BROKER_CONFIG"] as const),
  ...([
    "STATIC_BROKER_CONFIG",
    "DEFAULT_CONFIG",
    "DYNAMIC_BROKER_LOGGER_CONFIG",
    "DYNAMIC_CLIENT_METRICS_CONFIG",
  ] as const),
  "DYNAMIC_GROUP_CONFIG" as const,
] as const;
const TYPES = [
  ...(["UNKNOWN", "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD"] as const),
] as const;

/** Place of a setting's value (`ConfigEntry.ConfigSource`). */
export type ConfigSource = (typeof SOURCES)[number];

/** Value of a setting in one place. */
export interface ConfigSynonym {
  readonly name: string;
  readonly value: string | null;
  readonly source: ConfigSource;
}

/** A setting of a resource. */
export interface ConfigEntry extends ConfigSynonym {
  readonly isReadOnly: boolean;
  /** The broker does not tell its value. */
  readonly isSensitive: boolean;
  readonly type: (typeof TYPES)[number];
  /** Places that were looked at, in order; empty unless asked for. */
  readonly synonyms: readonly ConfigSynonym[];
  readonly documentation: string | undefined;
}

const OPERATIONS = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

/** Change of a setting; `append` and `subtract` are for lists (KIP-339). */
export type ConfigChange =
  | { readonly op: "set" | "append" | "subtract"; readonly value: string }
  | { readonly op: "delete" };

type Described = ResponseOf<"DescribeConfigs">["results"][number];

/** Settings of topics, brokers, groups and client metrics: Java's `Admin.describeConfigs` and its like. */
export class ConfigAdmin {
  readonly #client: ClusterClient;

  constructor(client: ClusterClient) {
    this.#client = client;
  }

  /** Describes the settings of resources, or some of them. */
  async describe(
    resources: readonly ConfigResource[],
    options: AdminOptions & {
      readonly names?: readonly string[];
      readonly synonyms?: boolean;
      readonly documentation?: boolean;
    } = {},
  ): Promise<Outcomes<ConfigResource, ReadonlyMap<string, ConfigEntry>>> {
    const { names, synonyms = false, documentation = false } = options;
    const plan = this.#plan(resources, async (open, broker) => {
      const request = {
        resources: open.map(resource => ({ ...parts(resource), configurationKeys: names ?? null })),
        includeSynonyms: synonyms,
        includeDocumentation: documentation,
      };
      const { results } = await this.#call("DescribeConfigs", request, broker);
      return new Map(
        results.map(result => [nameOf(result), outcomeOf(result, nameOf(result), () => entriesOf(result))]),
      );
    });
    return new Outcomes(await drive(this.#client, this.#client.patience(options), plan));
  }

  /** Changes settings, each resource as a whole or not at all (KIP-339). */
  async alter(
    changes: Readonly<Partial<Record<ConfigResource, Readonly<Record<string, ConfigChange>>>>>,
    options: AdminOptions & { readonly validateOnly?: boolean } = {},
  ): Promise<Outcomes<ConfigResource, true>> {
    // The keys of the record are resources, which the type of Object.keys does not tell.
    const resources = Object.keys(changes) as ConfigResource[];
    const plan = this.#plan(resources, async (open, broker) => {
      const request = {
        resources: open.map(resource => ({ ...parts(resource), configs: changesOf(changes[resource] ?? {}) })),
        validateOnly: options.validateOnly === true,
      };
      const { responses } = await this.#call("IncrementalAlterConfigs", request, broker);
      return new Map(responses.map(made => [nameOf(made), outcomeOf(made, nameOf(made), () => true as const)]));
    });
    return new Outcomes(await drive(this.#client, this.#client.patience(options), plan));
  }

  /** Names of the resources that have settings of their own, of some types or of all (KIP-1142). */
  async listResources(
    options: AdminOptions & { readonly types?: readonly ConfigResourceType[] } = {},
  ): Promise<ConfigResource[]> {
    const { types = [] } = options;
    const patience = this.#client.patience(options);
    const answer = await this.#client.retrying(patience, async () => {
      const response = await this.#client.callAny("ListConfigResources", version =>
        version === 0 ? {} : { resourceTypes: types.map(type => RESOURCE_TYPES[type]) },
      );
      check(response, "the list of resources");
      return response;
    });
    return answer.configResources.map(nameOf);
  }

  /** Settings of a broker, or of its loggers, are asked of that broker; others of any. */
  #plan<T>(
    resources: readonly ConfigResource[],
    ask: (
      open: readonly ConfigResource[],
      broker: BrokerId | undefined,
    ) => Promise<ReadonlyMap<ConfigResource, Outcome<T>>>,
  ): Plan<ConfigResource, T> {
    return {
      keys: resources,
      shares: open => {
        const shares = [...groupBy(open, brokerOf)].map(
          ([broker, keys]): Share<ConfigResource, T> => ({ keys, ask: () => ask(keys, broker) }),
        );
        return Promise.resolve(shares);
      },
      isFinal: ({ name }) => name === "UNKNOWN_TOPIC_OR_PARTITION",
    };
  }

  async #call<N extends "DescribeConfigs" | "IncrementalAlterConfigs">(
    api: N,
    request: RequestFor<N>,
    broker: BrokerId | undefined,
  ): Promise<ResponseOf<N>> {
    if (broker === undefined) return this.#client.callAny(api, request);
    await this.#client.ready(this.#client.patience());
    return this.#client.call(broker, api, request);
  }
}

function isResourceType(type: string): type is ConfigResourceType {
  return Object.hasOwn(RESOURCE_TYPES, type);
}

function parts(resource: ConfigResource): { readonly resourceType: number; readonly resourceName: string } {
  const at = resource.indexOf(":");
  const type = resource.slice(0, at);
  if (!isResourceType(type)) {
    const types = Object.keys(RESOURCE_TYPES).join(", ");
    throw new KafkaError(
      "INVALID_ARGUMENT",
      `"${resource}" is no resource: it begins with one of ${types}, and a colon`,
    );
  }
  return { resourceType: RESOURCE_TYPES[type], resourceName: resource.slice(at + 1) };
}

function brokerOf(resource: ConfigResource): BrokerId | undefined {
  const { resourceType, resourceName } = parts(resource);
  const isOfBroker = resourceType === RESOURCE_TYPES.broker || resourceType === RESOURCE_TYPES["broker-logger"];
  return isOfBroker && /^\d+$/.test(resourceName) ? Number(resourceName) : undefined;
}

function nameOf({ resourceType, resourceName }: { readonly resourceType: number; readonly resourceName: string }) {
  const found = Object.entries(RESOURCE_TYPES).find(([, code]) => code === resourceType)?.[0];
  const type = found !== undefined && isResourceType(found) ? found : "topic";
  return `${type}:${resourceName}` as const;
}

function entriesOf({ configs }: Described): Map<string, ConfigEntry> {
  return new Map(
    configs.map(config => [
      config.name,
      {
        name: config.name,
        value: config.value,
        source: SOURCES[config.configSource] ?? "UNKNOWN",
        isReadOnly: config.readOnly,
        isSensitive: config.isSensitive,
        type: TYPES[config.configType] ?? "UNKNOWN",
        synonyms: config.synonyms.map(({ name, value, source }) => ({
          name,
          value,
          source: SOURCES[source] ?? "UNKNOWN",
        })),
        documentation: config.documentation ?? undefined,
      },
    ]),
  );
}

function changesOf(changes: Readonly<Record<string, ConfigChange>>) {
  return Object.entries(changes).map(([name, change]) => ({
    name,
    configOperation: OPERATIONS[change.op],
    value: change.op === "delete" ? null : change.value,
  }));
}
