import { EMPTY_IMAGE, MetadataDelta, type MetadataImage, type Provenance } from "@samsa/metadata";
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

/** Decision functions by request name. */
const DECIDERS = {
  createTopics,
  deleteTopics,
  createPartitions,
  incrementalAlterConfigs,
  alterConfigs,
  alterClientQuotas,
  electLeaders,
  alterPartitionReassignments,
  registerBroker,
  unregisterBroker,
  unregisterController,
  brokerHeartbeat,
  allocateProducerIds,
  assignReplicasToDirs,
  updateFeatures,
} as const;

type Deciders = typeof DECIDERS;
/** Request and reply of each decision, by its name: the messages of the API of that name. */
export type ControllerRequests = {
  readonly [N in keyof Deciders]: {
    readonly request: Parameters<Deciders[N]>[1];
    readonly reply: ReturnType<Deciders[N]>["reply"];
  };
};

/**
 * Metadata state machine of the active controller. Decisions read the image with all replayed records. Before the next
 * decision, the caller must replay the records of the last one, even uncommitted ones; if they are not committed in the
 * end, it starts again from a committed image.
 */
export class Controller {
  readonly #settings: ControllerSettings;
  #image: MetadataImage;
  #delta: MetadataDelta;
  #provenance: Provenance;

  constructor(settings: ControllerSettings, image: MetadataImage = EMPTY_IMAGE) {
    this.#settings = settings;
    this.#image = image;
    this.#delta = new MetadataDelta(image);
    this.#provenance = image.provenance;
  }

  get image(): MetadataImage {
    if (!this.#delta.isEmpty()) {
      this.#image = this.#delta.apply(this.#provenance);
      this.#delta = new MetadataDelta(this.#image);
    }
    return this.#image;
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
    return decider({ image: this.image, settings: this.#settings, draw }, request);
  }

  /** Applies a record of the log at `provenance`; no other call changes the metadata. */
  replay(record: MetadataRecord, provenance: Provenance): void {
    this.#delta.replay(record);
    this.#provenance = provenance;
  }
}
