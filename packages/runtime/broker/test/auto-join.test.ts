import { World } from "@samsa/sim";
import { expect, test } from "vitest";
import { formatStorage } from "../src/format.ts";
import { Node } from "../src/node.ts";

const PORT = 9093;

/** Voters after a second controller has started, with the setting or without. */
async function votersWith(autoJoin: string): Promise<readonly number[]> {
  const world = new World(1);
  const settle = <T>(promise: Promise<T>): Promise<T> => world.settle(promise);
  const nodes: Node[] = [];
  for (const id of [1, 2]) {
    const settings = new Map(
      Object.entries({
        "node.id": String(id),
        "process.roles": "controller",
        listeners: `CONTROLLER://n${id}:${PORT}`,
        "log.dirs": "/data",
        "controller.quorum.bootstrap.servers": `n1:${PORT},n2:${PORT}`,
        "controller.quorum.auto.join.enable": autoJoin,
      }),
    );
    const { env } = world.node(`n${id}`);
    const quorum = { kind: id === 1 ? "standalone" : "none" } as const;
    formatStorage(env, { settings, quorum, clusterId: "c", ignoreFormatted: false, features: [] });
    nodes.push(await settle(Node.start(env, { settings })));
  }
  await world.runFor(15_000);
  const voters = nodes[1].shared.quorum.voters.map(({ id }) => id);
  await settle(Promise.all(nodes.map(node => node.close())));
  return voters;
}

test("controller.quorum.auto.join.enable makes a controller that follows a voter", async () => {
  expect(await votersWith("false")).toEqual([1]);
  expect(await votersWith("true")).toEqual([1, 2]);
});
