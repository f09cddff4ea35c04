import { ZERO_UUID } from "@samsa/base";
import { bootstrapRecords, Controller, type ControllerRequests, type Draw } from "@samsa/controller";
import {
  EMPTY_IMAGE,
  imageRecords,
  MetadataDelta,
  type MetadataImage,
  METADATA_VERSION,
  type PartitionImage,
  topicNamed,
} from "@samsa/metadata";
import {
  alterPartitionReassignmentsRequest,
  alterPartitionRequest,
  brokerHeartbeatRequest,
  brokerRegistrationRequest,
  createTopicsRequest,
  decodeMetadataRecord,
  deleteTopicsRequest,
  electLeadersRequest,
  encodeMetadataRecord,
  errorOf,
  type MetadataRecord,
} from "@samsa/protocol";
import { expect } from "vitest";
import { BrokerPartitions } from "../src/decision/broker-partitions.ts";
import { FEATURES, id, settings } from "./fixture.ts";

export const TIMEOUT = settings.sessionTimeoutMs;
/** `min.insync.replicas` of all topics. */
const MIN_ISR = 2;
const SETTINGS = {
  ...settings,
  preferredElectionIntervalMs: 20_000,
  uncleanElectionIntervalMs: 30_000,
  replication: (_image: MetadataImage, topic: string) => ({
    uncleanLeaderElection: topic.startsWith("lossy"),
    minInsyncReplicas: MIN_ISR,
  }),
};

/** Record ids in the log of a replica. */
type Log = readonly number[];
type Alter = ControllerRequests["AlterPartition"]["request"];

/** Broker with its disk. */
interface Broker {
  readonly brokerId: number;
  /** Number of its process; undefined while it does not run. */
  incarnation: number | undefined;
  /** Epoch of the running process; undefined before its registration is committed. */
  epoch: number | undefined;
  isRegistering: boolean;
  isStopping: boolean;
  /** Epoch in the file of a clean shutdown. */
  cleanEpoch: number;
  /** Metadata that the process has applied. */
  view: MetadataImage;
  /** Logs by `topicId/partition`. */
  readonly logs: Map<string, Log>;
  /** Members of ISRs that were proposed and not answered, by partition. */
  readonly proposed: Map<string, readonly number[]>;
}

/** Reply that waits until its records are committed. */
interface Waiter {
  /** Called with true if they are, with false if they are lost. */
  readonly done: (isCommitted: boolean) => void;
}

function keyOf(topicId: string, partitionId: number): string {
  return `${topicId}/${partitionId}`;
}

function replay(
  base: MetadataImage,
  records: readonly MetadataRecord[],
  offset: number,
): [MetadataDelta, MetadataImage] {
  const delta = new MetadataDelta(base);
  for (const record of records) delta.replay(record);
  return [delta, delta.apply({ offset, epoch: 1, timestamp: 0 })];
}

function* partitionsOf(image: MetadataImage): Generator<[key: string, PartitionImage, topicId: string]> {
  for (const topic of image.topics.values()) {
    for (const [partitionId, partition] of topic.partitions) {
      yield [keyOf(topic.id, partitionId), partition, topic.id];
    }
  }
}

function isActive(image: MetadataImage, brokerId: number): boolean {
  const broker = image.brokers.get(brokerId);
  return broker !== undefined && !broker.fenced && !broker.inControlledShutdown;
}

/**
 * Controllers that follow each other, brokers that come and go, and what clients were told. Brokers see committed
 * metadata only, late; requests of leaders arrive late. Every step checks the invariants.
 */
export class ModelCluster {
  readonly #elr: boolean;
  /** Decisions, each with the offset of its last record. */
  readonly #log: { readonly records: readonly MetadataRecord[]; readonly end: number }[] = [];
  #end = 0;
  #committed: MetadataImage = EMPTY_IMAGE;
  /** Decisions of `#log` that are committed. */
  #committedCount = 0;
  #controller: Controller<Waiter>;
  #index: BrokerPartitions;
  #now = 0;
  #ids = 0;
  readonly #brokers: Broker[];
  readonly #queue: { readonly from: Broker; readonly incarnation: number; readonly request: Alter }[] = [];
  /** Records that producers know to be written, by partition. */
  readonly #acknowledged = new Map<string, number[]>();
  /** Leader epoch of the last unclean election of a partition: what leaders of older epochs tell may be lost. */
  readonly #uncleanEpochs = new Map<string, number>();
  /** Last contact of each registration with this controller, by broker and epoch. */
  #contacts = new Map<string, number>();
  readonly #blocks = new Set<bigint>();

  constructor(count: number, elr: boolean) {
    this.#elr = elr;
    this.#brokers = Array.from({ length: count }, (_, i) => ({
      brokerId: i + 1,
      incarnation: undefined,
      epoch: undefined,
      isRegistering: false,
      isStopping: false,
      cleanEpoch: -1,
      view: EMPTY_IMAGE,
      logs: new Map<string, Log>(),
      proposed: new Map<string, readonly number[]>(),
    }));
    this.#controller = new Controller(SETTINGS, EMPTY_IMAGE, 0);
    this.#index = new BrokerPartitions(EMPTY_IMAGE);
    const features = new Map([...FEATURES].filter(([name]) => elr || name !== "eligible.leader.replicas.version"));
    const bootstrap = bootstrapRecords({ metadataVersion: METADATA_VERSION.latest, features });
    this.#append(this.#controller.activationRecords(bootstrap));
    this.commit(1);
  }

  #broker(index: number): Broker {
    return this.#brokers[index % this.#brokers.length];
  }

  #draw(): Draw {
    return {
      uuid: () => id(++this.#ids),
      below: limit => this.#ids++ % limit,
      nextOffset: this.#end,
      now: this.#now,
      time: 0,
      mutate: () => true,
      judge: () => undefined,
    };
  }

  #decide<N extends keyof ControllerRequests>(
    name: N,
    request: ControllerRequests[N]["request"],
    done: (reply: ControllerRequests[N]["reply"], isCommitted: boolean) => void = () => {},
  ): ControllerRequests[N]["reply"] {
    const { records, reply } = this.#controller.decide(name, request, this.#draw());
    this.#append(records);
    const waiter = { done: (isCommitted: boolean) => done(reply, isCommitted) };
    if (this.#controller.await(waiter)) waiter.done(true);
    return reply;
  }

  #append(records: readonly MetadataRecord[]): void {
    if (records.length === 0) return;
    const before = this.#controller.image;
    const written = records.map(record => decodeMetadataRecord(encodeMetadataRecord(record)));
    this.#end += records.length;
    this.#log.push({ records: written, end: this.#end - 1 });
    this.#controller.appended(written, { offset: this.#end - 1, epoch: 1, timestamp: 0 });
    const [delta, after] = replay(before, written, this.#end - 1);
    this.#index.replayed(delta, after);
    this.#checkChange(before, after);
  }

  /** Partitions that an index finds. */
  #found(index: BrokerPartitions): unknown {
    const byBroker = this.#brokers.map(({ brokerId }) => [index.inSync(brokerId), index.eligible(brokerId)]);
    return { byBroker, leaderless: index.leaderless(), imbalanced: index.imbalanced() };
  }

  /** Checks what a decision has changed. */
  #checkChange(before: MetadataImage, after: MetadataImage): void {
    expect(this.#found(this.#index)).toEqual(this.#found(new BrokerPartitions(after)));
    for (const [key, partition, topicId] of partitionsOf(after)) {
      const { leader, isr, replicas, eligibleLeaderReplicas: elr, addingReplicas, removingReplicas } = partition;
      const shown = () => JSON.stringify({ key, partition });
      expect(leader === -1 || isr.includes(leader), shown()).toBe(true);
      expect(new Set([...isr, ...elr]).size, shown()).toBe(isr.length + elr.length);
      for (const member of [...isr, ...elr, ...addingReplicas, ...removingReplicas]) {
        expect(replicas.includes(member), shown()).toBe(true);
      }
      if (!this.#elr) expect(isr.length, shown()).toBeGreaterThan(0);
      // A reassignment may be taken back to a replica that is not active, if the topic may lose records.
      const isLast = isr.length === 1 && leader === -1 && (!this.#elr || after.topicIds.get("lossy") === topicId);
      for (const member of isr) expect(isLast || isActive(after, member), shown()).toBe(true);
      const old = before.topics.get(topicId as never)?.partitions.get(Number(key.split("/")[1]));
      if (old === undefined || old === partition) continue;
      expect(partition.partitionEpoch, shown()).toBeGreaterThan(old.partitionEpoch);
      expect(partition.leaderEpoch, shown()).toBeGreaterThanOrEqual(old.leaderEpoch);
      if (leader === old.leader) continue;
      expect(partition.leaderEpoch, shown()).toBeGreaterThan(old.leaderEpoch);
      if (leader < 0) continue;
      expect(isActive(after, leader), shown()).toBe(true);
      if (old.isr.includes(leader) || after.topicIds.get("lossy") === topicId) continue;
      // A reassignment ends with the ISR that the leader has just proposed.
      const hasMoved = old.addingReplicas.length + old.removingReplicas.length > 0;
      if (hasMoved && addingReplicas.length + removingReplicas.length === 0) continue;
      // A leader from outside of the ISR does not push out a member that could have led.
      const could = old.isr.filter(member => isActive(after, member) && replicas.includes(member));
      expect(isr, shown()).toEqual(expect.arrayContaining(could));
      if (!old.eligibleLeaderReplicas.includes(leader) && isr.length === 1) expect(elr, shown()).toEqual([]);
    }
  }

  /** Checks the records of a replica that may be elected: all that producers know of are there. */
  #checkCommitted(): void {
    for (const [key, partition] of partitionsOf(this.#committed)) {
      const told = this.#acknowledged.get(key) ?? [];
      for (const member of [...partition.isr, ...partition.eligibleLeaderReplicas]) {
        const { incarnation, logs } = this.#broker(member - 1);
        // A process that has not registered yet is not the member that the metadata mean.
        if (this.#committed.brokers.get(member)?.incarnationId !== id(1000 + (incarnation ?? -1))) continue;
        const log = logs.get(key) ?? [];
        const lost = told.filter(record => !log.includes(record));
        expect(lost, `${key} on ${member}: ${JSON.stringify(partition)}`).toEqual([]);
      }
    }
  }

  /** Commits a share of the log. */
  commit(share: number): void {
    const open = this.#log.length - this.#committedCount;
    const target = this.#committedCount + Math.ceil(open * share);
    while (this.#committedCount < target) {
      const { records, end } = this.#log[this.#committedCount++];
      const before = this.#committed;
      this.#committed = replay(before, records, end)[1];
      this.#forgiveUnclean(before);
      for (const waiter of this.#controller.commitUpTo(this.#committed)) waiter.done(true);
      this.#checkCommitted();
    }
    if (this.#committedCount < this.#log.length) return;
    expect(imageRecords(this.#controller.image)).toEqual(imageRecords(this.#committed));
  }

  /** Forgets the records that an unclean election loses, or an unclean return from a reassignment. */
  #forgiveUnclean(before: MetadataImage): void {
    for (const [key, { leaderRecoveryState, leaderEpoch, isr }, topicId] of partitionsOf(this.#committed)) {
      const old = before.topics.get(topicId as never)?.partitions.get(Number(key.split("/")[1]));
      const [only, ...others] = isr;
      if (old === undefined || only === undefined || others.length > 0) continue;
      if (old.isr.includes(only) || old.eligibleLeaderReplicas.includes(only)) continue;
      const isLossy = this.#committed.topics.get(topicId as never)?.name === "lossy";
      if (leaderRecoveryState === 0 && !isLossy) continue;
      this.#uncleanEpochs.set(key, leaderEpoch);
      const log = this.#broker(only - 1).logs.get(key) ?? [];
      const told = this.#acknowledged.get(key) ?? [];
      this.#acknowledged.set(
        key,
        told.filter(record => log.includes(record)),
      );
    }
  }

  /** Elects another controller, which knows the committed records only. */
  renounce(): void {
    const waiters = this.#controller.renounce();
    expect(this.#controller.image).toBe(this.#committed);
    this.#log.length = this.#committedCount;
    this.#end = (this.#log.at(-1)?.end ?? -1) + 1;
    for (const waiter of waiters) waiter.done(false);
    const [, replayed] = replay(
      EMPTY_IMAGE,
      this.#log.flatMap(({ records }) => records),
      this.#end - 1,
    );
    expect(imageRecords(replayed)).toEqual(imageRecords(this.#committed));
    this.#controller = new Controller(SETTINGS, this.#committed, this.#now);
    this.#index = new BrokerPartitions(this.#committed);
    this.#contacts = new Map();
    for (const { brokerId, brokerEpoch, fenced } of this.#committed.brokers.values()) {
      if (!fenced) this.#contacts.set(`${brokerId}/${brokerEpoch}`, this.#now);
    }
  }

  /** Lets time pass, and does what is due. */
  pass(ms: number): void {
    this.#now += ms;
    for (let left = 50; ; left--) {
      expect(left).toBeGreaterThan(0);
      const decision = this.#controller.tick(this.#draw());
      if (decision === undefined) break;
      if (decision.brokerId !== undefined) {
        const epoch = this.#controller.image.brokers.get(decision.brokerId)?.brokerEpoch;
        const contact = this.#contacts.get(`${decision.brokerId}/${epoch}`) ?? -Infinity;
        expect(this.#now - contact).toBeGreaterThanOrEqual(TIMEOUT);
      }
      this.#append(decision.records);
    }
    expect(this.#controller.nextDeadline).toBeGreaterThan(this.#now);
    for (const { brokerId, brokerEpoch, fenced } of this.#controller.image.brokers.values()) {
      if (fenced) continue;
      expect(this.#now - (this.#contacts.get(`${brokerId}/${brokerEpoch}`) ?? -Infinity)).toBeLessThan(TIMEOUT);
    }
  }

  /** Starts a process on a broker that does not run, or has it register if it is not registered yet. */
  start(index: number): void {
    const broker = this.#broker(index);
    if (broker.epoch !== undefined || broker.isRegistering) return;
    if (broker.incarnation === undefined) {
      broker.incarnation = ++this.#ids;
      broker.view = EMPTY_IMAGE;
    }
    const { brokerId, incarnation, cleanEpoch } = broker;
    const existing = this.#controller.image.brokers.get(brokerId);
    broker.isRegistering = true;
    const request = brokerRegistrationRequest.defaults({
      brokerId,
      clusterId: "cluster",
      incarnationId: id(1000 + incarnation),
      listeners: [],
      features: [...FEATURES, ["kraft.version", { min: 0, max: 1 }] as const].map(([name, { min, max }]) => ({
        name,
        minSupportedVersion: min,
        maxSupportedVersion: max,
      })),
      rack: null,
      previousBrokerEpoch: cleanEpoch,
      logDirs: [id(2000 + brokerId)],
    });
    const { errorCode } = this.#decide("BrokerRegistration", request, (reply, isCommitted) => {
      if (broker.incarnation !== incarnation) return;
      broker.isRegistering = false;
      if (!isCommitted || reply.errorCode !== 0) return;
      broker.epoch = Number(reply.brokerEpoch);
      broker.view = this.#committed;
    });
    const isOther = existing !== undefined && existing.incarnationId !== id(1000 + incarnation);
    const contact = this.#contacts.get(`${brokerId}/${existing?.brokerEpoch}`) ?? -Infinity;
    const isRefused = isOther && this.#now - contact < TIMEOUT;
    expect(errorOf(errorCode).name).toBe(isRefused ? "DUPLICATE_BROKER_REGISTRATION" : "NONE");
  }

  /** Has a broker apply the committed metadata, copy from its leaders, and send a heartbeat. */
  beat(index: number, isLate: boolean): void {
    const broker = this.#broker(index);
    const { brokerId, epoch, incarnation, isStopping } = broker;
    if (epoch === undefined) return;
    if (!isLate) this.catchUp(index);
    const known = this.#controller.image.brokers.get(brokerId)?.brokerEpoch === epoch;
    if (known) this.#contacts.set(`${brokerId}/${epoch}`, this.#now);
    const request = brokerHeartbeatRequest.defaults({
      brokerId,
      brokerEpoch: epoch,
      currentMetadataOffset: broker.view.provenance.offset,
      wantShutDown: isStopping,
    });
    const { errorCode, shouldShutDown } = this.#decide("BrokerHeartbeat", request, (reply, isCommitted) => {
      if (!isCommitted || broker.incarnation !== incarnation || !reply.shouldShutDown) return;
      // A clean end: everything is on the disk, with the epoch.
      broker.cleanEpoch = epoch;
      this.#finish(broker);
    });
    if (known && shouldShutDown) this.#contacts.delete(`${brokerId}/${epoch}`);
    expect(errorOf(errorCode).name).toBe(known ? "NONE" : "STALE_BROKER_EPOCH");
    // A broker that was unregistered registers again, as another process would.
    if (!known) this.crash(index, 1);
  }

  #finish(broker: Broker): void {
    Object.assign(broker, { incarnation: undefined, epoch: undefined, isRegistering: false, isStopping: false });
    broker.proposed.clear();
  }

  stop(index: number): void {
    const broker = this.#broker(index);
    if (broker.epoch !== undefined) broker.isStopping = true;
  }

  /** Ends a process. With eligible leader replicas, `kept` is the share of its logs that was on the disk. */
  crash(index: number, kept: number): void {
    const broker = this.#broker(index);
    if (broker.incarnation === undefined) return;
    broker.cleanEpoch = -1;
    this.#finish(broker);
    if (!this.#elr) return;
    for (const [key, log] of broker.logs) broker.logs.set(key, log.slice(0, Math.floor(log.length * kept)));
  }

  /** Has every broker run, send a heartbeat and hear of everything. */
  settle(): void {
    for (const index of this.#brokers.keys()) this.start(index);
    this.commit(1);
    for (const index of this.#brokers.keys()) this.beat(index, false);
    this.commit(1);
    for (const index of this.#brokers.keys()) this.catchUp(index);
  }

  /** Ends a history: once all brokers run and hear of everything, all partitions are led and all reassignments end. */
  heal(): void {
    const all = [...this.#brokers.keys()];
    this.commit(1);
    for (const broker of this.#brokers) broker.isStopping = false;
    // Brokers that the controller has let go, or has never let in, start anew.
    for (const index of all) if (this.#isOut(index)) this.crash(index, 1);
    this.pass(TIMEOUT);
    for (let round = 0; round < 5; round++) {
      this.settle();
      for (const index of all) this.replicate(index);
      for (const index of all) this.propose(index, 0);
      while (this.#queue.length > 0) this.deliver(0);
      this.commit(1);
      this.pass(1000);
    }
    for (const [key, partition] of partitionsOf(this.#committed)) {
      const { isr, replicas, addingReplicas, removingReplicas, eligibleLeaderReplicas, lastKnownElr } = partition;
      const shown = () => JSON.stringify({ key, partition });
      const candidates = [...isr, ...eligibleLeaderReplicas, ...lastKnownElr];
      if (candidates.length === 0) continue;
      expect(partition.leader, shown()).toBeGreaterThanOrEqual(0);
      expect([addingReplicas, removingReplicas], shown()).toEqual([[], []]);
      expect(new Set(isr), shown()).toEqual(new Set(replicas));
    }
  }

  #isOut(index: number): boolean {
    const { brokerId, epoch } = this.#broker(index);
    const broker = this.#committed.brokers.get(brokerId);
    return broker?.inControlledShutdown === true || Number(broker?.brokerEpoch) !== epoch;
  }

  /** Partitions that a broker leads as far as it knows. */
  #led({ brokerId, epoch, view }: Broker): [key: string, PartitionImage, topicId: string][] {
    if (epoch === undefined) return [];
    return [...partitionsOf(view)].filter(([, { leader }]) => leader === brokerId);
  }

  /** True if the broker follows the leader's epoch of a partition. */
  #follows({ brokerId, epoch, view }: Broker, [key, led, topicId]: [string, PartitionImage, string]): boolean {
    if (epoch === undefined) return false;
    const known = view.topics.get(topicId as never)?.partitions.get(Number(key.split("/")[1]));
    return known?.leaderEpoch === led.leaderEpoch && known.replicas.includes(brokerId);
  }

  /** Applies the committed metadata: replicas that are not this broker's any more are deleted. */
  catchUp(index: number): void {
    const broker = this.#broker(index);
    if (broker.epoch === undefined) return;
    broker.view = this.#committed;
    const mine = new Map([...partitionsOf(broker.view)].map(([key, partition]) => [key, partition]));
    for (const key of broker.logs.keys()) {
      if (mine.get(key)?.replicas.includes(broker.brokerId) !== true) broker.logs.delete(key);
    }
    for (const key of broker.proposed.keys()) {
      if (mine.get(key)?.leader !== broker.brokerId) broker.proposed.delete(key);
    }
  }

  /** Has every follower copy the logs of its leaders. */
  replicate(index: number): void {
    const leader = this.#broker(index);
    for (const led of this.#led(leader)) {
      for (const follower of this.#brokers) {
        if (follower !== leader && this.#follows(follower, led)) {
          follower.logs.set(led[0], leader.logs.get(led[0]) ?? []);
        }
      }
    }
  }

  /** Has a leader append a record to each partition; producers hear of it if all members of the ISR have it. */
  produce(index: number, isReplicated: boolean): void {
    const leader = this.#broker(index);
    for (const led of this.#led(leader)) {
      const [key, { isr, replicas, leaderEpoch }] = led;
      const record = ++this.#ids;
      leader.logs.set(key, [...(leader.logs.get(key) ?? []), record]);
      if (!isReplicated) continue;
      const members = new Set([...isr, ...(leader.proposed.get(key) ?? [])]);
      members.delete(leader.brokerId);
      const followers = [...members].map(member => this.#broker(member - 1));
      const reached = followers.filter(follower => this.#follows(follower, led));
      for (const follower of reached) follower.logs.set(key, leader.logs.get(key) ?? []);
      const enough = Math.min(MIN_ISR, this.#elr ? replicas.length : 1);
      if (reached.length < followers.length || isr.length < enough) continue;
      if (leaderEpoch < (this.#uncleanEpochs.get(key) ?? 0)) continue;
      this.#acknowledged.set(key, [...(this.#acknowledged.get(key) ?? []), record]);
    }
  }

  /** Has a leader ask for a change of the ISR of each of its partitions: those who follow it, without one of them. */
  propose(index: number, without: number): void {
    const leader = this.#broker(index);
    const { brokerId, epoch, incarnation } = leader;
    if (epoch === undefined || incarnation === undefined) return;
    for (const led of this.#led(leader)) {
      const [key, { isr, replicas, leaderEpoch, partitionEpoch }, topicId] = led;
      const wanted = replicas.filter(replica => {
        if (replica === brokerId) return true;
        const log = this.#broker(replica - 1).logs.get(key) ?? [];
        const isCaughtUp = (leader.logs.get(key) ?? []).every(record => log.includes(record));
        return replica !== without && isCaughtUp && this.#follows(this.#broker(replica - 1), led);
      });
      if (wanted.length === isr.length && wanted.every(replica => isr.includes(replica))) continue;
      leader.proposed.set(key, [...(leader.proposed.get(key) ?? []), ...wanted]);
      const partition = {
        partitionIndex: Number(key.split("/")[1]),
        leaderEpoch,
        partitionEpoch,
        leaderRecoveryState: 0,
        newIsrWithEpochs: wanted.map(member => ({
          brokerId: member,
          brokerEpoch: this.#broker(member - 1).epoch ?? -1,
        })),
      };
      const topics = [{ topicId: topicId as never, partitions: [partition] }];
      const request = alterPartitionRequest.defaults({ brokerId, brokerEpoch: epoch, topics });
      this.#queue.push({ from: leader, incarnation, request });
    }
    this.#queue.splice(0, this.#queue.length - 20);
  }

  /** Has a request of a leader arrive. */
  deliver(index: number): void {
    const [sent] = this.#queue.splice(index % Math.max(1, this.#queue.length), 1);
    if (sent === undefined) return;
    const { from, incarnation, request } = sent;
    const [{ topicId, partitions }] = request.topics;
    const [{ partitionIndex, leaderEpoch, partitionEpoch, newIsrWithEpochs }] = partitions;
    const { image } = this.#controller;
    const before = image.topics.get(topicId)?.partitions.get(partitionIndex);
    const reply = this.#decide("AlterPartition", request, (_reply, isCommitted) => {
      if (!isCommitted || from.incarnation !== incarnation) return;
      from.proposed.delete(keyOf(topicId, partitionIndex));
      from.view = this.#committed;
    });
    const answer = reply.topics[0]?.partitions[0];
    if (answer?.errorCode !== 0) return;
    expect([leaderEpoch, partitionEpoch]).toEqual([before?.leaderEpoch, before?.partitionEpoch]);
    expect(image.brokers.get(from.brokerId)?.incarnationId).toBe(id(1000 + incarnation));
    for (const { brokerId, brokerEpoch } of newIsrWithEpochs) {
      expect(isActive(image, brokerId)).toBe(true);
      expect([-1, Number(image.brokers.get(brokerId)?.brokerEpoch)]).toContain(Number(brokerEpoch));
    }
  }

  createTopic(name: string, factor: number): void {
    const topics = [{ name, numPartitions: 2, replicationFactor: factor, assignments: [], configs: [] }];
    this.#decide("CreateTopics", createTopicsRequest.defaults({ topics }));
  }

  deleteTopic(name: string): void {
    this.#decide("DeleteTopics", deleteTopicsRequest.defaults({ topics: [{ name, topicId: ZERO_UUID }] }));
  }

  /** Reassigns a partition to `count` brokers from `first` on; 0: takes a reassignment back. */
  reassign(name: string, first: number, count: number): void {
    const ids = this.#brokers.map((_, i) => this.#broker(first + i).brokerId).slice(0, count);
    const topics = [{ name, partitions: [{ partitionIndex: first % 2, replicas: count === 0 ? null : ids }] }];
    const request = { topics, allowReplicationFactorChange: true };
    this.#decide("AlterPartitionReassignments", alterPartitionReassignmentsRequest.defaults(request));
  }

  elect(electionType: number): void {
    this.#decide("ElectLeaders", electLeadersRequest.defaults({ electionType, topicPartitions: null }));
  }

  unregister(index: number): void {
    const { brokerId } = this.#broker(index);
    // Only a broker that is gone is unregistered.
    if (this.#broker(index).incarnation !== undefined) return;
    if (this.#elr) this.#broker(index).logs.clear();
    this.#decide("UnregisterBroker", { brokerId });
  }

  /** Has a broker fetch a block of producer ids, which no broker may ever get again. */
  allocate(index: number): void {
    const { brokerId, epoch } = this.#broker(index);
    if (epoch === undefined) return;
    this.#decide("AllocateProducerIds", { brokerId, brokerEpoch: epoch }, ({ errorCode, producerIdStart }, isKept) => {
      if (errorCode !== 0 || !isKept) return;
      const first = BigInt(producerIdStart);
      expect(this.#blocks.has(first)).toBe(false);
      this.#blocks.add(first);
    });
  }

  /** Topics that exist, for the tests of the model. */
  topic(name: string): ReadonlyMap<number, PartitionImage> | undefined {
    return topicNamed(this.#committed, name)?.partitions;
  }

  /** Number of records that producers know of. */
  get acknowledged(): number {
    return [...this.#acknowledged.values()].reduce((sum, records) => sum + records.length, 0);
  }
}
