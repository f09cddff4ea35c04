import { type BrokerEpoch, type BrokerId, invariant, type Offset } from "@samsa/base";
import { MetadataDelta, type MetadataImage, type Provenance } from "@samsa/metadata";
import type { MetadataRecord } from "@samsa/protocol";
import { alterPartition } from "./alter-partition.ts";
import { BrokerPartitions } from "./decision/broker-partitions.ts";
import { BrokerSessions } from "./decision/broker-sessions.ts";
import { alterConfigs, incrementalAlterConfigs } from "./configs.ts";
import type { ControllerSettings, Decision, DecisionContext, Draw } from "./decision/decision.ts";
import { assignReplicasToDirs } from "./directories.ts";
import { activationRecords, updateFeatures } from "./features.ts";
import { brokerHeartbeat } from "./heartbeat.ts";
import {
  allocateProducerIds,
  registerBroker,
  registerController,
  unregisterBroker,
  unregisterController,
} from "./nodes.ts";
import { type PeriodicDecision, PeriodicTasks } from "./periodic.ts";
import { alterClientQuotas } from "./quotas.ts";
import { alterPartitionReassignments, electLeaders } from "./reassignments.ts";
import { createAcls, deleteAcls } from "./security/acls.ts";
import { createDelegationToken, expireDelegationToken, renewDelegationToken } from "./security/delegation-tokens.ts";
import { alterUserScramCredentials } from "./security/scram.ts";
import { createPartitions, createTopics, deleteTopics } from "./topics.ts";

/** Decision functions by API. */
const DECIDERS = {
  CreateTopics: createTopics,
  DeleteTopics: deleteTopics,
  CreatePartitions: createPartitions,
  IncrementalAlterConfigs: incrementalAlterConfigs,
  AlterConfigs: alterConfigs,
  AlterClientQuotas: alterClientQuotas,
  ElectLeaders: electLeaders,
  AlterPartition: alterPartition,
  AlterPartitionReassignments: alterPartitionReassignments,
  BrokerRegistration: registerBroker,
  UnregisterBroker: unregisterBroker,
  ControllerRegistration: registerController,
  UnregisterController: unregisterController,
  BrokerHeartbeat: brokerHeartbeat,
  AllocateProducerIds: allocateProducerIds,
  AssignReplicasToDirs: assignReplicasToDirs,
  UpdateFeatures: updateFeatures,
  CreateAcls: createAcls,
  DeleteAcls: deleteAcls,
  AlterUserScramCredentials: alterUserScramCredentials,
  CreateDelegationToken: createDelegationToken,
  RenewDelegationToken: renewDelegationToken,
  ExpireDelegationToken: expireDelegationToken,
} as const;

type Deciders = typeof DECIDERS;
/** Request and response of each API that the controller decides. */
export type ControllerRequests = {
  readonly [N in keyof Deciders]: {
    readonly request: Parameters<Deciders[N]>[1];
    readonly reply: ReturnType<Deciders[N]>["reply"];
  };
};

/** Decision in the log that is not committed yet, or an answer that depends on one. */
interface Uncommitted<Waiter> {
  /** Offset of its last record, or of the last record that the answer depends on. */
  readonly offset: Offset;
  readonly waiter: Waiter;
}

/**
 * Metadata state machine of the active controller. Decisions read a speculative image, which includes appended records
 * that are not committed yet. A reply waits until all records that it depends on are committed (`DeferredEventQueue`).
 * Serves one term: a controller that steps down drops the speculative image, and decides nothing any more.
 * `Waiter` is whatever the caller needs to send a reply.
 */
export class Controller<Waiter> {
  readonly #settings: ControllerSettings;
  #committed: MetadataImage;
  #speculative: MetadataImage;
  /** Partitions of the speculative image by broker. */
  readonly #partitions: BrokerPartitions;
  readonly #sessions: BrokerSessions;
  readonly #tasks: PeriodicTasks;
  #hasRenounced = false;
  /** In the order of their offsets. */
  #uncommitted: Uncommitted<Waiter>[] = [];

  /**
   * `image` is the committed metadata at the time this controller becomes active, which is `now`, a monotonic time in
   * milliseconds.
   */
  constructor(settings: ControllerSettings, image: MetadataImage, now: number) {
    this.#settings = settings;
    this.#committed = image;
    this.#speculative = image;
    this.#partitions = new BrokerPartitions(image);
    const { sessionTimeoutMs: timeoutMs, hasEnded, isLocal } = settings;
    this.#sessions = new BrokerSessions(image, { now, timeoutMs, hasEnded, isLocal });
    this.#tasks = new PeriodicTasks(settings, now);
  }

  /** Metadata with all appended records. */
  get image(): MetadataImage {
    return this.#speculative;
  }

  /**
   * Returns the first records of this term: `bootstrap` for a new cluster, and the end of a transaction that the
   * controller before left open.
   */
  activationRecords(bootstrap: readonly MetadataRecord[]): readonly MetadataRecord[] {
    return activationRecords(this.#speculative, this.#settings, bootstrap);
  }

  /**
   * Returns records and reply for a request; changes no metadata. The caller authorizes the request, and appends the
   * records before the next decision.
   */
  decide<N extends keyof ControllerRequests>(
    name: N,
    request: ControllerRequests[N]["request"],
    draw: Draw,
  ): Decision<ControllerRequests[N]["reply"]> {
    return this.#noted(this.consider(name, request, draw), draw);
  }

  /** Returns what `decide` would, for a caller that may drop it. */
  consider<N extends keyof ControllerRequests>(
    name: N,
    request: ControllerRequests[N]["request"],
    draw: Draw,
  ): Decision<ControllerRequests[N]["reply"]> {
    const decider = DECIDERS[name] as (
      context: DecisionContext,
      request: ControllerRequests[N]["request"],
    ) => Decision<ControllerRequests[N]["reply"]>;
    return decider(this.#context(this.#speculative, draw), request);
  }

  #noted<D extends Decision<unknown> | undefined>(decision: D, { now }: Draw): D {
    if (decision !== undefined && decision.records.length > 0) this.#tasks.decided(now);
    return decision;
  }

  #context(image: MetadataImage, draw: Draw): DecisionContext {
    invariant(!this.#hasRenounced, "a controller that has stepped down decides nothing");
    return { image, partitions: this.#partitions, sessions: this.#sessions, settings: this.#settings, draw };
  }

  /** Takes note that the process of a broker has ended, in the life that has this epoch. */
  lost(brokerId: BrokerId, brokerEpoch: BrokerEpoch): void {
    const broker = this.#speculative.brokers.get(brokerId);
    if (broker?.brokerEpoch === brokerEpoch) this.#sessions.lost(broker);
  }

  /** Time at which `tick` has something to do; Infinity if it never has. */
  get nextDeadline(): number {
    return this.#hasRenounced ? Infinity : Math.min(this.#sessions.nextExpiry(), this.#tasks.next(this.#speculative));
  }

  /**
   * Returns a decision that is due at `draw.now`; undefined if there is none. Call it again once the records are
   * appended: there may be more.
   */
  tick(draw: Draw): PeriodicDecision | undefined {
    return this.#noted(this.#tasks.decide(this.#context(this.#speculative, draw)), draw);
  }

  /** Replays records that were appended to the log; `provenance` is that of the last one. */
  appended(records: readonly MetadataRecord[], provenance: Provenance): void {
    const delta = new MetadataDelta(this.#speculative);
    for (const record of records) delta.replay(record);
    this.#speculative = delta.apply(provenance);
    this.#partitions.replayed(delta, this.#speculative);
    this.#sessions.replayed(delta, this.#speculative);
  }

  /** Returns true if the metadata are committed now; else `commitUpTo` or `renounce` returns the waiter. */
  await(waiter: Waiter): boolean {
    const { offset } = this.#speculative.provenance;
    if (offset <= this.#committed.provenance.offset) return true;
    this.#uncommitted.push({ offset, waiter });
    return false;
  }

  /** Number of waiters whose metadata are not committed. */
  get waiting(): number {
    return this.#uncommitted.length;
  }

  /** Takes over the committed metadata, and returns the waiters whose records they include. */
  commitUpTo(image: MetadataImage): Waiter[] {
    const { offset } = image.provenance;
    invariant(offset >= this.#committed.provenance.offset, "the high watermark does not go back");
    this.#committed = image;
    // Without uncommitted records both images have the same content: keep one of them.
    if (offset >= this.#speculative.provenance.offset) this.#speculative = image;
    const count = this.#uncommitted.findIndex(waiting => waiting.offset > offset);
    return this.#uncommitted.splice(0, count < 0 ? Infinity : count).map(({ waiter }) => waiter);
  }

  /** Steps down: drops all records that are not committed, and returns their waiters. */
  renounce(): Waiter[] {
    this.#speculative = this.#committed;
    this.#hasRenounced = true;
    return this.#uncommitted.splice(0).map(({ waiter }) => waiter);
  }
}
