import { ignored } from "@samsa/base";
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
  await expect(two.request("sums", [1])).rejects.toMatchObject({ name: "CLOSED" });
  await client.close();
  await serving;
});

test("requests end at once when replies can be read no more", async () => {
  const consumer = client.consumer<string, number>();
  let fail: (error: unknown) => void = ignored("the promise sets it");
  const failure = new Promise<never>((_, reject) => (fail = reject));
  consumer.records = async function* () {
    yield await failure;
  };
  const parts = { admin: () => client.admin(), producer: () => client.producer(), consumer: () => consumer };
  const requester = await Requester.start(parts as unknown as KafkaClient, { replyTopic: "answers" });
  const waiting = requester.request("sums", "[1]");
  const told = expect(waiting).rejects.toMatchObject({ name: "ILLEGAL_STATE", cause: { message: "no more" } });
  fail(new Error("no more"));
  await told;
  await expect(requester.request("sums", "[1]")).rejects.toMatchObject({ name: "ILLEGAL_STATE" });
  await requester.close();
});

test("requests end with their client", async () => {
  const requester = await Requester.start(client, { replyTopic: "answers", request: json<number[]>() });
  const told = expect(requester.request("sums", [-5])).rejects.toMatchObject({ name: "CLOSED" });
  await client.close();
  await told;
  await expect(requester.request("sums", [1])).rejects.toMatchObject({ name: "CLOSED" });
});

test("a reply topic that is missing is named", async () => {
  await expect(Requester.start(client, { replyTopic: "missing" })).rejects.toThrow("topic missing: ");
});
