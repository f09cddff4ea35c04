import type { LeaderEpoch, Logger } from "@samsa/base";
import {
  type Effect,
  type GroupConfig,
  type GroupEffect,
  type GroupReplies,
  type GroupRequest,
  GroupShard,
  type Initialization,
  type ShareGroupConfig,
  type ShareGroups,
  type TopicDirectory,
} from "@samsa/coordinator";
import type { MetadataChanges, MetadataImage } from "@samsa/metadata";
import type { Compression } from "@samsa/records";
import { type ShardHost, ShardRunner } from "./shard-runner.ts";
import { Shards } from "./shards.ts";
import { topicChanges, topicDirectory } from "./topic-directory.ts";
import type { Partition } from "../replica/partition.ts";
import { OFFSETS_TOPIC } from "../config/internal-topics.ts";
import type { Topics } from "../replica/topics.ts";

interface GroupHost extends ShardHost {
  readonly config: GroupConfig;
  readonly loadBytes: number;
  readonly writeTimeoutMs: number;
  /** `offsets.topic.compression.codec`; undefined: none. */
  readonly compression: Compression | undefined;
  readonly newId: () => string;
  /** Log of what happens to groups. */
  readonly notes: Logger;
  readonly shareGroups: ShareGroupConfig;
  /** Initializes partitions in the share coordinator; `done` gets those that failed. */
  readonly initialize: (what: Initialization, done: (faults: readonly object[]) => void) => void;
}

export type GroupRunner = ShardRunner<GroupShard, GroupEffect>;

/** Carries out an effect that is neither a reply nor an append. */
function perform(host: GroupHost, effect: Exclude<GroupEffect, Effect>, runner: GroupRunner): void {
  if (effect.type === "warn") return host.env.logger.warn(effect.message, { errorCode: effect.errorCode });
  if (effect.type === "note") return host.notes.info(effect.message, effect.about);
  const { initialization } = effect;
  host.initialize(initialization, faults => {
    const succeeded = faults.length === 0;
    runner.resume((out, now) =>
      runner.shard.forShares(now, out, shares => shares.initialized(initialization, succeeded)),
    );
  });
}

/** Group coordinator of this broker: a shard for each partition of `__consumer_offsets`. */
export class Groups extends Shards<GroupRunner> {
  constructor(host: GroupHost, topics: Topics) {
    const begin = (partition: Partition, leaderEpoch: LeaderEpoch): GroupRunner => {
      const shard = new GroupShard(host.config, host.newId, host.shareGroups);
      shard.topicsChanged(topicDirectory(topics.image), new Set(), true);
      return new ShardRunner<GroupShard, GroupEffect>({
        host,
        partition,
        leaderEpoch,
        shard,
        loadBytes: host.loadBytes,
        writeTimeoutMs: host.writeTimeoutMs,
        compression: host.compression,
        perform: (effect, runner) => perform(host, effect, runner),
      });
    };
    super({ topics, topic: OFFSETS_TOPIC, loads: host.loads, begin });
  }

  /**
   * Sends a request to the group's shard, which calls one of the callbacks: `refuse` gets the error code of a shard that
   * takes no requests, or whose response would rest on state that is not committed in time.
   */
  request<R extends GroupRequest>(
    groupId: string,
    request: R,
    reply: (response: GroupReplies[R["type"]]) => void,
    refuse: (errorCode: number) => void,
  ): void {
    const runner = this.of(groupId);
    if (typeof runner === "number") return refuse(runner);
    // A shard answers a request with the response of its type; the shard's tests check that.
    const asked = { reply: (response: object) => reply(response as GroupReplies[R["type"]]), refuse };
    runner.ask(asked, (shard, now, ticket, out) => shard.request(now, ticket, request, out));
  }

  /** Runs an action on a shard's share groups that is not a member's request. */
  forShares(runner: GroupRunner, action: (shares: ShareGroups) => void): void {
    runner.run((out, now) => runner.shard.forShares(now, out, action));
  }

  cleanUp(): void {
    for (const runner of this.all()) runner.tend((out, now) => runner.shard.cleanUp(now, out));
  }

  /** Applies changes of the metadata. */
  follow(changes: MetadataChanges, image: MetadataImage): void {
    const { changed, created } = topicChanges(changes, image);
    if (changed.size === 0) return;
    const directory: TopicDirectory = topicDirectory(image);
    // Shards in load need the topics, too: they check their records against them once they are loaded.
    for (const { shard } of this.known()) shard.topicsChanged(directory, changed, created);
  }

  /** Deletes committed offsets of topics that the image no longer has. */
  topicsDeleted(deleted: readonly { readonly name: string }[]): void {
    if (deleted.length === 0) return;
    const names = new Set(deleted.map(({ name }) => name));
    for (const runner of this.all()) {
      runner.tend((out, now) => runner.shard.topicsDeleted(now, names, out));
    }
  }
}
