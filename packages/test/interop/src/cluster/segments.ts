import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** SHA-256 of all segments of a replica, in their order: where they begin may differ, but not what is in them. */
export function segmentsHash(directory: string, topic: string, partition: number): string {
  const folder = join(directory, `${topic}-${partition}`);
  const hash = createHash("sha256");
  for (const name of readdirSync(folder).toSorted()) {
    if (name.endsWith(".log")) hash.update(readFileSync(join(folder, name)));
  }
  return hash.digest("hex");
}
