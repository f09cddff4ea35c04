import type { BrokerId, LeaderEpoch, PartitionIndex, Uuid } from "@samsa/base";
import {
  coordinatorKey,
  type Initialization,
  type SharePartitionKey,
  type ShareStateConfig,
  type ShareStateEffect,
  type ShareStateRequest,
  ShareStateShard,
} from "@samsa/coordinator";
import { errorOf, Errors } from "@samsa/protocol";
import type { BrokerPeers } from "../peers/broker-peers.ts";
import { askRemotely } from "./remote-share-states.ts";
import type { ShareStateAnswer } from "./share-state-answer.ts";
import { type ShardHost, ShardRunner } from "../coordinator/shard-runner.ts";
import { Shards } from "../coordinator/shards.ts";
import type { Partition } from "../replica/partition.ts";
import { SHARE_STATE_TOPIC } from "../config/internal-topics.ts";
import type { Topics } from "../replica/topics.ts";

/** A share partition for which a request to the share coordinator failed. */
export interface StateFault {
  readonly topicId: Uuid;
  readonly partition: PartitionIndex;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

type Runner = ShardRunner<ShareStateShard, ShareStateEffect>;

interface ShareStateHost extends ShardHost {
  readonly config: ShareStateConfig;
  readonly nodeId: BrokerId;
  readonly peers: BrokerPeers;
  readonly loadBytes: number;
  readonly writeTimeoutMs: number;
  /** Creates the topic of share state, then calls `done`. */
  readonly createTopic: (done: () => void) => void;
}

/**
 * Share coordinator of this broker (`ShareCoordinatorService`): a shard for each partition of `__share_group_state`.
 */
export class ShareStates extends Shards<Runner> {
  readonly #host: ShareStateHost;
  readonly #topics: Topics;

  constructor(host: ShareStateHost, topics: Topics) {
    const begin = (partition: Partition, leaderEpoch: LeaderEpoch): Runner => {
      const shard = new ShareStateShard(host.config);
      return new ShardRunner<ShareStateShard, ShareStateEffect>({
        host,
        partition,
        leaderEpoch,
        shard,
        loadBytes: host.loadBytes,
        writeTimeoutMs: host.writeTimeoutMs,
        perform: effect => {
          if (effect.type === "warn") host.env.logger.warn(effect.message, { errorCode: effect.errorCode });
          else partition.deleteRecords(effect.offset);
        },
      });
    };
    super({ topics, topic: SHARE_STATE_TOPIC, loads: host.loads, begin });
    this.#host = host;
    this.#topics = topics;
  }

  /**
   * Sends a request to the share coordinator of a share partition, on this broker or another; creates the topic first if
   * it does not exist (`DefaultStatePersister`).
   */
  ask(key: SharePartitionKey, request: ShareStateRequest, reply: (answer: ShareStateAnswer) => void): void {
    if (this.#topics.idOf(SHARE_STATE_TOPIC) !== undefined) return this.#route(key, request, reply);
    // The first share group creates the topic.
    this.#host.createTopic(() => this.#route(key, request, reply));
  }

  #route(key: SharePartitionKey, request: ShareStateRequest, reply: (answer: ShareStateAnswer) => void): void {
    const { nodeId, peers, env } = this.#host;
    const leader = this.leaderOf(coordinatorKey(key));
    if (leader < 0 || leader === nodeId) return this.#put(key, request, reply);
    askRemotely(peers, leader, key, request)
      .catch((error: unknown): ShareStateAnswer => {
        env.logger.error("a share coordinator could not be asked", { error });
        const { code, message } = Errors.UNKNOWN_SERVER_ERROR;
        return { errorCode: code, errorMessage: message };
      })
      .then(reply)
      .catch((error: unknown) => env.logger.error("the answer of a share coordinator could not be used", { error }));
  }

  /** Sends a request to the shard on this broker; creates the topic first if it does not exist. */
  serve(key: SharePartitionKey, request: ShareStateRequest, reply: (answer: ShareStateAnswer) => void): void {
    if (this.#topics.idOf(SHARE_STATE_TOPIC) !== undefined) return this.#put(key, request, reply);
    this.#host.createTopic(() => this.#put(key, request, reply));
  }

  #put(key: SharePartitionKey, request: ShareStateRequest, reply: (answer: ShareStateAnswer) => void): void {
    const runner = this.of(coordinatorKey(key));
    const refuse = (errorCode: number): void => reply({ errorCode, errorMessage: errorOf(errorCode).message });
    if (typeof runner === "number") return refuse(runner);
    runner.ask({ reply: response => reply(response as ShareStateAnswer), refuse }, (shard, now, ticket, out) =>
      shard.request(now, ticket, { key, request }, out),
    );
  }

  /** Initializes state of partitions in a group; `done` gets those that failed. */
  initialize({ groupId, stateEpoch, topics }: Initialization, done: (faults: readonly StateFault[]) => void): void {
    const asked = topics.flatMap(({ topicId, partitions, startOffset }) =>
      partitions.map(partition => ({
        key: { groupId, topicId, partition },
        request: { type: "initialize", body: { partition, stateEpoch, startOffset } } as const,
      })),
    );
    this.#askAll(asked, done);
  }

  /** Deletes state of partitions in a group; `done` gets those that failed. */
  delete(
    groupId: string,
    topics: ReadonlyMap<Uuid, ReadonlySet<PartitionIndex>>,
    done: (faults: readonly StateFault[]) => void,
  ): void {
    const asked = [...topics].flatMap(([topicId, partitions]) =>
      [...partitions].map(partition => ({
        key: { groupId, topicId, partition },
        request: { type: "delete", body: { partition } } as const,
      })),
    );
    this.#askAll(asked, done);
  }

  #askAll(
    asked: readonly { readonly key: SharePartitionKey; readonly request: ShareStateRequest }[],
    done: (faults: readonly StateFault[]) => void,
  ): void {
    const faults: StateFault[] = [];
    let waiting = asked.length;
    if (waiting === 0) return done(faults);
    for (const { key, request } of asked) {
      this.ask(key, request, ({ errorCode, errorMessage }) => {
        const { topicId, partition } = key;
        if (errorCode !== 0) faults.push({ topicId, partition, errorCode, errorMessage });
        if (--waiting === 0) done(faults);
      });
    }
  }

  /** Deletes state of topics that the image no longer has. */
  topicsDeleted(): void {
    for (const runner of this.all()) runner.tend((out, now) => runner.shard.topicsDeleted(now, out));
  }
}
