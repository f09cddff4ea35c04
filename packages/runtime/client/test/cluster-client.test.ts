import { SimCluster } from "@samsa/sim";
import { afterEach, expect, test } from "vitest";
import { type ClusterClient, type ClusterSettings } from "../src/index.ts";

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

const errorOf = (promise: Promise<unknown>): Promise<unknown> => cluster.refusal(promise);

test("finds topics, leaders and coordinators", async () => {
  await start();
  await cluster.createTopic("orders", [2, 3, 1], []);
  const topic = await cluster.settle(client.topic("orders", client.patience()));
  expect(topic.partitions.map(({ leaderId, replicas }) => [leaderId, replicas])).toEqual([[2, [2, 3, 1]]]);
  expect(client.metadata.topicOf(topic.id)?.name).toBe("orders");
  expect(new Set(client.metadata.brokers.keys())).toEqual(new Set([1, 2, 3]));
  const asked = { groups: ["g"], includeAuthorizedOperations: false };
  const described = await cluster.settle(
    client.retrying(client.patience(), async () => {
      const answer = await client.callCoordinator({ kind: "group", key: "g" }, "DescribeGroups", asked);
      return answer.groups.map(({ groupId }) => groupId);
    }),
  );
  expect(described).toEqual(["g"]);
});

test("learns of a new leader after a failure, and goes on while a broker is missing", async () => {
  await start();
  await cluster.createTopic("orders", [2, 3, 1], []);
  await cluster.settle(client.topic("orders", client.patience()));
  cluster.end(2, "kill");
  await cluster.untilPartition("orders", { leader: 3 });
  const list = { replicaId: -1, isolationLevel: 0, timeoutMs: 1000 };
  const topics = [{ name: "orders", partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1 }] }];
  const offset = await cluster.settle(
    client.retrying(client.patience(), async () => {
      const [partition] = (await client.topic("orders", client.patience())).partitions;
      const answer = await client.call(partition.leaderId, "ListOffsets", { ...list, topics });
      return answer.topics[0].partitions[0].offset;
    }),
  );
  expect(offset).toBe(0);
  expect(client.metadata.topic("orders")?.partitions[0].leaderId).toBe(3);
});

test("a topic that may not exist, or does not, is an error with a name", async () => {
  await start({ allowAutoTopicCreation: false });
  await expect(errorOf(client.topic("no/slash", client.patience()))).resolves.toMatchObject({
    name: "INVALID_TOPIC_EXCEPTION",
    retriable: false,
  });
  await expect(errorOf(client.topic("missing", client.patience({ timeoutMs: 700 })))).resolves.toMatchObject({
    name: "UNKNOWN_TOPIC_OR_PARTITION",
    code: 3,
  });
});

test("bootstrap servers that do not answer are named in the error", async () => {
  await start({ bootstrapServers: [{ host: "n1", port: 1 }] });
  const error = await errorOf(client.topic("orders", client.patience({ timeoutMs: 2000 })));
  expect(error).toMatchObject({ name: "TIMED_OUT", retriable: true });
  expect(String(error)).toContain("n1:1");
});

test("an abort and a close end the waits", async () => {
  await start({ bootstrapServers: [{ host: "n1", port: 1 }] });
  const abort = new AbortController();
  const patience = client.patience({ signal: abort.signal });
  const [aborted, closed] = [client.topic("a", patience), client.topic("b", client.patience())].map(promise =>
    promise.catch((error: unknown) => error),
  );
  abort.abort();
  await expect(cluster.settle(aborted)).resolves.toMatchObject({ name: "ABORTED" });
  client.close();
  await expect(cluster.settle(closed)).resolves.toMatchObject({ name: "CLOSED" });
  await expect(errorOf(client.callAny("Metadata", { topics: [] }))).resolves.toMatchObject({ name: "CLOSED" });
});

test("goes back to the bootstrap servers once no broker answers (KIP-899)", async () => {
  await start();
  await cluster.settle(client.ready(client.patience()));
  // The metadata names brokers; all but one are unreachable at once, then that one, too, and then all are back.
  for (const id of [1, 2, 3]) cluster.end(id, "kill");
  const lost = client.retrying(client.patience({ timeoutMs: 30_000 }), () =>
    client.callAny("Metadata", { topics: [] }),
  );
  await cluster.world.runFor(3000);
  expect(client.metadata.brokers.size).toBe(0);
  await Promise.all([1, 2, 3].map(id => cluster.start(id)));
  expect((await cluster.settle(lost)).brokers.length).toBeGreaterThan(0);
  await cluster.settle(client.ready(client.patience()));
});

function knownBroker(id: number) {
  const found = client.metadata.broker(id);
  if (found === undefined) throw new Error(`the client does not know broker ${id}`);
  return found;
}

test.each([true, false])(
  "an address that belongs to another broker is noticed if that is checked (%s)",
  async checkCluster => {
    await start({ checkCluster });
    await cluster.createTopic("orders", [2, 3, 1], []);
    await cluster.settle(client.topic("orders", client.patience()));
    const second = knownBroker(2);
    const third = knownBroker(3);
    expect(second.host).not.toBe(third.host);
    // Broker 2 was at the address where broker 3 is now, says an answer.
    const node = { nodeId: 2, host: third.host, port: third.port, rack: null };
    client.metadata.hint([{ topic: "orders", partition: 0, leaderId: 2, leaderEpoch: 99 }], [node]);
    expect(client.metadata.broker(2)).toMatchObject({ host: third.host });
    const ask = () => client.call(2, "Metadata", { topics: [] });
    if (!checkCluster) {
      expect((await cluster.settle(ask())).errorCode).toBe(0);
      return;
    }
    await expect(errorOf(ask())).resolves.toMatchObject({
      name: "BROKERS_UNREACHABLE",
      retriable: true,
      message: expect.stringMatching(/is not broker 2 of cluster/) as string,
    });
    await cluster.settle(client.retrying(client.patience(), ask));
    expect(client.metadata.broker(2)).toEqual(second);
  },
);
