import { type Int64, invariant, MIGRATING_DIRECTORY, UNASSIGNED_DIRECTORY, type Uuid } from "@samsa/base";
import type {
  BrokerRegistrationChangeRecord,
  ClientQuotaRecord,
  ConfigRecord,
  MetadataRecord,
  PartitionChangeRecord,
  PartitionRecord,
} from "@samsa/protocol";
import {
  type BrokerImage,
  configKey,
  type MetadataImage,
  type PartitionImage,
  type Provenance,
  quotaKey,
  RESOURCE_TYPE,
  scramKey,
  type TopicImage,
} from "./image.ts";

/** Record that contradicts the image: the log and this program disagree, and to go on would do more damage. */
export class MetadataError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "MetadataError";
  }
}

type Writable = { -readonly [K in keyof MetadataImage]: MetadataImage[K] };
type MapName = {
  [K in keyof MetadataImage]: MetadataImage[K] extends { readonly size: number } ? K : never;
}[keyof MetadataImage];
type MutableOf<K extends MapName> =
  MetadataImage[K] extends ReadonlyMap<infer Key, infer Value> ? Map<Key, Value> : never;

/**
 * Records replayed on top of an image, and the resulting image. Maps are copied at their first write, so the cost of a
 * delta depends on what it touches, and one delta for many records is cheaper than many deltas.
 */
export class MetadataDelta {
  readonly base: MetadataImage;
  /** Topics that were created, or changed in some partition; excludes deleted topics. */
  readonly changedTopics = new Set<Uuid>();
  readonly deletedTopics = new Map<Uuid, TopicImage>();
  /** `configKey`s of resources whose settings have changed. */
  readonly changedConfigs = new Set<string>();
  readonly changedBrokers = new Set<number>();
  readonly #next: Writable;
  readonly #copied = new Set<string>();
  readonly #ownTopics = new Map<Uuid, Map<number, PartitionImage>>();
  /** Records of the open transaction, once this delta has added to it. */
  #held: MetadataRecord[] = [];
  #count = 0;

  constructor(base: MetadataImage) {
    this.base = base;
    this.#next = { ...base };
  }

  /** True if no record was replayed. */
  isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Applies a record. Throws `MetadataError` if it contradicts the image. */
  replay(record: MetadataRecord): void {
    this.#count++;
    const next = this.#next;
    switch (record.type) {
      case "BeginTransactionRecord":
        if (next.transaction !== undefined) throw new MetadataError("a transaction begins inside another");
        next.transaction = this.#held = [];
        return;
      case "EndTransactionRecord": {
        const { transaction } = next;
        if (transaction === undefined) throw new MetadataError("a transaction ends that has not begun");
        next.transaction = undefined;
        for (const held of transaction) this.#apply(held);
        return;
      }
      case "AbortTransactionRecord":
        if (next.transaction === undefined) throw new MetadataError("a transaction aborts that has not begun");
        next.transaction = undefined;
        return;
      default:
        if (next.transaction === undefined) return this.#apply(record);
        // The base keeps its array; that of this delta grows in place.
        if (next.transaction !== this.#held) next.transaction = this.#held = [...next.transaction];
        this.#held.push(record);
    }
  }

  /** Image with all replayed records. Do not use the delta after this call. */
  apply(provenance: Provenance): MetadataImage {
    return { ...this.#next, provenance };
  }

  #map<K extends MapName>(name: K): MutableOf<K> {
    if (!this.#copied.has(name)) {
      this.#copied.add(name);
      Object.assign(this.#next, { [name]: new Map<unknown, unknown>(this.#next[name]) });
    }
    // The copy made above belongs to this delta.
    return this.#next[name] as MetadataImage[MapName] as MutableOf<K>;
  }

  #apply(record: MetadataRecord): void {
    if (this.#applyToTopics(record) || this.#applyToNodes(record) || this.#applyToSecurity(record)) return;
    switch (record.type) {
      case "ConfigRecord":
        return this.#config(record.value);
      case "FeatureLevelRecord":
        if (record.value.featureLevel === 0) this.#map("features").delete(record.value.name);
        else this.#map("features").set(record.value.name, record.value.featureLevel);
        return;
      case "ProducerIdsRecord":
        this.#next.nextProducerId = record.value.nextProducerId;
        this.#next.producerIdsFrom = { brokerId: record.value.brokerId, brokerEpoch: record.value.brokerEpoch };
        return;
      case "ClientQuotaRecord":
        return this.#quota(record.value);
      case "ZkMigrationStateRecord":
        this.#next.zkMigrationState = record.value.zkMigrationState;
        return;
      case "NoOpRecord":
        return;
      default:
        throw new MetadataError(`unknown record type ${record.type}`);
    }
  }

  #applyToTopics(record: MetadataRecord): boolean {
    switch (record.type) {
      case "TopicRecord": {
        const { name, topicId: id } = record.value;
        if (this.#next.topicIds.has(name)) throw new MetadataError(`topic ${name} is created twice`);
        const partitions = new Map<number, PartitionImage>();
        this.#ownTopics.set(id, partitions);
        this.#map("topics").set(id, { id, name, partitions });
        this.#map("topicIds").set(name, id);
        this.changedTopics.add(id);
        return true;
      }
      case "PartitionRecord":
        this.#partitions(record.value.topicId).set(record.value.partitionId, partitionOf(record.value));
        return true;
      case "PartitionChangeRecord": {
        const { topicId, partitionId } = record.value;
        const partitions = this.#partitions(topicId);
        const partition = partitions.get(partitionId);
        if (partition === undefined) throw new MetadataError(`no partition ${partitionId} of topic ${topicId}`);
        partitions.set(partitionId, changedPartition(partition, record.value));
        return true;
      }
      case "RemoveTopicRecord":
        this.#removeTopic(record.value.topicId);
        return true;
      case "ClearElrRecord":
        this.#clearElr(record.value.topicName);
        return true;
      default:
        return false;
    }
  }

  #applyToNodes(record: MetadataRecord): boolean {
    switch (record.type) {
      case "RegisterBrokerRecord":
        this.#map("brokers").set(record.value.brokerId, record.value);
        this.changedBrokers.add(record.value.brokerId);
        return true;
      case "UnregisterBrokerRecord":
        this.#broker(record.value.brokerId, record.value.brokerEpoch);
        this.#map("brokers").delete(record.value.brokerId);
        this.changedBrokers.add(record.value.brokerId);
        return true;
      case "BrokerRegistrationChangeRecord":
        this.#changeBroker(record.value);
        return true;
      case "FenceBrokerRecord":
        this.#setBroker({ ...this.#broker(record.value.id, record.value.epoch), fenced: true });
        return true;
      case "UnfenceBrokerRecord":
        this.#setBroker({ ...this.#broker(record.value.id, record.value.epoch), fenced: false });
        return true;
      case "RegisterControllerRecord":
        this.#map("controllers").set(record.value.controllerId, record.value);
        return true;
      case "UnregisterControllerRecord":
        this.#map("controllers").delete(record.value.controllerId);
        return true;
      default:
        return false;
    }
  }

  #applyToSecurity(record: MetadataRecord): boolean {
    switch (record.type) {
      case "AccessControlEntryRecord":
        this.#map("acls").set(record.value.id, record.value);
        return true;
      case "RemoveAccessControlEntryRecord":
        if (!this.#map("acls").delete(record.value.id)) throw new MetadataError(`no ACL ${record.value.id}`);
        return true;
      case "UserScramCredentialRecord":
        this.#map("scram").set(scramKey(record.value.mechanism, record.value.name), record.value);
        return true;
      case "RemoveUserScramCredentialRecord":
        this.#map("scram").delete(scramKey(record.value.mechanism, record.value.name));
        return true;
      case "DelegationTokenRecord":
        this.#map("delegationTokens").set(record.value.tokenId, record.value);
        return true;
      case "RemoveDelegationTokenRecord":
        this.#map("delegationTokens").delete(record.value.tokenId);
        return true;
      default:
        return false;
    }
  }

  /** Partitions of a topic, in a map that belongs to this delta. */
  #partitions(id: Uuid): Map<number, PartitionImage> {
    this.changedTopics.add(id);
    const own = this.#ownTopics.get(id);
    if (own !== undefined) return own;
    const topic = this.#next.topics.get(id);
    if (topic === undefined) throw new MetadataError(`no topic ${id}`);
    const partitions = new Map(topic.partitions);
    this.#ownTopics.set(id, partitions);
    this.#map("topics").set(id, { ...topic, partitions });
    return partitions;
  }

  #removeTopic(id: Uuid): void {
    const topic = this.#next.topics.get(id);
    if (topic === undefined) throw new MetadataError(`no topic ${id}`);
    this.#map("topics").delete(id);
    this.#map("topicIds").delete(topic.name);
    this.#ownTopics.delete(id);
    this.changedTopics.delete(id);
    this.deletedTopics.set(id, topic);
    // The settings of a topic are deleted with it, without further records.
    const key = configKey(RESOURCE_TYPE.topic, topic.name);
    if (this.#next.configs.has(key)) {
      this.#map("configs").delete(key);
      this.changedConfigs.add(key);
    }
  }

  #clearElr(topicName: string): void {
    const id = this.#next.topicIds.get(topicName);
    if (topicName !== "" && id === undefined) throw new MetadataError(`no topic ${topicName}`);
    for (const topic of id === undefined ? this.#next.topics.values() : [this.#next.topics.get(id)]) {
      invariant(topic !== undefined, "every name's topic exists");
      for (const [number, partition] of topic.partitions) {
        if (partition.eligibleLeaderReplicas.length + partition.lastKnownElr.length === 0) continue;
        this.#partitions(topic.id).set(number, {
          ...partition,
          eligibleLeaderReplicas: [],
          lastKnownElr: [],
          partitionEpoch: partition.partitionEpoch + 1,
        });
      }
    }
  }

  #broker(id: number, epoch: Int64): BrokerImage {
    const broker = this.#next.brokers.get(id);
    if (broker === undefined) throw new MetadataError(`no broker ${id}`);
    if (broker.brokerEpoch !== epoch) throw new MetadataError(`broker ${id} is not at epoch ${epoch}`);
    return broker;
  }

  #setBroker(broker: BrokerImage): void {
    this.#map("brokers").set(broker.brokerId, broker);
    this.changedBrokers.add(broker.brokerId);
  }

  #changeBroker(change: BrokerRegistrationChangeRecord): void {
    const broker = this.#broker(change.brokerId, change.brokerEpoch);
    this.#setBroker({
      ...broker,
      // 1 sets and 0 keeps either flag; only `fenced` can be cleared, by −1.
      fenced: change.fenced === 0 ? broker.fenced : change.fenced > 0,
      inControlledShutdown: broker.inControlledShutdown || change.inControlledShutdown === 1,
      logDirs: change.logDirs.length === 0 ? broker.logDirs : change.logDirs,
      cordonedLogDirs: change.cordonedLogDirs ?? broker.cordonedLogDirs,
    });
  }

  #config({ resourceType, resourceName, name, value }: ConfigRecord): void {
    const key = configKey(resourceType, resourceName);
    const values = new Map(this.#next.configs.get(key)?.values);
    if (value === null) values.delete(name);
    else values.set(name, value);
    if (values.size === 0) this.#map("configs").delete(key);
    else this.#map("configs").set(key, { type: resourceType, name: resourceName, values });
    this.changedConfigs.add(key);
  }

  #quota({ entity, key: quota, value, remove }: ClientQuotaRecord): void {
    const key = quotaKey(entity);
    const quotas = new Map(this.#next.quotas.get(key)?.quotas);
    if (remove) quotas.delete(quota);
    else quotas.set(quota, value);
    if (quotas.size === 0) this.#map("quotas").delete(key);
    else this.#map("quotas").set(key, { entity, quotas });
  }
}

function partitionOf(record: PartitionRecord): PartitionImage {
  const { replicas, directories } = record;
  return {
    replicas,
    // Records of older versions have no directories: the broker will assign the replicas to directories.
    directories: directories.length === 0 ? replicas.map(() => MIGRATING_DIRECTORY) : directories,
    isr: record.isr,
    removingReplicas: record.removingReplicas,
    addingReplicas: record.addingReplicas,
    eligibleLeaderReplicas: record.eligibleLeaderReplicas ?? [],
    lastKnownElr: record.lastKnownElr ?? [],
    leader: record.leader,
    leaderRecoveryState: record.leaderRecoveryState,
    leaderEpoch: record.leaderEpoch,
    partitionEpoch: record.partitionEpoch,
  };
}

/** Partition after a change; null, and −2 for the leader, mean unchanged (`PartitionRegistration.merge`). */
export function changedPartition(old: PartitionImage, change: PartitionChangeRecord): PartitionImage {
  const replicas = change.replicas ?? old.replicas;
  const led = change.leader !== -2;
  return {
    replicas,
    directories: change.directories ?? (change.replicas === null ? old.directories : movedDirectories(old, replicas)),
    isr: change.isr ?? old.isr,
    removingReplicas: change.removingReplicas ?? old.removingReplicas,
    addingReplicas: change.addingReplicas ?? old.addingReplicas,
    eligibleLeaderReplicas: change.eligibleLeaderReplicas ?? old.eligibleLeaderReplicas,
    lastKnownElr: change.lastKnownElr ?? old.lastKnownElr,
    leader: led ? change.leader : old.leader,
    leaderRecoveryState: change.leaderRecoveryState === -1 ? old.leaderRecoveryState : change.leaderRecoveryState,
    leaderEpoch: led ? old.leaderEpoch + 1 : old.leaderEpoch,
    partitionEpoch: old.partitionEpoch + 1,
  };
}

function movedDirectories(old: PartitionImage, replicas: readonly number[]): readonly Uuid[] {
  return replicas.map(replica => {
    const at = old.replicas.indexOf(replica);
    return at < 0 ? UNASSIGNED_DIRECTORY : old.directories[at];
  });
}
