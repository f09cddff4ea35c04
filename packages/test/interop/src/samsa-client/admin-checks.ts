import { pbkdf2Sync, randomBytes } from "node:crypto";
import { ZERO_UUID } from "@samsa/base";
import { type Admin, KafkaError, string } from "@samsa/client";
import { until } from "../processes/until.ts";
import { equal } from "../walks/walk.ts";
import { type ClientCheck, createTopic, type Stage, take } from "./stage.ts";

const TOPIC = "admin";
const AT = { topic: TOPIC, partition: 0 };
const NOWHERE = { topic: "nowhere", partition: 0 };
const WAIT_MS = 10_000;

/** Name of the error with which a call is refused. */
async function refusal(call: Promise<unknown>): Promise<string> {
  return await call.then(
    () => "nothing",
    (error: unknown) => (error instanceof KafkaError ? error.name : String(error)),
  );
}

function nameOf(outcome: unknown): unknown {
  return outcome instanceof KafkaError ? outcome.name : outcome;
}

async function topics({ topics: admin }: Admin, stage: Stage): Promise<void> {
  const wish = { name: TOPIC, partitions: 2, replicationFactor: 1, configs: { "retention.ms": "3600000" } };
  const tried = (await admin.create([wish], { validateOnly: true })).value(TOPIC);
  equal("validated", [tried.partitions, tried.configs?.get("retention.ms")], [2, "3600000"]);
  (await admin.create([wish])).orThrow();
  equal("created again", nameOf((await admin.create([wish])).get(TOPIC)), "TOPIC_ALREADY_EXISTS");
  const wrong = await admin.create([{ name: "wrong", replicationFactor: 3 }, { name: "a b" }]);
  equal(
    "wrong",
    [nameOf(wrong.get("wrong")), nameOf(wrong.get("a b"))],
    [...["INVALID_REPLICATION_FACTOR", "INVALID_TOPIC_EXCEPTION"]],
  );
  equal("listed", (await admin.list()).filter(({ name }) => name === TOPIC).length, 1);
  equal(
    "internal",
    (await admin.list({ internal: true })).some(({ isInternal }) => isInternal),
    true,
  );
  (await admin.addPartitions(new Map([[TOPIC, 3]]))).orThrow();
  equal("fewer", nameOf((await admin.addPartitions(new Map([[TOPIC, 1]]))).get(TOPIC)), "INVALID_PARTITIONS");
  await until("three partitions", async () => (await admin.describeOne(TOPIC)).partitions.length === 3, WAIT_MS);
  const told = (await admin.describe([TOPIC, "nowhere"], { authorizedOperations: true })).get(TOPIC);
  if (told === undefined || told instanceof KafkaError) throw new Error(`the topic is ${String(told)}`);
  equal("operations", told.authorizedOperations?.includes("ALTER_CONFIGS"), true);
  equal(
    "isr",
    told.partitions.map(({ isr }) => isr.length),
    [1, 1, 1],
  );
  await using producer = stage.client.producer({ value: string });
  for (let i = 0; i < 5; i++) await producer.send({ ...AT, key: "k", value: String(i) });
  const deleted = await admin.deleteRecords([
    { ...AT, offset: 2 },
    { topic: TOPIC, partition: 1, offset: 9 },
  ]);
  equal("low watermark", [deleted.of(TOPIC, 0), nameOf(deleted.of(TOPIC, 1))], [2, "OFFSET_OUT_OF_RANGE"]);
  await createTopic(stage, "leaves");
  (await admin.delete(["leaves"])).orThrow();
  await until("it is gone", async () => !(await admin.list()).some(({ name }) => name === "leaves"), WAIT_MS);
  equal("deleted again", nameOf((await admin.delete(["leaves"])).get("leaves")), "UNKNOWN_TOPIC_OR_PARTITION");
}

async function configs({ configs: admin, cluster }: Admin, { vendor }: Stage): Promise<void> {
  const id = (await cluster.describe()).nodes[0]?.id ?? -1;
  const broker = `broker:${id}` as const;
  const changes = {
    [`topic:${TOPIC}`]: {
      "cleanup.policy": { op: "append", value: "compact" },
      "retention.ms": { op: "delete" },
    },
    "topic:nowhere": { "retention.ms": { op: "set", value: "1" } },
    [broker]: { "log.cleaner.threads": { op: "set", value: "2" } },
    "broker:": { "message.max.bytes": { op: "set", value: "2000000" } },
    "group:admin-group": { "consumer.session.timeout.ms": { op: "set", value: "50000" } },
    "client-metrics:m": { "interval.ms": { op: "set", value: "60000" } },
  } as const;
  equal("tried", (await admin.alter({ [broker]: changes[broker] }, { validateOnly: true })).errors.size, 0);
  const made = await admin.alter(changes);
  equal(
    "errors",
    [...made.errors].map(([name, error]) => [name, error.name]),
    [["topic:nowhere", "UNKNOWN_TOPIC_OR_PARTITION"]],
  );
  const unknown = await admin.alter({ [`topic:${TOPIC}`]: { "no.such": { op: "set", value: "1" } } });
  equal("unknown setting", nameOf(unknown.get(`topic:${TOPIC}`)), "INVALID_CONFIG");
  const valueOf = async (resource: Parameters<typeof admin.describe>[0][number], name: string) =>
    (await admin.describe([resource], { names: [name], synonyms: true, documentation: true }))
      .value(resource)
      .get(name);
  await until(
    "the topic's policy",
    async () => (await valueOf(`topic:${TOPIC}`, "cleanup.policy"))?.value === "delete,compact",
    WAIT_MS,
  );
  const retention = await valueOf(`topic:${TOPIC}`, "retention.ms");
  equal("retention", [retention?.value, retention?.source, retention?.type], ["604800000", "DEFAULT_CONFIG", "LONG"]);
  equal("documentation", (retention?.documentation ?? "").length > 10, true);
  const isTwo = async (): Promise<boolean> => (await valueOf(broker, "log.cleaner.threads"))?.value === "2";
  await until("the broker's threads", isTwo, WAIT_MS);
  equal("source", (await valueOf(broker, "log.cleaner.threads"))?.source, "DYNAMIC_BROKER_CONFIG");
  equal("default of brokers", (await valueOf("broker:", "message.max.bytes"))?.value, "2000000");
  equal("group", (await valueOf("group:admin-group", "consumer.session.timeout.ms"))?.value, "50000");
  equal("metrics", (await valueOf("client-metrics:m", "interval.ms"))?.value, "60000");
  const named = await admin.listResources({ types: ["topic", "group", "client-metrics"] });
  for (const name of [`topic:${TOPIC}`, "group:admin-group", "client-metrics:m"]) {
    if (!named.some(found => found === name)) throw new Error(`${name} is not among ${named.join(", ")}`);
  }
  const loggers = (await admin.describe([`broker-logger:${id}`])).value(`broker-logger:${id}`);
  // Samsa has no loggers whose levels could be set.
  equal("root logger", loggers.has("root"), vendor === "Apache Kafka");
  if (vendor === "Samsa") return;
  const level = { root: { op: "set", value: "ERROR" } } as const;
  (await admin.alter({ [`broker-logger:${id}`]: level })).orThrow();
  const again = (await admin.describe([`broker-logger:${id}`])).value(`broker-logger:${id}`);
  equal("level", again.get("root")?.value, "ERROR");
}

async function groups({ groups: admin }: Admin, stage: Stage): Promise<void> {
  const set = await admin.alterOffsets("admin-group", [
    { ...AT, offset: 3, metadata: "note" },
    { topic: TOPIC, partition: 1, offset: 0 },
    { ...NOWHERE, offset: 1 },
  ]);
  equal(
    "errors",
    [...set.errors.values()].map(({ name }) => name),
    ["UNKNOWN_TOPIC_OR_PARTITION"],
  );
  const read = await admin.offsets(["admin-group", "none"]);
  equal(
    "offsets",
    read.value("admin-group").map(({ offset, metadata }) => [offset, metadata]),
    [
      [3, "note"],
      [0, ""],
    ],
  );
  equal("of no group", read.value("none"), []);
  equal(
    "listed",
    (await admin.list({ states: ["Empty"] })).some(({ groupId }) => groupId === "admin-group"),
    true,
  );
  equal("deleted", (await admin.deleteOffsets("admin-group", [{ topic: TOPIC, partition: 1 }])).of(TOPIC, 1), true);
  for (const protocol of ["classic", "consumer"] as const) {
    const groupId = `admin-${protocol}`;
    await using consumer = stage.client.consumer({ group: { groupId, protocol }, reset: "earliest", value: string });
    await consumer.subscribe([TOPIC]);
    await take(consumer, 3);
    const told = (await admin.describe([groupId], { authorizedOperations: true })).value(groupId);
    equal("group", [told.type.toLowerCase(), told.state, told.members.length], [protocol, "Stable", 1]);
    equal("assigned", told.members[0]?.assignment.length, 3);
    equal("operations", told.authorizedOperations?.includes("READ"), true);
    equal(
      "types",
      (await admin.list({ types: [protocol] })).some(({ groupId: id }) => id === groupId),
      true,
    );
    equal("delete while it has members", nameOf((await admin.delete([groupId])).get(groupId)), "NON_EMPTY_GROUP");
    equal(
      "commit while it has members",
      nameOf((await admin.alterOffsets(groupId, [{ ...AT, offset: 1 }])).of(TOPIC, 0)),
      "UNKNOWN_MEMBER_ID",
    );
    if (protocol === "classic") {
      (await admin.removeMembers(groupId, "all", { reason: "a check" })).orThrow();
      await until(
        "it joins again",
        async () => {
          const { state, members } = (await admin.describe([groupId])).value(groupId);
          return state === "Stable" && members.length === 1 && members[0]?.memberId !== told.members[0]?.memberId;
        },
        WAIT_MS,
      );
    }
    await consumer.close();
    equal("deleted", (await admin.delete([groupId])).get(groupId), true);
  }
  equal("deleted", (await admin.delete(["admin-group"])).get("admin-group"), true);
  const gone = await admin.describe(["admin-group"]);
  equal("described", nameOf(gone.get("admin-group")), "GROUP_ID_NOT_FOUND");
}

async function shareGroups({ shareGroups: admin }: Admin): Promise<void> {
  const changed = await admin.alterOffsets("admin-share", [{ ...AT, startOffset: 2 }]);
  equal("changed", nameOf(changed.of(TOPIC, 0)), true);
  const read = (await admin.offsets(["admin-share"], { partitions: [AT] })).value("admin-share");
  equal(
    "offsets",
    read.map(({ partition, startOffset }) => [partition, startOffset]),
    [[0, 2]],
  );
  const deleted = await admin.deleteOffsets("admin-share", [TOPIC, "nowhere"]);
  equal("deleted", [nameOf(deleted.get(TOPIC)), nameOf(deleted.get("nowhere"))], [true, "UNKNOWN_TOPIC_OR_PARTITION"]);
}

async function replicas({ replicas: admin, cluster }: Admin, stage: Stage): Promise<void> {
  const id = (await cluster.describe()).nodes[0]?.id ?? -1;
  const [folder] = (await admin.describeLogDirs()).value(id);
  equal("directory", [folder?.path, folder?.error], [stage.broker.directory, undefined]);
  const bytes = Number(folder?.replicas.find(({ topic, partition }) => topic === TOPIC && partition === 0)?.sizeBytes);
  equal("has bytes", bytes > 60 && Number(folder?.totalBytes) > bytes, true);
  const path = stage.broker.directory;
  const moved = await admin.moveToLogDirs([
    { ...AT, broker: id, path },
    { ...AT, partition: 1, broker: id, path: "/nowhere" },
  ]);
  equal(
    "moved",
    [...moved].map(([, outcome]) => nameOf(outcome)),
    [true, "LOG_DIR_NOT_FOUND"],
  );
  const elected = await admin.electLeaders("preferred", [AT, NOWHERE]);
  equal(
    "elected",
    [nameOf(elected.of(TOPIC, 0)), nameOf(elected.of("nowhere", 0))],
    [...["ELECTION_NOT_NEEDED", "UNKNOWN_TOPIC_OR_PARTITION"]],
  );
  equal("elected of all", (await admin.electLeaders("preferred", "all")).errors.size, 0);
  const reassigned = await admin.reassign([
    { ...AT, replicas: [id] },
    { ...AT, partition: 1, replicas: null },
    { ...AT, partition: 2, replicas: [4711] },
  ]);
  equal(
    "reassigned",
    [0, 1, 2].map(partition => nameOf(reassigned.of(TOPIC, partition))),
    [...[true, "NO_REASSIGNMENT_IN_PROGRESS", "INVALID_REPLICA_ASSIGNMENT"]],
  );
  equal("in progress", await admin.listReassignments(), []);
}

async function transactions({ transactions: admin }: Admin, stage: Stage): Promise<void> {
  await using producer = stage.client.producer({ value: string, transactionalId: "admin-tx" });
  let refused = "";
  await producer
    .transaction(async () => {
      await producer.send({ ...AT, key: "k", value: "open" });
      const listed = await admin.list({ states: ["Ongoing"], pattern: "admin-.*" });
      equal(
        "listed",
        listed.map(({ transactionalId }) => transactionalId),
        ["admin-tx"],
      );
      const told = (await admin.describe(["admin-tx", "none"])).value("admin-tx");
      equal("described", [told.state, told.partitions], ["Ongoing", [AT]]);
      const producers = (await admin.describeProducers([AT])).of(TOPIC, 0);
      if (producers === undefined || producers instanceof KafkaError)
        throw new Error(`producers: ${String(producers)}`);
      const open = producers.find(({ transactionStart }) => transactionStart >= 0);
      equal("producer", open?.producerId, told.producerId);
      (await admin.fence(["admin-tx"])).orThrow();
    })
    .catch((error: unknown) => {
      refused = error instanceof KafkaError ? error.name : String(error);
    });
  equal("error of the fenced one", /FENCED|INVALID_PRODUCER_EPOCH/.test(refused) ? "" : refused, "");
  equal("of none", nameOf((await admin.describe(["none"])).get("none")), "TRANSACTIONAL_ID_NOT_FOUND");
  // The marker of a producer that is not there aborts nothing, but the leader writes it.
  await admin.abort({ ...AT, producerId: 4711n, producerEpoch: 1, coordinatorEpoch: 0 });
}

async function theCluster({ cluster: admin }: Admin, stage: Stage): Promise<void> {
  const told = await admin.describe({ authorizedOperations: true, includeFenced: true });
  equal(
    "nodes",
    told.nodes.map(({ host, port }) => `${host}:${port}`),
    [stage.broker.server],
  );
  equal("cluster", [told.clusterId.length, told.authorizedOperations?.includes("ALTER")], [22, true]);
  const quorum = await admin.describeQuorum();
  equal("quorum", [quorum.leaderId, quorum.voters.length], [told.nodes[0]?.id, 1]);
  equal("high watermark", quorum.highWatermark > 0, true);
  equal("unregister", await refusal(admin.unregisterBroker(77)), "BROKER_ID_NOT_REGISTERED");
  const features = await admin.describeFeatures();
  equal("features", features.get("transaction.version"), { finalized: 2, minSupported: 0, maxSupported: 2 });
  equal("no feature", await refusal(admin.updateFeatures({ "no.such": { level: 1 } })), "INVALID_UPDATE_VERSION");
  await admin.updateFeatures({ "group.version": { level: 1 } }, { validateOnly: true });
  equal("client instance", await refusal(admin.clientInstanceId()), "UNSUPPORTED_VERSION");
  const voter = {
    id: 9,
    directoryId: ZERO_UUID,
    listeners: [{ name: "CONTROLLER", host: "h", port: 1 }],
  };
  const added = await refusal(admin.addVoter(voter, { timeoutMs: 8000 }));
  equal("voter without a directory", added, "INVALID_REQUEST");
  const removed = await refusal(admin.removeVoter({ id: 9, directoryId: voter.directoryId }, { timeoutMs: 8000 }));
  equal("no voter", removed, "INVALID_REQUEST");
}

async function quotas({ cluster: admin }: Admin): Promise<void> {
  const entity = { user: "alice", "client-id": null };
  const set = await admin.alterQuotas([
    { entity, values: { producer_byte_rate: 1000, consumer_byte_rate: 5 } },
    { entity: { ip: "127.0.0.9" }, values: { connection_creation_rate: 100 } },
    { entity: { user: "bob" }, values: { nonsense: 1 } },
  ]);
  equal(
    "errors",
    [...set.errors.values()].map(({ name }) => name),
    ["INVALID_REQUEST"],
  );
  const filter = { components: [{ type: "user", match: { name: "alice" } }] } as const;
  const values = { producer_byte_rate: 1000, consumer_byte_rate: 5 };
  await until("the quotas", async () => (await admin.describeQuotas(filter)).length === 1, WAIT_MS);
  equal("quotas", await admin.describeQuotas(filter), [{ entity, values }]);
  equal("strictly of users", await admin.describeQuotas({ ...filter, strict: true }), []);
  (await admin.alterQuotas([{ entity, values: { producer_byte_rate: null, consumer_byte_rate: null } }])).orThrow();
  await until("none are left", async () => (await admin.describeQuotas(filter)).length === 0, WAIT_MS);
}

async function scram({ client }: Stage): Promise<void> {
  const admin = client.admin().access;
  const salt = randomBytes(16);
  const credential = { user: "alice", mechanism: "SCRAM-SHA-256", iterations: 4096 } as const;
  const saltedPassword = pbkdf2Sync("secret", salt, credential.iterations, 32, "sha256");
  (await admin.alterScram([{ ...credential, salt, saltedPassword }])).orThrow();
  const told = async () => nameOf((await admin.describeScram(["alice"])).get("alice"));
  await until("a credential", async () => Array.isArray(await told()), WAIT_MS);
  equal("credentials", await told(), [{ mechanism: "SCRAM-SHA-256", iterations: 4096 }]);
  (await admin.alterScram([{ user: "alice", mechanism: "SCRAM-SHA-256", delete: true }])).orThrow();
  await until("no credential", async () => (await told()) === "RESOURCE_NOT_FOUND", WAIT_MS);
}

async function access({ access: admin }: Admin): Promise<void> {
  equal("access rights", await refusal(admin.describeAcls()), "SECURITY_DISABLED");
  const acl = {
    resourceType: "TOPIC",
    resourceName: TOPIC,
    principal: "User:alice",
    operation: "READ",
    permission: "ALLOW",
  } as const;
  equal("new access right", nameOf((await admin.createAcls([acl])).get(acl)), "SECURITY_DISABLED");
  equal("token", await refusal(admin.createToken()), "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED");
}

function check(name: string, body: (admin: Admin, stage: Stage) => Promise<void>): ClientCheck {
  return { name: `administration: ${name}`, run: stage => body(stage.client.admin(), stage) };
}

/** Checks of administration, in order: the first creates the topic of all. */
export const ADMIN_CHECKS: readonly ClientCheck[] = [
  check("topics", topics),
  check("settings", configs),
  check("groups", groups),
  check("share groups", shareGroups),
  check("replicas", replicas),
  check("transactions", transactions),
  check("cluster", theCluster),
  check("quotas", quotas),
  check("access without security", access),
  { name: "administration: SCRAM credentials", run: scram },
];
