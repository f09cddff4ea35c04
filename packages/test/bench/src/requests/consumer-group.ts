import { randomBytes } from "node:crypto";
import { entryAt, randomUuid, type Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { BrokerConnection, ResponseOf } from "@samsa/wire";
import { sleep } from "../system/sleep.ts";
import { isBalanced } from "./balance.ts";
import type { GroupPlace } from "./classic-group.ts";
import { expectNone, isEarly } from "./target.ts";

/** Pause between two heartbeats of a member that has nothing to confirm. Consumers make one of 5 s. */
const HEARTBEAT_MS = 200;
const REBALANCE_MS = 60_000;
/** Errors after which a member joins again. */
const LOST: readonly number[] = [Errors.UNKNOWN_MEMBER_ID.code, Errors.FENCED_MEMBER_EPOCH.code];
const LEAVE_EPOCH = -1;

/** Member of a consumer group (KIP-848) that follows its assignment at once. */
export class ConsumerMember {
  epoch = 0;
  owned: readonly number[] = [];
  /** The coordinator does not know `owned` yet. */
  isUnconfirmed = false;
  readonly #place: GroupPlace;
  readonly #topicId: Uuid;
  readonly #id = randomUuid(randomBytes);

  constructor(place: GroupPlace, topicId: Uuid) {
    this.#place = place;
    this.#topicId = topicId;
  }

  /** Heartbeat to send now: the first one joins. */
  request() {
    const { groupId, topic } = this.#place;
    const isJoin = this.epoch === 0;
    const owned = this.owned.length === 0 ? [] : [{ topicId: this.#topicId, partitions: [...this.owned] }];
    return {
      ...{ groupId, memberId: this.#id, memberEpoch: this.epoch },
      ...(isJoin ? { rebalanceTimeoutMs: REBALANCE_MS, subscribedTopicNames: [topic] } : {}),
      topicPartitions: isJoin || this.isUnconfirmed ? owned : null,
    };
  }

  /** Heartbeat that leaves the group. */
  leave() {
    return { groupId: this.#place.groupId, memberId: this.#id, memberEpoch: LEAVE_EPOCH };
  }

  /** Takes the answer. Throws for an error that is a mistake. */
  answered({ errorCode, memberEpoch, assignment }: ResponseOf<"ConsumerGroupHeartbeat">): void {
    if (LOST.includes(errorCode)) {
      this.epoch = 0;
      this.owned = [];
      return;
    }
    if (isEarly(errorCode)) return;
    expectNone(errorCode, "a heartbeat");
    this.epoch = memberEpoch;
    this.isUnconfirmed = assignment !== null;
    if (assignment !== null) this.owned = assignment.topicPartitions.flatMap(({ partitions }) => partitions);
  }
}

/** Members of a consumer group, several on each connection. */
export class ConsumerGroup {
  readonly #place: GroupPlace;
  readonly #members: readonly ConsumerMember[];
  readonly #connections: readonly BrokerConnection[];
  #running: Promise<unknown> | undefined;
  #isOver = false;

  constructor(place: GroupPlace, topicId: Uuid, connections: readonly BrokerConnection[]) {
    this.#place = place;
    this.#members = Array.from({ length: place.members }, () => new ConsumerMember(place, topicId));
    this.#connections = connections;
  }

  /** Makes all members join at once. Rejects if one fails. */
  start(): Promise<unknown> {
    const run = (member: ConsumerMember, i: number): Promise<void> =>
      this.#run(member, entryAt(this.#connections, i % this.#connections.length));
    return (this.#running ??= Promise.all(this.#members.map(run)));
  }

  /** True once all members have confirmed their part of the same epoch. */
  get isSettled(): boolean {
    const epoch = this.#members[0]?.epoch;
    const settled = this.#members.filter(member => member.epoch === epoch && !member.isUnconfirmed);
    return (
      epoch !== 0 &&
      isBalanced(
        settled.map(({ owned }) => owned),
        this.#place,
      )
    );
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async #run(member: ConsumerMember, connection: BrokerConnection): Promise<void> {
    while (!this.#isOver) {
      member.answered(await connection.call("ConsumerGroupHeartbeat", member.request()));
      if (!member.isUnconfirmed) await sleep(HEARTBEAT_MS);
    }
    const { errorCode } = await connection.call("ConsumerGroupHeartbeat", member.leave());
    expectNone(errorCode, "the end of a member");
  }
}
