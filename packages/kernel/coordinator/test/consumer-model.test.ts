import type { Uuid } from "@samsa/base";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Bench } from "./bench.ts";
import { type Answer, ask, type Beat } from "./consumer-requests.ts";

const TOPICS = ["t", "u", "v"];

/** Member as a client implements it: it follows its assignment and reports its partitions. */
class Player {
  readonly bench: Bench;
  readonly id: string;
  readonly instanceId: string | null;
  epoch = 0;
  names: readonly string[] = ["t"];
  regex = "";
  /** `topic/partition`. */
  owned = new Set<string>();
  /** Last assignment from the coordinator. */
  told = new Set<string>();
  /** True after a lost response: the member takes no partitions, and sends all fields with its next heartbeat. */
  missed = false;

  constructor(bench: Bench, id: string, instanceId: string | null) {
    this.bench = bench;
    this.id = id;
    this.instanceId = instanceId;
  }

  get joined(): boolean {
    return this.epoch > 0;
  }

  #listed(): { topicId: Uuid; partitions: number[] }[] {
    const topics = new Map<Uuid, number[]>();
    for (const place of this.owned) {
      const [topic, partition] = place.split("/") as [Uuid, string];
      topics.set(topic, [...(topics.get(topic) ?? []), Number(partition)]);
    }
    return [...topics].map(([topicId, partitions]) => ({ topicId, partitions }));
  }

  /** Sends a heartbeat. `lost`: the response does not arrive. `whole`: the request has all fields. */
  beat(lost: boolean, whole: boolean): void {
    const joining = !this.joined;
    if (joining) this.out();
    // During reconciliation a member reports no partitions: they are neither the old nor the new assignment.
    const settled = this.owned.size === this.told.size && [...this.told].every(place => this.owned.has(place));
    const draft: Beat = {
      ...(joining || whole || this.missed
        ? { rebalanceTimeoutMs: 10_000, subscribedTopicNames: [...this.names], subscribedTopicRegex: this.regex }
        : {}),
      ...(joining || settled || this.missed ? { topicPartitions: this.#listed() } : {}),
    };
    const answer = ask(this.bench, {
      ...draft,
      memberId: this.id,
      memberEpoch: this.epoch,
      instanceId: this.instanceId,
    });
    this.missed = lost;
    if (lost) return;
    if (answer.errorCode === 0) this.#take(answer);
    else if (answer.errorCode !== 111) this.out();
  }

  #take({ memberEpoch, assignment }: Answer): void {
    this.epoch = memberEpoch;
    if (assignment === null) return;
    const places = assignment.topicPartitions.flatMap(({ topicId, partitions }) =>
      partitions.map(partition => `${topicId}/${partition}`),
    );
    this.told = new Set(places);
  }

  /** Completes the reconciliation: the member owns its assignment. */
  settle(): void {
    if (!this.missed) this.owned = new Set(this.told);
  }

  out(): void {
    this.epoch = 0;
    this.missed = false;
    this.owned.clear();
    this.told.clear();
  }

  leave(): void {
    if (!this.joined) return;
    const memberEpoch = this.instanceId === null ? -1 : -2;
    ask(this.bench, { memberId: this.id, memberEpoch, instanceId: this.instanceId });
    this.out();
  }
}

interface View {
  readonly groupState?: string;
  readonly members?: readonly { readonly memberId: string }[];
}
const viewOf = (bench: Bench) => bench.shard.consumerView("g") as View;

function noTwoOwners(bench: Bench, players: readonly Player[]): void {
  const members = new Set(viewOf(bench).members?.map(({ memberId }) => memberId));
  const owners = new Map<string, string>();
  for (const player of players) {
    // A removed member learns of it with its next heartbeat, and clients drop their partitions by themselves before.
    if (!members.has(player.id)) continue;
    for (const place of player.owned) {
      expect(owners.get(place), `the owner of ${place}, which ${player.id} has`).toBeUndefined();
      owners.set(place, player.id);
    }
  }
}

type Step =
  | { readonly type: "beat"; readonly who: number; readonly lost: boolean; readonly whole: boolean }
  | { readonly type: "settle" | "leave" | "forget"; readonly who: number }
  | { readonly type: "subscribe"; readonly who: number; readonly names: readonly string[]; readonly regex: string }
  | { readonly type: "topic"; readonly name: string; readonly partitions: number }
  | { readonly type: "pass"; readonly ms: number; readonly wall: number }
  | { readonly type: "fail" }
  | { readonly type: "reload" };

const who = fc.nat(4);
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ type: fc.constant("beat"), who, lost: fc.boolean(), whole: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom("settle", "settle", "settle", "settle", "settle", "leave", "forget"),
      who,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("subscribe"),
      who,
      names: fc.subarray(TOPICS),
      regex: fc.constantFrom("", "", "[tu]", "v|w.*"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("topic"),
      name: fc.constantFrom(...TOPICS, "wide"),
      partitions: fc.nat(7),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("pass"),
      ms: fc.constantFrom(100, 1000, 1000, 2000, 4000, 9000, 30_000),
      wall: fc.integer({ min: -1e6, max: 1e6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom("reload", "fail") }) },
) as fc.Arbitrary<Step>;

function play(bench: Bench, players: readonly Player[], step: Step): void {
  switch (step.type) {
    case "beat":
      return players[step.who].beat(step.lost, step.whole);
    case "settle":
    case "leave":
      return players[step.who][step.type]();
    case "forget":
      return players[step.who].out();
    case "subscribe":
      Object.assign(players[step.who], { names: step.names, regex: step.regex });
      return players[step.who].joined ? players[step.who].beat(false, true) : undefined;
    case "topic":
      bench.topic(
        step.name,
        Math.max(step.partitions, step.partitions === 0 ? 0 : (bench.topics.get(step.name)?.partitions ?? 0)),
      );
      return;
    case "pass":
      bench.shard.wallAhead = step.wall;
      return bench.pass(step.ms);
    case "fail":
      bench.failing = 15;
      players[0].beat(false, true);
      bench.failing = 0;
      return;
    case "reload": {
      const before = viewOf(bench);
      bench.reload();
      expect(viewOf(bench)).toEqual(before);
    }
  }
}

/** Partitions of all subscribed topics. */
function wanted(bench: Bench, players: readonly Player[]): string[] {
  const places: string[] = [];
  for (const [name, { id, partitions }] of bench.topics) {
    const some = players.some(
      ({ names, regex }) => names.includes(name) || (regex !== "" && new RegExp(`^(?:${regex})$`).test(name)),
    );
    if (some) for (let partition = 0; partition < partitions; partition++) places.push(`${id}/${partition}`);
  }
  return places.sort();
}

test("no partition ever has two owners, in the end each has one, and the log says it all", () => {
  fc.assert(
    fc.property(fc.array(steps, { minLength: 30, maxLength: 120, size: "max" }), script => {
      const bench = new Bench();
      bench.topic("t", 3);
      const players = [0, 1, 2, 3, 4].map(i => new Player(bench, `m${i}`, i === 4 ? "static" : null));
      for (const step of script) {
        play(bench, players, step);
        noTwoOwners(bench, players);
      }
      for (let round = 0; round < 20; round++) {
        for (const player of players) {
          player.beat(false, round === 0);
          player.settle();
          noTwoOwners(bench, players);
        }
        bench.pass(5000);
      }
      expect(viewOf(bench).groupState).toBe("Stable");
      expect(players.flatMap(({ owned }) => [...owned]).sort()).toEqual(wanted(bench, players));
      const before = viewOf(bench);
      bench.reload();
      expect(viewOf(bench)).toEqual(before);
    }),
    { numRuns: 300 },
  );
});
