import { clusterFixture } from "@samsa/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { json, KafkaClient, replyTo, Requester } from "../src/index.ts";

const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { sums: 2, answers: 2 } });
let client: KafkaClient;

beforeEach(() => {
  client = new KafkaClient(cluster().bootstrapServers);
});

afterEach(() => client.close());

/** Answers requests with the sum of their numbers; negative ones with nothing. */
async function serve(): Promise<void> {
  const consumer = client.consumer({ group: "adders", value: json<number[]>(), reset: "earliest" });
  const producer = client.producer({ value: json<number>() });
  await consumer.subscribe(["sums"]);
  await consumer.run(async request => {
    const sum = (request.value ?? []).reduce((a, b) => a + b, 0);
    const reply = replyTo(request, sum);
    if (sum >= 0 && reply !== undefined) await producer.send(reply);
  });
}

test("requests get their own replies, many at a time", async () => {
  const serving = serve();
  const options = { replyTopic: "answers", request: json<number[]>(), reply: json<number>() };
  const [one, two] = await Promise.all([Requester.start(client, options), Requester.start(client, options)]);
  const asked = Array.from({ length: 50 }, (_, i) =>
    (i % 2 === 0 ? one : two).request("sums", [i, 1], { key: `k${i}` }),
  );
  expect((await Promise.all(asked)).map(({ value }) => value)).toEqual(asked.map((_, i) => i + 1));
  const short = await Requester.start(client, { ...options, timeoutMs: 100 });
  await expect(short.request("sums", [-5])).rejects.toMatchObject({ name: "TIMED_OUT" });
  const abort = new AbortController();
  const aborted = one.request("sums", [-5], { signal: abort.signal });
  abort.abort();
  await expect(aborted).rejects.toMatchObject({ name: "ABORTED" });
  const open = two.request("sums", [-5]);
  const closed = expect(open).rejects.toMatchObject({ name: "CLOSED" });
  await two.close();
  await closed;
  await client.close();
  await serving;
});

test("a reply topic that is missing is named", async () => {
  await expect(Requester.start(client, { replyTopic: "missing" })).rejects.toThrow("topic missing: ");
});
