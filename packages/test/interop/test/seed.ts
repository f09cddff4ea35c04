import { randomInt } from "node:crypto";

/** Played where nobody asks for another, so that a run of all tests is the same each time. */
const USUAL = 20_261_127;

/** The seed of a random test: `INTEROP_SEED`, which may be "random". */
export function interopSeed(): number {
  const asked = process.env.INTEROP_SEED;
  return asked === "random" ? randomInt(2 ** 31) : Number(asked ?? USUAL);
}
