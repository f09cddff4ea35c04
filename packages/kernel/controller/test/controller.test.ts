import { ZERO_UUID } from "@samsa/base";
import {
  bootstrapFault,
  bootstrapRecords,
  kraftRefusal,
  kraftUpgrade,
  placeReplicas,
  topicNameFault,
} from "@samsa/controller";
import { configsOf, METADATA_VERSION, type MetadataImage, RESOURCE_TYPE, topicNamed } from "@samsa/metadata";
import {
  alterConfigsRequest,
  brokerRegistrationRequest,
  createPartitionsRequest,
  createTopicsRequest,
  deleteTopicsRequest,
  errorOf,
  incrementalAlterConfigsRequest,
  type MetadataRecord,
  metadataRecord,
  updateFeaturesRequest,
} from "@samsa/protocol";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { FEATURES, Fixture, id } from "./fixture.ts";

let cluster: Fixture;
let epoch: number;
beforeEach(() => {
  cluster = new Fixture();
  cluster.append(bootstrapRecords({ metadataVersion: METADATA_VERSION.latest, features: FEATURES }));
  epoch = cluster.join(1);
  expect(cluster.beat(1, epoch)).toMatchObject({ isFenced: false, isCaughtUp: true });
});

const topic = (name: string, draft: object = {}) => ({
  name,
  numPartitions: -1,
  replicationFactor: -1,
  assignments: [] as { partitionIndex: number; brokerIds: number[] }[],
  configs: [] as { name: string; value: string | null }[],
  ...draft,
});
const create = (topics: ReturnType<typeof topic>[], validateOnly = false) =>
  cluster
    .run("CreateTopics", createTopicsRequest.defaults({ topics, validateOnly }))
    .topics.map(t => [t.name, errorOf(t.errorCode).name, t.errorMessage] as const);
const partitionOf = (name: string, partition = 0) =>
  topicNamed(cluster.controller.image, name)?.partitions.get(partition);

describe("CreateTopics", () => {
  test("creates with defaults, ids and settings, and describes what it made", () => {
    const request = createTopicsRequest.defaults({
      topics: [topic("t", { configs: [{ name: "retention.ms", value: "5" }] })],
    });
    expect(cluster.run("CreateTopics", request).topics[0]).toMatchObject({
      numPartitions: 2,
      replicationFactor: 1,
      configs: [{ name: "retention.ms", value: "5" }],
    });
    const made = topicNamed(cluster.controller.image, "t");
    expect(made?.partitions.get(1)).toMatchObject({
      replicas: [1],
      isr: [1],
      leader: 1,
      leaderEpoch: 0,
      directories: [id(2001)],
    });
    expect([...configsOf(cluster.controller.image, RESOURCE_TYPE.topic, "t")]).toEqual([["retention.ms", "5"]]);
    expect(cluster.log.slice(-4).map(r => r.type)).toEqual([
      "TopicRecord",
      "ConfigRecord",
      "PartitionRecord",
      "PartitionRecord",
    ]);
  });

  test.each([
    ["", "INVALID_TOPIC_EXCEPTION"],
    ["..", "INVALID_TOPIC_EXCEPTION"],
    ["a b", "INVALID_TOPIC_EXCEPTION"],
    ["x".repeat(250), "INVALID_TOPIC_EXCEPTION"],
    ["a_b.c", "INVALID_TOPIC_EXCEPTION"],
    ["a.b.c", "TOPIC_ALREADY_EXISTS"],
    ["__cluster_metadata", "INVALID_REQUEST"],
    ["x".repeat(249), "NONE"],
  ])("judges the name %j: %s", (name, error) => {
    create([topic("a.b.c")]);
    expect(create([topic(name)])[0][1]).toBe(error);
  });

  test.each([
    [{ numPartitions: 0 }, "INVALID_PARTITIONS"],
    [{ replicationFactor: 0 }, "INVALID_REPLICATION_FACTOR"],
    [{ replicationFactor: 2 }, "INVALID_REPLICATION_FACTOR"],
    [{ numPartitions: 10_001 }, "POLICY_VIOLATION"],
    [{ configs: [{ name: "bad", value: "x" }] }, "INVALID_CONFIG"],
    [{ configs: [{ name: "a", value: null }] }, "INVALID_CONFIG"],
    [{ assignments: [{ partitionIndex: 0, brokerIds: [1] }] }, "NONE"],
    [{ assignments: [{ partitionIndex: 0, brokerIds: [1] }], numPartitions: 1 }, "INVALID_REQUEST"],
    [{ assignments: [{ partitionIndex: 0, brokerIds: [1] }], replicationFactor: 1 }, "INVALID_REQUEST"],
    [{ assignments: [{ partitionIndex: 1, brokerIds: [1] }] }, "INVALID_REPLICA_ASSIGNMENT"],
    [{ assignments: [{ partitionIndex: 0, brokerIds: [] }] }, "INVALID_REPLICA_ASSIGNMENT"],
    [{ assignments: [{ partitionIndex: 0, brokerIds: [9] }] }, "INVALID_REPLICA_ASSIGNMENT"],
    [{ assignments: [{ partitionIndex: 0, brokerIds: [1, 1] }] }, "INVALID_REPLICA_ASSIGNMENT"],
  ])("judges %j: %s", (draft, error) => {
    const before = cluster.log.length;
    expect(create([topic("t", draft)])[0][1]).toBe(error);
    if (error !== "NONE") expect(cluster.log.length).toBe(before);
  });

  test("topics fail one by one; twice is once too often; validateOnly leaves no trace", () => {
    expect(create([topic("a"), topic("b", { numPartitions: 0 }), topic("c"), topic("c")]).map(r => r[1])).toEqual([
      "NONE",
      "INVALID_PARTITIONS",
      "INVALID_REQUEST",
    ]);
    expect(create([topic("d")], true)[0][1]).toBe("NONE");
    expect([...cluster.controller.image.topicIds.keys()]).toEqual(["a"]);
    cluster.beat(1, epoch, { wantFence: true });
    expect(create([topic("e")])[0][1]).toBe("INVALID_REPLICATION_FACTOR");
  });
});

describe("replicas", () => {
  test("are distinct, led by unfenced brokers, and even over racks and brokers", () => {
    const racks = fc.array(fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(racks, fc.nat(), fc.nat(1000), (layout, wanted, seed) => {
        const brokers = new Map<number, { brokerId: number; rack: string; fenced: boolean }>();
        layout.forEach((list, rack) =>
          list.forEach(fenced => brokers.set(brokers.size, { brokerId: brokers.size, rack: `r${rack}`, fenced })),
        );
        const image = {
          brokers: new Map([...brokers].map(([n, b]) => [n, { ...b, logDirs: [], inControlledShutdown: false }])),
        } as unknown as MetadataImage;
        const factor = 1 + (wanted % brokers.size);
        let draws = seed;
        const placed = placeReplicas(image, 24, factor, { below: limit => draws++ % limit });
        const unfenced = [...brokers.values()].filter(b => !b.fenced).length;
        if (!Array.isArray(placed)) {
          expect(unfenced).toBe(0);
          return;
        }
        for (const replicas of placed) {
          expect(new Set(replicas).size).toBe(factor);
          expect(brokers.get(replicas[0])?.fenced).toBe(false);
          const perRack = new Set(replicas.map(r => brokers.get(r)?.rack));
          expect(perRack.size).toBe(Math.min(factor, layout.length));
        }
        // With equal racks and all brokers unfenced, every broker leads once per full turn.
        if (unfenced === brokers.size && layout.every(list => list.length === layout[0].length)) {
          const turn = placed.slice(0, unfenced).map(r => r[0]);
          expect(new Set(turn).size).toBe(Math.min(unfenced, 24));
        }
      }),
    );
  });
});

describe("DeleteTopics and CreatePartitions", () => {
  test("delete by name and by id, with Kafka's errors", () => {
    create([topic("a"), topic("b")]);
    const bId = cluster.controller.image.topicIds.get("b") ?? ZERO_UUID;
    const topics = [
      { name: "a", topicId: ZERO_UUID },
      { name: null, topicId: bId },
      { name: "no", topicId: ZERO_UUID },
      { name: null, topicId: id(77) },
      { name: null, topicId: ZERO_UUID },
      { name: "x", topicId: bId },
      { name: "y", topicId: ZERO_UUID },
      { name: "y", topicId: ZERO_UUID },
    ];
    const { responses } = cluster.run("DeleteTopics", deleteTopicsRequest.defaults({ topics }));
    expect(responses.map(r => [r.name, errorOf(r.errorCode).name])).toEqual([
      ["a", "NONE"],
      ["b", "NONE"],
      ["no", "UNKNOWN_TOPIC_OR_PARTITION"],
      [null, "UNKNOWN_TOPIC_ID"],
      [null, "INVALID_REQUEST"],
      ["x", "INVALID_REQUEST"],
      ["y", "INVALID_REQUEST"],
    ]);
    expect(cluster.controller.image.topics.size).toBe(0);
  });

  test.each([
    [{ name: "t", count: 4, assignments: null }, "NONE", 4],
    [{ name: "t", count: 2, assignments: null }, "INVALID_PARTITIONS", 2],
    [{ name: "t", count: 1, assignments: null }, "INVALID_PARTITIONS", 2],
    [{ name: "no", count: 3, assignments: null }, "UNKNOWN_TOPIC_OR_PARTITION", 2],
    [{ name: "t", count: 3, assignments: [{ brokerIds: [1] }] }, "NONE", 3],
    [{ name: "t", count: 10_002, assignments: null }, "NONE", 10_002],
    [{ name: "t", count: 10_003, assignments: null }, "POLICY_VIOLATION", 2],
    [{ name: "t", count: 2_147_483_647, assignments: null }, "POLICY_VIOLATION", 2],
    [{ name: "t", count: 4, assignments: [{ brokerIds: [1] }] }, "INVALID_REPLICA_ASSIGNMENT", 2],
    [{ name: "t", count: 3, assignments: [{ brokerIds: [1, 2] }] }, "INVALID_REPLICA_ASSIGNMENT", 2],
  ])("more partitions %j: %s", (wanted, error, count) => {
    create([topic("t")]);
    const { results } = cluster.run("CreatePartitions", createPartitionsRequest.defaults({ topics: [wanted] }));
    expect(errorOf(results[0].errorCode).name).toBe(error);
    expect(topicNamed(cluster.controller.image, "t")?.partitions.size).toBe(count);
  });
});

describe("configs", () => {
  const alter = (resourceType: number, resourceName: string, ...configs: [string, number, string | null][]) => {
    const resources = [
      {
        resourceType,
        resourceName,
        configs: configs.map(([name, configOperation, value]) => ({ name, configOperation, value })),
      },
    ];
    const { responses } = cluster.run(
      "IncrementalAlterConfigs",
      incrementalAlterConfigsRequest.defaults({ resources }),
    );
    return errorOf(responses[0].errorCode).name;
  };
  const stored = (type: number, name: string) => Object.fromEntries(configsOf(cluster.controller.image, type, name));

  test("set, delete, append, subtract", () => {
    create([topic("t")]);
    const { topic: type } = RESOURCE_TYPE;
    expect(alter(type, "t", ["a", 0, "1"], ["cleanup.policy", 2, "compact,delete"])).toBe("NONE");
    expect(stored(type, "t")).toEqual({ a: "1", "cleanup.policy": "delete,compact" });
    expect(alter(type, "t", ["a", 1, null], ["cleanup.policy", 3, "delete"])).toBe("NONE");
    expect(stored(type, "t")).toEqual({ "cleanup.policy": "compact" });
    const before = cluster.log.length;
    expect(alter(type, "t", ["cleanup.policy", 0, "compact"])).toBe("NONE");
    expect(cluster.log.length).toBe(before);
    const old = { resourceType: type, resourceName: "t", configs: [{ name: "b", value: "2" }] };
    cluster.run("AlterConfigs", alterConfigsRequest.defaults({ resources: [old] }));
    expect(stored(type, "t")).toEqual({ b: "2" });
  });

  test.each([
    [2, "t", "a", 2, "x", "INVALID_CONFIG"],
    [2, "t", "bad", 0, "x", "INVALID_CONFIG"],
    [2, "t", "a", 0, "x".repeat(32768), "INVALID_CONFIG"],
    [2, "t", "a", 0, null, "INVALID_REQUEST"],
    [2, "t", "a", 9, "x", "INVALID_REQUEST"],
    [2, "no", "a", 0, "x", "UNKNOWN_TOPIC_OR_PARTITION"],
    [2, "", "a", 0, "x", "INVALID_REQUEST"],
    [4, "", "a", 0, "x", "NONE"],
    [4, "1", "a", 0, "x", "NONE"],
    [4, "1", "min.insync.replicas", 0, "2", "INVALID_CONFIG"],
    [4, "", "min.insync.replicas", 1, null, "INVALID_CONFIG"],
    [4, "", "min.insync.replicas", 0, "2", "NONE"],
    [4, "x", "a", 0, "x", "INVALID_REQUEST"],
    [4, "9", "a", 0, "x", "BROKER_ID_NOT_REGISTERED"],
    [32, "g", "a", 0, "x", "NONE"],
    [99, "g", "a", 0, "x", "UNSUPPORTED_VERSION"],
  ])("resource %i %j, %s %i %j: %s", (type, name, key, operation, value, error) => {
    create([topic("t")]);
    expect(alter(type, name, [key, operation, value])).toBe(error);
  });
});

describe("brokers, producer ids, features", () => {
  test("a restart bumps leader epochs and the broker leads again; another cluster or a stranger's disk is refused", () => {
    create([topic("t")]);
    expect(cluster.join(1)).toBe(epoch);
    expect(partitionOf("t")).toMatchObject({ leader: 1, leaderEpoch: 0 });
    const next = cluster.join(1, 2);
    expect(next).toBe(cluster.log.length - 1);
    // The broker may have lost records: it stays only as the last known leader.
    expect(partitionOf("t")).toMatchObject({ leader: -1, isr: [], lastKnownElr: [1], leaderEpoch: 1 });
    expect(errorOf(cluster.beat(1, epoch).errorCode).name).toBe("STALE_BROKER_EPOCH");
    expect(cluster.beat(1, next, { currentMetadataOffset: next - 1 }).isFenced).toBe(true);
    expect(cluster.beat(1, next).isFenced).toBe(false);
    expect(partitionOf("t")).toMatchObject({ leader: 1, isr: [1], lastKnownElr: [], leaderEpoch: 2 });
    expect(partitionOf("t")?.leaderRecoveryState).toBe(1);
    const request = { brokerId: 2, clusterId: "cluster", logDirs: [id(2001)], features: [], listeners: [], rack: null };
    const refused = (draft: object) =>
      errorOf(cluster.run("BrokerRegistration", brokerRegistrationRequest.defaults({ ...request, ...draft })).errorCode)
        .name;
    expect(refused({ clusterId: "other" })).toBe("INCONSISTENT_CLUSTER_ID");
    expect(refused({})).toBe("INVALID_REGISTRATION");
    const old = [{ name: "metadata.version", minSupportedVersion: 7, maxSupportedVersion: 32 }];
    expect(refused({ logDirs: [id(5)], features: old })).toBe("UNSUPPORTED_VERSION");
  });

  test("a broker that leaves hands over what it led", () => {
    cluster.beat(2, cluster.join(2));
    create([topic("t", { assignments: [{ partitionIndex: 0, brokerIds: [1, 2] }] })]);
    expect(cluster.beat(1, epoch, { wantShutDown: true })).toMatchObject({ shouldShutDown: false, isFenced: false });
    expect(partitionOf("t")).toMatchObject({ leader: 2, isr: [2], leaderEpoch: 1 });
  });

  test("a broker comes back to lead where it may be elected outside the ISR", () => {
    create([topic("t")]);
    const next = cluster.join(1, 2);
    const topicId = topicNamed(cluster.controller.image, "t")?.id ?? ZERO_UUID;
    const eligible = { topicId, partitionId: 0, isr: [], leader: -1, eligibleLeaderReplicas: [1] };
    cluster.append([metadataRecord("PartitionChangeRecord", 2, eligible)]);
    cluster.beat(1, next);
    expect(partitionOf("t")).toMatchObject({ leader: 1, isr: [1], eligibleLeaderReplicas: [] });
  });

  test("producer ids come in blocks that never overlap", () => {
    const starts = [0, 1, 2].map(
      () => cluster.run("AllocateProducerIds", { brokerId: 1, brokerEpoch: epoch }).producerIdStart,
    );
    expect(starts).toEqual([0n, 1000n, 2000n]);
    const stale = cluster.run("AllocateProducerIds", { brokerId: 1, brokerEpoch: epoch + 1 });
    expect(errorOf(stale.errorCode).name).toBe("STALE_BROKER_EPOCH");
  });

  test.each([
    ["group.version", 0, 2, "NONE"],
    ["group.version", 0, 1, "INVALID_UPDATE_VERSION"],
    ["group.version", 2, 1, "INVALID_UPDATE_VERSION"],
    ["nonsense", 1, 1, "INVALID_UPDATE_VERSION"],
    ["metadata.version", 34, 1, "INVALID_UPDATE_VERSION"],
    ["metadata.version", 32, 2, "INVALID_UPDATE_VERSION"],
    ["metadata.version", 33, 1, "NONE"],
    ["transaction.version", 1, 2, "NONE"],
  ])("feature %s to %i by %i: %s", (feature, maxVersionLevel, upgradeType, error) => {
    const featureUpdates = [{ feature, maxVersionLevel, upgradeType }];
    const reply = cluster.run("UpdateFeatures", updateFeaturesRequest.defaults({ featureUpdates }));
    expect(errorOf(reply.errorCode).name).toBe(error);
    if (error === "NONE") expect(cluster.controller.image.features.get(feature) ?? 0).toBe(maxVersionLevel);
  });

  const refusedUpdate = (feature: string, maxVersionLevel: number, upgradeType = 1) => {
    const featureUpdates = [{ feature, maxVersionLevel, upgradeType }];
    return cluster.run("UpdateFeatures", updateFeaturesRequest.defaults({ featureUpdates })).errorMessage;
  };
  const METADATA = { feature: "metadata.version", maxVersionLevel: 33 };
  const FAILED = "The update failed for all features since the following feature had an error: ";

  test.each([
    [
      "nonsense",
      1,
      1,
      "Invalid update version 1 for feature nonsense. Local controller 1 does not support this feature.",
    ],
    [
      "metadata.version",
      0,
      2,
      "Invalid update version 0 for feature metadata.version. Local controller 1 only supports versions 7-33",
    ],
    [
      "metadata.version",
      20,
      2,
      "Unsupported metadata.version downgrade from 33 to 20. Refusing to perform the requested downgrade because it " +
        "might delete metadata information.",
    ],
    [
      "metadata.version",
      20,
      3,
      "Unsupported metadata.version downgrade from 33 to 20. Unsafe metadata downgrade is not supported in this version.",
    ],
    [
      "kraft.version",
      0,
      2,
      "Invalid update version 0 for feature kraft.version. Can't downgrade the version of this feature.",
    ],
    [
      "group.version",
      -1,
      1,
      "Invalid update version -1 for feature group.version. A feature version cannot be less than 0.",
    ],
  ])("%s to %i by %i is refused with a reason", (feature, level, type, message) => {
    expect(refusedUpdate(feature, level, type)).toBe(FAILED + message);
  });

  test("kraft.version is raised outside of the metadata, of which one record holds the reply back", () => {
    const update = (maxVersionLevel: number, upgradeType: number) =>
      updateFeaturesRequest.defaults({ featureUpdates: [{ feature: "kraft.version", maxVersionLevel, upgradeType }] });
    const types = (request: Parameters<typeof updateFeaturesRequest.defaults>[0]) =>
      cluster.controller
        .decide("UpdateFeatures", updateFeaturesRequest.defaults(request), cluster.draw())
        .records.map(({ type }) => type);
    expect([kraftUpgrade(update(1, 1)), types(update(1, 1))]).toEqual([1, ["NoOpRecord"]]);
    expect(types({ ...update(1, 1), validateOnly: true })).toEqual([]);
    expect([kraftUpgrade(update(1, 2)), types(update(1, 2))], "not an upgrade").toEqual([undefined, []]);
    expect(kraftUpgrade(updateFeaturesRequest.defaults({ featureUpdates: [{ ...METADATA, upgradeType: 1 }] }))).toBe(
      undefined,
    );
    expect(refusedUpdate("kraft.version", 2)).toContain("Local controller 1 only supports versions 0-1");
    expect(kraftRefusal(1, { errorCode: 95, why: "voter 2 is silent" })).toMatchObject({
      errorCode: 95,
      errorMessage: `${FAILED}Invalid update version 1 for feature kraft.version. voter 2 is silent`,
    });
  });

  test("kraft.version may be said as it is; eligible replicas make min.insync.replicas one for all", () => {
    expect(refusedUpdate("kraft.version", 1)).toBeNull();
    expect(refusedUpdate("eligible.leader.replicas.version", 0, 2)).toBeNull();
    const own = { resourceType: RESOURCE_TYPE.broker, resourceName: "1", name: "min.insync.replicas", value: "3" };
    cluster.append([
      metadataRecord("ConfigRecord", 0, own),
      metadataRecord("ConfigRecord", 0, { ...own, resourceName: "", value: null }),
    ]);
    expect(refusedUpdate("eligible.leader.replicas.version", 1)).toBeNull();
    const minIsr = (name: string) =>
      configsOf(cluster.controller.image, RESOURCE_TYPE.broker, name).get("min.insync.replicas");
    expect([minIsr(""), minIsr("1")]).toEqual(["1", undefined]);
    cluster.append([metadataRecord("FeatureLevelRecord", 0, { name: "metadata.version", featureLevel: 20 })]);
    cluster.append([
      metadataRecord("FeatureLevelRecord", 0, { name: "eligible.leader.replicas.version", featureLevel: 0 }),
    ]);
    expect(refusedUpdate("eligible.leader.replicas.version", 1)).toContain("it depends on metadata.version level 23");
  });

  test("a new cluster finalises what its nodes support", () => {
    const levels = (records: readonly MetadataRecord[]) =>
      records.flatMap(r => (r.type === "FeatureLevelRecord" ? [[r.value.name, r.value.featureLevel]] : []));
    expect(levels(bootstrapRecords({ metadataVersion: 30, features: FEATURES }))).toEqual([
      ["metadata.version", 30],
      ["group.version", 1],
      ["transaction.version", 2],
      ["eligible.leader.replicas.version", 1],
    ]);
    expect(levels(bootstrapRecords({ metadataVersion: 22, features: FEATURES }))).toHaveLength(2);
    const chosen = (feature: string, level: number, metadataVersion: number) => {
      const options = { metadataVersion, features: FEATURES, chosen: new Map([[feature, level]]) };
      return bootstrapFault(options) ?? levels(bootstrapRecords(options)).map(([, given]) => given);
    };
    expect(chosen("eligible.leader.replicas.version", 0, 33), "off").toEqual([33, 1, 2]);
    expect(chosen("eligible.leader.replicas.version", 1, 23), "before it is the default").toEqual([23, 1, 1]);
    expect(chosen("eligible.leader.replicas.version", 1, 22)).toBe(
      "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23",
    );
    const share = new Map([["share.version", { min: 0, max: 2 }]]);
    expect(levels(bootstrapRecords({ metadataVersion: 33, features: share }))).toContainEqual(["share.version", 2]);
    const fresh = new Fixture();
    fresh.append(fresh.controller.activationRecords(bootstrapRecords({ metadataVersion: 30, features: FEATURES })));
    expect([...configsOf(fresh.controller.image, RESOURCE_TYPE.broker, "")]).toEqual([["min.insync.replicas", "1"]]);
  });
});

test("a first activation writes the bootstrap records as one transaction, a later one nothing", () => {
  const fresh = new Fixture();
  const bootstrap = bootstrapRecords({ metadataVersion: 30, features: FEATURES });
  const records = fresh.controller.activationRecords(bootstrap);
  expect([records[0].type, records.at(-1)?.type]).toEqual(["BeginTransactionRecord", "EndTransactionRecord"]);
  fresh.append(records);
  expect(fresh.controller.image.features.get("metadata.version")).toBe(30);
  expect(fresh.controller.activationRecords(bootstrap)).toEqual([]);
  expect(
    new Fixture().controller.activationRecords(bootstrapRecords({ metadataVersion: 12, features: FEATURES })),
  ).toHaveLength(1);
});

test("an activation aborts a transaction that the leader before left open", () => {
  const fresh = new Fixture();
  const bootstrap = bootstrapRecords({ metadataVersion: 30, features: FEATURES });
  const begin = metadataRecord("BeginTransactionRecord", 0, { name: "Bootstrap records" });
  fresh.append([begin, ...bootstrap.slice(0, 1)]);
  const types = fresh.controller.activationRecords(bootstrap).map(({ type }) => type);
  expect(types.slice(0, 2)).toEqual(["AbortTransactionRecord", "BeginTransactionRecord"]);
  fresh.append(fresh.controller.activationRecords(bootstrap));
  fresh.append([metadataRecord("BeginTransactionRecord", 0, { name: "Decision" }), ...bootstrap.slice(1, 2)]);
  const later = fresh.controller.activationRecords(bootstrap);
  expect(later.map(({ type }) => type)).toEqual(["AbortTransactionRecord"]);
  fresh.append(later);
  expect(fresh.controller.image.transaction).toBeUndefined();
});

test("a name's fault is a sentence", () => {
  expect(topicNameFault("a/b")).toBe(
    "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
  );
});
