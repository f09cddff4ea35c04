import type { Uuid } from "@samsa/base";
import { type MetadataRecord, metadataRecord } from "@samsa/protocol";
import fc from "fast-check";
import { id, type Plain } from "./model.ts";

/** Numbers from which a record is made, given the metadata before it. */
export interface Draw {
  readonly kind: (typeof KINDS)[number];
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** True: ends the delta after this record. */
  readonly cut: boolean;
  /** True: the record is one that contradicts the metadata, if its kind can. */
  readonly wrong: boolean;
}

const NAMES = ["a", "b", "x.y", "x_y", "x.y_z", "x_y.z", "k"];
const LISTS = [[], [1], [1, 2], [2, 1], [1, 2, 3], [3, 2, 1], [4, 5]];
const LEVELS = [7, 8, 17, 23, 30, 33];
const EPOCH = 7;

const KINDS = [
  "topic",
  "topic",
  "topic",
  "partition",
  "partition",
  "partition",
  "partition",
  "change",
  "change",
  "change",
  "change",
  "change",
  "elr",
  "removeTopic",
  "clearElr",
  "config",
  "config",
  "config",
  "broker",
  "broker",
  "brokerChange",
  "fence",
  "unregister",
  "controller",
  "level",
  "feature",
  "zk",
  "quota",
  "quota",
  "producerIds",
  "acl",
  "removeAcl",
  "scram",
  "token",
  "transaction",
  "transaction",
] as const;

export const draws: fc.Arbitrary<Draw[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(...KINDS),
    a: fc.nat(1000),
    b: fc.nat(1000),
    c: fc.nat(1000),
    cut: fc.boolean(),
    wrong: fc.nat(7).map(n => n === 0),
  }),
  { maxLength: 120, size: "max" },
);

function pick<T>(all: readonly T[], n: number): T {
  return all[n % all.length];
}

/** Record that a draw makes; undefined: nothing that it could be about exists. */
export function recordOf(draw: Draw, plain: Plain, fresh: () => Uuid): MetadataRecord | undefined {
  return topicRecord(draw, plain, fresh) ?? clusterRecord(draw, plain) ?? securityRecord(draw, plain, fresh);
}

function topicRecord({ kind, a, b, c, wrong }: Draw, plain: Plain, fresh: () => Uuid): MetadataRecord | undefined {
  const topics = [...plain.topics];
  const known = topics.length === 0 ? undefined : pick(topics, a);
  const topicId = wrong ? fresh() : (known?.[0] as Uuid);
  const indexes = [...(known?.[1].partitions.keys() ?? [])];
  switch (kind) {
    case "topic": {
      const names = NAMES.filter(name => topics.some(([, topic]) => topic.name === name) === wrong);
      if (names.length === 0) return undefined;
      return metadataRecord("TopicRecord", 0, { name: pick(names, a), topicId: fresh() });
    }
    case "partition": {
      if (topicId === undefined) return undefined;
      const replicas = pick(LISTS, b);
      return metadataRecord("PartitionRecord", 2, {
        topicId,
        partitionId: c % 40,
        replicas,
        isr: pick(LISTS, b + (a % 2)),
        removingReplicas: pick(LISTS, c % 3),
        addingReplicas: pick(LISTS, a % 3),
        leader: replicas[0] ?? -1,
        leaderRecoveryState: a % 2,
        leaderEpoch: a,
        partitionEpoch: b,
        directories: c % 3 === 0 ? [] : replicas.map(replica => id(100 + replica + (c % 2) * 10)),
        eligibleLeaderReplicas: c % 2 === 0 ? null : pick(LISTS, a),
        lastKnownElr: c % 4 === 0 ? [2] : null,
      });
    }
    case "change":
    case "elr": {
      const partitionId = wrong && indexes.length > 0 ? 99 : pick(indexes, b);
      if (known === undefined || partitionId === undefined) return undefined;
      const at = { topicId: known[0] as Uuid, partitionId };
      const elr = { eligibleLeaderReplicas: pick(LISTS, c), lastKnownElr: pick(LISTS, a) };
      if (kind === "elr") return metadataRecord("PartitionChangeRecord", 2, { ...at, ...elr });
      const moved = pick(LISTS, c);
      const drafts = [
        { leader: pick([-1, 1, 2], c) },
        { isr: moved },
        { replicas: moved },
        { replicas: moved, directories: moved.map(replica => id(150 + replica)), leader: 1 },
        { removingReplicas: moved, addingReplicas: pick(LISTS, a) },
        { leaderRecoveryState: c % 2, isr: [] },
        {},
      ];
      return metadataRecord("PartitionChangeRecord", 2, { ...at, ...pick(drafts, a) });
    }
    case "removeTopic":
      return topicId === undefined ? undefined : metadataRecord("RemoveTopicRecord", 0, { topicId });
    case "clearElr":
      if (wrong) return metadataRecord("ClearElrRecord", 0, { topicName: "none" });
      return metadataRecord("ClearElrRecord", 0, { topicName: b % 2 === 0 ? "" : (known?.[1].name ?? "") });
    default:
      return undefined;
  }
}

function clusterRecord({ kind, a, b, c, wrong }: Draw, plain: Plain): MetadataRecord | undefined {
  const registered = [...plain.brokers.keys()];
  const brokerId = wrong ? 77 : (pick(registered, a) as number | undefined);
  // Contradictions: an unknown broker, or another registration of a known one.
  const at =
    wrong && a % 2 === 0 && registered.length > 0
      ? { brokerId: registered[0], brokerEpoch: EPOCH + 1 }
      : { brokerId: brokerId ?? -1, brokerEpoch: EPOCH };
  switch (kind) {
    case "config":
      return metadataRecord("ConfigRecord", 0, {
        resourceType: pick([2, 2, 4, 16, 32], a),
        resourceName: pick([...NAMES.slice(0, 4), ""], b),
        name: pick(["p", "q"], c),
        value: c % 3 === 0 ? null : `${c}`,
      });
    case "broker":
      return metadataRecord("RegisterBrokerRecord", 4, {
        brokerId: a % 50,
        isMigratingZkBroker: b % 5 === 0,
        incarnationId: id(b % 50),
        brokerEpoch: EPOCH,
        endPoints: [{ name: "P", host: `h${c}`, port: 9092, securityProtocol: 0 }],
        features: [{ name: "metadata.version", minSupportedVersion: 7, maxSupportedVersion: 33 }],
        rack: c % 2 === 0 ? null : "r",
        fenced: c % 3 > 0,
        inControlledShutdown: c % 5 === 0,
        logDirs: [id(100 + (a % 50))],
        cordonedLogDirs: b % 3 === 0 ? [id(9)] : null,
      });
    case "brokerChange":
      if (brokerId === undefined) return undefined;
      return metadataRecord("BrokerRegistrationChangeRecord", 3, {
        ...at,
        fenced: pick([-1, 0, 1], b),
        inControlledShutdown: pick([0, 0, 1], c),
        logDirs: b % 4 === 0 ? [id(60)] : [],
        cordonedLogDirs: pick([null, [], [id(61)]], c + b),
      });
    case "fence": {
      if (brokerId === undefined) return undefined;
      const type = b % 2 === 0 ? "FenceBrokerRecord" : "UnfenceBrokerRecord";
      return metadataRecord(type, 0, { id: at.brokerId, epoch: at.brokerEpoch });
    }
    case "unregister":
      return brokerId === undefined ? undefined : metadataRecord("UnregisterBrokerRecord", 0, at);
    case "controller":
      if (b % 3 === 0) return metadataRecord("UnregisterControllerRecord", 0, { controllerId: a % 3 });
      return metadataRecord("RegisterControllerRecord", 0, {
        controllerId: a % 3,
        incarnationId: id(b % 50),
        zkMigrationReady: false,
        endPoints: [{ name: "C", host: "h", port: 9093, securityProtocol: 0 }],
        features: [],
      });
    case "level":
      return metadataRecord("FeatureLevelRecord", 0, {
        name: "metadata.version",
        featureLevel: wrong ? pick([6, 34, -1], a) : pick(LEVELS, a),
      });
    case "feature":
      return metadataRecord("FeatureLevelRecord", 0, {
        name: pick(["eligible.leader.replicas.version", "group.version", "share.version"], a),
        featureLevel: b % 3,
      });
    case "zk":
      return metadataRecord("ZkMigrationStateRecord", 0, { zkMigrationState: a % 4 });
    case "producerIds":
      return metadataRecord("ProducerIdsRecord", 0, {
        brokerId: a % 5,
        brokerEpoch: b,
        nextProducerId: 2n ** 53n * BigInt(c % 2) + BigInt(1 + c),
      });
    default:
      return undefined;
  }
}

function securityRecord({ kind, a, b, c, wrong }: Draw, plain: Plain, fresh: () => Uuid): MetadataRecord | undefined {
  switch (kind) {
    case "quota": {
      const user = { entityType: "user", entityName: a % 3 === 0 ? null : `u${a % 3}` };
      const client = { entityType: "client-id", entityName: b % 3 === 0 ? null : `"c${b % 3}` };
      return metadataRecord("ClientQuotaRecord", 0, {
        entity: pick([[user], [client], [user, client], [client, user]], a + b),
        key: pick(["producer_byte_rate", "request_percentage"], c),
        value: c + 0.5,
        remove: c % 3 === 0,
      });
    }
    case "acl":
      return metadataRecord("AccessControlEntryRecord", 0, {
        id: fresh(),
        resourceType: 2,
        resourceName: pick(NAMES, a),
        patternType: 3,
        principal: `User:${b}`,
        host: "*",
        operation: 3,
        permissionType: 3,
      });
    case "removeAcl": {
      const aclId = wrong ? fresh() : (pick([...plain.acls.keys()], a) as Uuid | undefined);
      return aclId === undefined ? undefined : metadataRecord("RemoveAccessControlEntryRecord", 0, { id: aclId });
    }
    case "scram":
      if (c % 3 === 0) {
        return metadataRecord("RemoveUserScramCredentialRecord", 0, { name: `u${a % 3}`, mechanism: 1 + (b % 2) });
      }
      return metadataRecord("UserScramCredentialRecord", 0, {
        name: `u${a % 3}`,
        mechanism: 1 + (b % 2),
        salt: Uint8Array.of(c % 256),
        storedKey: Uint8Array.of(1),
        serverKey: Uint8Array.of(2),
        iterations: 4096 + c,
      });
    case "token":
      if (c % 3 === 0) return metadataRecord("RemoveDelegationTokenRecord", 0, { tokenId: `t${a % 4}` });
      return metadataRecord("DelegationTokenRecord", 0, {
        owner: "User:a",
        requester: "User:b",
        renewers: ["User:c"],
        issueTimestamp: 1,
        maxTimestamp: 2 ** 50,
        expirationTimestamp: c,
        tokenId: `t${a % 4}`,
      });
    default:
      return undefined;
  }
}

/** Kinds of draws that are contradictions if they are `wrong`. */
export const CAN_BE_WRONG: ReadonlySet<Draw["kind"]> = new Set([
  "topic",
  "partition",
  "change",
  "removeTopic",
  "clearElr",
  "brokerChange",
  "fence",
  "unregister",
  "level",
  "removeAcl",
  "elr",
]);
