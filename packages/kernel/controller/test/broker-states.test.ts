import { ZERO_UUID } from "@samsa/base";
import { bootstrapRecords, Controller } from "@samsa/controller";
import { type BrokerImage, METADATA_VERSION, type PartitionImage, topicNamed } from "@samsa/metadata";
import {
  controllerRegistrationRequest,
  createTopicsRequest,
  errorOf,
  metadataRecord,
  updateFeaturesRequest,
} from "@samsa/protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { FEATURES, Fixture, id, settings } from "./fixture.ts";

const TIMEOUT = settings.sessionTimeoutMs;

let cluster: Fixture;
let epochs: number[];

// Brokers 1 and 2 are unfenced, 3 is registered only.
beforeEach(() => {
  cluster = new Fixture();
  cluster.append(bootstrapRecords({ metadataVersion: METADATA_VERSION.latest, features: FEATURES }));
  epochs = [-1, ...[1, 2, 3].map(broker => cluster.join(broker))];
  for (const broker of [1, 2]) cluster.beat(broker, epochs[broker]);
});

function create(name: string, replicas: number[]): void {
  const assignments = [{ partitionIndex: 0, brokerIds: replicas }];
  const topic = { name, numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  const { topics } = cluster.run("CreateTopics", createTopicsRequest.defaults({ topics: [topic] }));
  expect(topics[0].errorCode).toBe(0);
}

function partition(name: string): PartitionImage {
  const found = topicNamed(cluster.controller.image, name)?.partitions.get(0);
  if (found === undefined) throw new Error(`${name}-0 is gone`);
  return found;
}

function broker(brokerId: number): BrokerImage {
  const found = cluster.controller.image.brokers.get(brokerId);
  if (found === undefined) throw new Error(`broker ${brokerId} is gone`);
  return found;
}

const epochOf = (brokerId: number): number => Number(broker(brokerId).brokerEpoch);

const gone = (brokerId: number) =>
  metadataRecord("UnregisterBrokerRecord", 0, { brokerId, brokerEpoch: epochOf(brokerId) });

const registered = (brokerId: number, incarnation: number, draft: object = {}) =>
  errorOf(cluster.register(brokerId, incarnation, draft).errorCode).name;

describe("sessions", () => {
  test("another incarnation has to wait until the session is over; the same one need not", () => {
    expect(registered(1, 99)).toBe("DUPLICATE_BROKER_REGISTRATION");
    expect(registered(1, 1)).toBe("NONE");
    expect(broker(1)).toMatchObject({ brokerEpoch: epochs[1], fenced: false });
    cluster.now += TIMEOUT - 1;
    expect(registered(1, 99)).toBe("DUPLICATE_BROKER_REGISTRATION");
    cluster.now += 1;
    expect(registered(1, 99)).toBe("NONE");
    expect(broker(1).fenced).toBe(true);
  });

  test("a registration without a heartbeat has no session yet", () => {
    expect(registered(3, 99)).toBe("NONE");
    cluster.beat(3, epochOf(3), { wantFence: true });
    expect(registered(3, 100)).toBe("DUPLICATE_BROKER_REGISTRATION");
  });

  test("a heartbeat of a former incarnation extends nothing", () => {
    cluster.now += TIMEOUT;
    const next = cluster.register(1, 99).brokerEpoch;
    expect(errorOf(cluster.beat(1, epochs[1]).errorCode).name).toBe("STALE_BROKER_EPOCH");
    expect(registered(1, 100)).toBe("NONE");
    expect(errorOf(cluster.beat(1, Number(next)).errorCode).name).toBe("STALE_BROKER_EPOCH");
    expect(errorOf(cluster.beat(9, 1).errorCode).name).toBe("STALE_BROKER_EPOCH");
  });

  test("a broker that goes silent is fenced when its session is over, one at a time", () => {
    create("a", [1, 2]);
    create("b", [2, 1]);
    cluster.now += 5;
    cluster.beat(2, epochs[2]);
    expect(cluster.controller.nextDeadline).toBe(cluster.now - 5 + TIMEOUT);
    cluster.now = cluster.controller.nextDeadline - 1;
    expect(cluster.tick()).toBeUndefined();
    cluster.now += 1;
    expect(cluster.tick()).toMatchObject({ task: "maybeFenceStaleBroker", brokerId: 1 });
    expect(broker(1).fenced).toBe(true);
    expect(partition("a")).toMatchObject({ leader: 2, isr: [2] });
    expect(cluster.tick()).toBeUndefined();
    cluster.now += 5;
    expect(cluster.tick()).toMatchObject({ task: "maybeFenceStaleBroker", brokerId: 2 });
    expect(partition("b")).toMatchObject({ leader: -1 });
    expect(cluster.tick()).toBeUndefined();
    // A fenced broker that sends heartbeats has a session, whose end changes nothing.
    cluster.beat(1, epochs[1], { wantFence: true });
    cluster.now += TIMEOUT;
    expect(cluster.tick()).toBeUndefined();
    expect(cluster.controller.nextDeadline).toBe(300_000);
  });

  test("a broker whose process has ended is fenced at once, unless it has another life since", () => {
    cluster.controller.lost(1, epochs[1] + 1);
    expect(cluster.tick()).toBeUndefined();
    cluster.controller.lost(1, epochs[1]);
    expect(cluster.controller.nextDeadline).toBe(-Infinity);
    expect(cluster.tick()).toMatchObject({ task: "maybeFenceStaleBroker", brokerId: 1 });
    expect(broker(1).fenced).toBe(true);
    cluster.beat(1, epochs[1]);
    expect(broker(1).fenced).toBe(false);
  });

  test("a controller that takes over gives unfenced brokers a whole session", () => {
    const { image } = cluster.controller;
    const next = new Controller<string>(settings, image, 1e6);
    expect(next.nextDeadline).toBe(1e6 + TIMEOUT);
    const draw = (now: number) => ({ ...cluster.draw(), now });
    expect(next.tick(draw(1e6 + TIMEOUT - 1))).toBeUndefined();
    expect(next.tick(draw(1e6 + TIMEOUT))).toMatchObject({ brokerId: 1 });
    const local = new Controller<string>({ ...settings, isLocal: b => b.brokerId === 1 }, image, 1e6);
    expect(local.tick(draw(1e6 + TIMEOUT))).toMatchObject({ brokerId: 2 });
    const informed = new Controller<string>({ ...settings, hasEnded: b => b.brokerId === 2 }, image, 1e6);
    expect(informed.tick(draw(1e6))).toMatchObject({ brokerId: 2 });
    expect(informed.tick(draw(1e6))).toBeUndefined();
  });

  test("the only broker, whose process has ended, is fenced by the registration of its next life", () => {
    create("a", [1]);
    cluster.append([2, 3].map(brokerId => gone(brokerId)));
    const changes = () => cluster.log.filter(({ type }) => type === "PartitionChangeRecord").length;
    const before = changes();
    cluster.takeOver({ hasEnded: b => b.incarnationId !== id(99) });
    expect(cluster.tick()).toBeUndefined();
    expect(cluster.controller.nextDeadline).toBe(cluster.now + TIMEOUT);
    expect(registered(1, 99)).toBe("NONE");
    expect(broker(1).fenced).toBe(true);
    expect(partition("a")).toMatchObject({ leader: -1, isr: [], eligibleLeaderReplicas: [], lastKnownElr: [1] });
    expect(changes() - before).toBe(1);
    expect(registered(1, 100), "the new life has no session yet").toBe("NONE");
    cluster.beat(1, epochOf(1), { wantFence: true });
    expect(registered(1, 101)).toBe("DUPLICATE_BROKER_REGISTRATION");
  });

  test("the only broker, whose process has ended for good, is fenced when its session is over", () => {
    create("a", [1]);
    cluster.append([2, 3].map(brokerId => gone(brokerId)));
    cluster.takeOver({ hasEnded: () => true });
    cluster.now += TIMEOUT;
    expect(cluster.tick()).toMatchObject({ task: "maybeFenceStaleBroker", brokerId: 1 });
    expect(partition("a").leader).toBe(-1);
  });
});

describe("heartbeats", () => {
  test("a broker is unfenced once it has read its own registration", () => {
    const brokerEpoch = epochOf(3);
    expect(cluster.beat(3, brokerEpoch, { currentMetadataOffset: brokerEpoch - 1 })).toMatchObject({
      isCaughtUp: false,
      isFenced: true,
    });
    expect(cluster.beat(3, brokerEpoch, { currentMetadataOffset: brokerEpoch, wantFence: true })).toMatchObject({
      isCaughtUp: true,
      isFenced: true,
    });
    // An amended registration is one more record that it has to read.
    expect(registered(3, 3)).toBe("NONE");
    expect(cluster.beat(3, brokerEpoch, { currentMetadataOffset: brokerEpoch }).isFenced).toBe(true);
    expect(cluster.beat(3, brokerEpoch, { currentMetadataOffset: cluster.log.length - 1 }).isFenced).toBe(false);
    expect(broker(3).fenced).toBe(false);
  });

  test("a broker stops once it leads nothing and all active brokers know", () => {
    create("t", [1, 2]);
    expect(cluster.beat(1, epochs[1], { wantShutDown: true })).toMatchObject({
      isFenced: false,
      shouldShutDown: false,
    });
    expect(broker(1)).toMatchObject({ fenced: false, inControlledShutdown: true });
    expect(partition("t")).toMatchObject({ leader: 2, isr: [2], leaderEpoch: 1 });
    const end = cluster.log.length - 1;
    const asks = () => cluster.beat(1, epochs[1], { wantShutDown: true }).shouldShutDown;
    cluster.beat(2, epochs[2], { currentMetadataOffset: end - 1 });
    expect(asks()).toBe(false);
    cluster.beat(2, epochs[2], { currentMetadataOffset: end });
    expect(asks()).toBe(true);
    expect(broker(1).fenced).toBe(true);
    // Its next incarnation need not wait.
    expect(registered(1, 99, { previousBrokerEpoch: epochs[1] })).toBe("NONE");
    expect(broker(1)).toMatchObject({ fenced: true, inControlledShutdown: false });
  });

  test("a broker that leads nothing, that is fenced, or that wants to be, stops at once", () => {
    create("t", [1, 2]);
    expect(cluster.beat(2, epochs[2], { wantShutDown: true })).toMatchObject({ isFenced: true, shouldShutDown: true });
    expect(partition("t").isr).toEqual([1]);
    const before = cluster.log.length;
    expect(cluster.beat(3, epochs[3], { wantShutDown: true })).toMatchObject({ isFenced: true, shouldShutDown: true });
    expect(cluster.log.length).toBe(before);
    const both = cluster.beat(1, epochs[1], { wantShutDown: true, wantFence: true });
    expect(both).toMatchObject({ isFenced: true, shouldShutDown: true });
  });

  test("a controlled shutdown goes on under the next controller", () => {
    create("t", [1, 2]);
    create("only", [1]);
    cluster.beat(1, epochs[1], { wantShutDown: true });
    cluster.takeOver();
    expect(broker(1)).toMatchObject({ inControlledShutdown: true, fenced: false });
    expect(cluster.beat(1, epochs[1], { wantShutDown: true }).shouldShutDown).toBe(true);
  });

  test("a broker with a directory that has failed leads again once its registration says so", () => {
    const [good, bad] = [id(2003), id(7003)];
    expect(registered(3, 3, { logDirs: [good, bad] })).toBe("NONE");
    create("t", [3, 1]);
    const topicId = topicNamed(cluster.controller.image, "t")?.id ?? ZERO_UUID;
    cluster.append([
      metadataRecord("PartitionChangeRecord", 2, { topicId, partitionId: 0, directories: [bad, id(2001)], isr: [3] }),
      metadataRecord("PartitionChangeRecord", 2, { topicId, partitionId: 0, leader: -1 }),
    ]);
    expect(cluster.beat(3, epochs[3], { offlineLogDirs: [bad] }).isFenced).toBe(true);
    expect(broker(3).logDirs).toEqual([good]);
    expect(cluster.beat(3, epochs[3], { offlineLogDirs: [bad] }).isFenced).toBe(false);
    expect(partition("t").leader).toBe(-1);
  });
});

describe("registration", () => {
  const range = (name: string, minSupportedVersion: number, maxSupportedVersion: number) => ({
    name,
    minSupportedVersion,
    maxSupportedVersion,
  });
  const METADATA = range("metadata.version", 7, 33);
  const REST = [
    range("group.version", 0, 1),
    range("transaction.version", 0, 2),
    range("eligible.leader.replicas.version", 0, 1),
    range("kraft.version", 0, 1),
  ];

  test.each<[string, object]>([
    ["INCONSISTENT_CLUSTER_ID", { clusterId: "other", logDirs: [] }],
    ["BROKER_ID_NOT_REGISTERED", { isMigratingZkBroker: true }],
    ["INVALID_REGISTRATION", { logDirs: [] }],
    ["INVALID_REGISTRATION", { features: REST }],
    ["UNSUPPORTED_VERSION", { features: [range("metadata.version", 7, 32), ...REST] }],
    ["UNSUPPORTED_VERSION", { features: [METADATA, ...REST.slice(1)] }],
    ["UNSUPPORTED_VERSION", { features: [METADATA, ...REST.slice(0, 3)] }],
    ["UNSUPPORTED_VERSION", { features: [METADATA, ...REST, range("nonsense", 1, 2)] }],
    ["NONE", { features: [METADATA, ...REST, range("nonsense", 0, 2)] }],
  ])("%s for %j", (error, draft) => {
    const before = cluster.log.length;
    expect(registered(9, 9, { logDirs: [id(2009)], ...draft })).toBe(error);
    expect(cluster.log.length - before).toBe(error === "NONE" ? 1 : 0);
  });

  test("a clean shutdown leaves the replica eligible, a crash does not", () => {
    for (const [clean, eligible] of [
      [true, [1]],
      [false, []],
    ] as const) {
      const name = `t-${clean}`;
      create(name, [1]);
      cluster.beat(1, epochOf(1), { wantFence: true, wantShutDown: true });
      const previousBrokerEpoch = clean ? epochOf(1) : epochOf(1) - 1;
      expect(registered(1, clean ? 50 : 51, { previousBrokerEpoch })).toBe("NONE");
      expect(partition(name)).toMatchObject({ leader: -1, isr: [], eligibleLeaderReplicas: eligible });
      cluster.beat(1, epochOf(1));
    }
  });

  test("a broker that was unregistered is not eligible to lead any more when it registers again", () => {
    create("t", [1]);
    cluster.beat(1, epochs[1], { wantFence: true });
    expect(partition("t").eligibleLeaderReplicas).toEqual([1]);
    cluster.run("UnregisterBroker", { brokerId: 1 });
    expect(partition("t").eligibleLeaderReplicas).toEqual([1]);
    expect(registered(1, 50, { previousBrokerEpoch: epochs[1] })).toBe("NONE");
    expect(partition("t").eligibleLeaderReplicas).toEqual([]);
  });

  test("a controller registers, and a feature's level needs its support", () => {
    const register = (controllerId: number, max: number) =>
      cluster.run(
        "ControllerRegistration",
        controllerRegistrationRequest.defaults({
          controllerId,
          incarnationId: id(5000 + controllerId),
          zkMigrationReady: false,
          listeners: [{ name: "CONTROLLER", host: "h", port: 9093, securityProtocol: 0 }],
          features: [range("group.version", 0, max), METADATA],
        }),
      );
    const update = (level: number) =>
      cluster.run(
        "UpdateFeatures",
        updateFeaturesRequest.defaults({
          featureUpdates: [{ feature: "group.version", maxVersionLevel: level, upgradeType: level === 1 ? 1 : 2 }],
        }),
      );
    cluster.quorumNodes = [1, 7];
    expect(update(0).errorMessage).toContain("controller 7 has not registered, and may not support this feature");
    expect(register(7, 0).errorCode).toBe(0);
    expect(cluster.controller.image.controllers.get(7)?.endPoints).toHaveLength(1);
    expect(update(0).errorMessage).toBeNull();
    expect(update(1).errorMessage).toContain("Controller 7 does not support this feature");
    // This controller does not ask its own registration, which may be of an older release.
    expect(register(1, 0).errorCode).toBe(0);
    expect(register(7, 1).errorCode).toBe(0);
    expect(update(1).errorMessage).toBeNull();
    cluster.append([metadataRecord("FeatureLevelRecord", 0, { name: "metadata.version", featureLevel: 14 })]);
    expect(errorOf(register(8, 1).errorCode).name).toBe("UNSUPPORTED_VERSION");
  });
});
