/** Listens to what producers, consumers and admins tell of themselves. */
import { Kafka, logLevel } from "@samsa/kafkajs";

const kafka = new Kafka({
  clientId: "observer",
  brokers: (process.env["KAFKA_BROKERS"] ?? "").split(","),
  logLevel: logLevel.NOTHING,
});
const seen = new Set<string>();
const producer = kafka.producer();
const requests: string[] = [];
producer.on(producer.events.CONNECT, ({ type }) => void seen.add(type));
producer.on(producer.events.DISCONNECT, ({ type }) => void seen.add(type));
producer.on(producer.events.REQUEST, ({ payload }) => {
  const { apiKey, apiName, apiVersion, broker, clientId, correlationId, createdAt, sentAt, duration, size } = payload;
  const isWhole = apiVersion >= 0 && correlationId >= 0 && size > 0 && duration >= 0 && sentAt >= createdAt;
  if (apiName === "Produce")
    requests.push(`${apiName} ${apiKey} ${clientId} ${broker === process.env["KAFKA_BROKERS"]} ${isWhole}`);
});
await producer.connect();
await producer.send({ topic: "events", messages: [{ value: "a" }] });
await producer.disconnect();
console.log(requests.join());

const consumer = kafka.consumer({ groupId: "events", maxWaitTimeInMs: 50, heartbeatInterval: 100 });
const { events } = consumer;
const wanted = [events.GROUP_JOIN, events.FETCH_START, events.FETCH, events.START_BATCH_PROCESS] as const;
for (const name of [...wanted, events.END_BATCH_PROCESS, events.COMMIT_OFFSETS, events.CONNECT, events.STOP]) {
  consumer.on(name, ({ id, type, timestamp }) => {
    if (id >= 0 && Math.abs(Date.now() - timestamp) < 10_000) seen.add(type);
  });
}
consumer.on(events.GROUP_JOIN, ({ payload: { groupId, memberId, leaderId, isLeader, memberAssignment } }) => {
  console.log("joined", groupId, memberId === leaderId, isLeader, memberAssignment);
});
let beats = 0;
const beaten = new Promise<void>(resolve => {
  const remove = consumer.on(events.HEARTBEAT, ({ payload: { groupId, memberId, groupGenerationId } }) => {
    if (groupId !== "events" || memberId === "" || groupGenerationId !== 1) console.log("a strange heartbeat");
    if (++beats < 2) return;
    remove();
    resolve();
  });
});
await consumer.connect();
await consumer.subscribe({ topics: ["events"], fromBeginning: true });
await consumer.run({ eachMessage: async ({ message }) => console.log("message", String(message.value)) });
await beaten;
await consumer.disconnect();
console.log("heartbeats", beats);

const admin = kafka.admin();
let answers = 0;
const remove = admin.on(admin.events.REQUEST, () => void answers++);
await admin.connect();
await admin.listTopics();
remove();
const before = answers;
await admin.listTopics();
await admin.disconnect();
console.log("requests of the admin", before > 0, answers === before);
console.log([...seen].sort().join(" "));
