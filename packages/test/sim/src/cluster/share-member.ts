import { type PartitionIndex, randomUuid, type Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { ResponseOf } from "@samsa/wire";
import { GROUP_TOPIC } from "../clients/member.ts";
import { Violation } from "../ledgers/rules.ts";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import type { RoutedClient } from "../stage/routed-client.ts";
import type { Actor } from "../stage/stage.ts";
import type { Prng } from "../world/prng.ts";

/** Group id of the share group (KIP-932). */
export const SHARE_GROUP = "sharers";
const GROUP_RESOURCE = 32;
const ACCEPT = 1;
const RELEASE = 2;
/** Steps after which a member sends a heartbeat. */
const BEAT_STEPS = 3;

interface Taken {
  readonly offset: number;
  readonly type: number;
}

type Answered = ResponseOf<"ShareFetch">["responses"][number]["partitions"][number];

/** Ledger of a share group: the records that its members were given, and those that they have accepted for good. */
export class ShareLedger {
  readonly #delivered = new Set<string>();
  readonly #accepted = new Set<string>();
  /** A deposed leader of a partition does not know what its successor was told, so it delivers that again. */
  isSettled = false;
  /** Number of accepted records. */
  accepted = 0;

  took(partition: PartitionIndex, offset: number): void {
    const key = `${partition}/${offset}`;
    this.#delivered.add(key);
    if (this.isSettled && this.#accepted.has(key)) {
      throw new Violation("an acknowledged record was delivered again", `${GROUP_TOPIC}-${partition} at ${offset}`);
    }
  }

  accept(partition: PartitionIndex, offset: number): void {
    this.accepted++;
    this.#accepted.add(`${partition}/${offset}`);
  }

  /** First offset from `start` up to `end` that no member was given. */
  missing(partition: PartitionIndex, start: number, end: number): number | undefined {
    for (let offset = start; offset < end; offset++) if (!this.#delivered.has(`${partition}/${offset}`)) return offset;
    return undefined;
  }
}

/** Has the share group begin with the first record; false without an answer. */
export async function prepareShareGroup(client: Client): Promise<boolean> {
  const configs = [{ name: "share.auto.offset.reset", configOperation: 0, value: "earliest" }];
  const resources = [{ resourceType: GROUP_RESOURCE, resourceName: SHARE_GROUP, configs }];
  const answer = await client.ask(CALLS.alterConfigs, { resources, validateOnly: false });
  return answer?.responses[0]?.errorCode === 0;
}

/** Member of a share group: takes records, accepts or releases them with its next fetch, dies and joins again. */
export class ShareMember implements Actor {
  readonly client: RoutedClient;
  readonly #ledger: ShareLedger;
  readonly #rng: Prng;
  #memberId: Uuid;
  #epoch = 0;
  #steps = 0;
  #topicId: Uuid | undefined;
  #partitions: readonly PartitionIndex[] = [];
  /** Epoch of the session with each broker. */
  readonly #sessions = new Map<number, number>();
  /** Records that the member was given and has not answered for, by partition. */
  readonly #taken = new Map<PartitionIndex, readonly Taken[]>();
  /** Accepts all records, and does not die. */
  steady = false;

  constructor(client: RoutedClient, rng: Prng, ledger: ShareLedger) {
    this.client = client;
    this.#rng = rng;
    this.#ledger = ledger;
    this.#memberId = this.#newId();
  }

  #newId(): Uuid {
    return randomUuid(length => this.client.env.random.bytes(length));
  }

  async step(): Promise<void> {
    if (!this.steady && this.#rng.chance(0.01)) this.#die();
    if (this.#steps++ % BEAT_STEPS === 0) await this.#heartbeat();
    const partition = this.#partitions.length === 0 ? undefined : this.#rng.oneOf(this.#partitions);
    if (partition !== undefined && this.#topicId !== undefined) await this.#fetch(this.#topicId, partition);
  }

  /** Forgets everything: its locks will expire. */
  #die(): void {
    this.#memberId = this.#newId();
    this.#out();
    this.#sessions.clear();
    this.#taken.clear();
    this.client.disconnect();
  }

  #out(): void {
    this.#epoch = 0;
    this.#partitions = [];
  }

  async #heartbeat(): Promise<void> {
    const answer = await this.client.ask(CALLS.shareGroupHeartbeat, {
      groupId: SHARE_GROUP,
      memberId: this.#memberId,
      memberEpoch: this.#epoch,
      subscribedTopicNames: this.#epoch === 0 ? [GROUP_TOPIC] : null,
    });
    if (answer === undefined) return;
    const { errorCode, memberEpoch, assignment } = answer;
    if (errorCode === Errors.UNKNOWN_MEMBER_ID.code || errorCode === Errors.FENCED_MEMBER_EPOCH.code) this.#out();
    if (errorCode !== 0) return;
    this.#epoch = memberEpoch;
    if (assignment === null) return;
    const [topic] = assignment.topicPartitions;
    this.#topicId = topic?.topicId ?? this.#topicId;
    this.#partitions = topic?.partitions ?? [];
  }

  async #fetch(topicId: Uuid, partitionIndex: PartitionIndex): Promise<void> {
    const leader = await this.client.leaderOf(topicId, partitionIndex);
    if (leader === undefined) return;
    const epoch = this.#sessions.get(leader) ?? 0;
    // A session that begins has nothing to acknowledge: the broker has released all that an earlier one had.
    const answered = epoch === 0 ? [] : (this.#taken.get(partitionIndex) ?? []);
    const acknowledgementBatches = answered.map(({ offset, type }) => ({
      firstOffset: offset,
      lastOffset: offset,
      acknowledgeTypes: [type],
    }));
    this.#taken.delete(partitionIndex);
    const response = await this.client.askBroker(leader, CALLS.shareFetch, {
      groupId: SHARE_GROUP,
      memberId: this.#memberId,
      shareSessionEpoch: epoch,
      maxWaitMs: 50,
      minBytes: 1,
      maxRecords: 20,
      batchSize: 20,
      topics: [{ topicId, partitions: [{ partitionIndex, acknowledgementBatches }] }],
      forgottenTopicsData: [],
    });
    if (response === undefined || response.errorCode !== 0) return this.#lost(leader);
    this.#sessions.set(leader, epoch + 1);
    for (const { partitions } of response.responses) {
      for (const part of partitions) this.#take(part, part.partitionIndex === partitionIndex ? answered : []);
    }
  }

  /** Forgets a session, and what it has given: the broker or the session may be another one. */
  #lost(broker: number): void {
    this.#sessions.delete(broker);
    this.#taken.clear();
  }

  #take(part: Answered, answered: readonly Taken[]): void {
    const { partitionIndex, errorCode, acknowledgeErrorCode, acquiredRecords } = part;
    if (acknowledgeErrorCode === 0) {
      for (const { offset, type } of answered) if (type === ACCEPT) this.#ledger.accept(partitionIndex, offset);
    }
    if (errorCode !== 0) return;
    const taken: Taken[] = [...(this.#taken.get(partitionIndex) ?? [])];
    for (const { firstOffset, lastOffset } of acquiredRecords) {
      for (let offset = Number(firstOffset); offset <= Number(lastOffset); offset++) {
        this.#ledger.took(partitionIndex, offset);
        taken.push({ offset, type: this.steady || this.#rng.chance(0.8) ? ACCEPT : RELEASE });
      }
    }
    this.#taken.set(partitionIndex, taken);
  }
}
