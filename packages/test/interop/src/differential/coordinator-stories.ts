/** Scripts for groups and transactions, sent to a broker request by request. */
import { randomUUID } from "node:crypto";
import { nodeCodecs, nodeCrc32c } from "@samsa/node";
import { ApiKey, Errors } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import type { Coordinator } from "./internal-records.ts";

const RETRIABLE: ReadonlySet<number> = new Set(
  (
    ["COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR", "CONCURRENT_TRANSACTIONS"] as const
  ).map(name => Errors[name].code),
);
const PAUSE_MS = 100;
const MOST_TRIES = 100;
export const TOPIC = "told";

/** Script of requests to one kind of coordinator. */
export interface Story {
  readonly name: string;
  readonly coordinator: Coordinator;
  readonly play: (stage: Stage) => Promise<void>;
}

type Answer = Record<string, unknown>;

/** Broker that stories run on. */
export class Stage {
  readonly #client: RawConnection;
  readonly topicId: string;

  constructor(client: RawConnection, topicId: string) {
    this.#client = client;
    this.topicId = topicId;
  }

  /** Sends a request, and retries while a coordinator is not ready. Rejects on any error other than `expected`. */
  async ask(key: number, version: number, body: object, expected: keyof typeof Errors = "NONE"): Promise<Answer> {
    for (let tries = 0; ; tries++) {
      const answer = (await this.#client.ask(key, version, body)) as Answer;
      const text = JSON.stringify(answer, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
      const codes = [...text.matchAll(/"errorCode":(-?\d+)/g)].map(([, code]) => Number(code));
      if (codes.some(code => RETRIABLE.has(code)) && tries < MOST_TRIES && !RETRIABLE.has(Errors[expected].code)) {
        await pause();
        continue;
      }
      const worst = codes.find(code => code !== 0) ?? 0;
      if (worst !== Errors[expected].code) throw new Error(`API ${key} version ${version} was answered with ${text}`);
      return answer;
    }
  }
}

function pause(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, PAUSE_MS));
}

/** ConsumerProtocolSubscription, version 0, of `TOPIC`. */
function subscription(): Uint8Array {
  const name = Buffer.from(TOPIC);
  return Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 1, 0, name.length]), name, Buffer.from([0xff, 0xff, 0xff, 0xff])]);
}

interface Classic {
  readonly group: string;
  readonly instance?: string | null;
  readonly memberId?: string;
}

function joining({ group, instance = null, memberId = "" }: Classic): object {
  return {
    groupId: group,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    memberId,
    groupInstanceId: instance,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: subscription() }],
  };
}

/** Joins as the only member and syncs; returns its id and generation. */
async function alone(stage: Stage, who: Classic): Promise<{ memberId: string; generationId: number }> {
  let memberId = who.memberId ?? "";
  if (memberId === "" && (who.instance ?? null) === null) {
    const first = await stage.ask(ApiKey.JoinGroup, 5, joining(who), "MEMBER_ID_REQUIRED");
    memberId = String(first.memberId);
  }
  const joined = await stage.ask(ApiKey.JoinGroup, 5, joining({ ...who, memberId }));
  memberId = String(joined.memberId);
  const generationId = Number(joined.generationId);
  const assignments = [{ memberId, assignment: Uint8Array.of(0, 0) }];
  const { group, instance = null } = who;
  await stage.ask(ApiKey.SyncGroup, 3, {
    groupId: group,
    generationId,
    memberId,
    groupInstanceId: instance,
    assignments,
  });
  return { memberId, generationId };
}

function offsets(committedOffset: number, metadata = ""): object[] {
  return [{ name: TOPIC, partitions: [{ partitionIndex: 0, committedOffset, committedMetadata: metadata }] }];
}

const CLASSIC: readonly Story[] = [
  {
    name: "a classic member joins, commits and leaves; its group is deleted",
    coordinator: "group",
    play: async stage => {
      const group = "classic";
      const { memberId, generationId } = await alone(stage, { group });
      const commit = { groupId: group, generationIdOrMemberEpoch: generationId, memberId, groupInstanceId: null };
      await stage.ask(ApiKey.OffsetCommit, 7, { ...commit, topics: offsets(3, "some") });
      await stage.ask(ApiKey.Heartbeat, 3, { groupId: group, generationId, memberId, groupInstanceId: null });
      await stage.ask(ApiKey.LeaveGroup, 3, { groupId: group, members: [{ memberId, groupInstanceId: null }] });
      await stage.ask(ApiKey.DeleteGroups, 2, { groupsNames: [group] });
    },
  },
  {
    name: "a static member comes back under a new id",
    coordinator: "group",
    play: async stage => {
      const group = "static";
      await alone(stage, { group, instance: "i" });
      const again = await stage.ask(ApiKey.JoinGroup, 5, joining({ group, instance: "i" }));
      await stage.ask(ApiKey.LeaveGroup, 3, {
        groupId: group,
        members: [{ memberId: String(again.memberId), groupInstanceId: "i" }],
      });
    },
  },
  {
    name: "a member joins again, and its group goes on",
    coordinator: "group",
    play: async stage => {
      const group = "again";
      const { memberId } = await alone(stage, { group });
      await alone(stage, { group, memberId });
      await stage.ask(ApiKey.LeaveGroup, 3, { groupId: group, members: [{ memberId, groupInstanceId: null }] });
    },
  },
  {
    name: "offsets without members are committed, deleted, and their group with them",
    coordinator: "group",
    play: async stage => {
      const simple = { groupId: "simple", generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null };
      await stage.ask(ApiKey.OffsetCommit, 7, { ...simple, topics: offsets(1) });
      await stage.ask(ApiKey.OffsetCommit, 7, { ...simple, topics: offsets(2) });
      await stage.ask(ApiKey.OffsetDelete, 0, {
        groupId: "simple",
        topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0 }] }],
      });
      await stage.ask(ApiKey.OffsetCommit, 7, { ...simple, groupId: "simple-2", topics: offsets(5) });
      await stage.ask(ApiKey.DeleteGroups, 2, { groupsNames: ["simple-2"] });
    },
  },
];

const LEAVING = -1;
const AWAY = -2;

function heartbeat(group: string, memberId: string, memberEpoch: number, more: object = {}): object {
  return {
    groupId: group,
    memberId,
    memberEpoch,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: -1,
    subscribedTopicNames: null,
    subscribedTopicRegex: null,
    serverAssignor: null,
    topicPartitions: null,
    ...more,
  };
}

const first = { rebalanceTimeoutMs: 10_000, subscribedTopicNames: [TOPIC], topicPartitions: [] };

const CONSUMER: readonly Story[] = [
  {
    name: "a member of the consumer protocol joins, commits and leaves",
    coordinator: "group",
    play: async stage => {
      const [group, member] = ["consumer", randomUUID()];
      const owned = { topicPartitions: [{ topicId: stage.topicId, partitions: [0] }] };
      const { memberEpoch } = await stage.ask(ApiKey.ConsumerGroupHeartbeat, 1, heartbeat(group, member, 0, first));
      const epoch = Number(memberEpoch);
      await stage.ask(ApiKey.ConsumerGroupHeartbeat, 1, heartbeat(group, member, epoch, owned));
      const commit = { groupId: group, generationIdOrMemberEpoch: epoch, memberId: member, groupInstanceId: null };
      await stage.ask(ApiKey.OffsetCommit, 9, { ...commit, topics: offsets(4) });
      await stage.ask(ApiKey.ConsumerGroupHeartbeat, 1, heartbeat(group, member, LEAVING));
      await stage.ask(ApiKey.DeleteGroups, 2, { groupsNames: [group] });
    },
  },
  {
    name: "a static member of the consumer protocol goes away and comes back",
    coordinator: "group",
    play: async stage => {
      const [group, member, next] = ["consumer-static", randomUUID(), randomUUID()];
      const named = { ...first, instanceId: "i" };
      await stage.ask(ApiKey.ConsumerGroupHeartbeat, 1, heartbeat(group, member, 0, named));
      await stage.ask(ApiKey.ConsumerGroupHeartbeat, 1, heartbeat(group, member, AWAY, { instanceId: "i" }));
      await stage.ask(ApiKey.ConsumerGroupHeartbeat, 1, heartbeat(group, next, 0, named));
      await stage.ask(ApiKey.ConsumerGroupHeartbeat, 1, heartbeat(group, next, LEAVING, { instanceId: "i" }));
    },
  },
  {
    name: "a member changes what it subscribes to, by names and by an expression",
    coordinator: "group",
    play: async stage => {
      const [group, member] = ["consumer-changing", randomUUID()];
      const { memberEpoch } = await stage.ask(ApiKey.ConsumerGroupHeartbeat, 1, heartbeat(group, member, 0, first));
      const change = { subscribedTopicNames: ["nothing", TOPIC] };
      const next = await stage.ask(
        ApiKey.ConsumerGroupHeartbeat,
        1,
        heartbeat(group, member, Number(memberEpoch), change),
      );
      await stage.ask(ApiKey.ConsumerGroupHeartbeat, 1, heartbeat(group, member, Number(next.memberEpoch)));
      await stage.ask(ApiKey.ConsumerGroupHeartbeat, 1, heartbeat(group, member, LEAVING));
    },
  },
  {
    name: "an empty classic group makes room for a member of the consumer protocol",
    coordinator: "group",
    play: async stage => {
      const [group, member] = ["turned", randomUUID()];
      const { memberId } = await alone(stage, { group });
      await stage.ask(ApiKey.LeaveGroup, 3, { groupId: group, members: [{ memberId, groupInstanceId: null }] });
      await stage.ask(ApiKey.ConsumerGroupHeartbeat, 1, heartbeat(group, member, 0, first));
      await stage.ask(ApiKey.ConsumerGroupHeartbeat, 1, heartbeat(group, member, LEAVING));
    },
  },
];

interface Producer {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

async function started(stage: Stage, transactionalId: string, before?: Producer): Promise<Producer> {
  const body = { transactionalId, transactionTimeoutMs: 60_000 };
  const known = before ?? { producerId: -1n, producerEpoch: -1 };
  const answer = await stage.ask(ApiKey.InitProducerId, 4, { ...body, ...known });
  return { producerId: answer.producerId as bigint, producerEpoch: Number(answer.producerEpoch) };
}

async function written(stage: Stage, transactionalId: string, producer: Producer, baseSequence: number): Promise<void> {
  const tools = { crc32c: nodeCrc32c(), codecs: nodeCodecs() };
  const options = { ...producer, baseSequence, transactional: true };
  const records = [buildBatch([{ timestamp: Date.now(), key: null, value: Uint8Array.of(1) }], options, tools)];
  const topicData = [{ name: TOPIC, partitionData: [{ index: 0, records }] }];
  await stage.ask(ApiKey.Produce, 9, { transactionalId, acks: -1, timeoutMs: 5000, topicData });
}

async function transaction(stage: Stage, id: string, producer: Producer, sequence: number, committed: boolean) {
  const v3 = { v3AndBelowTransactionalId: id, v3AndBelowProducerId: producer.producerId };
  const partitions = [{ name: TOPIC, partitions: [0] }];
  const added = { ...v3, v3AndBelowProducerEpoch: producer.producerEpoch, v3AndBelowTopics: partitions };
  await stage.ask(ApiKey.AddPartitionsToTxn, 3, added);
  await written(stage, id, producer, sequence);
  await stage.ask(ApiKey.EndTxn, 3, { transactionalId: id, ...producer, committed });
  // Requests of the next transaction are retried until this one is complete.
  await stage.ask(ApiKey.DescribeTransactions, 0, { transactionalIds: [id] });
}

const TRANSACTIONS: readonly Story[] = [
  {
    name: "a producer commits, aborts, and its successor fences it",
    coordinator: "transaction",
    play: async stage => {
      const id = "txn";
      const producer = await started(stage, id);
      await transaction(stage, id, producer, 0, true);
      const second = await started(stage, id, producer);
      await transaction(stage, id, second, 0, false);
      const successor = await started(stage, id);
      await stage.ask(ApiKey.EndTxn, 3, { transactionalId: id, ...second, committed: true }, "PRODUCER_FENCED");
      await transaction(stage, id, successor, 0, true);
      await started(stage, id);
    },
  },
  {
    name: "a transaction that is open is aborted for the successor of its producer",
    coordinator: "transaction",
    play: async stage => {
      const id = "open";
      const producer = await started(stage, id);
      const v3 = { v3AndBelowTransactionalId: id, v3AndBelowProducerId: producer.producerId };
      const partitions = [{ name: TOPIC, partitions: [0] }];
      const added = { ...v3, v3AndBelowProducerEpoch: producer.producerEpoch, v3AndBelowTopics: partitions };
      await stage.ask(ApiKey.AddPartitionsToTxn, 3, added);
      await written(stage, id, producer, 0);
      await started(stage, id);
    },
  },
  {
    name: "offsets are committed in a transaction",
    coordinator: "group",
    play: async stage => {
      const [id, groupId] = ["offsets", "in-transaction"];
      const producer = await started(stage, id);
      await stage.ask(ApiKey.AddOffsetsToTxn, 3, { transactionalId: id, ...producer, groupId });
      const commit = {
        transactionalId: id,
        groupId,
        ...producer,
        generationId: -1,
        memberId: "",
        groupInstanceId: null,
      };
      await stage.ask(ApiKey.TxnOffsetCommit, 3, { ...commit, topics: offsets(7) });
      await stage.ask(ApiKey.EndTxn, 3, { transactionalId: id, ...producer, committed: true });
      await started(stage, id);
    },
  },
];

/** Epochs of the first and the last request of a share session (`ShareRequestMetadata`). */
const SESSION_FIRST = 0;
const SESSION_LAST = -1;
const ACCEPT = 1;
const RELEASE = 2;
const REJECT = 3;

/** Member of a share group, which sends one request after the other. */
class ShareMember {
  readonly #stage: Stage;
  readonly #group: string;
  readonly id = randomUUID();
  #epoch = 0;
  #session = SESSION_FIRST;

  constructor(stage: Stage, group: string) {
    this.#stage = stage;
    this.#group = group;
  }

  async beat(subscribedTopicNames: readonly string[] | null, memberEpoch = this.#epoch): Promise<Answer> {
    const body = { groupId: this.#group, memberId: this.id, memberEpoch, rackId: null, subscribedTopicNames };
    const answer = await this.#stage.ask(ApiKey.ShareGroupHeartbeat, 1, body);
    this.#epoch = Number(answer.memberEpoch);
    return answer;
  }

  /** Joins, and sends heartbeats until the partition is assigned. */
  async join(): Promise<void> {
    for (let names: readonly string[] | null = [TOPIC]; ; names = null) {
      const { assignment } = (await this.beat(names)) as { assignment: { topicPartitions: unknown[] } | null };
      if (assignment !== null && assignment.topicPartitions.length > 0) return;
      await pause();
    }
  }

  async leave(): Promise<void> {
    await this.beat(null, LEAVING);
  }

  /** Fetches until records arrive. */
  async fetch(): Promise<void> {
    for (;;) {
      const partitions = [{ partitionIndex: 0, partitionMaxBytes: 0, acknowledgementBatches: [] }];
      const limits = { maxWaitMs: 500, minBytes: 1, maxBytes: 1 << 20, maxRecords: 100, batchSize: 100 };
      const answer = await this.#stage.ask(ApiKey.ShareFetch, 2, {
        ...this.#caller(),
        ...limits,
        shareAcquireMode: 0,
        topics: [{ topicId: this.#stage.topicId, partitions }],
        forgottenTopicsData: [],
      });
      if (JSON.stringify(answer, (_, v: unknown) => (typeof v === "bigint" ? String(v) : v)).includes("firstOffset"))
        return;
    }
  }

  /** Acknowledges records from `firstOffset` on, with one type for each. */
  async says(firstOffset: number, ...acknowledgeTypes: readonly number[]): Promise<void> {
    const lastOffset = firstOffset + acknowledgeTypes.length - 1;
    const partitions = [{ partitionIndex: 0, acknowledgementBatches: [{ firstOffset, lastOffset, acknowledgeTypes }] }];
    await this.#acknowledge([{ topicId: this.#stage.topicId, partitions }]);
  }

  /** Closes the session, which releases the records that the member still holds. */
  async close(): Promise<void> {
    this.#session = SESSION_LAST;
    await this.#acknowledge([]);
    await pause();
  }

  async #acknowledge(topics: readonly object[]): Promise<void> {
    await this.#stage.ask(ApiKey.ShareAcknowledge, 2, { ...this.#caller(), topics });
  }

  #caller(): object {
    const shareSessionEpoch = this.#session;
    if (this.#session >= 0) this.#session++;
    return { groupId: this.#group, memberId: this.id, shareSessionEpoch, isRenewAck: false };
  }
}

/** Produces five records, in batches of one. */
async function produced(stage: Stage): Promise<void> {
  const tools = { crc32c: nodeCrc32c(), codecs: nodeCodecs() };
  for (let i = 0; i < 5; i++) {
    const records = [buildBatch([{ timestamp: Date.now(), key: null, value: Uint8Array.of(i) }], {}, tools)];
    const topicData = [{ name: TOPIC, partitionData: [{ index: 0, records }] }];
    await stage.ask(ApiKey.Produce, 9, { transactionalId: null, acks: -1, timeoutMs: 5000, topicData });
  }
}

async function altered(stage: Stage, groupId: string, startOffset: number): Promise<void> {
  const topics = [{ topicName: TOPIC, partitions: [{ partitionIndex: 0, startOffset }] }];
  await stage.ask(ApiKey.AlterShareGroupOffsets, 0, { groupId, topics });
  await pause();
}

async function deleted(stage: Stage, groupId: string): Promise<void> {
  await stage.ask(ApiKey.DeleteGroups, 2, { groupsNames: [groupId] });
}

/** Reads and acknowledges records in a share group. Setting the start offset creates it before its first member. */
async function consumed(stage: Stage, group: string): Promise<void> {
  await produced(stage);
  await altered(stage, group, 0);
  const member = new ShareMember(stage, group);
  await member.join();
  await member.fetch();
  await member.says(0, ACCEPT, REJECT);
  await member.says(2, RELEASE, ACCEPT);
  await member.fetch();
  await member.says(2, ACCEPT);
  await member.close();
  await member.leave();
}

async function membership(stage: Stage, group: string): Promise<void> {
  const [first, second] = [new ShareMember(stage, group), new ShareMember(stage, group)];
  await first.join();
  await second.join();
  await first.beat(null);
  await first.beat(["nothing", TOPIC]);
  await second.leave();
  await first.beat(null);
  await first.leave();
  await deleted(stage, group);
}

async function offsetsOf(stage: Stage, group: string): Promise<void> {
  await altered(stage, group, 3);
  await altered(stage, group, 1);
  await stage.ask(ApiKey.DeleteShareGroupOffsets, 0, { groupId: group, topics: [{ topicName: TOPIC }] });
  await altered(stage, group, 2);
  await deleted(stage, group);
}

const SHARE: readonly Story[] = (["group", "share"] as const).flatMap(coordinator => [
  {
    name: `members of a share group come, change and go: ${coordinator} coordinator`,
    coordinator,
    play: stage => membership(stage, `members-${coordinator}`),
  },
  {
    name: `a member of a share group accepts, rejects and releases: ${coordinator} coordinator`,
    coordinator,
    play: stage => consumed(stage, `consumed-${coordinator}`),
  },
  {
    name: `the offsets of a share group are set and deleted: ${coordinator} coordinator`,
    coordinator,
    play: stage => offsetsOf(stage, `offsets-${coordinator}`),
  },
]);

/** All stories, in running order. */
export const STORIES: readonly Story[] = [...CLASSIC, ...CONSUMER, ...SHARE, ...TRANSACTIONS];
