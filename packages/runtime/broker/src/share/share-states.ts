import type { Int64, Uuid } from "@samsa/base";
import {
  coordinatorKey,
  type Initialization,
  type SharePartitionKey,
  type ShareStateConfig,
  type ShareStateEffect,
  type ShareStateRequest,
  ShareStateShard,
} from "@samsa/coordinator";
import { Errors } from "@samsa/protocol";
import { type ShardHost, ShardRunner, Shards } from "../shard-runner.ts";
import { SHARE_STATE_TOPIC, type Topics } from "../topics.ts";

/** What a share coordinator answers of one share partition: what the request's kind of answer has. */
export interface ShareStateAnswer {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly stateEpoch?: number;
  readonly startOffset?: Int64;
  readonly leaderEpoch?: number;
  readonly deliveryCompleteCount?: number;
  readonly stateBatches?: readonly {
    readonly firstOffset: Int64;
    readonly lastOffset: Int64;
    readonly deliveryState: number;
    readonly deliveryCount: number;
  }[];
}

type Runner = ShardRunner<ShareStateShard, ShareStateEffect>;

interface ShareStateHost extends ShardHost {
  readonly config: ShareStateConfig;
  /** Brings the topic of the states into being, then calls `done`. */
  readonly createTopic: (done: () => void) => void;
}

const AWAY: ShareStateAnswer = {
  errorCode: Errors.NOT_COORDINATOR.code,
  errorMessage: Errors.NOT_COORDINATOR.message,
};

/** The share coordinator of this broker: a shard for each partition of `__share_group_state`. */
export class ShareStates extends Shards<Runner> {
  readonly #host: ShareStateHost;
  readonly #topics: Topics;

  constructor(host: ShareStateHost, topics: Topics) {
    super(topics, SHARE_STATE_TOPIC, partition => {
      const shard = new ShareStateShard(host.config);
      return new ShardRunner<ShareStateShard, ShareStateEffect>({
        host,
        partition,
        shard,
        // What is durable only is in a snapshot that counts.
        perform: ({ offset }) => void partition.deleteRecords(Math.min(offset, partition.log.highWatermark)),
      });
    });
    this.#host = host;
    this.#topics = topics;
  }

  /** Puts a request before the shard of a share partition, now or once there is one. */
  ask(key: SharePartitionKey, request: ShareStateRequest, reply: (answer: ShareStateAnswer) => void): void {
    if (this.#topics.idOf(SHARE_STATE_TOPIC) !== undefined) return this.#put(key, request, reply);
    // The first share group brings the topic into being.
    this.#host.createTopic(() => this.#put(key, request, reply));
  }

  #put(key: SharePartitionKey, request: ShareStateRequest, reply: (answer: ShareStateAnswer) => void): void {
    const runner = this.of(coordinatorKey(key));
    if (runner === undefined) return reply(AWAY);
    runner.ask(
      response => reply(response as ShareStateAnswer),
      (shard, now, ticket, out) => shard.request(now, ticket, { key, request }, out),
    );
  }

  /** Begins the states of partitions that a group is to consume; `done` is told whether all have begun. */
  initialize({ groupId, stateEpoch, topics }: Initialization, done: (succeeded: boolean) => void): void {
    let waiting = 1;
    let succeeded = true;
    const end = (errorCode: number): void => {
      succeeded &&= errorCode === 0;
      if (--waiting === 0) done(succeeded);
    };
    for (const { topicId, partitions, startOffset } of topics) {
      for (const partition of partitions) {
        waiting++;
        const request = { type: "initialize", body: { partition, stateEpoch, startOffset } } as const;
        this.ask({ groupId, topicId, partition }, request, ({ errorCode }) => end(errorCode));
      }
    }
    end(0);
  }

  /** Ends the states of a group in partitions; `done` gets the first error there was, or 0. */
  delete(groupId: string, topics: ReadonlyMap<Uuid, ReadonlySet<number>>, done: (errorCode: number) => void): void {
    let waiting = 1;
    let fault = 0;
    const end = (errorCode: number): void => {
      fault ||= errorCode;
      if (--waiting === 0) done(fault);
    };
    for (const [topicId, partitions] of topics) {
      for (const partition of partitions) {
        waiting++;
        const request = { type: "delete", body: { partition } } as const;
        this.ask({ groupId, topicId, partition }, request, ({ errorCode }) => end(errorCode));
      }
    }
    end(0);
  }

  topicDeleted(topicId: SharePartitionKey["topicId"]): void {
    for (const runner of this.all()) runner.run((out, now) => runner.shard.topicDeleted(now, topicId, out));
  }
}
