import fc from "fast-check";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type BrokerPlace, type PartitionReplicas, planAssignment } from "../src/assignment/assignment.ts";
import { planText, readPlan } from "../src/assignment/plan-file.ts";

const racks = (...names: (string | null)[]): BrokerPlace[] => names.map((rack, i) => ({ id: i + 1, rack }));
const topic = (...replicas: number[][]): PartitionReplicas[] =>
  replicas.map((ids, partition) => ({ topic: "t", partition, replicas: ids }));

/** The partitions after a plan. */
function after(partitions: readonly PartitionReplicas[], brokers: readonly BrokerPlace[], factor?: number) {
  const changes = new Map(planAssignment(partitions, brokers, factor).map(p => [p.partition, p.replicas]));
  return partitions.map(p => ({ ...p, replicas: changes.get(p.partition) ?? p.replicas }));
}

describe("a plan of reassignment", () => {
  test("leaves alone what is level and spread", () => {
    expect(planAssignment(topic([1, 2], [2, 3], [3, 1]), racks(null, null, null))).toEqual([]);
  });

  test("replaces only the replicas of a broker that is not listed", () => {
    const brokers = racks("a", "b", "a", "b").filter(({ id }) => id !== 2);
    expect(planAssignment(topic([1, 2], [4, 3]), brokers)).toEqual([{ topic: "t", partition: 0, replicas: [1, 4] }]);
  });

  test("fills a new broker, and changes the number of replicas", () => {
    const counts = (partitions: readonly PartitionReplicas[], id: number) =>
      partitions.filter(({ replicas }) => replicas.includes(id)).length;
    const grown = after(topic([1, 2], [2, 1], [1, 2]), racks(null, null, null));
    expect([1, 2, 3].map(id => counts(grown, id))).toEqual([2, 2, 2]);
    expect(after(topic([1], [1], [1]), racks(null, null, null), 3).map(({ replicas }) => replicas.length)).toEqual([
      3, 3, 3,
    ]);
    expect(after(topic([1, 2, 3]), racks(null, null, null), 1)[0].replicas).toHaveLength(1);
  });

  test("spreads replicas over racks, even if that moves one", () => {
    expect(after(topic([1, 2]), racks("a", "a", "b"))[0].replicas.toSorted((a, b) => a - b)).toEqual([1, 3]);
  });

  test("levels the preferred leaders without moving data", () => {
    const [first, second] = after(topic([1, 2], [1, 2]), racks(null, null));
    expect(new Set([first.replicas[0], second.replicas[0]])).toEqual(new Set([1, 2]));
  });

  const world = fc.record({
    brokers: fc.array(fc.constantFrom("a", "b", "c", null), { minLength: 1, maxLength: 6 }).map(all => racks(...all)),
    partitions: fc
      .array(fc.uniqueArray(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 4 }), { maxLength: 12 })
      .map(all => topic(...all)),
    factor: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  });

  test("has distinct replicas on listed brokers, as many racks as there can be, and a fixed point", () => {
    fc.assert(
      fc.property(world, ({ brokers, partitions, factor }) => {
        const rackOf = new Map(brokers.map(({ id, rack }) => [id, rack ?? `own ${id}`]));
        const planned = after(partitions, brokers, factor);
        planned.forEach(({ replicas }, i) => {
          const wanted = Math.min(factor ?? partitions[i].replicas.length, brokers.length);
          expect(new Set(replicas).size).toBe(wanted);
          expect(replicas).toHaveLength(wanted);
          for (const id of replicas) expect(rackOf.has(id)).toBe(true);
          const used = new Set(replicas.map(id => rackOf.get(id))).size;
          expect(used).toBe(Math.min(wanted, new Set(rackOf.values()).size));
        });
        expect(planAssignment(planned, brokers, factor)).toEqual([]);
        const counts = brokers.map(({ id }) => planned.filter(({ replicas }) => replicas.includes(id)).length);
        const isFlat = new Set(rackOf.values()).size === brokers.length;
        if (isFlat) expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

test("a plan is read as it was written, and nothing else is a plan", () => {
  const directory = mkdtempSync(join(tmpdir(), "samsa-plan-"));
  const path = join(directory, "plan.json");
  const read = (text: string) => {
    writeFileSync(path, text);
    return readPlan(path);
  };
  try {
    const plan = topic([1, 2], [3]);
    expect(read(planText(plan))).toEqual(plan);
    expect(() => read("{")).toThrow("cannot read the plan");
    expect(() => read("null")).toThrow('no list "partitions"');
    const entry = (replicas: unknown) => JSON.stringify({ partitions: [{ topic: "t", partition: 0, replicas }] });
    for (const bad of [[], [1, 1], [-1], ["1"], null]) expect(() => read(entry(bad))).toThrow("topic, partition and");
    expect(() => read(planText([...plan, ...plan]))).toThrow("more than once");
  } finally {
    rmSync(directory, { recursive: true });
  }
});
