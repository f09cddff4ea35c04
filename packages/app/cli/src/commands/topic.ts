import { type BrokerId, type PartitionIndex, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { BrokerConnection, RequestOf, ResponseOf } from "@samsa/wire";
import { answered, connected, sentence } from "./admin.ts";
import { pair } from "../settings/pair.ts";
import type { Common } from "../settings/client-settings.ts";
import { alterConfigs, type Change, OPERATION, RESOURCE } from "./config.ts";
import { Failure } from "../terminal/failure.ts";

const SET_ON_TOPIC = 1;
/** Partitions in one response, as Kafka's tools ask for. */
const PAGE = 2000;
type Described = ResponseOf<"DescribeConfigs">["results"][number];

function count(text: string | undefined, option: string): number {
  if (text === undefined) return -1;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value < 1) throw new Failure(`${option} wants a whole number from 1, not "${text}"`);
  return value;
}

const countOf = (partitions: number): string => `${partitions} ${partitions === 1 ? "partition" : "partitions"}`;

interface CreateOptions extends Common {
  readonly partitions?: string;
  readonly replicationFactor?: string;
  readonly config: readonly string[];
  readonly ifNotExists?: boolean;
}

/** `samsa topic create`. */
export function create(name: string, options: CreateOptions): Promise<void> {
  const configs = options.config.map(text => pair(text, "--config"));
  return connected(options, async admin => {
    const topic = {
      name,
      numPartitions: count(options.partitions, "--partitions"),
      replicationFactor: count(options.replicationFactor, "--replication-factor"),
      assignments: [],
      configs,
    };
    const answer = await admin.call("CreateTopics", { topics: [topic], timeoutMs: 30_000 });
    const made = answered(answer.topics[0], `topic ${name}`);
    const exists = made.errorCode === Errors.TOPIC_ALREADY_EXISTS.code;
    if (made.errorCode !== 0 && !(exists && options.ifNotExists === true)) {
      throw new Failure(sentence(made.errorCode, made.errorMessage));
    }
    const facts = { name, topicId: made.topicId, partitions: made.numPartitions, created: !exists };
    if (options.json === true) console.log(JSON.stringify(facts));
    else
      console.log(exists ? `Topic ${name} already exists.` : `Created topic ${name}, ${countOf(made.numPartitions)}.`);
  });
}

interface AlterOptions extends Common {
  readonly partitions?: string;
  readonly config: readonly string[];
  readonly deleteConfig: readonly string[];
}

/** `samsa topic alter`. Validates the settings before it adds partitions. */
export function alter(name: string, options: AlterOptions): Promise<void> {
  const partitions = count(options.partitions, "--partitions");
  const configs: Change[] = [
    ...options.config.map(text => ({ ...pair(text, "--config"), configOperation: OPERATION.set })),
    ...options.deleteConfig.map(key => ({ name: key, value: null, configOperation: OPERATION.delete })),
  ];
  if (partitions < 0 && configs.length === 0) {
    throw new Failure("nothing to alter: give --partitions, --config or --delete-config");
  }
  const resource = { resourceType: RESOURCE.topic, resourceName: name, configs };
  return connected(options, async admin => {
    if (partitions >= 0) {
      if (configs.length > 0) await alterConfigs(admin, resource, true);
      const { results } = await admin.call("CreatePartitions", {
        topics: [{ name, count: partitions, assignments: null }],
        timeoutMs: 30_000,
        validateOnly: false,
      });
      for (const { errorCode, errorMessage } of results) {
        if (errorCode !== 0) throw new Failure(sentence(errorCode, errorMessage));
      }
    }
    if (configs.length > 0) await alterConfigs(admin, resource);
    const facts = {
      name,
      ...(partitions < 0 ? {} : { partitions }),
      configs: Object.fromEntries(configs.map(change => [change.name, change.value])),
    };
    if (options.json === true) return console.log(JSON.stringify(facts));
    const done = [
      ...(partitions < 0 ? [] : [countOf(partitions)]),
      ...configs.map(change => (change.value === null ? `without ${change.name}` : `${change.name}=${change.value}`)),
    ];
    console.log(`Altered topic ${name}: ${done.join(", ")}.`);
  });
}

/** `samsa topic list`. */
export function list(options: Common): Promise<void> {
  return connected(options, async admin => {
    const { topics } = await admin.call("Metadata", {
      topics: null,
      includeTopicAuthorizedOperations: false,
    });
    const names = topics.flatMap(({ name }) => (name === null ? [] : [name])).sort((a, b) => (a < b ? -1 : 1));
    if (options.json === true) console.log(JSON.stringify(names));
    else for (const name of names) console.log(name);
  });
}

/** `samsa topic describe`. */
export function describe(names: readonly string[], options: Common): Promise<void> {
  return connected(options, async admin => {
    const asked = names.length === 0 ? null : names.map(name => ({ name }));
    const { topics } = await admin.call("Metadata", {
      topics: asked,
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: false,
    });
    const failed = topics.find(({ errorCode }) => errorCode !== 0);
    if (failed !== undefined) throw new Failure(`${failed.name}: ${sentence(failed.errorCode, null)}`);
    const resources = topics.map(({ name }) => ({
      resourceType: RESOURCE.topic,
      resourceName: name ?? "",
      configurationKeys: null,
    }));
    const { results } = await admin.call("DescribeConfigs", { resources });
    const eligible = await eligibleReplicas(
      admin,
      topics.map(({ name }) => name ?? ""),
    );
    // The broker may answer in another order: Kafka puts the topics whose settings it refuses last.
    const byName = new Map(results.map(result => [result.resourceName, result]));
    const shown = topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      configs: settingsOf(answered(byName.get(name ?? ""), `the settings of topic ${name}`)),
      partitions: partitions.map(p => ({
        partition: p.partitionIndex,
        leader: p.leaderId,
        replicas: p.replicaNodes,
        isr: p.isrNodes,
        ...eligible.get(`${name}-${p.partitionIndex}`),
      })),
    }));
    if (options.json === true) console.log(JSON.stringify(shown));
    else for (const topic of shown) printTopic(topic);
  });
}

interface Eligible {
  readonly elr: readonly BrokerId[];
  readonly lastKnownElr: readonly BrokerId[];
}

/** Replicas that may lead once no replica is in sync (KIP-966), by topic and index; nothing from an older broker. */
async function eligibleReplicas(admin: BrokerConnection, names: readonly string[]): Promise<Map<string, Eligible>> {
  const found = new Map<string, Eligible>();
  if (admin.versions.latestUsable("DescribeTopicPartitions") === undefined || names.length === 0) return found;
  type Request = RequestOf<"DescribeTopicPartitions">;
  let cursor: Request["cursor"] = null;
  let before: number;
  do {
    before = found.size;
    const request: Request = { topics: names.map(name => ({ name })), responsePartitionLimit: PAGE, cursor };
    const answer = await admin.call("DescribeTopicPartitions", request);
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, eligibleLeaderReplicas, lastKnownElr } of partitions) {
        const lists = { elr: eligibleLeaderReplicas ?? [], lastKnownElr: lastKnownElr ?? [] };
        found.set(`${name}-${partitionIndex}`, lists);
      }
    }
    cursor = answer.nextCursor;
    // A page without partitions would be asked for again and again.
  } while (cursor !== null && found.size > before);
  return found;
}

/** Settings that the topic itself has. Throws `Failure` if the broker refuses them. */
function settingsOf({ resourceName, errorCode, errorMessage, configs }: Described): Shown["configs"] {
  if (errorCode !== 0) throw new Failure(`${resourceName}: ${sentence(errorCode, errorMessage)}`);
  const set = configs.filter(config => config.configSource === SET_ON_TOPIC);
  return Object.fromEntries(set.map(config => [config.name, config.value]));
}

interface Shown {
  readonly name: string | null;
  readonly topicId: string;
  readonly configs: Readonly<Record<string, string | null>>;
  readonly partitions: readonly {
    partition: PartitionIndex;
    leader: BrokerId;
    replicas: readonly BrokerId[];
    isr: readonly BrokerId[];
    elr?: readonly BrokerId[];
    lastKnownElr?: readonly BrokerId[];
  }[];
}

function printTopic({ name, topicId, configs, partitions }: Shown): void {
  const settings = Object.entries(configs).map(([key, value]) => `${key}=${value}`);
  const replication = partitions[0]?.replicas.length ?? 0;
  console.log(
    `Topic: ${name}\tTopicId: ${topicId}\tPartitionCount: ${partitions.length}\tReplicationFactor: ${replication}\tConfigs: ${settings.join(",")}`,
  );
  for (const { partition, leader, replicas, isr, elr, lastKnownElr } of partitions) {
    const inSync = `Replicas: ${replicas.join(",")}\tIsr: ${isr.join(",")}`;
    const eligible = `Elr: ${elr?.join(",") ?? "N/A"}\tLastKnownElr: ${lastKnownElr?.join(",") ?? "N/A"}`;
    console.log(`\tTopic: ${name}\tPartition: ${partition}\tLeader: ${leader}\t${inSync}\t${eligible}`);
  }
}

interface DeleteOptions extends Common {
  readonly ifExists?: boolean;
}

/** `samsa topic delete`. */
async function remove(names: readonly string[], options: DeleteOptions): Promise<void> {
  await connected(options, async admin => {
    const topics = names.map(name => ({ name, topicId: ZERO_UUID }));
    const { responses } = await admin.call("DeleteTopics", { topics, timeoutMs: 30_000 });
    const missing = Errors.UNKNOWN_TOPIC_OR_PARTITION.code;
    for (const { name, errorCode, errorMessage } of responses) {
      if (errorCode !== 0 && !(errorCode === missing && options.ifExists === true)) {
        throw new Failure(`${name}: ${sentence(errorCode, errorMessage)}`);
      }
    }
    const gone = responses.filter(({ errorCode }) => errorCode === 0).map(({ name }) => name);
    if (options.json === true) console.log(JSON.stringify({ deleted: gone }));
    else for (const name of gone) console.log(`Deleted topic ${name}.`);
  });
}

export { remove as delete };
