import { Alarm, ignored, type Uuid } from "@samsa/base";
import {
  type GroupMember,
  KafkaError,
  type LeaveMode,
  type MemberEffect,
  type MemberIdentity,
  type MemberResponse,
  type Moment,
  type TopicPartition,
  type TopicSubscription,
} from "@samsa/client-kernel";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { patiently, type Patience } from "../cluster/deadline.ts";
import type { JoinedGeneration } from "./consumer-observer.ts";

/** Steps of a rebalance, which the consumer carries out one after the other. A rejection counts as done. */
export interface MembershipSteps {
  /** Stops records of these partitions, waits for the application, and commits what it has done. */
  commit(partitions: readonly TopicPartition[]): Promise<void>;
  /** Gives up these partitions. */
  revoke(partitions: readonly TopicPartition[]): Promise<void>;
  /** Has these partitions from now on, of which some are new. */
  assign(partitions: readonly TopicPartition[], added: readonly TopicPartition[]): Promise<void>;
  /** Has lost these partitions, which another member may have. */
  lost(partitions: readonly TopicPartition[]): Promise<void>;
  identity(identity: MemberIdentity | null): void;
  /** Keeps the metadata of these topics fresh. */
  watch(topics: readonly string[]): void;
  /** The member goes on after this error. */
  report(error: KafkaError): void;
  /** The member does nothing more. */
  fatal(error: KafkaError): void;
  /** The coordinator has answered a heartbeat, without an error. */
  heartbeat?(): void;
  /** The coordinator has taken the member into a generation of a classic group. */
  joined?(generation: JoinedGeneration): void;
}

type Call = Extract<MemberEffect, { type: "call" }>;

const HEARTBEATS: ReadonlySet<string> = new Set(["Heartbeat", "ConsumerGroupHeartbeat", "ShareGroupHeartbeat"]);

/** Membership in a group: carries out the effects of a `GroupMember` over the connections of a client. */
export class Membership {
  readonly #client: ClusterClient;
  readonly #groupId: string;
  readonly #member: GroupMember;
  readonly #steps: MembershipSteps;
  readonly #unobserve: () => void;
  readonly #alarm: Alarm;
  /** Steps run one after the other. */
  #queue: Promise<void> = Promise.resolve();
  #left: (() => void) | undefined;
  #isClosed = false;

  constructor(client: ClusterClient, groupId: string, member: GroupMember, steps: MembershipSteps) {
    this.#client = client;
    this.#groupId = groupId;
    this.#member = member;
    this.#steps = steps;
    this.#alarm = new Alarm(client.env, () => this.#input(at => member.tick(at)));
    this.#unobserve = client.observe(() => this.#input(at => member.metadataChanged(at)));
  }

  get memberId(): string {
    return this.#member.memberId;
  }

  subscribe(subscription: TopicSubscription): void {
    this.#input(at => this.#member.subscribe(at, subscription));
  }

  /** The application has asked for records. */
  progressed(): void {
    this.#input(at => this.#member.progressed(at));
  }

  /** The coordinator does not know the member. */
  suspected(): void {
    this.#input(at => this.#member.suspected(at));
  }

  /** Leaves the group, and closes once the coordinator knows, or when the patience ends. */
  async leave(mode: LeaveMode, patience: Patience): Promise<void> {
    const late = (): KafkaError => new KafkaError("TIMED_OUT", "the coordinator does not answer in time");
    const left = patiently<void>(this.#client.env, patience, late, resolve => {
      this.#left = resolve;
      return ignored("the coordinator takes the partitions back after the session timeout");
    });
    this.#input(at => this.#member.leave(at, mode));
    await left.catch((error: unknown) => {
      this.#client.env.logger.debug("a group does not know that its member has left", { error: String(error) });
    });
    this.close();
  }

  /** Does nothing more. */
  close(): void {
    this.#isClosed = true;
    this.#unobserve();
    this.#alarm.cancel();
    this.#left?.();
  }

  #input(input: (at: Moment) => readonly MemberEffect[]): void {
    if (this.#isClosed) return;
    for (const effect of input(this.#client.moment())) this.#perform(effect);
    this.#alarm.set(this.#isClosed ? Infinity : this.#member.nextDeadline());
  }

  #perform(effect: MemberEffect): void {
    switch (effect.type) {
      case "call":
        return this.#handled(this.#send(effect));
      case "commit":
        return this.#step(effect.token, () => this.#steps.commit(effect.partitions));
      case "revoke":
        return this.#step(effect.token, () => this.#steps.revoke(effect.partitions));
      case "assign":
        return this.#step(effect.token, () => this.#steps.assign(effect.partitions, effect.added));
      case "lost":
        return this.#step(effect.token, () => this.#steps.lost(effect.partitions));
      case "refresh":
        return this.#handled(this.#refresh(effect.token, effect.topics, effect.ids));
      case "watch":
        return this.#steps.watch(effect.topics);
      case "identity":
        return this.#steps.identity(effect.identity);
      case "forgetCoordinator":
        return this.#client.forgetCoordinator("group", this.#groupId);
      case "report":
        return this.#steps.report(effect.error);
      case "fatal":
        return this.#steps.fatal(effect.error);
      case "left":
        return this.#left?.();
    }
  }

  /** Runs a step after those before it, and tells the member of its end. */
  #step(token: number, work: () => Promise<void>): void {
    this.#queue = this.#queue.then(work).then(
      () => this.#input(at => this.#member.settled(at, token)),
      (error: unknown) => {
        this.#client.env.logger.error("a step of a rebalance has failed", { error: String(error) });
        this.#input(at => this.#member.settled(at, token));
      },
    );
  }

  #handled(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#client.env.logger.error("a member of a group has failed", { group: this.#groupId, error: String(error) });
      this.#steps.fatal(new KafkaError("ILLEGAL_STATE", "the membership has ended after a bug", { cause: error }));
    });
  }

  /** Sends a request, and gives its answer or its failure to the member. Rejects if there is a bug. */
  async #send({ id, timeoutMs, call }: Call): Promise<void> {
    const options = { timeoutMs: timeoutMs + this.#client.settings.requestTimeoutMs };
    let take: (at: Moment) => readonly MemberEffect[];
    try {
      const answer = await this.#answerTo(call, options);
      if (answer.response.errorCode === 0) this.#tell(answer);
      take = at => this.#member.answered(at, id, answer);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      take = at => this.#member.failed(at, id, error);
    }
    this.#input(take);
  }

  /** Tells of an answer without an error. */
  #tell({ api, response }: MemberResponse): void {
    if (HEARTBEATS.has(api)) this.#steps.heartbeat?.();
    else if (api === "JoinGroup") {
      this.#steps.joined?.({ leaderId: response.leader, protocol: response.protocolName ?? "" });
    }
  }

  async #answerTo(call: Call["call"], options: { readonly timeoutMs: number }): Promise<MemberResponse> {
    const place = { kind: "group", key: this.#groupId } as const;
    const client = this.#client;
    switch (call.api) {
      case "JoinGroup":
        return { api: call.api, response: await client.callCoordinator(place, call.api, call.request, options) };
      case "SyncGroup":
        return { api: call.api, response: await client.callCoordinator(place, call.api, call.request, options) };
      case "Heartbeat":
        return { api: call.api, response: await client.callCoordinator(place, call.api, call.request, options) };
      case "LeaveGroup":
        return { api: call.api, response: await client.callCoordinator(place, call.api, call.request, options) };
      case "ConsumerGroupHeartbeat":
        return { api: call.api, response: await client.callCoordinator(place, call.api, call.request, options) };
      case "ShareGroupHeartbeat":
        return { api: call.api, response: await client.callCoordinator(place, call.api, call.request, options) };
    }
  }

  /** Gets metadata of topics by name and by id, and settles the token in any case. */
  async #refresh(token: number, topics: readonly string[], ids: readonly Uuid[]): Promise<void> {
    const client = this.#client;
    const { metadata, env } = client;
    try {
      const unknown = ids.filter(id => metadata.topicOf(id) === undefined);
      const names = unknown.length === 0 ? [] : await this.#namesOf(unknown);
      for (const topic of [...topics, ...names]) metadata.use(topic, env.clock.monotonic());
      await client.renewed(client.patience());
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      env.logger.warn("the metadata of a group's topics cannot be had at the moment", { error: error.message });
    }
    this.#input(at => this.#member.settled(at, token));
  }

  async #namesOf(ids: readonly Uuid[]): Promise<string[]> {
    const { topics } = await this.#client.callAny("Metadata", {
      topics: ids.map(topicId => ({ topicId, name: null })),
      allowAutoTopicCreation: false,
    });
    return topics.flatMap(({ name, errorCode }) => (name === null || errorCode !== 0 ? [] : [name]));
  }
}
