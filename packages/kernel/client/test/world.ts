import { DeadlineHeap, uuidFromBytes, type Uuid } from "@samsa/base";
import type { TopicDirectory } from "@samsa/coordinator";
import type { OffsetCommitRequest, OffsetCommitResponse } from "@samsa/protocol";
import {
  type ClusterView,
  type GroupMember,
  KafkaError,
  type LeaveMode,
  type MemberEffect,
  type MemberIdentity,
  type Moment,
  OffsetCommits,
  type OffsetEffect,
  partitionKey,
  type TopicPartition,
  type TopicSubscription,
  type TopicView,
  TrackedOffsets,
} from "../src/index.ts";
import { Coordinator } from "./coordinator.ts";

/** `rebalanceTimeoutMs` of all members. */
export const REBALANCE_TIMEOUT_MS = 30_000;

/** Seeded numbers in [0, 1). */
export function chances(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function topicId(name: string): Uuid {
  const bytes = new Uint8Array(16);
  bytes.set(Buffer.from(name).subarray(0, 16));
  return uuidFromBytes(bytes);
}

/** Topics as a client knows them, which may be old. */
class View implements ClusterView {
  topics: ReadonlyMap<string, TopicView> = new Map();
  version = 0;

  topic(name: string): TopicView | undefined {
    return this.topics.get(name);
  }

  topicOf(id: Uuid): TopicView | undefined {
    return [...this.topics.values()].find(topic => topic.id === id);
  }

  broker(): undefined {
    return undefined;
  }
}

/** A process with a member: it does what the member wants, and checks that this makes sense. */
export class Player {
  readonly name: string;
  readonly member: GroupMember;
  readonly view = new View();
  readonly #world: World;
  /** Partitions whose records are handed out, or that are not revoked yet. */
  readonly held = new Map<string, TopicPartition>();
  readonly errors: KafkaError[] = [];
  readonly log: string[] = [];
  subscription: TopicSubscription | undefined;
  identity: MemberIdentity | null = null;
  isDead = false;
  hasLeft = false;
  /** The handlers do not end before that. */
  stuckUntil = 0;
  /** No message of this process arrives before that. */
  cutUntil = 0;
  readonly tracked = new TrackedOffsets(8);
  readonly #commits: OffsetCommits;
  /** Commits that steps wait for, by token. */
  readonly #awaited = new Map<number, () => void>();
  #commitTokens = 0;
  /** Number of times that partitions were lost. */
  losses = 0;
  #epoch = 0;
  #alarm = 0;
  /** Token of the last step. */
  #step = -1;
  #pending: MemberEffect | undefined;
  #pendingSince = 0;

  constructor(world: World, name: string, member: (view: View) => GroupMember) {
    this.#world = world;
    this.name = name;
    this.member = member(this.view);
    const backoff = { initialMs: 100, maxMs: 1000, jitter: 0 };
    this.#commits = new OffsetCommits(
      { groupId: "g", hasMemberEpochs: true, isMember: true, maxWaiting: 100, backoff },
      this.view,
    );
    this.#work();
  }

  /** Handles records of its partitions in any order, and commits from time to time. */
  #work(): void {
    const world = this.#world;
    if (this.isDead || world.isShared) return;
    world.at(world.now + 50 + world.chance() * 500, () => this.#work());
    for (const place of this.held.values()) {
      const tracker = this.tracked.tracker(place);
      if (tracker === undefined || tracker.isFull) continue;
      const ticket = tracker.start(tracker.position + (world.chance() < 0.2 ? 1 : 0), 0);
      world.at(world.now + world.handlingMs(), () => tracker.finish(ticket));
    }
    if (world.chance() < 0.3) this.commit(this.tracked.dirty(), () => undefined);
  }

  /** Commits offsets; calls `done` once that has ended, well or not. */
  commit(offsets: ReturnType<TrackedOffsets["dirty"]>, done: () => void): void {
    const token = ++this.#commitTokens;
    this.#awaited.set(token, done);
    this.#runCommits(this.#commits.commit(this.at, token, offsets, this.#world.now + 10_000));
  }

  #runCommits(effects: readonly OffsetEffect[]): void {
    const world = this.#world;
    for (const effect of effects) {
      if (effect.type === "suspect") this.run(this.member.suspected(this.at));
      else if (effect.type === "committed") {
        const done = this.#awaited.get(effect.token);
        this.#awaited.delete(effect.token);
        done?.();
      } else if (effect.type === "call" && effect.call.api === "OffsetCommit") {
        const { id } = effect;
        const { request } = effect.call;
        const isLost = (): boolean => world.isLost() || world.now < this.cutUntil;
        const end = (run: () => readonly OffsetEffect[]): void => {
          if (!this.isDead) this.#runCommits(run());
        };
        const fail = (): void => end(() => this.#commits.failed(this.at, id, new KafkaError("DISCONNECTED", "lost")));
        if (isLost()) {
          world.at(world.now + 300, fail);
          continue;
        }
        world.at(world.now + world.networkMs(), () => {
          world.coordinator.commit(world.now, request, response => {
            world.committed(this, request, response);
            if (isLost()) return world.at(world.now + 300, fail);
            world.at(world.now + world.networkMs(), () => end(() => this.#commits.answered(this.at, id, response)));
          });
        });
      }
    }
    const due = this.#commits.nextDeadline();
    if (due < Infinity) {
      world.at(Math.max(due, world.now + 1), () => {
        if (!this.isDead && this.#commits.nextDeadline() <= world.now) this.#runCommits(this.#commits.tick(this.at));
      });
    }
  }

  get at(): Moment {
    return { now: this.#world.now, wall: 0, chance: this.#world.chance() };
  }

  subscribe(subscription: TopicSubscription): void {
    this.subscription = subscription;
    this.hasLeft = false;
    this.run(this.member.subscribe(this.at, subscription));
  }

  leave(mode: LeaveMode): void {
    this.subscription = undefined;
    this.run(this.member.leave(this.at, mode));
  }

  die(): void {
    this.isDead = true;
    this.subscription = undefined;
    this.held.clear();
  }

  run(effects: readonly MemberEffect[]): void {
    if (this.isDead) return;
    for (const effect of effects) {
      this.log.push(`${this.#world.now} ${effect.type}`);
      this.#do(effect);
    }
    this.#wake();
  }

  #wake(): void {
    const due = this.member.nextDeadline();
    const alarm = ++this.#alarm;
    if (due === Infinity) return;
    this.#world.at(Math.max(due, this.#world.now), () => {
      if (this.#alarm === alarm && !this.isDead) this.run(this.member.tick(this.at));
    });
  }

  #do(effect: MemberEffect): void {
    const world = this.#world;
    switch (effect.type) {
      case "call":
        return this.#call(effect);
      case "commit":
        this.#mustHold(effect.partitions);
        this.#begin(effect);
        this.commit(this.tracked.dirty(effect.partitions), () => {
          if (this.#step === effect.token) this.#settleLater(effect);
        });
        return;
      case "revoke":
        this.#mustHold(effect.partitions);
        return this.#settleLater(effect);
      case "assign":
        for (const place of effect.added) {
          world.take(this, place);
          const position = world.coordinator.committed(place);
          if (!world.isShared) this.tracked.begin(place, Math.max(position, 0), -1, position >= 0);
        }
        this.#mustBe(effect.partitions);
        return this.#settleLater(effect);
      case "lost":
        this.losses++;
        this.#mustHold(effect.partitions);
        this.held.clear();
        this.#release(effect.partitions);
        return this.#settleLater(effect);
      case "refresh":
        return this.#settleLater(effect);
      case "identity":
        return this.#identify(effect.identity);
      case "report":
      case "fatal":
        this.errors.push(effect.error);
        if (effect.type === "fatal" && this.held.size > 0) throw new Error(`${this.name} failed with partitions`);
        return;
      case "left":
        if (this.held.size > 0 && !this.isLate) throw new Error(`${this.name} left with partitions`);
        this.held.clear();
        this.hasLeft = true;
    }
  }

  #identify(identity: MemberIdentity | null): void {
    // An empty group of one type is replaced by a new one of the other.
    if (this.#world.isConverted && this.identity === null) this.#epoch = 0;
    if (identity !== null && identity.epoch < this.#epoch) throw new Error(`${this.name}: the epoch goes back`);
    const isBack = this.identity === null && identity !== null;
    if (isBack && this.held.size > 0) throw new Error(`${this.name} comes back with partitions`);
    this.#epoch = identity?.epoch ?? this.#epoch;
    this.identity = identity;
    this.#runCommits(this.#commits.identify(this.at, identity));
  }

  #release(partitions: readonly TopicPartition[]): void {
    this.tracked.end(partitions);
    this.#runCommits(this.#commits.forget(partitions));
  }

  #mustHold(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      if (!this.held.has(partitionKey(topic, partition))) throw new Error(`${this.name} has no ${topic}/${partition}`);
    }
  }

  #mustBe(partitions: readonly TopicPartition[]): void {
    const keys = partitions.map(({ topic, partition }) => partitionKey(topic, partition)).toSorted();
    if (keys.join() !== [...this.held.keys()].toSorted().join())
      throw new Error(`${this.name} should hold ${keys.join()}`);
  }

  #begin(effect: Extract<MemberEffect, { readonly token: number }>): void {
    this.#step = effect.token;
    if (this.#pending === undefined) this.#pendingSince = this.#world.now;
    this.#pending = effect;
  }

  #settleLater(effect: Extract<MemberEffect, { readonly token: number }>): void {
    const { token } = effect;
    const world = this.#world;
    this.#begin(effect);
    const delay = effect.type === "refresh" ? world.chance() * 300 : world.handlingMs();
    world.at(Math.max(world.now + delay, effect.type === "refresh" ? 0 : this.stuckUntil), () => {
      if (this.isDead) return;
      if (this.#step === token) {
        this.#pending = undefined;
        if (effect.type === "revoke") {
          for (const { topic, partition } of effect.partitions) this.held.delete(partitionKey(topic, partition));
          this.#release(effect.partitions);
        }
        if (effect.type === "refresh") this.refresh();
      }
      this.run(this.member.settled(this.at, token));
    });
  }

  /** The handlers take longer than the group waits for the member. */
  get isLate(): boolean {
    return this.#pending !== undefined && this.#world.now - this.#pendingSince >= REBALANCE_TIMEOUT_MS;
  }

  refresh(): void {
    if (this.isDead || this.view.version === this.#world.version) return;
    this.view.topics = this.#world.topicViews();
    this.view.version = this.#world.version;
    this.run(this.member.metadataChanged(this.at));
  }

  #call({ id, call, timeoutMs }: Extract<MemberEffect, { readonly type: "call" }>): void {
    const world = this.#world;
    let isOver = false;
    const end = (run: () => readonly MemberEffect[]): void => {
      if (isOver || this.isDead) return;
      isOver = true;
      this.run(run());
    };
    const fail = (): void => end(() => this.member.failed(this.at, id, new KafkaError("DISCONNECTED", "lost")));
    world.at(world.now + 30_000 + timeoutMs, fail);
    const isLost = (): boolean => world.isLost() || world.now < this.cutUntil;
    if (isLost()) return world.at(world.now + 200 * world.chance(), fail);
    world.at(world.now + world.networkMs(), () => {
      world.coordinator.ask(world.now, call, answer => {
        if (isLost()) return world.at(world.now + 500 * world.chance(), fail);
        world.at(world.now + world.networkMs(), () => end(() => this.member.answered(this.at, id, answer)));
      });
      world.watchCoordinator();
    });
  }
}

/** Members, their coordinator and the network between them, in simulated time. */
export class World {
  now = 1000;
  version = 0;
  readonly chance: () => number;
  readonly coordinator = new Coordinator();
  readonly players: Player[] = [];
  readonly topics = new Map<string, number>();
  /** Several members may have one partition, as in share groups. */
  isShared = false;
  isClassic = false;
  /** Members of both protocols are in the group. */
  isConverted = false;
  lossRate = 0;
  readonly #events = new DeadlineHeap<() => void>();
  #alarm = 0;
  #sequence = 0;

  constructor(seed: number) {
    this.chance = chances(seed);
  }

  at(time: number, run: () => void): void {
    // Events of one time happen in their order.
    this.#events.push(time + this.#sequence++ * 1e-9, run);
  }

  isLost(): boolean {
    return this.chance() < this.lossRate;
  }

  networkMs(): number {
    return 1 + this.chance() * 30;
  }

  handlingMs(): number {
    return this.chance() ** 3 * 2000;
  }

  join(name: string, make: (view: ClusterView) => GroupMember): Player {
    const player = new Player(this, name, make);
    this.players.push(player);
    this.at(this.now + this.chance() * 2000, () => player.refresh());
    return player;
  }

  topic(name: string, partitions: number): void {
    const most = Math.max(partitions, this.topics.get(name) ?? 0);
    this.topics.set(name, most);
    this.version++;
    this.coordinator.setTopics(this.now, this.#directory(), new Set([name]));
    for (const player of this.players) this.at(this.now + this.chance() * 3000, () => player.refresh());
  }

  #directory(): TopicDirectory {
    const topics = new Map(this.topics);
    const nameOf = (id: Uuid) => [...topics.keys()].find(name => topicId(name) === id);
    return {
      version: this.version,
      idOf: name => (topics.has(name) ? topicId(name) : undefined),
      nameOf,
      partitions: id => topics.get(nameOf(id) ?? "") ?? 0,
      racks: () => [],
      names: () => topics.keys(),
    };
  }

  topicViews(): Map<string, TopicView> {
    const view = ([name, count]: [string, number]): [string, TopicView] => [
      name,
      {
        name,
        id: topicId(name),
        isInternal: false,
        partitions: Array.from({ length: count }, (_, index) => ({
          ...{ index, leaderId: 1, leaderEpoch: 0, replicas: [1], inSync: [1], offline: [] },
        })),
      },
    ];
    return new Map([...this.topics].map(view));
  }

  /** A member takes a partition. Nobody else may have it, but members that are late or removed. */
  take(player: Player, { topic, partition }: TopicPartition): void {
    const key = partitionKey(topic, partition);
    if (player.held.has(key)) throw new Error(`${player.name} has ${key} already`);
    const members = this.coordinator.members();
    for (const other of this.players) {
      if (this.isShared || other.isDead || !other.held.has(key)) continue;
      if (other.isLate || !members.has(other.member.memberId) || this.#isAbsent(other, player)) continue;
      if (this.#wasConverted(other)) continue;
      throw new Error(`${player.name} takes ${key}, which ${other.name} has`);
    }
    player.held.set(key, { topic, partition });
  }

  /** A static member keeps its place in a classic group, but not its partitions, if it misses a rebalance. */
  #isAbsent({ identity }: Player, taker: Player): boolean {
    if (!this.isClassic || identity?.instanceId == null) return false;
    return identity.epoch < (taker.identity?.epoch ?? 0);
  }

  /** A member that has not joined since its group became a classic one may have more than the coordinator knows. */
  #wasConverted({ identity }: Player): boolean {
    return identity !== null && identity.epoch < this.coordinator.convertedAt;
  }

  /** Checks that no commit takes back a later one. */
  committed(player: Player, request: OffsetCommitRequest, response: OffsetCommitResponse): void {
    for (const { name, partitions } of request.topics) {
      const codes = response.topics.find(topic => topic.name === name)?.partitions ?? [];
      for (const { partitionIndex, committedOffset } of partitions) {
        if (codes.find(found => found.partitionIndex === partitionIndex)?.errorCode !== 0) continue;
        const key = partitionKey(name, partitionIndex);
        const before = this.#committed.get(key) ?? 0;
        if (Number(committedOffset) < before) throw new Error(`${player.name} takes ${key} back from ${before}`);
        this.#committed.set(key, Number(committedOffset));
      }
    }
  }

  /** Highest committed offset, by key of the partition. */
  readonly #committed = new Map<string, number>();

  watchCoordinator(): void {
    const due = this.coordinator.nextDeadline();
    const alarm = ++this.#alarm;
    if (due === Infinity) return;
    this.at(Math.max(due, this.now), () => {
      if (this.#alarm !== alarm) return;
      this.coordinator.tick(this.now);
      this.watchCoordinator();
    });
  }

  pass(ms: number): void {
    const until = this.now + ms;
    let steps = 0;
    const start = this.now;
    while (this.#events.next() <= until) {
      const time = this.#events.next();
      const run = this.#events.pop(time);
      this.now = Math.max(this.now, time);
      run?.();
      if (++steps > 2000 + (this.now - start)) throw new Error("something spins");
    }
    this.now = until;
  }

  get active(): Player[] {
    return this.players.filter(({ isDead, subscription }) => !isDead && subscription !== undefined);
  }

  /** Checks that the group has come to rest: every partition that is wanted has one owner, who wants it. */
  checkSettled(): void {
    const wanted = new Set<string>();
    for (const { subscription } of this.active) {
      for (const topic of this.#topicsOf(subscription)) {
        for (let i = 0; i < (this.topics.get(topic) ?? 0); i++) wanted.add(partitionKey(topic, i));
      }
    }
    const owners = new Map<string, string>();
    for (const player of this.active) {
      const topics = this.#topicsOf(player.subscription);
      for (const [key, { topic }] of player.held) {
        if (!topics.includes(topic)) throw new Error(`${player.name} has ${key} without a subscription`);
        if (!this.isShared && owners.has(key)) throw new Error(`${key} has two owners`);
        owners.set(key, player.name);
      }
      const owned = [...player.member.owned].map(({ topic, partition }) => partitionKey(topic, partition));
      if (owned.toSorted().join() !== [...player.held.keys()].toSorted().join()) throw new Error("owned is not held");
      if (player.identity === null) throw new Error(`${player.name} has no identity: ${player.errors.join()}`);
    }
    for (const key of wanted) if (!owners.has(key)) throw new Error(`nobody has ${key}`);
  }

  #topicsOf(subscription: TopicSubscription | undefined): string[] {
    const { regex } = subscription ?? {};
    const matching =
      regex === undefined ? [] : [...this.topics.keys()].filter(name => new RegExp(`^(?:${regex})$`).test(name));
    return [...(subscription?.topics ?? []), ...matching];
  }
}
