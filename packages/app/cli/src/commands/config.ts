import type { QuotaEntity } from "@samsa/client-runtime";
import type { BrokerConnection } from "@samsa/wire";
import { answered, at, connected, sentence } from "./admin.ts";
import { pair } from "../settings/pair.ts";
import type { Common } from "../settings/client-settings.ts";
import { Failure } from "../terminal/failure.ts";
import { describeBrokers } from "./reassignment.ts";
import { alterQuotas, amountOf, describeQuotas, entityOf, type QuotaValues, said } from "./clients/quota.ts";
import { printTable } from "../terminal/table.ts";

/** `ConfigResource.Type`. */
export const RESOURCE = { topic: 2, broker: 4, clientMetrics: 16, group: 32 } as const;
/** `AlterConfigOp.OpType`. */
export const OPERATION = { set: 0, delete: 1, append: 2, subtract: 3 } as const;
type Operation = keyof typeof OPERATION;
const OPERATIONS = ["set", "delete", "append", "subtract"] as const satisfies readonly Operation[];

/** `DescribeConfigsResponse.ConfigSource`, by its number. */
const SOURCES = [
  "UNKNOWN",
  "DYNAMIC_TOPIC_CONFIG",
  "DYNAMIC_BROKER_CONFIG",
  "DYNAMIC_DEFAULT_BROKER_CONFIG",
  "STATIC_BROKER_CONFIG",
  "DEFAULT_CONFIG",
  "DYNAMIC_BROKER_LOGGER_CONFIG",
  "DYNAMIC_CLIENT_METRICS_CONFIG",
  "DYNAMIC_GROUP_CONFIG",
] as const;
const DEFAULT_SOURCE = 5;

/** `ConfigEntry.ConfigType`, by its number. */
const TYPES = ["UNKNOWN", "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD"] as const;

interface About extends Common {
  readonly topic?: string;
  readonly broker?: string;
  readonly group?: string;
  readonly clientMetrics?: string;
  /** Value of the option; true if it has none. */
  readonly clientQuotas?: string | true;
}

type Subject =
  | { readonly kind: "resource"; readonly resourceType: number; readonly resourceName: string; readonly said: string }
  | { readonly kind: "quotas"; readonly entity: QuotaEntity };

/** Subject of the command, named by exactly one option. Throws `Failure`. */
function subjectOf(options: About): Subject {
  const { topic, broker, group, clientMetrics, clientQuotas } = options;
  const named: Subject[] = [];
  const resource = (resourceType: number, resourceName: string | undefined, said: string): void => {
    if (resourceName !== undefined) named.push({ kind: "resource", resourceType, resourceName, said });
  };
  resource(RESOURCE.topic, topic, `topic ${topic}`);
  if (broker === "default") resource(RESOURCE.broker, "", "all brokers");
  else resource(RESOURCE.broker, broker, `broker ${broker}`);
  resource(RESOURCE.group, group, `group ${group}`);
  resource(RESOURCE.clientMetrics, clientMetrics, `client metrics ${clientMetrics}`);
  if (clientQuotas !== undefined) {
    named.push({ kind: "quotas", entity: clientQuotas === true ? {} : entityOf(clientQuotas, "--client-quotas") });
  }
  const [only, ...more] = named;
  if (only === undefined || more.length > 0) {
    throw new Failure("name one of --topic, --broker, --group, --client-metrics and --client-quotas");
  }
  return only;
}

/** Runs `action` with a connection to the broker whose settings are meant, as others do not answer for it. */
function connectedTo(
  subject: Extract<Subject, { kind: "resource" }>,
  options: Common,
  action: (admin: BrokerConnection) => Promise<void>,
): Promise<void> {
  const isOfBroker = subject.resourceType === RESOURCE.broker;
  const id = isOfBroker && /^\d+$/.test(subject.resourceName) ? Number(subject.resourceName) : undefined;
  return connected(options, async admin => {
    const { brokers } = id === undefined ? { brokers: [] } : await describeBrokers(admin);
    const own = brokers.find(({ brokerId, isFenced }) => brokerId === id && !isFenced);
    // The broker that was asked says what is wrong with the id of a broker that does not run.
    if (own === undefined) return action(admin);
    await connected(at(own, options), action);
  });
}

/** `samsa config describe`. */
export function describe(options: About & { readonly all?: boolean }): Promise<void> {
  const subject = subjectOf(options);
  if (subject.kind === "quotas" && options.all === true)
    throw new Failure("--all is for settings: quotas have no defaults");
  if (subject.kind === "quotas") return describeQuotas(subject.entity, options);
  return connectedTo(subject, options, admin => describeResource(admin, subject, options));
}

async function describeResource(
  admin: BrokerConnection,
  subject: Extract<Subject, { kind: "resource" }>,
  { json, all }: { readonly json?: boolean; readonly all?: boolean },
): Promise<void> {
  const { resourceType, resourceName } = subject;
  const { results } = await admin.call("DescribeConfigs", {
    resources: [{ resourceType, resourceName, configurationKeys: null }],
    includeSynonyms: all === true,
    includeDocumentation: false,
  });
  const { errorCode, errorMessage, configs } = answered(results[0], subject.said);
  if (errorCode !== 0) throw new Failure(`${subject.said}: ${sentence(errorCode, errorMessage)}`);
  const shown = configs
    .filter(config => all === true || config.configSource !== DEFAULT_SOURCE)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(config => ({
      name: config.name,
      value: config.value,
      source: SOURCES[config.configSource] ?? SOURCES[0],
      isDefault: config.configSource === DEFAULT_SOURCE,
      isReadOnly: config.readOnly,
      isSensitive: config.isSensitive,
      type: TYPES[config.configType] ?? TYPES[0],
      ...(all === true
        ? {
            synonyms: config.synonyms.map(({ name, value, source }) => ({
              source: SOURCES[source] ?? SOURCES[0],
              name,
              value,
            })),
          }
        : {}),
    }));
  if (json === true) return console.log(JSON.stringify(shown));
  if (shown.length === 0) return console.log(`All settings of ${subject.said} have their defaults; --all shows them.`);
  const value = (config: { value: string | null; isSensitive: boolean }): string =>
    config.isSensitive ? "(hidden)" : (config.value ?? "(none)");
  const rows = shown.map(config => [
    config.name,
    value(config),
    config.source,
    ...(config.synonyms === undefined
      ? []
      : [config.synonyms.map(({ source, name, value }) => `${source}:${name}=${value ?? ""}`).join(", ")]),
  ]);
  const head = ["NAME", "VALUE", "SOURCE", ...(all === true ? ["SYNONYMS"] : [])];
  printTable(head, rows);
}

type AlterOptions = About & { readonly [K in Operation]: readonly string[] };

/** Change of a setting. */
export interface Change {
  readonly name: string;
  readonly configOperation: number;
  /** New value; null to delete. */
  readonly value: string | null;
}

/** Changes settings of one resource, or only validates the changes. Rejects with a `Failure`. */
export async function alterConfigs(
  admin: BrokerConnection,
  resource: { readonly resourceType: number; readonly resourceName: string; readonly configs: readonly Change[] },
  validateOnly = false,
): Promise<void> {
  const { responses } = await admin.call("IncrementalAlterConfigs", {
    resources: [{ ...resource, configs: [...resource.configs] }],
    validateOnly,
  });
  for (const { errorCode, errorMessage } of responses) {
    if (errorCode !== 0) throw new Failure(sentence(errorCode, errorMessage));
  }
}

/** `samsa config alter`. */
export async function alter(options: AlterOptions): Promise<void> {
  const subject = subjectOf(options);
  const changes: (Change & { readonly operation: Operation })[] = OPERATIONS.flatMap(operation =>
    options[operation].map(text => ({
      operation,
      configOperation: OPERATION[operation],
      ...(operation === "delete" ? { name: text, value: null } : pair(text, `--${operation}`)),
    })),
  );
  if (changes.length === 0) throw new Failure("nothing to alter: give --set, --delete, --append or --subtract");
  if (subject.kind === "quotas") await alterQuotas(subject.entity, quotaValues(changes), options);
  else {
    const { resourceType, resourceName } = subject;
    const configs = changes.map(({ name, value, configOperation }) => ({ name, value, configOperation }));
    await connectedTo(subject, options, admin => alterConfigs(admin, { resourceType, resourceName, configs }));
  }
  const of = subject.kind === "quotas" ? `quotas of ${said(subject.entity)}` : subject.said;
  const facts = changes.map(({ operation, name, value }) => ({ operation, name, value }));
  if (options.json === true) console.log(JSON.stringify({ altered: of, changes: facts }));
  else console.log(`Altered ${of}: ${facts.map(({ operation, name }) => `${operation} ${name}`).join(", ")}.`);
}

function quotaValues(changes: readonly (Change & { readonly operation: Operation })[]): QuotaValues {
  const values = changes.map(({ operation, name, value }) => {
    if (operation === "append" || operation === "subtract") {
      throw new Failure(`--${operation} is for lists; a quota takes --set and --delete`);
    }
    return [name, operation === "delete" ? null : amountOf(name, value ?? "")] as const;
  });
  return Object.fromEntries(values);
}
