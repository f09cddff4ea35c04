import {
  coordinatorKey,
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
  readonly startOffset?: number;
  readonly stateBatches?: readonly {
    readonly firstOffset: number;
    readonly lastOffset: number;
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

  topicDeleted(topicId: SharePartitionKey["topicId"]): void {
    for (const runner of this.all()) runner.run((out, now) => runner.shard.topicDeleted(now, topicId, out));
  }
}
