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
import { type ShardHost, ShardRunner, Shards } from "./shard-runner.ts";
import { topicChanges, topicDirectory } from "./topic-directory.ts";
import { OFFSETS_TOPIC, type Topics } from "../replica/topics.ts";

interface GroupHost extends ShardHost {
  readonly config: GroupConfig;
  readonly loadBytes: number;
  readonly newId: () => string;
  readonly shareGroups: ShareGroupConfig;
  /** Initializes partitions in the share coordinator; `done` gets those that failed. */
  readonly initialize: (what: Initialization, done: (faults: readonly object[]) => void) => void;
}

export type GroupRunner = ShardRunner<GroupShard, GroupEffect>;

/** Carries out an effect that is neither a reply nor an append. */
function perform(host: GroupHost, effect: Exclude<GroupEffect, Effect>, runner: GroupRunner): void {
  if (effect.type === "warn") return host.env.logger.warn(effect.message, { errorCode: effect.errorCode });
  const { initialization } = effect;
  host.initialize(initialization, faults => {
    if (runner.failed) return;
    const succeeded = faults.length === 0;
    runner.run((out, now) => runner.shard.forShares(now, out, shares => shares.initialized(initialization, succeeded)));
  });
}

/** Group coordinator of this broker: a shard for each partition of `__consumer_offsets`. */
export class Groups extends Shards<GroupRunner> {
  constructor(host: GroupHost, topics: Topics) {
    super(topics, OFFSETS_TOPIC, host.loads, partition => {
      const shard = new GroupShard(host.config, host.newId, host.shareGroups);
      shard.topicsChanged(topicDirectory(topics.image), new Set(), true);
      return new ShardRunner<GroupShard, GroupEffect>({
        host,
        partition,
        shard,
        loadBytes: host.loadBytes,
        perform: (effect, runner) => perform(host, effect, runner),
      });
    });
  }

  /** Sends a request to the group's shard; returns 0, or the error code of a shard that takes none. */
  request<R extends GroupRequest>(
    groupId: string,
    request: R,
    reply: (response: GroupReplies[R["type"]]) => void,
  ): number {
    const runner = this.of(groupId);
    if (typeof runner === "number") return runner;
    // A shard answers a request with the response of its type; the shard's tests check that.
    const answer = (response: object): void => reply(response as GroupReplies[R["type"]]);
    runner.ask(answer, (shard, now, ticket, out) => shard.request(now, ticket, request, out));
    return 0;
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
