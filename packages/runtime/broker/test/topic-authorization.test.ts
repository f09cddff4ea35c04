import { type Uuid, ZERO_UUID } from "@samsa/base";
import { type ApiName, Apis, Errors, type Fields } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { servedApis } from "../src/apis.ts";
import type { Action, Authorizer } from "@samsa/security";
import { TestBroker } from "./wire.ts";

const REFUSED = Errors.TOPIC_AUTHORIZATION_FAILED.code;
const UNKNOWN = Errors.UNKNOWN_TOPIC_OR_PARTITION.code;

/** Topics that the client may not use. `absent` does not exist, which the client must not learn. */
const SECRET: Set<string> = new Set(["secret", "absent"]);

/** Actions on topics that the broker has asked about in this test. */
const asked: Action[] = [];
/** Operations on the cluster that it has asked about. */
const askedOnCluster: string[] = [];
/** Denials of this test that go to the audit log. */
const denied: string[] = [];
/** Actions on the cluster that are refused in this test. */
const refusedOnCluster = new Set<string>();

const authorizer: Authorizer = {
  allows(_client, action) {
    const { operation, resource, name } = action;
    if (resource === "TOPIC") asked.push(action);
    if (resource === "CLUSTER") askedOnCluster.push(operation);
    const isAllowed =
      resource === "CLUSTER" ? !refusedOnCluster.has(operation) : resource !== "TOPIC" || !SECRET.has(name);
    if (!isAllowed && action.isProbe !== true) denied.push(`${operation} ${name}`);
    return isAllowed;
  },
  allowsSome: () => true,
};

let broker: TestBroker;
let wire: RawConnection;
const ids = new Map<string, Uuid>();

beforeAll(async () => {
  broker = await TestBroker.start({ "offsets.topic.num.partitions": "1" }, undefined, undefined, { authorizer });
  wire = await broker.connect();
  const topics = ["open", "secret"].map(name => ({ name, numPartitions: 1, replicationFactor: 1 }));
  const created = await wire.ask("CreateTopics", 7, { topics, timeoutMs: 1000 });
  for (const { name, topicId } of created.topics) ids.set(name, topicId ?? ZERO_UUID);
  await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
});

afterAll(async () => {
  wire.close();
  await broker.stop();
});

beforeEach(() => {
  asked.length = 0;
  askedOnCluster.length = 0;
  denied.length = 0;
  refusedOnCluster.clear();
});

function idOf(name: string): Uuid {
  return ids.get(name) ?? ZERO_UUID;
}

const records = () => [
  buildBatch([{ timestamp: Date.now(), key: null, value: Buffer.from("v") }], {}, broker.broker.tools),
];

const offset = { committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: "" };
const member = { generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null };
const producer = { transactionalId: "t", producerId: 1n, producerEpoch: 0 };

/** A request for partition 0 of topics, and where its response has the error code of each. */
interface Case {
  readonly api: ApiName;
  readonly version: number;
  readonly operation: Action["operation"];
  /** Code for a topic that does not exist, and that the client may use; default: UNKNOWN_TOPIC_OR_PARTITION. */
  readonly nowhere?: number;
  readonly request: (names: readonly string[]) => object;
  readonly codes: (response: never) => readonly (readonly [name: string, code: number])[];
}

type Codes = {
  readonly topics: readonly { readonly name: string; readonly partitions: readonly { readonly errorCode: number }[] }[];
};

/** Codes of a response with `topics` that have a name and partitions. */
function byName({ topics }: Codes): [string, number][] {
  return topics.map(({ name, partitions }) => [name, partitions[0]?.errorCode ?? -1]);
}

const CASES: readonly Case[] = [
  {
    api: "Produce",
    version: 9,
    operation: "WRITE",
    request: names => ({
      transactionalId: null,
      acks: -1,
      timeoutMs: 1000,
      topicData: names.map(name => ({ name, partitionData: [{ index: 0, records: records() }] })),
    }),
    codes: ({ responses }: { responses: { name: string; partitionResponses: { errorCode: number }[] }[] }) =>
      responses.map(({ name, partitionResponses }) => [name, partitionResponses[0]?.errorCode ?? -1]),
  },
  {
    api: "Fetch",
    version: 12,
    operation: "READ",
    request: names => ({
      maxWaitMs: 0,
      minBytes: 0,
      sessionEpoch: -1,
      topics: names.map(topic => ({ topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100 }] })),
    }),
    codes: ({ responses }: { responses: { topic: string; partitions: { errorCode: number }[] }[] }) =>
      responses.map(({ topic, partitions }) => [topic, partitions[0]?.errorCode ?? -1]),
  },
  {
    api: "ListOffsets",
    version: 7,
    operation: "DESCRIBE",
    request: names => ({
      replicaId: -1,
      isolationLevel: 0,
      topics: names.map(name => ({ name, partitions: [{ partitionIndex: 0, timestamp: -1 }] })),
    }),
    codes: byName,
  },
  {
    api: "Metadata",
    version: 9,
    operation: "DESCRIBE",
    request: names => ({ topics: names.map(name => ({ name })), allowAutoTopicCreation: false }),
    codes: ({ topics }: { topics: { name: string; errorCode: number }[] }) =>
      topics.map(({ name, errorCode }) => [name, errorCode]),
  },
  {
    api: "OffsetCommit",
    version: 8,
    operation: "READ",
    request: names => ({
      groupId: "g",
      ...member,
      topics: names.map(name => ({ name, partitions: [{ partitionIndex: 0, ...offset }] })),
    }),
    codes: byName,
  },
  {
    api: "TxnOffsetCommit",
    version: 3,
    operation: "READ",
    request: names => ({
      ...producer,
      groupId: "g",
      generationId: -1,
      memberId: "",
      topics: names.map(name => ({ name, partitions: [{ partitionIndex: 0, ...offset }] })),
    }),
    codes: byName,
  },
  {
    api: "OffsetFetch",
    version: 7,
    operation: "DESCRIBE",
    nowhere: 0,
    request: names => ({ groupId: "g", topics: names.map(name => ({ name, partitionIndexes: [0] })) }),
    codes: byName,
  },
  {
    api: "OffsetDelete",
    version: 0,
    operation: "READ",
    request: names => ({ groupId: "g", topics: names.map(name => ({ name, partitions: [{ partitionIndex: 0 }] })) }),
    codes: byName,
  },
  {
    api: "DeleteRecords",
    version: 2,
    operation: "DELETE",
    request: names => ({
      timeoutMs: 1000,
      topics: names.map(name => ({ name, partitions: [{ partitionIndex: 0, offset: 0 }] })),
    }),
    codes: byName,
  },
  {
    api: "DescribeProducers",
    version: 0,
    operation: "READ",
    request: names => ({ topics: names.map(name => ({ name, partitionIndexes: [0] })) }),
    codes: byName,
  },
  {
    api: "DescribeConfigs",
    version: 4,
    operation: "DESCRIBE_CONFIGS",
    request: names => ({ resources: names.map(resourceName => ({ resourceType: 2, resourceName })) }),
    codes: ({ results }: { results: { resourceName: string; errorCode: number }[] }) =>
      results.map(({ resourceName, errorCode }) => [resourceName, errorCode]),
  },
  {
    api: "DescribeTopicPartitions",
    version: 0,
    operation: "DESCRIBE",
    request: names => ({ topics: names.map(name => ({ name })), responsePartitionLimit: 100, cursor: null }),
    codes: ({ topics }: { topics: { name: string; errorCode: number }[] }) =>
      topics.map(({ name, errorCode }) => [name, errorCode]),
  },
];

test("permission on the cluster takes the place of that on topics where Kafka says so", async () => {
  const body = { replicaId: -1, topics: [{ topic: "secret", partitions: [{ partition: 0, leaderEpoch: 0 }] }] };
  const allowed = await wire.ask("OffsetForLeaderEpoch", 4, body);
  expect(allowed.topics[0]?.partitions[0]?.errorCode).toBe(0);
  expect(asked).toEqual([]);
  refusedOnCluster.add("CLUSTER_ACTION");
  const refused = await wire.ask("OffsetForLeaderEpoch", 4, body);
  expect(refused.topics[0]?.partitions[0]?.errorCode).toBe(REFUSED);
  expect(denied, "the other permission is no attempt").toEqual(["DESCRIBE secret"]);
  for (const row of servedApis({ telemetry: true }).values()) {
    // WriteTxnMarkers looks for one of two permissions itself.
    if (row.topics?.operation === null && row.name !== "WriteTxnMarkers")
      expect(row.action({}, 0)?.resource, row.name).toBe("CLUSTER");
  }
});

test("partitions are added to a transaction for clients with permission, and for brokers without", async () => {
  const topics = [{ name: "secret", partitions: [0] }];
  const client = { v3AndBelowTransactionalId: "t", v3AndBelowProducerId: 1n, v3AndBelowProducerEpoch: 0 };
  const refused = await wire.ask("AddPartitionsToTxn", 3, { ...client, v3AndBelowTopics: topics });
  expect(refused.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode).toBe(REFUSED);
  const transactions = [{ ...producer, verifyOnly: true, topics }];
  const allowed = await wire.ask("AddPartitionsToTxn", 4, { transactions });
  const [result] = allowed.resultsByTransaction[0]?.topicResults[0]?.resultsByPartition ?? [];
  expect(result?.partitionErrorCode).not.toBe(REFUSED);
});

/** First version in which the fields, or those within them, have a topic id; undefined: none has. */
function idsSince(fields: Fields): number | undefined {
  for (const [name, { type, since }] of Object.entries(fields)) {
    const inner = type.kind === "array" ? type.element : type;
    const found = inner.kind === "struct" ? idsSince(inner.fields) : undefined;
    if (name === "topicId" || found !== undefined) return found ?? since;
  }
  return undefined;
}

test("a request names topics by id from the version on in which its schema has topic ids", () => {
  for (const { name, topics, first } of servedApis({ telemetry: true }).values()) {
    // Requests of Metadata may use both. A member of a consumer group owns partitions of topics that it need not see.
    if (topics === undefined || name === "Metadata" || name === "ConsumerGroupHeartbeat") continue;
    const since = idsSince(Apis[name].request.fields);
    expect(topics.idsSince === 0 ? first : topics.idsSince, name).toBe(since === 0 ? first : since);
  }
});

describe("a topic without permission", () => {
  test.each(CASES)(
    "is refused by $api, whether it exists or not",
    async ({ api, version, operation, nowhere = UNKNOWN, request, codes }) => {
      const response = await wire.ask(api, version, request(["open", "secret", "absent", "nowhere"]));
      const found = Object.fromEntries(codes(response as never));
      expect(found).toMatchObject({ secret: REFUSED, absent: REFUSED, nowhere });
      expect(found.open).not.toBe(REFUSED);
      const about = asked.map(({ operation: of, name }) => `${of} ${name}`);
      const expected = ["open", "secret", "absent", "nowhere"].map(name => `${operation} ${name}`);
      expect(about).toEqual(expect.arrayContaining(expected));
      // A topic that is refused is asked about once.
      expect(asked.filter(({ name }) => SECRET.has(name)).length).toBe(SECRET.size);
    },
  );

  test("is refused by its id, which is no secret", async () => {
    const topics = [...ids].map(([, topicId]) => ({ topicId, partitions: [{ partition: 0, partitionMaxBytes: 100 }] }));
    const strange = { topicId: "AAAAAAAAAAAAAAAAAAAAZw", partitions: [{ partition: 0, partitionMaxBytes: 100 }] };
    const body = { maxWaitMs: 0, minBytes: 0, sessionEpoch: -1, topics: [...topics, strange] };
    const fetched = await wire.ask("Fetch", 13, body);
    const found = fetched.responses.map(one => [one.topicId, one.partitions[0]?.errorCode]);
    expect(found).toEqual([
      [idOf("open"), 0],
      [idOf("secret"), REFUSED],
      [strange.topicId, Errors.UNKNOWN_TOPIC_ID.code],
    ]);
    const described = await wire.ask("Metadata", 12, { topics: [{ name: null, topicId: idOf("secret") }] });
    expect(described.topics).toMatchObject([{ name: null, topicId: idOf("secret"), errorCode: REFUSED }]);
    const partitions = [{ partitionIndex: 0, ...offset }];
    const committed = await wire.ask("OffsetCommit", 10, {
      groupId: "g",
      ...member,
      topics: [...ids].map(([, topicId]) => ({ topicId, partitions })),
    });
    const codes = committed.topics.map(one => [one.topicId, one.partitions[0]?.errorCode]);
    expect(codes).toEqual(
      expect.arrayContaining([
        [idOf("open"), 0],
        [idOf("secret"), REFUSED],
      ]),
    );
  });

  test("is left out of lists of all topics", async () => {
    const metadata = await wire.ask("Metadata", 9, { topics: null });
    expect(metadata.topics.map(({ name }) => name)).toEqual(["__consumer_offsets", "open"]);
    expect(denied, "the client has not named it").toEqual([]);
    const described = await wire.ask("DescribeTopicPartitions", 0, { responsePartitionLimit: 100, cursor: null });
    expect(described.topics.map(({ name }) => name)).toEqual(["__consumer_offsets", "open"]);
  });

  test("is left out of all offsets of a group", async () => {
    const partitions = [{ partitionIndex: 0, ...offset }];
    SECRET.delete("secret");
    const topics = ["open", "secret"].map(name => ({ name, partitions }));
    await wire.ask("OffsetCommit", 8, { groupId: "all", ...member, topics });
    SECRET.add("secret");
    const fetched = await wire.ask("OffsetFetch", 7, { groupId: "all", topics: null });
    expect(fetched.topics.map(({ name }) => name)).toEqual(["open"]);
  });

  test("is not created for a client that may not create it", async () => {
    refusedOnCluster.add("CREATE");
    const topics = ["absent", "newcomer", "another"].map(name => ({ name }));
    const answer = await wire.ask("Metadata", 9, { topics });
    expect(answer.topics).toMatchObject([
      { name: "absent", errorCode: REFUSED },
      { name: "newcomer", errorCode: 0 },
      { name: "another", errorCode: 0 },
    ]);
    expect(askedOnCluster, "once for all names, and by the controller for each").toEqual(Array(3).fill("CREATE"));
    expect(asked.map(({ operation, name }) => `${operation} ${name}`)).toContain("CREATE newcomer");
    expect(denied).toEqual(["DESCRIBE absent"]);
  });

  test("fails the heartbeat of a member that subscribes to it", async () => {
    const joining = { groupId: "new", memberId: "m", memberEpoch: 0, subscribedTopicNames: ["open", "secret"] };
    const consumer = await wire.ask("ConsumerGroupHeartbeat", 1, {
      ...joining,
      rebalanceTimeoutMs: 1000,
      topicPartitions: [],
    });
    expect(consumer.errorCode).toBe(REFUSED);
    const share = await wire.ask("ShareGroupHeartbeat", 1, { ...joining, groupId: "shared" });
    expect(share.errorCode).toBe(REFUSED);
  });

  test("is not shown in the assignments of a group", async () => {
    SECRET.delete("secret");
    const joining = { groupId: "seen", memberId: "m", memberEpoch: 0, rebalanceTimeoutMs: 1000, topicPartitions: [] };
    await wire.ask("ConsumerGroupHeartbeat", 1, { ...joining, subscribedTopicNames: ["secret"] });
    const allowed = await wire.ask("ConsumerGroupDescribe", 1, { groupIds: ["seen"] });
    SECRET.add("secret");
    const refused = await wire.ask("ConsumerGroupDescribe", 1, { groupIds: ["seen"] });
    expect(allowed.groups[0]?.members[0]?.assignment.topicPartitions[0]?.topicName).toBe("secret");
    expect(refused.groups).toMatchObject([{ groupId: "seen", errorCode: REFUSED, members: [] }]);
  });

  test("keeps its offsets of a share group", async () => {
    const topic = (topicName: string) => ({ topicName, partitions: [{ partitionIndex: 0, startOffset: 0 }] });
    await wire.ask("ShareGroupHeartbeat", 1, {
      groupId: "s",
      memberId: "m",
      memberEpoch: 0,
      subscribedTopicNames: ["open"],
    });
    await wire.ask("ShareGroupHeartbeat", 1, { groupId: "s", memberId: "m", memberEpoch: -1 });
    const altered = await wire.ask("AlterShareGroupOffsets", 0, {
      groupId: "s",
      topics: [topic("open"), topic("secret")],
    });
    const codes = altered.responses.map(one => [one.topicName, one.partitions[0]?.errorCode]);
    expect(codes).toEqual([
      ["open", 0],
      ["secret", REFUSED],
    ]);
    const topics = ["open", "secret"].map(topicName => ({ topicName, partitions: [0] }));
    const described = await wire.ask("DescribeShareGroupOffsets", 1, { groups: [{ groupId: "s", topics }] });
    const shown = described.groups[0]?.topics.map(one => [one.topicName, one.topicId, one.partitions[0]?.errorCode]);
    expect(shown).toEqual([
      ["open", idOf("open"), 0],
      ["secret", ZERO_UUID, REFUSED],
    ]);
    const deleted = await wire.ask("DeleteShareGroupOffsets", 0, { groupId: "s", topics });
    expect(deleted.responses).toMatchObject([
      { topicName: "secret", errorCode: REFUSED },
      { topicName: "open", errorCode: 0 },
    ]);
  });
});
