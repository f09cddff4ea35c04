import { describe, expect, test } from "vitest";
import { AssignerProtocol, type Consumer, type ConsumerPayloads, PartitionAssigners } from "../src/index.ts";
import { fresh, until, worldFixture } from "./world.ts";

const world = worldFixture();

describe("groups", () => {
  test("share partitions, and hand them over without messages that come twice", async () => {
    const topic = await world().topic(4);
    const groupId = fresh("group");
    const producer = await world().producer();
    const counts = new Map<string, number>();
    const member = async (): Promise<Consumer> => {
      const consumer = await world().reader(topic, { groupId });
      await consumer.run({
        eachMessage: async ({ message }) => {
          counts.set(String(message.value), (counts.get(String(message.value)) ?? 0) + 1);
        },
      });
      return consumer;
    };
    const assignments: number[] = [];
    const first = await member();
    first.on(first.events.GROUP_JOIN, ({ payload }) =>
      assignments.push((payload.memberAssignment[topic] ?? []).length),
    );
    const messages = (from: number) => Array.from({ length: 40 }, (_, i) => ({ value: `${from + i}` }));
    await producer.send({ topic, messages: messages(0) });
    const second = await member();
    await producer.send({ topic, messages: messages(40) });
    await until(() => assignments.includes(2), "the partitions are shared");
    await second.disconnect();
    await producer.send({ topic, messages: messages(80) });
    await until(() => counts.size === 120);
    await until(() => assignments[assignments.length - 1] === 4, "the first member has all partitions again");
    expect([...counts.values()].every(count => count === 1)).toBe(true);
  });

  test("tell of rebalances, and of what a member has", async () => {
    const topic = await world().topic(2);
    const groupId = fresh("group");
    const first = await world().consumer({ groupId });
    const joined: ConsumerPayloads["consumer.group_join"][] = [];
    let rebalances = 0;
    first.on(first.events.GROUP_JOIN, ({ payload }) => joined.push(payload));
    first.on(first.events.REBALANCING, () => rebalances++);
    await first.subscribe({ topic });
    await first.run();
    const [{ memberId }] = joined;
    const generation = { leaderId: memberId, isLeader: true, groupProtocol: "roundrobin" };
    expect(joined).toEqual([
      { duration: expect.any(Number), groupId, memberId, memberAssignment: { [topic]: [0, 1] }, ...generation },
    ]);
    const second = await world().consumer({ groupId });
    await second.subscribe({ topic });
    const others: (readonly [string, boolean])[] = [];
    second.on(second.events.GROUP_JOIN, ({ payload: { leaderId, isLeader } }) => others.push([leaderId, isLeader]));
    await second.run();
    await until(() => rebalances === 1 && joined.length === 2);
    expect(others).toEqual([[memberId, false]]);
  });

  test("go on without a handler that takes longer than a rebalance may", async () => {
    const topic = await world().topic(2);
    await world().fill(topic, ["a"]);
    const groupId = fresh("group");
    const config = { groupId, rebalanceTimeout: 500, heartbeatInterval: 50 };
    const first = await world().reader(topic, config);
    let end: (() => void) | undefined;
    let heartbeat: (() => Promise<void>) | undefined;
    await first.run({
      eachMessage: payload => {
        ({ heartbeat } = payload);
        return new Promise(resolve => (end = resolve));
      },
    });
    await until(() => end !== undefined);
    const counts: number[] = [];
    first.on(first.events.GROUP_JOIN, ({ payload }) => counts.push(payload.memberAssignment[topic]?.length ?? 0));
    const second = await world().reader(topic, config);
    await second.run();
    await until(() => counts.includes(1), "the first member has joined again");
    await expect(heartbeat?.()).rejects.toMatchObject({ type: "REBALANCE_IN_PROGRESS" });
    end?.();
  });

  test("have topics of any name, also one that every object has", async () => {
    const topic = "constructor";
    await (await world().admin()).createTopics({ topics: [{ topic }] });
    const consumer = await world().reader(topic);
    const assignments: object[] = [];
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => assignments.push(payload.memberAssignment));
    await consumer.run();
    expect(assignments).toEqual([{ [topic]: [0] }]);
  });

  test("describe themselves, with bytes that AssignerProtocol reads", async () => {
    const topic = await world().topic(2);
    const groupId = fresh("group");
    const consumer = await world().consumer({ groupId });
    await consumer.subscribe({ topic });
    await consumer.run();
    const described = await consumer.describeGroup();
    expect(described).toMatchObject({
      errorCode: 0,
      groupId,
      protocol: "roundrobin",
      protocolType: "consumer",
      state: "Stable",
    });
    const [member] = described.members;
    expect(AssignerProtocol.MemberMetadata.decode(member.memberMetadata)?.topics).toEqual([topic]);
    expect(AssignerProtocol.MemberAssignment.decode(member.memberAssignment)?.assignment).toEqual({ [topic]: [0, 1] });
  });

  test("have other assigners", async () => {
    const topic = await world().topic();
    const consumer = await world().consumer({ partitionAssigners: [PartitionAssigners.cooperativeSticky] });
    await consumer.subscribe({ topic });
    await consumer.run();
    expect((await consumer.describeGroup()).protocol).toBe("cooperative-sticky");
  });
});
