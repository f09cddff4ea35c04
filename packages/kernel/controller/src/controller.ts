import { invariant, type Offset } from "@samsa/base";
import { MetadataDelta, type MetadataImage, type Provenance } from "@samsa/metadata";
import type { MetadataRecord } from "@samsa/protocol";
import { alterConfigs, incrementalAlterConfigs } from "./configs.ts";
import type { ControllerSettings, Decision, DecisionContext, Draw } from "./decision.ts";
import { assignReplicasToDirs } from "./directories.ts";
import { updateFeatures } from "./features.ts";
import {
  allocateProducerIds,
  brokerHeartbeat,
  registerBroker,
  unregisterBroker,
  unregisterController,
} from "./nodes.ts";
import { alterClientQuotas } from "./quotas.ts";
import { alterPartitionReassignments, electLeaders } from "./reassignments.ts";
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
  AlterPartitionReassignments: alterPartitionReassignments,
  BrokerRegistration: registerBroker,
  UnregisterBroker: unregisterBroker,
  UnregisterController: unregisterController,
  BrokerHeartbeat: brokerHeartbeat,
  AllocateProducerIds: allocateProducerIds,
  AssignReplicasToDirs: assignReplicasToDirs,
  UpdateFeatures: updateFeatures,
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
 * A controller that steps down drops the speculative image. `Waiter` is whatever the caller needs to send a reply.
 */
export class Controller<Waiter> {
  readonly #settings: ControllerSettings;
  #committed: MetadataImage;
  #speculative: MetadataImage;
  /** In the order of their offsets. */
  #uncommitted: Uncommitted<Waiter>[] = [];

  /** `image` is the committed metadata at the time this controller becomes active. */
  constructor(settings: ControllerSettings, image: MetadataImage) {
    this.#settings = settings;
    this.#committed = image;
    this.#speculative = image;
  }

  /** Metadata with all appended records. */
  get image(): MetadataImage {
    return this.#speculative;
  }

  /** Returns records and reply for a request; changes nothing. The caller authorizes the request. */
  decide<N extends keyof ControllerRequests>(
    name: N,
    request: ControllerRequests[N]["request"],
    draw: Draw,
  ): Decision<ControllerRequests[N]["reply"]> {
    const decider = DECIDERS[name] as (
      context: DecisionContext,
      request: ControllerRequests[N]["request"],
    ) => Decision<ControllerRequests[N]["reply"]>;
    return decider({ image: this.#speculative, settings: this.#settings, draw }, request);
  }

  /** Replays records that were appended to the log; `provenance` is that of the last one. */
  appended(records: readonly MetadataRecord[], provenance: Provenance): void {
    const delta = new MetadataDelta(this.#speculative);
    for (const record of records) delta.replay(record);
    this.#speculative = delta.apply(provenance);
  }

  /** Returns true if the metadata are committed now; else `commitUpTo` or `renounce` returns the waiter. */
  await(waiter: Waiter): boolean {
    const { offset } = this.#speculative.provenance;
    if (offset <= this.#committed.provenance.offset) return true;
    this.#uncommitted.push({ offset, waiter });
    return false;
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

  /** Drops all records that are not committed, and returns their waiters. */
  renounce(): Waiter[] {
    this.#speculative = this.#committed;
    return this.#uncommitted.splice(0).map(({ waiter }) => waiter);
  }
}
