import { parseConfig } from "@samsa/base";
import { Apis, Errors } from "@samsa/protocol";
import { World } from "@samsa/sim";
import { expect, test } from "vitest";
import { brokerConfigs } from "../src/config/configs.ts";
import { type ControllerNode, NodeToControllerChannel } from "../src/controller/node-to-controller-channel.ts";

test("a request is given up in time, although the node of the controller drops all packets", async () => {
  const world = new World(1);
  const { env } = world.node("broker");
  await world.node("controller").env.network.listen("", 9093, () => ({ onData() {}, onDrain() {}, onClose() {} }));
  const active: ControllerNode = { id: 2, host: "controller", port: 9093 };
  const channel = new NodeToControllerChannel({
    env,
    nodeId: 1,
    config: parseConfig(brokerConfigs, () => undefined),
    clientId: "1",
    introduction: { software: { name: "test", version: "1" } },
    active: () => active,
    local: undefined,
    retryTimeoutMs: 500,
  });
  world.network.cut("broker", "controller");
  let answered: number | undefined;
  const heartbeat = Apis.BrokerHeartbeat.request.defaults({ brokerId: 1 });
  const call = channel.call("BrokerHeartbeat", heartbeat).then(({ errorCode }) => void (answered = errorCode));
  await world.runUntil(() => answered !== undefined, 1100);
  await call;
  expect(answered).toBe(Errors.REQUEST_TIMED_OUT.code);
  channel.close();
});
