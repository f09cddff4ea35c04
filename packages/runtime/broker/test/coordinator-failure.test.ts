import { expect, test, vi } from "vitest";
import { TestBroker } from "./wire.ts";

test("a shard that fails at periodic work does not keep the others from theirs", async () => {
  const broker = await TestBroker.start({ "offsets.topic.num.partitions": "3" });
  const wire = await broker.connect();
  await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
  const { groups } = broker.broker;
  const [first, ...others] = groups.all().map(({ shard }) => vi.spyOn(shard, "cleanUp"));
  first?.mockImplementation(() => {
    throw new Error("planted");
  });
  groups.cleanUp();
  expect(others.map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
  const errors = broker.lines.filter(({ level }) => level === "error").map(({ message }) => message);
  expect(errors).toEqual(["a coordinator failed at a part of its work"]);
  wire.close();
  await broker.stop();
});
