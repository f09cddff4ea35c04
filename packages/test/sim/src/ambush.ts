import type { DiskOperation, SimDisk } from "./disk.ts";
import type { Prng } from "./prng.ts";
import type { Ending } from "./rules.ts";

/** Files that are touched in the midst of something: a move, a compaction, a roll, a cut, a checkpoint, a deletion. */
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

/** Ends a life at one of the operations of its disk, in the midst of what it was about. */
export function layAmbush(disk: SimDisk, rng: Prng, spring: (ending: Ending) => void): void {
  const spot = SPOTS[rng.int(0, SPOTS.length - 1)];
  const ending: Ending = rng.chance(0.3) ? "kill" : "power";
  let left = rng.chance(0.5) ? rng.int(0, 6) : rng.int(0, 60);
  disk.watch = (operation, path) => {
    if (!CHANGES.has(operation) || !spot.test(path) || left-- > 0) return;
    disk.watch = undefined;
    spring(ending);
  };
}
