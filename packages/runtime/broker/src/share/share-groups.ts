import type { BrokerId, PartitionIndex, Uuid } from "@samsa/base";
import type { ShareGroupConfig } from "@samsa/coordinator";
import { Errors } from "@samsa/protocol";
import type { GroupConfigs } from "../config/group-configs.ts";
import type { AutoTopicCreation } from "../forwarding/auto-topic-creation.ts";
import type { BrokerConfig } from "../config/configs.ts";
import { codecOf, type Settings } from "../config/settings.ts";
import type { ShardHost } from "../coordinator/shard-runner.ts";
import type { Peer } from "../request/request-context.ts";
import { SHARE_STATE_TOPIC } from "../config/internal-topics.ts";
import type { ControllerChannel } from "../controller/controller-channel.ts";
import type { BrokerPeers } from "../peers/broker-peers.ts";
import type { Topics } from "../replica/topics.ts";
import { deadLetterView } from "./dead-letter-view.ts";
import { DeadLetterWriter } from "./dead-letter-writer.ts";
import { LatestOffsets } from "./latest-offsets.ts";
import { LiveSharePartition, type Outcome } from "./live-share-partition.ts";
import { type ShareSession, ShareSessions, sharePartitionId } from "./share-sessions.ts";
import { ShareStates } from "./share-states.ts";

const SHARE_VERSION = "share.version";
/** Level of the feature that enables dead letters (KIP-1191). */
const DEAD_LETTER_LEVEL = 2;

/** The parts of a broker that share groups need. */
interface Host extends ShardHost {
  readonly config: BrokerConfig;
  readonly settings: Settings;
  readonly topics: Topics;
  readonly autoTopics: AutoTopicCreation;
  readonly nodeId: BrokerId;
  readonly peers: BrokerPeers;
  readonly channel: ControllerChannel;
}

/** A partition of a topic, by topic id. */
export interface SharedPartition {
  readonly topicId: Uuid;
  readonly index: PartitionIndex;
}

interface CachedConfigs {
  readonly image: object;
  readonly broker: object;
  readonly configs: GroupConfigs;
}

/** Share partitions of this broker (`SharePartitionManager`), with the share sessions of members. */
export class ShareGroups {
  readonly sessions: ShareSessions;
  readonly states: ShareStates;
  readonly deadLetters: DeadLetterWriter;
  readonly latestOffsets: LatestOffsets;
  readonly #host: Host;
  /** Share partitions by group id, then by topic id and index. */
  readonly #groups = new Map<string, Map<string, LiveSharePartition>>();
  readonly #configs = new Map<string, CachedConfigs>();

  constructor(host: Host) {
    this.#host = host;
    this.states = statesOf(host);
    this.sessions = new ShareSessions(() => host.config["group.share.max.share.sessions"]);
    const { env, tools, peers, channel } = host;
    const view = deadLetterView(host, groupId => this.configs(groupId));
    const copiesRecords = (groupId: string) => this.configs(groupId)["errors.deadletterqueue.copy.record.enable"];
    this.latestOffsets = new LatestOffsets(host);
    this.deadLetters = new DeadLetterWriter({ env, tools, peers, channel, view, copiesRecords });
  }

  /** Level of `share.version`. */
  get #level(): number {
    return this.#host.topics.image.features.get(SHARE_VERSION) ?? 0;
  }

  /** True if the cluster enables share groups. */
  get isEnabled(): boolean {
    return this.#level > 0;
  }

  /** Applies a new metadata image. */
  update(): void {
    this.states.update();
    if (this.isEnabled) return;
    this.sessions.clear();
    for (const groupId of [...this.#groups.keys()]) this.#drop(groupId);
  }

  /** Settings of share groups for the group coordinator. */
  get membership(): ShareGroupConfig {
    return {
      sessionTimeoutMs: groupId => this.configs(groupId)["share.session.timeout.ms"],
      heartbeatIntervalMs: groupId => this.configs(groupId)["share.heartbeat.interval.ms"],
      assignmentIntervalMs: groupId => this.configs(groupId)["share.assignment.interval.ms"],
      maxSize: () => this.#host.config["group.share.max.size"],
      // A retry must not overtake the write that it repeats.
      initializeRetryMs: Math.max(
        this.#host.config["group.share.initialize.retry.interval.ms"],
        this.#host.config["offsets.commit.timeout.ms"],
      ),
    };
  }

  /** A group's settings in force. */
  configs(groupId: string): GroupConfigs {
    const { topics, config, settings } = this.#host;
    const cached = this.#configs.get(groupId);
    if (cached?.image === topics.image.configs && cached.broker === config) return cached.configs;
    const configs = settings.group(topics.image, groupId, config);
    // Cache the settings of groups with loaded share partitions only, so that the cache is bounded.
    if (this.#groups.has(groupId)) {
      this.#configs.set(groupId, { image: topics.image.configs, broker: config, configs });
    }
    return configs;
  }

  /** Returns the share partition, which the first call loads, or the error code if there is none. */
  open(groupId: string, { topicId, index }: SharedPartition): LiveSharePartition | number {
    const known = this.find(groupId, { topicId, index });
    if (known !== undefined) return known;
    const { topics, env } = this.#host;
    const name = topics.nameOf(topicId);
    if (name === undefined) return Errors.UNKNOWN_TOPIC_ID.code;
    const partition = topics.leader(name, index);
    if (typeof partition === "number") return partition;
    const host = {
      env,
      states: this.states,
      groupConfigs: (id: string) => this.configs(id),
      deadLetters: this.deadLetters,
      hasDeadLetters: () => this.#level >= DEAD_LETTER_LEVEL,
      fenced: (live: LiveSharePartition) => this.#forget(groupId, live),
    };
    const live = new LiveSharePartition(host, { groupId, topicId, partition: index }, partition);
    const group = this.#groups.get(groupId) ?? new Map<string, LiveSharePartition>();
    this.#groups.set(groupId, group.set(sharePartitionId({ topicId, index }), live));
    live.load();
    return live;
  }

  find(groupId: string, partition: SharedPartition): LiveSharePartition | undefined {
    return this.#groups.get(groupId)?.get(sharePartitionId(partition));
  }

  #forget(groupId: string, live: LiveSharePartition): void {
    const group = this.#groups.get(groupId);
    const id = sharePartitionId({ topicId: live.key.topicId, index: live.key.partition });
    if (group?.get(id) !== live) return;
    group.delete(id);
    if (group.size > 0) return;
    this.#groups.delete(groupId);
    this.#configs.delete(groupId);
  }

  /** Ends a session and releases the records that its member has acquired. */
  release(session: ShareSession): void {
    if (!this.sessions.remove(session)) return;
    for (const partition of session.partitions.values()) {
      const live = this.find(session.groupId, partition);
      live?.release(session.memberId, outcome => this.#released(session, outcome));
    }
  }

  #released({ groupId, memberId }: ShareSession, { errorCode }: Outcome): void {
    if (errorCode === 0) return;
    this.#host.env.logger.warn("records of a member that is gone could not be released", {
      groupId,
      memberId,
      errorCode,
    });
  }

  /** Ends the session that a closed connection began last. */
  disconnected(peer: Peer): void {
    const session = this.sessions.disconnected(peer);
    if (session === undefined) return;
    this.release(session);
    const { groupId } = session;
    if (!this.sessions.hasGroup(groupId)) this.#drop(groupId);
  }

  /** Closes the share partitions of a group without members; the next fetch loads them again. */
  #drop(groupId: string): void {
    for (const live of this.#groups.get(groupId)?.values() ?? []) live.close();
    this.#groups.delete(groupId);
    this.#configs.delete(groupId);
  }

  /**
   * Reloads the share partitions of a group at their next fetch, because an administrator has changed the start
   * offsets.
   */
  reload(groupId: string): void {
    this.#drop(groupId);
  }

  get size(): number {
    let count = 0;
    for (const group of this.#groups.values()) count += group.size;
    return count;
  }

  close(): void {
    for (const groupId of [...this.#groups.keys()]) this.#drop(groupId);
    this.latestOffsets.close();
    this.deadLetters.close();
    this.states.close(Errors.NOT_COORDINATOR.code);
  }
}

function statesOf({ env, nodeId, peers, tools, loads, config, topics, autoTopics }: Host): ShareStates {
  const states = {
    updatesPerSnapshot: config["share.coordinator.snapshot.update.records.per.snapshot"],
    pruneIntervalMs: config["share.coordinator.state.topic.prune.interval.ms"],
    coldSnapshotIntervalMs: config["share.coordinator.cold.partition.snapshot.interval.ms"],
    partitionCount: (topicId: Uuid) => topics.image.topics.get(topicId)?.partitions.size,
  };
  const loadBytes = config["share.coordinator.load.buffer.size"];
  const writeTimeoutMs = config["share.coordinator.write.timeout.ms"];
  const compression = codecOf(config["share.coordinator.state.topic.compression.codec"]);
  const createTopic = (done: () => void) => autoTopics.ensure([SHARE_STATE_TOPIC], undefined, () => done());
  return new ShareStates(
    { env, nodeId, peers, tools, loads, loadBytes, writeTimeoutMs, compression, config: states, createTopic },
    topics,
  );
}
