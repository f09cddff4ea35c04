/** Random schedules of classic groups and their offsets. */
import { ApiKey } from "@samsa/protocol";
import { type Answer, type Dice, type Divergence, Play, play, type Step } from "./schedules.ts";

export const GROUP_TOPIC = "scheduled";
const PARTITIONS = 2;

interface Membership {
  memberId: string;
  generation: number;
  protocol: string;
  isLeader: boolean;
  others: readonly string[];
}

/** State of one broker's members, learned from its answers. */
interface State {
  readonly members: Map<number, Membership>;
  readonly topicId: string;
}

interface Actor {
  readonly index: number;
  readonly instance: string | null;
  readonly protocols: readonly string[];
}

const NOBODY: Membership = { memberId: "", generation: -1, protocol: "", isLeader: false, others: [] };

/** True if the brokers elected different leaders, which Kafka takes from an unordered map. */
function electedOtherwise(theirs: string, ours: string): boolean {
  const leader = (text: string): unknown => (JSON.parse(text) as { leader?: string }).leader;
  return (
    leader(theirs) !== undefined && leader(theirs) !== "" && leader(theirs) !== leader(ours) && leader(ours) !== ""
  );
}

class Story {
  readonly #dice: Dice;
  readonly #group: string;
  readonly #actors: readonly Actor[];
  readonly #plays: readonly [Play<State>, Play<State>];
  /** Last request of each actor, which may still be pending. */
  readonly #last = new Map<number, { readonly number: number; readonly kind: string }>();

  constructor(dice: Dice, group: string, plays: readonly [Play<State>, Play<State>]) {
    this.#dice = dice;
    this.#group = group;
    this.#plays = plays;
    const isStatic = dice.chance(0.4);
    this.#actors = Array.from({ length: dice.int(2, 4) }, (_, index) => ({
      index,
      instance: isStatic && dice.chance(0.6) ? `i${dice.int(0, 2)}` : null,
      protocols: dice.of([["a", "b"], ["a", "b"], ["b", "a"], ["b"]]),
    }));
  }

  next(number: number): Step<State> {
    const dice = this.#dice;
    const actor = dice.of(this.#actors);
    const last = this.#last.get(actor.index);
    const waits = last !== undefined && this.#plays[0].pending.has(last.number) ? last.kind : undefined;
    const roll = dice.next();
    const note = (kind: string, step: Step<State>): Step<State> => {
      this.#last.set(actor.index, { number, kind });
      return step;
    };
    // Kafka never answers the first of two pending requests of a member.
    if (roll < 0.34 && waits === undefined) return note("join", this.#join(actor, number));
    if (roll < 0.58 && waits === undefined) return note("sync", this.#sync(actor));
    if (roll < 0.66) return this.#heartbeat(actor);
    if (roll < 0.74 && waits !== "sync") return this.#leave(actor);
    if (roll < 0.84) return this.#commit(actor);
    if (roll < 0.89) return this.#fetch();
    if (roll < 0.92) return this.#deleteOffsets();
    if (roll < 0.94) return this.#simple("DeleteGroups", 2, { groupsNames: [this.#group] });
    return { ...this.#simple("DescribeGroups", 5, { groups: [this.#group] }), isRead: true };
  }

  #simple(name: "DeleteGroups" | "DescribeGroups", last: number, body: object): Step<State> {
    const version = this.#dice.int(0, last);
    return { told: `${name} ${version}`, key: ApiKey[name], version, body: () => body };
  }

  /** Returns the member id, generation and instance id to claim: usually the right ones. */
  #claim(actor: Actor): (state: State) => { memberId: string; generation: number; instance: string | null } {
    const dice = this.#dice;
    const [member, generation, instance] = [dice.next(), dice.next(), dice.next()];
    return state => {
      const known = state.members.get(actor.index) ?? NOBODY;
      return {
        memberId: member < 0.06 ? "nobody" : member < 0.1 ? "" : known.memberId,
        generation: known.generation + (generation < 0.06 ? 1 : generation < 0.12 ? -1 : 0),
        instance: instance < 0.06 ? "other" : instance < 0.1 ? null : actor.instance,
      };
    };
  }

  #join(actor: Actor, number: number): Step<State> {
    const dice = this.#dice;
    const version = actor.instance === null ? dice.int(0, 9) : dice.int(5, 9);
    const anew = dice.chance(0.15);
    const bogus = dice.chance(0.05);
    const protocols = dice.chance(0.06) ? ["c"] : dice.chance(0.15) ? ["a", "b"] : actor.protocols;
    const metadata = dice.of(["m", "m", "n"]);
    const protocolType = dice.chance(0.05) ? "connect" : "consumer";
    const sessionTimeoutMs = dice.chance(0.04) ? 1 : 30_000;
    return {
      told: `actor ${actor.index} (${actor.instance}) joins, version ${version}, ${protocols.join()} ${metadata} ${protocolType}${anew ? " anew" : ""}${bogus ? " as nobody" : ""} ${sessionTimeoutMs}`,
      key: ApiKey.JoinGroup,
      mayWait: true,
      version,
      body: state => ({
        groupId: this.#group,
        sessionTimeoutMs,
        rebalanceTimeoutMs: 60_000,
        memberId: bogus ? "nobody" : anew ? "" : (state.members.get(actor.index)?.memberId ?? ""),
        groupInstanceId: version < 5 ? null : actor.instance,
        protocolType,
        protocols: protocols.map(name => ({ name, metadata: Buffer.from(metadata) })),
      }),
      learn: (state, answer) => this.#joined(state, actor, { answer, number }),
    };
  }

  #joined(state: State, actor: Actor, { answer, number }: { answer: Answer; number: number }): void {
    const memberId = String(answer.memberId);
    const one = this.#plays.find(each => each.state === state) as Play<State>;
    if (memberId !== "" && memberId !== "nobody") one.name(memberId, `(member of step ${number})`);
    if (answer.errorCode === 79) state.members.set(actor.index, { ...NOBODY, memberId });
    if (answer.errorCode !== 0) return;
    const members = answer.members as readonly { readonly memberId: string }[];
    state.members.set(actor.index, {
      memberId,
      generation: Number(answer.generationId),
      protocol: String(answer.protocolName),
      isLeader: answer.leader === memberId,
      others: members.map(member => member.memberId),
    });
  }

  #sync(actor: Actor): Step<State> {
    const dice = this.#dice;
    const version = actor.instance === null ? dice.int(0, 5) : dice.int(3, 5);
    const claim = this.#claim(actor);
    const wrongType = dice.chance(0.05);
    const wrongProtocol = dice.chance(0.05);
    return {
      told: `actor ${actor.index} syncs, version ${version}${wrongType ? " wrong type" : ""}${wrongProtocol ? " wrong protocol" : ""} ${JSON.stringify(claim(this.#plays[0].state))}`,
      key: ApiKey.SyncGroup,
      mayWait: true,
      version,
      body: state => {
        const { memberId, generation, instance } = claim(state);
        const known = state.members.get(actor.index) ?? NOBODY;
        return {
          groupId: this.#group,
          generationId: generation,
          memberId,
          groupInstanceId: version < 3 ? null : instance,
          protocolType: wrongType ? "connect" : "consumer",
          protocolName: wrongProtocol ? "zz" : known.protocol,
          assignments: known.isLeader
            ? known.others.map(id => ({ memberId: id, assignment: Buffer.from(`for generation ${generation}`) }))
            : [],
        };
      },
    };
  }

  #heartbeat(actor: Actor): Step<State> {
    const version = actor.instance === null ? this.#dice.int(0, 4) : this.#dice.int(3, 4);
    const claim = this.#claim(actor);
    return {
      told: `actor ${actor.index} beats, version ${version} ${JSON.stringify(claim(this.#plays[0].state))}`,
      key: ApiKey.Heartbeat,
      version,
      body: state => {
        const { memberId, generation, instance } = claim(state);
        return {
          groupId: this.#group,
          generationId: generation,
          memberId,
          groupInstanceId: version < 3 ? null : instance,
        };
      },
    };
  }

  #leave(actor: Actor): Step<State> {
    const dice = this.#dice;
    const version = dice.int(0, 5);
    const claim = this.#claim(actor);
    const byInstance = dice.chance(0.3);
    const twice = dice.chance(0.15);
    return {
      told: `actor ${actor.index} leaves, version ${version}${byInstance ? " by instance" : ""}${twice ? " twice" : ""} ${JSON.stringify(claim(this.#plays[0].state))}`,
      key: ApiKey.LeaveGroup,
      // If the last member leaves while member ids are pending, a rebalance begins and ends after a timer of 0 ms.
      pauseMs: 30,
      version,
      body: state => {
        const { memberId, instance } = claim(state);
        const one = { memberId: byInstance && instance !== null ? "" : memberId, groupInstanceId: instance };
        return version < 3
          ? { groupId: this.#group, memberId }
          : { groupId: this.#group, members: twice ? [one, one] : [one] };
      },
    };
  }

  #partitions(): readonly number[] {
    return this.#dice.of([[0], [1], [0, 1], [0, 7]]);
  }

  #commit(actor: Actor): Step<State> {
    const dice = this.#dice;
    const version = dice.int(actor.instance === null ? 2 : 7, 10);
    const claim = this.#claim(actor);
    const isSimple = dice.chance(0.2);
    const partitions = this.#partitions().map(partitionIndex => ({
      partitionIndex,
      committedOffset: dice.int(0, 9),
      committedLeaderEpoch: dice.of([-1, 0]),
      committedMetadata: dice.of(["", "x", null, "y".repeat(5000)]),
    }));
    const name = dice.chance(0.06) ? "absent" : GROUP_TOPIC;
    return {
      told: `actor ${actor.index} commits, version ${version}${isSimple ? " simply" : ""} ${name} ${partitions.map(p => `${p.partitionIndex}@${p.committedOffset}${p.committedMetadata?.slice(0, 3)}`).join()} ${JSON.stringify(claim(this.#plays[0].state))}`,
      key: ApiKey.OffsetCommit,
      version,
      body: state => {
        const { memberId, generation, instance } = claim(state);
        return {
          groupId: this.#group,
          generationIdOrMemberEpoch: isSimple ? -1 : generation,
          memberId: isSimple ? "" : memberId,
          groupInstanceId: isSimple || version < 7 ? null : instance,
          topics: [{ name, topicId: name === GROUP_TOPIC ? state.topicId : "BBBBBBBBBBBBBBBBBBBBBA", partitions }],
        };
      },
    };
  }

  #fetch(): Step<State> {
    const version = this.#dice.int(1, 10);
    const all = version >= 2 && this.#dice.chance(0.4);
    const partitionIndexes = [...this.#partitions()];
    return {
      told: `offsets are fetched, version ${version}${all ? " all" : ` ${partitionIndexes.join()}`}`,
      key: ApiKey.OffsetFetch,
      version,
      isRead: true,
      body: state => {
        const topics = all ? null : [{ name: GROUP_TOPIC, topicId: state.topicId, partitionIndexes }];
        return version < 8
          ? { groupId: this.#group, topics, ...(version === 7 ? { requireStable: true } : {}) }
          : { groups: [{ groupId: this.#group, topics }], requireStable: true };
      },
    };
  }

  #deleteOffsets(): Step<State> {
    const partitions = this.#partitions().map(partitionIndex => ({ partitionIndex }));
    const name = this.#dice.chance(0.1) ? "absent" : GROUP_TOPIC;
    return {
      told: `offsets of ${name} are deleted: ${partitions.map(p => p.partitionIndex).join()}`,
      key: ApiKey.OffsetDelete,
      version: 0,
      body: () => ({ groupId: this.#group, topics: [{ name, partitions }] }),
    };
  }
}

/** Address of a broker and its id of `GROUP_TOPIC`. */
export interface Stage {
  readonly server: string;
  readonly topicId: string;
}

export function playGroup(
  dice: Dice,
  seed: number,
  stages: readonly Stage[],
  group = `group-${seed}`,
): Promise<Divergence | number> {
  const [kafka, samsa] = stages.map(
    ({ server, topicId }) =>
      new Play<State>(server, { members: new Map(), topicId }, { retriable: COORDINATOR, probe: PROBE }),
  );
  const story = new Story(dice, group, [kafka, samsa]);
  return play({
    seed,
    plays: [kafka, samsa],
    length: dice.int(6, 24),
    next: number => story.next(number),
    isChance: electedOtherwise,
  });
}

/** Probe by an offset commit: its answer comes after all earlier writes of the coordinator are durable. */
const PROBE = {
  key: ApiKey.OffsetCommit,
  version: 8,
  body: {
    groupId: "probe",
    topics: [{ name: GROUP_TOPIC, partitions: [{ partitionIndex: 0, committedOffset: 0, committedMetadata: "" }] }],
  },
};

/** Error codes while the coordinator is being loaded or located. */
const COORDINATOR: ReadonlySet<number> = new Set([14, 15, 16]);
export { PARTITIONS as GROUP_PARTITIONS };
