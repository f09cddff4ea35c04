import { ZERO_UUID } from "@samsa/base";
import { Controller } from "@samsa/controller";
import { EMPTY_IMAGE, imageRecords, MetadataDelta, type MetadataImage } from "@samsa/metadata";
import { createTopicsRequest, deleteTopicsRequest, type MetadataRecord } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Fixture, id, settings } from "./fixture.ts";

/** A new cluster with one broker, and its log. */
function begin() {
  const fixture = new Fixture();
  fixture.beat(1, fixture.join(1));
  const log = [...fixture.log];
  return { log, image: replayed(log, log.length) };
}

/** Image of the first `count` records of a log. */
function replayed(log: readonly MetadataRecord[], count: number): MetadataImage {
  const delta = new MetadataDelta(EMPTY_IMAGE);
  for (const record of log.slice(0, count)) delta.replay(record);
  return delta.apply({ offset: count - 1, epoch: 1, timestamp: 0 });
}

const names = fc.constantFrom("a", "b", "c", "d");
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant("create" as const), name: names }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("delete" as const), name: names }) },
    {
      weight: 3,
      arbitrary: fc.record({ type: fc.constant("commit" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("renounce" as const) }) },
  ),
  { maxLength: 40, size: "max" },
);

/** A reply that waits until the log is committed up to `end`. */
interface Waiter {
  readonly end: number;
}

describe("speculation", () => {
  test("decisions see all appended records, replies wait for theirs, and a renouncing controller is as committed", () => {
    fc.assert(
      fc.property(steps, all => {
        const { log, image } = begin();
        let ids = 0;
        /** Offset after the last committed record. */
        let committed = log.length;
        let controller = new Controller<Waiter>(settings, image, 0);
        const draw = () => ({
          uuid: () => id(++ids + 100),
          below: () => 0,
          nextOffset: log.length,
          now: 0,
          time: 0,
          mutate: () => true,
          judge: () => undefined,
        });
        /** Waiters that no call has returned yet. */
        const waiting = new Set<Waiter>();
        const decide = (records: readonly MetadataRecord[]): void => {
          log.push(...records);
          if (records.length > 0) controller.appended(records, { offset: log.length - 1, epoch: 1, timestamp: 0 });
          const waiter = { end: log.length };
          if (!controller.await(waiter)) waiting.add(waiter);
          else expect(log.length).toBe(committed);
          expect(imageRecords(controller.image)).toEqual(imageRecords(replayed(log, log.length)));
        };
        for (const step of all) {
          if (step.type === "create") {
            const topics = [{ name: step.name, numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] }];
            const exists = controller.image.topicIds.has(step.name);
            const { records, reply } = controller.decide(
              "CreateTopics",
              createTopicsRequest.defaults({ topics }),
              draw(),
            );
            expect([records.length === 0, reply.topics[0].errorCode]).toEqual([exists, exists ? 36 : 0]);
            decide(records);
          } else if (step.type === "delete") {
            const topics = [{ name: step.name, topicId: ZERO_UUID }];
            const exists = controller.image.topicIds.has(step.name);
            const { records } = controller.decide("DeleteTopics", deleteTopicsRequest.defaults({ topics }), draw());
            expect(records.length > 0).toBe(exists);
            decide(records);
          } else if (step.type === "commit") {
            committed += Math.floor((log.length - committed) * step.share);
            const due = controller.commitUpTo(replayed(log, committed));
            expect(due).toEqual([...waiting].filter(({ end }) => end <= committed));
            for (const waiter of due) waiting.delete(waiter);
          } else {
            expect(new Set(controller.renounce())).toEqual(waiting);
            waiting.clear();
            log.length = committed;
            expect(imageRecords(controller.image)).toEqual(imageRecords(replayed(log, committed)));
            expect(() => controller.tick(draw())).toThrow("stepped down");
            controller = new Controller(settings, controller.image, 0);
          }
        }
      }),
    );
  });

  test("the high watermark does not go back", () => {
    const { log, image } = begin();
    const controller = new Controller<number>(settings, image, 0);
    expect(() => controller.commitUpTo(replayed(log, log.length - 1))).toThrow("the high watermark does not go back");
  });
});
