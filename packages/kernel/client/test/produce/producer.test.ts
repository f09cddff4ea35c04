import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KafkaError, type ProducerOptions } from "../../src/index.ts";
import { ERRORS_AFTER, ERRORS_BEFORE } from "./model-cluster.ts";
import { type Sent, World } from "./producer-world.ts";

type Step =
  | { readonly do: "send"; readonly partition: number | undefined; readonly size: number; readonly isBad: boolean }
  | { readonly do: "poll" | "init" | "refresh" | "flush" }
  | { readonly do: "handle"; readonly broker: number; readonly before?: number; readonly after?: number }
  | { readonly do: "answer"; readonly broker: number }
  | { readonly do: "disconnect"; readonly broker: number; readonly arrived: number; readonly late: boolean }
  | { readonly do: "move"; readonly partition: number; readonly to: number }
  | { readonly do: "wait"; readonly ms: number };

const broker = fc.nat(1);
const code = (errors: readonly { code: number }[]) => fc.constantFrom(...errors.map(error => error.code));
const send = fc.record({
  do: fc.constant("send" as const),
  partition: fc.option(fc.nat(2), { nil: undefined }),
  size: fc.nat(60),
  isBad: fc.boolean().map(isBad => isBad && false),
});
const steps = (
  before: readonly { code: number; retriable: boolean }[],
  waits: readonly number[],
): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 8, arbitrary: send },
      { weight: 5, arbitrary: fc.constant<Step>({ do: "poll" }) },
      { weight: 2, arbitrary: fc.constantFrom<Step>({ do: "init" }, { do: "refresh" }, { do: "flush" }) },
      { weight: 6, arbitrary: broker.map<Step>(broker => ({ do: "handle", broker })) },
      {
        weight: 2,
        arbitrary: fc.tuple(broker, code(before)).map<Step>(([broker, before]) => ({ do: "handle", broker, before })),
      },
      {
        weight: 2,
        arbitrary: fc
          .tuple(broker, code(ERRORS_AFTER))
          .map<Step>(([broker, after]) => ({ do: "handle", broker, after })),
      },
      { weight: 6, arbitrary: broker.map<Step>(broker => ({ do: "answer", broker })) },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant("disconnect" as const),
          broker,
          arrived: fc.nat(4),
          late: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("move" as const), partition: fc.nat(2), to: broker }) },
      { weight: 3, arbitrary: fc.constantFrom(...waits).map<Step>(ms => ({ do: "wait", ms })) },
    ),
    { minLength: 20, maxLength: 250, size: "max" },
  );

function play(world: World, script: readonly Step[]): void {
  let token = 0;
  for (const [i, step] of script.entries()) {
    switch (step.do) {
      case "send": {
        const sent = world.send(`${step.isBad ? "bad" : "r"}${i}-${"x".repeat(step.size)}`, step.partition);
        if (sent instanceof KafkaError) expect(sent.name).toBe("CLOSED");
        break;
      }
      case "poll":
        world.poll();
        break;
      case "init":
        world.initProducerId(0, BigInt(10 + i));
        break;
      case "refresh":
        world.refresh();
        break;
      case "flush":
        world.core.flush(token++);
        break;
      case "handle":
        world.handle(step.broker, step);
        break;
      case "answer":
        world.answer(step.broker);
        break;
      case "disconnect":
        world.disconnect(step.broker, step.arrived, step.late);
        break;
      case "move":
        world.cluster.move(step.partition, step.to);
        break;
      case "wait":
        world.now += step.ms;
        break;
    }
  }
  world.finish();
  for (let flush = 0; flush < token; flush++) expect(world.settled.has(flush)).toBe(true);
}

/** Every record ended once, those acknowledged are where the producer says, and the memory is free again. */
function checkEnds(world: World): void {
  for (const record of world.sent) {
    expect(record.ends).toBe(1);
    if (record.error !== undefined) continue;
    const { log } = world.cluster.partitions[record.partition] ?? { log: [] };
    const places = log.filter(({ value }) => value === record.value).map(({ offset }) => offset);
    expect(places.length).toBeGreaterThan(0);
    if (record.offset !== undefined && record.offset >= 0) expect(places).toContain(record.offset);
  }
  expect(world.core.usedBytes).toBe(0);
  expect(world.core.incompleteBatches).toBe(0);
}

/** No record is there twice, and the records of a partition are in the order in which they were sent. */
function checkLogs(world: World): void {
  world.cluster.partitions.forEach(({ log }, partition) => {
    const values = log.map(({ value }) => value);
    expect(new Set(values).size).toBe(values.length);
    const order = world.sent.filter((record: Sent) => record.partition === partition).map(({ value }) => value);
    expect(values).toEqual(order.filter(value => values.includes(value)));
  });
}

const QUICK: ProducerOptions = {
  requestTimeoutMs: 300,
  deliveryTimeoutMs: 1000,
  retryBackoffMs: 10,
  retryBackoffMaxMs: 40,
};
const runs = { numRuns: Number(process.env["PRODUCER_RUNS"] ?? 400) };

describe("with idempotence", () => {
  test("records are neither lost, nor doubled, nor out of order", () => {
    fc.assert(
      fc.property(
        steps(ERRORS_BEFORE, [1, 5, 100, 300, 1100]),
        fc.integer({ min: 1, max: 5 }),
        (script, maxInFlight) => {
          const world = new World({ ...QUICK, batchBytes: 200, bufferBytes: 4000, maxInFlight });
          world.poll();
          world.initProducerId();
          play(world, script);
          checkEnds(world);
          checkLogs(world);
          expect(world.cluster.mostInFlight).toBeLessThanOrEqual(maxInFlight);
        },
      ),
      runs,
    );
  });

  test("records are written in the end, if no error is final and there is time", () => {
    const retriable = ERRORS_BEFORE.filter(error => error.retriable);
    fc.assert(
      fc.property(steps(retriable, [1, 5, 100]), fc.integer({ min: 1, max: 5 }), (script, maxInFlight) => {
        const patient = { ...QUICK, deliveryTimeoutMs: 1_000_000 };
        const world = new World({ ...patient, batchBytes: 200, bufferBytes: 4000, maxInFlight });
        world.poll();
        world.initProducerId();
        play(world, script);
        checkEnds(world);
        checkLogs(world);
        expect(world.sent.filter(({ error }) => error !== undefined)).toEqual([]);
        // The producer has waited for the back-off only.
        expect(world.now).toBeLessThan(100_000);
      }),
      runs,
    );
  });
});
