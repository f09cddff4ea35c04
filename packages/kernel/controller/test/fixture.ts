import { randomUuid, type Uuid } from "@samsa/base";
import {
  Controller,
  type ControllerRequests,
  type ControllerSettings,
  type Draw,
  type PeriodicDecision,
} from "@samsa/controller";
import { configsOf, EMPTY_IMAGE, RESOURCE_TYPE } from "@samsa/metadata";
import { blockingHashes } from "@samsa/node";
import {
  brokerHeartbeatRequest,
  brokerRegistrationRequest,
  decodeMetadataRecord,
  encodeMetadataRecord,
  errorOf,
  type MetadataRecord,
} from "@samsa/protocol";
import { expect } from "vitest";

export const FEATURES = new Map([
  ["metadata.version", { min: 7, max: 33 }],
  ["group.version", { min: 0, max: 1 }],
  ["transaction.version", { min: 0, max: 2 }],
  ["eligible.leader.replicas.version", { min: 0, max: 1 }],
]);
export const settings: ControllerSettings = {
  clusterId: "cluster",
  numPartitions: 2,
  replicationFactor: 1,
  configs: {
    validate: (_type, _name, values) =>
      values.has("bad") ? { error: "INVALID_CONFIG", message: `no ${values.get("bad")}` } : undefined,
    isList: (_type, key) => key === "cleanup.policy",
    initial: () => "delete",
  },
  features: FEATURES,
  offered: FEATURES,
  minInsyncReplicas: 1,
  nodeId: 1,
  quorumNodes: () => [1],
  sessionTimeoutMs: 9000,
  hasEnded: () => false,
  isLocal: () => false,
  preferredElectionIntervalMs: 300_000,
  uncleanElectionIntervalMs: 300_000,
  maxIdleIntervalMs: 0,
  kraftVersion: () => 1,
  hashes: blockingHashes,
  tokens: undefined,
  replication: (image, topic) => {
    const configs = configsOf(image, RESOURCE_TYPE.topic, topic);
    return {
      uncleanLeaderElection: configs.get("unclean.leader.election.enable") === "true",
      minInsyncReplicas: Number(configs.get("min.insync.replicas") ?? 1),
    };
  },
  describeTopic: overrides =>
    [...overrides].map(([name, value]) => ({ name, value, readOnly: false, configSource: 1, isSensitive: false })),
};

/** Time since the epoch at the monotonic time 0. */
export const EPOCH_MS = 1_800_000_000_000;

/** A recognizable id. */
export const id = (n: number): Uuid =>
  randomUuid(length => Uint8Array.from({ length }, (_, i) => (i < 12 ? 7 : n >> (8 * (15 - i)))));

/** Controller with its log. */
export class Fixture {
  #ids = 0;
  /** Ids of the voters. */
  quorumNodes: readonly number[] = [1];
  controller = new Controller<string>({ ...settings, quorumNodes: () => this.quorumNodes }, EMPTY_IMAGE, 0);
  readonly log: MetadataRecord[] = [];
  /** Monotonic time. */
  now = 0;
  mutate: Draw["mutate"] = () => true;
  judge: Draw["judge"] = () => undefined;
  readonly draw = (): Draw => ({
    uuid: () => id(++this.#ids),
    below: limit => this.#ids++ % limit,
    nextOffset: this.log.length,
    now: this.now,
    time: this.now + EPOCH_MS,
    mutate: partitions => this.mutate(partitions),
    judge: question => this.judge(question),
  });

  append(records: readonly MetadataRecord[]): void {
    this.log.push(...records);
    // Encode and decode the records, as an append does.
    const written = records.map(record => decodeMetadataRecord(encodeMetadataRecord(record)));
    this.controller.appended(written, { offset: this.log.length - 1, epoch: 1, timestamp: 0 });
  }

  /** Appends the decision that is due, if there is one. */
  tick(): PeriodicDecision | undefined {
    const decision = this.controller.tick(this.draw());
    if (decision !== undefined) this.append(decision.records);
    return decision;
  }

  /** Commits the log, and continues with another controller. */
  takeOver(changed: Partial<ControllerSettings> = {}): void {
    const quorumNodes = () => this.quorumNodes;
    this.controller = new Controller({ ...settings, quorumNodes, ...changed }, this.controller.image, this.now);
  }

  run<N extends keyof ControllerRequests>(
    name: N,
    request: ControllerRequests[N]["request"],
  ): ControllerRequests[N]["reply"] {
    const before = this.controller.image;
    const { records, reply } = this.controller.decide(name, request, this.draw());
    expect(this.controller.image).toBe(before);
    this.append(records);
    return reply;
  }

  /** Registers a broker once the session of its former incarnation is over. */
  join(brokerId: number, incarnation = brokerId, previousBrokerEpoch = -1): number {
    this.now += settings.sessionTimeoutMs;
    const { errorCode, brokerEpoch } = this.register(brokerId, incarnation, { previousBrokerEpoch });
    expect(errorOf(errorCode).name).toBe("NONE");
    return Number(brokerEpoch);
  }

  register(brokerId: number, incarnation: number, draft: object = {}) {
    return this.run(
      "BrokerRegistration",
      brokerRegistrationRequest.defaults({
        brokerId,
        clusterId: "cluster",
        incarnationId: id(1000 + incarnation),
        listeners: [{ name: "PLAINTEXT", host: "h", port: 9092, securityProtocol: 0 }],
        features: [...FEATURES, ["kraft.version", { min: 0, max: 1 }] as const].map(([name, { min, max }]) => ({
          name,
          minSupportedVersion: min,
          maxSupportedVersion: max,
        })),
        rack: null,
        logDirs: [id(2000 + brokerId)],
        ...draft,
      }),
    );
  }

  beat(brokerId: number, brokerEpoch: number, draft: object = {}) {
    return this.run(
      "BrokerHeartbeat",
      brokerHeartbeatRequest.defaults({ brokerId, brokerEpoch, currentMetadataOffset: this.log.length, ...draft }),
    );
  }
}
