import type { MetadataImage, PartitionImage } from "@samsa/metadata";
import type { ClusterMachine } from "./machine.ts";

/** State of a cluster as somebody sees it who looks into all of its nodes. */
export class ClusterSight {
  readonly #machines: readonly ClusterMachine[];

  constructor(machines: readonly ClusterMachine[]) {
    this.#machines = machines;
  }

  /** Newest metadata of any node. */
  get image(): MetadataImage | undefined {
    return this.#machines
      .flatMap(({ node }) => node?.shared.loader.image ?? [])
      .reduce<MetadataImage | undefined>(
        (newest, image) => (image.provenance.offset > (newest?.provenance.offset ?? -2) ? image : newest),
        undefined,
      );
  }

  /** First partition that is not as `holds` says. */
  partitionWithout(holds: (partition: PartitionImage) => boolean): string | undefined {
    for (const topic of this.image?.topics.values() ?? []) {
      for (const [index, partition] of topic.partitions) {
        if (!holds(partition)) return `${topic.name}-${index}: ${JSON.stringify(partition)}`;
      }
    }
    return undefined;
  }

  /** True if all nodes run, and all replicas are in sync. */
  get isWhole(): boolean {
    const isUp = this.#machines.every(({ node, isPaused }) => node !== undefined && !isPaused);
    return isUp && this.partitionWithout(isInSync) === undefined;
  }
}

/** True for a partition whose replicas are all in sync. */
export function isInSync({ isr, replicas }: PartitionImage): boolean {
  return isr.length === replicas.length;
}
