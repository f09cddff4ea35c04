import { invariant } from "@samsa/base";
import {
  type ConfigImage,
  METADATA_RELEASES,
  METADATA_VERSION,
  METADATA_VERSION_FEATURE,
  type MetadataImage,
  metadataVersionOf,
  type PartitionImage,
  type QuotaImage,
  RESOURCE_TYPE,
  type TopicImage,
} from "@samsa/metadata";
import { timeText } from "../dump/text.ts";
import { COMMIT, VERSION } from "../terminal/version.ts";

/** Node with a value and without children. */
export interface Leaf {
  readonly value: unknown;
}

/** Node with named children. */
export interface Directory {
  /** Names of the children, sorted as text. */
  names(): string[];
  child(name: string): Node | undefined;
}

export type Node = Leaf | Directory;

export function isDirectory(node: Node): node is Directory {
  return "child" in node;
}

const leaf = (value: unknown): Leaf => ({ value });

/** Directory of the values of `entries`, named by their keys as text. */
function directory<K, V>(entries: ReadonlyMap<K, V>, nodeOf: (value: V) => Node): Directory {
  const byName = new Map([...entries].map(([key, value]) => [String(key), value]));
  return {
    names: () => [...byName.keys()].sort(),
    child: name => {
      const value = byName.get(name);
      return value === undefined ? undefined : nodeOf(value);
    },
  };
}

/** Directory whose children are created on access. */
function fixed(children: Readonly<Record<string, () => Node>>): Directory {
  return directory(new Map(Object.entries(children)), make => make());
}

/** Tree of a metadata image, with the paths of Kafka's metadata shell (`org.apache.kafka.image.node`). */
export function rootOf(image: MetadataImage): Directory {
  return fixed({
    image: () => imageNode(image),
    local: () => fixed({ version: () => leaf(VERSION), commitId: () => leaf(COMMIT) }),
  });
}

function imageNode(image: MetadataImage): Directory {
  const { offset, epoch, timestamp } = image.provenance;
  return fixed({
    provenance: () => leaf(`offset ${offset}, epoch ${epoch}, time ${timeText(timestamp)}`),
    features: () => featuresNode(image),
    cluster: () =>
      fixed({
        brokers: () => directory(image.brokers, leaf),
        controllers: () => directory(image.controllers, leaf),
      }),
    topics: () => topicsNode(image),
    configs: () => directory(byConfigName(image), ({ values }) => directory(values, leaf)),
    clientQuotas: () => directory(byQuotaName(image), ({ quotas }) => directory(quotas, leaf)),
    producerIds: () => fixed({ nextProducerId: () => leaf(image.nextProducerId) }),
    acls: () => fixed({ byId: () => directory(image.acls, leaf) }),
    scram: () => scramNode(image),
    delegationToken: () => directory(image.delegationTokens, leaf),
  });
}

function featuresNode(image: MetadataImage): Directory {
  const level = metadataVersionOf(image);
  const nodes: Record<string, () => Node> = {
    metadataVersion: () => leaf(METADATA_RELEASES[level - METADATA_VERSION.minimum] ?? String(level)),
  };
  for (const [name, value] of image.features) {
    if (name !== METADATA_VERSION_FEATURE) nodes[`finalized_${name}`] = () => leaf(value);
  }
  return fixed(nodes);
}

function topicsNode(image: MetadataImage): Directory {
  const topic = (found: TopicImage): Directory => {
    const nodes = new Map<string, Node>([
      ["name", leaf(found.name)],
      ["id", leaf(found.id)],
    ]);
    for (const [number, partition] of found.partitions) nodes.set(String(number), leaf(partitionFacts(partition)));
    return directory(nodes, node => node);
  };
  return fixed({
    byName: () =>
      directory(image.topicIds, id => {
        const found = image.topics.get(id);
        invariant(found !== undefined, "every name's topic exists");
        return topic(found);
      }),
    byId: () => directory(image.topics, topic),
  });
}

function partitionFacts({ eligibleLeaderReplicas: elr, ...partition }: PartitionImage): object {
  return { ...partition, elr };
}

/** Names of `ConfigResource.Type`. */
const RESOURCE_NAMES: ReadonlyMap<number, string> = new Map([
  [RESOURCE_TYPE.topic, "TOPIC"],
  [RESOURCE_TYPE.broker, "BROKER"],
  [RESOURCE_TYPE.clientMetrics, "CLIENT_METRICS"],
  [RESOURCE_TYPE.group, "GROUP"],
]);

/** Configs by resource: `TOPIC:name`, or just `BROKER` for the settings of all brokers. */
function byConfigName(image: MetadataImage): ReadonlyMap<string, ConfigImage> {
  return new Map(
    [...image.configs.values()].map(config => {
      const type = RESOURCE_NAMES.get(config.type) ?? String(config.type);
      return [config.name === "" ? type : `${type}:${config.name}`, config];
    }),
  );
}

const ENTITY_NAMES: readonly (readonly [string, string])[] = [
  ["client-id", "clientId"],
  ["ip", "ip"],
  ["user", "user"],
];

/** Quotas by entity: `clientId(c)_user(u)`. A backslash escapes brackets and backslashes; default is `<default>`. */
function byQuotaName(image: MetadataImage): ReadonlyMap<string, QuotaImage> {
  const escape = (name: string): string => name.replace(/[\\()]/g, "\\$&");
  return new Map(
    [...image.quotas.values()].map(quota => {
      const parts = ENTITY_NAMES.flatMap(([type, shown]) => {
        const of = quota.entity.find(({ entityType }) => entityType === type);
        return of === undefined ? [] : [`${shown}(${of.entityName === null ? "<default>" : escape(of.entityName)})`];
      });
      return [parts.join("_"), quota];
    }),
  );
}

/** Numbers and names of `ScramMechanism`. */
const MECHANISMS: readonly (readonly [number, string])[] = [
  [1, "SCRAM-SHA-256"],
  [2, "SCRAM-SHA-512"],
];

function scramNode(image: MetadataImage): Directory {
  return directory(
    new Map(
      MECHANISMS.map(([mechanism, name]) => {
        const users = [...image.scram.values()].filter(credential => credential.mechanism === mechanism);
        return [name, new Map(users.map(user => [user.name, user]))];
      }),
    ),
    users =>
      directory(users, ({ salt, storedKey, serverKey, iterations }) =>
        leaf({ salt, storedKey, serverKey, iterations }),
      ),
  );
}
