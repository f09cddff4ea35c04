import { KafkaError } from "@samsa/client-kernel";
import type { ClusterClient } from "@samsa/client-runtime";
import { groupBy } from "@samsa/base";
import type { RequestFor, ResponseOf } from "@samsa/wire";
import { protocolError } from "../error/convert.ts";
import { ConfigResourceTypes, ConfigSource } from "../values/enums.ts";
import type { Admin, DescribeConfigResponse } from "./types.ts";

/** Broker that alone answers for a resource; undefined: any does. */
function brokerOf({ type, name }: { readonly type: number; readonly name: string }): number | undefined {
  const isOfBroker = type === ConfigResourceTypes.BROKER || type === ConfigResourceTypes.BROKER_LOGGER;
  return isOfBroker && /^\d+$/.test(name) ? Number(name) : undefined;
}

async function call<N extends "DescribeConfigs" | "AlterConfigs">(
  client: ClusterClient,
  api: N,
  request: RequestFor<N>,
  broker: number | undefined,
): Promise<ResponseOf<N>> {
  return client.retrying(client.patience(), async () => {
    if (broker === undefined) return client.callAny(api, request);
    const brokers = await client.ready(client.patience());
    if (!brokers.has(broker)) throw new KafkaError("INVALID_ARGUMENT", `the cluster has no broker ${broker}`);
    return client.call(broker, api, request);
  });
}

/** Settings of resources. Throws the first error. */
export async function describeConfigs(
  client: ClusterClient,
  { resources, includeSynonyms = false }: Parameters<Admin["describeConfigs"]>[0],
): Promise<DescribeConfigResponse> {
  const answers = await Promise.all(
    [...groupBy(resources, brokerOf)].map(([broker, group]) => {
      const asked = group.map(({ type, name, configNames }) => ({
        ...{ resourceType: type, resourceName: name },
        configurationKeys: configNames === undefined || configNames.length === 0 ? null : configNames,
      }));
      return call(client, "DescribeConfigs", { resources: asked, includeSynonyms }, broker);
    }),
  );
  const found = answers.flatMap(({ results }) => results);
  for (const { errorCode, errorMessage, resourceName } of found) {
    if (errorCode !== 0) throw protocolError(errorCode, `the settings of ${resourceName}`, errorMessage);
  }
  return {
    resources: found.map(({ errorCode, errorMessage, resourceType, resourceName, configs }) => ({
      ...{ errorCode, errorMessage, resourceName, resourceType: resourceType as ConfigResourceTypes },
      configEntries: configs.map(({ name, value, readOnly, configSource, isSensitive, synonyms }) => ({
        ...{ configName: name, configValue: value, readOnly, configSource, isSensitive },
        isDefault: configSource === ConfigSource.DEFAULT_CONFIG,
        configSynonyms: synonyms.map(one => ({
          ...{ configName: one.name, configValue: one.value, configSource: one.source },
        })),
      })),
    })),
    throttleTime: Math.max(...answers.map(({ throttleTimeMs }) => throttleTimeMs)),
  };
}

/** Replaces the settings of resources. Throws the first error. */
export async function alterConfigs(
  client: ClusterClient,
  { resources, validateOnly = false }: Parameters<Admin["alterConfigs"]>[0],
): ReturnType<Admin["alterConfigs"]> {
  const answers = await Promise.all(
    [...groupBy(resources, brokerOf)].map(([broker, group]) => {
      const asked = group.map(({ type, name, configEntries }) => ({
        ...{ resourceType: type, resourceName: name },
        configs: configEntries.map(entry => ({ name: entry.name, value: entry.value })),
      }));
      return call(client, "AlterConfigs", { resources: asked, validateOnly }, broker);
    }),
  );
  const found = answers.flatMap(({ responses }) => responses);
  for (const { errorCode, errorMessage, resourceName } of found) {
    if (errorCode !== 0) throw protocolError(errorCode, `the settings of ${resourceName}`, errorMessage);
  }
  return {
    resources: found.map(({ errorCode, errorMessage, resourceType, resourceName }) => ({
      ...{ errorCode, errorMessage, resourceType, resourceName },
    })),
    throttleTime: Math.max(...answers.map(({ throttleTimeMs }) => throttleTimeMs)),
  };
}
