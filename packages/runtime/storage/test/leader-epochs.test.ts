import { expect, test } from "vitest";
import { Fixture, NOW } from "./fixture.ts";

test("a leader epoch costs no write until its first record, and outlasts a power cut after a flush", async () => {
  const fixture = new Fixture(1);
  fixture.log.append(fixture.batch(2), { origin: "client", leaderEpoch: 0, now: NOW });
  fixture.log.writePending();
  const written: string[] = [];
  fixture.node.disk.fault = (operation, path) => {
    if (operation === "write" || operation === "rename") written.push(path.slice(path.lastIndexOf("/") + 1));
    return undefined;
  };
  for (const epoch of [1, 2, 3]) fixture.log.beginEpoch(epoch);
  fixture.log.writePending();
  expect(written).toEqual([]);
  // Epochs without records leave nothing behind.
  expect(fixture.log.epochs).toEqual([
    { epoch: 0, startOffset: 0 },
    { epoch: 3, startOffset: 2 },
  ]);
  fixture.log.append(fixture.batch(2, 2), { origin: "client", leaderEpoch: 3, now: NOW });
  fixture.log.append(fixture.batch(2, 4), { origin: "client", leaderEpoch: 3, now: NOW });
  fixture.log.writePending();
  expect(written.filter(name => name.startsWith("leader-epoch-checkpoint"))).toHaveLength(2);
  fixture.node.disk.fault = undefined;
  await fixture.flush();
  fixture.crash("lost");
  expect(fixture.log.epochs).toEqual([
    { epoch: 0, startOffset: 0 },
    { epoch: 3, startOffset: 2 },
  ]);
});

test("a leader epoch without records is gone after a restart, and the next one begins where it did", async () => {
  const fixture = new Fixture(2);
  fixture.log.append(fixture.batch(2), { origin: "client", leaderEpoch: 0, now: NOW });
  fixture.log.beginEpoch(4);
  await fixture.restart();
  expect([fixture.log.latestEpoch, fixture.log.endOffsetForEpoch(4)]).toEqual([0, { epoch: -1, endOffset: -1 }]);
  fixture.log.beginEpoch(5);
  expect(fixture.log.endOffsetForEpoch(4)).toEqual({ epoch: 0, endOffset: 2 });
});
