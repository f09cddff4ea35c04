import { readdirSync } from "node:fs";
import { type MixedNode, segmentsHash } from "@samsa/interop";

const PARTITION = /^(.+)-(\d+)$/;

/** Partitions of the topics in the directories of a node. */
function partitionsOf(node: MixedNode): string[] {
  return readdirSync(node.directory, { withFileTypes: true }).flatMap(entry =>
    entry.isDirectory() && PARTITION.test(entry.name) && !entry.name.startsWith("__cluster_metadata")
      ? [entry.name]
      : [],
  );
}

/**
 * Compares the segments of all replicas of all partitions byte for byte, and returns a sentence for each partition whose
 * replicas differ. All records must be below the high watermark: replicas are in sync and nothing is written.
 */
export function unequalReplicas(nodes: readonly MixedNode[]): string[] {
  const hashes = new Map<string, Map<number, string>>();
  for (const node of nodes) {
    for (const name of partitionsOf(node)) {
      const [, topic = "", partition = ""] = PARTITION.exec(name) ?? [];
      const byNode = hashes.get(name) ?? new Map<number, string>();
      hashes.set(name, byNode.set(node.id, segmentsHash(node.directory, topic, Number(partition))));
    }
  }
  return [...hashes].flatMap(([name, byNode]) => {
    const all = [...byNode].map(([id, hash]) => `${id}: ${hash.slice(0, 8)}`);
    return new Set(byNode.values()).size <= 1 ? [] : [`the replicas of ${name} differ (${all.join(", ")})`];
  });
}
