import fc from "fast-check";
import { expect, test } from "vitest";
import { ModelCluster, TIMEOUT } from "./model-cluster.ts";

const broker = fc.nat(4);
const share = fc.constantFrom(0, 0.5, 1, 1);
const topic = fc.constantFrom("a", "b", "lossy");
const factor = fc.integer({ min: 1, max: 4 });
const time = fc.constantFrom(100, 2000, TIMEOUT - 1, TIMEOUT, 30_000);

/** Steps of a history: methods of `ModelCluster` with their arguments, and how often they are drawn. */
const STEPS = {
  start: [4, fc.tuple(broker)],
  beat: [8, fc.tuple(broker, fc.boolean())],
  stop: [2, fc.tuple(broker)],
  crash: [2, fc.tuple(broker, share)],
  catchUp: [4, fc.tuple(broker)],
  replicate: [3, fc.tuple(broker)],
  produce: [6, fc.tuple(broker, fc.boolean())],
  propose: [6, fc.tuple(broker, fc.nat(9))],
  deliver: [6, fc.tuple(fc.nat(9))],
  createTopic: [4, fc.tuple(topic, factor)],
  deleteTopic: [1, fc.tuple(topic)],
  reassign: [6, fc.tuple(topic, broker, fc.nat(3))],
  elect: [1, fc.tuple(fc.constantFrom(0, 0, 0, 1))],
  unregister: [1, fc.tuple(broker)],
  allocate: [1, fc.tuple(broker)],
  pass: [4, fc.tuple(time)],
  commit: [10, fc.tuple(share)],
  renounce: [1, fc.tuple()],
  settle: [6, fc.tuple()],
} as const satisfies Partial<Record<keyof ModelCluster, readonly [number, fc.Arbitrary<readonly unknown[]>]>>;

type Name = keyof typeof STEPS;

const steps = fc.array(
  fc.oneof(
    ...Object.entries(STEPS).map(([name, [weight, values]]) => ({
      weight,
      arbitrary: fc.tuple(fc.constant(name as Name), values as fc.Arbitrary<readonly unknown[]>),
    })),
  ),
  { minLength: 20, maxLength: 150, size: "max" },
);

/** Histories of a run; CONTROLLER_SEEDS=3000 plays more. */
const numRuns = Number(process.env.CONTROLLER_SEEDS ?? 100);

test.each([true, false])("brokers and controllers come and go, eligible leader replicas: %s", elr => {
  let acknowledged = 0;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), steps, (count, history) => {
      const cluster = new ModelCluster(count, elr);
      for (const [name, values] of history) (cluster[name] as (...values: readonly unknown[]) => void)(...values);
      cluster.heal();
      acknowledged += cluster.acknowledged;
    }),
    { numRuns },
  );
  expect(acknowledged).toBeGreaterThan(0);
});
