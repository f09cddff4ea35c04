import {
  type BrokerId,
  ConfigError,
  ignored,
  isLogger,
  isLogLevel,
  LOG_LEVELS,
  type LogLevels,
  named,
  parseConfig,
} from "@samsa/base";
import { RESOURCE_TYPE } from "@samsa/metadata";
import {
  type AlterConfigsResponse,
  type ErrorName,
  Errors,
  type IncrementalAlterConfigsResponse,
} from "@samsa/protocol";
import { brokerSpec, checkBrokerConfigs, threadsFault } from "../../config/config-checks.ts";
import { brokerConfigs } from "../../config/configs.ts";
import { listenerSettings, listenersFault } from "../../config/listeners.ts";
import { brokerConfigsFault, CONFIG_RULES } from "../../config/settings.ts";
import { BROKER_LOGGER } from "../../request/config-permissions.ts";
import type { Access } from "../../request/access.ts";
import { controllerClient } from "../../controller/controller-channel.ts";
import type { Handler, ResponseOf } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "channel" | "config" | "dirs" | "env" | "nodeId" | "security" | "settings" | "topics">;

/**
 * AlterConfigs and IncrementalAlterConfigs (`ConfigAdminManager`): the broker refuses invalid requests and changes that
 * it cannot apply to itself; the controller decides on the rest.
 */

const LISTENERS: readonly string[] = ["listeners", "listener.security.protocol.map"];
const OPERATIONS = ["SET", "DELETE", "APPEND", "SUBTRACT"] as const;
const FORWARDED: readonly number[] = [RESOURCE_TYPE.topic, RESOURCE_TYPE.clientMetrics, RESOURCE_TYPE.group];

interface Change {
  readonly name: string;
  readonly operation: (typeof OPERATIONS)[number] | undefined;
  /** Operation code as sent, which may be none that exists. */
  readonly operationId: number;
  readonly value: string | null;
}

interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly changes: readonly Change[];
}

interface Outcome {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** Request that the broker looks at first. */
interface Asking {
  readonly legacy: boolean;
  readonly validateOnly: boolean;
  readonly access: Access;
}

function refused(error: ErrorName, errorMessage: string): Outcome {
  return { errorCode: Errors[error].code, errorMessage };
}

/** Parses a node id; undefined unless it is an integer that fits a Java int. */
function nodeIdOf(name: string): BrokerId | undefined {
  return /^[+-]?\d{1,10}$/.test(name) && Math.abs(Number(name)) < 2 ** 31 ? Number(name) : undefined;
}

/** Returns the outcome if the broker alone can decide it, or undefined if the controller must. */
function preprocessed(parts: Needs, resource: Resource, { legacy, validateOnly, access }: Asking): Outcome | undefined {
  const { resourceType, changes } = resource;
  if (new Set(changes.map(({ name }) => name)).size !== changes.length) {
    return refused("INVALID_REQUEST", "Error due to duplicate config keys");
  }
  const nulls = changes.filter(({ operation, value }) => value === null && operation !== "DELETE");
  if (nulls.length > 0) {
    return refused("INVALID_REQUEST", `Null value not supported for : ${nulls.map(({ name }) => name).join(", ")}`);
  }
  if (resourceType === RESOURCE_TYPE.broker) return brokerOutcome(parts, resource, legacy);
  if (resourceType === BROKER_LOGGER && !legacy) {
    const { code: errorCode, message: errorMessage } = Errors.CLUSTER_AUTHORIZATION_FAILED;
    return access.permitsCluster("ALTER_CONFIGS")
      ? loggerOutcome(parts, resource, validateOnly)
      : { errorCode, errorMessage };
  }
  if (FORWARDED.includes(resourceType)) return undefined;
  return refused("INVALID_REQUEST", `Unknown resource type ${resourceType}`);
}

function brokerOutcome(parts: Needs, resource: Resource, legacy: boolean): Outcome | undefined {
  const { resourceName: name, changes } = resource;
  if (name !== "") {
    const id = nodeIdOf(name);
    if (id === undefined) return refused("INVALID_REQUEST", `Node id must be an integer, but it is: ${name}`);
    if (id !== parts.nodeId) {
      return refused("INVALID_REQUEST", `Unexpected broker id, expected ${parts.nodeId}, but received ${name}`);
    }
  }
  const values = new Map(legacy ? [] : parts.settings.dynamic(parts.topics.image, name));
  for (const change of changes) {
    const problem = applyChange(values, change);
    if (problem !== undefined) return problem;
  }
  const fault = brokerConfigsFault(name, values, parts.dirs.paths);
  if (fault !== undefined) return refused(fault.error, fault.message);
  return togetherFault(parts, name, values, changes);
}

/** Checks that the broker's new settings fit each other and the running broker (`KafkaConfig`, reconfigurables). */
function togetherFault(
  parts: Needs,
  name: string,
  values: ReadonlyMap<string, string>,
  changes: readonly Change[],
): Outcome | undefined {
  const lookup = parts.settings.proposed(parts.topics.image, name, values);
  const now = parts.settings.proposed(parts.topics.image, name, parts.settings.dynamic(parts.topics.image, name));
  try {
    checkBrokerConfigs(values.keys(), lookup);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return refused("INVALID_REQUEST", error.message);
  }
  const threads = threadsFault(now, lookup);
  if (threads !== undefined) return refused("INVALID_REQUEST", threads);
  if (name === "") return undefined;
  const { hostName } = parts.env.network;
  const then = listenerSettings(parseConfig(brokerConfigs, lookup), hostName);
  const isMoved = changes.some(({ name: changed }) => LISTENERS.includes(changed));
  const listeners = isMoved ? listenersFault(listenerSettings(parts.config, hostName), then) : undefined;
  const found = listeners ?? parts.security.fault(values, then);
  return found === undefined ? undefined : refused("INVALID_REQUEST", found);
}

function applyChange(values: Map<string, string>, change: Change): Outcome | undefined {
  const { name, operation, operationId, value } = change;
  if (operation === undefined) return refused("INVALID_REQUEST", `Unknown operations type ${operationId}`);
  if (operation === "DELETE") values.delete(name);
  else if (operation === "SET") values.set(name, value ?? "");
  else {
    const { broker: type } = RESOURCE_TYPE;
    if (brokerSpec(name) === undefined) return refused("INVALID_CONFIG", `Unknown config name: ${name}`);
    if (!CONFIG_RULES.isList(type, name)) {
      const how = operation.toLowerCase();
      return refused("INVALID_CONFIG", `Config value ${how} is not allowed for config key: ${name}`);
    }
    const list = (values.get(name) ?? CONFIG_RULES.initial(type, name) ?? "").split(",").filter(part => part !== "");
    const parts = (value ?? "").split(",");
    const rest = list.filter(part => !parts.includes(part));
    const added = parts.filter(part => !list.includes(part));
    values.set(name, (operation === "APPEND" ? [...list, ...added] : rest).join(","));
  }
  return undefined;
}

/** Checks changes of loggers' levels, and makes them (`RuntimeLoggerManager`). */
function loggerOutcome(
  { nodeId, env }: Needs,
  { resourceName: name, changes }: Resource,
  validateOnly: boolean,
): Outcome {
  const id = nodeIdOf(name);
  if (id === undefined) return refused("INVALID_REQUEST", `Node id must be an integer, but it is: ${name}`);
  if (id !== nodeId) return refused("INVALID_REQUEST", `Unexpected node id. Expected ${nodeId}, but received ${id}`);
  const edits: ((levels: LogLevels) => void)[] = [];
  for (const change of changes) {
    const edit = loggerChange(change, env.logger.levels !== undefined);
    if ("errorCode" in edit) return edit;
    edits.push(edit.apply);
  }
  const { levels } = env.logger;
  if (levels !== undefined && !validateOnly) {
    for (const edit of edits) edit(levels);
    const told = changes.map(({ name: logger, value }) => `${logger}=${value ?? "inherited"}`).join(",");
    named(env.logger, "kafka.server").info("levels of loggers have changed", { levels: told });
  }
  return { errorCode: 0, errorMessage: null };
}

/** Change of the levels, or the reason why it is refused. */
function loggerChange(
  { name: logger, value, operation, operationId }: Change,
  areThere: boolean,
): Outcome | { readonly apply: (levels: LogLevels) => void } {
  if (operation !== "SET" && operation !== "DELETE") {
    const what = operation ?? `Unknown operation type ${operationId}`;
    const asked = operation === undefined ? what : `${what} operation`;
    return refused("INVALID_REQUEST", `${asked} is not allowed for the BROKER_LOGGER resource`);
  }
  if (!areThere || !isLogger(logger)) return refused("INVALID_CONFIG", `Logger ${logger} does not exist!`);
  if (operation === "DELETE") {
    if (logger !== "root") return { apply: levels => levels.unset(logger) };
    return refused("INVALID_REQUEST", "Removing the log level of the root logger is not allowed");
  }
  if (isLogLevel(value)) return { apply: levels => levels.set(logger, value) };
  const why = `Cannot set the log level of ${logger} to ${value} as it is not a supported log level`;
  return refused("INVALID_CONFIG", `${why}. Valid log levels are ${[...LOG_LEVELS].sort().join(", ")}`);
}

const keyOf = (resource: { readonly resourceType: number; readonly resourceName: string }): string =>
  `${resource.resourceType}/${resource.resourceName}`;

/**
 * Returns outcomes that the broker decides itself, by position in the request; undefined for those of the controller.
 */
function preprocess(parts: Needs, resources: readonly Resource[], asking: Asking): (Outcome | undefined)[] {
  const counts = new Map<string, number>();
  for (const resource of resources) counts.set(keyOf(resource), (counts.get(keyOf(resource)) ?? 0) + 1);
  return resources.map(resource =>
    counts.get(keyOf(resource)) === 1
      ? preprocessed(parts, resource, asking)
      : refused("INVALID_REQUEST", "Each resource must appear at most once."),
  );
}

type Response = AlterConfigsResponse | IncrementalAlterConfigsResponse;

/** Passes resources without an outcome to `decide`, and replies for all resources in request order. */
function answer(
  resources: readonly Resource[],
  outcomes: readonly (Outcome | undefined)[],
  reply: (response: ResponseOf<"AlterConfigs">) => void,
  decide: (pending: ReadonlySet<number>, done: (response: Response | undefined) => void) => void,
): void {
  const pending = new Set(outcomes.flatMap((outcome, i) => (outcome === undefined ? [i] : [])));
  const done = (decided: Response | undefined): void => {
    const found = new Map(decided?.responses.map(response => [keyOf(response), response]));
    const responses = resources.map((resource, i) => {
      const { resourceType, resourceName } = resource;
      const { errorCode, errorMessage } = outcomes[i] ?? found.get(keyOf(resource)) ?? UNDECIDED;
      return { errorCode, errorMessage, resourceType, resourceName };
    });
    reply({ throttleTimeMs: 0, responses });
  };
  if (pending.size === 0) done(undefined);
  else decide(pending, done);
}

const UNDECIDED: Outcome = refused("UNKNOWN_SERVER_ERROR", Errors.UNKNOWN_SERVER_ERROR.message);

export const incrementalAlterConfigs: Handler<"IncrementalAlterConfigs", Needs> = (parts, request, context, reply) => {
  const resources = request.resources.map(({ resourceType, resourceName, configs }) => ({
    resourceType,
    resourceName,
    changes: configs.map(({ name, configOperation: operationId, value }) => ({
      name,
      operation: OPERATIONS[operationId],
      operationId,
      value,
    })),
  }));
  const asking = { legacy: false, validateOnly: request.validateOnly, access: context.access };
  answer(resources, preprocess(parts, resources, asking), reply, (pending, done) => {
    const rest = { ...request, resources: request.resources.filter((_, i) => pending.has(i)) };
    parts.channel
      .call("IncrementalAlterConfigs", rest, controllerClient(context))
      .then(done, ignored("the channel answers failures, too"));
  });
};

/** AlterConfigs, the older API: it deletes every setting that the request does not name. */
export const alterConfigs: Handler<"AlterConfigs", Needs> = (parts, request, context, reply) => {
  const resources = request.resources.map(({ resourceType, resourceName, configs }) => ({
    resourceType,
    resourceName,
    changes: configs.map(({ name, value }) => ({ name, operation: OPERATIONS[0], operationId: 0, value })),
  }));
  const asking = { legacy: true, validateOnly: request.validateOnly, access: context.access };
  answer(resources, preprocess(parts, resources, asking), reply, (pending, done) => {
    const rest = { ...request, resources: request.resources.filter((_, i) => pending.has(i)) };
    parts.channel
      .call("AlterConfigs", rest, controllerClient(context))
      .then(done, ignored("the channel answers failures, too"));
  });
};
