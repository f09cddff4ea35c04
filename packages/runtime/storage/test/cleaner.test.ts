import fc from "fast-check";
import { describe, test } from "vitest";
import { Compacted, op } from "./compacted.ts";

describe("compaction", () => {
  test("keeps the last of each key, what readers were promised, and what producers did", async () => {
    const property = fc.asyncProperty(fc.nat(), fc.array(op, { minLength: 5, maxLength: 60 }), async (seed, ops) => {
      const compacted = new Compacted(seed, 1 << 20);
      for (const next of ops) await compacted.run(next);
      compacted.log.roll();
      await compacted.compact();
    });
    await fc.assert(property, { numRuns: 150 });
  });
});
