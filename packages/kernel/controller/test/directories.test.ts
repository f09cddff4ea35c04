import { isReservedDirectory, LOST_DIRECTORY, MIGRATING_DIRECTORY, UNASSIGNED_DIRECTORY, type Uuid } from "@samsa/base";
import { bootstrapRecords, Controller, type ControllerRequests, type ControllerSettings } from "@samsa/controller";
import { EMPTY_IMAGE } from "@samsa/metadata";
import {
  assignReplicasToDirsRequest,
  brokerHeartbeatRequest,
  brokerRegistrationRequest,
  createTopicsRequest,
  decodeMetadataRecord,
  encodeMetadataRecord,
  errorOf,
  type MetadataRecord,
  metadataRecord,
} from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { settings } from "./fixture.ts";

const FEATURES = new Map([["metadata.version", { min: 7, max: 33 }]]);
const ELR = "eligible.leader.replicas.version";
const SETTINGS: ControllerSettings = {
  ...settings,
  numPartitions: 1,
  configs: { validate: () => undefined, isList: () => false, initial: () => null },
  features: FEATURES,
  offered: FEATURES,
  replication: () => ({ uncleanLeaderElection: false, minInsyncReplicas: 2 }),
  describeTopic: () => [],
};

/** Id whose text contains the name. */
const id = (name: string): Uuid => `${name.padEnd(21, "x")}A` as Uuid;
const [A, B, C] = ["dirA", "dirB", "dirC"].map(id);

const errorName = (code: number): string => errorOf(code).name;

/** Controller, and brokers that register, send heartbeats and assign replicas to directories. */
class Fixture {
  readonly controller = new Controller<string>(SETTINGS, EMPTY_IMAGE, 0);
  readonly epochs = new Map<number, number>();
  offset = 0;
  now = 0;
  #ids = 0;

  constructor(metadataVersion = 30) {
    this.append(bootstrapRecords({ metadataVersion, features: FEATURES }));
  }

  append(records: readonly MetadataRecord[]): void {
    this.offset += records.length;
    const written = records.map(record => decodeMetadataRecord(encodeMetadataRecord(record)));
    this.controller.appended(written, { offset: this.offset - 1, epoch: 1, timestamp: 0 });
  }

  run<N extends keyof ControllerRequests>(name: N, request: ControllerRequests[N]["request"]) {
    const draw = {
      uuid: () => id(`id${++this.#ids}`),
      below: () => 0,
      nextOffset: this.offset,
      now: this.now,
      time: 0,
      mutate: () => true,
      judge: () => undefined,
    };
    const { records, reply } = this.controller.decide(name, request, draw);
    this.append(records);
    return { reply, records };
  }

  /** Registers a broker once the session of its former incarnation is over, after a clean shutdown. */
  register(brokerId: number, logDirs: readonly Uuid[], incarnation = "a"): number {
    this.now += SETTINGS.sessionTimeoutMs;
    const { reply } = this.run(
      "BrokerRegistration",
      brokerRegistrationRequest.defaults({
        brokerId,
        clusterId: "cluster",
        incarnationId: id(`inc${brokerId}${incarnation}`),
        listeners: [],
        features: [
          { name: "metadata.version", minSupportedVersion: 7, maxSupportedVersion: 33 },
          { name: "kraft.version", minSupportedVersion: 0, maxSupportedVersion: 1 },
          { name: ELR, minSupportedVersion: 0, maxSupportedVersion: 1 },
        ],
        logDirs: [...logDirs],
        previousBrokerEpoch: this.epochs.get(brokerId) ?? -1,
      }),
    );
    if (reply.errorCode === 0) this.epochs.set(brokerId, Number(reply.brokerEpoch));
    return reply.errorCode;
  }

  beat(brokerId: number, draft: { offlineLogDirs?: Uuid[]; cordonedLogDirs?: Uuid[] | null } = {}) {
    const brokerEpoch = this.epochs.get(brokerId) ?? -1;
    const body = { brokerId, brokerEpoch, currentMetadataOffset: this.offset, ...draft };
    return this.run("BrokerHeartbeat", brokerHeartbeatRequest.defaults(body)).records;
  }

  join(brokerId: number, logDirs: readonly Uuid[], incarnation = "a"): void {
    expect(this.register(brokerId, logDirs, incarnation)).toBe(0);
    this.beat(brokerId);
  }

  topic(name: string, replicas: number[]): Uuid {
    const assignments = [{ partitionIndex: 0, brokerIds: replicas }];
    const topic = { name, numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
    const { reply } = this.run("CreateTopics", createTopicsRequest.defaults({ topics: [topic] }));
    expect(reply.topics[0].errorCode).toBe(0);
    return reply.topics[0].topicId;
  }

  partition(topicId: Uuid) {
    const found = this.controller.image.topics.get(topicId)?.partitions.get(0);
    expect(found).toBeDefined();
    return found as NonNullable<typeof found>;
  }

  assign(brokerId: number, places: readonly [directory: Uuid, topicId: Uuid, partition?: number][], epoch?: number) {
    const directories = places.map(([directory, topicId, partitionIndex = 0]) => ({
      id: directory,
      topics: [{ topicId, partitions: [{ partitionIndex }] }],
    }));
    const brokerEpoch = epoch ?? this.epochs.get(brokerId) ?? -1;
    const body = { brokerId, brokerEpoch, directories };
    const { reply, records } = this.run("AssignReplicasToDirs", assignReplicasToDirsRequest.defaults(body));
    const errors = reply.directories.flatMap(d => d.topics.flatMap(t => t.partitions.map(p => errorName(p.errorCode))));
    return { error: errorName(reply.errorCode), errors, records };
  }
}

test("the ids that Kafka reserves are Kafka's", () => {
  // Reserved ids of `DirectoryId`: 0, 1 and 2 as the low half of the id.
  expect([MIGRATING_DIRECTORY, UNASSIGNED_DIRECTORY, LOST_DIRECTORY]).toEqual([
    "AAAAAAAAAAAAAAAAAAAAAA",
    "AAAAAAAAAAAAAAAAAAAAAQ",
    "AAAAAAAAAAAAAAAAAAAAAg",
  ]);
  expect(["AAAAAAAAAAAAAAAAAAAAYw", "AAAAAAAAAAAAAAAAAAAAZA"].map(text => isReservedDirectory(text as Uuid))).toEqual([
    true,
    false,
  ]);
});

describe("log directories", () => {
  test("a replica is placed where it can only be, and told of where it may be in several", () => {
    const fixture = new Fixture();
    fixture.join(1, [A]);
    fixture.join(2, [B, C]);
    const topic = fixture.topic("t", [1, 2]);
    expect(fixture.partition(topic).directories).toEqual([A, UNASSIGNED_DIRECTORY]);
    expect(fixture.assign(2, [[C, topic]])).toMatchObject({ error: "NONE", errors: ["NONE"] });
    expect(fixture.partition(topic)).toMatchObject({ directories: [A, C], leader: 1, isr: [1, 2] });
    // A repeated assignment changes nothing.
    expect(fixture.assign(2, [[C, topic]]).records).toEqual([]);
  });

  test("an assignment of what is not the broker's is refused", () => {
    const fixture = new Fixture();
    fixture.join(1, [A]);
    fixture.join(2, [B, C]);
    const topic = fixture.topic("t", [2]);
    const { error, errors, records } = fixture.assign(1, [
      [A, topic],
      [A, topic, 7],
      [A, id("nothing")],
    ]);
    expect(error).toBe("NONE");
    expect(errors).toEqual(["NOT_LEADER_OR_FOLLOWER", "UNKNOWN_TOPIC_OR_PARTITION", "UNKNOWN_TOPIC_ID"]);
    expect(records).toEqual([]);
    expect(fixture.assign(1, [[A, topic]], 12345).error).toBe("STALE_BROKER_EPOCH");
    const old = new Fixture(16);
    old.join(1, []);
    expect(old.assign(1, [[A, topic]]).error).toBe("UNSUPPORTED_VERSION");
  });

  test("one that fails takes its own partitions offline, and gives them back at the next registration", () => {
    const fixture = new Fixture();
    fixture.join(1, [A, B]);
    fixture.join(2, [C]);
    const [alone, shared, other] = [
      fixture.topic("alone", [1]),
      fixture.topic("shared", [1, 2]),
      fixture.topic("o", [1]),
    ];
    fixture.assign(1, [
      [A, alone],
      [A, shared],
      [B, other],
    ]);
    fixture.beat(1, { offlineLogDirs: [A] });
    expect(fixture.controller.image.brokers.get(1)).toMatchObject({ logDirs: [B], fenced: false });
    expect(fixture.partition(alone)).toMatchObject({ leader: -1, isr: [1], leaderEpoch: 1 });
    expect(fixture.partition(shared)).toMatchObject({ leader: 2, isr: [2] });
    expect(fixture.partition(other)).toMatchObject({ leader: 1, isr: [1], leaderEpoch: 0 });
    // Every heartbeat lists the failed directory again.
    expect(fixture.beat(1, { offlineLogDirs: [A] })).toEqual([]);
    fixture.join(1, [B], "b");
    expect(fixture.partition(alone).leader).toBe(-1);
    fixture.join(1, [A, B], "c");
    expect(fixture.partition(alone)).toMatchObject({ leader: 1, isr: [1] });
  });

  test("nobody takes the lead of a replica whose directory has failed", () => {
    const fixture = new Fixture();
    fixture.join(1, [A, B]);
    fixture.join(2, [C]);
    const topic = fixture.topic("t", [2, 1]);
    fixture.assign(1, [[A, topic]]);
    fixture.register(1, [B], "b");
    fixture.beat(1);
    // The replica left the ISR with its broker.
    expect(fixture.partition(topic)).toMatchObject({ leader: 2, isr: [2] });
    fixture.beat(2, { offlineLogDirs: [C] });
    expect(fixture.partition(topic)).toMatchObject({ leader: -1, isr: [2] });
  });

  test("a replica that turns out to be in one that has failed is lost with it", () => {
    const fixture = new Fixture();
    fixture.join(1, [A, B]);
    const topic = fixture.topic("t", [1]);
    fixture.beat(1, { offlineLogDirs: [A] });
    expect(fixture.partition(topic).leader).toBe(1);
    fixture.assign(1, [[A, topic]]);
    expect(fixture.partition(topic)).toMatchObject({ leader: -1, directories: [A] });
  });

  test("an assignment also ends a reassignment whose replicas are all in sync", () => {
    const fixture = new Fixture();
    fixture.join(1, [A, B]);
    fixture.join(2, [C]);
    const topicId = fixture.topic("t", [1]);
    const changed = { topicId, partitionId: 0, replicas: [1, 2], isr: [1, 2], addingReplicas: [2] };
    fixture.append([
      metadataRecord("PartitionChangeRecord", 2, { ...changed, directories: [UNASSIGNED_DIRECTORY, C] }),
    ]);
    fixture.assign(1, [[B, topicId]]);
    expect(fixture.partition(topicId)).toMatchObject({ directories: [B, C], addingReplicas: [], leader: 1 });
  });

  test("cordoned ones are noted once, and get no new replicas", () => {
    const fixture = new Fixture();
    fixture.join(1, [A, B]);
    expect(fixture.controller.image.brokers.get(1)?.cordonedLogDirs).toBeNull();
    expect(fixture.beat(1, { cordonedLogDirs: [] })).toHaveLength(1);
    expect(fixture.beat(1, { cordonedLogDirs: [] })).toEqual([]);
    expect(fixture.beat(1, { cordonedLogDirs: [A, B] })).toHaveLength(1);
    expect(fixture.beat(1, { cordonedLogDirs: [B, A] })).toEqual([]);
    const topic = { name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
    const { reply } = fixture.run("CreateTopics", createTopicsRequest.defaults({ topics: [topic] }));
    expect(errorName(reply.topics[0].errorCode)).toBe("INVALID_REPLICATION_FACTOR");
    expect(fixture.beat(1, { cordonedLogDirs: [A] })).toHaveLength(1);
    expect(fixture.beat(1, { cordonedLogDirs: null })).toEqual([]);
    fixture.topic("t", [1]);
    const old = new Fixture(29);
    old.join(1, [A]);
    expect(old.beat(1, { cordonedLogDirs: [A] })).toEqual([]);
  });

  test("ids that mean something else, or are said twice, or belong to another broker, are refused", () => {
    const fixture = new Fixture();
    const refused = "INVALID_REGISTRATION";
    for (const dirs of [[], [LOST_DIRECTORY], ["AAAAAAAAAAAAAAAAAAAAYw" as Uuid], [A, A]]) {
      expect(errorName(fixture.register(1, dirs))).toBe(refused);
    }
    fixture.join(1, [A]);
    expect(errorName(fixture.register(2, [B, A]))).toBe(refused);
  });
});

test("a replica whose directory is gone is not eligible to lead", () => {
  const cluster = new Fixture();
  cluster.append([metadataRecord("FeatureLevelRecord", 0, { name: ELR, featureLevel: 1 })]);
  cluster.join(1, [A, B]);
  cluster.join(2, [C]);
  const [kept, lost] = ["kept", "lost"].map(name => cluster.topic(name, [1, 2])) as [Uuid, Uuid];
  cluster.assign(1, [
    [A, kept],
    [B, lost],
  ]);
  cluster.register(2, [C], "b");
  cluster.register(1, [A, id("dirD")], "b");
  for (const topic of [kept, lost]) expect(cluster.partition(topic).eligibleLeaderReplicas).toEqual([2, 1]);
  // A move from a directory that is there keeps the records.
  cluster.assign(1, [
    [id("dirD"), kept],
    [id("dirD"), lost],
  ]);
  expect(cluster.partition(kept).eligibleLeaderReplicas).toEqual([2, 1]);
  expect(cluster.partition(lost).eligibleLeaderReplicas).toEqual([2]);
  cluster.beat(1);
  expect([cluster.partition(kept).leader, cluster.partition(lost).leader]).toEqual([1, -1]);
});
