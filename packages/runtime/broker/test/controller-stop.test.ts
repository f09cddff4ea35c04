import { World } from "@samsa/sim";
import { expect, test } from "vitest";
import { formatStorage } from "../src/format.ts";
import { Node } from "../src/node.ts";

const IDS = [1, 2, 3];

/** Three controllers, which are the voters. */
async function startQuorum(world: World, settle: <T>(promise: Promise<T>) => Promise<T>): Promise<Node[]> {
  const voters = IDS.map(id => `${id}@n${id}:9093`).join();
  const starts = IDS.map(id => {
    const settings = new Map(
      Object.entries({
        "node.id": String(id),
        "process.roles": "controller",
        listeners: `CONTROLLER://n${id}:9093`,
        "log.dirs": "/data",
        "controller.quorum.voters": voters,
      }),
    );
    const { env } = world.node(`n${id}`);
    formatStorage(env, { settings, quorum: { kind: "none" }, clusterId: "c", ignoreFormatted: false, features: [] });
    return Node.start(env, { settings });
  });
  return settle(Promise.all(starts));
}

test("an active controller that stops leaves its place at once", async () => {
  // On one machine, a fetch follows the last one at once.
  const world = new World(1, { network: { latencyMs: [0, 0], splitChance: 0 } });
  const settle = <T>(promise: Promise<T>): Promise<T> => world.settle(promise);
  const nodes = await settle(startQuorum(world, promise => promise));
  const active = () => nodes.find(({ shared }) => shared.quorum.isLeader);
  await world.runUntil(() => active() !== undefined);
  // Followers of the quorum wait at the leader for records when it stops.
  await world.runFor(3000);
  const [first, before] = [active()!, world.now()];
  const closing = first.close();
  await world.runUntil(() => nodes.some(node => node !== first && node.shared.quorum.isLeader));
  expect(world.now() - before, "time without an active controller").toBeLessThan(300);
  await settle(closing);
  expect(world.now() - before, "time to stop").toBeLessThan(500);
  await settle(Promise.all(nodes.map(node => node.close())));
});
