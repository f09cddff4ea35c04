import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ModelBrokers, type ModelPartition } from "./model-brokers.ts";
import { ModelConsumer } from "./model-consumer.ts";

const OFTEN = ["produce", "deliver", "read", "process", "time", "round", "begin", "begin", "commit", "abort"] as const;
const RARE = [
  ...(["compact", "trim", "move", "truncate", "publish", "lose", "drop", "pause", "resume", "seek", "assign"] as const),
  ...(["prefer", "corrupt", "cut", "batches"] as const),
];

type What = (typeof OFTEN)[number] | (typeof RARE)[number];

const step = fc.oneof(
  { weight: 30, arbitrary: fc.tuple(fc.constantFrom<What>(...OFTEN), fc.nat(1000)) },
  { weight: 12, arbitrary: fc.tuple(fc.constantFrom<What>(...RARE), fc.nat(1000)) },
);

const world = fc.record({
  versions: fc.constantFrom([17, 17, 17], [12, 12, 12], [17, 12, 17]),
  isCommitted: fc.boolean(),
  isSessionless: fc.boolean(),
  hasGroup: fc.boolean(),
  steps: fc.array(step, { maxLength: 300, size: "max" }),
});

function play(consumer: ModelConsumer, what: What, by: number): void {
  const { brokers, messages } = consumer;
  const partition = brokers.partitions[by % brokers.partitions.length] as ModelPartition;
  const { topic, partition: index, log } = partition;
  const message = messages.length === 0 ? 0 : by % messages.length;
  const isAssigned = consumer.stories.has(partition);
  switch (what) {
    case "produce":
      return log.append(1 + (by % 5), -1, by);
    case "begin":
      return log.append(1 + (by % 3), by % 2, by);
    case "commit":
      return log.mark("commit");
    case "abort":
      return log.mark("abort");
    case "compact":
      return log.compact(by);
    case "trim":
      return log.trim(by % (log.end + 1));
    case "move":
      partition.leader = by % 3;
      partition.preferred = -1;
      return log.elect();
    case "truncate":
      partition.leader = (by + 1) % 3;
      log.elect(Math.max(log.start, log.end - (by % 7)));
      // Time enough for other records to take the place of those that are lost.
      return log.append(by % 8, -1, by);
    case "prefer":
      partition.preferred = (by % 4) - 1;
      return;
    case "publish":
      brokers.publish();
      return consumer.poll();
    case "lose":
      return brokers.sessions[by % 3].clear();
    case "process":
      return consumer.process(message);
    case "deliver":
      return consumer.deliver(message);
    case "drop":
      return consumer.drop(message);
    case "read":
      consumer.read(1 + (by % 12));
      return;
    case "round":
      for (let i = messages.length; i > 0; i--) consumer.deliver(0);
      consumer.read(1 + (by % 12));
      return;
    case "time":
      consumer.now += by;
      return consumer.poll();
    case "pause":
      if (isAssigned) consumer.fetcher.pause(topic, index);
      return consumer.poll();
    case "resume":
      if (isAssigned) consumer.fetcher.resume(topic, index);
      return consumer.poll();
    case "seek":
      return isAssigned ? consumer.seek(partition, by % (log.end + 2)) : undefined;
    case "assign":
      return consumer.assign(brokers.partitions.filter((_, i) => ((by >> i) & 1) === 0));
    case "corrupt":
      consumer.isCorrupting = by % 2 === 0;
      return;
    case "cut":
      brokers.isCut = by % 2 === 0;
      return;
    case "batches":
      brokers.mostBatches = 1 + (by % 9);
  }
}

test("every record is given out once and in order, and truncations are told", () => {
  fc.assert(
    fc.property(world, ({ versions, isCommitted, isSessionless, hasGroup, steps }) => {
      const brokers = new ModelBrokers(versions);
      brokers.isCommitted = isCommitted;
      brokers.isSessionless = isSessionless;
      const isolation = isCommitted ? "read_committed" : "read_uncommitted";
      const consumer = new ModelConsumer(brokers, { isolation, hasGroup });
      consumer.assign(brokers.partitions);
      for (const [what, by] of steps) play(consumer, what, by);
      consumer.settle();
      for (const error of consumer.errors) expect(error.name).toBe("CORRUPT_MESSAGE");
      expect(consumer.errors.length).toBeLessThanOrEqual(consumer.corruptions);
    }),
    { numRuns: 400 },
  );
});
