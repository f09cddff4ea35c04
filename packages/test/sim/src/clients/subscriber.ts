import type { Uuid } from "@samsa/base";
import { type ConsumerGroupHeartbeatResponse, Errors } from "@samsa/protocol";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import type { Holder } from "../ledgers/holdings.ts";
import { type GroupStage, type MemberOptions, GROUP_TOPIC, readBack } from "./member.ts";
import type { Prng } from "../world/prng.ts";
import { Violation } from "../ledgers/rules.ts";
import { type Actor, MOVING } from "../stage/stage.ts";

/** Group id of the consumer-protocol group (KIP-848). */
export const SUBSCRIBED_GROUP = "subscribers";
const SESSION_MS = 400;
const REBALANCE_MS = 300;
/** Time without an answer after which a member may have been removed, and no longer counts as an owner. */
const SURE_MS = Math.min(SESSION_MS, REBALANCE_MS);

const { code: UNKNOWN_MEMBER } = Errors.UNKNOWN_MEMBER_ID;
/** Errors after which a member rejoins: fenced or stale epoch, expired session, or deleted group. */
const REJOIN: ReadonlySet<number> = new Set([
  UNKNOWN_MEMBER,
  Errors.FENCED_MEMBER_EPOCH.code,
  Errors.STALE_MEMBER_EPOCH.code,
  Errors.GROUP_ID_NOT_FOUND.code,
]);
const LATER: ReadonlySet<number> = new Set([
  Errors.COORDINATOR_LOAD_IN_PROGRESS.code,
  Errors.COORDINATOR_NOT_AVAILABLE.code,
  Errors.NOT_COORDINATOR.code,
  // The static member with the same instance id has not timed out yet.
  Errors.UNRELEASED_INSTANCE_ID.code,
]);

/** Consumer-protocol member: joins, takes its assignment, commits offsets for it, leaves, dies and rejoins. */
export class Subscriber implements Actor, Holder {
  readonly client: Client;
  readonly #stage: GroupStage;
  readonly #rng: Prng;
  readonly #instanceId: string | null;
  #lives = 0;
  /** Member epoch; 0 when not a member. */
  epoch = 0;
  owned: readonly number[] = [];
  #topicId: Uuid | undefined;
  /** Subscribes by a regular expression rather than a name. */
  #byPattern = false;
  /** Partitions lost in the last assignment, and the epoch in which they were owned. */
  #late: { readonly epoch: number; readonly partitions: readonly number[] } | undefined;
  /** The last heartbeat failed or got no answer: the next one carries all fields. */
  #missed = true;
  /** The subscription has changed since the last heartbeat. */
  #changed = false;
  /** Number of steps to stay silent. */
  #silent = 0;
  /** Neither leaves nor dies by itself, and keeps its subscription. */
  steady = false;
  /** Send time of the last successful heartbeat, with the broker's life and the number of power cuts then. */
  #alive = { at: -Infinity, life: 0, powerCuts: 0 };

  constructor(stage: GroupStage, client: Client, rng: Prng, { instanceId }: MemberOptions) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    this.#instanceId = instanceId;
    stage.holdings.add(this);
  }

  get name(): string {
    return this.client.name;
  }

  get #memberId(): string {
    return `${this.name}/${this.#lives}`;
  }

  get #now(): number {
    return this.client.env.clock.monotonic();
  }

  holds(partition: number): boolean {
    const { at, powerCuts } = this.#alive;
    const sure = this.#now - at < SURE_MS && powerCuts === this.#stage.powerCuts;
    return sure && this.owned.includes(partition);
  }

  async step(): Promise<void> {
    if (this.#silent > 0) {
      this.#silent--;
      return;
    }
    if (this.epoch === 0) return this.#join();
    const late = this.#late;
    if (late !== undefined && this.#rng.chance(0.3)) {
      this.#late = undefined;
      return this.#commit(late);
    }
    const draw = this.#rng.next();
    if (draw < 0.5) return this.#heartbeat();
    if (draw < 0.75) return this.#commit({ epoch: this.epoch, partitions: this.owned });
    if (draw < 0.85) return readBack(this.#stage, this.client, SUBSCRIBED_GROUP);
    if (this.steady) return;
    if (draw < 0.9) return this.#leave();
    if (draw < 0.95) return this.die(this.#rng.int(1, 40));
    this.#byPattern = !this.#byPattern;
    this.#changed = true;
    return this.#heartbeat();
  }

  /** Crashes: stays silent for some steps and loses its state. */
  die(steps: number): void {
    this.#silent = steps;
    this.#lives++;
    this.#out();
    this.client.disconnect();
  }

  #out(): void {
    this.epoch = 0;
    this.owned = [];
    this.#late = undefined;
    this.#missed = true;
    this.#alive = { at: -Infinity, life: 0, powerCuts: 0 };
  }

  async #join(): Promise<void> {
    const coordinator = await this.client.ask(CALLS.findCoordinator, { key: SUBSCRIBED_GROUP });
    if (coordinator?.errorCode === 0) await this.#heartbeat();
  }

  async #heartbeat(): Promise<void> {
    const sent = this.#now;
    const { life, powerCuts } = this.#stage;
    // A power cut may have lost an acknowledged assignment or subscription, even within the same epoch.
    const isForgotten = powerCuts !== this.#alive.powerCuts;
    const whole = this.#missed || this.#changed || isForgotten || this.epoch === 0;
    this.#changed = false;
    const partitions = [...this.owned];
    const answer = await this.client.ask(CALLS.consumerGroupHeartbeat, {
      groupId: SUBSCRIBED_GROUP,
      memberId: this.#memberId,
      memberEpoch: this.epoch,
      instanceId: this.#instanceId,
      ...(whole ? this.#description() : {}),
      topicPartitions:
        partitions.length === 0 || this.#topicId === undefined ? [] : [{ topicId: this.#topicId, partitions }],
    });
    const hasMissed = this.#missed;
    this.#missed = answer === undefined || answer.errorCode !== 0;
    if (answer === undefined || LATER.has(answer.errorCode)) return;
    if (answer.errorCode !== 0) return this.#refused(answer.errorCode);
    if (answer.memberEpoch < this.epoch) {
      throw new Violation("a generation went back", `${this.name}: ${answer.memberEpoch} after ${this.epoch}`);
    }
    const lost = this.#take(answer);
    // A lost answer may have revoked these partitions already: the rebalance timeout may end at any moment.
    const isSure = !hasMissed || lost.length === 0;
    this.#alive = { at: isSure ? sent : -Infinity, life, powerCuts };
  }

  #description(): object {
    return {
      rebalanceTimeoutMs: REBALANCE_MS,
      subscribedTopicNames: this.#byPattern ? [] : [GROUP_TOPIC],
      subscribedTopicRegex: this.#byPattern ? "pl[a-z]in" : "",
    };
  }

  /** Takes the assignment of an answer and returns the revoked partitions. */
  #take({ memberEpoch, assignment }: ConsumerGroupHeartbeatResponse): readonly number[] {
    const before = { epoch: this.epoch, partitions: this.owned };
    this.epoch = memberEpoch;
    if (assignment === null) return [];
    const [topic] = assignment.topicPartitions;
    if (topic !== undefined) this.#topicId = topic.topicId;
    this.owned = topic?.partitions ?? [];
    this.#stage.note(`${this.name} has ${this.owned.join()} in epoch ${memberEpoch}`);
    if (this.owned.length > 0) this.#stage.groups.shares++;
    this.#stage.holdings.took(this, this.owned);
    const lost = before.partitions.filter(partition => !this.owned.includes(partition));
    if (lost.length > 0) this.#late = { epoch: before.epoch, partitions: lost };
    return lost;
  }

  /** Handles an error. A member that sent a heartbeat within the session timeout must not be removed. */
  #refused(code: number): void {
    const { at, life } = this.#alive;
    const silence = this.#now - at;
    if (code === UNKNOWN_MEMBER && life === this.#stage.life && silence < SURE_MS) {
      throw new Violation("a live member was thrown out", `${this.name}, ${silence} ms after it was heard of`);
    }
    // A power cut may have lost the member id that replaced an earlier one.
    const isFenced = code === Errors.FENCED_INSTANCE_ID.code && this.#stage.powerCuts > 0;
    if (!REJOIN.has(code) && !isFenced && !MOVING.has(code)) {
      throw new Violation("a good request was refused", `error ${code} to ${this.name}`);
    }
    this.#out();
  }

  async #commit({ epoch, partitions }: { readonly epoch: number; readonly partitions: readonly number[] }) {
    if (partitions.length === 0) return this.#heartbeat();
    const { groups, holdings } = this.#stage;
    const began = groups.begin();
    const attempts = partitions.map(partition => groups.attempted(SUBSCRIBED_GROUP, partition, began));
    const answer = await this.client.ask(CALLS.offsetCommitOfMember, {
      groupId: SUBSCRIBED_GROUP,
      generationIdOrMemberEpoch: epoch,
      memberId: this.#memberId,
      groupInstanceId: this.#instanceId,
      topics: [
        {
          name: GROUP_TOPIC,
          partitions: partitions.map(partitionIndex => ({
            partitionIndex,
            committedOffset: began,
            committedMetadata: "",
          })),
        },
      ],
    });
    const code = answer?.topics[0]?.partitions[0]?.errorCode;
    const isRefused = code !== undefined && REJOIN.has(code);
    for (const attempt of attempts) groups.ended(attempt, code === 0 ? "done" : isRefused ? "refused" : "unknown");
    if (code === 0) holdings.committed(this, partitions, began);
    else if (code !== undefined && !isRefused && !LATER.has(code) && !MOVING.has(code)) {
      throw new Violation("a good request was refused", `error ${code} to a commit of ${this.name}`);
    }
  }

  async #leave(): Promise<void> {
    const memberId = this.#memberId;
    this.#out();
    this.#lives++;
    await this.client.ask(CALLS.consumerGroupHeartbeat, {
      groupId: SUBSCRIBED_GROUP,
      memberId,
      memberEpoch: this.#instanceId === null ? -1 : -2,
      instanceId: this.#instanceId,
    });
  }
}

/** True if the subscribers own all partitions, each once. */
export function agreeOn(subscribers: readonly Subscriber[], counts: readonly number[]): boolean {
  const owned = subscribers.flatMap(subscriber => subscriber.owned);
  return (
    subscribers.every(({ epoch }) => epoch > 0) && new Set(owned).size === owned.length && counts.includes(owned.length)
  );
}
