import { KafkaError } from "@samsa/client-kernel";
import { SimCluster } from "@samsa/sim";
import { afterEach, expect, test } from "vitest";
import { EffectLoop, type EffectSource } from "../src/cluster/effect-loop.ts";
import { type ClusterClient, type ClusterSettings } from "../src/index.ts";

interface Request {
  readonly type: "request";
  readonly ticket: number;
}

let cluster: SimCluster;
let client: ClusterClient;

async function start(settings: Partial<ClusterSettings> = {}): Promise<void> {
  cluster = new SimCluster();
  await cluster.startAll();
  client = cluster.client(settings);
}

afterEach(async () => {
  client.close();
  await cluster.close();
});

/** A source that asks for what `requests` has, and keeps what it is told. */
function source() {
  const requests: Request[] = [];
  const failures: [number, string][] = [];
  const raised: string[] = [];
  const machine: EffectSource<Request> = {
    poll: () => requests.splice(0),
    nextDeadline: () => Infinity,
    failed: (ticket, error) => failures.push([ticket, error.name]),
    raise: error => raised.push(error.name),
    assigned: () => [],
  };
  return { machine, requests, failures, raised };
}

const REQUEST: Request = { type: "request", ticket: 7 };

test("passes answers and failures of brokers on, and ends after a bug", async () => {
  await start();
  const { machine, requests, failures } = source();
  let answer: () => Promise<() => void>;
  const loop = new EffectLoop(client, machine, ({ ticket }) => loop.ask(ticket, answer()));
  const ask = async (): Promise<void> => {
    requests.push(REQUEST);
    loop.turn();
    await cluster.world.runFor(1);
  };
  let answers = 0;
  answer = () => Promise.resolve(() => answers++);
  await ask();
  expect(answers).toBe(1);
  answer = () => Promise.reject(new KafkaError("DISCONNECTED", "the broker is gone"));
  await ask();
  expect(failures).toEqual([[7, "DISCONNECTED"]]);
  loop.checkHealth();
  answer = () => Promise.reject(new TypeError("a bug"));
  const woken: unknown[] = [];
  loop.watch(() => woken.push("woken"));
  await ask();
  expect(() => loop.checkHealth()).toThrow("a bug");
  expect(woken.length).toBeGreaterThan(0);
  expect(failures).toHaveLength(1);
});

test("ends if its state machine does not come to rest", async () => {
  await start();
  const { machine } = source();
  const loop = new EffectLoop(client, { ...machine, poll: () => [REQUEST] }, ({ ticket }) => expect(ticket).toBe(7));
  loop.turn();
  expect(() => loop.checkHealth()).toThrow("does not come to rest");
});

test("goes on when code of the application throws", async () => {
  await start();
  const { machine, requests } = source();
  const seen: number[] = [];
  const loop = new EffectLoop(client, machine, ({ ticket }) =>
    loop.tell(() => {
      seen.push(ticket);
      throw new Error("a bug of the application");
    }),
  );
  requests.push(REQUEST, REQUEST);
  loop.turn();
  expect(seen).toEqual([7, 7]);
  loop.checkHealth();
});

test("tells of credentials that fail, and of the end of the client", async () => {
  await start({ security: { sasl: { mechanism: "PLAIN", username: "alice", password: "secret" } } });
  const { machine, raised } = source();
  const loop = new EffectLoop(client, machine, () => {});
  client.refresh();
  await cluster.world.runFor(1000);
  expect(raised).toContain("ILLEGAL_SASL_STATE");
  client.close();
  expect(() => loop.checkHealth()).toThrow("the client is closed");
});

test("drops answers that come after its end", async () => {
  await start();
  const { machine, failures } = source();
  const loop = new EffectLoop(client, machine, () => {});
  loop.ask(1, Promise.reject(new KafkaError("DISCONNECTED", "the broker is gone")));
  loop.stop();
  await cluster.world.runFor(1);
  expect(failures).toEqual([]);
  expect(() => loop.checkHealth()).toThrow("the consumer is closed");
});
