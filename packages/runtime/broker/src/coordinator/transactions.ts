import {
  type BrokerId,
  guard,
  type LeaderEpoch,
  named,
  type PartitionIndex,
  type ProducerId,
  type Timer,
} from "@samsa/base";
import {
  type MarkerRequest,
  TransactionShard,
  type TxnConfig,
  type TxnEffect,
  type TxnPartitions,
  type TxnRequest,
} from "@samsa/coordinator";
import { Errors } from "@samsa/protocol";
import { type EndTxnMarker, endTxnBatch } from "@samsa/records";
import type { BrokerConfig } from "../config/configs.ts";
import { TRANSACTION_VERSION_FEATURE } from "../metadata/features.ts";
import { leaderOf } from "../metadata/broker-nodes.ts";
import type { BrokerPeers } from "../peers/broker-peers.ts";
import type { Admission, ClientAbility } from "./admission.ts";
import type { Groups } from "./groups.ts";
import { admitRemotely, markRemotely } from "./remote-transactions.ts";
import { type ShardHost, ShardRunner } from "./shard-runner.ts";
import { Shards } from "./shards.ts";
import type { Partition } from "../replica/partition.ts";
import { OFFSETS_TOPIC, TRANSACTION_TOPIC } from "../config/internal-topics.ts";
import type { Topics } from "../replica/topics.ts";

const { code: BUSY } = Errors.CONCURRENT_TRANSACTIONS;
const { code: GONE } = Errors.UNKNOWN_TOPIC_OR_PARTITION;

export interface TransactionHost extends ShardHost {
  readonly config: TxnConfig;
  readonly loadBytes: number;
  readonly groups: Groups;
  readonly producerId: () => Promise<ProducerId>;
  readonly nodeId: BrokerId;
  readonly peers: BrokerPeers;
  readonly retry: { readonly backoffMs: number; readonly maxMs: number };
}

/** The parts of a broker that its transaction coordinator needs. */
interface TransactionSources extends ShardHost {
  readonly groups: Groups;
  readonly config: BrokerConfig;
  readonly producerIds: { next(): Promise<ProducerId> };
  readonly topics: Topics;
  readonly nodeId: BrokerId;
  readonly peers: BrokerPeers;
}

export function transactionHost(broker: TransactionSources): TransactionHost {
  const { env, nodeId, peers, tools, loads, groups, config } = broker;
  return {
    env,
    nodeId,
    peers,
    tools,
    loads,
    loadBytes: config["transaction.state.log.load.buffer.size"],
    groups,
    config: {
      maxTimeoutMs: config["transaction.max.timeout.ms"],
      idExpirationMs: config["transactional.id.expiration.ms"],
      requestTimeoutMs: config["request.timeout.ms"],
      version: () => broker.topics.image.features.get(TRANSACTION_VERSION_FEATURE) ?? 0,
    },
    producerId: () => broker.producerIds.next(),
    retry: {
      backoffMs: config["add.partitions.to.txn.retry.backoff.ms"],
      maxMs: config["add.partitions.to.txn.retry.backoff.max.ms"],
    },
  };
}

type TransactionRunner = ShardRunner<TransactionShard, TxnEffect>;
type Performed = Parameters<ConstructorParameters<typeof ShardRunner<TransactionShard, TxnEffect>>[0]["perform"]>[0];

type ErrorOf = (topic: string, index: PartitionIndex) => number;

/** A transaction marker for one partition. */
export interface MarkerWrite {
  readonly topic: string;
  readonly index: PartitionIndex;
  readonly marker: Omit<EndTxnMarker, "timestamp">;
  readonly transactionVersion: number;
}

/** Transaction coordinator of this broker: a shard for each partition of `__transaction_state`. */
export class Transactions extends Shards<TransactionRunner> {
  readonly #host: TransactionHost;
  /** Tasks that wait for an earlier task of the same transactional id. */
  readonly #queues = new Map<string, (() => void)[]>();
  /** Timers of pauses, each with the callback for a stop of the broker before it fires. */
  readonly #pauses = new Map<Timer, () => void>();

  constructor(host: TransactionHost, topics: Topics) {
    const begin = (partition: Partition, leaderEpoch: LeaderEpoch): TransactionRunner => {
      const shard = new TransactionShard(host.config);
      const perform = (effect: Performed, runner: TransactionRunner): void => {
        if (effect.type === "producerId") fetchId(host, runner, effect.token);
        else sendMarkers({ host, topics, runner }, effect);
      };
      return new ShardRunner<TransactionShard, TxnEffect>({
        host,
        partition,
        leaderEpoch,
        shard,
        perform,
        loadBytes: host.loadBytes,
        acks: "IN_SYNC",
        writeTimeoutMs: host.config.requestTimeoutMs,
      });
    };
    super({ topics, topic: TRANSACTION_TOPIC, loads: host.loads, begin, reloads: true });
    this.#host = host;
  }

  /** Sends a request to the shard of its transactional id; returns 0, or the error code of a shard that takes none. */
  request<R extends object>(request: TxnRequest, reply: (response: R) => void): number {
    const runner = this.of(request.transactionalId);
    if (typeof runner === "number") return runner;
    // A shard answers a request with the response of its type; the shard's tests check that.
    const answer = reply as (response: object) => void;
    const refuse = (errorCode: number): void => answer({ errorCode, producerId: -1n, producerEpoch: -1 });
    runner.ask({ reply: answer, refuse }, (shard, now, ticket, out) => shard.request(now, ticket, request, out));
    return 0;
  }

  abortTimedOut(): void {
    const logger = named(this.#host.env.logger, "kafka.coordinator.transaction");
    for (const runner of this.all()) {
      runner.tend((out, now) =>
        runner.shard.abortTimedOut(now, out, (transactionalId, errorCode) => {
          const level = errorCode === 0 || errorCode === BUSY ? "info" : "warn";
          logger[level]("a transaction has lasted too long and is aborted", { transactionalId, errorCode });
        }),
      );
    }
  }

  expire(): void {
    for (const runner of this.all()) runner.tend((out, now) => runner.shard.expire(now, out));
  }

  /**
   * Runs `task` after earlier tasks of the same transactional id, because a client relies on the order of its requests;
   * at once if there is none. The task passes its last step to `finish`. If the task or that step throws, `failed` is
   * called, and the next task runs.
   */
  inTurn(
    transactionalId: string,
    task: (finish: (last: () => void) => void) => void,
    failed: (error: unknown) => void,
  ): void {
    const { logger } = this.#host.env;
    const report = (error: unknown): void => logger.error("a request in a transaction failed", { error });
    const begin = (): void => {
      let isOver = false;
      const finish = (last: () => void): void => {
        if (isOver) return;
        isOver = true;
        guard(last, error => guard(() => failed(error), report));
        this.#next(transactionalId);
      };
      guard(
        () => task(finish),
        error =>
          finish(() => {
            throw error;
          }),
      );
    };
    const queue = this.#queues.get(transactionalId);
    if (queue !== undefined) {
      queue.push(begin);
      return;
    }
    this.#queues.set(transactionalId, []);
    begin();
  }

  #next(transactionalId: string): void {
    const following = this.#queues.get(transactionalId)?.shift();
    if (following === undefined) this.#queues.delete(transactionalId);
    else following();
  }

  /** True if a task of this transactional id is running. */
  isBusy(transactionalId: string): boolean {
    return this.#queues.has(transactionalId);
  }

  /**
   * Verifies or adds partitions of a transactional write; `done` gets the errors by partition
   * (`AddPartitionsToTxnManager`).
   */
  admit(admission: Admission, done: (errorOf: ErrorOf) => void): void {
    const { transactionalId, producer, partitions, ability, patient } = admission;
    const runner = transactionalId === "" ? Errors.INVALID_REQUEST.code : this.of(transactionalId);
    if (runner === Errors.NOT_COORDINATOR.code) return this.#admitRemotely(admission, done);
    if (typeof runner === "number") return done(() => runner);
    if (!ability.addsByWriting) {
      return done((topic, index) => {
        const error = runner.shard.verify(transactionalId, producer, topic, index);
        return producerError(error, ability);
      });
    }
    const request: TxnRequest = { type: "add", transactionalId, producer, partitions, clientVersion: 2 };
    const { clock } = this.#host.env;
    const { backoffMs, maxMs } = this.#host.retry;
    const since = clock.monotonic();
    const ask = (): void => {
      const refused = this.request<{ errorCode: number }>(request, ({ errorCode }) => {
        if (errorCode !== BUSY || !patient || clock.monotonic() - since >= maxMs) {
          return done(() => producerError(errorCode, ability));
        }
        this.#pause(backoffMs, ask, () => done(() => Errors.NOT_COORDINATOR.code));
      });
      if (refused !== 0) done(() => admissionError(refused));
    };
    ask();
  }

  #admitRemotely(admission: Admission, done: (errorOf: ErrorOf) => void): void {
    const { nodeId, peers, retry, env } = this.#host;
    const { logger } = env;
    const since = env.clock.monotonic();
    const ask = (): void => {
      const leader = this.leaderOf(admission.transactionalId);
      // This broker is about to be, or was the coordinator a moment ago.
      if (leader < 0 || leader === nodeId) return done(() => Errors.COORDINATOR_NOT_AVAILABLE.code);
      const answered = (errorOf: ErrorOf): void => {
        const isBusy = [...admission.partitions].some(([topic, indexes]) =>
          [...indexes].some(index => errorOf(topic, index) === BUSY),
        );
        if (isBusy && admission.patient && env.clock.monotonic() - since < retry.maxMs) {
          return this.#pause(retry.backoffMs, ask, () => done(() => Errors.NOT_COORDINATOR.code));
        }
        done((topic, index) => producerError(admissionError(errorOf(topic, index)), admission.ability));
      };
      admitRemotely(peers, leader, admission)
        .catch((error: unknown): ErrorOf => {
          logger.error("a coordinator could not be asked", { error });
          return () => Errors.UNKNOWN_SERVER_ERROR.code;
        })
        .then(answered)
        .catch((error: unknown) => logger.error("the answer of a coordinator could not be used", { error }));
    };
    ask();
  }

  #pause(ms: number, then: () => void, stopped: () => void): void {
    const timer = this.#host.env.timers.after(ms, () => {
      this.#pauses.delete(timer);
      then();
    });
    this.#pauses.set(timer, stopped);
  }

  override close(errorCode: number): void {
    super.close(errorCode);
    const pauses = [...this.#pauses];
    this.#pauses.clear();
    for (const [timer, stopped] of pauses) {
      timer.cancel();
      stopped();
    }
  }
}

/** Error of a write whose transaction's coordinator takes no requests. */
function admissionError(errorCode: number): number {
  return errorCode === Errors.NOT_COORDINATOR.code ? Errors.COORDINATOR_NOT_AVAILABLE.code : errorCode;
}

/** Maps errors of the coordinator to those that the producer knows. */
function producerError(errorCode: number, { knowsAbortable }: ClientAbility): number {
  if (errorCode === Errors.PRODUCER_FENCED.code) return Errors.INVALID_PRODUCER_EPOCH.code;
  const isUnknown = errorCode === Errors.TRANSACTION_ABORTABLE.code && !knowsAbortable;
  return isUnknown ? Errors.INVALID_TXN_STATE.code : errorCode;
}

function fetchId({ env, producerId }: TransactionHost, runner: TransactionRunner, token: number): void {
  const tell = (outcome: { id: ProducerId } | { errorCode: number }): void =>
    runner.resume((out, now) => runner.shard.producerId(now, token, outcome, out));
  producerId().then(
    id => tell({ id }),
    (error: unknown) => {
      env.logger.error("no producer id could be given", { error });
      tell({ errorCode: Errors.COORDINATOR_NOT_AVAILABLE.code });
    },
  );
}

interface Sender {
  readonly host: TransactionHost;
  readonly topics: Topics;
  readonly runner: TransactionRunner;
}

interface Sending {
  readonly token: number;
  readonly marker: MarkerRequest;
  readonly partitions: TxnPartitions;
}

function sendMarkers({ host, topics, runner }: Sender, { token, marker: request, partitions }: Sending): void {
  const { transactionVersion, ...facts } = request;
  const marker = { ...facts, coordinatorEpoch: runner.leaderEpoch };
  const marked = (topic: string, index: PartitionIndex, error: number): void => {
    // A deleted partition has no leader and needs no marker.
    const isDeleted = error === GONE && topics.topic(topic)?.partitions.has(index) !== true;
    const outcome = { topic, index, errorCode: isDeleted ? 0 : error };
    runner.resume((out, now) => runner.shard.marked(now, token, outcome, out));
  };
  const remote = new Map<BrokerId, Map<string, Set<PartitionIndex>>>();
  for (const [topic, indexes] of partitions) {
    for (const index of indexes) {
      const leader = leaderOf(topics.image, topic, index) ?? host.nodeId;
      if (leader === host.nodeId) {
        writeMarker(host, topics, { topic, index, marker, transactionVersion }, error => marked(topic, index, error));
      } else if (leader < 0) marked(topic, index, Errors.LEADER_NOT_AVAILABLE.code);
      else {
        const ofLeader = remote.get(leader) ?? new Map<string, Set<PartitionIndex>>();
        remote.set(leader, ofLeader.set(topic, (ofLeader.get(topic) ?? new Set()).add(index)));
      }
    }
  }
  for (const [leader, ofLeader] of remote) {
    const tell = (errorOf: ErrorOf): void => {
      for (const [topic, indexes] of ofLeader) for (const index of indexes) marked(topic, index, errorOf(topic, index));
    };
    markRemotely(host.peers, leader, { ...request, coordinatorEpoch: marker.coordinatorEpoch }, ofLeader)
      .catch((error: unknown): ErrorOf => {
        host.env.logger.error("markers could not be sent", { error });
        return () => Errors.UNKNOWN_SERVER_ERROR.code;
      })
      .then(tell)
      .catch((error: unknown) => host.env.logger.error("the outcome of markers could not be used", { error }));
  }
}

/** Writes a transaction marker into one partition of this broker; `done` gets 0 or the error code. */
export function writeMarker(
  { env, tools, groups }: Pick<TransactionHost, "env" | "groups" | "tools">,
  topics: Topics,
  { topic, index, marker, transactionVersion }: MarkerWrite,
  done: (errorCode: number) => void,
): void {
  const partition = topics.partition(topic, index);
  if (partition === undefined) return done(topics.absence(topic, index));
  const now = env.clock.now();
  const whole = { ...marker, timestamp: now };
  if (topic === OFFSETS_TOPIC) {
    const runner = groups.at(index);
    // Without a shard, or if that is unloaded meanwhile, the marker is sent again, as while the partition has no leader.
    const { code: away } = Errors.NOT_LEADER_OR_FOLLOWER;
    if (typeof runner === "number") return done(away);
    return runner.end(whole, transactionVersion, error => done(error === Errors.NOT_COORDINATOR.code ? away : error));
  }
  const request = { origin: "coordinator" as const, now, transactionVersion };
  const added = partition.appendAsLeader(endTxnBatch(whole, tools), request, { acks: "IN_SYNC", done });
  if (added.error !== 0) done(added.error);
}
