import type { Uuid } from "@samsa/base";
import { type ConsumerGroupHeartbeatResponse, Errors } from "@samsa/protocol";
import { CALLS } from "./calls.ts";
import type { Client } from "./client.ts";
import type { Holder } from "./holdings.ts";
import { type MemberOptions, GROUP_TOPIC, readBack } from "./member.ts";
import type { Prng } from "./prng.ts";
import { Violation } from "./rules.ts";
import { type Actor, EXCUSED, type Stage } from "./stage.ts";

/** The group of the consumer protocol (KIP-848). */
export const SUBSCRIBED_GROUP = "subscribers";
const SESSION_MS = 400;
const REBALANCE_MS = 300;
/** Whoever has not been answered for so long may be out already, and holds nothing any more. */
const SURE_MS = Math.min(SESSION_MS, REBALANCE_MS);

const { code: UNKNOWN_MEMBER } = Errors.UNKNOWN_MEMBER_ID;
/** Begin anew: the epoch was missed, the session is over, or the group has gone. */
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
  // The static member that it takes the place of has not timed out yet.
  Errors.UNRELEASED_INSTANCE_ID.code,
]);

/** A member of the consumer protocol: joins, takes what it is given, commits for it, leaves, dies, joins again. */
export class Subscriber implements Actor, Holder {
  readonly client: Client;
  readonly #stage: Stage;
  readonly #rng: Prng;
  readonly #instanceId: string | null;
  #lives = 0;
  /** 0: not a member. */
  epoch = 0;
  owned: readonly number[] = [];
  #topicId: Uuid | undefined;
  /** Subscribes by a pattern rather than a name. */
  #byPattern = false;
  /** What it has lost, and in which epoch it had that. */
  #late: { readonly epoch: number; readonly partitions: readonly number[] } | undefined;
  /** An answer is missing: all is said again. */
  #missed = true;
  /** The subscription has changed since the last heartbeat. */
  #changed = false;
  /** Steps for which it is silent still. */
  #silent = 0;
  /** Does not leave by itself. */
  steady = false;
  /** When it sent what was last answered well, in which of the broker's lives, after how many power cuts. */
  #alive = { at: -Infinity, life: 0, powerCuts: 0 };

  constructor(stage: Stage, client: Client, rng: Prng, { instanceId }: MemberOptions) {
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

  /** Is silent for some steps, and knows nothing after. */
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
    // A power cut may have taken what was answered well, in the same epoch even: what it has, and what it subscribes to.
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
    // An answer that never came may have asked for this already: its time to give up may be over at any moment.
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

  /** Takes the assignment of an answer, and returns the partitions to give up. */
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

  /** Some refusals are part of the play, but nobody is thrown out who has just been heard of. */
  #refused(code: number): void {
    const { at, life } = this.#alive;
    const silence = this.#now - at;
    if (code === UNKNOWN_MEMBER && life === this.#stage.life && silence < SURE_MS) {
      throw new Violation("a live member was thrown out", `${this.name}, ${silence} ms after it was heard of`);
    }
    // A power cut may have taken the id that took the place of an earlier one.
    const isFenced = code === Errors.FENCED_INSTANCE_ID.code && this.#stage.powerCuts > 0;
    if (!REJOIN.has(code) && !isFenced && !EXCUSED.has(code)) {
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
    else if (code !== undefined && !isRefused && !LATER.has(code) && !EXCUSED.has(code)) {
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

/** Whether subscribers have all partitions among them, each once. */
export function agreeOn(subscribers: readonly Subscriber[], counts: readonly number[]): boolean {
  const owned = subscribers.flatMap(subscriber => subscriber.owned);
  return (
    subscribers.every(({ epoch }) => epoch > 0) && new Set(owned).size === owned.length && counts.includes(owned.length)
  );
}
