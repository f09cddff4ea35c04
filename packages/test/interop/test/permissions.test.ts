import { Apis } from "@samsa/protocol";
import type { RawConnection } from "@samsa/wire";
import fc from "fast-check";
import { expect, test } from "vitest";
import { connect } from "../src/differential/connection.ts";
import {
  GROUPS,
  PERMISSION_QUESTIONS,
  type PermissionQuestion,
  TOPICS,
  TRANSACTIONS,
} from "../src/differential/permission-questions.ts";
import { SamsaProcess } from "../src/processes/broker-process.ts";
import { freePort } from "../src/processes/free-port.ts";
import { KafkaProcess } from "../src/processes/kafka-process.ts";
import { findJava } from "../src/processes/runtimes.ts";
import { until } from "../src/processes/until.ts";
import { need } from "./scenarios.ts";
import { interopSeed } from "./seed.ts";

const ROUNDS = Number(process.env.INTEROP_ROUNDS ?? "40");
const MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule";
/** Everyone on the listener in clear text may do everything; alice, on the other, may do what ACLs say. */
const settings = [
  "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,EXT:SASL_PLAINTEXT",
  "sasl.enabled.mechanisms=PLAIN",
  `listener.name.ext.plain.sasl.jaas.config=${MODULE} required user_alice="secret";`,
  "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "super.users=User:ANONYMOUS",
  "offsets.topic.num.partitions=1",
  "transaction.state.log.num.partitions=1",
  "share.coordinator.state.topic.num.partitions=1",
  "group.coordinator.rebalance.protocols=classic,consumer,share",
];

/** Broker of a vendor, with a connection for each user. */
interface Side {
  readonly admin: RawConnection;
  readonly alice: RawConnection;
}

async function login(server: string): Promise<RawConnection> {
  const wire = await connect(server);
  await wire.ask("SaslHandshake", 1, { mechanism: "PLAIN" });
  const { errorCode } = await wire.ask("SaslAuthenticate", 2, { authBytes: Buffer.from("\0alice\0secret") });
  expect(errorCode).toBe(0);
  return wire;
}

/** Makes what the questions are about. */
async function prepare({ admin }: Side): Promise<void> {
  const topics = TOPICS.map(name => ({ name, numPartitions: 1, replicationFactor: 1 }));
  await admin.ask("CreateTopics", 7, { topics, timeoutMs: 5000 });
  const named = { topics: TOPICS.map(name => ({ name })), allowAutoTopicCreation: false };
  await until("topics", async () => (await admin.ask("Metadata", 9, named)).topics.every(one => one.errorCode === 0));
  const partitions = [{ partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: "" }];
  for (const groupId of GROUPS) {
    await until(`offsets of ${groupId}`, async () => {
      await admin.ask("FindCoordinator", 3, { key: groupId, keyType: 0 });
      const committed = await admin.ask("OffsetCommit", 8, {
        ...{ groupId, generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null },
        topics: ["a", "b"].map(name => ({ name, partitions })),
      });
      return committed.topics.every(topic => topic.partitions[0]?.errorCode === 0);
    });
  }
  for (const transactionalId of TRANSACTIONS) {
    await until(`state of ${transactionalId}`, async () => {
      await admin.ask("FindCoordinator", 3, { key: transactionalId, keyType: 1 });
      const begun = await admin.ask("InitProducerId", 5, { transactionalId, transactionTimeoutMs: 60_000 });
      return begun.errorCode === 0;
    });
  }
}

/** Waits for the share coordinator, whose topic the first question about it makes. */
async function shareCoordinator({ admin }: Side): Promise<void> {
  const request = { keyType: 2, coordinatorKeys: ["g:BBBBBBBBBBBBBBBBBBBBBA:0"] };
  await until("the share coordinator", async () => {
    const { coordinators } = await admin.ask("FindCoordinator", 6, request);
    return coordinators[0]?.errorCode === 0;
  });
}

const acl = fc
  .record({
    on: fc.constantFrom(
      ...[...TOPICS, "*", "a", "none"].map(name => [2, name] as const),
      ...[...GROUPS, "*", "g", "nobody"].map(name => [3, name] as const),
      ...[...TRANSACTIONS, "*", "t"].map(name => [5, name] as const),
      ...[0, 1, 2, 3].map(() => [4, "kafka-cluster"] as const),
    ),
    isPrefix: fc.boolean(),
    principal: fc.constantFrom("User:alice", "User:alice", "User:*", "User:bob"),
    host: fc.constantFrom("*", "*", "127.0.0.1", "10.0.0.1", "127.0.0.0/8", "10.0.0.0/8"),
    operation: fc.integer({ min: 2, max: 15 }),
    permissionType: fc.constantFrom(2, 3, 3, 3),
  })
  .map(({ on: [resourceType, resourceName], isPrefix, ...entry }) => {
    const resourcePatternType = isPrefix && resourceType !== 4 ? 4 : 3;
    return { resourceType, resourceName, resourcePatternType, ...entry };
  });

interface Creation {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly resourcePatternType: number;
  readonly principal: string;
  readonly host: string;
  readonly operation: number;
  readonly permissionType: number;
}

/** ACLs that allow everything: with the set of no ACLs, every answer changes at least once. */
const EVERYTHING: readonly Creation[] = [2, 3, 4, 5].map(resourceType => ({
  ...{ resourceType, resourceName: resourceType === 4 ? "kafka-cluster" : "*", resourcePatternType: 3 },
  ...{ principal: "User:alice", host: "*", operation: 2, permissionType: 3 },
}));

const ANY = {
  ...{ resourceTypeFilter: 1, resourceNameFilter: null, patternTypeFilter: 1, principalFilter: null, hostFilter: null },
  ...{ operation: 1, permissionType: 1 },
};

/** Replaces all ACLs, and waits until the broker applies them. */
async function replaceAcls({ admin }: Side, creations: readonly Creation[]): Promise<void> {
  await admin.ask("DeleteAcls", 3, { filters: [ANY] });
  const { results } = await admin.ask("CreateAcls", 3, { creations });
  // Kafka has an empty message where there is no error.
  expect(results.map(({ errorCode, errorMessage }) => [errorCode, errorMessage])).toEqual(results.map(() => [0, ""]));
  const wanted = new Set(creations.map(creation => JSON.stringify(creation))).size;
  await until("ACLs", async () => {
    const { resources } = await admin.ask("DescribeAcls", 3, ANY);
    return resources.reduce((count, { acls }) => count + acls.length, 0) === wanted;
  });
}

/** Makes the topic again that a question deletes. */
async function restore({ admin }: Side): Promise<void> {
  const topics = [{ name: "gone", numPartitions: 1, replicationFactor: 1 }];
  await admin.ask("CreateTopics", 7, { topics, timeoutMs: 5000 });
  const named = { topics: [{ name: "gone" }], allowAutoTopicCreation: false };
  await until("the topic", async () => (await admin.ask("Metadata", 9, named)).topics[0]?.errorCode === 0);
}

/** Fields that depend on the machine, the time or the vendor's words. */
const OWN = new Set([
  "topicId",
  "clusterId",
  "port",
  "host",
  "errorMessage",
  "leaderEpoch",
  "memberId",
  "protocolName",
]);

/** Codes of an answer, or all of it that both must say; lists are without order. */
function essence(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(part => JSON.stringify(essence(part))).sort();
  if (typeof value === "bigint") return String(value);
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, part]) => (OWN.has(name) ? [] : [[name, essence(part)]])),
  );
}

const NAMES = /^(?:name|topic|topicName|groupId|transactionalId|resourceName|key)$/;

function codes(value: unknown, path = ""): string[] {
  if (value === null || typeof value !== "object") return [];
  if (Array.isArray(value)) return value.flatMap(part => codes(part, path));
  const entries = Object.entries(value);
  const own = entries.flatMap(([name, part]) => (NAMES.test(name) ? [String(part)] : [])).join("/");
  return entries.flatMap(([name, part]) =>
    /errorCode$/i.test(name) ? [`${path}/${own}=${String(part)}`] : codes(part, `${path}/${own}`),
  );
}

async function answer({ alice }: Side, { api, version, body, isCoded }: PermissionQuestion): Promise<string> {
  const defaults = (Apis[api].request.defaults as (draft: object) => object)(body);
  const response: unknown = await alice.ask(api, version, defaults as never).catch((error: unknown) => {
    throw new Error(`no answer to ${api} ${version}`, { cause: error });
  });
  return isCoded === true ? codes(response).sort().join(" ") : JSON.stringify(essence(response));
}

test("whatever the ACLs, clients may do with us what they may do with Kafka", async context => {
  need(await findJava(), context);
  const ports = [await freePort(), await freePort()] as const;
  const ext = ports.map(port => `EXT://127.0.0.1:${port}`);
  const [kafka, samsa] = await Promise.all([
    KafkaProcess.start("fixed", settings, { listeners: [ext[0] ?? ""] }),
    SamsaProcess.start(undefined, [
      `listeners=PLAINTEXT://127.0.0.1:0,${ext[1]}`,
      ...settings.map(one => one.replace("CONTROLLER:PLAINTEXT,", "")),
    ]),
  ]);
  try {
    const sides: Side[] = await Promise.all(
      [kafka, samsa].map(async ({ server }, i) => {
        return { admin: await connect(server), alice: await login(`127.0.0.1:${ports[i]}`) };
      }),
    );
    await Promise.all(sides.map(side => prepare(side).then(() => shareCoordinator(side))));
    const different: string[] = [];
    const seen = new Map<string, Set<string>>();
    const sets = fc.sample(fc.uniqueArray(acl, { maxLength: 8, selector: one => JSON.stringify(one) }), {
      numRuns: ROUNDS,
      seed: interopSeed(),
    });
    for (const creations of [[], EVERYTHING, ...sets]) {
      await Promise.all(sides.map(side => replaceAcls(side, creations)));
      for (const question of PERMISSION_QUESTIONS) {
        const [theirs = "", ours = ""] = await Promise.all(sides.map(side => answer(side, question)));
        const key = `${question.api} ${question.version} ${JSON.stringify(question.body, (_, part: unknown) => (typeof part === "bigint" ? String(part) : part))}`;
        const answers = seen.get(key) ?? new Set();
        seen.set(key, answers.add(theirs));
        if (theirs !== ours)
          different.push(`${key}\n  with ${JSON.stringify(creations)}\n  theirs ${theirs}\n  ours   ${ours}`);
      }
      await Promise.all(sides.map(restore));
    }
    expect(different.slice(0, 40)).toEqual([]);
    const alike = [...seen].flatMap(([key, answers]) => (answers.size < 2 ? [key] : []));
    expect(alike, "ACLs make no difference to an unknown id or kind of key").toEqual([
      expect.stringMatching(/^Metadata 12 .*topicId/),
      expect.stringMatching(/^FindCoordinator 5 /),
    ]);
    for (const side of sides) for (const wire of [side.admin, side.alice]) wire.close();
  } finally {
    await Promise.all([kafka.dispose(), samsa.dispose()]);
  }
}, 600_000);
