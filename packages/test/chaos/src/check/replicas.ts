import { existsSync, readdirSync } from "node:fs";
import { segmentsHash } from "@samsa/interop";

const PARTITION = /^(.+)-(\d+)$/;

/** Partitions of the topics in a log directory. */
function partitionsIn(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true }).flatMap(entry =>
    entry.isDirectory() && PARTITION.test(entry.name) && !entry.name.startsWith("__cluster_metadata")
      ? [entry.name]
      : [],
  );
}

/**
 * Compares the segments of all replicas of all partitions byte for byte, and returns a sentence for each partition whose
 * replicas differ. All records must be below the high watermark: replicas are in sync and nothing is written.
 */
export function unequalReplicas(
  nodes: readonly { readonly id: number; readonly directories: readonly string[] }[],
): string[] {
  const hashes = new Map<string, Map<number, string>>();
  for (const { id, directories } of nodes) {
    for (const directory of directories) {
      for (const name of partitionsIn(directory)) {
        const [, topic = "", partition = ""] = PARTITION.exec(name) ?? [];
        const byNode = hashes.get(name) ?? new Map<number, string>();
        hashes.set(name, byNode.set(id, segmentsHash(directory, topic, Number(partition))));
      }
    }
  }
  return [...hashes].flatMap(([name, byNode]) => {
    const all = [...byNode].map(([id, hash]) => `${id}: ${hash.slice(0, 8)}`);
    return new Set(byNode.values()).size <= 1 ? [] : [`the replicas of ${name} differ (${all.join(", ")})`];
  });
}
