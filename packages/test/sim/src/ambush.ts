import type { DiskOperation, SimDisk } from "./world/disk.ts";
import type { Prng } from "./world/prng.ts";
import type { Ending } from "./ledgers/rules.ts";

/** Paths touched in the middle of a move, a compaction, a roll, a truncation, a checkpoint or a deletion. */
const SPOTS: readonly RegExp[] = [
  /-future(?:\/|$)/,
  /-future\/.*\.log$/,
  /^\/data2?$/,
  /\.(?:cleaned|swap)$/,
  /\d\.(?:index|timeindex|txnindex|snapshot)$/,
  /(?:\.tmp|checkpoint)$/,
  /\.cut$/,
  /\.deleted$|-delete/,
  /__(?:cluster_metadata|transaction_state|consumer_offsets)/,
  /\.log$/,
];
const CHANGES: ReadonlySet<DiskOperation> = new Set<DiskOperation>([
  "open",
  "write",
  "truncate",
  "sync",
  "makeDirectory",
  "rename",
  "removeFile",
  "removeTree",
  "syncDirectory",
]);

/** Ends the broker's life at a drawn disk operation, in the middle of the work that needs it. */
export function layAmbush(disk: SimDisk, rng: Prng, spring: (ending: Ending) => void): void {
  const spot = rng.oneOf(SPOTS);
  const ending: Ending = rng.chance(0.3) ? "kill" : "power";
  let left = rng.chance(0.5) ? rng.int(0, 6) : rng.int(0, 60);
  disk.watch = (operation, path) => {
    if (!CHANGES.has(operation) || !spot.test(path) || left-- > 0) return;
    disk.watch = undefined;
    spring(ending);
  };
}
