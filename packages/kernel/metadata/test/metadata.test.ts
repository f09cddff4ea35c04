import { MIGRATING_DIRECTORY, randomUuid, UNASSIGNED_DIRECTORY, type Uuid } from "@samsa/base";
import {
  configsOf,
  EMPTY_IMAGE,
  imageRecords,
  MetadataDelta,
  MetadataError,
  type MetadataImage,
  METADATA_VERSION,
  recordVersions,
  RESOURCE_TYPE,
  topicNamed,
} from "@samsa/metadata";
import { decodeMetadataRecord, encodeMetadataRecord, type MetadataRecord, metadataRecord } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const id = (n: number): Uuid => randomUuid(length => new Uint8Array(length).fill(n));
const NOWHERE = { offset: 0, epoch: 0, timestamp: 0 };

function replayed(records: readonly MetadataRecord[], base: MetadataImage = EMPTY_IMAGE): MetadataImage {
  const delta = new MetadataDelta(base);
  for (const record of records) delta.replay(record);
  return delta.apply(NOWHERE);
}

const level = (featureLevel: number) =>
  metadataRecord("FeatureLevelRecord", 0, { name: "metadata.version", featureLevel });
const topic = (n: number) => metadataRecord("TopicRecord", 0, { name: `t${n}`, topicId: id(n) });
const partition = (n: number, partitionId: number) =>
  metadataRecord("PartitionRecord", 2, {
    topicId: id(n),
    partitionId,
    replicas: [1, 2, 3],
    isr: [1, 2],
    removingReplicas: [],
    addingReplicas: [],
    leader: 1,
    leaderEpoch: 0,
    partitionEpoch: 0,
    directories: [id(101), id(102), id(103)],
  });
const broker = (brokerId: number) =>
  metadataRecord("RegisterBrokerRecord", 4, {
    brokerId,
    incarnationId: id(50 + brokerId),
    brokerEpoch: 7,
    endPoints: [{ name: "PLAINTEXT", host: "h", port: 9092, securityProtocol: 0 }],
    features: [{ name: "metadata.version", minSupportedVersion: 7, maxSupportedVersion: 33 }],
    rack: null,
    logDirs: [id(100 + brokerId)],
  });

/** Records of every type, in a valid order; the generator selects some of them. */
const CATALOGUE: readonly MetadataRecord[] = [
  level(33),
  metadataRecord("FeatureLevelRecord", 0, { name: "eligible.leader.replicas.version", featureLevel: 1 }),
  metadataRecord("FeatureLevelRecord", 0, { name: "group.version", featureLevel: 1 }),
  metadataRecord("FeatureLevelRecord", 0, { name: "group.version", featureLevel: 0 }),
  metadataRecord("NoOpRecord", 0, {}),
  ...[1, 2, 3].map(broker),
  metadataRecord("ConfigRecord", 0, { resourceType: 2, resourceName: "t1", name: "retention.ms", value: "5" }),
  metadataRecord("ConfigRecord", 0, { resourceType: 4, resourceName: "", name: "log.retention.ms", value: "6" }),
  metadataRecord("ConfigRecord", 0, { resourceType: 4, resourceName: "", name: "log.retention.ms", value: null }),
  metadataRecord("ClientQuotaRecord", 0, {
    entity: [
      { entityType: "user", entityName: null },
      { entityType: "client-id", entityName: "c" },
    ],
    key: "producer_byte_rate",
    value: 1.5,
    remove: false,
  }),
  metadataRecord("ProducerIdsRecord", 0, { brokerId: 1, brokerEpoch: 7, nextProducerId: 1000n }),
  metadataRecord("AccessControlEntryRecord", 0, {
    id: id(9),
    resourceType: 2,
    resourceName: "t1",
    patternType: 3,
    principal: "User:a",
    host: "*",
    operation: 3,
    permissionType: 3,
  }),
  metadataRecord("UserScramCredentialRecord", 0, {
    name: "a",
    mechanism: 1,
    salt: Uint8Array.of(1),
    storedKey: Uint8Array.of(2),
    serverKey: Uint8Array.of(3),
    iterations: 4096,
  }),
  metadataRecord("DelegationTokenRecord", 0, {
    owner: "User:a",
    requester: "User:a",
    renewers: [],
    issueTimestamp: 1,
    maxTimestamp: 2,
    expirationTimestamp: 3,
    tokenId: "x",
  }),
  metadataRecord("RegisterControllerRecord", 0, {
    controllerId: 1,
    incarnationId: id(70),
    zkMigrationReady: false,
    endPoints: [],
    features: [],
  }),
  metadataRecord("RemoveUserScramCredentialRecord", 0, { name: "a", mechanism: 1 }),
  metadataRecord("RemoveDelegationTokenRecord", 0, { tokenId: "x" }),
  metadataRecord("UnregisterControllerRecord", 0, { controllerId: 1 }),
  metadataRecord("ZkMigrationStateRecord", 0, { zkMigrationState: 3 }),
];

const ofTopics = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.nat(3)), { maxLength: 6 }).map(pairs => {
  const records: MetadataRecord[] = [];
  for (const n of new Set(pairs.map(([t]) => t))) records.push(topic(n));
  for (const [t, p] of pairs) {
    records.push(partition(t, p));
    if (p === 1)
      records.push(metadataRecord("PartitionChangeRecord", 2, { topicId: id(t), partitionId: p, leader: 2 }));
    if (p === 2) {
      records.push(
        metadataRecord("PartitionChangeRecord", 2, {
          topicId: id(t),
          partitionId: p,
          isr: [1],
          eligibleLeaderReplicas: [2],
        }),
      );
    }
  }
  if (pairs.length > 4) records.push(metadataRecord("RemoveTopicRecord", 0, { topicId: id(pairs[0][0]) }));
  return records;
});
const histories = fc
  .tuple(fc.subarray([...CATALOGUE]), ofTopics)
  .map(([some, topics]) => [level(33), ...some.filter(r => r.type !== "NoOpRecord"), ...topics]);

describe("an image", () => {
  test("does not depend on how records are cut into deltas, and is never changed", () => {
    fc.assert(
      fc.property(histories, records => {
        const whole = replayed(records);
        let stepwise = EMPTY_IMAGE;
        for (const record of records) {
          const before = structuredClone(stepwise);
          const next = replayed([record], stepwise);
          expect(stepwise).toEqual(before);
          stepwise = next;
        }
        expect(stepwise).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });

  test("comes back from its own records, through bytes", () => {
    fc.assert(
      fc.property(histories, records => {
        // Without the feature, eligible leader replicas are not written.
        const elr = metadataRecord("FeatureLevelRecord", 0, {
          name: "eligible.leader.replicas.version",
          featureLevel: 1,
        });
        const image = replayed([...records, elr]);
        const bytes = imageRecords(image).map(encodeMetadataRecord);
        expect(replayed(bytes.map(decodeMetadataRecord))).toEqual(image);
      }),
    );
  });

  test("is written at every metadata.version", () => {
    const records = [...CATALOGUE, topic(1), partition(1, 0)];
    for (let v: number = METADATA_VERSION.minimum; v <= METADATA_VERSION.latest; v++) {
      const image = replayed([...records, level(v)]);
      const written = imageRecords(image).map(r => decodeMetadataRecord(encodeMetadataRecord(r)));
      const found = written.find(r => r.type === "PartitionRecord");
      expect(found?.version).toBe(recordVersions(v).partition);
      const directories = topicNamed(replayed(written), "t1")?.partitions.get(0)?.directories;
      expect(directories?.[0]).toBe(v >= METADATA_VERSION.directories ? id(101) : MIGRATING_DIRECTORY);
    }
    expect(recordVersions(33)).toEqual({
      registerBroker: 4,
      brokerRegistrationChange: 3,
      partition: 2,
      partitionChange: 2,
    });
  });
});

describe("records", () => {
  test("a change of leader raises the leader epoch, any change the partition epoch", () => {
    const change = (draft: object) =>
      metadataRecord("PartitionChangeRecord", 2, { topicId: id(1), partitionId: 0, ...draft });
    const after = (...changes: MetadataRecord[]) =>
      topicNamed(replayed([topic(1), partition(1, 0), ...changes]), "t1")?.partitions.get(0);
    expect(after(change({ leader: 1 }))).toMatchObject({ leader: 1, leaderEpoch: 1, partitionEpoch: 1 });
    expect(after(change({ leader: -1 }))).toMatchObject({ leader: -1, leaderEpoch: 1 });
    expect(after(change({ isr: [1] }))).toMatchObject({ isr: [1], leader: 1, leaderEpoch: 0, partitionEpoch: 1 });
    expect(after(change({ replicas: [3, 4] }))?.directories).toEqual([id(103), UNASSIGNED_DIRECTORY]);
    const elr = change({ eligibleLeaderReplicas: [2] });
    const clear = metadataRecord("ClearElrRecord", 0, { topicName: "" });
    expect(after(elr, clear)).toMatchObject({ eligibleLeaderReplicas: [], partitionEpoch: 2 });
  });

  test("partitions share equal lists, also after changes", () => {
    const change = (partitionId: number, draft: object) =>
      metadataRecord("PartitionChangeRecord", 2, { topicId: id(1), partitionId, ...draft });
    const made = [level(33), topic(1), partition(1, 0), partition(1, 1)];
    const changed = [
      change(1, { isr: [], leader: -1, lastKnownElr: [1], eligibleLeaderReplicas: [1, 2, 3] }),
      change(1, { isr: [1, 2, 3], leader: 1, lastKnownElr: [], eligibleLeaderReplicas: [] }),
    ];
    // Records that are read from the log share nothing.
    const records = [...made, ...changed].map(record => decodeMetadataRecord(encodeMetadataRecord(record)));
    const partitions = topicNamed(replayed(records), "t1")?.partitions;
    const [one, other] = [partitions?.get(0), partitions?.get(1)];
    expect(other?.isr).toEqual([1, 2, 3]);
    expect(other?.isr).toBe(one?.replicas);
    expect(other?.replicas).toBe(one?.replicas);
    expect(other?.directories).toBe(one?.directories);
    expect(other?.lastKnownElr).toBe(one?.eligibleLeaderReplicas);
    const moved = topicNamed(replayed([change(1, { replicas: [3, 2, 1] })], replayed(records)), "t1")?.partitions.get(
      1,
    );
    expect(moved).toMatchObject({ replicas: [3, 2, 1], isr: [1, 2, 3], directories: [id(103), id(102), id(101)] });
  });

  test("a broker's registration changes; a topic takes its settings with it; quotas go when removed", () => {
    const change = metadataRecord("BrokerRegistrationChangeRecord", 3, {
      brokerId: 1,
      brokerEpoch: 7,
      fenced: -1,
      inControlledShutdown: 1,
    });
    expect(replayed([broker(1), change]).brokers.get(1)).toMatchObject({ fenced: false, inControlledShutdown: true });
    expect(
      replayed([broker(1), metadataRecord("UnregisterBrokerRecord", 0, { brokerId: 1, brokerEpoch: 7 })]).brokers.size,
    ).toBe(0);
    const config = metadataRecord("ConfigRecord", 0, { resourceType: 2, resourceName: "t1", name: "a", value: "b" });
    const created = replayed([topic(1), partition(1, 0), config]);
    expect([...configsOf(created, RESOURCE_TYPE.topic, "t1")]).toEqual([["a", "b"]]);
    const delta = new MetadataDelta(created);
    delta.replay(metadataRecord("RemoveTopicRecord", 0, { topicId: id(1) }));
    const removed = delta.apply(NOWHERE);
    expect([removed.topics.size, removed.topicIds.size, removed.configs.size]).toEqual([0, 0, 0]);
    expect([...delta.deletedTopics.keys()]).toEqual([id(1)]);
    expect([...delta.changedConfigs]).toEqual(["2/t1"]);
    const entity = [{ entityType: "user", entityName: "a" }];
    const quota = (remove: boolean) => metadataRecord("ClientQuotaRecord", 0, { entity, key: "k", value: 1, remove });
    expect(replayed([quota(false), quota(true)]).quotas.size).toBe(0);
  });

  test("a transaction counts when it ends, across deltas, and not at all when it aborts", () => {
    const begin = metadataRecord("BeginTransactionRecord", 0, { name: "x" });
    const open = replayed([begin, topic(1)]);
    expect(open.topics.size).toBe(0);
    expect(replayed([metadataRecord("EndTransactionRecord", 0, {})], open).topics.size).toBe(1);
    expect(replayed([metadataRecord("AbortTransactionRecord", 0, {})], open)).toMatchObject({
      topics: { size: 0 },
      transaction: undefined,
    });
  });

  test("what cannot follow is an error", () => {
    const bad: MetadataRecord[][] = [
      [partition(1, 0)],
      [topic(1), topic(1)],
      [metadataRecord("RemoveTopicRecord", 0, { topicId: id(1) })],
      [topic(1), metadataRecord("PartitionChangeRecord", 0, { topicId: id(1), partitionId: 5 })],
      [metadataRecord("UnregisterBrokerRecord", 0, { brokerId: 1, brokerEpoch: 1 })],
      [broker(1), metadataRecord("FenceBrokerRecord", 0, { id: 1, epoch: 8 })],
      [metadataRecord("EndTransactionRecord", 0, {})],
      [metadataRecord("RemoveAccessControlEntryRecord", 0, { id: id(1) })],
    ];
    for (const records of bad) expect(() => replayed(records)).toThrow(MetadataError);
  });
});
