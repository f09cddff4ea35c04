import { KafkaJSNonRetriableError } from "../error/errors.ts";
import { ConfigResourceTypes } from "../values/enums.ts";

function refuse(message: string): never {
  throw new KafkaJSNonRetriableError(message);
}

/** Throws for what is no list of topics, each with a name of its own. `what` names the list. */
export function checkTopics(topics: unknown, what: string): asserts topics is readonly { readonly topic: string }[] {
  if (!Array.isArray(topics)) refuse(`Invalid ${what} array ${String(topics)}`);
  const names = (topics as readonly { readonly topic?: unknown }[]).map(({ topic }) => topic);
  if (names.some(name => typeof name !== "string")) {
    refuse(`Invalid ${what} array, the topic names have to be a valid string`);
  }
  if (new Set(names).size < names.length) {
    refuse(`Invalid ${what} array, it cannot have multiple entries for the same topic`);
  }
}

/** Throws for settings of a new topic that cannot be. */
export function checkConfigEntries(topic: string, entries: unknown): void {
  if (entries === undefined || entries === null) return;
  if (!Array.isArray(entries)) refuse(`Invalid configEntries for topic "${topic}", must be an array`);
  for (const [i, entry] of (entries as unknown[]).entries()) {
    if (typeof entry !== "object" || entry === null) {
      refuse(`Invalid configEntries for topic "${topic}". Entry ${i} must be an object`);
    }
    for (const name of ["name", "value"]) {
      if (typeof (entry as Record<string, unknown>)[name] === "string") continue;
      refuse(`Invalid configEntries for topic "${topic}". Entry ${i} must have a valid "${name}" property`);
    }
  }
}

/** Throws for what is no list of resources with settings. */
export function checkResources(resources: unknown): void {
  if (!Array.isArray(resources)) refuse(`Invalid resources array ${String(resources)}`);
  const all = resources as readonly { readonly type?: unknown; readonly name?: unknown }[];
  if (all.length === 0) refuse("Resources array cannot be empty");
  const types: readonly unknown[] = Object.values(ConfigResourceTypes);
  for (const resource of all) {
    const { type, name } = resource;
    if (!types.includes(type)) refuse(`Invalid resource type ${String(type)}: ${JSON.stringify(resource)}`);
    if (typeof name !== "string" || name === "") {
      refuse(`Invalid resource name ${String(name)}: ${JSON.stringify(resource)}`);
    }
  }
}

/** Throws for names of settings that are no list. */
export function checkConfigNames(resources: readonly { readonly configNames?: unknown }[]): void {
  for (const resource of resources) {
    const { configNames } = resource;
    if (configNames === undefined || configNames === null || Array.isArray(configNames)) continue;
    refuse(`Invalid resource configNames ${JSON.stringify(configNames)}: ${JSON.stringify(resource)}`);
  }
}

/** Throws for new settings of resources that cannot be. */
export function checkNewConfigs(resources: readonly { readonly configEntries?: unknown }[]): void {
  for (const resource of resources) {
    const entries = resource.configEntries;
    if (!Array.isArray(entries)) {
      refuse(`Invalid resource configEntries ${String(entries)}: ${JSON.stringify(resource)}`);
    }
    const isText = ({ name, value }: { name?: unknown; value?: unknown }): boolean =>
      typeof name === "string" && typeof value === "string";
    if (!(entries as { name?: unknown; value?: unknown }[]).every(isText)) {
      refuse(`Invalid resource config value: ${JSON.stringify(resource)}`);
    }
  }
}

/** Throws for reassignments that cannot be. */
export function checkReassignments(
  topics: readonly { readonly topic: string; readonly partitionAssignment?: unknown }[],
): void {
  for (const { topic, partitionAssignment } of topics) {
    if (!Array.isArray(partitionAssignment)) {
      refuse(`Invalid partitions array: ${String(partitionAssignment)} for topic: ${topic}`);
    }
    for (const { partition, replicas } of partitionAssignment as { partition?: unknown; replicas?: unknown }[]) {
      if (typeof partition !== "number" || partition < 0) {
        refuse(`Invalid partitions index: ${String(partition)} for topic: ${topic}`);
      }
      const what = `Invalid replica assignment: ${String(replicas)} for topic: ${topic} on partition: ${String(partition)}`;
      if (!Array.isArray(replicas)) refuse(what);
      if ((replicas as unknown[]).some(replica => typeof replica !== "number" || replica < 0)) {
        refuse(`${what}. Replicas must be a non negative number`);
      }
    }
  }
}

/** Throws for selected partitions that cannot be. */
export function checkSelectedPartitions(
  topics: readonly { readonly topic: string; readonly partitions?: unknown }[],
): void {
  for (const { topic, partitions } of topics) {
    const what = `Invalid partition array: ${String(partitions)} for topic: ${topic}`;
    if (!Array.isArray(partitions)) refuse(what);
    if ((partitions as unknown[]).some(one => typeof one !== "number" || one < 0)) {
      refuse(`${what}. The partition indices have to be a valid number greater than 0.`);
    }
  }
}
