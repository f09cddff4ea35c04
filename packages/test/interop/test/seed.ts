import { randomInt } from "node:crypto";

/** Default seed, so that test runs are reproducible. */
const USUAL = 20_261_127;

/** Seed of a random test: `INTEROP_SEED`, which may be "random", else the default. */
export function interopSeed(): number {
  const asked = process.env.INTEROP_SEED;
  return asked === "random" ? randomInt(2 ** 31) : Number(asked ?? USUAL);
}
