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
import type { Compression } from "@samsa/records";
import type { BrokerPeers } from "../peers/broker-peers.ts";
import { askRemotely } from "./remote-share-states.ts";
import type { ShareStateAnswer } from "./share-state-answer.ts";
import { type ShardHost, ShardRunner } from "../coordinator/shard-runner.ts";
import { Shards } from "../coordinator/shards.ts";
import type { Partition } from "../replica/partition.ts";
import { SHARE_STATE_TOPIC } from "../config/internal-topics.ts";
import type { Topics } from "../replica/topics.ts";

/** Request to the share coordinator of a share partition. */
interface Asked {
  readonly key: SharePartitionKey;
  readonly request: ShareStateRequest;
  readonly reply: (answer: ShareStateAnswer) => void;
}

/** Search for the coordinator of a share partition. */
interface Search {
  /** Request that is repeated. */
  readonly first: Asked;
  attempts: number;
  /** Later requests, in their order. */
  readonly waiting: Asked[];
}

/** Pauses between attempts to find a coordinator, in ms; with about 15 s in total, as in Kafka (`PersisterStateManager`). */
const PAUSES_MS = [20, 50, 100, 200, 500, 1000, 2000, 2000, 4000, 5000];
/** Errors of a coordinator that has moved, or is about to be there. */
const COORDINATOR_ABSENT: readonly number[] = [
  Errors.COORDINATOR_NOT_AVAILABLE.code,
  Errors.COORDINATOR_LOAD_IN_PROGRESS.code,
  Errors.NOT_COORDINATOR.code,
];

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
  /** `share.coordinator.state.topic.compression.codec`; undefined: none. */
  readonly compression: Compression | undefined;
  /** Creates the topic of share state, then calls `done`. */
  readonly createTopic: (done: () => void) => void;
}

/**
 * Share coordinator of this broker (`ShareCoordinatorService`): a shard for each partition of `__share_group_state`.
 */
export class ShareStates extends Shards<Runner> {
  readonly #host: ShareStateHost;
  readonly #topics: Topics;
  /** Requests whose coordinator is absent, by share partition. */
  readonly #searches = new Map<string, Search>();
  #isClosed = false;

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
        compression: host.compression,
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
   * it does not exist (`DefaultStatePersister`). Asks again while there is no coordinator: the metadata here may not
   * include a new topic or its leader yet. Later requests for the same partition wait, so that none overtakes another.
   */
  ask(key: SharePartitionKey, request: ShareStateRequest, reply: (answer: ShareStateAnswer) => void): void {
    const asked = { key, request, reply };
    const search = this.#searches.get(coordinatorKey(key));
    if (search === undefined) this.#askOnce(asked);
    else search.waiting.push(asked);
  }

  #askOnce(asked: Asked): void {
    const { key, request, reply } = asked;
    this.#find(key, request, answer => {
      const id = coordinatorKey(key);
      const search = this.#searches.get(id);
      const isAbsent = COORDINATOR_ABSENT.includes(answer.errorCode) && !this.#isClosed;
      if (search === undefined) {
        if (!isAbsent) return reply(answer);
        this.#searches.set(id, { first: asked, attempts: 0, waiting: [] });
        return this.#searchAgain(id);
      }
      if (search.first !== asked) {
        // This request was sent before the search began, but after the one that is repeated.
        if (isAbsent) search.waiting.push(asked);
        else reply(answer);
        return;
      }
      if (isAbsent && search.attempts < PAUSES_MS.length) return this.#searchAgain(id);
      this.#searches.delete(id);
      reply(answer);
      for (const later of search.waiting) {
        // They have waited as long for the same coordinator.
        if (isAbsent) later.reply(answer);
        else this.ask(later.key, later.request, later.reply);
      }
    });
  }

  #searchAgain(id: string): void {
    const search = this.#searches.get(id);
    if (search === undefined) return;
    this.#host.env.timers.after(PAUSES_MS[search.attempts++] ?? 0, () => this.#askOnce(search.first));
  }

  #find(key: SharePartitionKey, request: ShareStateRequest, reply: (answer: ShareStateAnswer) => void): void {
    if (this.#topics.idOf(SHARE_STATE_TOPIC) !== undefined) return this.#route(key, request, reply);
    // The first share group creates the topic.
    this.#host.createTopic(() => this.#route(key, request, reply));
  }

  override close(errorCode: number): void {
    this.#isClosed = true;
    super.close(errorCode);
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
