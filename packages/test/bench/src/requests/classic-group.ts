import {
  ASSIGNORS,
  CONSUMER_PROTOCOL_TYPE,
  decodeAssignment,
  encodeAssignment,
  encodeSubscription,
} from "@samsa/assign";
import { Errors } from "@samsa/protocol";
import type { BrokerConnection, ResponseOf } from "@samsa/wire";
import { sleep } from "../system/sleep.ts";
import { type GroupSize, isBalanced } from "./balance.ts";
import { expectNone, isEarly } from "./target.ts";

/** Pause between two heartbeats. Consumers make longer ones, in which a group would only wait. */
const HEARTBEAT_MS = 10;
const SESSION_MS = 45_000;
const REBALANCE_MS = 60_000;
const PROTOCOL = "range";

/** Errors after which a member joins again; with the last ones it has lost its id. */
const REJOIN: readonly number[] = [Errors.REBALANCE_IN_PROGRESS.code, Errors.ILLEGAL_GENERATION.code];
const LOST: readonly number[] = [Errors.UNKNOWN_MEMBER_ID.code];

/** Group and topic of members. */
export interface GroupPlace extends GroupSize {
  readonly groupId: string;
  readonly topic: string;
}

/** Member of a classic group that joins and sends heartbeats, but reads nothing. */
class ClassicMember {
  /** Partitions of the present generation; undefined while the member joins. */
  owned: readonly number[] | undefined;
  generation = -1;
  readonly #place: GroupPlace;
  readonly #connection: BrokerConnection;
  #memberId = "";
  #isOver = false;

  constructor(place: GroupPlace, connection: BrokerConnection) {
    this.#place = place;
    this.#connection = connection;
  }

  /** Takes part in the group until `end`, and leaves it. */
  async run(): Promise<void> {
    while (!this.#isOver) {
      const joined = await this.#join();
      if (joined !== undefined && (await this.#sync(joined))) await this.#beat();
      this.owned = undefined;
    }
    const members = [{ memberId: this.#memberId }];
    const { errorCode } = await this.#connection.call("LeaveGroup", { groupId: this.#place.groupId, members });
    expectNone(errorCode, "the end of a member");
  }

  end(): void {
    this.#isOver = true;
  }

  async #join(): Promise<ResponseOf<"JoinGroup"> | undefined> {
    const { groupId, topic } = this.#place;
    const subscription = { topics: [topic], userData: null, owned: [], generation: -1, rack: null };
    const response = await this.#connection.call("JoinGroup", {
      ...{ groupId, memberId: this.#memberId, protocolType: CONSUMER_PROTOCOL_TYPE },
      ...{ sessionTimeoutMs: SESSION_MS, rebalanceTimeoutMs: REBALANCE_MS },
      protocols: [{ name: PROTOCOL, metadata: encodeSubscription(subscription) }],
    });
    if (response.errorCode === Errors.MEMBER_ID_REQUIRED.code) this.#memberId = response.memberId;
    else if (!(await this.#comesAgain(response.errorCode, "a join"))) {
      this.#memberId = response.memberId;
      this.generation = response.generationId;
      return response;
    }
    return undefined;
  }

  /** False: the member joins again. */
  async #sync({ leader, members }: ResponseOf<"JoinGroup">): Promise<boolean> {
    const memberId = this.#memberId;
    const response = await this.#connection.call("SyncGroup", {
      ...{ groupId: this.#place.groupId, generationId: this.generation, memberId },
      ...{ protocolType: CONSUMER_PROTOCOL_TYPE, protocolName: PROTOCOL },
      assignments: leader === memberId ? this.#assign(members.map(member => member.memberId)) : [],
    });
    if (await this.#comesAgain(response.errorCode, "a sync")) return false;
    this.owned = decodeAssignment(response.assignment).partitions.map(({ partition }) => partition);
    return true;
  }

  #assign(ids: readonly string[]) {
    const { topic, partitions } = this.#place;
    const subscription = { topics: [topic], userData: null, owned: [], generation: -1, rack: null };
    const members = ids.map(memberId => ({ memberId, instanceId: null, subscription }));
    const assigned = ASSIGNORS[PROTOCOL].assign({ members, topics: new Map([[topic, { partitions }]]) });
    return [...assigned].map(([memberId, places]) => ({
      memberId,
      assignment: encodeAssignment({ partitions: places, userData: null }),
    }));
  }

  /** Sends heartbeats until the group rebalances. */
  async #beat(): Promise<void> {
    while (!this.#isOver) {
      await sleep(HEARTBEAT_MS);
      const { errorCode } = await this.#connection.call("Heartbeat", {
        ...{ groupId: this.#place.groupId, generationId: this.generation, memberId: this.#memberId },
      });
      if (await this.#comesAgain(errorCode, "a heartbeat")) return;
    }
  }

  /** True if the member must join again. Throws for an error that is a mistake. */
  async #comesAgain(errorCode: number, what: string): Promise<boolean> {
    if (errorCode === 0) return false;
    if (LOST.includes(errorCode)) this.#memberId = "";
    else if (isEarly(errorCode)) await sleep(HEARTBEAT_MS);
    else if (!REJOIN.includes(errorCode)) expectNone(errorCode, what);
    return true;
  }
}

/** Members of a classic group, each with a connection of its own: a join is answered when all have joined. */
export class ClassicGroup {
  readonly #place: GroupPlace;
  readonly #members: readonly ClassicMember[];
  #running: Promise<unknown> | undefined;

  constructor(place: GroupPlace, connections: readonly BrokerConnection[]) {
    this.#place = place;
    this.#members = connections.slice(0, place.members).map(connection => new ClassicMember(place, connection));
  }

  /** Makes all members join at once. Rejects if one fails. */
  start(): Promise<unknown> {
    return (this.#running ??= Promise.all(this.#members.map(member => member.run())));
  }

  /** True once all members have their part of one generation. */
  get isSettled(): boolean {
    const generation = this.#members[0]?.generation;
    const owned = this.#members.flatMap(member =>
      member.owned === undefined || member.generation !== generation ? [] : [member.owned],
    );
    return isBalanced(owned, this.#place);
  }

  async end(): Promise<void> {
    for (const member of this.#members) member.end();
    await this.#running;
  }
}
