import { type BrokerEpoch, type BrokerId, type BufferPool, type Env, guardEach } from "@samsa/base";
import { EMPTY_IMAGE, type MetadataImage, metadataVersionOf, type PartitionImage } from "@samsa/metadata";
import type { BrokerView, IsrProposal } from "@samsa/replica";
import type { Endpoint, Introduction } from "@samsa/wire";
import type { BrokerConfig } from "../config/configs.ts";
import type { Turn } from "../turn/turn.ts";
import { FollowerWaits } from "./replica-session.ts";
import { IsrProposals, type ProposeIsr } from "./isr-proposals.ts";
import type { Partition, PartitionCluster } from "./partition.ts";
import { ReplicaFetchers } from "./replica-fetchers.ts";
import { ReplicationQuota } from "../quotas/replication-quota.ts";

export interface ReplicationOptions {
  readonly env: Env;
  readonly turn: Turn;
  readonly nodeId: BrokerId;
  readonly config: () => BrokerConfig;
  /** Epoch of this broker's registration. */
  readonly brokerEpoch: () => BrokerEpoch;
  /** Endpoint of a broker for other brokers; undefined while it is not known. */
  readonly endpointOf: (id: BrokerId) => Endpoint | undefined;
  readonly proposeIsr: ProposeIsr;
  /** Software (KIP-511) and security that the fetchers show to their leaders. */
  readonly introduction: Introduction;
  /** Pool of what the fetchers receive. */
  readonly buffers: BufferPool;
}

/** Versions of Fetch between brokers, by the least level of metadata.version (`MetadataVersion.fetchRequestVersion`). */
const FETCH_VERSIONS: readonly (readonly [level: number, version: number])[] = [
  [27, 18],
  [21, 17],
  [19, 16],
  [10, 15],
  [9, 14],
];
const OLDEST_FETCH = 13;

/** Replication of the partitions of this broker: its view of the cluster, its fetchers and proposals (`ReplicaManager`). */
export class Replication implements PartitionCluster {
  readonly brokers: BrokerView;
  readonly lagMs: number;
  readonly fetchers: ReplicaFetchers;
  /** Fetches of followers that wait here. */
  readonly followerWaits: FollowerWaits;
  /** Limit on what throttled leaders here send to followers that are not in sync. */
  readonly leaderQuota: ReplicationQuota;
  /** Limit on what throttled followers here fetch. */
  readonly followerQuota: ReplicationQuota;
  readonly #options: ReplicationOptions;
  readonly #proposals: IsrProposals;
  /** Partitions that this broker led in the epoch before the current one. */
  readonly #handedOver = new WeakSet<Partition>();
  #image: MetadataImage = EMPTY_IMAGE;

  constructor(options: ReplicationOptions) {
    const { env, turn, nodeId, config, brokerEpoch, proposeIsr } = options;
    this.#options = options;
    this.#proposals = new IsrProposals(env, turn, proposeIsr);
    this.followerWaits = new FollowerWaits(env.clock);
    this.lagMs = Number(config()["replica.lag.time.max.ms"]);
    this.brokers = {
      self: nodeId,
      ownEpoch: brokerEpoch,
      aliveEpoch: id => this.#alive(id)?.brokerEpoch,
      isLeaving: id => this.#image.brokers.get(id)?.inControlledShutdown === true,
    };
    const fetchVersion = (): number => {
      const level = metadataVersionOf(this.#image);
      return FETCH_VERSIONS.find(([least]) => level >= least)?.[1] ?? OLDEST_FETCH;
    };
    const quota = (limit: "leader.replication.throttled.rate" | "follower.replication.throttled.rate") => {
      const { "replication.quota.window.num": count, "replication.quota.window.size.seconds": seconds } = config();
      return new ReplicationQuota(env.clock, { count, ms: seconds * 1000 }, () => config()[limit]);
    };
    this.leaderQuota = quota("leader.replication.throttled.rate");
    this.followerQuota = quota("follower.replication.throttled.rate");
    const { followerQuota } = this;
    this.fetchers = new ReplicaFetchers({
      ...options,
      fetchVersion,
      followerQuota,
      traffic: { bytesIn: 0, fetches: 0 },
    });
  }

  /** Changes of ISRs by the leaders here. */
  get isrChanges(): IsrProposals["counts"] {
    return this.#proposals.counts;
  }

  #alive(id: BrokerId): { readonly brokerEpoch: BrokerEpoch } | undefined {
    const broker = this.#image.brokers.get(id);
    return broker === undefined || broker.fenced ? undefined : broker;
  }

  /** Takes the metadata, before its partitions are applied. */
  update(image: MetadataImage): void {
    this.#image = image;
  }

  propose(partition: Partition, proposal: IsrProposal): void {
    this.#proposals.propose(partition, proposal);
  }

  /** Gives a partition the role that the metadata has for this broker (`ReplicaManager.applyDelta`). */
  assign(partition: Partition, image: PartitionImage): void {
    const { nodeId } = this.#options;
    const { leader, leaderEpoch } = image;
    if (leader === nodeId) {
      this.fetchers.stop(partition);
      const isElected = leaderEpoch > partition.leaderEpoch;
      partition.becomeLeader(image);
      if (isElected) this.followerWaits.elected();
      return;
    }
    const isNew = leaderEpoch > partition.leaderEpoch;
    if (isNew && partition.leader !== undefined) this.#handedOver.add(partition);
    else if (isNew) this.#handedOver.delete(partition);
    partition.becomeFollower(image);
    if (isNew && !partition.isOffline) this.fetchers.follow(partition, leader, leaderEpoch);
  }

  /**
   * True if this broker may have been elected to lead a partition, and not know it yet: it is in sync and follows, and
   * was not the last leader, which is the one that clients with old metadata ask.
   */
  mayBeElected(partition: Partition, { isr }: PartitionImage): boolean {
    if (partition.isOffline || partition.leader !== undefined) return false;
    return isr.includes(this.#options.nodeId) && !this.#handedOver.has(partition);
  }

  /** Stops to replicate a partition that is gone from this broker. */
  forget(partition: Partition): void {
    this.fetchers.stop(partition);
  }

  /** Looks for followers that lag; to be called every half of `replica.lag.time.max.ms` (`ReplicaManager.maybeShrinkIsr`). */
  sweep(partitions: Iterable<Partition>): void {
    const { logger } = this.#options.env;
    guardEach(
      partitions,
      partition => partition.sweep(),
      error => logger.error("the followers of a partition could not be checked", { error }),
    );
    this.fetchers.closeIdle();
  }

  close(): void {
    this.fetchers.close();
    this.#proposals.close();
  }
}
