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

/** Who decides on what. */
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
/** By name, what is asked and what is answered: the messages of the API of that name. */
export type ControllerRequests = {
  readonly [N in keyof Deciders]: {
    readonly request: Parameters<Deciders[N]>[1];
    readonly reply: ReturnType<Deciders[N]>["reply"];
  };
};

/**
 * The metadata as the active controller sees it. Decisions read the image with everything replayed in it; a caller that
 * decides again before its last records are replayed would decide on the past, so it replays them first (they may still
 * be uncommitted: it begins again from a committed image when they turn out not to be).
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

  /** Records and reply for a request; changes nothing. Authorisation is the caller's. */
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

  /** Applies a record of the log at `provenance`; the only thing that changes the metadata. */
  replay(record: MetadataRecord, provenance: Provenance): void {
    this.#delta.replay(record);
    this.#provenance = provenance;
  }
}
