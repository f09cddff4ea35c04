import {
  entryAt,
  type Int64,
  invariant,
  MIGRATING_DIRECTORY,
  SortedMap,
  type SortedMapEdit,
  UNASSIGNED_DIRECTORY,
  type Uuid,
} from "@samsa/base";
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
  collisionName,
  configKey,
  EMPTY_IMAGE,
  mayCollide,
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
  [K in keyof MetadataImage]: MetadataImage[K] extends { edit(): unknown } ? K : never;
}[keyof MetadataImage];
type EditOf<K extends MapName> = ReturnType<MetadataImage[K]["edit"]>;

const NO_PARTITIONS = SortedMap.of<number, PartitionImage>();

/** Changes between two images. */
export interface MetadataChanges {
  /** The image before the changes. */
  readonly base: MetadataImage;
  /** Partitions that were created or changed, by topic; excludes deleted topics. */
  readonly changedTopics: ReadonlyMap<Uuid, ReadonlySet<number>>;
  /** Topics of the base that were deleted. */
  readonly deletedTopics: ReadonlyMap<Uuid, TopicImage>;
  /** `configKey`s of resources whose settings have changed. */
  readonly changedConfigs: ReadonlySet<string>;
  /** Ids of brokers that were registered, changed or unregistered. */
  readonly changedBrokers: ReadonlySet<number>;
}

/** Changes from the empty image to `image`. */
export function changesOf(image: MetadataImage): MetadataChanges {
  return {
    base: EMPTY_IMAGE,
    changedTopics: new Map([...image.topics.values()].map(({ id, partitions }) => [id, new Set(partitions.keys())])),
    deletedTopics: new Map(),
    changedConfigs: new Set(image.configs.keys()),
    changedBrokers: new Set(image.brokers.keys()),
  };
}

/** Records replayed on top of an image, and the resulting image. Costs as much as what the records change. */
export class MetadataDelta implements MetadataChanges {
  readonly base: MetadataImage;
  readonly changedTopics = new Map<Uuid, Set<number>>();
  readonly deletedTopics = new Map<Uuid, TopicImage>();
  readonly changedConfigs = new Set<string>();
  readonly changedBrokers = new Set<number>();
  readonly #next: Writable;
  /** Edits of the maps that have changed. */
  readonly #edits = new Map<MapName, EditOf<MapName>>();
  /** Edits of partitions, which `#settleTopics` puts into their topics. */
  readonly #partitionEdits = new Map<Uuid, SortedMapEdit<number, PartitionImage>>();
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

  /** Image with all replayed records. Do not replay more records after this call. */
  apply(provenance: Provenance): MetadataImage {
    this.#settleTopics();
    for (const name of this.#edits.keys()) this.#settle(name);
    return { ...this.#next, provenance };
  }

  #edit<K extends MapName>(name: K): EditOf<K> {
    let edit = this.#edits.get(name);
    if (edit === undefined) {
      edit = this.#next[name].edit();
      this.#edits.set(name, edit);
    }
    // The edit under a map's name is one of that map.
    return edit as EditOf<K>;
  }

  /** Current entries of a map, for reading only. */
  #now<K extends MapName>(name: K): Pick<EditOf<K>, "get" | "has"> {
    return (this.#edits.get(name) ?? this.#next[name]) as Pick<EditOf<K>, "get" | "has">;
  }

  #settle(name: MapName): void {
    const edit = this.#edits.get(name);
    if (edit === undefined) return;
    Object.assign(this.#next, { [name]: edit.done() });
    this.#edits.delete(name);
  }

  /** All topics with their partitions as of now. */
  #settleTopics(): SortedMap<Uuid, TopicImage> {
    for (const [id, partitions] of this.#partitionEdits) {
      this.#edit("topics").set(id, { ...this.#topic(id), partitions: partitions.done() });
    }
    this.#partitionEdits.clear();
    this.#settle("topics");
    return this.#next.topics;
  }

  #topic(id: Uuid): TopicImage {
    const topic = this.#now("topics").get(id);
    if (topic === undefined) throw new MetadataError(`no topic ${id}`);
    return topic;
  }

  #apply(record: MetadataRecord): void {
    if (this.#applyToTopics(record) || this.#applyToNodes(record) || this.#applyToSecurity(record)) return;
    switch (record.type) {
      case "ConfigRecord":
        return this.#config(record.value);
      case "FeatureLevelRecord":
        if (record.value.featureLevel === 0) this.#edit("features").delete(record.value.name);
        else this.#edit("features").set(record.value.name, record.value.featureLevel);
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
      case "TopicRecord":
        this.#createTopic(record.value.name, record.value.topicId);
        return true;
      case "PartitionRecord":
        this.#setPartition(record.value.topicId, record.value.partitionId, partitionOf(record.value));
        return true;
      case "PartitionChangeRecord": {
        const { topicId, partitionId } = record.value;
        const partition = this.#partitions(topicId).get(partitionId);
        if (partition === undefined) throw new MetadataError(`no partition ${partitionId} of topic ${topicId}`);
        this.#setPartition(topicId, partitionId, changedPartition(partition, record.value));
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
        this.#edit("brokers").set(record.value.brokerId, record.value);
        this.changedBrokers.add(record.value.brokerId);
        return true;
      case "UnregisterBrokerRecord":
        this.#broker(record.value.brokerId, record.value.brokerEpoch);
        this.#edit("brokers").delete(record.value.brokerId);
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
        this.#edit("controllers").set(record.value.controllerId, record.value);
        return true;
      case "UnregisterControllerRecord":
        this.#edit("controllers").delete(record.value.controllerId);
        return true;
      default:
        return false;
    }
  }

  #applyToSecurity(record: MetadataRecord): boolean {
    switch (record.type) {
      case "AccessControlEntryRecord":
        this.#edit("acls").set(record.value.id, record.value);
        return true;
      case "RemoveAccessControlEntryRecord":
        if (!this.#edit("acls").delete(record.value.id)) throw new MetadataError(`no ACL ${record.value.id}`);
        return true;
      case "UserScramCredentialRecord":
        this.#edit("scram").set(scramKey(record.value.mechanism, record.value.name), record.value);
        return true;
      case "RemoveUserScramCredentialRecord":
        this.#edit("scram").delete(scramKey(record.value.mechanism, record.value.name));
        return true;
      case "DelegationTokenRecord":
        this.#edit("delegationTokens").set(record.value.tokenId, record.value);
        return true;
      case "RemoveDelegationTokenRecord":
        this.#edit("delegationTokens").delete(record.value.tokenId);
        return true;
      default:
        return false;
    }
  }

  #createTopic(name: string, id: Uuid): void {
    if (this.#now("topicIds").has(name)) throw new MetadataError(`topic ${name} is created twice`);
    this.#edit("topics").set(id, { id, name, partitions: NO_PARTITIONS });
    this.#edit("topicIds").set(name, id);
    if (mayCollide(name)) {
      const key = collisionName(name);
      this.#edit("collisions").set(key, [...(this.#now("collisions").get(key) ?? []), name]);
    }
    this.changedTopics.set(id, new Set());
  }

  #partitions(topicId: Uuid): SortedMapEdit<number, PartitionImage> {
    let partitions = this.#partitionEdits.get(topicId);
    if (partitions === undefined) {
      partitions = this.#topic(topicId).partitions.edit();
      this.#partitionEdits.set(topicId, partitions);
    }
    return partitions;
  }

  #setPartition(topicId: Uuid, index: number, partition: PartitionImage): void {
    this.#partitions(topicId).set(index, partition);
    const changed = this.changedTopics.get(topicId);
    if (changed === undefined) this.changedTopics.set(topicId, new Set([index]));
    else changed.add(index);
  }

  #removeTopic(id: Uuid): void {
    const { name } = this.#topic(id);
    this.#edit("topics").delete(id);
    this.#edit("topicIds").delete(name);
    if (mayCollide(name)) {
      const key = collisionName(name);
      const left = (this.#now("collisions").get(key) ?? []).filter(other => other !== name);
      if (left.length === 0) this.#edit("collisions").delete(key);
      else this.#edit("collisions").set(key, left);
    }
    this.#partitionEdits.delete(id);
    this.changedTopics.delete(id);
    const existed = this.base.topics.get(id);
    if (existed !== undefined) this.deletedTopics.set(id, existed);
    // The settings of a topic are deleted with it, without further records.
    const key = configKey(RESOURCE_TYPE.topic, name);
    if (this.#now("configs").has(key)) {
      this.#edit("configs").delete(key);
      this.changedConfigs.add(key);
    }
  }

  #clearElr(topicName: string): void {
    const id = this.#now("topicIds").get(topicName);
    if (topicName !== "" && id === undefined) throw new MetadataError(`no topic ${topicName}`);
    const topics = this.#settleTopics();
    for (const topic of id === undefined ? topics.values() : [topics.get(id)]) {
      invariant(topic !== undefined, "every name's topic exists");
      for (const [number, partition] of topic.partitions) {
        if (partition.eligibleLeaderReplicas.length + partition.lastKnownElr.length === 0) continue;
        this.#setPartition(topic.id, number, {
          ...partition,
          eligibleLeaderReplicas: NO_IDS,
          lastKnownElr: NO_IDS,
          partitionEpoch: partition.partitionEpoch + 1,
        });
      }
    }
  }

  #broker(id: number, epoch: Int64): BrokerImage {
    const broker = this.#now("brokers").get(id);
    if (broker === undefined) throw new MetadataError(`no broker ${id}`);
    if (broker.brokerEpoch !== epoch) throw new MetadataError(`broker ${id} is not at epoch ${epoch}`);
    return broker;
  }

  #setBroker(broker: BrokerImage): void {
    this.#edit("brokers").set(broker.brokerId, broker);
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
    const values = new Map(this.#now("configs").get(key)?.values);
    if (value === null) values.delete(name);
    else values.set(name, value);
    if (values.size === 0) this.#edit("configs").delete(key);
    else this.#edit("configs").set(key, { type: resourceType, name: resourceName, values });
    this.changedConfigs.add(key);
  }

  #quota({ entity, key: quota, value, remove }: ClientQuotaRecord): void {
    const key = quotaKey(entity);
    const quotas = new Map(this.#now("quotas").get(key)?.quotas);
    if (remove) quotas.delete(quota);
    else quotas.set(quota, value);
    if (quotas.size === 0) this.#edit("quotas").delete(key);
    else this.#edit("quotas").set(key, { entity, quotas });
  }
}

const NO_IDS: readonly number[] = [];

/** A list for an image: most lists of a partition are empty or equal to its replicas, and images share these. */
function shared(list: readonly number[], replicas: readonly number[] = NO_IDS): readonly number[] {
  if (list.length === 0) return NO_IDS;
  return list.length === replicas.length && list.every((id, i) => id === replicas[i]) ? replicas : list;
}

function partitionOf(record: PartitionRecord): PartitionImage {
  const { replicas, directories } = record;
  return {
    replicas,
    // Records of older versions have no directories: the broker will assign the replicas to directories.
    directories: directories.length === 0 ? replicas.map(() => MIGRATING_DIRECTORY) : directories,
    isr: shared(record.isr, replicas),
    removingReplicas: shared(record.removingReplicas),
    addingReplicas: shared(record.addingReplicas),
    eligibleLeaderReplicas: shared(record.eligibleLeaderReplicas ?? NO_IDS),
    lastKnownElr: shared(record.lastKnownElr ?? NO_IDS),
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
    return at < 0 ? UNASSIGNED_DIRECTORY : entryAt(old.directories, at);
  });
}
