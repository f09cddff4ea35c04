import { describe, expect, test } from "vitest";
import { startCluster } from "@samsa/testkit";
import {
  CompressionCodecs,
  CompressionTypes,
  Kafka,
  type KafkaConfig,
  KafkaJSConnectionError,
  KafkaJSError,
  KafkaJSNonRetriableError,
  KafkaJSNotImplemented,
  KafkaJSNumberOfRetriesExceeded,
  KafkaJSProtocolError,
  type LogEntry,
  logLevel,
} from "../src/index.ts";

const client = (more: object = {}): Kafka =>
  new Kafka({ brokers: ["127.0.0.1:1"], logLevel: logLevel.NOTHING, ...more } as KafkaConfig);
const quick = { retries: 1, initialRetryTime: 10 };

describe("a client refuses", () => {
  test.each([
    [{ socketFactory: () => undefined }, KafkaJSNotImplemented, "socketFactory cannot be given"],
    [{ reauthenticationThreshold: 1 }, KafkaJSNotImplemented, "sessions are renewed at 85 to 95 % of their lifetime"],
    [{ sasl: { mechanism: "aws" } }, KafkaJSNotImplemented, "sasl knows plain"],
    [{ sasl: { mechanism: "x", authenticationProvider: () => 0 } }, KafkaJSNotImplemented, "sasl knows plain"],
    [{ sasl: { mechanism: "kerberos" } }, KafkaJSNonRetriableError, 'not "kerberos"'],
    [{ sasl: { mechanism: "plain", username: "u" } }, KafkaJSNonRetriableError, "PLAIN needs sasl.password"],
    [{ sasl: { mechanism: "oauthbearer" } }, KafkaJSNonRetriableError, "oauthbearer needs sasl.oauthBearerProvider"],
    [{ ssl: { rejectUnauthorized: false } }, KafkaJSNonRetriableError, "ssl.rejectUnauthorized cannot be false"],
    [{ ssl: { host: "x" } }, KafkaJSNonRetriableError, "ssl.host cannot be given"],
    [{ ssl: { cert: "x" } }, KafkaJSNonRetriableError, "ssl.cert and ssl.key are given together"],
    [{ ssl: { maxVersion: "TLSv1.1" } }, KafkaJSNonRetriableError, "TLS is spoken from version 1.2 on"],
    [{ retry: { retries: -1 } }, KafkaJSNonRetriableError, "retry.retries is a number that is not negative, not -1"],
    [{ timeout: 5 }, KafkaJSNonRetriableError, "Kafka has no setting timeout"],
  ])("%j", (config, type, message) => {
    expect(() => client(config)).toThrow(type);
    expect(() => client(config)).toThrow(message);
  });

  test("times that are none, when they are needed", () => {
    expect(() => client({ requestTimeout: 0 }).admin()).toThrow("requestTimeout is a whole number of milliseconds");
  });
});

describe("brokers", () => {
  test.each([
    [[], "brokers is a list with the address of one broker at the least"],
    [["host:99999"], 'brokers are addresses as host:port, not ["host:99999"]'],
  ])("%j cannot be", async (brokers, message) => {
    await expect(client({ brokers }).admin().connect()).rejects.toThrow(message);
  });

  test("that cannot be reached are told after all attempts", async () => {
    const error: unknown = await client({ retry: quick })
      .producer()
      .connect()
      .catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(KafkaJSNumberOfRetriesExceeded);
    expect(error).toMatchObject({ retryCount: 1, retriable: false });
    expect((error as Error).cause).toBeInstanceOf(KafkaJSConnectionError);
  });

  test("come from a function, asked at each connection", async () => {
    await using cluster = await startCluster();
    let calls = 0;
    const admin = client({
      brokers: async () => {
        calls++;
        return [cluster.bootstrapServers];
      },
    }).admin();
    for (const expected of [1, 2]) {
      await admin.connect();
      expect([calls, (await admin.describeCluster()).brokers.length]).toEqual([expected, 1]);
      await admin.disconnect();
    }
  });

  test("that cannot be reached are given up at once by `disconnect`, after which `connect` begins anew", async () => {
    await using cluster = await startCluster();
    let calls = 0;
    const admin = client({
      brokers: () => [++calls === 1 ? "127.0.0.1:1" : cluster.bootstrapServers],
      retry: { retries: 1_000_000, initialRetryTime: 3_600_000, maxRetryTime: 3_600_000 },
    }).admin();
    const given = admin.connect().catch((error: unknown) => error);
    await new Promise(resolve => setTimeout(resolve, 100));
    await admin.disconnect();
    await admin.connect();
    expect(await given).toMatchObject({ message: "The client was disconnected while it connected", retriable: false });
    expect((await admin.describeCluster()).brokers).toHaveLength(1);
    await admin.disconnect();
  });

  test("of a function that fails are told", async () => {
    const brokers = () => Promise.reject(new Error("no registry"));
    await expect(client({ brokers, retry: quick }).admin().connect()).rejects.toThrow(
      "Failed to connect: brokers() has failed: no registry",
    );
  });
});

describe("the log", () => {
  test("has lines of its level and graver ones, by namespace", () => {
    const lines: LogEntry[] = [];
    const levels: number[] = [];
    const logger = client({
      logLevel: logLevel.WARN,
      logCreator: (level: logLevel) => {
        levels.push(level);
        return (entry: LogEntry) => lines.push(entry);
      },
    }).logger();
    logger.info("quiet");
    logger.warn("one", { fact: 1 });
    logger.namespace("Part", logLevel.DEBUG).debug("two");
    logger.setLogLevel(logLevel.NOTHING);
    logger.error("quiet");
    expect(levels).toEqual([logLevel.WARN]);
    expect(lines).toMatchObject([
      { namespace: "", level: 2, label: "WARN", log: { message: "one", fact: 1, logger: "kafkajs" } },
      { namespace: "Part", level: 5, label: "DEBUG", log: { message: "two" } },
    ]);
  });

  test("warns of events that are never told", () => {
    const lines: string[] = [];
    const logCreator = () => (entry: LogEntry) => lines.push(entry.log.message);
    const consumer = client({ logLevel: logLevel.WARN, logCreator }).consumer({ groupId: "g" });
    consumer.on(consumer.events.STOP, () => undefined);
    consumer.on(consumer.events.RECEIVED_UNSUBSCRIBED_TOPICS, () => undefined);
    expect(lines).toEqual(["The event consumer.received_unsubscribed_topics is never told by this client"]);
  });
});

describe("errors", () => {
  test("of programs can be made", () => {
    const error = new KafkaJSNonRetriableError("mine", { cause: new Error("why") });
    expect([error.name, error.message, error.retriable, error instanceof KafkaJSError]).toEqual([
      ...["KafkaJSNonRetriableError", "mine", false, true],
    ]);
    expect(new KafkaJSError(new Error("as text")).retriable).toBe(true);
    const facts = { message: "m", type: "UNKNOWN", code: -1, retriable: false };
    expect(new KafkaJSProtocolError(facts)).toMatchObject(facts);
  });

  test("have the names that KafkaJS has kept", async () => {
    await using cluster = await startCluster({ topics: { t: 1 } });
    cluster.intercept({ api: "Produce", times: Infinity }, { error: "NOT_LEADER_OR_FOLLOWER" });
    const producer = client({ brokers: [cluster.bootstrapServers], retry: quick }).producer();
    await producer.connect();
    const error: unknown = await producer
      .send({ topic: "t", messages: [{ value: "v" }] })
      .catch((failure: unknown) => failure);
    expect((error as Error).cause).toMatchObject({ type: "NOT_LEADER_FOR_PARTITION", code: 6, retriable: true });
    await producer.disconnect();
  });
});

test("codecs may be assigned, which has no effect", () => {
  CompressionCodecs[CompressionTypes.Snappy] = () => undefined;
  expect(CompressionTypes).toEqual({ None: 0, GZIP: 1, Snappy: 2, LZ4: 3, ZSTD: 4 });
});
