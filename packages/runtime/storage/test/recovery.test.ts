import { expect, test } from "vitest";
import { Fixture } from "./fixture.ts";

test("what recovery cuts off a log is gone for good: a second power cut does not bring it back", () => {
  const fixture = new Fixture(1, { segmentBytes: 100_000 });
  for (const from of [0, 2, 4]) {
    fixture.log.append(fixture.batch(2, from), { origin: "client", now: 1_700_000_000_000, leaderEpoch: 0 });
  }
  fixture.log.writePending();
  const path = `${fixture.log.path}/${fixture.log.state.active.file}`;
  const whole = fixture.log.size;
  fixture.node = fixture.world.crash("a", { unsynced: "kept" });
  fixture.node.disk.flipBit(path, Math.floor(whole / 2));
  fixture.dir = fixture.open();
  expect(fixture.log.endOffset).toBe(2);
  fixture.node = fixture.world.crash("a", { unsynced: "lost" });
  expect(fixture.node.env.disk.open(path, "read").size()).toBe(whole / 3);
});
