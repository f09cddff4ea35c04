import { type ConnectionHandler, type Env, NetworkError } from "@samsa/base";
import { EMPTY_IMAGE, type MetadataImage } from "@samsa/metadata";
import { beforeEach, expect, test, vi } from "vitest";
import { BrokerWatch } from "../src/controller/broker-watch.ts";
import type { Peer } from "../src/request/request-context.ts";

const peer: Peer = { host: "10.0.0.1", port: 1, software: { name: "", version: "" } };
const life = { brokerId: 4, brokerEpoch: 7 };
let timers: (() => void)[];
let failure: NetworkError | undefined;
/** Port that is open whatever `failure` says. */
let openPort: number | undefined;
let fenced: boolean;
let gone: object[];
let watch: BrokerWatch;

beforeEach(() => {
  [timers, failure, openPort, fenced, gone] = [[], undefined, undefined, false, []];
  const connect = (_host: string, port: number, _ms: number, open: (connection: never) => ConnectionHandler) => {
    const connection = { destroy: vi.fn() };
    open(connection as never);
    const isOpen = failure === undefined || port === openPort;
    return isOpen ? Promise.resolve(connection) : Promise.reject(failure);
  };
  const env = { timers: { after: (_: number, task: () => void) => timers.push(task) }, network: { connect } };
  const endPoints = [9092, 9093].map(port => ({ name: `L${port}`, host: "b4", port, securityProtocol: 0 }));
  const image = (): MetadataImage => {
    const broker = { brokerId: 4, brokerEpoch: 7, fenced, endPoints };
    const brokers = EMPTY_IMAGE.brokers
      .edit()
      .set(4, broker as never)
      .done();
    return { ...EMPTY_IMAGE, brokers };
  };
  watch = new BrokerWatch({ env: env as unknown as Env, image, gone: broker => gone.push(broker) });
});

async function ring(): Promise<void> {
  for (const task of timers.splice(0)) task();
  await new Promise(resolve => setTimeout(resolve, 0));
}

test("a broker is gone if its connection ends and its endpoint refuses connections", async () => {
  watch.heard(peer, life);
  failure = new NetworkError("ECONNREFUSED", "nobody");
  watch.disconnected(peer);
  await ring();
  expect(gone).toEqual([life, life]);
});

test("a broker that has closed its first listener is not gone", async () => {
  watch.heard(peer, life);
  [failure, openPort] = [new NetworkError("ECONNREFUSED", "nobody"), 9093];
  watch.disconnected(peer);
  await ring();
  expect(gone).toEqual([]);
});

test.each([
  ["that still listens", undefined, life, false],
  ["whose address answers nothing", new NetworkError("ETIMEDOUT", "silence"), life, false],
  ["with another life since", new NetworkError("ECONNREFUSED", "nobody"), { ...life, brokerEpoch: 6 }, false],
  ["that is fenced already", new NetworkError("ECONNREFUSED", "nobody"), life, true],
] as const)("a broker %s is left to its session", async (_, error, broker, isFenced) => {
  watch.heard(peer, broker);
  [failure, fenced] = [error, isFenced];
  watch.disconnected(peer);
  await ring();
  expect(gone).toEqual([]);
});

test("a controller that becomes active looks for all brokers, and one that has stopped for none", async () => {
  failure = new NetworkError("ECONNREFUSED", "nobody");
  watch.lookForAll();
  await ring();
  expect(gone).toEqual([life, life]);
  watch.lookForAll();
  watch.close();
  await ring();
  watch.disconnected(peer);
  await ring();
  expect(gone).toHaveLength(2);
});
