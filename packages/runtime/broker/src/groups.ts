import { type GroupConfig, type GroupRequest, GroupShard, type TopicDirectory } from "@samsa/coordinator";
import type { MetadataImage } from "@samsa/metadata";
import { type ShardHost, ShardRunner, Shards } from "./shard-runner.ts";
import { topicChanges, topicDirectory } from "./topic-directory.ts";
import { OFFSETS_TOPIC, type Topics } from "./topics.ts";

interface GroupHost extends ShardHost {
  readonly config: GroupConfig;
  readonly newId: () => string;
}

export type GroupRunner = ShardRunner<GroupShard>;

/** The group coordinator of this broker: a shard for each partition of `__consumer_offsets`. */
export class Groups extends Shards<GroupRunner> {
  constructor(host: GroupHost, topics: Topics) {
    super(topics, OFFSETS_TOPIC, partition => {
      const shard = new GroupShard(host.config, host.newId);
      shard.topicsChanged(topicDirectory(topics.image), new Set(), true);
      return new ShardRunner<GroupShard>({ host, partition, shard, perform: () => {} });
    });
  }

  /** Puts a request before the group's shard; false when that is not served here. */
  request(groupId: string, request: GroupRequest, reply: (response: object) => void): boolean {
    const runner = this.of(groupId);
    runner?.ask(reply, (shard, now, ticket, out) => shard.request(now, ticket, request, out));
    return runner !== undefined;
  }

  expire(): void {
    for (const runner of this.all()) runner.run((out, now) => runner.shard.expire(now, out));
  }

  /** Takes over a new image. */
  follow(before: MetadataImage, after: MetadataImage): void {
    const { changed, created } = topicChanges(before, after);
    if (changed.size === 0) return;
    const directory: TopicDirectory = topicDirectory(after);
    for (const { shard } of this.all()) shard.topicsChanged(directory, changed, created);
  }

  topicDeleted(topic: string): void {
    for (const runner of this.all()) runner.run((out, now) => runner.shard.topicDeleted(now, topic, out));
  }
}
