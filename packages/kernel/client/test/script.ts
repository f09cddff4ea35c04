import { type ApiName, Apis, type ErrorName, Errors } from "@samsa/protocol";
import { uuidFromBytes, type Uuid } from "@samsa/base";
import type {
  ClusterView,
  GroupMember,
  KafkaError,
  LeaveMode,
  MemberEffect,
  MemberRequest,
  MemberResponse,
  Moment,
  TopicSubscription,
  TopicView,
} from "../src/index.ts";

export function idOf(name: string): Uuid {
  const bytes = new Uint8Array(16);
  bytes.set(Buffer.from(name));
  return uuidFromBytes(bytes);
}

/** Topics of a cluster, by their numbers of partitions. */
export class Topics implements ClusterView {
  readonly counts: Map<string, number>;
  version = 0;

  constructor(counts: Readonly<Record<string, number>>) {
    this.counts = new Map(Object.entries(counts));
  }

  topic(name: string): TopicView | undefined {
    const count = this.counts.get(name);
    if (count === undefined) return undefined;
    const partition = (index: number) => ({
      ...{ index, leaderId: 1, leaderEpoch: 0, replicas: [1], inSync: [1], offline: [] },
    });
    return {
      name,
      id: idOf(name),
      isInternal: false,
      partitions: Array.from({ length: count }, (_, i) => partition(i)),
    };
  }

  topicOf(id: Uuid): TopicView | undefined {
    return [...this.counts.keys()].map(name => this.topic(name)).find(topic => topic?.id === id);
  }

  broker(): undefined {
    return undefined;
  }
}

type Call = Extract<MemberEffect, { readonly type: "call" }>;
type Stepping = Extract<MemberEffect, { readonly token: number }>;

/** A member whose coordinator and runtime a test plays. */
export class Script<M extends GroupMember> {
  readonly member: M;
  now = 1000;
  /** Effects that no check has taken yet. */
  readonly effects: MemberEffect[] = [];

  constructor(member: M) {
    this.member = member;
  }

  get at(): Moment {
    return { now: this.now, wall: 0, chance: 0.5 };
  }

  run(effects: readonly MemberEffect[]): this {
    this.effects.push(...effects);
    return this;
  }

  subscribe(subscription: TopicSubscription): this {
    return this.run(this.member.subscribe(this.at, subscription));
  }

  leave(mode: LeaveMode = "default"): this {
    return this.run(this.member.leave(this.at, mode));
  }

  /** Lets time pass, with the ticks that the member wants. */
  pass(ms: number): this {
    const until = this.now + ms;
    for (let i = 0; i < 1000 && this.member.nextDeadline() <= until; i++) {
      this.now = Math.max(this.now, this.member.nextDeadline());
      this.run(this.member.tick(this.at));
    }
    this.now = until;
    return this;
  }

  /** Takes all effects; returns their types, those of calls as their API. */
  types(): string[] {
    return this.effects.splice(0).map(effect => (effect.type === "call" ? effect.call.api : effect.type));
  }

  /** Takes the next effect of a type, with all before it. */
  next<T extends MemberEffect["type"]>(type: T): Extract<MemberEffect, { readonly type: T }> {
    const at = this.effects.findIndex(effect => effect.type === type);
    if (at < 0) throw new Error(`no ${type} in ${JSON.stringify(this.effects)}`);
    return this.effects.splice(0, at + 1).at(-1) as Extract<MemberEffect, { readonly type: T }>;
  }

  has(type: MemberEffect["type"]): boolean {
    return this.effects.some(effect => effect.type === type);
  }

  /** Takes the next call, which must be of that API. */
  call<A extends MemberRequest["api"]>(api: A): Call & { readonly call: Extract<MemberRequest, { readonly api: A }> } {
    const call = this.next("call");
    if (call.call.api !== api) throw new Error(`${call.call.api} instead of ${api}`);
    return call as never;
  }

  answer({ id, call: { api } }: Call, fields: object): this {
    const response = Apis[api as ApiName].response.defaults(fields as never);
    return this.run(this.member.answered(this.at, id, { api, response } as MemberResponse));
  }

  refuse(call: Call, name: ErrorName, fields: object = {}): this {
    return this.answer(call, { errorCode: Errors[name].code, ...fields });
  }

  fail({ id }: Call, error: KafkaError): this {
    return this.run(this.member.failed(this.at, id, error));
  }

  settle({ token }: Stepping): this {
    return this.run(this.member.settled(this.at, token));
  }
}
